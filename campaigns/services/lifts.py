"""Lift of a segment over all its campaigns, and of all marketing together.  Writes nothing."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from campaigns import comparisons, judging
from campaigns.comparisons import Period
from campaigns.experiments import always_valid, analysis, checks, several
from campaigns.experiments.several import Combined
from campaigns.models import Assignment, Campaign
from campaigns.services import arms, compared
from campaigns.services.arms import METRICS, Arm, Lift
from campaigns.services.compared import HOLDOUT, TREATED
from segments.models import MembershipChange, Segment

DAY = timedelta(days=1)
PLANNED_DAYS = 180  # of the global holdout: about then its bounds are narrowest


@dataclass(frozen=True)
class Part:
    """What one campaign did to the members of a segment."""

    campaign_id: int
    name: str
    treated: int
    holdout: int
    lifts: tuple[Lift, ...]  # empty where they must not be read
    why_not: str  # in a sentence, where it must not


@dataclass(frozen=True)
class SegmentLift:
    """What campaigns did to those who were members of a segment when chance drew them."""

    segment_id: int
    name: str
    as_of: datetime
    currency: str
    parts: tuple[Part, ...]
    combined: dict[str, Combined]  # by metric; empty without a readable part
    sentence: str

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class OverallLift:
    """What all marketing together did, by the people it leaves alone altogether."""

    as_of: datetime
    since: datetime | None
    share: float
    currency: str
    treated: Arm | None
    holdout: Arm | None
    lifts: tuple[Lift, ...]  # intervals that hold at any time; empty where they must not be read
    boundary: float | None
    verdict: str  # none | more | fewer | open, or the key of a finding
    sentence: str

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def of_segment(segment: Segment, *, now: datetime) -> SegmentLift:
    """One figure out of all campaigns, each weighed by its precision; how they differ is told.

    Every campaign is its own draw, so each is compared within itself first.  A person may be in
    several: their draws are unrelated, but their purchases are counted in each whose window they
    fall into.
    """
    measured = _measured(segment)
    currency, parts = settings.CURRENCY, []
    for days in sorted({one.attribution_days for one in measured}):
        group = [one for one in measured if one.attribution_days == days]
        currency, rows = _sums(segment, group, days=days, now=now)
        parts += [_part(one, rows) for one in group]
    parts = [part for part in parts if part.treated + part.holdout]
    combined = {metric: found for metric in METRICS if (found := _combined(parts, metric))}
    return SegmentLift(
        segment_id=segment.pk,
        name=segment.name,
        as_of=now,
        currency=currency,
        parts=tuple(sorted(parts, key=lambda part: -part.campaign_id)),
        combined=combined,
        sentence=_segment_sentence(parts, combined.get("orders")),
    )


def _measured(segment: Segment) -> list[Campaign]:
    """Campaigns that left some alone and drew people while the segment had members."""
    first = MembershipChange.objects.filter(segment=segment).order_by("id").first()
    if first is None:
        return []
    found = Campaign.objects.filter(holdout_share__gt=0, launched_at__isnull=False)
    drawn = Assignment.objects.filter(campaign__in=found, assigned_at__gte=first.happened_at)
    ids = drawn.values_list("campaign_id", flat=True).distinct()
    return list(found.filter(pk__in=list(ids)))


def _sums(
    segment: Segment, group: Sequence[Campaign], *, days: int, now: datetime
) -> tuple[str, list[Arm]]:
    until = now - days * DAY
    people = comparisons.members_assigned(
        segment.pk, campaign_ids=[one.pk for one in group], until=until
    )
    drawn = Assignment.objects.filter(campaign__in=group).order_by("assigned_at")
    moments = drawn.values_list("assigned_at", flat=True)
    first, last = moments.first() or now, moments.last() or now
    period = Period(days=days, first=first, last=last, now=now)
    _used, period = compared.with_currency(people, period)
    return period.currency, arms.read(people, period)


def _part(campaign: Campaign, rows: Sequence[Arm]) -> Part:
    here = [one for one in rows if one.part == campaign.pk]
    treated = arms.together((one for one in here if one.arm == TREATED), arm=TREATED)
    holdout = arms.together((one for one in here if one.arm == HOLDOUT), arm=HOLDOUT)
    faults = checks.findings(
        checks.Arms(
            treated=treated.n,
            holdout=holdout.n,
            treated_buyers=treated.buyers,
            holdout_buyers=holdout.buyers,
            holdout_share=campaign.holdout_share,
            days_left=0,
        )
    )
    lifts = () if faults else tuple(arms.lift(treated, holdout, metric) for metric in METRICS)
    why_not = faults[0].sentence if faults else ""
    return Part(campaign.pk, campaign.name, treated.n, holdout.n, lifts, why_not)


def _combined(parts: Sequence[Part], metric: str) -> Combined | None:
    found = [
        lift.plain
        for part in parts
        for lift in part.lifts
        if lift.metric == metric and lift.plain is not None
    ]
    return several.combined([one.difference for one in found], [one.error for one in found])


def _segment_sentence(parts: Sequence[Part], found: Combined | None) -> str:
    if found is None:
        if parts:
            return "No campaign to its members can say anything yet."
        return "No campaign that leaves some alone has drawn members of this segment."
    many = "one campaign" if found.n_estimates == 1 else f"{found.n_estimates} campaigns"
    interval = f"95% interval {100 * found.low:.2f} to {100 * found.high:.2f}"
    word = "more" if found.estimate >= 0 else "fewer"
    claim = "" if found.low > 0 or found.high < 0 else ", which shows no difference"
    said = (
        f"Over {many}, 100 members who were written to placed {abs(100 * found.estimate):.2f} "
        f"{word} orders ({interval}){claim}."
    ).replace(" -", " −")
    if found.n_estimates > 1:
        alike = "differ by more than chance" if found.p_value < 0.05 else "are alike up to chance"
        said += f" The campaigns {alike} (I² = {found.varying_share:.0%}, p = {found.p_value:.2g})."
    return said


def of_all_marketing(*, now: datetime) -> OverallLift:
    """Everybody whom no marketing reaches by draw, against the others, since the draw.

    May be read at any time: its intervals are always valid.  The lift adjusted by what people
    bought in the half year before decides.
    """
    policy = judging.policy()
    since = policy.holdout_since
    if since is None or not policy.holdout_share or since >= now:
        return OverallLift(
            now, None, policy.holdout_share, settings.CURRENCY, None, None, (), None, "none",
            "Nobody is left alone by all marketing, so nothing can be said about it as a whole. "
            "A share of 1 to 5 percent, set in the sending rules, changes that.",
        )  # fmt: skip
    days = max(1, math.ceil((now - since) / DAY))
    people = comparisons.all_marketing(policy)
    _used, period = compared.with_currency(people, Period(days, since, since, now))
    rows = arms.read(people, period)
    treated = arms.together((one for one in rows if one.arm == TREATED), arm=TREATED)
    holdout = arms.together((one for one in rows if one.arm == HOLDOUT), arm=HOLDOUT)
    sizes = checks.Arms(
        treated=treated.n,
        holdout=holdout.n,
        treated_buyers=treated.buyers,
        holdout_buyers=holdout.buyers,
        holdout_share=policy.holdout_share,
        days_left=0,
    )
    faults = checks.findings(sizes)
    boundary = always_valid.bound((now - since) / DAY / PLANNED_DAYS)
    lifts = () if faults else tuple(_at_any_time(treated, holdout, boundary))
    made = OverallLift(
        now, since, policy.holdout_share, period.currency, treated, holdout, lifts, boundary, "", ""
    )
    if faults:
        return replace(made, verdict=faults[0].key, sentence=faults[0].sentence)
    return _overall_said(made, days)


def _at_any_time(treated: Arm, holdout: Arm, boundary: float) -> list[Lift]:
    found = []
    for metric in METRICS:
        lift = arms.lift(treated, holdout, metric)
        found.append(
            Lift(
                metric,
                analysis.widened(lift.plain, boundary) if lift.plain else None,
                analysis.widened(lift.adjusted, boundary) if lift.adjusted else None,
                lift.explained_share,
            )
        )
    return found


def _overall_said(made: OverallLift, days: int) -> OverallLift:
    revenue = next(one.adjusted for one in made.lifts if one.metric == "revenue")
    assert made.since is not None  # the caller has looked
    in_days = f"In {days} day{'' if days == 1 else 's'} since {made.since:%Y-%m-%d}"
    if revenue is None:
        return replace(made, verdict="open", sentence=f"{in_days} everybody bought alike.")
    word = "more" if revenue.difference >= 0 else "less"
    interval = f"interval valid at any time {revenue.low:.2f} to {revenue.high:.2f}"
    said = (
        f"{in_days} customers whom marketing may reach brought {abs(revenue.difference):.2f} "
        f"{made.currency} {word} revenue each than those it leaves alone ({interval})"
    ).replace(" -", " −")
    if not revenue.excludes_zero:
        sentence = f"{said}: no difference is shown yet."
        return replace(made, verdict="open", sentence=sentence)
    up = revenue.difference > 0
    verdict = "more" if up else "fewer"
    return replace(
        made, verdict=verdict, sentence=f"{said}: marketing {'earned' if up else 'cost'} revenue."
    )
