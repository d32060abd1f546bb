"""``POST /v1/returns/…``: what providers and mail servers report.  Plain views, as in `decide`.

A caller proves who it is; what it may say is then recorded at once, and a repeat changes nothing.
"""

import base64
import json
import logging

from django.conf import settings
from django.http import Http404, HttpRequest, JsonResponse
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from campaigns.channels import esp_events
from campaigns.services import arrivals, mail_reports
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


@csrf_exempt
@public  # the key says who calls; it can report and nothing else
@require_http_methods(["POST"])
def mail(request: HttpRequest) -> JsonResponse:
    """One bounce or complaint: a raw message, or as inbound services post it.

    The key comes as a bearer token or as the password of basic authentication.  The address that
    the mail was delivered to may be told as ``?to=``.
    """
    if not _knows_key(request):
        return refused(401, "not_authenticated", "The key is missing or wrong.")
    raw = _raw(request)
    if not raw:
        return refused(400, "empty", "There is no message in the body.")
    try:
        said = mail_reports.take(raw, now=timezone.now(), envelope_to=request.GET.get("to", ""))
    except mail_reports.ReportRefused as refusal:
        return refused(refusal.status, refusal.code, str(refusal))
    return JsonResponse({"said": said})


def _knows_key(request: HttpRequest) -> bool:
    scheme, _space, given = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            given = base64.b64decode(given).decode().partition(":")[2]
        except ValueError:
            return False
    known = settings.MAIL_REPORT_KEY
    return bool(known) and constant_time_compare(given.strip(), known)


def _raw(request: HttpRequest) -> bytes:
    if request.content_type in ("multipart/form-data", "application/x-www-form-urlencoded"):
        # Mailgun's raw route, SendGrid's raw inbound parse.
        found = request.POST.get("body-mime") or request.POST.get("email") or ""
        return found.encode()
    if request.content_type == "application/json":  # Postmark's inbound, with the raw mail
        try:
            given = json.loads(request.body)
        except ValueError:
            return b""
        found = given.get("RawEmail") if isinstance(given, dict) else ""
        return found.encode() if isinstance(found, str) else b""
    return request.body


def refused(status: int, code: str, detail: str) -> JsonResponse:
    shown = {"code": code, "detail": detail, "attr": None}
    return JsonResponse({"type": "client_error", "errors": [shown]}, status=status)
