"""Hand in-app messages to the page of their customer and record what she does with them.

Messages are born in ``campaigns.channels.in_app``; here they are fetched and closed.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core import signing

from campaigns.models import InAppMessage, Outcome
from campaigns.services import arrivals, outcomes
from campaigns.services.arrivals import Arrival
from campaigns.services.outcomes import Reaction
from rapport.errors import NotFound

SHOWN_MOST = 10
DOINGS = ("open", "close")  # a click comes by its tracked link
_SIGNER = "rapport.in_app"


@dataclass(frozen=True)
class Doing:
    """What the customer did with one of her messages."""

    token: str
    what: str  # of DOINGS


def waiting(customer_id: int, *, now: datetime) -> list[dict[str, Any]]:
    """Her messages, the newest first, ready to be sent as JSON.  Fetching is being delivered."""
    rows = list(
        InAppMessage.objects.filter(
            customer_id=customer_id, closed_at=None, expires_at__gt=now, created_at__lte=now
        ).order_by("-id")[:SHOWN_MOST]
    )
    new = [row for row in rows if row.fetched_at is None]
    if new:
        InAppMessage.objects.filter(pk__in=[row.pk for row in new], fetched_at=None).update(
            fetched_at=now
        )
        told = [
            Arrival(
                "delivered", now, message_id=row.message_id, provider="in_app", channel="in_app"
            )
            for row in new
        ]
        arrivals.record(told, now=now)
    return [
        {
            "id": signing.Signer(salt=_SIGNER, sep="~").sign(f"{row.pk:x}"),
            "title": row.title,
            "html": row.html,
            "url": row.url,
            "sent_at": row.created_at.isoformat().replace("+00:00", "Z"),
        }
        for row in rows
    ]


def did(customer_id: int, doing: Doing, *, now: datetime) -> None:
    """Record that she saw or closed a message; safe to repeat.

    Raises `NotFound` for one that is not hers.
    """
    row = InAppMessage.objects.filter(pk=_number(doing.token), customer_id=customer_id).first()
    if row is None or doing.what not in DOINGS:
        raise NotFound("There is no such message.")
    if doing.what == "close":
        InAppMessage.objects.filter(pk=row.pk, closed_at=None).update(closed_at=now)
    elif doing.what == "open":
        outcomes.record([Reaction(row.message_id, Outcome.Kind.OPEN, now)], now=now)


def _number(token: str) -> int:
    try:
        return int(signing.Signer(salt=_SIGNER, sep="~").unsign(token), 16)
    except (signing.BadSignature, ValueError):
        raise NotFound("There is no such message.") from None
