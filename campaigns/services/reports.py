"""Say what a campaign did, and what of it the campaign caused.  Writes nothing.

Two kinds of figures that must not be mixed.  The *funnel* follows messages: sent, opened, ordered.
The *lift* compares people by what chance assigned them to, sent or not, opened or not; only it can
say what the campaign caused.
"""

import math
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import Count, Q

from campaigns import comparisons, querysets
from campaigns.experiments import checks, power
from campaigns.experiments.analysis import Difference
from campaigns.experiments.conclusion import Conclusion
from campaigns.models import Campaign, Coupon, Message
from campaigns.services import arms, compared, measuring, returns, variant_lifts
from campaigns.services.arms import Arm
from campaigns.services.compared import Compared
from campaigns.services.figures import (
    ArmFigures,
    Costs,
    Extra,
    Funnel,
    Report,
    SampleRatio,
    Waiting,
)

LATELY_DAYS = 28  # of the present rate of new people
EFFECT_SHARE = 0.10  # of what those left alone do: an effect worth waiting for


def report(campaign: Campaign, *, now: datetime) -> Report:
    """Everything there is to say about a campaign, from a handful of statements."""
    seen = compared.compared(campaign, now=now)
    if seen is None:
        return _not_planned(campaign, now=now)
    period = seen.timing.period
    counts = _messages(campaign.pk)
    funnel = _funnel(campaign.pk, counts, planned=seen.treated.n, currency=period.currency, now=now)
    came_back = comparisons.came_back(campaign.pk, now=now)
    costs = returns.costs(campaign, currency=period.currency, now=now)
    extra = {
        metric: _extra(seen.deciding(metric), seen.treated.n) for metric in ("revenue", "margin")
    }
    orders, revenue = seen.lift("orders"), seen.lift("revenue")
    return Report(
        campaign_id=campaign.pk,
        name=campaign.name,
        kind=campaign.kind,
        state=campaign.state,
        as_of=now,
        currency=period.currency,
        window_days=campaign.attribution_days,
        window_from=period.first,
        window_to=period.end,
        days_left=seen.timing.days_left,
        audience=seen.treated.assigned + seen.holdout.assigned,
        reasons=_by_reason(counts, Message.State.SKIPPED),
        not_sent=_by_reason(counts, Message.State.FAILED, Message.State.UNKNOWN),
        funnel=funnel,
        arms=(_figures(seen.treated), _figures(seen.holdout)),
        srm=_sample_ratio(seen.arms),
        objective=campaign.objective,
        metric=campaign.metric,
        stopping=campaign.stopping,
        is_adjusted=seen.measuring.is_adjusted,
        lifts=tuple(compared.shown(one, seen.standing) for one in seen.lifts),
        lift=_shown(seen.deciding(campaign.metric), seen),
        lift_orders=orders.plain if orders else None,
        lift_revenue=revenue.plain if revenue else None,
        order_value=arms.order_value(seen.treated, seen.holdout) if seen.lifts else None,
        extra_orders=_extra(orders.plain if orders else None, seen.treated.n),
        extra_revenue=extra["revenue"],
        extra_margin=extra["margin"],
        standing=seen.standing,
        looks=seen.looks,
        steps=variant_lifts.steps(campaign, seen, returns.left_by_variant(came_back)),
        guards=returns.rails(came_back, seen.measuring),
        costs=costs,
        made=returns.made(extra["margin"], costs, is_provisional=not seen.timing.is_closed),
        waiting=_waiting(campaign, seen),
        verdict=seen.concluded.verdict,
        conclusion=seen.concluded.sentence,
        notes=_notes(funnel, seen, costs),
    )


def concluded(campaign: Campaign, *, now: datetime) -> Conclusion:
    """Only what may be concluded, from few statements: for lists."""
    seen = compared.compared(campaign, now=now)
    return seen.concluded if seen else Conclusion("not_launched", _waits(campaign))


def _waits(campaign: Campaign) -> str:
    being = "is being planned" if campaign.state == Campaign.State.PLANNING else "was not launched"
    if campaign.state == Campaign.State.SENDING:
        being = "runs and nobody has come to it"
    return f"This campaign {being}: there is nothing to report yet."


def _not_planned(campaign: Campaign, *, now: datetime) -> Report:
    return Report(
        campaign_id=campaign.pk,
        name=campaign.name,
        kind=campaign.kind,
        state=campaign.state,
        as_of=now,
        currency=settings.CURRENCY,
        window_days=campaign.attribution_days,
        window_from=None,
        window_to=None,
        days_left=float(campaign.attribution_days),
        audience=0,
        reasons={},
        not_sent={},
        funnel=Funnel(),
        arms=(),
        srm=None,
        objective=campaign.objective,
        metric=campaign.metric,
        stopping=campaign.stopping,
        is_adjusted=measuring.of(campaign).is_adjusted,
        lifts=(),
        lift=None,
        lift_orders=None,
        lift_revenue=None,
        order_value=None,
        extra_orders=None,
        extra_revenue=None,
        extra_margin=None,
        standing=None,
        looks=(),
        steps=(),
        guards=(),
        costs=Costs(0.0, 0, 0.0, 0, 0.0),
        made=None,
        waiting=None,
        verdict="not_launched",
        conclusion=_waits(campaign),
        notes=(),
    )


def _figures(arm: Arm) -> ArmFigures:
    n, is_enough = arm.n, arm.n >= checks.CUSTOMERS_LEAST
    return ArmFigures(
        arm=arm.arm,
        assigned=arm.assigned,
        n=n,
        buyers=arm.buyers,
        orders=arm.total("orders"),
        revenue=arm.total("revenue"),
        orders_per_customer=arm.total("orders") / n if is_enough else None,
        conversion_rate=arm.buyers / n if is_enough else None,
        revenue_per_customer=arm.total("revenue") / n if is_enough else None,
        margin_per_customer=arm.total("margin") / n if is_enough else None,
    )


def _sample_ratio(found: checks.Arms) -> SampleRatio:
    n = found.treated + found.holdout
    return SampleRatio(
        expected_share=found.holdout_share,
        found_share=found.holdout / n if n else None,
        p_value=checks.sample_ratio_p_value(found),
        is_right=checks.sample_ratio(found) is None,
    )


def _shown(lift: Difference | None, seen: Compared) -> Difference | None:
    return compared.widen(lift, seen.standing) if lift and seen.standing else lift


def _extra(lift: Difference | None, n: int) -> Extra | None:
    return None if lift is None else Extra(lift.difference * n, lift.low * n, lift.high * n)


def _waiting(campaign: Campaign, seen: Compared) -> Waiting | None:
    """Days until this can be concluded at the present rate of new people, or by the calendar."""
    timing = seen.timing
    if timing.is_closed or (seen.standing and seen.standing.crossed):
        return None
    if not timing.goes_on:
        days = timing.days_left
        return Waiting(days, f"It can be concluded in {_days(days)}, when the window closes.")
    if not campaign.holdout_share or min(seen.treated.n, seen.holdout.n) < 2:
        return None
    needed = timing.planned
    aim = f"{needed:,} customers were planned" if needed else ""
    if needed is None:
        usual = compared.samples_of(
            seen.treated, seen.holdout, campaign.metric, is_adjusted=seen.measuring.is_adjusted
        )[1]
        ground = power.Usual(usual.mean, math.sqrt(max(0.0, usual.variance)))
        effect = EFFECT_SHARE * abs(seen.holdout.sample(campaign.metric).mean)
        needed = power.sample_size(effect, ground, share=campaign.holdout_share)
        if needed is None:
            return None
        aim = (
            f"To show a difference of {EFFECT_SHARE:.0%} of what those left alone do, "
            f"about {needed:,} customers are needed"
        )
    n, lately = seen.arms.treated + seen.arms.holdout, seen.treated.lately + seen.holdout.lately
    known_days = (timing.period.now - timing.period.first) / compared.DAY
    per_day = lately / max(1.0, min(LATELY_DAYS, known_days))
    days = power.days_until(needed, n, per_day=per_day, window_days=0.0)
    if math.isinf(days):
        return Waiting(None, f"{aim}; {n:,} have had their window, and nobody new comes.")
    return Waiting(
        days, f"{aim}; {n:,} have had their window. At {per_day:,.0f} a day: {_days(days)}."
    )


def _days(days: float) -> str:
    whole = max(1, math.ceil(days))
    return f"{whole:,} day{'' if whole == 1 else 's'}"


def _messages(campaign_id: int) -> list[dict[str, Any]]:
    found = (
        Message.objects.filter(campaign_id=campaign_id)
        .values("state", "reason")
        .annotate(n=Count("id"), sent=Count("id", filter=Q(sent_at__isnull=False)))
        .order_by("state", "reason")
    )
    return [dict(row) for row in found]


def _by_reason(counts: list[dict[str, Any]], *states: Message.State) -> dict[str, int]:
    found: dict[str, int] = {}
    for row in counts:
        if row["state"] in states:
            found[row["reason"]] = found.get(row["reason"], 0) + row["n"]
    return found


def _funnel(
    campaign_id: int,
    counts: list[dict[str, Any]],
    *,
    planned: int,
    currency: str,
    now: datetime,
) -> Funnel:
    states: dict[str, int] = {}
    for row in counts:
        states[row["state"]] = states.get(row["state"], 0) + row["n"]
    outcomes = querysets.rows(querysets.outcome_counts(campaign_id, currency=currency, now=now))[0]
    state = Message.State
    sent = sum(row["sent"] for row in counts)
    waiting = states.get(state.PLANNED, 0) + states.get(state.SENDING, 0)
    failed, unknown = states.get(state.FAILED, 0), states.get(state.UNKNOWN, 0)
    return Funnel(
        planned=planned,
        waiting=waiting,
        sent=sent,
        delivered=states.get(state.DELIVERED, 0),
        failed=failed,
        unknown=unknown,
        withdrawn=max(0, planned - waiting - sent - failed - unknown),
        redeemed=Coupon.objects.filter(campaign_id=campaign_id, redeemed_at__lte=now).count(),
        **outcomes,
    )


def _notes(funnel: Funnel, seen: Compared, costs: Costs) -> tuple[str, ...]:
    notes = []
    missed = funnel.planned - funnel.sent
    if missed > 0 and not seen.timing.goes_on:
        notes.append(
            f"{missed:,} of {funnel.planned:,} customers who were drawn to be written to have not "
            "been, or perhaps not. They are compared with the others of their arm, for the same "
            "people sit unseen among those left alone: the lift is that of setting out to write."
        )
    if seen.timing.goes_on:
        notes.append(
            "People enter one by one: each is compared over the days after their own draw, once "
            "these have passed."
        )
    if settings.MARGIN_SHARE >= 1:
        notes.append(
            "Margin: what goods cost is unknown where products have no cost, and revenue is taken "
            "for it there (MARGIN_SHARE says what is usually left)."
        )
    if costs.messages_unpriced:
        notes.append(f"{costs.messages_unpriced:,} messages have no price and count as free.")
    if len(seen.currencies) > 1:
        others = ", ".join(f"{n:,} in {currency}" for currency, n in seen.currencies[1:])
        notes.append(
            f"Revenue counts {seen.currencies[0][0]} alone; {others} are counted as orders only."
        )
    return tuple(notes)
