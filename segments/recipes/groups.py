"""clusters: groups of customers that would be found again, and that say something of the future."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from customers.features.facts import Facts
from customers.features.labels import labels
from customers.features.table import catalogue, features
from segments.estimators.clusters import LogKMeans, looseness
from segments.estimators.columns import UnusableTable
from segments.evaluation.estimate import Estimate, unknown
from segments.evaluation.stability import Silhouette, silhouette_and_null, stability
from segments.recipes import history
from segments.recipes.judged import BASELINE, Comparison, Judged, sampled, shortage, shown

KIND = "clusters"
COLUMNS = (
    "days_since_last_order", "orders_total", "revenue_total", "mean_gap_days", "discount_share",
)  # fmt: skip
COUNTS = range(3, 9)
LEAST_CUSTOMERS = 200
CHOICE_ROWS = 4_000  # customers on whom the number of clusters is chosen
STARTS = 10
STABLE = 0.90  # mean adjusted Rand index wanted
UNSTABLE = 0.75  # below it the clusters do not go live
LEAST_SHARE = 0.03
WORTH_DAYS = 90
WORTH_TIE = 0.01  # eta squared; closer than this, fewer clusters are better
# The live run's number stays while it is nearly as good, for accepted clusters hang on it.
KEEP_STABLE = 0.80
KEEP_WORTH = 0.8  # of the best worth
KEEP_LOOSENESS = 1.05  # the live clusters stay while customers are that much farther from them
LIMITS = (
    "k-means finds round groups whether there are any or not: read the silhouette beside that of "
    "shuffled columns.",
    "A cluster describes how customers bought, not why; it is a proposal until somebody accepts "
    "it.",
)


@dataclass(frozen=True)
class Choice:
    """What is known of one number of clusters."""

    k: int
    stability: Estimate
    silhouette: Silhouette
    least_share: float
    worth: float | None  # eta squared of ordering in the next 90 days; None without a past

    @property
    def gap(self) -> float:
        return self.silhouette.gap if self.silhouette.gap is not None else -1.0

    @property
    def is_eligible(self) -> bool:
        return self.is_sound(STABLE)

    def is_sound(self, stable: float) -> bool:
        is_stable = (self.stability.value or 0.0) >= stable
        return is_stable and self.least_share >= LEAST_SHARE and self.gap > 0

    def as_json(self, chosen: int) -> dict[str, Any]:
        return {
            "k": self.k,
            "stability": _rounded(self.stability.value),
            "silhouette": _rounded(self.silhouette.found.value),
            "silhouette_of_shuffled": _rounded(self.silhouette.null.value),
            "least_share": round(self.least_share, 4),
            "worth": _rounded(self.worth),
            "is_eligible": self.is_eligible,
            "chosen": self.k == chosen,
        }


def train(facts: Facts, as_of: datetime, *, live: LogKMeans | None = None, seed: int = 0) -> Judged:
    """Choose the number of clusters on a sample, then fit them on everybody.

    Among the numbers that are stable, above shuffled columns and without a tiny cluster, the one
    that tells most about who orders in the next 90 days is taken, of ties the smallest; the live
    run's number stays while it is not much worse.
    """
    span = history.span(facts, as_of)
    now = features(facts, as_of)
    short = shortage([(len(now), LEAST_CUSTOMERS, "customers with an order")])
    columns = [name for name in COLUMNS if now[name].nunique() > 1]
    if short or len(columns) < 2:
        return _nothing(span, len(now), short or "customers who differ in more than one feature")
    sample = sampled(now, CHOICE_ROWS, seed=seed)
    past = _past(facts, as_of, seed=seed)
    choices = []
    for k in COUNTS:
        try:
            choices.append(_choice(sample, past, columns, k, seed=seed))
        except UnusableTable as refusal:
            return _nothing(span, len(now), f"customers who differ ({refusal})")
    chosen = choose(choices, live_k=None if live is None else len(live.centers_))
    model, origin = _model(now, columns, chosen.k, live=live, seed=seed)
    return _judged(model, origin, chosen, choices, span, now, sample)


def _model(
    now: pd.DataFrame, columns: list[str], k: int, *, live: LogKMeans | None, seed: int
) -> tuple[LogKMeans, str]:
    """The clusters, and where they come from.

    The live ones stay as they are while they fit today's customers nearly as tightly as new ones:
    refitted every night, centres wander though customers do not.
    """

    def fit(start: LogKMeans | None = None) -> LogKMeans:
        model = LogKMeans(columns=columns, n_clusters=k, n_init=STARTS, random_state=seed)
        return model.fit(now, start=start)

    if live is None or list(live.columns) != columns or len(live.centers_) != k:
        return fit(), "found afresh"
    origins = {"kept as they were": live, "moved on from the live run": fit(live)}
    fresh = fit()
    tightest = min(looseness(m, now, live.scaler_) for m in (fresh, *origins.values()))
    for origin, model in origins.items():
        is_tight = looseness(model, now, live.scaler_) <= KEEP_LOOSENESS * tightest
        if is_tight and _least_share(model.predict(now), k) >= LEAST_SHARE:
            return model, origin
    return fresh, "found afresh"


def choose(choices: list[Choice], *, live_k: int | None = None) -> Choice:
    """The eligible choice worth most, or where none is eligible the most stable.

    Where no worth is known, the one farthest above shuffled columns.
    """
    eligible = [choice for choice in choices if choice.is_eligible]
    best = max((choice.worth or 0.0 for choice in eligible), default=0.0)
    kept = [choice for choice in choices if choice.k == live_k and choice.is_sound(KEEP_STABLE)]
    if kept and (kept[0].worth or 0.0) >= KEEP_WORTH * best:
        return kept[0]
    if not eligible:
        sized = [choice for choice in choices if choice.least_share >= LEAST_SHARE]
        return max(sized or choices, key=lambda choice: choice.stability.value or 0.0)
    if any(choice.worth is None for choice in eligible):
        return max(eligible, key=lambda choice: choice.gap)
    return next(choice for choice in eligible if (choice.worth or 0.0) >= best - WORTH_TIE)


def _past(facts: Facts, as_of: datetime, *, seed: int) -> tuple[pd.DataFrame, np.ndarray] | None:
    """Customers a quarter ago and whether each has ordered since; None where there were few."""
    moment = as_of - timedelta(days=WORTH_DAYS)
    table = features(facts, moment)
    if len(table) < LEAST_CUSTOMERS:
        return None
    table = sampled(table, CHOICE_ROWS, seed=seed)
    after = labels(facts, moment, horizon_days=WORTH_DAYS)
    return table, after.loc[table.index, "has_ordered"].to_numpy(dtype=float)


def _choice(sample: pd.DataFrame, past, columns: list[str], k: int, *, seed: int) -> Choice:
    def fit(rows: pd.DataFrame) -> LogKMeans:
        model = LogKMeans(columns=columns, n_clusters=k, n_init=STARTS, random_state=seed)
        return model.fit(rows)

    def fit_labels(rows: Any) -> pd.Series:
        return fit(rows).predict(rows)

    model = fit(sample)
    found = model.predict(sample)
    worth = None
    if past is not None:
        table, ordered = past
        worth = _eta_squared(ordered, fit(table).predict(table).to_numpy())
    return Choice(
        k=k,
        stability=stability(fit_labels, sample, seed=seed),
        silhouette=silhouette_and_null(model.scaler_.transform(sample), found, seed=seed),
        least_share=_least_share(found, k),
        worth=worth,
    )


def _least_share(labels: pd.Series, k: int) -> float:
    """Share of the smallest cluster; 0 where one is empty."""
    shares = labels.value_counts(normalize=True)
    return float(shares.min()) if len(shares) == k else 0.0


def _eta_squared(values: np.ndarray, groups: np.ndarray) -> float:
    """Share of the variance of ``values`` that lies between the groups."""
    total = ((values - values.mean()) ** 2).sum()
    if total == 0:
        return 0.0
    size, sums = np.bincount(groups), np.bincount(groups, weights=values)
    means = sums / np.maximum(size, 1)
    return float((size * (means - values.mean()) ** 2).sum() / total)


def _judged(
    model: LogKMeans,
    origin: str,
    chosen: Choice,
    choices: list[Choice],
    span: history.Span,
    now: pd.DataFrame,
    sample: pd.DataFrame,
) -> Judged:
    shares = np.sort(model.predict(now).value_counts(normalize=True).to_numpy())
    silhouette = silhouette_and_null(model.scaler_.transform(sample), model.predict(sample))
    steady = chosen.stability
    defects = []
    if (steady.value or 0.0) < UNSTABLE:
        defects.append(
            f"refitted on parts of the customers the clusters agree by {shown(steady.value, 2)} "
            f"only, {UNSTABLE} is the least"
        )
    metrics = {"stability": steady, "silhouette": silhouette.found}
    if chosen.worth is not None:
        metrics["eta_squared_90d"] = Estimate(chosen.worth, None, None, steady.n)
    summary = (
        f"{chosen.k} clusters of {shares[0]:.0%} to {shares[-1]:.0%} of {len(now):,} customers; "
        f"refits agree by {shown(steady.value, 2)} (1 is always the same), the silhouette is "
        f"{shown(silhouette.found.value, 2)} against {shown(silhouette.null.value, 2)} of "
        "shuffled columns."
    )
    card = _card(model, chosen, choices, span, n=len(now))
    return Judged(
        method=f"k-means on log features, {chosen.k} clusters",
        estimator=model,
        n_customers=len(now),
        summary=summary,
        card={**card, "centres": origin},
        params={"columns": list(model.columns), "n_clusters": chosen.k},
        metrics=metrics,
        baseline={"silhouette": silhouette.null},
        comparisons=[Comparison("silhouette", "silhouette", BASELINE, _gap(silhouette), True)],
        defects=defects,
    )


def _card(
    model: LogKMeans, chosen: Choice, choices: list[Choice], span: history.Span, *, n: int
) -> dict[str, Any]:
    meanings = {feature.name: feature.meaning for feature in catalogue()}
    warnings = [] if chosen.is_eligible else [
        f"No number of clusters was stable (above {STABLE}), larger than {LEAST_SHARE:.0%} each "
        "and above shuffled columns; this one comes closest."
    ]  # fmt: skip
    return {
        "window": span.as_json(),
        "n": n,
        "label": "none: groups are found, not learnt from labels",
        "features": [{"name": name, "meaning": meanings[name]} for name in model.columns],
        "left_out": [name for name in COLUMNS if name not in model.columns],
        "choice": {"rows": [choice.as_json(chosen.k) for choice in choices]},
        "baseline": "the silhouette of the same columns, each shuffled by itself",
        "limits": [*warnings, *LIMITS],
    }


def _gap(silhouette: Silhouette) -> Estimate:
    """Found minus shuffled, with the interval that their two intervals allow at worst."""
    found, null = silhouette.found, silhouette.null
    if None in (found.low, found.high, null.low, null.high) or silhouette.gap is None:
        return unknown(found.n, found.note or null.note)
    low, high = found.low - null.high, found.high - null.low  # type: ignore[operator]
    return Estimate(silhouette.gap, low, high, found.n)


def _nothing(span: history.Span, n: int, short: str) -> Judged:
    return Judged(
        method="none",
        estimator=None,
        n_customers=n,
        summary=f"Too little to find groups in: clusters need {short}.",
        card={"window": span.as_json(), "n": n, "missing": short, "limits": [LIMITS[1]]},
        metrics={"stability": unknown(n, "too little data to judge")},
        is_fallback=True,
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
