"""Compare a campaign's arms as chance drew them, and say what may be concluded.  Writes nothing.

A broadcast compares everybody, each over the window since their own draw.  What goes on compares
those whose window has closed, so that nobody new dilutes it; under one fixed look with a planned
size, only the first so many.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Max, Min

from campaigns import comparisons
from campaigns.comparisons import Period
from campaigns.experiments import adjusting, always_valid, analysis, checks, conclusion, stopping
from campaigns.experiments.analysis import Difference, Sample
from campaigns.experiments.conclusion import Conclusion
from campaigns.experiments.stopping import Standing, Taken
from campaigns.models import Assignment, Campaign, Look, Measuring
from campaigns.querysets import rows
from campaigns.services import arms, measuring
from campaigns.services.arms import METRICS, Arm, Lift

DAY = timedelta(days=1)
GOES_ON = (Campaign.Kind.RECURRING, Campaign.Kind.TRIGGERED, Campaign.Kind.FLOW)
OVER = (Campaign.State.FINISHED, Campaign.State.CANCELLED)
LOOKED_AT = (Campaign.Stopping.SEQUENTIAL, Campaign.Stopping.ALWAYS_VALID)
SHARE_LEAST = 0.01  # of the information: before the first look
TREATED, HOLDOUT = Assignment.Arm.TREATED.value, Assignment.Arm.HOLDOUT.value


@dataclass(frozen=True)
class Timing:
    """When a campaign's people were drawn, and who of them is compared."""

    period: Period
    until: datetime  # compared are those drawn by then
    goes_on: bool  # people may still enter
    is_closed: bool  # every window that counts has closed
    share: float  # of the planned time or size that has passed, in [0, 1]
    planned: int | None  # customers, of what goes on

    @property
    def days_left(self) -> float:
        return max(0.0, (self.period.end - self.period.now) / DAY)


@dataclass(frozen=True)
class Compared:
    """A campaign's arms and what follows from them."""

    timing: Timing
    measuring: Measuring
    currencies: tuple[tuple[str, int], ...]  # with their orders, the commonest first
    found: tuple[Arm, ...]  # one an arm and variant
    treated: Arm
    holdout: Arm
    arms: checks.Arms
    lifts: tuple[Lift, ...]  # empty where they must not be read
    looks: tuple[Taken, ...]
    standing: Standing | None
    concluded: Conclusion

    def lift(self, metric: str) -> Lift | None:
        return next((one for one in self.lifts if one.metric == metric), None)

    def deciding(self, metric: str) -> Difference | None:
        """The lift that was said beforehand to decide: plain or adjusted."""
        found = self.lift(metric)
        if found is None:
            return None
        return found.adjusted if self.measuring.is_adjusted else found.plain


def compared(campaign: Campaign, *, now: datetime) -> Compared | None:
    """The arms of a campaign, compared; None before anybody was drawn."""
    settled = measuring.of(campaign)
    timing = timing_of(campaign, settled, now=now)
    if timing is None:
        return None
    people = comparisons.assigned(campaign.pk, until=timing.until)
    used, period = with_currency(people, timing.period)
    timing = replace(timing, period=period)
    found = arms.read(people, period)
    treated = arms.together((one for one in found if one.arm == TREATED), arm=TREATED)
    holdout = arms.together((one for one in found if one.arm == HOLDOUT), arm=HOLDOUT)
    looked_at = campaign.stopping in LOOKED_AT
    sizes = checks.Arms(
        treated=treated.n,
        holdout=holdout.n,
        treated_buyers=treated.buyers,
        holdout_buyers=holdout.buyers,
        holdout_share=campaign.holdout_share,
        days_left=0 if timing.goes_on or looked_at else timing.days_left,
        is_running=timing.goes_on and not timing.is_closed and not looked_at,
        planned=timing.planned,
    )
    lifts: tuple[Lift, ...] = ()
    if {fault.key for fault in checks.findings(sizes)} <= {"window_open", "running"}:
        lifts = tuple(arms.lift(treated, holdout, metric) for metric in METRICS)
    looks = taken(campaign)
    standing = _standing(campaign, settled, timing, looks) if looked_at else None
    return Compared(
        timing=timing,
        measuring=settled,
        currencies=used,
        found=tuple(found),
        treated=treated,
        holdout=holdout,
        arms=sizes,
        lifts=lifts,
        looks=looks,
        standing=standing,
        concluded=_conclude(campaign, settled, treated, holdout, sizes, lifts, standing, period),
    )


def timing_of(campaign: Campaign, settled: Measuring, *, now: datetime) -> Timing | None:
    assigned = Assignment.objects.filter(campaign=campaign)
    drawn = assigned.aggregate(first=Min("assigned_at"), last=Max("assigned_at"))
    if drawn["first"] is None:
        return None
    days = campaign.attribution_days
    period = Period(days=days, first=drawn["first"], last=drawn["last"], now=now)
    if campaign.kind not in GOES_ON:
        share = (now - period.first) / (period.end - period.first)
        is_closed = now >= period.end
        return Timing(period, now, False, is_closed, min(1.0, share), None)
    until, planned = now - days * DAY, settled.customers_planned
    if campaign.stopping in LOOKED_AT:
        planned = planned or measuring.CUSTOMERS_PLANNED
    entered = assigned.filter(is_eligible=True)
    passed = campaign.state in OVER and now >= period.end
    share = 1.0 if passed else 0.0
    if planned is not None:
        share = (
            1.0 if passed else min(1.0, entered.filter(assigned_at__lte=until).count() / planned)
        )
        if share == 1 and not passed:
            order = entered.order_by("assigned_at", "customer_id")
            until = order.values_list("assigned_at", flat=True)[planned - 1]
    return Timing(period, until, True, share == 1, share, planned)


def with_currency(
    people: comparisons.Query, period: Period
) -> tuple[tuple[tuple[str, int], ...], Period]:
    """The currencies that were paid in, and the period in the commonest of them."""
    used = tuple(
        (row["currency"], row["n"]) for row in rows(comparisons.currencies(people, period))
    )
    currency = used[0][0] if used else settings.CURRENCY
    return used, replace(period, currency=currency)


def taken(campaign: Campaign, *, variant_id: int | None = None) -> tuple[Taken, ...]:
    """The looks at one comparison so far, the first first."""
    if campaign.stopping not in LOOKED_AT:
        return ()
    return tuple(as_taken(look) for look in looks_at(campaign, variant_id))


def looks_at(campaign: Campaign, variant_id: int | None) -> list[Look]:
    of = {"variant_id": variant_id} if variant_id else {"variant__isnull": True}
    return list(Look.objects.filter(campaign=campaign, **of).order_by("number"))


def as_taken(look: Look) -> Taken:
    return Taken(
        number=look.number,
        information=look.information,
        share=look.share,
        spent=look.spent,
        difference=look.difference,
        error=look.error,
        boundary=look.boundary,
    )


def samples_of(
    treated: Arm, untreated: Arm, metric: str, *, is_adjusted: bool
) -> tuple[Sample, Sample]:
    """What the deciding difference is made of."""
    pairs = [treated.pair(metric), untreated.pair(metric)]
    found = adjusting.adjusted(pairs) if is_adjusted else [pair.after for pair in pairs]
    return found[0], found[1]


def _standing(
    campaign: Campaign, settled: Measuring, timing: Timing, looks: Sequence[Taken]
) -> Standing:
    is_planned = campaign.stopping == Campaign.Stopping.SEQUENTIAL
    last_share = looks[-1].share if looks else 0.0
    over = last_share >= 1 if is_planned else timing.is_closed and not timing.goes_on
    return stopping.standing(
        campaign.stopping,
        looks,
        share=timing.share,
        looks=settled.looks if is_planned else None,
        is_over=over,
    )


def _conclude(
    campaign: Campaign,
    settled: Measuring,
    treated: Arm,
    holdout: Arm,
    sizes: checks.Arms,
    lifts: tuple[Lift, ...],
    standing: Standing | None,
    period: Period,
) -> Conclusion:
    by_metric = {one.metric: one for one in lifts}
    decides, revenue = by_metric.get(campaign.metric), by_metric.get("revenue")
    is_adjusted = settled.is_adjusted
    lift = (decides.adjusted if is_adjusted else decides.plain) if decides else None
    return conclusion.conclude(
        sizes,
        samples=samples_of(treated, holdout, campaign.metric, is_adjusted=is_adjusted),
        lift=lift,
        lift_revenue=revenue.plain if revenue else None,
        currency=period.currency,
        metric=campaign.metric,
        standing=standing,
    )


def shown(lift: Lift, standing: Standing | None) -> Lift:
    """A lift with the intervals that its rule allows: wider under several looks."""
    if standing is None:
        return lift
    plain = widen(lift.plain, standing) if lift.plain else None
    adjusted = widen(lift.adjusted, standing) if lift.adjusted else None
    return Lift(lift.metric, plain, adjusted, lift.explained_share)


def widen(found: Difference, standing: Standing) -> Difference:
    look = standing.crossed or standing.last
    boundary = look.boundary if look else always_valid.bound(max(standing.share, SHARE_LEAST))
    return analysis.widened(found, boundary)


def standing_of(campaign: Campaign, seen: Compared, looks: Sequence[Taken]) -> Standing:
    """Where another comparison of the same campaign stands."""
    return _standing(campaign, seen.measuring, seen.timing, looks)
