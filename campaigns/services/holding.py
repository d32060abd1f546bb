"""Hold back, at the last moment, what the shop's sending rules do not allow now.

Called inside the transaction in which `campaigns.services.claims` has locked the messages.  It
moves ``Message.due_at`` of those that must wait, and nothing else.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from campaigns.judging import NOT_TRANSACTIONAL
from campaigns.models import Campaign
from campaigns.services import moments
from campaigns.timing import caps
from campaigns.timing.rules import Rules

TURN = timedelta(minutes=1)  # until one that gives way is asked again
# Of two senders that claim for the same person the second must see what the first claimed.
ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtextextended('rapport caps', 0))"
SENT = f"""
    SELECT m.customer_id, m.channel, m.sent_at FROM campaigns_message m
    WHERE m.customer_id = ANY(%s) AND m.sent_at > %s AND {NOT_TRANSACTIONAL}
    UNION ALL
    SELECT m.customer_id, m.channel, %s FROM campaigns_message m
    WHERE m.customer_id = ANY(%s) AND m.state = 'sending' AND {NOT_TRANSACTIONAL}"""
WAITING = """
    SELECT m.customer_id, m.channel FROM campaigns_message m
    JOIN campaigns_campaign k ON k.id = m.campaign_id
    WHERE m.customer_id = ANY(%s) AND m.state = 'planned' AND m.due_at <= %s
        AND k.state = 'sending' AND k.kind <> 'transactional' AND k.priority < %s"""
LATER = """
    UPDATE campaigns_message SET due_at = %s WHERE id = ANY(%s)"""
# All of a campaign that are due where it is night, not only those just locked.
UNTIL_MORNING = """
    UPDATE campaigns_message m SET due_at = v.at
    FROM (
        SELECT m.id, v.at FROM campaigns_message m
        JOIN customers_customer c ON c.id = m.customer_id
        JOIN unnest(%s::text[], %s::timestamptz[]) AS v (zone, at) ON v.zone = c.time_zone
        WHERE m.campaign_id = %s AND m.state = 'planned' AND m.channel = %s AND m.due_at <= %s
        FOR UPDATE OF m SKIP LOCKED
    ) v WHERE m.id = v.id"""


def until_allowed(
    cursor: Any, campaign: Campaign, rules: Rules, channel: str, zones: set[str], *, now: datetime
) -> tuple[set[str], set[str]]:
    """Move what is due where it is a quiet hour to the first that is not.

    Returns
    -------
    (set, set)
        The zones whose messages wait now, and those in which no moment is left.
    """
    if rules.window is None and channel not in rules.quiet:
        return set(), set()
    found = {zone: moments.allowed(rules, channel, zone, now) for zone in zones}
    ends_at = campaign.ends_at
    never = {
        zone
        for zone, at in found.items()
        if at is None or (at > now and ends_at is not None and at > ends_at)
    }
    waits = {zone: at for zone, at in found.items() if zone not in never and at and at > now}
    if waits:
        cursor.execute(
            UNTIL_MORNING, [list(waits), list(waits.values()), campaign.pk, channel, now]
        )
    return set(waits), never


def capped(
    cursor: Any,
    campaign: Campaign,
    rules: Rules,
    channel: str,
    claims: Sequence[tuple[int, int]],
    *,
    now: datetime,
) -> tuple[set[int], set[int]]:
    """Decide who has had enough, over the rolling windows as they are now.

    What is being sent counts as sent.  Where the room that is left is wanted by campaigns that go
    first, the message waits for its turn.

    Parameters
    ----------
    claims : sequence of (message id, customer id)
        In the order in which they go.

    Returns
    -------
    (set, set)
        The ids of the messages that are too many, and of those that wait.
    """
    holding = [cap for cap in rules.caps if cap.counts(channel)]
    if not holding or not claims:
        return set(), set()
    cursor.execute(ONE_AT_A_TIME)
    people = list({customer for _message, customer in claims})
    since = min(cap.since(now) for cap in holding)
    sent: dict[int, list[tuple[str, datetime]]] = defaultdict(list)
    cursor.execute(SENT, [people, since, now, people])
    for customer, on, at in cursor:
        sent[customer].append((on, at))
    first: dict[int, list[tuple[str, datetime]]] = defaultdict(list)
    cursor.execute(WAITING, [people, now, campaign.priority])
    for customer, on in cursor:
        first[customer].append((on, now))
    too_many, waits = set(), set()
    for message, customer in claims:
        if not caps.left(holding, channel, sent[customer], now=now):
            too_many.add(message)
        elif not caps.left(holding, channel, sent[customer] + first[customer], now=now):
            waits.add(message)
        else:
            sent[customer].append((channel, now))
    if waits:
        cursor.execute(LATER, [now + TURN, list(waits)])
    return too_many, waits
