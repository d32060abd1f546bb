"""What everybody may fetch: short links and the images of messages."""

import logging

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.views.decorators.cache import cache_control, never_cache
from django.views.decorators.http import require_safe

from campaigns.messages.sandbox import is_tracked, safe_address
from campaigns.services import images, outcomes, short_links
from campaigns.web.public_views import is_machine
from rapport.errors import DomainError, NotFound
from rapport.web.page import public

log = logging.getLogger(__name__)


@public
@never_cache
@require_safe
def short(request: HttpRequest, code: str) -> HttpResponse:
    """A short link: on to the address that we keep for it, and a count."""
    now = timezone.now()
    try:
        found = short_links.find(code, now=now)
    except NotFound:
        raise Http404 from None
    address = safe_address(found.address)
    if not is_tracked(address):
        raise Http404
    try:
        outcomes.clicked(
            found.message_id,
            url=address,
            key=f"s{found.link_id}",
            now=now,
            is_machine=is_machine(request),
        )
    except DomainError as error:  # what cannot be counted must not keep a person from the shop
        log.info("nothing was counted for message %s: %s", found.message_id, error)
    response = HttpResponseRedirect(address)
    response["Referrer-Policy"] = "no-referrer"
    response["X-Robots-Tag"] = "noindex"
    return response


@public
@cache_control(public=True, max_age=31_536_000, immutable=True)
@require_safe
def image(request: HttpRequest, sha256: str, ending: str) -> HttpResponse:
    """An image of a message: the address is the print of what it holds, so it never changes."""
    try:
        found = images.find(sha256, ending)
    except NotFound:
        raise Http404 from None
    response = HttpResponse(bytes(found.data), content_type=found.content_type)
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["Cross-Origin-Resource-Policy"] = (
        "cross-origin"  # mail programs show it on their pages
    )
    return response
