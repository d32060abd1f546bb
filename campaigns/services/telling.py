"""Tell the customers' timeline that a message was sent: the event "Email Sent", "SMS Sent" ….

A told event is found by its message id, so telling again changes nothing.  What a crash left
untold is told when the campaign finishes.
"""

from datetime import datetime
from itertools import islice

from django.db import transaction

from campaigns.models import Campaign, Message
from campaigns.services import notices
from customers.models import Event
from customers.services import events

SOURCE = "rapport"
EVENT = "Email Sent"
# How events name a channel; Segment's words where it has them.
CHANNEL_WORDS = {
    "email": "Email", "sms": "SMS", "push": "Push", "in_app": "In-App Message", "webhook": "Webhook"
}  # fmt: skip
AT_ONCE = 500


class Teller:
    """Collects what one sender sent, and tells it in batches of `AT_ONCE`."""

    def __init__(self, campaign: Campaign) -> None:
        self.campaign = campaign
        self._untold: list[events.NewEvent] = []

    def note(
        self, message_id: int, customer_id: int, sent_at: datetime, *, channel: str = "email"
    ) -> None:
        self._untold.append(_event(self.campaign, message_id, customer_id, sent_at, channel))

    def tell_if_many(self, *, now: datetime) -> None:
        if len(self._untold) >= AT_ONCE:
            self.tell(now=now)

    def tell(self, *, now: datetime) -> None:
        if self._untold:
            told, self._untold = self._untold, []
            _tell(told, now=now)


def tell_missing(campaign_id: int, *, now: datetime) -> None:
    """Tell of every message of a campaign that was sent and not told.

    Batch by batch, with the ids written out: joined in one statement, PostgreSQL may compare every
    message with every event while its statistics are a minute old.
    """
    campaign = Campaign.objects.get(pk=campaign_id)
    sent = Message.objects.filter(campaign=campaign, sent_at__isnull=False)
    columns = "pk", "customer_id", "sent_at", "channel"
    rows = sent.values_list(*columns).iterator(chunk_size=AT_ONCE)
    while batch := [
        _event(campaign, pk, customer_id, sent_at, channel)
        for pk, customer_id, sent_at, channel in islice(rows, AT_ONCE)
        if sent_at
    ]:
        told = set(
            Event.objects.filter(
                source=SOURCE, message_id__in=[event.message_id for event in batch]
            ).values_list("message_id", flat=True)
        )
        _tell([event for event in batch if event.message_id not in told], now=now)


@transaction.atomic
def _tell(told: list[events.NewEvent], *, now: datetime) -> None:
    events.record(told, now=now)
    notices.sent(told, now=now)


def named(event: str, channel: str) -> str:
    """The name of an event about e-mail, for another channel.

    >>> named("Email Link Clicked", "sms")
    'SMS Link Clicked'
    """
    return event.replace("Email", CHANNEL_WORDS.get(channel, "Message"), 1)


def _event(
    campaign: Campaign, message_id: int, customer_id: int, sent_at: datetime, channel: str
) -> events.NewEvent:
    return events.NewEvent(
        source=SOURCE,
        message_id=f"email-sent-{message_id}",
        customer_id=customer_id,
        anonymous_id="",
        name=named(EVENT, channel),
        properties={
            "email_id": message_id,
            "campaign_id": campaign.pk,
            "campaign_name": campaign.name,
        },
        happened_at=sent_at,
    )
