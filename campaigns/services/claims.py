"""Read the next messages to hand over, and ask again who may be written to.

Writes nothing; what must wait is moved by `campaigns.services.holding`.
"""

import json
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from campaigns import judging
from campaigns.models import Campaign, Message
from campaigns.services import holding
from campaigns.services.composing import Person
from campaigns.timing.rules import Rules
from customers.services import consent

NEXT = """
    SELECT m.id, m.tries, m.customer_id, cu.id IS NULL OR cu.erased_at IS NOT NULL, cu.email,
        cu.first_name, cu.last_name, cu.language, cu.country, cu.traits::text,
        (SELECT json_object_agg(s.name, s.value)::text FROM segments_score s
            WHERE s.customer_id = m.customer_id),
        co.code, co.expires_at, cu.phone, cu.time_zone, m.step, m.occasion, m.variant_id,
        m.data::text, co.offer_id
    FROM campaigns_message m
    JOIN campaigns_campaign c ON c.id = m.campaign_id AND c.state = 'sending'
    LEFT JOIN customers_customer cu ON cu.id = m.customer_id
    LEFT JOIN campaigns_coupon co ON co.id = m.coupon_id
    WHERE m.campaign_id = %s AND m.state = 'planned' AND m.channel = %s AND m.due_at <= %s
    ORDER BY m.due_at, m.id
    LIMIT %s
    FOR UPDATE OF m SKIP LOCKED"""
CUSTOMER, GONE, EXPIRES, ZONE = 2, 3, 12, 14  # places in its rows


@dataclass(frozen=True)
class Claim:
    """One message about to be handed over; with a ``reason``, not to be."""

    message_id: int
    tries: int  # before this one
    person: Person
    reason: str


def next_claims(
    campaign: Campaign, *, channel: str, limit: int, now: datetime, rules: Rules | None = None
) -> list[Claim]:
    """Lock a channel's next due messages, passing over those that another sender has locked.

    What must wait, for the morning or for campaigns that go first, is passed over as well: the
    answer is empty only when nothing is due.  Who claims again and again may hand in the rules.
    """
    rules = rules or judging.rules_of(campaign)
    while True:
        with connection.cursor() as cursor:
            cursor.execute(NEXT, [campaign.pk, channel, now, limit])
            rows = cursor.fetchall()
        if not rows:
            return []
        found = _judge(campaign, rules, channel, rows, now=now)
        if found:
            return found


def _judge(
    campaign: Campaign, rules: Rules, channel: str, rows: list[tuple], *, now: datetime
) -> list[Claim]:
    """The claims of these rows, without those that wait."""
    zones = {row[ZONE] or "" for row in rows}
    with connection.cursor() as cursor:
        waits, never = holding.until_allowed(cursor, campaign, rules, channel, zones, now=now)
    rows = [row for row in rows if (row[ZONE] or "") not in waits or row[GONE]]
    people = [_person(row) for row in rows]
    reasons = _reasons(campaign, channel, rows, people, now=now)
    for row in rows:
        if not reasons[row[0]] and (row[ZONE] or "") in never:
            reasons[row[0]] = Message.Reason.QUIET
    free = [(row[0], row[CUSTOMER]) for row in rows if not reasons[row[0]]]
    with connection.cursor() as cursor:
        too_many, in_line = holding.capped(cursor, campaign, rules, channel, free, now=now)
    reasons |= dict.fromkeys(too_many, Message.Reason.CAPPED)
    return [
        Claim(row[0], row[1], person, str(reasons[row[0]]))
        for row, person in zip(rows, people, strict=True)
        if row[0] not in in_line
    ]


def _reasons(
    campaign: Campaign, channel: str, rows: list[tuple], people: list[Person], *, now: datetime
) -> dict[int, Message.Reason]:
    """By message: why it must not be sent, whatever the hour."""
    ids = [row[CUSTOMER] for row in rows]
    if campaign.kind == Campaign.Kind.TRANSACTIONAL:  # asked for by what they did themselves
        allowed = set(ids)
    else:
        allowed = consent.allowed_ids(ids, channel=channel, topic=campaign.topic)
    suppressed = consent.suppressed(
        [found for one in people if (found := one.address(channel))], channel=channel
    )

    def reason(row: tuple, person: Person) -> Message.Reason:
        address, expires_at = person.address(channel), row[EXPIRES]
        if row[GONE]:
            return Message.Reason.ERASED
        if not address:
            return Message.Reason.UNREACHABLE
        if address in suppressed:
            return Message.Reason.SUPPRESSED
        if row[CUSTOMER] not in allowed:
            return Message.Reason.NO_CONSENT
        # A coupon that is over disappoints more than silence.
        is_late = expires_at is not None and expires_at <= now
        return Message.Reason.TOO_LATE if is_late else Message.Reason.NONE

    return {row[0]: reason(row, person) for row, person in zip(rows, people, strict=True)}


def _person(row: tuple) -> Person:
    _id, _tries, customer_id, _erased, email, first, last, language, country, *rest = row
    (
        traits,
        scores,
        code,
        expires_at,
        phone,
        time_zone,
        step,
        occasion,
        variant_id,
        data,
        offer_id,
    ) = rest
    return Person(
        customer_id,
        email or "",
        first or "",
        last or "",
        language or "",
        country or "",
        json.loads(traits) if traits else {},
        json.loads(scores) if scores else {},
        code or "",
        expires_at,
        phone or "",
        time_zone or "",
        step,
        occasion,
        variant_id,
        json.loads(data) if data else {},
        offer_id,
    )
