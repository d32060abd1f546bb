"""What stands in the way of a message by the shop's sending rules, for sets of people.

Nothing here writes.
"""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from campaigns.experiments.assignment import HASH_BITS
from campaigns.models import Campaign, SendingPolicy
from campaigns.timing import rules as stored
from campaigns.timing.caps import Cap
from campaigns.timing.hours import Hours
from campaigns.timing.rules import Rules
from customers.models.consent import Channel
from segments.models import ModelRun

Query = tuple[str, list[Any]]
Timing = Campaign.Timing

# The same number as `campaigns.experiments.assignment.draw`; %s is the salt.
DRAW_SQL = f"""(('x' || left(encode(sha256(convert_to(%s || ':' || {{customer}}::text, 'UTF8')),
    'hex'), {HASH_BITS // 4}))::bit({HASH_BITS})::bigint / {2**HASH_BITS}::float8)"""
# Until somebody says otherwise, what wakes people waits for the morning.
QUIET_BY_DEFAULT = {"sms": ["21:00", "08:00"], "push": ["21:00", "08:00"]}
USUAL_HOUR = 10  # of a shop whose customers have not answered yet
NO_HOUR = -1
SAMPLE, PILOT = "sample", "pilot"  # draws apart from the arm's, so that each arm is cut alike
NOT_TRANSACTIONAL = """
    m.campaign_id NOT IN (SELECT id FROM campaigns_campaign WHERE kind = 'transactional')"""


def policy() -> SendingPolicy:
    """The sending rules in force; an unsaved row where nobody has changed any."""
    return SendingPolicy.objects.first() or SendingPolicy(quiet_hours=dict(QUIET_BY_DEFAULT))


def rules_of(campaign: Campaign, *, found: SendingPolicy | None = None) -> Rules:
    """What holds for this campaign; nothing does for a transactional one."""
    if campaign.kind == Campaign.Kind.TRANSACTIONAL:
        return Rules()
    found = found or policy()
    return Rules(
        quiet=stored.quiet_hours(found.quiet_hours, channels=Channel.values),
        window=window_of(campaign),
        caps=stored.caps(found.caps, channels=Channel.values),
        holdout_share=found.holdout_share,
        holdout_salt=found.holdout_salt,
    )


def window_of(campaign: Campaign) -> Hours | None:
    """The campaign's own window; an open end is midnight."""
    start, end = campaign.window_from, campaign.window_to
    if start is None and end is None:
        return None
    midnight = datetime.min.time()
    return start or midnight, end or midnight


def channels_of(campaign: Campaign) -> list[str]:
    """The channels that its messages may take, its own first."""
    if campaign.channel_choice == Campaign.ChannelChoice.PREFERRED:
        more = [one for one in campaign.other_channels if one in Channel.values]
    else:
        more = [
            one
            for one in campaign.variants.filter(step=0).values_list("channel", flat=True)
            if one and campaign.kind != Campaign.Kind.FLOW
        ]
    return list(dict.fromkeys([campaign.channel, *more]))


def is_preferred(campaign: Campaign) -> bool:
    return campaign.channel_choice == Campaign.ChannelChoice.PREFERRED


def draws(campaign: Campaign, rules: Rules) -> list[tuple[str, Query]]:
    """(reason, condition that it holds) of what chance decides about a customer ``p``."""
    draw = DRAW_SQL.format(customer="p.customer_id")
    found: list[tuple[str, Query]] = []
    if campaign.kind == Campaign.Kind.TRANSACTIONAL:
        return found
    if rules.holdout_share:
        found.append(
            ("global_holdout", (f"{draw} < %s", [rules.holdout_salt, rules.holdout_share]))
        )
    if campaign.sampled_share is not None:
        salt = f"{campaign.salt}:{SAMPLE}"
        found.append(("not_sampled", (f"{draw} >= %s", [salt, campaign.sampled_share])))
    return found


def outside_pilot(campaign: Campaign) -> Query:
    """Whether a customer ``p`` waits for the pilot's end."""
    salt = f"{campaign.salt}:{PILOT}"
    return f"{DRAW_SQL.format(customer='p.customer_id')} >= %s", [salt, campaign.pilot_share]


def capped(
    campaign: Campaign, rules: Rules, channel: str, *, one_by_one: bool, now: datetime
) -> Query | None:
    """A condition: the customer ``p`` was sent so much that a cap holds when it will be due.

    A forecast: more may be sent until then, and claiming asks again.
    """
    waits = timedelta(days=0 if campaign.timing == Timing.AT_ONCE else 1)
    tests, params = [], []
    for cap in rules.caps:
        if cap.counts(channel):
            text, given = _full(cap, cap.since(now) + waits, one_by_one=one_by_one)
            tests.append(text)
            params += given
    return (" OR ".join(tests), params) if tests else None


def _full(cap: Cap, since: datetime, *, one_by_one: bool) -> Query:
    """Few people are looked up in an index each; many are counted in one pass."""
    sent, params = f"m.sent_at > %s AND {NOT_TRANSACTIONAL}", [since]
    if cap.channel:
        sent, params = f"{sent} AND m.channel = %s", [*params, cap.channel]
    if not cap.most:
        return "true", []
    if one_by_one:
        return (
            f"""(SELECT count(*) FROM campaigns_message m
            WHERE m.customer_id = p.customer_id AND {sent}) >= %s""",
            [*params, cap.most],
        )
    return (
        f"""p.customer_id IN (SELECT m.customer_id FROM campaigns_message m
        WHERE {sent} GROUP BY m.customer_id HAVING count(*) >= %s)""",
        [*params, cap.most],
    )


def hour(campaign: Campaign) -> tuple[str, list[Any], str]:
    """(expression, params, join) of the local hour wished for a customer ``p``."""
    if campaign.timing == Timing.LOCAL_HOUR and campaign.local_hour is not None:
        return "%s::int", [campaign.local_hour], ""
    if campaign.timing == Timing.BEST_HOUR:
        join = """LEFT JOIN segments_score best
            ON best.customer_id = p.customer_id AND best.name = 'best_hour'"""
        # Whose own answers say nothing else has the hour at which the shop's customers answer.
        return "coalesce(best.value::int, %s::int)", [usual_hour()], join
    return "%s::int", [NO_HOUR], ""


def usual_hour() -> int:
    """The hour at which the shop's customers answer most, as the live model learnt it."""
    card = (
        ModelRun.objects.filter(
            kind=ModelRun.Kind.RESPONSE,
            state__in=(ModelRun.State.LIVE, ModelRun.State.FALLBACK),
        )
        .values_list("card", flat=True)
        .first()
    )
    found = ((card or {}).get("parameters") or {}).get("usual_hour")
    return int(found) % 24 if isinstance(found, int | float) else USUAL_HOUR


def shop_zone() -> str:
    return settings.TIME_ZONE
