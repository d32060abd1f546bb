"""Record what came back.  The only writer of ``Outcome``, and of a coupon's redemption.

Whatever comes back may come twice, late and in any order: each outcome is one row, held by the
database.  What people do goes back as events, so that segments can ask for it; what scanners and
prefetchers do is kept apart and does not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction

from campaigns import querysets
from campaigns.models import Message, Outcome
from campaigns.services import notices, telling
from customers.services import consent, events, identity
from customers.services.events import NewEvent
from rapport.errors import NotFound

SOURCE = "rapport"
LATE = timedelta(days=30)  # an order may reach us this long after a window has closed
KEY_LENGTH, URL_LENGTH = 120, 500
Kind = Outcome.Kind

# Segment's names for e-mail, so that rules and exports need no dictionary.
EVENT_NAMES = {
    Kind.OPEN: "Email Opened",
    Kind.CLICK: "Email Link Clicked",
    Kind.UNSUBSCRIBE: "Unsubscribed",
    Kind.DELIVERED: "Email Delivered",
    Kind.BOUNCE: "Email Bounced",
    Kind.COMPLAINT: "Email Marked as Spam",
}
# Of two words for the same thing the earlier moment stands, in whatever order they come.
INSERT = """
    INSERT INTO campaigns_outcome
        (message_id, kind, key, is_machine, url, happened_at, recorded_at)
    SELECT DISTINCT ON (m.id, r.kind, r.key, r.is_machine)
        m.id, r.kind, r.key, r.is_machine, r.url, r.happened_at, %s::timestamptz
    FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::boolean[], %s::text[],
            %s::timestamptz[])
        AS r (message_id, kind, key, is_machine, url, happened_at)
    JOIN campaigns_message m ON m.id = r.message_id
    JOIN customers_customer c ON c.id = m.customer_id
    JOIN customers_customer s ON s.id = coalesce(c.merged_into_id, c.id) AND s.erased_at IS NULL
    ORDER BY m.id, r.kind, r.key, r.is_machine, r.happened_at
    ON CONFLICT (message_id, kind, key, is_machine) DO UPDATE
        SET happened_at = EXCLUDED.happened_at
        WHERE campaigns_outcome.happened_at > EXCLUDED.happened_at
    RETURNING id, message_id, kind, key, url, is_machine, happened_at, xmax = 0 AS is_new"""
# One message an order: the one whose code was used, or else the last one sent before it.
ATTRIBUTE = f"""
    INSERT INTO campaigns_outcome
        (message_id, kind, key, is_machine, url, amount, happened_at, recorded_at)
    SELECT DISTINCT ON (o.id) m.id, 'order', o.id::text, false, '', o.total, o.happened_at, %s
    FROM campaigns_campaign k
    JOIN campaigns_message m ON m.campaign_id = k.id
        AND m.state IN ('sent', 'delivered', 'complained')
    JOIN customers_order o ON o.customer_id = m.customer_id
        AND o.happened_at > m.sent_at
        AND o.happened_at <= m.sent_at + make_interval(hours => 24 * k.attribution_days)
    LEFT JOIN campaigns_coupon c ON c.id = m.coupon_id AND c.code = upper(btrim(o.coupon_code))
    WHERE k.launched_at IS NOT NULL
        AND coalesce(k.finished_at, %s) + make_interval(hours => 24 * k.attribution_days) >= %s
        AND {querysets.ORDERED_SQL} AND o.recorded_at <= %s
        AND NOT EXISTS (
            SELECT FROM campaigns_outcome r WHERE r.kind = 'order' AND r.key = o.id::text)
    ORDER BY o.id, (c.id IS NULL), m.sent_at DESC, m.id DESC
    ON CONFLICT DO NOTHING"""
REDEEM = f"""
    UPDATE campaigns_coupon c SET redeemed_at = first.happened_at, order_id = first.id
    FROM (
        SELECT DISTINCT ON (c.id) c.id AS coupon_id, o.id, o.happened_at
        FROM campaigns_coupon c
        JOIN customers_order o ON upper(btrim(o.coupon_code)) = c.code
            AND (NOT c.is_shared OR o.customer_id = c.customer_id)
        WHERE c.redeemed_at IS NULL AND c.expires_at >= %s
            AND o.coupon_code <> '' AND {querysets.ORDERED_SQL} AND o.recorded_at <= %s
        ORDER BY c.id, o.happened_at, o.id
    ) first
    WHERE c.id = first.coupon_id AND c.redeemed_at IS NULL"""


@dataclass(frozen=True)
class Reaction:
    """One thing that came back for a message."""

    message_id: int
    kind: str
    happened_at: datetime
    key: str = ""  # tells repeats from different things: the number of a link
    url: str = ""
    is_machine: bool = False


def opened(message_id: int, *, now: datetime, is_machine: bool = False) -> bool:
    """Record that a message was opened; return whether that is new."""
    return bool(record([Reaction(message_id, Kind.OPEN, now, is_machine=is_machine)], now=now))


def clicked(
    message_id: int, *, url: str, key: str, now: datetime, is_machine: bool = False
) -> bool:
    """Record that the link ``key`` of a message was followed; return whether that is new."""
    return bool(record([Reaction(message_id, Kind.CLICK, now, key, url, is_machine)], now=now))


def record(reactions: Sequence[Reaction], *, now: datetime) -> int:
    """Record many reactions in one statement, and people's as events; return how many are new.

    Safe to repeat.  Reactions to messages that do not exist, or of people who were erased, leave
    nothing.
    """
    columns = [
        (r.message_id, str(r.kind), r.key[:KEY_LENGTH], r.is_machine, r.url[:URL_LENGTH],
         r.happened_at)
        for r in reactions
    ]  # fmt: skip
    if not columns:
        return 0
    with transaction.atomic():
        text_and_params = INSERT, [now, *map(list, zip(*columns, strict=True))]
        new = [row for row in querysets.rows(text_and_params) if row["is_new"]]
        _tell([row for row in new if not row["is_machine"]], now=now)
    return len(new)


def unsubscribed(message_id: int, *, now: datetime, how: str) -> bool:
    """Take consent back for the campaign's topic; return whether this message did so first.

    A repeat withdraws again where consent was given in between: the last word counts, and this is
    one.  The address is not suppressed, for other topics and receipts may still go there.
    """
    message = _message(message_id)
    if message.customer.erased_at is not None:
        return False
    campaign = message.campaign
    with transaction.atomic():
        is_new = bool(record([Reaction(message_id, Kind.UNSUBSCRIBE, now)], now=now))
        if is_new or consent.allows(message.customer_id, campaign.channel, campaign.topic):
            _withdraw(message, now=now, words=f"Unsubscribed ({how}) from “{campaign.name}”.")
    return is_new


def attribute(*, now: datetime) -> int:
    """Tie orders to messages and mark codes as redeemed; return how many orders were tied.

    An order belongs to one message at most: the one whose code it carries, else the last one that
    reached the customer before it, if it came within that campaign's window.  Once tied it stays.
    Safe to repeat and to run twice at once.  This follows messages; what a campaign *caused* is
    read from its arms (`campaigns.services.reports`).
    """
    late = now - LATE
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(ATTRIBUTE, [now, now, late, now])
        tied = cursor.rowcount
        cursor.execute(REDEEM, [late, now])
    return tied


def _tell(rows: list[dict[str, Any]], *, now: datetime) -> None:
    """Hand what people did to the facts, as events of theirs."""
    if not rows:
        return
    messages = Message.objects.select_related("campaign").in_bulk(
        {row["message_id"] for row in rows}
    )
    owners = identity.surviving_ids({message.customer_id for message in messages.values()})
    told = []
    for row in rows:
        message = messages[row["message_id"]]
        properties = {
            "email_id": message.pk,
            "campaign_id": message.campaign_id,
            "campaign_name": message.campaign.name,
        }
        if row["kind"] == Kind.CLICK:
            properties |= {"link_id": row["key"], "link_url": row["url"]}
        if row["kind"] == Kind.BOUNCE:
            properties |= {"bounce": row["key"]}  # hard, soft, failed
        told.append(
            NewEvent(
                source=SOURCE,
                message_id=f"outcome-{row['id']}",
                customer_id=owners[message.customer_id],
                anonymous_id="",
                name=telling.named(EVENT_NAMES[Kind(row["kind"])], message.channel),
                properties=properties,
                happened_at=row["happened_at"],
            )
        )
    events.record(told, now=now)
    kinds = [row["kind"] for row in rows]
    notices.outcomes(list(zip(kinds, told, strict=True)), now=now)


def _message(message_id: int) -> Message:
    """The message, addressed to whoever its customer is today: a merged one is the survivor."""
    found = Message.objects.select_related("campaign", "customer__merged_into")
    message = found.filter(pk=message_id).first()
    if message is None:
        raise NotFound(f"There is no message {message_id}.")
    if message.customer.merged_into is not None:
        message.customer = message.customer.merged_into
    return message


def _withdraw(message: Message, *, now: datetime, words: str) -> None:
    consent.record(
        message.customer_id,
        channel=message.campaign.channel,
        topic=message.campaign.topic,
        is_granted=False,
        source="unsubscribe",
        now=now,
        proof_text=words,
    )
