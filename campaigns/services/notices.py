"""Tell other systems what became of messages and campaigns, by the webhooks of segments.

Each is planned in the transaction that makes the fact, and told at least once, under an id that
stays the same.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from campaigns.models import Campaign
from customers.services.events import NewEvent
from segments.services import webhooks

TYPES = {
    "message.sent": "A message was sent",
    "message.delivered": "A message was delivered",
    "message.opened": "A person opened a message",
    "message.clicked": "A person followed a link",
    "message.bounced": "A message came back",
    "message.complained": "A message was marked as spam",
    "message.unsubscribed": "A person unsubscribed by a message",
    "campaign.finished": "A campaign is finished",
    "campaign.paused": "A campaign is paused, with the reason",
}
OUTCOMES = {
    "delivered": "message.delivered",
    "open": "message.opened",
    "click": "message.clicked",
    "bounce": "message.bounced",
    "complaint": "message.complained",
    "unsubscribe": "message.unsubscribed",
}


def register() -> None:
    webhooks.register_types(TYPES)


def outcomes(told: Sequence[tuple[str, NewEvent]], *, now: datetime) -> None:
    """Tell what came back: each with the kind of its outcome and the event that it became."""
    by_type: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for kind, event in told:
        if kind in OUTCOMES:
            by_type[OUTCOMES[kind]].append(_shown(event))
    for one, shown in by_type.items():
        webhooks.announce(one, shown, now=now)


def sent(told: Sequence[NewEvent], *, now: datetime) -> None:
    webhooks.announce("message.sent", [_shown(event) for event in told], now=now)


def campaign(campaign_id: int, kind: str, *, now: datetime, reason: str = "") -> None:
    """Tell of a campaign's new state; call it once for each time that it comes into it."""
    found = Campaign.objects.filter(pk=campaign_id).values_list("name", flat=True).first()
    told = {
        "id": f"campaign-{campaign_id}-{kind.partition('.')[2]}-{now.timestamp():.0f}",
        "campaign_id": campaign_id,
        "campaign_name": found or "",
        "reason": reason,
        "happened_at": _moment(now),
    }
    webhooks.announce(kind, [told], now=now)


def _shown(event: NewEvent) -> dict[str, Any]:
    said = dict(event.properties)
    message_id = said.pop("email_id", None) or said.pop("message_id", None)
    return {
        "id": event.message_id,
        "message_id": message_id,
        **said,
        "customer_id": event.customer_id,
        "happened_at": _moment(event.happened_at),
    }


def _moment(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
