"""What messages link to: the open pixel, tracked links, unsubscribing.

Anybody may come here, scanners of mail programs above all.  So a GET changes nothing but counts,
no address leads anywhere that we did not sign, and a wrong token learns nothing.
"""

import base64
import logging
from collections.abc import Callable
from datetime import date
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from campaigns.messages import links
from campaigns.messages.sandbox import is_tracked, safe_address
from campaigns.messages.visits import Visit, is_program
from campaigns.models import Message
from campaigns.services import composing, outcomes, visits
from campaigns.web import public_words
from rapport.errors import DomainError, NotFound
from rapport.web.page import public

log = logging.getLogger(__name__)

LINK_DAYS = 730  # after two years an old message leads nowhere any more
PIXEL = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")


@public
@never_cache
@require_safe
def opened(request: HttpRequest, token: str) -> HttpResponse:
    """The pixel: one transparent dot, and a count."""
    found = _read(links.OPEN, token, days=LINK_DAYS)
    _count(visits.opened, found.message_id, visit(request), now=timezone.now())
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
        visits.followed,
        found.message_id,
        visit(request),
        url=address,
        key=str(found.number),
        now=timezone.now(),
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
    else:
        visits.looked(found.message_id, "unsubscribe", now=timezone.now())
    language = _language(request, found.message_id)
    choose = links.write(composing.key(), links.PREFERENCES, found.message_id, day=found.day)
    shown = {
        "is_done": request.method == "POST",
        "language": language,
        "words": public_words.WORDS[language],
        "preferences_path": reverse("preferences", args=[choose]),
    }
    response = render(request, "campaigns/public/unsubscribe.html", shown)
    response["X-Robots-Tag"] = "noindex"
    return response


def _language(request: HttpRequest, message_id: int) -> str:
    """The person's own, else the browser's."""
    found = Message.objects.filter(pk=message_id).values_list("customer__language", flat=True)
    return public_words.chosen(found.first() or "", *public_words.asked(request))


def visit(request: HttpRequest) -> Visit:
    """What a request says of who makes it."""
    headers = request.headers
    names = ("Purpose", "Sec-Purpose", "X-Purpose", "X-Moz")
    purpose = " ".join(headers.get(name, "") for name in names)
    return Visit(request.method or "", headers.get("User-Agent", ""), purpose)


def is_machine(request: HttpRequest) -> bool:
    """Whether a request itself says that no person made it."""
    return is_program(visit(request))


def _read(purpose: str, token: str, *, days: int | None = None) -> links.Token:
    today: date | None = timezone.now().date() if days is not None else None
    try:
        return links.read(composing.key(), purpose, token, today=today, most_days=days)
    except links.BadToken:
        raise Http404 from None


def _count(outcome: Callable[..., Any], message_id: int, *given: Any, **facts: Any) -> None:
    """Record an outcome; one that cannot be recorded must not keep a person from the shop."""
    try:
        outcome(message_id, *given, **facts)
    except DomainError as error:
        log.info("nothing was counted for message %s: %s", message_id, error)
