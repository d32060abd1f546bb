"""Serve the script that the shop's pages load, in its small form."""

import hashlib
from functools import cache
from pathlib import Path

from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.views.decorators.http import require_safe

from rapport.web.page import public

SMALL = Path(__file__).resolve().parents[1] / "snippet" / "rapport.min.js"
FRESH_SECONDS = 3_600  # so long pages may run an older script after an update …
STALE_SECONDS = 86_400  # … and no page waits for a newer one


@public
@require_safe
def script(request: HttpRequest) -> HttpResponse:
    """The script, kept for an hour by browsers and by what stands between."""
    text, tag = _small()
    response = (
        HttpResponseNotModified()
        if request.headers.get("If-None-Match", "").removeprefix("W/") == tag
        else HttpResponse(text, content_type="text/javascript; charset=utf-8")
    )
    response["ETag"] = tag
    response["Cache-Control"] = (
        f"public, max-age={FRESH_SECONDS}, stale-while-revalidate={STALE_SECONDS}, "
        f"stale-if-error={STALE_SECONDS}"
    )
    # Shops may load it with `crossorigin` and an `integrity` hash, and it is no page's secret.
    response["Access-Control-Allow-Origin"] = "*"
    response["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


@cache
def _small() -> tuple[bytes, str]:
    text = SMALL.read_bytes()
    return text, f'"{hashlib.sha256(text).hexdigest()[:32]}"'
