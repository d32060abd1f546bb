"""churn_90d: the probability that a customer places no order in the next 90 days."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from customers.features.facts import Facts
from customers.features.table import catalogue, features
from segments.estimators.churn import LogisticChurn, RecencyBandRate
from segments.evaluation import calibration, metrics, splits
from segments.evaluation.estimate import Estimate
from segments.recipes import history
from segments.recipes.judged import (
    BASELINE,
    JUDGED_CUSTOMERS,
    LEAST_REPEATERS,
    LIVE,
    RESAMPLES,
    Comparison,
    Judged,
    compare,
    day,
    not_judged,
    sampled,
    shortage,
    shown,
    until,
)

KIND = "churn_90d"
HORIZON_DAYS = 90
STEP_DAYS = 30
SNAPSHOTS = 6
LEAST_DAYS = 3 * HORIZON_DAYS  # a past, a label window to learn from, and one to be judged on
LEAST_OF_EACH = 30  # customers who ordered and who did not, at the test
TRAINING_ROWS = 200_000
PENALTIES = (0.01, 0.1, 1.0)  # C; smaller is smoother
USUAL_PENALTY = 0.1
BANDS = {"medium": 0.4, "high": 0.7}  # least probability of each; below is low
RANKERS = {
    "few orders first": lambda table: -table["orders_total"].astype(float),
    "longest silence first": lambda table: table["days_since_last_order"].astype(float),
}
LABEL = f"no order in the {HORIZON_DAYS} days after the snapshot"

# Beside the catalogue's own: what a linear model cannot make of it by itself.
DERIVED = {
    "pace_ratio": "Days since the last order over the usual gap between orders.",
    "orders_per_month": "Orders for each 30 days since the first.",
    "bought_once": "1 where there is a single purchase day.",
}
COLUMNS = (
    "days_since_last_order", "orders_total", "frequency", "revenue_total", "mean_order_value",
    "tenure_days", "mean_gap_days", "orders_30d", "orders_90d", "orders_365d", "revenue_30d",
    "revenue_90d", "revenue_365d", "distinct_products", "basket_size", "discount_share",
    "refund_share", *DERIVED,
)  # fmt: skip
LIMITS = (
    f"Probabilities are of {LABEL.replace('the snapshot', 'today')}, whatever the reason.",
    f"Only customers who ordered in the last {history.AT_RISK_DAYS} days are scored: "
    "the others are gone already.",
    "The label lags one quarter behind: a season that has just begun is not in it.",
    "Reasons are what goes together with churn in this shop, never what causes it.",
    "Bands are fixed probabilities, so their sizes change with the season.",
)

Shot = tuple[pd.DataFrame, np.ndarray]  # prepared features, and 1 where the customer churned


def prepared(table: pd.DataFrame) -> pd.DataFrame:
    """The feature table with the derived columns; the argument stays as it was."""
    tenure = table["tenure_days"].astype(float)
    gap = table["mean_gap_days"].astype(float).fillna(tenure.clip(lower=1))
    return table.assign(
        pace_ratio=table["days_since_last_order"] / gap.clip(lower=1),
        orders_per_month=table["orders_total"] / tenure.clip(lower=7) * 30,
        bought_once=(table["frequency"] == 0).astype(float),
    )


def train(facts: Facts, as_of: datetime, *, live: Any = None, seed: int = 0) -> Judged:
    """Fit on stacked snapshots, judge on a later one, then fit again on all of them.

    Parameters
    ----------
    facts : Facts
        Known at ``as_of``.
    as_of : datetime
        The end of the last label window.
    live : estimator, optional
        The live run's, as it was judged; judged again on this snapshot.
    """
    span = history.span(facts, as_of)
    now = features(facts, as_of)
    repeaters = int((now["frequency"] > 0).sum())
    short = shortage(
        [
            (repeaters, LEAST_REPEATERS, "customers with two orders"),
            (span.days, LEAST_DAYS, "days of orders"),
        ]
    )
    if short:
        return _thumb(facts, span, short)
    split = splits.snapshots(
        span.first,  # type: ignore[arg-type]  # days of orders: there is a first
        as_of,
        horizon_days=HORIZON_DAYS,
        step_days=STEP_DAYS,
        count=SNAPSHOTS,
    )
    past = [_snapshot(facts, moment, seed=seed) for moment in split.train]
    test = _snapshot(facts, split.test, seed=seed, most=JUDGED_CUSTOMERS)
    short = shortage([need for shots in (past, [test]) for need in _of_each(shots)])
    if short:
        return _thumb(facts, span, short)
    judged = _judge(past, test, split, span, n=len(now), live=live, seed=seed)
    return replace(judged, instead=lambda: _thumb(facts, span, ""))


def scores(estimator: Any, table: pd.DataFrame) -> pd.DataFrame:
    """``value`` and ``band`` of every customer at risk."""
    at_risk = prepared(table[table["days_since_last_order"] <= history.AT_RISK_DAYS])
    value = estimator.predict_proba(at_risk)
    steps = np.searchsorted([BANDS["medium"], BANDS["high"]], value.to_numpy(), side="right")
    return pd.DataFrame(
        {"value": value, "band": np.array(["low", "medium", "high"])[steps]}, index=at_risk.index
    )


def _snapshot(
    facts: Facts, moment: datetime, *, seed: int, most: int = TRAINING_ROWS // SNAPSHOTS
) -> Shot:
    shot = history.snapshot(facts, moment, horizon_days=HORIZON_DAYS)
    table = sampled(shot.table, most, seed=seed)
    churned = ~shot.after.loc[table.index, "has_ordered"].to_numpy(dtype=bool)
    return prepared(table), churned.astype(int)


def _of_each(shots: list[Shot]) -> list[tuple[int, int, str]]:
    """How many ordered and how many did not, as needs of `shortage`."""
    stayed, left = np.bincount(np.concatenate([churned for _, churned in shots]), minlength=2)
    within = f"within {HORIZON_DAYS} days of a snapshot"
    return [
        (int(stayed), LEAST_OF_EACH, f"customers who ordered {within}"),
        (int(left), LEAST_OF_EACH, f"customers who did not order {within}"),
    ]


def _fit(shots: list[Shot], *, C: float, seed: int) -> LogisticChurn:
    table = pd.concat([table for table, _ in shots])
    labels = np.concatenate([churned for _, churned in shots])
    return LogisticChurn(columns=list(COLUMNS), C=C, random_state=seed).fit(table, labels)


def _penalty(past: list[Shot], *, seed: int) -> tuple[float, dict]:
    """Choose C on the last training snapshot, from those whose label windows end before it."""
    early = past[: max(len(past) - HORIZON_DAYS // STEP_DAYS, 0)]
    table, churned = past[-1]
    enough = early and np.unique(np.concatenate([y for _, y in early])).size == 2
    if not enough or np.unique(churned).size < 2:
        return USUAL_PENALTY, {
            "note": f"C = {USUAL_PENALTY} by default: too few snapshots to choose"
        }
    rows = []
    for C in PENALTIES:
        p = _fit(early, C=C, seed=seed).predict_proba(table)
        loss = metrics.log_loss(churned, p, seed=seed, resamples=0).value
        rows.append({"C": C, "log_loss": loss})
    best = min(rows, key=lambda row: row["log_loss"] if row["log_loss"] is not None else np.inf)
    for row in rows:
        row["chosen"] = row is best
    return float(best["C"] or USUAL_PENALTY), {"rows": rows}


def _judge(
    past: list[Shot], test: Shot, split: splits.Split, span: history.Span, *, n: int, live: Any,
    seed: int,
) -> Judged:  # fmt: skip
    C, choice = _penalty(past, seed=seed)
    table, churned = test
    y = pd.Series(churned, index=table.index)
    fitted = _fit(past, C=C, seed=seed)
    p = fitted.predict_proba(table)
    ranker_name, ranker = _ranker(past, table)
    base = pd.Series(np.concatenate([labels for _, labels in past]).mean(), index=table.index)

    ours = _metrics(y, p, repeat=table["frequency"] > 0, seed=seed)
    theirs = {**_ranking(y, ranker, seed=seed), **_probability(y, base, seed=seed)}
    auc, baseline = ours["auc"], theirs["auc"]
    return Judged(
        method="logistic regression",
        estimator=_fit([*past, test], C=C, seed=seed),
        judged_estimator=fitted,
        n_customers=n,
        summary=(
            f"Ranks who will not order in {HORIZON_DAYS} days with an AUC of {shown(auc.value)} "
            f"({shown(auc.low)} to {shown(auc.high)}, n = {auc.n:,}); "
            f"{ranker_name} reaches {shown(baseline.value)}."
        ),
        card={
            **_card(span, n),
            "split": _split_words(past, test, split),
            "coefficients": _coefficients(fitted),
            "choice": choice,
            "baseline": f"{ranker_name}; the average rate as probability",
            "reliability": calibration.reliability(y, p).round(4).to_dict("records"),
        },
        params={"C": C, "columns": list(COLUMNS), "horizon_days": HORIZON_DAYS, "bands": BANDS},
        metrics=ours,
        baseline=theirs,
        comparisons=[
            compare(metrics.auc, BASELINE, y, p, ranker, key="auc", seed=seed),
            compare(metrics.brier, BASELINE, y, p, base, key="brier", seed=seed),
            *_against_live(live, table, y, p, seed=seed),
        ],
    )


def _card(span: history.Span, n: int) -> dict[str, Any]:
    meanings = {feature.name: feature.meaning for feature in catalogue()} | DERIVED
    silence = history.silence(span, horizon_days=HORIZON_DAYS)
    return {
        "window": span.as_json(),
        "n": n,
        "label": LABEL,
        "features": [{"name": name, "meaning": meanings[name]} for name in COLUMNS],
        "bands": BANDS,
        "refitted": "After being judged it was fitted again on all snapshots, the test included.",
        "limits": [*LIMITS, *([silence] if silence else [])],
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
    y = np.concatenate([churned for _, churned in past])
    rows = pd.concat([shot for shot, _ in past])

    def quality(name: str) -> float:
        return metrics.auc(y, RANKERS[name](rows), resamples=0).value or 0.0

    name = max(RANKERS, key=quality)
    return name, RANKERS[name](table)


def _ranking(y: pd.Series, p: pd.Series, *, seed: int) -> dict[str, Estimate]:
    asked = {
        "auc": metrics.auc,
        "average_precision": metrics.average_precision,
        "lift_10": metrics.lift_at(0.1),
    }
    return {key: metric(y, p, seed=seed, resamples=RESAMPLES) for key, metric in asked.items()}


def _probability(y: pd.Series, p: pd.Series, *, seed: int) -> dict[str, Estimate]:
    asked = {"brier": metrics.brier, "log_loss": metrics.log_loss}
    return {key: metric(y, p, seed=seed, resamples=RESAMPLES) for key, metric in asked.items()}


def _metrics(y: pd.Series, p: pd.Series, *, repeat: pd.Series, seed: int) -> dict[str, Estimate]:
    given = {"seed": seed, "resamples": RESAMPLES}
    return {
        **_ranking(y, p, seed=seed),
        **_probability(y, p, seed=seed),
        "calibration": calibration.expected_calibration_error(y, p, **given),
        "auc_repeat_buyers": metrics.auc(y[repeat], p[repeat], **given),
    }


def _against_live(
    live: Any, table: pd.DataFrame, y: pd.Series, p: pd.Series, *, seed: int
) -> list[Comparison]:
    """The live run on the same customers."""
    if live is None:
        return []
    theirs = live.predict_proba(table)
    return [compare(metrics.log_loss, LIVE, y, p, theirs, key="log_loss", seed=seed)]


def _coefficients(fitted: LogisticChurn) -> list[dict[str, Any]]:
    pairs = zip(COLUMNS, fitted.coefficients_, strict=True)
    rows = [{"feature": name, "log_odds_per_deviation": round(float(c), 4)} for name, c in pairs]
    return sorted(rows, key=lambda row: -abs(row["log_odds_per_deviation"]))


def _thumb(facts: Facts, span: history.Span, short: str) -> Judged:
    """The rule of thumb, with what is seen of it so far, and what a model still needs."""
    moment = span.as_of - timedelta(days=HORIZON_DAYS)
    shot = history.snapshot(facts, moment, horizon_days=HORIZON_DAYS)
    churned = ~shot.after["has_ordered"].to_numpy(dtype=bool)
    rule = RecencyBandRate(column="days_since_last_order").fit(shot.table, churned.astype(float))
    n = len(features(facts, span.as_of))
    summary = (
        f"{until('churn', short)} a rule of thumb serves: the usual rate of customers who were "
        "last seen about as long ago."
    )
    bands = [0, *rule.edges]
    rates = zip(bands, rule.rates_, strict=True)
    card = {
        **_card(span, n),
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
        params={"horizon_days": HORIZON_DAYS, "bands": BANDS},
        metrics={"auc": not_judged(n, short)},
        is_fallback=True,
    )
