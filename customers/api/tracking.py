"""The tracking API: messages of sites and shops, spoken as the Segment specification says.

Plain views, for a serializer a message would cost more than storing it.
"""

import base64
import binascii
import zlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from customers.collect import bodies, tracking
from customers.collect.bodies import Body, Unreadable
from customers.collect.messages import Message, Rejected
from customers.models import WriteKey
from customers.services import write_keys
from customers.services.tracking import intake, pulse, telling
from customers.services.tracking.intake import Taken
from rapport.web.page import public

SHORT = {"i": "identify", "t": "track", "p": "page", "s": "screen", "g": "group", "a": "alias"}
CORS_SECONDS = 86_400
CONTENT_TYPES = ("application/json", "text/plain", "")
REPORTED_MOST = 100  # rejected messages named in an answer; all are kept


class Refused(Exception):
    """A call that is not taken, with the status that says so."""

    def __init__(
        self, status: int, code: str, detail: str, attr: str | None = None, **headers: str
    ) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail, self.attr = status, code, detail, attr
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


@csrf_exempt
@public  # the write key says whose message it is; `telling` says what its sender may learn
def receive(request: HttpRequest, kind: str) -> HttpResponse:
    """Take one call: a message, or a batch of them."""
    now = timezone.now()
    try:
        if request.method == "OPTIONS":
            answer: HttpResponse = HttpResponse(status=204)
        elif request.method != "POST":
            raise Refused(405, "method_not_allowed", "Expected POST.", Allow="POST, OPTIONS")
        else:
            answer = JsonResponse(_take(request, kind, now))
    except Refused as refused:
        answer = _refusal(refused)
    return _shared(request, answer)


def _take(request: HttpRequest, kind: str, now: datetime) -> dict[str, Any]:
    body = _parsed(_content(request))
    key = _key(request, body.fields)
    if key is None:
        return {"success": True}  # as the original answers a wrong key, where so set
    wait = pulse.wait_seconds(key, now=now)
    if wait:
        raise Refused(
            429,
            "throttled",
            f"More than {settings.TRACKING_CALLS_PER_SECOND:,} calls a second with this key.",
            Retry_After=str(wait),
            X_RateLimit_Reset=str(wait),
        )
    write_keys.use(key, now=now)
    _hide(key, body)
    try:
        messages, rejected = tracking.read_request(
            body, kind=kind, received_at=now, currency=settings.CURRENCY
        )
    except Unreadable as error:
        raise Refused(400, error.code, error.reason, error.field) from None
    taken = intake.take(messages, rejected, key=key, now=now)
    _show(key, body, messages, taken, now)
    if taken.rejected and not taken.stored and not taken.repeated:
        first = taken.rejected[0]
        raise Refused(400, first.code, first.reason, _attr(first, kind))
    answer: dict[str, Any] = {"success": True}
    if kind == "batch":
        answer["stored"], answer["repeated"] = taken.stored, taken.repeated
    if taken.rejected:
        answer["rejected"] = len(taken.rejected)
        answer["errors"] = [_error(one, kind) for one in taken.rejected[:REPORTED_MOST]]
    if intake.waits(messages):
        answer["segments"] = _segments(key, messages, taken, now)
    return answer


def _segments(
    key: WriteKey, messages: Sequence[Message], taken: Taken, now: datetime
) -> dict[str, list[str]]:
    """Segments by the id that the caller knows its visitor by, of whom it may learn them."""
    found = intake.conclude(taken, now=now)
    told = telling.tellable(key, messages, taken.customers)
    return {name: found.get(pk, []) for name, pk in told.items()}


# --- reading the call -------------------------------------------------------------------------


def _content(request: HttpRequest) -> bytes:
    if request.content_type not in CONTENT_TYPES:
        raise Refused(
            415,
            "unsupported_media_type",
            f"Content-Type is {request.content_type!r}; expected application/json.",
        )
    most = settings.TRACKING_BATCH_KB * 1024
    declared = int(request.META.get("CONTENT_LENGTH") or 0)
    if declared > most:
        raise _too_large(f"{declared:,}", most)
    content = request.read(most + 1)
    encoding = request.headers.get("Content-Encoding", "").strip().lower()
    if encoding == "gzip":
        content = _inflated(content, most)
    elif encoding not in ("", "identity"):
        raise Refused(
            415, "unsupported_encoding", f"Content-Encoding is {encoding!r}; expected gzip."
        )
    if len(content) > most:
        raise _too_large(f"more than {most:,}", most)
    return content


def _inflated(content: bytes, most: int) -> bytes:
    """Unpack so many bytes and no more: a small body may hold a very large one."""
    unpacker = zlib.decompressobj(wbits=31)
    try:
        found = unpacker.decompress(content, most + 1)
    except zlib.error as error:
        raise Refused(400, "invalid_gzip", f"The body is not gzip: {error}.") from None
    if not unpacker.eof and len(found) <= most:
        raise Refused(400, "invalid_gzip", "The gzip body ends too early.")
    return found


def _too_large(size: str, most: int) -> Refused:
    return Refused(400, "body_too_large", f"The body has {size} bytes; at most {most:,}.")


def _parsed(content: bytes) -> Body:
    try:
        return bodies.parse(content)
    except Unreadable as error:
        raise Refused(400, error.code, error.reason, error.field) from None


def _key(request: HttpRequest, body: dict[str, Any]) -> WriteKey | None:
    told = body.get("writeKey") or _basic(request.headers.get("Authorization", ""))
    found = write_keys.find(told) if isinstance(told, str) else None
    if found is None and not settings.TRACKING_ACCEPTS_WRONG_KEYS:
        detail = "This write key is not known." if told else "Expected a write key."
        raise Refused(401, "wrong_write_key", detail, "writeKey")
    return found


def _hide(key: WriteKey, body: Body) -> None:
    """Keep a secret key out of what is shown and kept of the messages."""
    if key.is_secret and body.fields.pop("writeKey", None):
        body.hidden = key.key


def _basic(header: str) -> str:
    """The user name of Basic authorization; some clients leave out the colon after it."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(encoded.strip(), validate=True).decode().partition(":")[0]
    except (binascii.Error, UnicodeDecodeError):
        return ""


# --- answering --------------------------------------------------------------------------------


def _refusal(refused: Refused) -> HttpResponse:
    """The API's one error shape; ``code`` and ``message`` are where the official clients look."""
    error = {"code": refused.code, "detail": refused.detail, "attr": refused.attr}
    return JsonResponse(
        {
            "type": "server_error" if refused.status >= 500 else "client_error",
            "errors": [error],
            "code": refused.code,
            "message": refused.detail,
        },
        status=refused.status,
        headers=refused.headers,
    )


def _attr(rejected: Rejected, kind: str) -> str | None:
    if kind != "batch":
        return rejected.field
    return f"batch.{rejected.place}" + (f".{rejected.field}" if rejected.field else "")


def _error(rejected: Rejected, kind: str) -> dict[str, Any]:
    raw = rejected.raw if isinstance(rejected.raw, dict) else {}
    name = raw.get("messageId")
    return {
        "code": rejected.code,
        "detail": rejected.reason,
        "attr": _attr(rejected, kind),
        "messageId": name[:100] if isinstance(name, str) else None,
    }


def _shared(request: HttpRequest, answer: HttpResponse) -> HttpResponse:
    """Let pages of the allowed sites read the answer."""
    origin = request.headers.get("Origin")
    if origin:
        allowed = settings.TRACKING_ORIGINS
        if "*" in allowed or origin in allowed:
            answer["Access-Control-Allow-Origin"] = "*" if "*" in allowed else origin
            answer["Access-Control-Allow-Methods"] = "POST, OPTIONS"
            answer["Access-Control-Allow-Headers"] = (
                "authorization, content-encoding, content-type, x-retry-count"
            )
            answer["Access-Control-Expose-Headers"] = "Retry-After, X-RateLimit-Reset"
            answer["Access-Control-Max-Age"] = str(CORS_SECONDS)
        if "*" not in allowed:
            answer["Vary"] = "Origin"
    return answer


def _show(
    key: WriteKey, body: Body, messages: Sequence[Message], taken: Taken, now: datetime
) -> None:
    refused = {one.place for one in taken.rejected}
    shown = [
        pulse.seen(
            now=now,
            kind=message.kind,
            name=message.name,
            who=message.user_id or message.anonymous_id,
            payload=body.text(message.place),
        )
        for message in messages[-pulse.LIVE_OF_A_CALL :]
        if message.place not in refused
    ]
    shown += [
        pulse.seen(now=now, payload=body.text(one.place), problem=one.reason)
        for one in taken.rejected[-pulse.LIVE_OF_A_CALL :]
    ]
    pulse.note(
        key,
        now=now,
        live=shown,
        stored=taken.stored,
        repeated=taken.repeated,
        rejected=len(taken.rejected),
    )


KINDS = {
    **{kind: kind for kind in tracking.KINDS},
    **SHORT,
    **dict.fromkeys(("batch", "import", "b"), "batch"),
}
urlpatterns = [path(name, receive, {"kind": kind}) for name, kind in KINDS.items()]
