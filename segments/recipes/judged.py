"""What comes out of a recipe: a fitted estimator, how good it is, and what to say about it."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from segments.evaluation.estimate import Estimate, unknown
from segments.evaluation.metrics import Metric, paired_difference

RESAMPLES = 200
JUDGED_CUSTOMERS = 50_000  # a larger test set is sampled: intervals are narrow enough by then
LEAST_REPEATERS = 200  # customers with two purchase days, below which no model is fitted

BASELINE, LIVE = "baseline", "live run"


@dataclass(frozen=True)
class Comparison:
    """One metric of ours minus that of another, over the same customers."""

    metric: str
    words: str
    against: str  # BASELINE or LIVE
    difference: Estimate
    higher_is_better: bool
    decides: bool = True  # whether a run that is worse here may not go live

    @property
    def is_worse(self) -> bool:
        """Whether the whole interval lies on the wrong side of 0."""
        low, high = self.difference.low, self.difference.high
        if low is None or high is None:
            return False
        return high < 0 if self.higher_is_better else low > 0

    def as_json(self) -> dict[str, Any]:
        rest = {name: value for name, value in asdict(self).items() if name != "difference"}
        return {**rest, "difference": as_json(self.difference), "is_worse": self.is_worse}


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A trained model with its judgement; ``estimator`` is None where nothing could be said.

    ``judged_estimator`` is the one that the figures are of: it saw nothing of the test, and so it
    is the one that later runs are compared with.  ``instead`` makes the rule of thumb for where
    this model is refused and nothing else serves.
    """

    method: str
    estimator: Any
    judged_estimator: Any = None
    n_customers: int
    summary: str
    card: dict[str, Any]
    params: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Estimate] = field(default_factory=dict)
    baseline: dict[str, Estimate] = field(default_factory=dict)
    comparisons: list[Comparison] = field(default_factory=list)
    defects: list[str] = field(default_factory=list)  # why it may not go live, besides comparisons
    is_fallback: bool = False
    points: pd.DataFrame | None = None  # of a forecast, one row a week, as columns of ForecastPoint
    instead: Callable[[], "Judged"] | None = None


def as_json(estimate: Estimate) -> dict[str, Any]:
    """An estimate as it is stored; the note only where there is one."""
    stored = {"value": estimate.value, "low": estimate.low, "high": estimate.high, "n": estimate.n}
    return {**stored, "note": estimate.note} if estimate.note else stored


def compare(
    metric: Metric,
    against: str,
    y: pd.Series,
    ours: pd.Series,
    theirs: pd.Series,
    *,
    key: str,
    seed: int,
    decides: bool = True,
) -> Comparison:
    """Judge two predictions on the same resampled customers."""
    difference = paired_difference(metric, y, ours, theirs, seed=seed, resamples=RESAMPLES)
    return Comparison(key, metric.name, against, difference, metric.higher_is_better, decides)


def block(
    name: str,
    value: pd.Series,
    *,
    low: pd.Series | None = None,
    high: pd.Series | None = None,
    band: Any = "",
    reasons: pd.Series | str = "[]",
) -> pd.DataFrame:
    """Scores of one name, as they are written: one row a customer, in the order of ``value``.

    ``low`` and ``high`` bound the interval of ``value``; ``reasons`` are JSON texts.
    """
    unknown = np.full(len(value), np.nan)
    return pd.DataFrame(
        {
            "name": name,
            "customer_id": value.index,
            "value": value.to_numpy(),
            "low": unknown if low is None else low.to_numpy(),
            "high": unknown if high is None else high.to_numpy(),
            "band": band,
            "reasons": reasons,
        },
        index=value.index,
    )


def day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d}"


def sampled(table: pd.DataFrame, most: int, *, seed: int) -> pd.DataFrame:
    """At most so many rows, drawn by seed, in their order."""
    return table if len(table) <= most else table.sample(most, random_state=seed).sort_index()


def shown(value: float | None, digits: int = 3) -> str:
    """A figure in a sentence."""
    return "unknown" if value is None else f"{value:.{digits}f}"


def until(kind: str, short: str) -> str:
    """Why a rule of thumb serves, as the beginning of a sentence; ``short`` is what is missing."""
    if short:
        return f"Too little to learn from: a model of {kind} needs {short}. Until then"
    return f"The trained model of {kind} was refused. Until one passes,"


def not_judged(n: int, short: str) -> Estimate:
    """The figure of a rule of thumb."""
    return unknown(n, "too little data to judge" if short else "a rule of thumb is not judged")


def shortage(needs: list[tuple[int, int, str]]) -> str:
    """What is missing, in words; empty where nothing is.

    ``needs`` are (found, needed, what) triples.
    """
    short = [
        f"{needed - found:,} more {what} (there are {found:,} of {needed:,})"
        for found, needed, what in needs
        if found < needed
    ]
    return " and ".join(short)
