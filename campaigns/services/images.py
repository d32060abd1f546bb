"""Keep the images of messages.  The only writer of ``Image``.

What is uploaded is decoded and written anew: nothing of the file itself is ever served, and with it
go places, cameras' names and whatever else was hidden in it.
"""

import hashlib
import io
import warnings
from datetime import datetime
from typing import Any

from django.conf import settings
from PIL import Image as Pillow
from PIL import ImageOps, UnidentifiedImageError

from campaigns.models import Image
from rapport.access import audit
from rapport.errors import DomainError, NotFound

BYTES_MOST = 5_000_000  # of an upload
PIXELS_MOST = 40_000_000  # decoded: about 160 MB in memory
FRAMES_MOST = 60  # of a moving picture
SIDE_MOST = 1_600  # pixels of what is served: twice the width of a message, and some
QUALITY = 85
# Pillow's names, what is served for each, and how addresses end.
FORMATS = {
    "PNG": ("image/png", "png"),
    "JPEG": ("image/jpeg", "jpg"),
    "GIF": ("image/gif", "gif"),
    "WEBP": ("image/webp", "webp"),
}
ENDINGS = {content_type: ending for content_type, ending in FORMATS.values()}


class ImageRefused(DomainError):
    """A file that is no image we keep; the message says why."""

    code = "image_refused"


def keep(data: bytes, *, name: str, user: Any, now: datetime) -> Image:
    """Keep an uploaded image; one that is there already is the same row.

    Raises `ImageRefused` for what is too large, is no PNG, JPEG, GIF or WebP, or unfolds into more
    than `PIXELS_MOST` pixels.
    """
    if len(data) > BYTES_MOST:
        raise ImageRefused(
            f"The file has {len(data) / 1e6:.1f} MB; at most {BYTES_MOST / 1e6:.0f} MB are kept."
        )
    made, content_type, size = _written_anew(data)
    sha256 = hashlib.sha256(made).hexdigest()
    found, is_new = Image.objects.get_or_create(
        sha256=sha256,
        defaults={
            "data": made, "content_type": content_type, "width": size[0], "height": size[1],
            "size": len(made), "name": _tidy(name), "created_by": user, "created_at": now,
        },
    )  # fmt: skip
    if is_new:
        audit(user, "image.created", f"image {found.pk}", name=found.name, size=found.size)
    return found


def find(sha256: str, ending: str) -> Image:
    """The image of a public address; raises `NotFound`."""
    found = Image.objects.filter(sha256=sha256).first()
    if found is None or ENDINGS[found.content_type] != ending:
        raise NotFound("There is no such image.")
    return found


def url(image: Image) -> str:
    """Where everybody finds it, for as long as it is kept."""
    return f"{settings.SITE_URL}/m/i/{image.sha256}.{ENDINGS[image.content_type]}"


def delete(image: Image, *, user: Any) -> None:
    """Remove an image; messages that were sent with it show an empty place from then on."""
    audit(user, "image.deleted", f"image {image.pk}", name=image.name)
    Image.objects.filter(pk=image.pk).delete()


def _written_anew(data: bytes) -> tuple[bytes, str, tuple[int, int]]:
    """What is served of a file: decoded, turned upright, made small enough, without metadata."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Pillow.DecompressionBombWarning)
            with Pillow.open(io.BytesIO(data), formats=list(FORMATS)) as opened:
                _check_size(opened)
                return _encoded(opened)
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError) as error:
        raise ImageRefused("This is no PNG, JPEG, GIF or WebP image that can be read.") from error
    except Pillow.DecompressionBombError as error:
        raise ImageRefused("The image has too many pixels.") from error


def _check_size(opened: Pillow.Image) -> None:
    """Before a pixel is decoded: what the file's first bytes promise."""
    frames = getattr(opened, "n_frames", 1)
    pixels = opened.width * opened.height
    if pixels > PIXELS_MOST or pixels * frames > 2 * PIXELS_MOST or frames > FRAMES_MOST:
        raise ImageRefused(
            f"The image has {opened.width:,} × {opened.height:,} pixels"
            + (f" in {frames} pictures" if frames > 1 else "")
            + f"; at most {PIXELS_MOST:,} pixels and {FRAMES_MOST} pictures are kept."
        )


def _encoded(opened: Pillow.Image) -> tuple[bytes, str, tuple[int, int]]:
    kind = str(opened.format)
    content_type = FORMATS[kind][0]
    buffer = io.BytesIO()
    if getattr(opened, "is_animated", False):
        frames = []
        for number in range(opened.n_frames):  # type: ignore[attr-defined]
            opened.seek(number)
            frames.append(_small(opened.convert("RGBA")))
        frames[0].save(
            buffer, kind, save_all=True, append_images=frames[1:], loop=0,
            duration=opened.info.get("duration", 100),
        )  # fmt: skip
        return buffer.getvalue(), content_type, frames[0].size
    picture = _small(ImageOps.exif_transpose(opened) or opened)
    picture = picture.convert("RGB" if kind == "JPEG" else _mode(picture))
    clean = Pillow.new(picture.mode, picture.size)
    clean.paste(picture)
    options: dict[str, dict[str, Any]] = {
        "JPEG": {"quality": QUALITY, "optimize": True},
        "WEBP": {"quality": QUALITY},
        "PNG": {"optimize": True},
        "GIF": {},
    }
    clean.save(buffer, kind, **options[kind])
    return buffer.getvalue(), content_type, clean.size


def _mode(picture: Pillow.Image) -> str:
    return "RGBA" if "A" in picture.getbands() or "transparency" in picture.info else "RGB"


def _small(picture: Pillow.Image) -> Pillow.Image:
    if max(picture.size) <= SIDE_MOST:
        return picture
    made = picture.convert(_mode(picture)) if picture.mode == "P" else picture.copy()
    made.thumbnail((SIDE_MOST, SIDE_MOST))
    return made


def _tidy(name: str) -> str:
    return "".join(one for one in name if one.isprintable()).strip()[:120]
