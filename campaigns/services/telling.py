"""Tell the customers' timeline that a message was sent: the event "Email Sent".

A told event is found by its message id, so telling again changes nothing.  What a crash left
untold is told when the campaign finishes.
"""

from datetime import datetime

from django.db import connection

from campaigns.models import Campaign
from customers.services import events

SOURCE = "rapport"
EVENT = "Email Sent"
AT_ONCE = 500

UNTOLD = """
    SELECT m.id, m.customer_id, m.sent_at FROM campaigns_message m
    WHERE m.campaign_id = %s AND m.sent_at IS NOT NULL AND NOT EXISTS (
        SELECT FROM customers_event e
        WHERE e.source = %s AND e.message_id = 'email-sent-' || m.id)"""


class Teller:
    """Collects what one sender sent, and tells it in batches of `AT_ONCE`."""

    def __init__(self, campaign: Campaign) -> None:
        self.campaign = campaign
        self._untold: list[events.NewEvent] = []

    def note(self, message_id: int, customer_id: int, sent_at: datetime) -> None:
        self._untold.append(_event(self.campaign, message_id, customer_id, sent_at))

    def tell_if_many(self, *, now: datetime) -> None:
        if len(self._untold) >= AT_ONCE:
            self.tell(now=now)

    def tell(self, *, now: datetime) -> None:
        if self._untold:
            told, self._untold = self._untold, []
            events.record(told, now=now)


def tell_missing(campaign_id: int, *, now: datetime) -> None:
    """Tell of every message of a campaign that was sent and not told."""
    campaign = Campaign.objects.get(pk=campaign_id)
    with connection.cursor() as cursor:
        cursor.execute(UNTOLD, [campaign_id, SOURCE])
        rows = cursor.fetchall()
    for start in range(0, len(rows), AT_ONCE):
        batch = rows[start : start + AT_ONCE]
        events.record([_event(campaign, *row) for row in batch], now=now)


def _event(
    campaign: Campaign, message_id: int, customer_id: int, sent_at: datetime
) -> events.NewEvent:
    return events.NewEvent(
        source=SOURCE,
        message_id=f"email-sent-{message_id}",
        customer_id=customer_id,
        anonymous_id="",
        name=EVENT,
        properties={
            "email_id": message_id,
            "campaign_id": campaign.pk,
            "campaign_name": campaign.name,
        },
        happened_at=sent_at,
    )
