"""Say when each planned message may leave, by the recipient's clock.

It works inside the transaction of `campaigns.services.planning`, on its table ``campaign_plan``:
people share few clocks, so each (channel, zone, hour, moment) is answered once, in Python, and
joined in one statement.
"""

from datetime import datetime
from typing import Any

from campaigns import judging
from campaigns.models import Campaign, Message
from campaigns.timing import hours
from campaigns.timing.hours import NeverAllowed
from campaigns.timing.rules import Rules

ASKED = """
    SELECT DISTINCT channel, coalesce(zone, ''), hour, due_at FROM campaign_plan
    WHERE reason = ''"""
# Nobody is written to whose hour would come after the campaign's end.
SET = f"""
    UPDATE campaign_plan p
    SET due_at = coalesce(v.at, p.due_at),
        reason = CASE WHEN v.at IS NULL OR v.at > %s THEN '{Message.Reason.QUIET}' ELSE '' END
    FROM unnest(%s::text[], %s::text[], %s::int[], %s::timestamptz[], %s::timestamptz[])
        AS v (channel, zone, hour, due_at, at)
    WHERE p.reason = '' AND p.channel = v.channel AND coalesce(p.zone, '') = v.zone
        AND p.hour = v.hour AND p.due_at = v.due_at"""


def settle(cursor: Any, campaign: Campaign, *, now: datetime) -> None:
    """Move ``due_at`` of those to be written to to the first moment that is allowed to them."""
    rules = judging.rules_of(campaign)
    if not _matters(campaign, rules):
        return
    cursor.execute(ASKED)
    moved = []
    for channel, zone, hour, due_at in cursor.fetchall():
        at = allowed(rules, channel, zone, due_at, local_hour=None if hour < 0 else hour)
        if at != due_at:
            moved.append((channel, zone, hour, due_at, at))
    if moved:
        ends_at = campaign.ends_at or datetime(9999, 12, 31, tzinfo=now.tzinfo)
        cursor.execute(SET, [ends_at, *(list(column) for column in zip(*moved, strict=True))])


def allowed(
    rules: Rules, channel: str, zone: str, at: datetime, *, local_hour: int | None = None
) -> datetime | None:
    """The first moment from ``at`` on at which this channel may be used; None: there is none."""
    try:
        return hours.allowed_at(
            at,
            zone=zone,
            quiet=rules.quiet.get(channel),
            window=rules.window,
            local_hour=local_hour,
            shop=judging.shop_zone(),
        )
    except NeverAllowed:
        return None


def _matters(campaign: Campaign, rules: Rules) -> bool:
    if campaign.kind == Campaign.Kind.TRANSACTIONAL:
        return False
    wishes = campaign.timing != Campaign.Timing.AT_ONCE
    with_hour = campaign.variants.filter(local_hour__isnull=False).exists()
    # What flows and runs ask for is little, and may take any channel.
    is_small = campaign.kind != Campaign.Kind.BROADCAST
    is_quiet = rules.quiet and (is_small or set(rules.quiet) & set(judging.channels_of(campaign)))
    return bool(wishes or with_hour or rules.window or is_quiet)
