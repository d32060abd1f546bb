"""Flows that run, and time that passes."""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from campaigns.models import Campaign, Journey, JourneyStep, Message, Variant
from campaigns.services import planning
from campaigns.services.flows import advancing, definitions, entering
from customers.models import Customer
from customers.services import touches
from segments.models import MembershipChange, Segment
from tests.campaigns.ledger import BODY, SUBJECT
from tests.makers import NOW, make_campaign, make_event

# A snapshot leaves out the transaction it is taken in: once another has ended meanwhile, it would
# say of a test, which is one transaction, that all of it was seen.
UNSEEN = """
    UPDATE campaigns_flowwatch SET snapshot = x.id || ':' || x.id || ':'
    FROM (SELECT pg_current_xact_id()::text AS id) x"""
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def flow_of(*steps: dict[str, Any], **given: Any) -> dict[str, Any]:
    return {
        "version": 1,
        "trigger": {"on": "event", "event": "signed_up"},
        "reentry": "after_exit",
        "exit_on": None,
        "first": 1,
        "steps": list(steps),
        **given,
    }


def make_flow(
    *steps: dict[str, Any], launch: bool = True, fields: dict[str, Any] | None = None, **given: Any
) -> Campaign:
    """A flow with words for each send step, launched at NOW."""
    wanted = {"kind": "flow", "subject": SUBJECT, "body": BODY, **(fields or {})}
    campaign = make_campaign(**wanted)
    for step in steps:
        if step["kind"] == "send":
            Variant.objects.create(
                campaign=campaign, step=step["number"], name="A", created_at=NOW, changed_at=NOW
            )
    definitions.keep(campaign, flow_of(*steps, **given), user=None, now=NOW)
    if launch:
        planning.launch(campaign, user=None, now=NOW)
    return campaign


def does(
    customer: Customer,
    name: str,
    at: datetime,
    recorded_at: datetime | None = None,
    **properties: Any,
) -> None:
    """Something happens as the tracking API would record it."""
    make_event(customer, name, happened_at=at, recorded_at=recorded_at or at, properties=properties)
    touches.record([customer.pk], at)


def moves(customer: Customer, segment: Segment, at: datetime, kind: str = "entered") -> None:
    """A change of membership as a refresh would write it."""
    MembershipChange.objects.create(
        segment=segment, customer=customer, kind=kind, cause="event", happened_at=at, rule_version=1
    )


def tick(now: datetime) -> None:
    """What the clock does: who enters and leaves, then what is due."""
    if connection.in_atomic_block:
        with connection.cursor() as cursor:
            cursor.execute(UNSEEN)
    entering.sweep(now=now)
    advancing.advance(now=now)


def journey(campaign: Campaign, customer: Customer) -> Journey:
    return Journey.objects.filter(campaign=campaign, customer=customer).latest("number")


def log(campaign: Campaign, customer: Customer) -> list[str]:
    """What happened to somebody, one word each, with its detail where it has one."""
    found = JourneyStep.objects.filter(journey__campaign=campaign, journey__customer=customer)
    return [
        f"{one.step} {one.what}" + (f" {one.detail}" if one.detail and one.what != "waited" else "")
        for one in found.order_by("id")
    ]


def messages(campaign: Campaign) -> Counter[tuple[int, str, str]]:
    found = Message.objects.filter(campaign=campaign)
    return Counter(found.values_list("step", "state", "reason"))
