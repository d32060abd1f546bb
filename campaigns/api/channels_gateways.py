"""What SMS gateways tell: the fate of messages, and what people answer.

Nobody logs in here.  Each address carries a token of ours; Twilio signs beside it, by the account's
token, over the address as it is known outside and over every parameter.
"""

from datetime import datetime
from xml.sax.saxutils import escape

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

from campaigns.channels import gateway, kannel, reports, twilio
from campaigns.services import arrivals, inbound
from campaigns.services.arrivals import Arrival
from rapport.web.page import public

TWIML = '<?xml version="1.0" encoding="UTF-8"?><Response>{}</Response>'


@csrf_exempt
@public  # Twilio's signature says who speaks
@never_cache
@require_POST
def twilio_status(request: HttpRequest, token: str) -> HttpResponse:
    """What became of one message."""
    message_id = _message("twilio", token)
    _check_signature(request)
    now, said = timezone.now(), request.POST
    code = said.get("ErrorCode", "")
    kind = twilio.fate(said.get("MessageStatus", ""), code)
    if code == str(twilio.OPTED_OUT) and said.get("To"):
        inbound.opted_out("sms", said["To"][:40], now=now)
    sid = said.get("MessageSid", "")
    _record(
        kind, message_id, "twilio", sid, detail=f"{said.get('MessageStatus', '')} {code}", now=now
    )
    return HttpResponse(status=204)


@csrf_exempt
@public  # Twilio's signature says who speaks
@never_cache
@require_POST
def twilio_inbound(request: HttpRequest, token: str) -> HttpResponse:
    """What somebody texted to us."""
    if not reports.is_inbound("twilio", token):
        raise Http404
    _check_signature(request)
    said = request.POST
    reply = inbound.received(
        "sms",
        said.get("From", ""),
        said.get("Body", ""),
        provider="twilio",
        provider_id=said.get("MessageSid", ""),
        now=timezone.now(),
    )
    # With its own opt-out handling Twilio has answered already, and says so.
    is_ours = settings.SMS_REPLIES and not said.get("OptOutType")
    words = f"<Message>{escape(reply)}</Message>" if reply and is_ours else ""
    return HttpResponse(TWIML.format(words), content_type="text/xml")


@public  # the token says that Kannel had the address from us
@never_cache
@require_GET
def kannel_status(request: HttpRequest, token: str) -> HttpResponse:
    """What became of one message; a GET, for that is how Kannel tells it."""
    message_id = _message("kannel", token)
    status = request.GET.get("status", "")
    kind, now = kannel.fate(status), timezone.now()
    _record(kind, message_id, "kannel", "", detail=request.GET.get("said", ""), now=now)
    return HttpResponse(b"", content_type="text/plain")


@public  # the token says that Kannel had the address from us
@never_cache
@require_GET
def kannel_inbound(request: HttpRequest, token: str) -> HttpResponse:
    """What somebody texted to us; what is answered here, Kannel sends back."""
    if not reports.is_inbound("kannel", token):
        raise Http404
    said = request.GET
    reply = inbound.received(
        "sms",
        said.get("from", ""),
        said.get("text", ""),
        provider="kannel",
        provider_id=said.get("id", ""),
        now=timezone.now(),
    )
    words = reply if reply and settings.SMS_REPLIES else ""
    return HttpResponse(words, content_type="text/plain; charset=utf-8")


def _message(provider: str, token: str) -> int:
    found = reports.message_id(provider, token)
    if found is None:
        raise Http404
    return found


def _record(
    kind: str, message_id: int, provider: str, provider_id: str, *, detail: str, now: datetime
) -> None:
    if kind:
        arrival = Arrival(
            kind, now, message_id=message_id, provider=provider, provider_id=provider_id,
            event_id=f"{message_id}:{kind}", detail=detail.strip(), channel="sms",
        )  # fmt: skip
        arrivals.record([arrival], now=now)


def _check_signature(request: HttpRequest) -> None:
    """Refuse what Twilio did not sign.  The address is ours as the world knows it."""
    found = gateway.address(settings.SMS_URL) if settings.SMS_URL else None
    if found is None or found.scheme != "twilio":
        raise Http404
    params = {name: request.POST.getlist(name) for name in request.POST}
    url = f"{settings.SITE_URL}{request.get_full_path()}"
    given = request.headers.get("X-Twilio-Signature", "")
    if not twilio.is_signed(found.password, url, params, given):
        raise Http404
