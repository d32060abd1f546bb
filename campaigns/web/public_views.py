"""What messages link to: the open pixel, tracked links, unsubscribing.

Anybody may come here, scanners of mail programs above all.  So a GET changes nothing but counts,
no address leads anywhere that we did not sign, and a wrong token learns nothing.
"""

import base64
import logging
import re
from collections.abc import Callable
from datetime import date
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from campaigns.messages import links
from campaigns.messages.sandbox import is_tracked, safe_address
from campaigns.services import composing, outcomes
from rapport.errors import DomainError, NotFound
from rapport.web.page import public

log = logging.getLogger(__name__)

LINK_DAYS = 730  # after two years an old message leads nowhere any more
PIXEL = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")

# Programs that follow links and load pictures before any person does.  Google's and Yahoo's image
# proxies are not among them: they load when a person opens.
_MACHINES = re.compile(
    r"bot\b|crawl|spider|scan|preview|monitor|barracuda|proofpoint|mimecast|trend ?micro|sophos|"
    r"fireeye|symantec|safelinks|urldefense|microsoft office|python|curl|wget|java/|go-http|"
    r"okhttp|headless|phantom|libwww|httpclient",
    re.IGNORECASE,
)


@public
@never_cache
@require_safe
def opened(request: HttpRequest, token: str) -> HttpResponse:
    """The pixel: one transparent dot, and a count."""
    found = _read(links.OPEN, token, days=LINK_DAYS)
    _count(outcomes.opened, found.message_id, now=timezone.now(), is_machine=is_machine(request))
    return HttpResponse(PIXEL, content_type="image/gif")


@public
@never_cache
@require_safe
def clicked(request: HttpRequest, token: str) -> HttpResponse:
    """A tracked link: on to the address that the token itself carries, and a count."""
    found = _read(links.CLICK, token, days=LINK_DAYS)
    address = safe_address(found.address)
    if not is_tracked(address):
        raise Http404
    _count(
        outcomes.clicked,
        found.message_id,
        url=address,
        key=str(found.number),
        now=timezone.now(),
        is_machine=is_machine(request),
    )
    response = HttpResponseRedirect(address)
    response["Referrer-Policy"] = "no-referrer"
    return response


@csrf_exempt  # mail programs post on a person's behalf (RFC 8058); the token is what they need
@public
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """Ask on GET, for scanners follow every link; unsubscribe on POST.  Never expires."""
    found = _read(links.UNSUBSCRIBE, token)
    if request.method == "POST":
        one_click = request.POST.get("List-Unsubscribe") == "One-Click"
        how = "one_click" if one_click else "page"
        try:
            outcomes.unsubscribed(found.message_id, now=timezone.now(), how=how)
        except NotFound:
            raise Http404 from None
    shown = {"is_done": request.method == "POST"}
    response = render(request, "campaigns/public/unsubscribe.html", shown)
    response["X-Robots-Tag"] = "noindex"
    return response


def is_machine(request: HttpRequest) -> bool:
    """Whether a program asks rather than a person, as far as it can be told."""
    headers = request.headers
    agent = headers.get("User-Agent", "")
    purpose = f"{headers.get('Purpose', '')} {headers.get('Sec-Purpose', '')} "
    purpose += f"{headers.get('X-Purpose', '')} {headers.get('X-Moz', '')}"
    return (
        request.method == "HEAD"
        or "prefetch" in purpose
        or "preview" in purpose
        or agent in ("", "Mozilla/5.0")  # the latter is Apple's mail privacy protection
        or bool(_MACHINES.search(agent))
    )


def _read(purpose: str, token: str, *, days: int | None = None) -> links.Token:
    today: date | None = timezone.now().date() if days is not None else None
    try:
        return links.read(composing.key(), purpose, token, today=today, most_days=days)
    except links.BadToken:
        raise Http404 from None


def _count(outcome: Callable[..., Any], message_id: int, **facts: Any) -> None:
    """Record an outcome; one that cannot be recorded must not keep a person from the shop."""
    try:
        outcome(message_id, **facts)
    except DomainError as error:
        log.info("nothing was counted for message %s: %s", message_id, error)
