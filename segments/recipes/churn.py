"""churn_90d: the probability that a customer places no order in the next 90 days."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from customers.features.facts import Facts
from customers.features.table import catalogue, features
from segments.estimators.churn import LogisticChurn, RecencyBandRate
from segments.evaluation import metrics, splits
from segments.evaluation.estimate import Estimate
from segments.recipes import competition, history, horizon, probabilities, reasons
from segments.recipes.competition import Shot
from segments.recipes.judged import (
    BASELINE,
    JUDGED_CUSTOMERS,
    LEAST_REPEATERS,
    RESAMPLES,
    Judged,
    block,
    compare,
    day,
    not_judged,
    sampled,
    shortage,
    shown,
    until,
)

KIND = "churn_90d"
NAMES = ("churn_90d",)
HORIZON_DAYS = 90
STEP_DAYS = 30
SNAPSHOTS = 6
LEAST_OF_EACH = 30  # customers who ordered and who did not, at the test
LEAST_A_YEAR_AGO = 100  # the same, to learn a season from
YEAR_DAYS = 365
TRAINING_ROWS = 120_000
BANDS = {"medium": 0.4, "high": 0.7}  # least probability of each; below is low
RANKERS = {
    "few orders first": lambda table: -table["orders_total"].astype(float),
    "longest silence first": lambda table: table["days_since_last_order"].astype(float),
}
LABEL = "no order in the {days} days after the snapshot"

# Beside the catalogue's own: what a linear model cannot make of it by itself.
DERIVED = {
    "pace_ratio": "Days since the last order over the usual gap between orders.",
    "orders_per_month": "Orders for each 30 days since the first.",
    "bought_once": "1 where there is a single purchase day.",
}
READ = (
    "days_since_last_order", "orders_total", "frequency", "revenue_total", "mean_order_value",
    "tenure_days", "mean_gap_days", "orders_30d", "orders_90d", "orders_365d", "revenue_30d",
    "revenue_90d", "revenue_365d", "distinct_products", "basket_size", "discount_share",
    "refund_share",
)  # fmt: skip
COLUMNS = (*READ, *DERIVED)
LIMITS = (
    "Probabilities are of {label}, whatever the reason.",
    f"Only customers who ordered in the last {history.AT_RISK_DAYS} days are scored: "
    "the others are gone already.",
    "The label lags one quarter behind: without a year of history before it, a season that has "
    "just begun is not in it.",
    "Reasons are what goes together with churn in this shop, never what causes it.",
    "Bands are fixed probabilities, so their sizes change with the season.",
)


def prepared(table: pd.DataFrame) -> pd.DataFrame:
    """The feature table with the derived columns; the argument stays as it was."""
    tenure = table["tenure_days"].astype(float)
    gap = table["mean_gap_days"].astype(float).fillna(tenure.clip(lower=1))
    return table.assign(
        pace_ratio=table["days_since_last_order"] / gap.clip(lower=1),
        orders_per_month=table["orders_total"] / tenure.clip(lower=7) * 30,
        bought_once=(table["frequency"] == 0).astype(float),
    )


def train(
    facts: Facts,
    as_of: datetime,
    *,
    live: Any = None,
    seed: int = 0,
    people: pd.DataFrame | None = None,
    horizon_days: int | None = HORIZON_DAYS,
) -> Judged:
    """Fit on stacked snapshots, judge on a later one, then fit again on all of them.

    Parameters
    ----------
    facts : Facts
        Known at ``as_of``.
    as_of : datetime
        The end of the last label window.
    live : estimator, optional
        The live run's, as it was judged; judged again on this snapshot.
    people : DataFrame, optional
        Which groups each customer is in, to be checked one by one.
    horizon_days : int, optional
        What the label looks ahead; None is the shop's own horizon. Only the usual one may serve,
        for the score's name tells it.
    """
    span = history.span(facts, as_of)
    shop_own = horizon.learnt(facts, as_of, span, label_days=HORIZON_DAYS)
    days = shop_own["days"] if horizon_days is None else horizon_days
    now = features(facts, as_of, names=READ)
    repeaters = int((now["frequency"] > 0).sum())
    short = shortage(
        [
            (repeaters, LEAST_REPEATERS, "customers with two orders"),
            (span.days, horizon.WINDOWS * days, "days of orders"),
        ]
    )
    if short:
        return _thumb(facts, span, shop_own, short, days=days)
    split = splits.snapshots(
        span.first,  # type: ignore[arg-type]  # days of orders: there is a first
        as_of,
        horizon_days=days,
        step_days=STEP_DAYS,
        count=SNAPSHOTS,
    )
    past = [_snapshot(facts, moment, days=days, seed=seed) for moment in split.train]
    test = _snapshot(facts, split.test, days=days, seed=seed, most=JUDGED_CUSTOMERS)
    short = shortage([need for shots in (past, [test]) for need in _of_each(shots, days)])
    if short:
        return _thumb(facts, span, shop_own, short, days=days)

    def year_ago(moment: datetime) -> Shot | None:
        return _year_ago(facts, moment, span, days=days, seed=seed)

    judged = _judge(
        past, test, split, year_ago, as_of, people=people, days=days, live=live, seed=seed
    )
    card = {**_card(span, shop_own, len(now), days), **judged.card}
    return replace(
        judged,
        card=card,
        n_customers=len(now),
        defects=[] if days == HORIZON_DAYS else [f"it looks {days} days ahead: judged only"],
        instead=lambda: _thumb(facts, span, shop_own, "", days=days),
    )


def scores(estimator: Any, table: pd.DataFrame) -> pd.DataFrame:
    """``value`` and ``band`` of every customer at risk."""
    at_risk = prepared(table[table["days_since_last_order"] <= history.AT_RISK_DAYS])
    value = estimator.predict_proba(at_risk)
    steps = np.searchsorted([BANDS["medium"], BANDS["high"]], value.to_numpy(), side="right")
    return pd.DataFrame(
        {"value": value, "band": np.array(["low", "medium", "high"])[steps]}, index=at_risk.index
    )


def blocks(estimator: Any, table: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """The scores of the customers at risk among those of ``table``."""
    found = scores(estimator, table)
    why = reasons.of(estimator, prepared(table.loc[found.index]))
    yield block("churn_90d", found["value"], band=found["band"], reasons=why)


def _snapshot(
    facts: Facts,
    moment: datetime,
    *,
    days: int,
    seed: int,
    most: int = TRAINING_ROWS // SNAPSHOTS,
) -> Shot:
    shot = history.snapshot(facts, moment, horizon_days=days, names=READ)
    table = sampled(shot.table, most, seed=seed)
    churned = ~shot.after.loc[table.index, "has_ordered"].to_numpy(dtype=bool)
    return prepared(table), churned.astype(int)


def _year_ago(
    facts: Facts, moment: datetime, span: history.Span, *, days: int, seed: int
) -> Shot | None:
    """The snapshot of a year before ``moment``, where the shop was old and large enough by then."""
    then = moment - timedelta(days=YEAR_DAYS)
    if span.first is None or then < span.first + timedelta(days=days):
        return None
    shot = _snapshot(facts, then, days=days, seed=seed)
    return shot if np.bincount(shot[1], minlength=2).min() >= LEAST_A_YEAR_AGO else None


def _of_each(shots: list[Shot], days: int) -> list[tuple[int, int, str]]:
    """How many ordered and how many did not, as needs of `shortage`."""
    stayed, left = np.bincount(np.concatenate([churned for _, churned in shots]), minlength=2)
    within = f"within {days} days of a snapshot"
    return [
        (int(stayed), LEAST_OF_EACH, f"customers who ordered {within}"),
        (int(left), LEAST_OF_EACH, f"customers who did not order {within}"),
    ]


def _judge(
    past: list[Shot],
    test: Shot,
    split: splits.Split,
    year_ago: Callable[[datetime], Shot | None],
    as_of: datetime,
    *,
    people: pd.DataFrame | None,
    days: int,
    live: Any,
    seed: int,
) -> Judged:
    gap = -(-days // STEP_DAYS)
    choice = competition.choose(
        past,
        gap=gap,
        columns=COLUMNS,
        logistic=LogisticChurn,
        seed=seed,
        year_ago=year_ago(split.train[-1]),
    )
    now, then = (year_ago(at) if choice.is_seasonal else None for at in (as_of, split.test))
    table, churned = test
    y = pd.Series(churned, index=table.index)
    fitted = competition.fitted(choice.chosen.build, past, year_ago=then)
    p = fitted.predict_proba(table)
    ranker_name, ranker = _ranker(past, table)
    base = pd.Series(competition.stacked(past)[1].mean(), index=table.index)

    ours = _metrics(y, p, repeat=table["frequency"] > 0, seed=seed)
    ranked = probabilities.ranking(y, ranker, seed=seed)
    theirs = {**ranked, **probabilities.probability(y, base, seed=seed)}
    auc, baseline = ours["auc"], theirs["auc"]
    at = competition.month(split.test, churned, p)
    months = competition.months(choice, past, split.train, gap=gap, year_ago=year_ago)
    return Judged(
        method=choice.chosen.method,
        estimator=competition.fitted(choice.chosen.build, [*past, test], year_ago=now),
        judged_estimator=fitted,
        n_customers=len(table),
        summary=(
            f"Ranks who will not order in {days} days with an AUC of {shown(auc.value)} "
            f"({shown(auc.low)} to {shown(auc.high)}, n = {auc.n:,}); "
            f"{ranker_name} reaches {shown(baseline.value)}."
        ),
        card={
            "split": _split_words(past, test, split),
            **_coefficients(fitted),
            "choice": choice.card(),
            "competition": competition.judged(choice, past, table, y, p, seed=seed),
            "calibration": choice.calibration,
            "baseline": f"{ranker_name}; the average rate as probability",
            "months": competition.by_month([*months, at]),
            **probabilities.quality(
                fitted, table, y, p,
                columns=COLUMNS, threshold=BANDS["high"], people=people, seed=seed,
            ),
        },
        params={
            "C": choice.penalty, "columns": list(COLUMNS), "horizon_days": days, "bands": BANDS,
        },
        metrics=ours,
        baseline=theirs,
        comparisons=[
            compare(metrics.auc, BASELINE, y, p, ranker, key="auc", seed=seed),
            compare(metrics.brier, BASELINE, y, p, base, key="brier", seed=seed),
            *probabilities.against_live(live, table, y, p, seed=seed),
        ],
    )  # fmt: skip


def _card(span: history.Span, shop_own: dict[str, Any], n: int, days: int) -> dict[str, Any]:
    meanings = {feature.name: feature.meaning for feature in catalogue()} | DERIVED
    silence = history.silence(span, horizon_days=days)
    label = LABEL.format(days=days)
    limits = [words.format(label=label.replace("the snapshot", "today")) for words in LIMITS]
    return {
        "window": span.as_json(),
        "n": n,
        "label": label,
        "horizon": shop_own,
        "features": [{"name": name, "meaning": meanings[name]} for name in COLUMNS],
        "bands": BANDS,
        "refitted": "After being judged it was fitted again on all snapshots, the test included.",
        "limits": [*limits, *([silence] if silence else [])],
    }


def _split_words(past: list[Shot], test: Shot, split: splits.Split) -> dict[str, Any]:
    table, churned = test
    return {
        "train": [day(moment) for moment in split.train],
        "test": day(split.test),
        "train_rows": sum(len(rows) for rows, _ in past),
        "test_rows": len(table),
        "test_rate": float(churned.mean()),
    }


def _ranker(past: list[Shot], table: pd.DataFrame) -> tuple[str, pd.Series]:
    """The single feature that ranked the training snapshots best, applied to the test."""
    rows, y = competition.stacked(past)

    def quality(name: str) -> float:
        return metrics.auc(y, RANKERS[name](rows), resamples=0).value or 0.0

    name = max(RANKERS, key=quality)
    return name, RANKERS[name](table)


def _metrics(y: pd.Series, p: pd.Series, *, repeat: pd.Series, seed: int) -> dict[str, Estimate]:
    given: dict[str, Any] = {"seed": seed, "resamples": RESAMPLES}
    return {
        **probabilities.figures(y, p, seed=seed),
        "auc_repeat_buyers": metrics.auc(y[repeat], p[repeat], **given),
        "lift_10_repeat_buyers": metrics.lift_at(0.1)(y[repeat], p[repeat], **given),
    }


def _coefficients(fitted: Any) -> dict[str, Any]:
    """The card's ``coefficients``, where there are such."""
    if not isinstance(fitted, LogisticChurn):
        return {}
    pairs = zip(COLUMNS, fitted.coefficients_, strict=True)
    rows = [{"feature": name, "log_odds_per_deviation": round(float(c), 4)} for name, c in pairs]
    return {"coefficients": sorted(rows, key=lambda row: -abs(row["log_odds_per_deviation"]))}


def _thumb(
    facts: Facts, span: history.Span, shop_own: dict[str, Any], short: str, *, days: int
) -> Judged:
    """The rule of thumb, with what is seen of it so far, and what a model still needs."""
    moment = span.as_of - timedelta(days=days)
    shot = history.snapshot(facts, moment, horizon_days=days, names=READ)
    churned = ~shot.after["has_ordered"].to_numpy(dtype=bool)
    rule = RecencyBandRate(column="days_since_last_order").fit(shot.table, churned.astype(float))
    n = len(features(facts, span.as_of, names=["orders_total"]))
    summary = (
        f"{until('churn', short)} a rule of thumb serves: the usual rate of customers who were "
        "last seen about as long ago."
    )
    bands = [0, *rule.edges]
    rates = zip(bands, rule.rates_, strict=True)
    card = {
        **_card(span, shop_own, n, days),
        "features": [],
        **({"missing": short} if short else {}),
        "rates": [{"last_order_after_days": least, "rate": float(rate)} for least, rate in rates],
        "refitted": "It was not judged.",
    }
    card["limits"].insert(0, "Rates are assumed, and move to this shop's own as they come in.")
    return Judged(
        method="rate by recency, a rule of thumb",
        estimator=rule,
        n_customers=n,
        summary=summary,
        card=card,
        params={"horizon_days": days, "bands": BANDS},
        metrics={"auc": not_judged(n, short)},
        is_fallback=True,
    )
