"""Which way out each channel but e-mail takes here, and what is set up."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from django.conf import settings

from campaigns.channels import gateway, reports
from campaigns.channels.channel import Channel, ChannelAway
from campaigns.channels.gateway import GatewayChannel
from campaigns.channels.in_app import InAppChannel
from campaigns.channels.inbox import InboxChannel
from campaigns.channels.kannel import Kannel
from campaigns.channels.smpp import Inbound, Receipt, SmppChannel
from campaigns.channels.twilio import Twilio
from campaigns.channels.webhook import WebhookChannel
from campaigns.channels.webpush import PushChannel

Clock = Callable[[], datetime]


@dataclass(frozen=True)
class SetUp:
    """One channel as it is set up here, in words for a page; never a secret."""

    channel: str
    is_ready: bool  # messages leave the house
    way: str
    detail: str = ""


def channel(name: str, clock: Clock) -> Channel:
    """The way out for messages of a channel.  Raises `ChannelAway` where there is none."""
    if name == "sms":
        return sms(clock)
    if name == "push":
        return push(clock)
    if name == "in_app":
        return InAppChannel(clock, is_shown=not settings.PRODUCTION)
    if name == "webhook":
        return WebhookChannel(clock)
    raise ChannelAway(f"No {name} channel is set up.")


def sms(clock: Clock) -> Channel:
    """The gateway of ``SMS_URL``; without one, the inbox page."""
    if not settings.SMS_URL:
        return InboxChannel(clock, name="sms")
    found = gateway.address(settings.SMS_URL)
    if found.scheme == "smpp":
        return SmppChannel(found, partial(_heard, clock))
    report_url = partial(reports.url, found.scheme)
    is_twilio = found.scheme == "twilio"
    return GatewayChannel(Twilio(found, report_url) if is_twilio else Kannel(found, report_url))


def _heard(clock: Clock, said: Receipt | Inbound) -> str | None:
    # Here, because services import the channels they send through.
    from campaigns.services import inbound

    return inbound.heard(said, now=clock())


def push(clock: Clock) -> Channel:
    """The browsers' own services, once there is a key; without one, the inbox page."""
    if not settings.VAPID_PRIVATE_KEY:
        return InboxChannel(clock, name="push")
    return PushChannel(settings.VAPID_PRIVATE_KEY, contact=contact(), clock=clock)


def contact() -> str:
    return f"mailto:{settings.DEFAULT_FROM_EMAIL}"


def channels_set_up() -> list[SetUp]:
    """Every channel but e-mail, for the page of senders."""
    from campaigns.models import PushSubscription, WebhookReceiver

    inbox = "The inbox page"
    if settings.SMS_URL:
        text = SetUp("SMS", True, gateway.address(settings.SMS_URL).scheme.title())
    else:
        text = SetUp("SMS", False, inbox, "Set SMS_URL to send text messages.")
    if settings.VAPID_PRIVATE_KEY:
        browsers = PushSubscription.objects.filter(gone_at=None).count()
        notices = SetUp("Notifications", True, "Web push", f"{browsers:,} browsers")
    else:
        told = "Set VAPID_PRIVATE_KEY; manage.py vapid makes one."
        notices = SetUp("Notifications", False, inbox, told)
    receivers = WebhookReceiver.objects.count()
    return [
        text,
        notices,
        SetUp("In-app messages", True, "The shop's pages", "By the script inbox.js."),
        SetUp("Webhooks", bool(receivers), "A system of the shop's own", f"{receivers} receivers"),
    ]


def inbound_address() -> str:
    """Where the gateway of ``SMS_URL`` must be told to hand over what people text; else empty.

    Whoever knows it can speak for the gateway Kannel: it is for those who set the gateway up.
    """
    scheme = gateway.address(settings.SMS_URL).scheme if settings.SMS_URL else ""
    if scheme == "kannel":
        return f"{reports.inbound_url(scheme)}?from=%p&to=%P&text=%a&id=%I"
    return reports.inbound_url(scheme) if scheme == "twilio" else ""
