"""What campaigns knows of one customer: what was sent, what was not and why, what came back."""

from datetime import datetime

from django.http import HttpRequest
from django.urls import reverse

from campaigns.models import Message
from rapport.web import words
from rapport.web.panels import Moment, Panel

SHOWN = 20


def messages(request: HttpRequest, customer_id: int, *, now: datetime) -> Panel:
    found = list(
        Message.objects.filter(customer_id=customer_id)
        .select_related("campaign", "coupon", "variant")
        .order_by("-pk")[:SHOWN]
    )
    sent = sum(message.sent_at is not None for message in found)
    return Panel(
        title=f"{words.number(sent)} of the last {words.plural(len(found), 'message')} left"
        if found
        else "No message yet",
        template="campaigns/_messages.html",
        context={"found": found, "customer_id": customer_id},
    )


def moments(customer_id: int, *, limit: int) -> list[Moment]:
    sent = (
        Message.objects.filter(customer_id=customer_id, sent_at__isnull=False)
        .select_related("campaign")
        .order_by("-sent_at")[:limit]
    )
    return [
        Moment(
            at=message.sent_at,
            kind="message",
            text=f"Sent “{message.campaign}”",
            note=str(message.get_state_display()),
            url=reverse("campaign", args=[message.campaign_id]),
        )
        for message in sent
        if message.sent_at
    ]
