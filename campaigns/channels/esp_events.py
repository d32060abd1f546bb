"""Read what the services of e-mail providers report, by django-anymail's webhook views.

Nothing is read before the caller has proven who it is: by the provider's signature, or where it has
none by the password in the address that was given to it.
"""

import json
import warnings
from datetime import datetime
from typing import Any

from anymail.exceptions import AnymailError, AnymailWebhookValidationFailure
from anymail.signals import AnymailTrackingEvent, EventType, RejectReason
from anymail.webhooks.base import AnymailBaseWebhookView
from django.conf import settings
from django.http import HttpRequest
from django.utils.module_loading import import_string

from campaigns.channels.esp import MESSAGE_KEY
from campaigns.messages.visits import Visit, is_program
from campaigns.services.arrivals import Arrival

VIEWS = {
    "brevo": "anymail.webhooks.brevo.BrevoTrackingWebhookView",
    "mailgun": "anymail.webhooks.mailgun.MailgunTrackingWebhookView",
    "mailjet": "anymail.webhooks.mailjet.MailjetTrackingWebhookView",
    "postmark": "anymail.webhooks.postmark.PostmarkTrackingWebhookView",
    "sendgrid": "anymail.webhooks.sendgrid.SendGridTrackingWebhookView",
    "sparkpost": "anymail.webhooks.sparkpost.SparkPostTrackingWebhookView",
}
# The provider's own proof: the setting that holds its key, and what django-anymail calls it.
SIGNED = {
    "mailgun": ("MAILGUN_WEBHOOK_KEY", "webhook_signing_key"),
    "sendgrid": ("SENDGRID_WEBHOOK_KEY", "tracking_webhook_verification_key"),
}
KINDS = {
    EventType.DELIVERED: "delivered",
    EventType.FAILED: "failed",
    EventType.COMPLAINED: "complaint",
    EventType.UNSUBSCRIBED: "unsubscribe",
    EventType.OPENED: "open",
    EventType.CLICKED: "click",
}
DEAD = (RejectReason.BOUNCED, RejectReason.INVALID)
# The classes of RFC 3463 that say nothing of the address: a full mailbox, a mail system, the
# network, the protocol, the content, a policy.
NOT_THE_ADDRESS = ("5.2.", "5.3.", "5.4.", "5.5.", "5.6.", "5.7.")


class NotProven(Exception):
    """The caller did not prove that it is the provider."""


class Unreadable(Exception):
    """What the provider sent cannot be understood."""


def read(provider: str, request: HttpRequest, *, now: datetime) -> list[Arrival]:
    """What a request of a provider says, without what is no end of any message.

    Raises
    ------
    NotProven, Unreadable
    """
    view = _view(provider)
    try:
        view.run_validators(request)
    except AnymailWebhookValidationFailure as error:
        raise NotProven(str(error)) from error
    except Exception as error:  # a body of another shape, before it could be checked
        raise NotProven(f"The proof cannot be read: {type(error).__name__}") from error
    try:
        events = view.parse_events(request)
        found = [_arrival(provider, event, now=now) for event in events if event is not None]
    except (AnymailError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise Unreadable(f"{type(error).__name__}: {error}"[:200]) from error
    return [one for one in found if one is not None]


def _view(provider: str) -> AnymailBaseWebhookView:
    given: dict[str, Any] = {}
    if settings.ESP_WEBHOOK_PASSWORDS:
        given["webhook_secret"] = list(settings.ESP_WEBHOOK_PASSWORDS)
    name, argument = SIGNED.get(provider, ("", ""))
    if name and getattr(settings, name):
        given[argument] = getattr(settings, name)
        # A signature proves more than a password in an address, which logs may hold.
        given["webhook_secret"] = []
    elif name or not given:
        raise NotProven(f"{name or 'ESP_WEBHOOK_PASSWORDS'} is not set.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what we have checked above
        return import_string(VIEWS[provider])(**given)


def _arrival(provider: str, event: AnymailTrackingEvent, *, now: datetime) -> Arrival | None:
    kind = _kind(event)
    if not kind:
        return None
    number = str((event.metadata or {}).get(MESSAGE_KEY, ""))
    is_ours = number.isascii() and number.isdecimal() and len(number) < 19
    words = event.mta_response or event.description or event.reject_reason or ""
    return Arrival(
        kind,
        event.timestamp or now,
        int(number) if is_ours else None,
        provider,
        str(event.message_id or ""),
        str(event.event_id or ""),
        " ".join(str(words).split()),
        str(event.recipient or ""),
        str(event.click_url or ""),
        kind in ("open", "click") and _is_machine(event),
        "email",
    )


def _kind(event: AnymailTrackingEvent) -> str:
    if event.event_type == EventType.BOUNCED:
        return "hard_bounce" if _is_hard(event) else "soft_bounce"
    if event.event_type == EventType.REJECTED:  # by the provider's own list
        return "hard_bounce" if event.reject_reason in DEAD else "failed"
    return KINDS.get(event.event_type, "")


def _is_hard(event: AnymailTrackingEvent) -> bool:
    """Whether nobody is at the address, by what each provider calls that; in doubt it is tried
    again, for a suppression is for ever."""
    raw = event.esp_event if isinstance(event.esp_event, dict) else {}
    data = raw.get("event-data") or raw
    said = data.get("Type") or data.get("SuppressionReason") or data.get("type") or ""
    if said in ("SoftBounce", "blocked", "expired", "Soft", "soft_bounce"):
        return False
    delivery = data.get("delivery-status") or {}
    status = str(data.get("status") or delivery.get("enhanced-code") or "")
    words = f"{status} {event.mta_response or ''}"
    return not any(one in words for one in NOT_THE_ADDRESS)


def _is_machine(event: AnymailTrackingEvent) -> bool:
    raw = event.esp_event if isinstance(event.esp_event, dict) else {}
    client = (raw.get("event-data") or {}).get("client-info") or {}
    return bool(
        raw.get("sg_machine_open") or client.get("bot") or is_program(Visit(agent=_agent(event)))
    )


def _agent(event: AnymailTrackingEvent) -> str:
    # A provider that names no program says nothing; a person must not lose by that.
    return str(event.user_agent or "unknown")


def excerpt(body: bytes) -> str:
    """What may be kept of a body that could not be read: its outer names, and no values."""
    try:
        given = json.loads(body)
    except ValueError:
        return f"{len(body)} bytes that are no JSON"
    first = given[0] if isinstance(given, list) and given else given
    names = sorted(map(str, first)) if isinstance(first, dict) else [type(first).__name__]
    return ", ".join(names)[:250]
