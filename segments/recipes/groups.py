"""clusters: groups of customers that would be found again, and that say something of the future."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from customers.features.facts import Facts
from customers.features.labels import labels
from customers.features.table import catalogue, features
from segments.estimators.clusters import NOISE, Clusterer, LogKMeans, looseness
from segments.estimators.clusters_split import SplitClusters
from segments.estimators.columns import UnusableTable
from segments.evaluation.estimate import Estimate, unknown
from segments.evaluation.stability import Silhouette, silhouette_and_null, stability
from segments.recipes import history
from segments.recipes.group_choice import (
    K_MEANS,
    LEAST_GAP,
    LEAST_SHARE,
    METHODS,
    ROUNDS,
    STABLE,
    Choice,
    Method,
    Past,
    choose,
    least_share,
    weighed,
)
from segments.recipes.judged import BASELINE, Comparison, Judged, block, sampled, shortage, shown

KIND = "clusters"
NAMES = ("cluster",)
COLUMNS = (
    "days_since_last_order", "orders_total", "revenue_total", "mean_gap_days", "discount_share",
)  # fmt: skip
LEAST_CUSTOMERS = 200
CHOICE_ROWS = 4_000  # customers on whom methods and numbers are weighed, at most
UNSTABLE = 0.75  # below it the clusters do not go live
WORTH_DAYS = 90
KEEP_LOOSENESS = 1.05  # the live clusters stay while customers are that much farther from them
SPLIT_LOOSENESS = 1.25  # the same, where a person had one of them split
LIMITS = (
    "k-means finds round groups whether there are any or not: read the silhouette beside that of "
    "shuffled columns.",
    "A cluster describes how customers bought, not why; it is a proposal until somebody accepts "
    "it.",
)


def train(
    facts: Facts,
    as_of: datetime,
    *,
    live: Clusterer | None = None,
    seed: int = 0,
    people: pd.DataFrame | None = None,
) -> Judged:
    """Choose method and number of clusters on a sample, then fit them on everybody.

    Among the choices that are stable, above shuffled columns and without a tiny cluster, the one
    that tells most of the next 90 days is taken, of ties k-means with the fewest clusters; the
    live run's choice stays while it is not much worse.
    """
    span = history.span(facts, as_of)
    now = features(facts, as_of, names=COLUMNS)
    short = shortage([(len(now), LEAST_CUSTOMERS, "customers with an order")])
    columns = [name for name in COLUMNS if now[name].nunique() > 1]
    if short or len(columns) < 2:
        return _nothing(span, len(now), short or "customers who differ in more than one feature")
    sample = sampled(now, CHOICE_ROWS, seed=seed)
    past = _past(facts, as_of, seed=seed)
    choices: list[Choice] = []
    for method in METHODS:
        for k in method.counts:
            try:
                choices.append(weighed(method, k, sample, past, columns, seed=seed))
            except UnusableTable as refusal:
                if not choices:
                    return _nothing(span, len(now), f"customers who differ ({refusal})")
                break  # more clusters than distinct customers
    if _holds(live, now, columns, seed=seed):
        assert isinstance(live, SplitClusters)
        origin = "kept as they were, for a person had one split"
        return _of_split(live, span, now, others=choices, origin=origin, seed=seed)
    live_k, live_method = (None, K_MEANS) if live is None else (len(live.centers_), _named(live))
    chosen = choose(choices, live_k=live_k, live_method=live_method)
    method = next(method for method in METHODS if method.name == chosen.method)
    model, origin = _model(method, now, columns, chosen.k, live=live, seed=seed)
    return _judged(model, origin, chosen, choices, span, now, sample)


def split(live: Clusterer, key: int, facts: Facts, as_of: datetime, *, seed: int = 0) -> Judged:
    """Part the cluster of this key in two, and leave the others as they are.

    Raises
    ------
    UnusableTable
        Where the smaller part would have less than `LEAST_SHARE` of all customers.
    """
    now = features(facts, as_of, names=live.columns)
    place = live.keys_.tolist().index(key)
    model = SplitClusters(whole=live, place=place, random_state=seed).fit(now)
    found = model.predict(now)
    smaller = float((found == model.keys_[-1]).mean())
    if smaller < LEAST_SHARE:
        raise UnusableTable(
            f"the smaller part has {smaller:.1%} of all customers, {LEAST_SHARE:.0%} is the least"
        )
    judged = _of_split(model, history.span(facts, as_of), now, seed=seed)
    # A person asked for it: what it is worse at is told, and does not stop it.
    told = [replace(found, decides=False) for found in judged.comparisons]
    return replace(judged, comparisons=told)


def _of_split(
    model: SplitClusters,
    span: history.Span,
    now: pd.DataFrame,
    *,
    others: Sequence[Choice] = (),
    origin: str = "one cluster of the live run split in two",
    seed: int,
) -> Judged:
    """Judge clusters of which a person had one parted."""

    def fit_labels(rows: Any) -> pd.Series:
        parted = SplitClusters(whole=model.whole, place=model.place, random_state=seed)
        return parted.fit(rows).predict(rows)

    sample = sampled(now, CHOICE_ROWS, seed=seed)
    labels_ = model.predict(sample)
    chosen = Choice(
        k=len(model.centers_),
        stability=stability(fit_labels, sample, seed=seed, rounds=ROUNDS),
        silhouette=silhouette_and_null(model.scaler_.transform(sample), labels_, seed=seed),
        least_share=least_share(model.predict(now), len(model.centers_)),
        worth=None,
        method=f"{_named(model)}, one split by hand",
    )
    return _judged(model, origin, chosen, [chosen, *others], span, now, sample)


def _holds(live: Clusterer | None, now: pd.DataFrame, columns: list[str], *, seed: int) -> bool:
    """Whether clusters that a person had split still fit today's customers: then they stay."""
    if not isinstance(live, SplitClusters) or list(live.columns) != columns:
        return False
    k = len(live.centers_)
    fresh = LogKMeans(columns=columns, n_clusters=k, random_state=seed).fit(now)
    loosest = SPLIT_LOOSENESS * looseness(fresh, now, live.scaler_)
    is_tight = looseness(live, now, live.scaler_) <= loosest
    return is_tight and least_share(live.predict(now), k) >= LEAST_SHARE


def blocks(estimator: Clusterer, table: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Each customer's cluster by its lasting key; who is in none has no score."""
    found = estimator.predict(table)
    found = found[found != NOISE]
    yield block("cluster", found.astype(float), band=found.astype(str))


def _named(live: Clusterer) -> str:
    """The name of the method that found these."""
    if isinstance(live, SplitClusters):
        return _named(live.whole)
    build = {type(method.build(COLUMNS, 3, 0)): method.name for method in METHODS}
    return build.get(type(live), K_MEANS)


def _model(
    method: Method,
    now: pd.DataFrame,
    columns: list[str],
    k: int,
    *,
    live: Clusterer | None,
    seed: int,
) -> tuple[Clusterer, str]:
    """The clusters, and where they come from.

    The live ones stay as they are while they fit today's customers nearly as tightly as new ones:
    refitted every night, centres wander though customers do not.
    """
    fresh = method.build(columns, k, seed).fit(now)
    if live is None or list(live.columns) != columns or len(live.centers_) != k:
        return fresh, "found afresh"
    origins: dict[str, Clusterer] = {}
    if _named(live) == method.name:
        origins["kept as they were"] = live
    if isinstance(fresh, LogKMeans):
        going_on = LogKMeans(columns=columns, n_clusters=k, random_state=seed)
        origins["moved on from the live run"] = going_on.fit(now, start=live)
    tightest = min(looseness(m, now, live.scaler_) for m in (fresh, *origins.values()))
    for origin, model in origins.items():
        is_tight = looseness(model, now, live.scaler_) <= KEEP_LOOSENESS * tightest
        if is_tight and least_share(model.predict(now), k) >= LEAST_SHARE:
            return model, origin
    return fresh, "found afresh"


def _past(facts: Facts, as_of: datetime, *, seed: int) -> Past | None:
    """Customers a quarter ago and what each has done since; None where there were few."""
    moment = as_of - timedelta(days=WORTH_DAYS)
    table = features(facts, moment, names=COLUMNS)
    if len(table) < LEAST_CUSTOMERS:
        return None
    after = labels(facts, moment, horizon_days=WORTH_DAYS)
    table = sampled(table, CHOICE_ROWS, seed=seed)
    after = after.loc[table.index]
    return Past(table, after["has_ordered"].to_numpy(float), after["revenue"].to_numpy(float))


def _judged(
    model: Clusterer,
    origin: str,
    chosen: Choice,
    choices: list[Choice],
    span: history.Span,
    now: pd.DataFrame,
    sample: pd.DataFrame,
) -> Judged:
    found = model.predict(now)
    shares = np.sort(found[found != NOISE].value_counts().to_numpy() / len(now))
    silhouette = silhouette_and_null(model.scaler_.transform(sample), model.predict(sample))
    steady = chosen.stability
    defects = []
    if (steady.value or 0.0) < UNSTABLE:
        defects.append(
            f"refitted on parts of the customers the clusters agree by {shown(steady.value, 2)} "
            f"only, {UNSTABLE} is the least"
        )
    metrics = {"stability": steady, "silhouette": silhouette.found}
    for name, worth in (
        ("eta_squared_90d", chosen.worth),
        ("eta_squared_revenue_90d", chosen.worth_revenue),
    ):
        if worth is not None:
            metrics[name] = Estimate(worth, None, None, steady.n)
    outside = float((found == NOISE).mean())
    summary = (
        f"{chosen.k} clusters of {shares[0]:.0%} to {shares[-1]:.0%} of {len(now):,} customers"
        f"{f', {outside:.0%} in none' if outside else ''}; "
        f"refits agree by {shown(steady.value, 2)} (1 is always the same), the silhouette is "
        f"{shown(silhouette.found.value, 2)} against {shown(silhouette.null.value, 2)} of "
        "shuffled columns."
    )
    card = _card(model, chosen, choices, span, n=len(now))
    return Judged(
        method=f"{chosen.method} on log features, {chosen.k} clusters",
        estimator=model,
        n_customers=len(now),
        summary=summary,
        card={**card, "centres": origin, "noise_share": round(outside, 4)},
        params={"columns": list(model.columns), "n_clusters": chosen.k, "method": chosen.method},
        metrics=metrics,
        baseline={"silhouette": silhouette.null},
        comparisons=[Comparison("silhouette", "silhouette", BASELINE, _gap(silhouette), True)],
        defects=defects,
    )


def _card(
    model: Clusterer, chosen: Choice, choices: list[Choice], span: history.Span, *, n: int
) -> dict[str, Any]:
    meanings = {feature.name: feature.meaning for feature in catalogue()}
    warnings = [] if chosen.is_eligible else [
        f"Neither method nor number of clusters was stable (above {STABLE}), larger than "
        f"{LEAST_SHARE:.0%} each and {LEAST_GAP} above shuffled columns; this one comes closest."
    ]  # fmt: skip
    steady = chosen.stability
    rows = [choice.as_json(chosen) for choice in choices]
    return {
        "window": span.as_json(),
        "n": n,
        "label": "none: groups are found, not learnt from labels",
        "features": [{"name": name, "meaning": meanings[name]} for name in model.columns],
        "left_out": [name for name in COLUMNS if name not in model.columns],
        "choice": {"rows": [row for row in rows if row["method"] == chosen.method]},
        "methods": rows,
        "stability": {
            "agreement": None if steady.value is None else round(steady.value, 4),
            "low": steady.low,
            "high": steady.high,
            "wanted": STABLE,
            "note": steady.note,
        },
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
