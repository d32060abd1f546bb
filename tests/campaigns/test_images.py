import io
import struct
import zlib

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from PIL import Image as Pillow

from campaigns.models import Image
from campaigns.services import images
from rapport.access import create_roles
from tests.makers import NOW, make_staff

pytestmark = pytest.mark.django_db


def drawn(kind="PNG", size=(40, 30), **more) -> bytes:
    buffer = io.BytesIO()
    Pillow.new("RGB", size, "#0b6e4f").save(buffer, kind, **more)
    return buffer.getvalue()


def keep(data, name="mug.png"):
    return images.keep(data, name=name, user=None, now=NOW)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP"])
def test_an_image_is_written_anew_and_served_to_everybody(client, kind):
    kept = keep(drawn(kind))

    answer = client.get(images.url(kept).partition("//")[2].partition("/")[2].join(["/", ""]))

    assert answer.status_code == 200
    assert answer["Content-Type"] == f"image/{kind.lower()}"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "immutable" in answer["Cache-Control"] and "public" in answer["Cache-Control"]
    assert "Set-Cookie" not in answer
    assert Pillow.open(io.BytesIO(answer.content)).size == (40, 30)


def test_what_was_hidden_in_a_file_is_gone():
    exif = Pillow.Exif()
    exif[0x010E] = "Ada's kitchen, 48.8566 N"
    data = drawn("JPEG", exif=exif) + b"<script>alert(1)</script>"

    kept = keep(data, "../../etc/pass\x00wd.jpg")

    assert b"kitchen" not in bytes(kept.data) and b"script" not in bytes(kept.data)
    assert kept.name == "../../etc/passwd.jpg", "a word for the team, never a path"


def test_the_same_image_is_kept_once():
    assert keep(drawn()).pk == keep(drawn(), "again.png").pk


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GIF89a",
        b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
        b"%PDF-1.7 not an image",
        drawn("TIFF"),
        drawn("BMP"),
        drawn("PNG")[:60],
    ],
)
def test_what_is_no_image_of_four_kinds_is_refused(data):
    with pytest.raises(images.ImageRefused, match="no PNG, JPEG, GIF or WebP"):
        keep(data)


def bomb(width: int, height: int) -> bytes:
    """A PNG of some bytes that says it has so many pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    packed = zlib.compress(b"\0" * 1_000_000)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("size", [(10_000, 10_000), (60_000, 60_000), (2_000_000_000, 1)])
def test_an_image_that_unfolds_without_end_is_refused_before_it_is_decoded(size):
    with pytest.raises(images.ImageRefused, match="pixels|no PNG"):
        keep(bomb(*size))
    assert not Image.objects.exists()


def test_a_film_is_refused():
    frames = [Pillow.new("RGB", (8, 8), (number, 0, 0)) for number in range(70)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    with pytest.raises(images.ImageRefused, match="70 pictures"):
        keep(buffer.getvalue())


def test_large_images_are_made_small_enough_for_mail():
    kept = keep(drawn("JPEG", (4_000, 1_000)))

    assert (kept.width, kept.height) == (1_600, 400)


def test_an_address_that_was_not_given_shows_nothing(client):
    kept = keep(drawn())

    assert client.get(f"/m/i/{'0' * 64}.png").status_code == 404
    assert client.get(f"/m/i/{kept.sha256}.gif").status_code == 404
    assert client.get(f"/m/i/{kept.sha256}.svg").status_code == 404


def test_who_may_upload_and_what_is_said(client):
    create_roles()
    client.force_login(make_staff("viewer"))
    file = SimpleUploadedFile("mug.png", drawn(), "image/png")
    assert client.post(reverse("content_upload"), {"image": file}).status_code == 403

    client.force_login(make_staff("marketer"))
    file = SimpleUploadedFile("mug.png", drawn(), "image/png")
    answer = client.post(reverse("content_upload"), {"image": file})
    assert answer.json()["url"].endswith(".png")
    evil = SimpleUploadedFile("x.png", b"<svg onload=alert(1)>", "image/png")
    refused = client.post(reverse("content_upload"), {"image": evil})
    assert (refused.status_code, "no PNG" in refused.json()["error"]) == (400, True)
    assert client.get(reverse("content_images")).json()["images"][0]["name"] == "mug.png"
