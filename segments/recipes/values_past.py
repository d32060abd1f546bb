"""What the recipe of value reads of the past: snapshots, what came of them, and the season."""

from collections.abc import Hashable
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from customers.features.facts import Facts
from customers.features.seen import microseconds
from customers.features.table import features

STEP_DAYS = 30
SNAPSHOTS = 4  # that the trees learn from, at one moment
LEAST_PAST_DAYS = 60  # of history behind a snapshot that is learnt from
YEAR_DAYS = 364  # whole weeks, so that weekdays stay
CUSTOMERS = 200_000  # learnt from at most: parameters are settled long before

COLUMNS = (
    "frequency", "recency", "age", "purchases", "mean_spend", "days_since_last_order",
    "orders_total", "revenue_total", "mean_order_value", "mean_gap_days", "orders_30d",
    "orders_90d", "orders_365d", "revenue_30d", "revenue_90d", "revenue_365d",
    "distinct_products", "basket_size", "discount_share", "refund_share",
)  # fmt: skip
DERIVED = ("purchases", "mean_spend")
READ = tuple(name for name in COLUMNS if name not in DERIVED)  # of the feature table


def prepared(table: pd.DataFrame) -> pd.DataFrame:
    """What the value models read of the feature table."""
    days = table["frequency"].astype(float) + 1
    return pd.DataFrame(
        {
            **{name: table[name].astype(float) for name in READ},
            "purchases": days,
            "mean_spend": table["revenue_total"].clip(lower=0) / days,
        },
        index=table.index,
    )


class Past:
    """Snapshots of one shop, named by how many days they lie before ``as_of``; each made once."""

    def __init__(self, facts: Facts, as_of: datetime, *, span_days: int, seed: int) -> None:
        self.facts = facts
        self.as_of = as_of
        self.span_days = span_days
        self.fits: dict[Hashable, Any] = {}  # by method and moment, so that none is made twice
        table = self._features(0)
        self.n = len(table)
        if self.n > CUSTOMERS:
            table = table.sample(CUSTOMERS, random_state=seed).sort_index()
        self.customers = table.index
        self._tables = {0: prepared(table)}

    def at(self, days_ago: int) -> pd.DataFrame:
        """Customers of that moment as `prepared`, a sample of them where they are very many."""
        if days_ago not in self._tables:
            table = self._features(days_ago)
            chosen = table.index.isin(self.customers)
            self._tables[days_ago] = prepared(table if chosen.all() else table[chosen])
        return self._tables[days_ago]

    def came(self, days_ago: int, horizon_days: int) -> pd.DataFrame:
        """``orders`` (days with one) and ``value`` after refunds in the horizon after a moment."""
        columns = {"purchases": "orders", "revenue_total": "value"}
        before = self.at(days_ago)[list(columns)]
        after = self.at(days_ago - horizon_days)[list(columns)].loc[before.index]
        return (after - before).rename(columns=columns)

    def learnable(self, days_ago: int, horizon_days: int) -> list[int]:
        """Moments whose horizon was over by ``days_ago`` and that had a past, newest first."""
        found = [days_ago + horizon_days + STEP_DAYS * place for place in range(SNAPSHOTS)]
        return [each for each in found if self.span_days - each >= LEAST_PAST_DAYS]

    def pace(self, days_ago: int, horizon_days: int) -> float:
        """Orders that those known by then placed in the horizon, over all orders before it."""
        placed, first, known = self._purchases()
        here, width = self._moment(days_ago), horizon_days * 86_400_000_000
        ahead = known & (first < here) & (placed >= here) & (placed < here + width)
        behind = known & (placed < here) & (placed >= here - width)
        return float(ahead.sum() / max(behind.sum(), 1))

    def season(self, days_ago: int, horizon_days: int, *, against: list[int]) -> float | None:
        """How much more was bought a year before this moment than at others, for this horizon.

        None where the shop is too young to know.
        """
        year_ago = days_ago + YEAR_DAYS
        others = [each for each in against if self.span_days - each >= horizon_days]
        if self.span_days - year_ago < horizon_days + STEP_DAYS or not others:
            return None
        usual = float(np.mean([self.pace(each, horizon_days) for each in others]))
        return self.pace(year_ago, horizon_days) / usual if usual > 0 else None

    def decay(self, days_ago: int, horizon_days: int) -> float:
        """What a second horizon brings of what the first brought, over a year of moments."""
        placed, first, known = self._purchases()
        width, now = horizon_days * 86_400_000_000, self._moment(days_ago)
        sums = np.zeros(2)
        for place in range(12):
            here = now - 2 * width - place * STEP_DAYS * 86_400_000_000
            if here < now - (self.span_days - days_ago - STEP_DAYS) * 86_400_000_000:
                break
            mine = known & (first < here) & (placed >= here)
            sums += [
                (mine & (placed < here + width)).sum(),
                (mine & (placed >= here + width) & (placed < here + 2 * width)).sum(),
            ]
        return float(np.clip(sums[1] / sums[0], 0.2, 1.0)) if sums[0] > 0 else 1.0

    def _features(self, days_ago: int) -> pd.DataFrame:
        return features(self.facts, self.as_of - timedelta(days=days_ago), names=READ)

    def _moment(self, days_ago: int) -> int:
        return microseconds(self.as_of - timedelta(days=days_ago))

    def _purchases(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """When each purchase was placed, when its customer's first was, and whether it is known."""
        bought = self.facts.purchases
        starts = np.flatnonzero(np.r_[True, bought.customer[1:] != bought.customer[:-1]])
        first = np.repeat(bought.placed[starts], np.diff(np.r_[starts, bought.customer.size]))
        return bought.placed, first, bought.known(microseconds(self.as_of))
