"""Say what a campaign did, and what of it the campaign caused.  Writes nothing.

Two kinds of figures that must not be mixed.  The *funnel* follows messages: sent, opened, ordered.
The *lift* compares people by what chance assigned them to, sent or not, opened or not; only it can
say what the campaign caused.
"""

import dataclasses
import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Count, Min, Q

from campaigns import querysets
from campaigns.experiments import analysis, checks, conclusion
from campaigns.experiments.analysis import Difference, Sample
from campaigns.models import Assignment, Campaign, Coupon, Message

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Funnel:
    """What became of the messages; each figure counts messages, thus people."""

    planned: int = 0  # eligible and drawn to be written to
    waiting: int = 0  # not yet handed over
    sent: int = 0  # accepted by the mail server, whatever came later
    delivered: int = 0  # of these, told to have arrived; most servers never tell
    bounced: int = 0
    failed: int = 0  # certainly did not leave
    unknown: int = 0  # may have left
    withdrawn: int = 0  # planned, then skipped: consent gone, too late, cancelled
    opened: int = 0  # by people; a click is an open too
    opened_by_machines: int = 0
    clicked: int = 0
    clicked_by_machines: int = 0
    unsubscribed: int = 0
    complained: int = 0
    ordered: int = 0  # messages to which at least one order that stands is attributed
    attributed_orders: int = 0
    attributed_revenue: float = 0.0
    redeemed: int = 0  # codes


@dataclass(frozen=True)
class ArmFigures:
    """One arm: everybody drawn into it who could have been written to."""

    arm: str
    assigned: int  # drawn, those who could not be written to included
    n: int  # compared
    buyers: int  # with an order in the window
    orders: float
    revenue: float
    orders_per_customer: float | None  # None below `checks.CUSTOMERS_LEAST` customers
    conversion_rate: float | None
    revenue_per_customer: float | None


@dataclass(frozen=True)
class SampleRatio:
    """Whether the arms have the sizes that were drawn."""

    expected_share: float
    found_share: float | None
    p_value: float
    is_right: bool


@dataclass(frozen=True)
class Extra:
    """A lift times the customers written to: what the campaign brought altogether."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Report:
    """A campaign's figures as of a moment."""

    campaign_id: int
    name: str
    state: str
    as_of: datetime
    currency: str
    window_days: int
    window_from: datetime | None  # None before planning
    window_to: datetime | None
    days_left: float  # 0 when the window has closed
    audience: int
    reasons: dict[str, int]  # skipped, by reason, holdout among them
    not_sent: dict[str, int]  # failed or unknown, by reason
    funnel: Funnel
    arms: tuple[ArmFigures, ...]  # treated, holdout
    srm: SampleRatio | None
    lift_orders: Difference | None  # per customer; None where it must not be read
    lift_revenue: Difference | None
    extra_orders: Extra | None
    extra_revenue: Extra | None
    verdict: str  # more, fewer, no_difference, or why nothing can be said
    conclusion: str
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def report(campaign: Campaign, *, now: datetime) -> Report:
    """Everything there is to say about a campaign, from a handful of statements."""
    assigned = Assignment.objects.filter(campaign=campaign)
    window_from = assigned.aggregate(first=Min("assigned_at"))["first"]
    if window_from is None:
        return _not_planned(campaign, now=now)
    window = window_from, window_from + campaign.attribution_days * DAY
    used = querysets.rows(querysets.currencies(campaign.pk, window=window, now=now))
    currency = used[0]["currency"] if used else settings.CURRENCY
    treated, holdout = _arms(campaign.pk, window=window, currency=currency, now=now)
    days_left = max(0.0, (window[1] - now) / DAY)
    arms = checks.Arms(
        treated=treated["n"],
        holdout=holdout["n"],
        treated_buyers=treated["buyers"],
        holdout_buyers=holdout["buyers"],
        holdout_share=campaign.holdout_share,
        days_left=days_left,
    )
    counts = _messages(campaign.pk)
    funnel = _funnel(campaign.pk, counts, planned=treated["n"], currency=currency, now=now)
    return Report(
        campaign_id=campaign.pk,
        name=campaign.name,
        state=campaign.state,
        as_of=now,
        currency=currency,
        window_days=campaign.attribution_days,
        window_from=window[0],
        window_to=window[1],
        days_left=days_left,
        audience=treated["assigned"] + holdout["assigned"],
        reasons=_by_reason(counts, Message.State.SKIPPED),
        not_sent=_by_reason(counts, Message.State.FAILED, Message.State.UNKNOWN),
        funnel=funnel,
        arms=(_figures(treated), _figures(holdout)),
        srm=_sample_ratio(arms),
        **_lifts(arms, treated, holdout, currency=currency),
        notes=_notes(funnel, used),
    )


def _not_planned(campaign: Campaign, *, now: datetime) -> Report:
    being = "is being planned" if campaign.state == Campaign.State.PLANNING else "was not launched"
    return Report(
        campaign_id=campaign.pk,
        name=campaign.name,
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
        lift_orders=None,
        lift_revenue=None,
        extra_orders=None,
        extra_revenue=None,
        verdict="not_launched",
        conclusion=f"This campaign {being}: there is nothing to report yet.",
        notes=(),
    )


def _arms(campaign_id: int, **given: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    found = {row["arm"]: row for row in querysets.rows(querysets.arm_sums(campaign_id, **given))}
    nobody = dict.fromkeys(("assigned", "n", "buyers", "orders", "revenue"), 0)
    nobody |= {"orders_squares": 0, "revenue_squares": 0}
    treated, holdout = (
        found.get(arm.value, {"arm": arm.value, **nobody})
        for arm in (Assignment.Arm.TREATED, Assignment.Arm.HOLDOUT)
    )
    return treated, holdout


def _figures(row: dict[str, Any]) -> ArmFigures:
    n, is_enough = row["n"], row["n"] >= checks.CUSTOMERS_LEAST
    return ArmFigures(
        arm=row["arm"],
        assigned=row["assigned"],
        n=n,
        buyers=row["buyers"],
        orders=row["orders"],
        revenue=row["revenue"],
        orders_per_customer=row["orders"] / n if is_enough else None,
        conversion_rate=row["buyers"] / n if is_enough else None,
        revenue_per_customer=row["revenue"] / n if is_enough else None,
    )


def _sample_ratio(arms: checks.Arms) -> SampleRatio:
    n = arms.treated + arms.holdout
    return SampleRatio(
        expected_share=arms.holdout_share,
        found_share=arms.holdout / n if n else None,
        p_value=checks.sample_ratio_p_value(arms),
        is_right=checks.sample_ratio(arms) is None,
    )


def _lifts(
    arms: checks.Arms, treated: dict[str, Any], holdout: dict[str, Any], *, currency: str
) -> dict[str, Any]:
    """The lifts and what may be concluded; an interval that would mislead is not given at all."""
    orders, revenue = (
        tuple(Sample(row["n"], row[name], row[f"{name}_squares"]) for row in (treated, holdout))
        for name in ("orders", "revenue")
    )
    lift_orders = lift_revenue = None
    if {found.key for found in checks.findings(arms)} <= {"window_open"}:
        lift_orders, lift_revenue = _lift(*orders), _lift(*revenue)
    concluded = conclusion.conclude(
        arms,
        orders=(orders[0], orders[1]),
        lift_orders=lift_orders,
        lift_revenue=lift_revenue,
        currency=currency,
    )
    return {
        "lift_orders": lift_orders,
        "lift_revenue": lift_revenue,
        "extra_orders": _extra(lift_orders, arms.treated),
        "extra_revenue": _extra(lift_revenue, arms.treated),
        "verdict": concluded.verdict,
        "conclusion": concluded.sentence,
    }


def _lift(treated: Sample, holdout: Sample) -> Difference | None:
    found = analysis.difference(treated, holdout)
    return None if math.isnan(found.p_value) else found


def _extra(lift: Difference | None, n: int) -> Extra | None:
    return None if lift is None else Extra(lift.difference * n, lift.low * n, lift.high * n)


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


def _notes(funnel: Funnel, used: list[dict[str, Any]]) -> tuple[str, ...]:
    notes = []
    missed = funnel.planned - funnel.sent
    if missed > 0:
        notes.append(
            f"{missed:,} of {funnel.planned:,} customers who were drawn to be written to have not "
            "been, or perhaps not. They are compared with the others of their arm, for the same "
            "people sit unseen among those left alone: the lift is that of setting out to write."
        )
    if len(used) > 1:
        others = ", ".join(f"{row['n']:,} in {row['currency']}" for row in used[1:])
        notes.append(
            f"Revenue counts {used[0]['currency']} alone; {others} are counted as orders only."
        )
    return tuple(notes)
