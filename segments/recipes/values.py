"""What customers will spend, on how many days with an order, and when the next one comes."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from customers.features.facts import Facts
from segments.estimators.clv import ShrunkenValue
from segments.estimators.spread import LAST_DAYS, CalibratedValue
from segments.evaluation import metrics
from segments.evaluation.deciles import deciles
from segments.evaluation.estimate import Estimate
from segments.evaluation.groups import by_group
from segments.recipes import history, reasons, values_card
from segments.recipes.judged import (
    BASELINE,
    JUDGED_CUSTOMERS,
    LEAST_REPEATERS,
    LIVE,
    RESAMPLES,
    Comparison,
    Judged,
    block,
    compare,
    day,
    not_judged,
    sampled,
    shortage,
    until,
)
from segments.recipes.values_choice import (
    SHRUNKEN,
    Calibration,
    competition,
    missed,
    spreads,
)
from segments.recipes.values_past import LEAST_PAST_DAYS, STEP_DAYS, Past, prepared

KIND = "clv_365d"
NAMES = ("clv_365d", "orders_365d", "clv_90d", "orders_90d", "next_order_days", "worth_365d")
LONG, SHORT = HORIZONS_DAYS = (365, 90)
LEAST_DAYS = 180
LEAST_HOLDOUT_DAYS = 60
YEAR_ENOUGH_DAYS = 330  # a long split of at least so many days holds all seasons
NEXT_ORDERS = (1.0, -np.log(0.9), -np.log(0.1))  # expected; likely 1 in 10; likely 9 in 10
BAND_SHARES = (0.5, 0.8)  # of customers below medium, and below high
HIGH_VALUE_SHARE = 0.1  # whom a rule "high value" would select


def train(
    facts: Facts,
    as_of: datetime,
    *,
    live: Any = None,
    seed: int = 0,
    people: pd.DataFrame | None = None,
) -> Judged:
    """Choose a method on one split, judge it on the next, then fit it on the whole history.

    Each split lies a horizon after the one before: the figures are of a model that saw nothing of
    the time it is judged on, chosen and calibrated without it.
    """
    span = history.span(facts, as_of)
    past = Past(facts, as_of, span_days=span.days, seed=seed)
    repeaters = int((past.at(0)["frequency"] > 0).sum())
    short = shortage(
        [
            (repeaters, LEAST_REPEATERS, "customers with two orders"),
            (span.days, LEAST_DAYS, "days of orders"),
        ]
    )
    if short:
        return _thumb(past, span, short)
    days = min(SHORT, max(LEAST_HOLDOUT_DAYS, span.days // 3 // STEP_DAYS * STEP_DAYS))
    early = int((past.at(days)["frequency"] > 0).sum())
    if early < LEAST_REPEATERS // 2:
        what = f"customers with two orders {days} days ago"
        return _thumb(past, span, shortage([(early, LEAST_REPEATERS // 2, what)]))
    judged = _judge(past, span, days=days, live=live, seed=seed, people=people)
    return replace(judged, instead=lambda: _thumb(past, span, ""))


def blocks(estimator: Any, table: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """The scores of all customers of ``table``."""
    asked = prepared(table)
    model = estimator if isinstance(estimator, CalibratedValue) else CalibratedValue(estimator)
    found, when = model.outlook(asked, horizons_days=HORIZONS_DAYS[::-1], orders=NEXT_ORDERS)
    for days in HORIZONS_DAYS:
        here = found[days]
        why = reasons.of_value(here, table)
        bands = _bands(model, here["value"]) if days == LONG else ""
        yield block(
            f"clv_{days}d", here["value"], low=here["low"], high=here["high"], band=bands,
            reasons=why,
        )  # fmt: skip
        yield block(
            f"orders_{days}d", here["orders"], low=here["orders_low"], high=here["orders_high"],
            reasons=why,
        )  # fmt: skip
    # Of older artefacts it is not known; they serve until the next training.
    pace = model.model if isinstance(model.model, ShrunkenValue) else getattr(model, "pace", None)
    if pace is not None:
        worth = pace.at_own_pace(asked, days=LONG)
        yield block(f"worth_{LONG}d", worth["value"], reasons=reasons.of_value(worth, table))
    expected, low, high = (when[level].rename("days") for level in NEXT_ORDERS)
    dated = expected.notna()
    yield block(
        "next_order_days", expected[dated], low=low[dated], high=high[dated].fillna(LAST_DAYS),
        reasons=why[dated],
    )  # fmt: skip


def _bands(model: CalibratedValue, value: pd.Series) -> Any:
    if model.bands is None:
        return ""
    medium, high = model.bands
    return np.select([value >= high, value >= medium], ["high", "medium"], "low")


def _same_again(past: Past, days: int) -> pd.DataFrame:
    """The baseline: what each customer did in as many days before the split."""
    table = past.at(days)
    known = past.at(2 * days).reindex(table.index).fillna(0.0)
    columns = {"purchases": "orders", "revenue_total": "value"}
    return (table[list(columns)] - known[list(columns)]).rename(columns=columns)


def _judge(
    past: Past, span: history.Span, *, days: int, live: Any, seed: int,
    people: pd.DataFrame | None,
) -> Judged:  # fmt: skip
    rows: list[dict[str, Any]] = []
    method = SHRUNKEN
    if span.days - 2 * days >= LEAST_PAST_DAYS:
        rows = competition(past, 2 * days, horizon_days=days, seed=seed)
        method = _settled(past, rows, days=days, seed=seed)
    calibration = Calibration(method, past, horizon_days=days, seed=seed)
    early = _early(calibration, days)
    serving = _serving(calibration, span, days)
    table = sampled(past.at(days), JUDGED_CUSTOMERS, seed=seed)
    actual = past.came(days, days).loc[table.index]
    ours = early.predict(table, horizon_days=days)
    others = {BASELINE: _same_again(past, days).loc[table.index]}
    if live is not None:
        others[LIVE] = live.predict(table, horizon_days=days)
    found = _metrics(actual, ours, seed=seed)
    theirs = _metrics(actual, others[BASELINE], seed=seed)
    plain = CalibratedValue(early.model).predict(table, horizon_days=days)["value"]
    return Judged(
        method=method,
        estimator=serving,
        judged_estimator=early,
        n_customers=past.n,
        summary=values_card.summary(method, rows, found, theirs, days),
        card={
            **values_card.card(serving.model, rows, span, days=days, n=past.n),
            "split": {
                "test": day(span.as_of - timedelta(days=days)),
                "holdout_days": days,
                "test_rows": len(table),
            },
            "calibration": values_card.decision(
                calibration.chosen(days)[0],
                metrics.total_ratio(actual["value"], plain, resamples=0).value,
                found["total_ratio_revenue"].value,
            ),
            "deciles": deciles(actual["value"], ours["value"]),
            "intervals": values_card.covered(actual["value"], ours["low"], ours["high"]),
            "groups": by_group(
                actual["value"],
                ours["value"],
                people,
                threshold=float(ours["value"].quantile(1 - HIGH_VALUE_SHARE)),
                seed=seed,
            ),
            "importance": values_card.importances(
                early, table, actual["value"], days=days, seed=seed
            ),
        },
        params={"horizon_days": LONG, "holdout_days": days, "factors": serving.factors},
        metrics=found,
        baseline=theirs,
        comparisons=[
            one
            for name, other in others.items()
            for one in _comparisons(actual["value"], ours["value"], other["value"], name, seed=seed)
        ],
    )


def _settled(past: Past, rows: list[dict[str, Any]], *, days: int, seed: int) -> str:
    """The best method that is settled before the test and now too; the rows say which others
    were better and why they do not serve.
    """
    for row in sorted(rows, key=lambda row: np.inf if row["value"] is None else row["value"]):
        later = [Calibration(row["method"], past, horizon_days=days, seed=seed).fit(each)
                 for each in (days, 0) if not row["why_not"]]  # fmt: skip
        row["why_not"] = row["why_not"] or next((fit.why_not for fit in later if fit.why_not), "")
        if not row["why_not"]:
            row["chosen"] = True
            return row["method"]
    return SHRUNKEN


def _early(calibration: Calibration, days: int) -> CalibratedValue:
    """As it was before the test: chosen, calibrated and spread by what was over then."""
    before = calibration.usable(2 * days)
    known = {2 * days: before} if before is not None else {}
    _way, factors = calibration.chosen(days)
    measured = spreads(known, calibration.past, horizon_days=days)
    return CalibratedValue(
        calibration.fit(days).model,
        factors={"short": factors},
        spreads={"short": measured} if measured else {},
    )


def _serving(calibration: Calibration, span: history.Span, days: int) -> CalibratedValue:
    """Fitted on everything; the long horizon is calibrated on the longest split there is."""
    past = calibration.past
    known = {each: calibration.usable(each) for each in (days, 2 * days)}
    known = {each: model for each, model in known.items() if model is not None}
    factors = {"short": calibration.chosen(0)[1]}
    measured = {"short": spreads(known, past, horizon_days=days)}
    long_days = min(LONG, span.days // 2) // STEP_DAYS * STEP_DAYS
    longest = calibration.usable(long_days) if long_days >= LEAST_DAYS else None
    if longest is not None:
        measured["long"] = spreads({long_days: longest}, past, horizon_days=long_days)
        if long_days >= YEAR_ENOUGH_DAYS:
            factors["long"] = missed(longest, past, long_days, horizon_days=long_days)
    model = CalibratedValue(
        calibration.fit(0).model,
        factors=factors,
        spreads={name: found for name, found in measured.items() if found is not None},
    )
    value = model.predict(past.at(0), horizon_days=LONG)["value"]
    medium, high = value.quantile(BAND_SHARES)
    model.bands = (float(medium), float(high))
    model.pace = ShrunkenValue().fit(past.at(0))
    return model


def _comparisons(
    actual: pd.Series, ours: pd.Series, theirs: pd.Series, name: str, *, seed: int
) -> list[Comparison]:
    """By mean error, which decides, and by rank."""
    error, rank = metrics.mean_absolute_error, metrics.spearman
    return [
        compare(error, name, actual, ours, theirs, key="mae_revenue", seed=seed),
        compare(rank, name, actual, ours, theirs, key="spearman_revenue", seed=seed, decides=False),
    ]


def _metrics(actual: pd.DataFrame, ours: pd.DataFrame, *, seed: int) -> dict[str, Estimate]:
    asked = {
        "spearman": metrics.spearman,
        "mae": metrics.mean_absolute_error,
        "total_ratio": metrics.total_ratio,
    }
    return {
        f"{key}_{what}": metric(actual[column], ours[column], seed=seed, resamples=RESAMPLES)
        for column, what in (("value", "revenue"), ("orders", "orders"))
        for key, metric in asked.items()
    }


def _thumb(past: Past, span: history.Span, short: str) -> Judged:
    """Average rate and spend, and what a model still needs."""
    now = past.at(0)
    estimator = ShrunkenValue().fit(now) if len(now) else None
    silence = history.silence(span, horizon_days=SHORT)
    return Judged(
        method="average rate × spend, a rule of thumb",
        estimator=estimator,
        n_customers=past.n,
        summary=(
            f"{until('value', short)} the average rate and spend serve, moved by what each "
            "customer did."
        ),
        card={
            "window": span.as_json(),
            "n": past.n,
            **({"missing": short} if short else {}),
            "parameters": values_card.parameters(estimator) if estimator else {},
            "limits": [
                *values_card.LIMITS[:2],
                "It was not judged, and states no intervals.",
                *([silence] if silence else []),
            ],
        },
        params={"horizon_days": LONG},
        metrics={"mae_revenue": not_judged(past.n, short)},
        is_fallback=True,
    )
