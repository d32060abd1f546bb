"""The arms of a comparison with their sums, compared by any metric.  Writes nothing."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from campaigns import comparisons
from campaigns.comparisons import Period
from campaigns.experiments import adjusting, analysis, ratios
from campaigns.experiments.adjusting import Pair
from campaigns.experiments.analysis import LEVEL, Difference, Sample
from campaigns.judging import Query
from campaigns.querysets import rows

METRICS = ("conversion", "orders", "revenue", "margin")
_AFTER = {"conversion": "buyers", "orders": "orders", "revenue": "revenue", "margin": "margin"}
_BEFORE = {
    "conversion": "early_orders",
    "orders": "early_orders",
    "revenue": "early_revenue",
    "margin": "early_revenue",
}


@dataclass(frozen=True)
class Arm:
    """One arm, or one variant of it: everybody compared in it."""

    part: int
    arm: str  # treated | holdout
    variant_id: int | None
    assigned: int = 0
    n: int = 0  # compared
    buyers: int = 0
    lately: int = 0  # drawn within 28 days
    sums: dict[str, float] = field(default_factory=dict)

    def total(self, name: str) -> float:
        return float(self.buyers) if name == "buyers" else self.sums.get(name, 0.0)

    def sample(self, metric: str) -> Sample:
        """What each customer brought: 0 or 1 in conversion."""
        name = _AFTER[metric]
        squares = self.buyers if name == "buyers" else self.sums.get(f"{name}_{name}", 0.0)
        cubes = self.buyers if name == "buyers" else self.sums.get(f"{name}_{name}_{name}", 0.0)
        return Sample(self.n, self.total(name), float(squares), float(cubes))

    def pair(self, metric: str) -> Pair:
        """As `sample`, beside what the same customers bought before the draw."""
        before = _BEFORE[metric]
        name = "buyer" if metric == "conversion" else _AFTER[metric]
        products = self.sums.get(f"{name}_{before}", 0.0)
        return Pair(
            self.sample(metric),
            Sample(
                self.n,
                self.total(before),
                self.sums.get(f"{before}_{before}", 0.0),
                self.sums.get(f"{before}_{before}_{before}", 0.0),
            ),
            products,
            # a buyer is 0 or 1, and so its own square
            products if name == "buyer" else self.sums.get(f"{name}_{name}_{before}", 0.0),
            self.sums.get(f"{name}_{before}_{before}", 0.0),
        )

    def order_values(self) -> Pair:
        """Revenue beside orders of each customer, for revenue by order."""
        return Pair(
            self.sample("revenue"), self.sample("orders"), self.sums.get("revenue_orders", 0.0)
        )


@dataclass(frozen=True)
class Lift:
    """Treated minus untreated in one metric, per customer: plain, and adjusted by earlier spend."""

    metric: str
    plain: Difference | None
    adjusted: Difference | None
    explained_share: float  # of the variance, that the adjustment takes away


def read(people: Query, period: Period) -> list[Arm]:
    """One entry a part, arm and variant, from one statement."""
    has_costs = comparisons.has_costs()
    return [_arm(row) for row in rows(comparisons.sums(people, period, has_costs=has_costs))]


def together(found: Iterable[Arm], *, arm: str, variant_id: int | None = None) -> Arm:
    """Several as one, such as all variants of the treated."""
    held = list(found)
    sums: dict[str, float] = {}
    for one in held:
        for name, value in one.sums.items():
            sums[name] = sums.get(name, 0.0) + value
    return Arm(
        part=held[0].part if held else 0,
        arm=arm,
        variant_id=variant_id,
        assigned=sum(one.assigned for one in held),
        n=sum(one.n for one in held),
        buyers=sum(one.buyers for one in held),
        lately=sum(one.lately for one in held),
        sums=sums,
    )


def lift(
    treated: Arm,
    untreated: Arm,
    metric: str,
    *,
    among: Sequence[Arm] | None = None,
    level: float = LEVEL,
) -> Lift:
    """Compare two arms; the slope of the adjustment is that of all arms in ``among``."""
    if min(treated.n, untreated.n) < 2:
        return Lift(metric, None, None, 0.0)
    pairs = [arm.pair(metric) for arm in (treated, untreated)]
    slope = adjusting.theta([arm.pair(metric) for arm in among or (treated, untreated)])
    plain = analysis.difference(pairs[0].after, pairs[1].after, level=level)
    adjusted = analysis.difference(*adjusting.adjusted(pairs, by=slope), level=level)
    share = max(0.0, adjusting.explained_share(pairs, by=slope))
    return Lift(metric, _known(plain), _known(adjusted), share)


def order_value(treated: Arm, untreated: Arm) -> Difference | None:
    """The difference in revenue by order; orders are not drawn by chance, so it only explains."""
    return ratios.difference(treated.order_values(), untreated.order_values())


def _known(found: Difference) -> Difference | None:
    return None if math.isnan(found.p_value) else found


def _arm(row: dict[str, Any]) -> Arm:
    named = ("part", "arm", "variant_id", "assigned", "n", "buyers", "lately")
    return Arm(
        **{name: row[name] for name in named},
        sums={name: value for name, value in row.items() if name not in named},
    )
