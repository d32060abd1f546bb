"""The small scripts of notifications and in-app messages; see docs/channels.md."""

import hashlib
from functools import cache
from pathlib import Path

from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.views.decorators.http import require_safe

from rapport.web.page import public

FOLDER = Path(__file__).resolve().parents[1] / "snippet"
FRESH_SECONDS = 3_600


@public
@require_safe
def push(request: HttpRequest) -> HttpResponse:
    """Ask the browser for notifications."""
    return _script(request, "push.js")


@public
@require_safe
def worker(request: HttpRequest) -> HttpResponse:
    """What shows notifications; the shop's own worker imports it."""
    return _script(request, "push-worker.js")


@public
@require_safe
def inbox(request: HttpRequest) -> HttpResponse:
    """Show in-app messages."""
    return _script(request, "inbox.js")


def _script(request: HttpRequest, name: str) -> HttpResponse:
    text, tag = _read(name)
    is_known = request.headers.get("If-None-Match", "").removeprefix("W/") == tag
    response = (
        HttpResponseNotModified()
        if is_known
        else HttpResponse(text, content_type="text/javascript; charset=utf-8")
    )
    response["ETag"] = tag
    response["Cache-Control"] = f"public, max-age={FRESH_SECONDS}"
    response["Access-Control-Allow-Origin"] = "*"
    response["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


@cache
def _read(name: str) -> tuple[bytes, str]:
    text = (FOLDER / name).read_bytes()
    return text, f'"{hashlib.sha256(text).hexdigest()[:32]}"'
