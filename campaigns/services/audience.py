"""Say who would hear of a campaign, who would not and why, when, and at what cost.

Writes nothing.  The reasons and their order are in `campaigns.querysets.judged`, which planning
uses as well: what is shown before a launch is what the launch does.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime

from campaigns import judging, querysets
from campaigns.models import Campaign, Message
from campaigns.services import expecting, moments
from campaigns.services.expecting import Cost, Rate
from campaigns.timing.rules import Rules

# Why somebody is left out, the first that holds: what stands in the way of any message to them,
# and last the draw, which says nothing about the person.
REASONS = (
    Message.Reason.ERASED,
    Message.Reason.UNREACHABLE,
    Message.Reason.SUPPRESSED,
    Message.Reason.NO_CONSENT,
    Message.Reason.GLOBAL_HOLDOUT,
    Message.Reason.NOT_SAMPLED,
    Message.Reason.CAPPED,
    Message.Reason.QUIET,
    Message.Reason.HOLDOUT,
)
PEOPLE_SHOWN = 50
ZONES_SHOWN = 12


@dataclass(frozen=True)
class Leaving:
    """How many messages of a channel may leave from one hour on."""

    channel: str
    from_hour: datetime  # full, in UTC
    messages: int


@dataclass(frozen=True)
class ZoneCount:
    """Those whose clock stands in one zone; empty is the shop's."""

    zone: str
    people: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True)
class AudienceReport:
    """Whom a campaign would reach if it were launched now.

    ``included`` = ``excluded`` + ``planned`` + ``holdout`` + ``later`` + the sum of ``skipped``.
    """

    included: int  # in an included segment
    excluded: int  # of these, also in an excluded segment
    planned: int  # would be written to
    holdout: int  # could be written to, and are left alone to measure
    skipped: dict[str, int]  # cannot be written to, by reason; every reason but holdout is named
    as_of: datetime
    later: int = 0  # not in the pilot
    by_channel: dict[str, int] = field(default_factory=dict)
    leaving: list[Leaving] = field(default_factory=list)
    zones: list[ZoneCount] = field(default_factory=list)  # the largest
    rates: dict[str, Rate] = field(default_factory=dict)
    done_at: datetime | None = None
    cost: Cost | None = None
    warnings: list[str] = field(default_factory=list)

    @property
    def audience(self) -> int:
        return self.included - self.excluded


@dataclass(frozen=True)
class Person:
    """One member of an audience and what would happen to them."""

    customer_id: int
    name: str
    email: str
    reason: str  # empty: would be written to


def dry_run(campaign: Campaign, *, now: datetime) -> AudienceReport:
    """Count who would be written to and who would not, by reason, as of now; when, and the cost."""
    counts, due = _count(campaign, now=now)
    included = querysets.count_included(campaign)
    channels = Counter[str]()
    for channel, _zone, _at, people in due:
        channels[channel] += people
    rates = expecting.rates(sorted(channels))
    later = counts.pop("later", 0)
    return AudienceReport(
        included=included,
        excluded=included - sum(counts.values()) - later,
        planned=counts[""],
        holdout=counts[Message.Reason.HOLDOUT.value],
        skipped={
            reason.value: counts[reason.value]
            for reason in REASONS
            if reason != Message.Reason.HOLDOUT
        },
        as_of=now,
        later=later,
        by_channel=dict(channels),
        leaving=_leaving(due),
        zones=_zones(due),
        rates=rates,
        done_at=expecting.done_at(rates, [(channel, at, n) for channel, _zone, at, n in due]),
        cost=expecting.cost(campaign, channels, now=now),
        warnings=expecting.warnings(campaign),
    )


def people(
    campaign: Campaign, *, reason: str = "", limit: int = PEOPLE_SHOWN, now: datetime | None = None
) -> list[Person]:
    """Some of those who would be written to, or with a reason, of those left out for it.

    Of a pilot, those of its share.  Without ``now`` no cap is asked.
    """
    judged, params = querysets.judged(campaign, now=now)
    waits, waits_params = _later(campaign)
    text = f"""
        SELECT j.customer_id, coalesce(c.email, '') AS email,
            btrim(coalesce(c.first_name, '') || ' ' || coalesce(c.last_name, '')) AS name
        FROM (SELECT * FROM ({judged}) p WHERE NOT ({waits})) j
        LEFT JOIN customers_customer c ON c.id = j.customer_id
        WHERE j.reason = %s ORDER BY j.customer_id LIMIT %s"""
    found = querysets.rows((text, [*params, *waits_params, reason, limit]))
    return [Person(reason=reason, **row) for row in found]


def _count(
    campaign: Campaign, *, now: datetime
) -> tuple[Counter[str], list[tuple[str, str, datetime, int]]]:
    """People by reason, and (channel, zone, moment, people) of those to be written to."""
    waits = _later(campaign)
    placed, params = querysets.placed(campaign, now=now)
    text = f"""
        SELECT p.reason, p.channel, coalesce(p.zone, '') AS zone, p.hour,
            ({waits[0]}) AS is_later, count(*) AS n
        FROM ({placed}) p GROUP BY 1, 2, 3, 4, 5"""
    rules = judging.rules_of(campaign)
    counts: Counter[str] = Counter()
    due = []
    for row in querysets.rows((text, [*waits[1], *params])):
        reason: str = row["reason"]
        at: datetime | None = now
        if row["is_later"]:
            reason = "later"
        elif not reason:
            at = _moment(campaign, rules, row, now=now)
            reason = "" if at else Message.Reason.QUIET.value
        counts[reason] += row["n"]
        if not reason and at:
            due.append((row["channel"], row["zone"], at, row["n"]))
    return counts, due


def _later(campaign: Campaign) -> querysets.Query:
    """Whether somebody ``p`` of the audience is not written to before the pilot is over."""
    if campaign.pilot_share is None or campaign.kind != Campaign.Kind.BROADCAST:
        return "false", []
    return judging.outside_pilot(campaign)


def _moment(campaign: Campaign, rules: Rules, row: dict, *, now: datetime) -> datetime | None:
    if campaign.kind == Campaign.Kind.TRANSACTIONAL:
        return now
    hour = None if row["hour"] < 0 else row["hour"]
    at = moments.allowed(rules, row["channel"], row["zone"], now, local_hour=hour)
    is_over = at is not None and campaign.ends_at is not None and at > campaign.ends_at
    return None if is_over else at


def _leaving(due: list[tuple[str, str, datetime, int]]) -> list[Leaving]:
    hours: Counter[tuple[datetime, str]] = Counter()
    for channel, _zone, at, n in due:
        hours[at.replace(minute=0, second=0, microsecond=0), channel] += n
    return [Leaving(channel, at, n) for (at, channel), n in sorted(hours.items())]


def _zones(due: list[tuple[str, str, datetime, int]]) -> list[ZoneCount]:
    found: dict[str, list[tuple[datetime, int]]] = defaultdict(list)
    for _channel, zone, at, n in due:
        found[zone].append((at, n))
    counted = [
        ZoneCount(zone, sum(n for _at, n in rows), min(rows)[0], max(rows)[0])
        for zone, rows in found.items()
    ]
    return sorted(counted, key=lambda one: (-one.people, one.zone))[:ZONES_SHOWN]
