"""Hand out and erase what campaigns hold of one person.

Erasure empties and cuts; it is the one writer beside the tables' own.  What stays is a number that
leads to nobody: which arm it was drawn into, that a message went out and that something came back.
Without these a campaign's report would change with every erasure, and differently in each arm.
"""

from typing import Any

from django.db.models import F, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from campaigns.models import (
    Assignment,
    Coupon,
    InAppMessage,
    InboundText,
    InboxMail,
    Journey,
    JourneyStep,
    LinkVisit,
    Message,
    OptIn,
    Outcome,
    Pause,
    ProviderEvent,
    PushSubscription,
    ShortLink,
    WebhookCall,
)
from customers.models import Customer


def export_messages(customer_id: int) -> list[dict[str, Any]]:
    """Each message with its campaign, its arm and what came back."""
    outcomes: dict[int, list[dict[str, Any]]] = {}
    for came_back in Outcome.objects.filter(message__customer_id=customer_id).order_by("id"):
        outcomes.setdefault(came_back.message_id, []).append(
            {
                "kind": came_back.kind,
                "url": came_back.url,
                "is_machine": came_back.is_machine,
                "amount": came_back.amount,
                "happened_at": came_back.happened_at,
            }
        )
    arms = dict(
        Assignment.objects.filter(customer_id=customer_id).values_list("campaign_id", "arm")
    )
    messages = Message.objects.filter(customer_id=customer_id).select_related("campaign")
    messages = messages.prefetch_related("short_links")
    return [
        {
            "id": message.pk,
            "campaign": message.campaign.name,
            "channel": message.channel,
            "arm": arms.get(message.campaign_id),
            "state": message.state,
            "reason": message.reason,
            "detail": message.detail,
            "planned_at": message.planned_at,
            "sent_at": message.sent_at,
            "finished_at": message.finished_at,
            "outcomes": outcomes.get(message.pk, []),
            "links": [link.address for link in message.short_links.all()],
        }
        for message in messages.order_by("id")
    ]


def erase_messages(customer_id: int) -> int:
    """Empty what could name the person: the server's words, and the addresses of links."""
    emptied = (
        Outcome.objects.filter(message__customer_id=customer_id).exclude(url="").update(url="")
    )
    links, _ = ShortLink.objects.filter(message__customer_id=customer_id).delete()
    messages = Message.objects.filter(customer_id=customer_id)
    return emptied + links + messages.exclude(detail="").update(detail="")


def export_coupons(customer_id: int) -> list[dict[str, Any]]:
    coupons = Coupon.objects.filter(customer_id=customer_id).order_by("id")
    return [dict(row) for row in coupons.values()]


def erase_coupons(customer_id: int) -> int:
    """Remove the person's codes; the shop's own record of a redeemed one is its order."""
    return Coupon.objects.filter(customer_id=customer_id).delete()[0]


def export_provider_events(customer_id: int) -> list[dict[str, Any]]:
    return [dict(row) for row in _provider_events(customer_id).values()]


def erase_provider_events(customer_id: int) -> int:
    """Remove these, and the visits that are still to be judged."""
    visits = LinkVisit.objects.filter(message__customer_id=customer_id).delete()[0]
    return visits + _provider_events(customer_id).delete()[0]


def export_wishes(customer_id: int) -> list[dict[str, Any]]:
    """What the person was asked to confirm, and when she wished to hear nothing."""
    asked = OptIn.objects.filter(customer_id=customer_id).order_by("id")
    paused = Pause.objects.filter(customer_id=customer_id).order_by("id")
    return [dict(row) for found in (asked, paused) for row in found.values()]


def erase_wishes(customer_id: int) -> int:
    asked = OptIn.objects.filter(customer_id=customer_id).delete()[0]
    return asked + Pause.objects.filter(customer_id=customer_id).delete()[0]


def export_journeys(customer_id: int) -> list[dict[str, Any]]:
    """Each way through a flow, what set it off and what happened on it."""
    steps: dict[int, list[dict[str, Any]]] = {}
    found = JourneyStep.objects.filter(journey__customer_id=customer_id)
    told = ("step", "what", "detail", "happened_at")
    for journey_id, *row in found.values_list("journey_id", *told):
        steps.setdefault(journey_id, []).append(dict(zip(told, row, strict=True)))
    columns = ("id", "number", "state", "cause", "data", "entered_at", "exited_at", "exit_reason")
    journeys = Journey.objects.filter(customer_id=customer_id).order_by("id")
    return [
        {**row, "steps": steps.get(row["id"], [])}
        for row in journeys.values("campaign__name", *columns)
    ]


def erase_journeys(customer_id: int) -> int:
    """Empty what set them off, and end the one under way."""
    mine = Journey.objects.filter(customer_id=customer_id)
    erased_at = Customer.objects.filter(pk=customer_id).values("erased_at")[:1]
    mine.filter(state=Journey.State.WAITING).update(
        state=Journey.State.EXITED,
        exit_reason=Journey.Exit.ERASED,
        exited_at=Coalesce(Subquery(erased_at), F("entered_at")),
        due_at=None,
    )
    return mine.exclude(data={}).update(data={})


def export_channels(customer_id: int) -> list[dict[str, Any]]:
    """Browsers that show her notifications, in-app messages, what she texted, and what was told of
    her to systems of the shop."""
    columns = ("endpoint", "user_agent", "created_at", "gone_at")
    browsers = PushSubscription.objects.filter(customer_id=customer_id).order_by("id")
    shown = InAppMessage.objects.filter(customer_id=customer_id).order_by("id")
    calls = WebhookCall.objects.filter(message__customer_id=customer_id).order_by("id")
    return [
        *({"kind": "browser", **row} for row in browsers.values(*columns)),
        *({"kind": "in_app", **row} for row in shown.values()),
        *({"kind": "texted", **row} for row in _texts(customer_id).values()),
        *({"kind": "webhook", **row} for row in calls.values("receiver__url", "happened_at")),
    ]


def erase_channels(customer_id: int) -> int:
    """Remove all of it; of calls to systems of the shop that one was made stays."""
    calls = WebhookCall.objects.filter(message__customer_id=customer_id).exclude(answer="")
    return (
        PushSubscription.objects.filter(customer_id=customer_id).delete()[0]
        + InAppMessage.objects.filter(customer_id=customer_id).delete()[0]
        + _texts(customer_id).delete()[0]
        + calls.update(answer="")
    )


def _texts(customer_id: int) -> QuerySet[InboundText]:
    found = Q(customer_id=customer_id)
    phone = Customer.objects.filter(pk=customer_id).values_list("phone", flat=True).first()
    return InboundText.objects.filter(found | Q(sender=phone) if phone else found).order_by("id")


def export_inbox(customer_id: int) -> list[dict[str, Any]]:
    return [
        {
            "recipient": mail.recipient,
            "subject": mail.subject,
            "received_at": mail.received_at,
            "raw": bytes(mail.raw).decode("utf-8", "replace"),
        }
        for mail in _mails(customer_id)
    ]


def erase_inbox(customer_id: int) -> int:
    return _mails(customer_id).delete()[0]


def _mails(customer_id: int) -> QuerySet[InboxMail]:
    """Her messages, and any other to the present addresses, test sends among it."""
    found = Q(
        message_id__in=Message.objects.filter(customer_id=customer_id).order_by().values("pk")
    )
    addresses = Customer.objects.filter(pk=customer_id).values_list("email", "phone").first()
    for address in filter(None, addresses or ()):
        found |= Q(recipient__iexact=address)
    return InboxMail.objects.filter(found).order_by("id")


def _provider_events(customer_id: int) -> QuerySet[ProviderEvent]:
    """What providers said of the person's messages, or of the present address or number."""
    messages = Message.objects.filter(customer_id=customer_id).order_by()
    found = Q(message_number__in=messages.values("pk"))
    found |= Q(provider_id__in=messages.exclude(provider_id="").values("provider_id"))
    person = Customer.objects.filter(pk=customer_id).first()
    for address in (person.email, person.phone) if person else ():
        if address:
            found |= Q(address__iexact=address)
    return ProviderEvent.objects.filter(found).order_by("id")
