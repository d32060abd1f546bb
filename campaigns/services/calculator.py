"""How many people a test needs, before it is launched.  Writes nothing."""

import math
from dataclasses import dataclass
from datetime import datetime

from campaigns import querysets
from campaigns.comparisons import Period
from campaigns.experiments import adjusting, power
from campaigns.experiments.power import Usual
from campaigns.models import Campaign
from campaigns.services import arms, compared

EFFECTS = (0.02, 0.05, 0.10, 0.20, 0.50)  # of what people do without the message


@dataclass(frozen=True)
class Need:
    """One effect, and what it takes to see it."""

    effect_share: float  # of the usual
    effect: float  # per customer
    customers: int | None
    customers_adjusted: int | None  # where earlier purchases are taken out


@dataclass(frozen=True)
class Plan:
    """What a campaign's audience usually does in a window, and what a test on it would show."""

    metric: str
    currency: str
    audience: int  # members of the included segments
    window_days: int
    holdout_share: float
    usual: Usual
    explained_share: float  # of the variance, by earlier purchases
    smallest: float  # difference per customer that this audience would usually show
    smallest_adjusted: float
    needs: tuple[Need, ...]
    sentence: str


def plan(
    campaign: Campaign, *, now: datetime, holdout_share: float | None = None, metric: str = ""
) -> Plan:
    """What this campaign's test can show, from what its audience did in the window before now.

    That window stands for the next one; a sale in one of the two and not in the other misleads.
    """
    metric = metric or campaign.metric
    share = campaign.holdout_share if holdout_share is None else holdout_share
    days = campaign.attribution_days
    usual = _usual(campaign, days, now=now)
    pair = usual.pair(metric)
    ground = Usual(
        pair.after.mean if pair.n else 0.0,
        math.sqrt(max(0.0, pair.after.variance)) if pair.n > 1 else 0.0,
    )
    explained = min(0.95, max(0.0, adjusting.explained_share([pair]))) if pair.n > 1 else 0.0
    smallest = power.smallest_effect(pair.n, ground, share=share)
    needs = tuple(_need(each, ground, share, explained) for each in EFFECTS)
    return Plan(
        metric=metric,
        currency=usual.currency,
        audience=pair.n,
        window_days=days,
        holdout_share=share,
        usual=ground,
        explained_share=explained,
        smallest=smallest,
        smallest_adjusted=smallest * math.sqrt(1 - explained),
        needs=needs,
        sentence=_sentence(pair.n, ground, smallest, share),
    )


@dataclass(frozen=True)
class _Ground:
    arm: arms.Arm
    currency: str

    def pair(self, metric: str) -> adjusting.Pair:
        return self.arm.pair(metric)


def _usual(campaign: Campaign, days: int, *, now: datetime) -> _Ground:
    """What the members of the included segments bought in the last window, and before it."""
    chosen, params = querysets.population(campaign)
    since = now - days * compared.DAY
    text = f"""
        SELECT p.customer_id, 0 AS part, 'treated' AS arm, NULL::bigint AS variant_id,
            true AS is_compared, %s::timestamptz AS since FROM ({chosen}) p"""
    people = text, [since, *params]
    _used, period = compared.with_currency(people, Period(days, since, since, now))
    rows = arms.read(people, period)
    return _Ground(arms.together(rows, arm="treated"), period.currency)


def _need(effect_share: float, ground: Usual, share: float, explained: float) -> Need:
    effect = effect_share * abs(ground.mean)
    return Need(
        effect_share,
        effect,
        power.sample_size(effect, ground, share=share),
        power.sample_size(effect, ground, share=share, explained=explained),
    )


def _sentence(n: int, ground: Usual, smallest: float, share: float) -> str:
    if not n:
        return "Nobody is in the included segments, so nothing can be worked out yet."
    if not 0 < share < 1:
        return "Nobody would be left alone, so this campaign could show nothing."
    if not ground.mean or math.isinf(smallest):
        return (
            f"None of these {n:,} people bought in the last window: how much they vary is unknown."
        )
    part = smallest / abs(ground.mean)
    return (
        f"With {n:,} people and {share:.0%} left alone, a true change of {part:.0%} or more would "
        "be found in 4 of 5 campaigns; smaller ones mostly not."
    )
