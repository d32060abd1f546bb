"""Which model of value serves, chosen on an earlier split, and what brings it to its totals."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from segments.estimators.clv import CustomerValue, ShrunkenValue
from segments.estimators.columns import UnusableTable
from segments.estimators.poisson import BoostedValue
from segments.estimators.spread import CalibratedValue, OutcomeSpread
from segments.evaluation.metrics import Metric, Weigher, mean_absolute_error, spearman, total_ratio
from segments.recipes.judged import RESAMPLES
from segments.recipes.values_past import COLUMNS, STEP_DAYS, Past

MBG, BG = "MBG/NBD × Gamma-Gamma", "BG/NBD × Gamma-Gamma"
BOOSTED, SHRUNKEN = "boosted Poisson × spend", "shrunken rate × spend"
METHODS = (MBG, BG, BOOSTED, SHRUNKEN)
CLEARLY = 0.05  # in the logarithm of totals: a factor must be better by more than this
FACTOR_LIMITS = (0.5, 2.0)
SMALLEST_VALUE = 1e-6


def _deviance(truth: np.ndarray, given: np.ndarray) -> Weigher:
    y, p = np.maximum(truth, 0.0), np.maximum(given, SMALLEST_VALUE)
    each = 2 * (np.where(y > 0, y * np.log(np.maximum(y, SMALLEST_VALUE) / p), 0.0) - y + p)
    return lambda weights: (weights @ each) / (weights @ np.maximum(y, 0.0)).clip(1e-12)


poisson_deviance = Metric(
    "Poisson deviance",
    "surprise of the amounts that came, for each unit of the currency",
    _deviance,
    is_binary=False,
    higher_is_better=False,
)


@dataclass(frozen=True)
class Fit:
    """One method fitted with what was known at one moment; ``why_not`` where it may not serve."""

    method: str
    model: Any
    why_not: str = ""


def fit(method: str, past: Past, days_ago: int, *, horizon_days: int, seed: int) -> Fit:
    """One method fitted with what was known ``days_ago``; each once."""
    key = (method, days_ago, horizon_days)
    if key not in past.fits:
        past.fits[key] = _fit(method, past, days_ago, horizon_days=horizon_days, seed=seed)
    return past.fits[key]


def _fit(method: str, past: Past, days_ago: int, *, horizon_days: int, seed: int) -> Fit:
    table = past.at(days_ago)
    try:
        if method == SHRUNKEN:
            return Fit(method, ShrunkenValue(random_state=seed).fit(table))
        if method == BOOSTED:
            return _boosted(past, days_ago, horizon_days=horizon_days, seed=seed)
        model = CustomerValue(one_timers_leave=method == MBG, random_state=seed).fit(table)
    except UnusableTable as refusal:
        return Fit(method, None, str(refusal))
    return Fit(method, model, "; ".join(model.problems_[:2]))


def _boosted(past: Past, days_ago: int, *, horizon_days: int, seed: int) -> Fit:
    moments = past.learnable(days_ago, horizon_days)
    if not moments:
        needed = horizon_days + STEP_DAYS * 2
        return Fit(BOOSTED, None, f"less than {needed} days of history before the split")
    model = BoostedValue(
        columns=list(COLUMNS),
        horizon_days=horizon_days,
        decay=past.decay(days_ago, horizon_days),
        random_state=seed,
    )
    tables = [past.at(each) for each in moments]
    came = pd.concat([past.came(each, horizon_days) for each in moments]).clip(lower=0)
    return Fit(BOOSTED, model.fit(pd.concat(tables), came["orders"], came["value"]))


def competition(past: Past, days_ago: int, *, horizon_days: int, seed: int) -> list[dict[str, Any]]:
    """One row a method: its deviance over the horizon after ``days_ago``, and why it may not
    serve.
    """
    came = past.came(days_ago, horizon_days)["value"]
    rows = []
    for method in METHODS:
        found = fit(method, past, days_ago, horizon_days=horizon_days, seed=seed)
        row: dict[str, Any] = {"method": method, "value": None, "low": None, "high": None}
        if found.model is not None:
            expected = found.model.predict(past.at(days_ago), horizon_days=horizon_days)["value"]
            judged = poisson_deviance(came, expected, seed=seed, resamples=RESAMPLES)
            row |= {"value": judged.value, "low": judged.low, "high": judged.high}
            others = {"spearman": spearman, "total_ratio": total_ratio, "mae": mean_absolute_error}
            row |= {name: metric(came, expected, resamples=0).value
                    for name, metric in others.items()}  # fmt: skip
        rows.append(row | {"chosen": False, "why_not": found.why_not})
    return rows


Ratios = tuple[float, float]  # of orders, and of the spend of each


def missed(model: Any, past: Past, days_ago: int, *, horizon_days: int) -> Ratios:
    """What came over what was expected, in orders and in the spend of an order."""
    came = past.came(days_ago, horizon_days)
    given = model.predict(past.at(days_ago), horizon_days=horizon_days)
    orders = _ratio(came["orders"].sum(), given["orders"].sum())
    return orders, _ratio(came["value"].sum(), given["value"].sum()) / orders


def _ratio(came: float, expected: float) -> float:
    return float(came / expected) if came > 0 and expected > 0 else 1.0


class Calibration:
    """Factors that bring one method to its totals, and the evidence for each way to find them.

    Each way is tried on every split that is over: *none*; *season*, a year before against the
    moments learnt from; *last*, what the split before it missed.
    """

    def __init__(self, method: str, past: Past, *, horizon_days: int, seed: int) -> None:
        self.method, self.past = method, past
        self.horizon_days, self.seed = horizon_days, seed
        self._missed: dict[int, Ratios] = {}

    def fit(self, days_ago: int) -> Fit:
        """The method as fitted at that moment."""
        return fit(self.method, self.past, days_ago, horizon_days=self.horizon_days, seed=self.seed)

    def missed(self, days_ago: int) -> Ratios:
        """As `missed` of the method as fitted at that moment; once."""
        if days_ago not in self._missed:
            self._missed[days_ago] = missed(
                self.usable(days_ago), self.past, days_ago, horizon_days=self.horizon_days
            )
        return self._missed[days_ago]

    def ways(self) -> dict[str, Callable[[int], Ratios | None]]:
        return {"none": lambda days_ago: (1.0, 1.0), "season": self._season, "last": self._last}

    def chosen(self, days_ago: int) -> tuple[str, Ratios]:
        """The way that was nearest on splits over by ``days_ago``, and its factors there."""
        splits = [
            each
            for each in (days_ago + self.horizon_days, days_ago + 2 * self.horizon_days)
            if self.usable(each) is not None
        ]
        best: tuple[str, Ratios] = ("none", (1.0, 1.0))
        least = self._error(splits, self.ways()["none"])
        for name, way in self.ways().items():
            factors, error = way(days_ago), self._error(splits, way)
            if factors is not None and error < least - CLEARLY:
                best, least = (name, factors), error
        return best

    def _error(self, splits: list[int], way: Callable[[int], Ratios | None]) -> float:
        """Mean distance of the logarithms of totals; infinite where a split cannot tell."""
        errors = []
        for split in splits:
            factors = way(split)
            if factors is None:
                return np.inf
            came = self.missed(split)
            errors.append(abs(np.log(np.prod(came) / np.prod(factors))))
        return float(np.mean(errors)) if errors else np.inf

    def usable(self, days_ago: int) -> Any:
        """The model fitted then, or None where it had too little to learn from."""
        if self.past.span_days - days_ago < self.horizon_days:
            return None
        found = self.fit(days_ago)
        return None if found.why_not else found.model

    def _season(self, days_ago: int) -> Ratios | None:
        moments = self.past.learnable(days_ago, self.horizon_days)
        if self.method != BOOSTED:  # these know the average of all the past
            moments = [days_ago + self.horizon_days + STEP_DAYS * place for place in range(12)]
        found = self.past.season(days_ago, self.horizon_days, against=moments)
        return None if found is None else (float(np.clip(found, *FACTOR_LIMITS)), 1.0)

    def _last(self, days_ago: int) -> Ratios | None:
        before = days_ago + self.horizon_days
        if self.usable(before) is None:
            return None
        orders, spend = self.missed(before)
        return (
            float(np.clip(orders, *FACTOR_LIMITS)),
            float(np.clip(spend, *FACTOR_LIMITS)),
        )


def spreads(
    splits: dict[int, Any], past: Past, *, horizon_days: int
) -> tuple[OutcomeSpread, OutcomeSpread] | None:
    """How far single outcomes lie from expectations whose totals are right.

    ``splits`` are days ago and the model fitted then; None where there are none.
    """
    given, came = [], []
    for split, model in splits.items():
        missing = missed(model, past, split, horizon_days=horizon_days)
        right = CalibratedValue(model, factors={"short": missing, "long": missing})
        given.append(right.predict(past.at(split), horizon_days=horizon_days))
        came.append(past.came(split, horizon_days))
    if not given:
        return None
    expected, actual = pd.concat(given), pd.concat(came)
    by = expected["orders"]
    return (
        OutcomeSpread().fit(by, by, actual["orders"]),
        OutcomeSpread().fit(by, expected["value"], actual["value"]),
    )
