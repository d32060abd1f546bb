"""``POST /v1/returns/…``: what providers and mail servers report.  Plain views, as in `decide`.

A caller proves who it is; what it may say is then recorded at once, and a repeat changes nothing.
"""

import logging

from django.http import Http404, HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from campaigns.channels import esp_events
from campaigns.services import arrivals
from rapport.web.page import public

log = logging.getLogger(__name__)


@csrf_exempt
@public  # the provider's signature or password says who calls
@require_http_methods(["POST", "HEAD"])
def provider(request: HttpRequest, name: str) -> JsonResponse:
    """Events of one provider; answered with how many told something new."""
    if name not in esp_events.VIEWS:
        raise Http404
    if request.method == "HEAD":  # some look whether anybody is there when they are set up
        return JsonResponse({})
    now = timezone.now()
    try:
        found = esp_events.read(name, request, now=now)
    except esp_events.NotProven as error:
        log.warning("a webhook of %s was refused: %s", name, error)
        return refused(401, "not_authenticated", f"Not proven to come from {name}.")
    except esp_events.Unreadable as error:
        said = esp_events.excerpt(request.body)
        arrivals.reject(f"It cannot be read: {error}", provider=name, said=said, now=now)
        return refused(400, "unreadable", str(error))
    return JsonResponse({"received": len(found), "new": arrivals.record(found, now=now)})


def refused(status: int, code: str, detail: str) -> JsonResponse:
    shown = {"code": code, "detail": detail, "attr": None}
    return JsonResponse({"type": "client_error", "errors": [shown]}, status=status)
