"""forecast: orders and units of the next weeks, for the shop, its categories and its products."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from customers.features.facts import Facts
from segments.estimators.forecast import METHODS, SEASON_WEEKS
from segments.estimators.spread import OutcomeSpread
from segments.evaluation.metrics import Metric, Weigher
from segments.recipes import history
from segments.recipes.judged import BASELINE, Judged, compare, not_judged, shortage, shown, until
from segments.recipes.weekly import LEVELS, SHOP, Weeks, keys, summed, weeks

KIND = "forecast"
NAMES: tuple[str, ...] = ()
STEPS = 8
LEAST_PAST_WEEKS = 12  # behind an origin
LEAST_WEEKS = LEAST_PAST_WEEKS + 3 * STEPS
LEAST_POINT_WEEKS = 4  # below it there is nothing to continue
APART_WEEKS = 2  # between origins
ORIGINS = 16
STATED = 0.8
USUAL = "seasonal baseline"
ORDERS, UNITS = MEASURES = ("orders", "units")
LIMITS = (
    "Weeks run from Monday to Sunday, UTC; the week under way is left out.",
    "Orders without a customer (guests) and goods sent back are not counted.",
    "It goes on from the past: it knows nothing of a campaign, a new product or a closed shop.",
    "Units add up: products to no more than their categories, and these to the shop. Orders do "
    "not, for one order may hold goods of several categories.",
    "The intervals of its figures take weeks as unrelated; they are somewhat too narrow.",
    "A product's forecast is its lately usual share of its category's; products that rarely sell "
    "are in their category only.",
)


def _shares(truth: np.ndarray, given: np.ndarray) -> Weigher:
    missed, total = np.abs(truth - given), np.abs(truth)
    return lambda weights: (weights @ missed) / np.maximum(weights @ total, 1e-12)


wape = Metric(
    "weighted error",
    "sum of the distances from the truth, as a share of the true sum",
    _shares,
    is_binary=False,
    higher_is_better=False,
)


def train(
    facts: Facts,
    as_of: datetime,
    *,
    live: Any = None,
    seed: int = 0,
    people: pd.DataFrame | None = None,
) -> Judged:
    """Choose by rolling origins, judge on later ones, and forecast the next weeks."""
    span = history.span(facts, as_of)
    known = weeks(facts, as_of)
    short = shortage([(known.n, LEAST_WEEKS, "whole weeks of orders")])
    if short:
        return _thumb(known, span, short)
    judged = _judge(known, span, seed=seed)
    return replace(judged, instead=lambda: _thumb(known, span, ""))


def ahead(method: str, known: Weeks) -> dict[str, pd.DataFrame]:
    """The next weeks by one method: ``units`` that add up, and ``orders`` of each subject."""
    build, options = METHODS[method]
    units = build(**options).fit(known.units).predict(STEPS)
    units.columns = known.units.columns
    units = units if method == USUAL else summed(known, units)
    shop = build(**options).fit(known.orders).predict(STEPS)
    orders = units * known.orders_per_unit
    orders[SHOP, ""] = shop.iloc[:, 0]
    return {UNITS: units, ORDERS: orders}


def _backtest(method: str, known: Weeks, origins: list[int]) -> pd.DataFrame:
    """One row a forecast week: measure, level, subject, origin, expected and actual."""
    rows = []
    for origin in origins:
        found = ahead(method, known.until(origin))
        for measure, actual in ((UNITS, known.units), (ORDERS, known.orders)):
            here = found[measure][list(actual.columns)]
            came = actual.iloc[origin : origin + STEPS]
            rows.append(
                pd.DataFrame(
                    {
                        "measure": measure,
                        "level": np.tile([key[0] for key in actual.columns], STEPS),
                        "subject": np.tile([key[1] for key in actual.columns], STEPS),
                        "origin": origin,
                        "expected": here.to_numpy().ravel(),
                        "actual": came.to_numpy().ravel(),
                    }
                )
            )
    return pd.concat(rows, ignore_index=True)


def _origins(n: int) -> tuple[list[int], list[int]]:
    """Where forecasts begin to choose by, and, after all of those are over, to be judged by."""
    tested = 4 if n >= SEASON_WEEKS + 3 * STEPS else 2
    test = [n - STEPS - APART_WEEKS * place for place in range(tested)]
    last = min(test) - STEPS
    choose = [last - APART_WEEKS * place for place in range(ORIGINS)]
    choose = [each for each in choose if each >= LEAST_PAST_WEEKS]
    return choose or [LEAST_PAST_WEEKS], test


def _judge(known: Weeks, span: history.Span, *, seed: int) -> Judged:
    choose, test = _origins(known.n)
    earlier = {method: _backtest(method, known, choose) for method in METHODS}
    errors = {method: _error(rows) for method, rows in earlier.items()}
    method = min((name for name in METHODS if name != USUAL), key=lambda name: errors[name])
    later = {name: _backtest(name, known, test) for name in (method, USUAL)}
    spreads = _spreads(earlier[method])
    ours, usual = later[method], later[USUAL]
    covered = _covered(ours, spreads)
    metrics, theirs = (
        {
            f"wape_{measure}": wape(*_cells(rows, measure), seed=seed, resamples=200)
            for measure in MEASURES
        }
        for rows in (ours, usual)
    )
    comparisons = []
    for measure in MEASURES:
        actual, expected = _cells(ours, measure)
        _same, others = _cells(usual, measure)
        comparisons.append(
            compare(
                wape,
                BASELINE,
                actual,
                expected,
                others,
                key=f"wape_{measure}",
                seed=seed,
                decides=measure == UNITS,
            )  # fmt: skip
        )
    all_of_it = pd.concat([earlier[method], ours], ignore_index=True)
    return Judged(
        method=method,
        estimator=None,
        n_customers=0,
        summary=(
            f"Over {STEPS} held-out weeks from each of {len(test)} starts it missed "
            f"{shown(metrics['wape_units'].value, 2)} of the units of categories and products, the "
            f"seasonal baseline {shown(theirs['wape_units'].value, 2)}; its {STATED:.0%} "
            f"intervals held {covered['covered']:.0%}."
        ),
        card={
            **_card(known, span),
            "split": {
                "test": [str(known.units.index[each - 1] + timedelta(weeks=1)) for each in test],
                "chosen_on": len(choose),
                "test_rows": len(ours),
            },
            "competition": {
                "metric": "wape_units",
                "rows": [
                    {"method": name, "value": round(errors[name], 4), "low": None, "high": None,
                     "chosen": name == method,
                     "why_not": "it is the baseline" if name == USUAL else ""}
                    for name in METHODS
                ],
            },
            "intervals": covered,
            "measures": _measures(ours, usual, spreads),
        },
        params={"steps": STEPS, "method": method},
        metrics=metrics,
        baseline=theirs,
        comparisons=comparisons,
        points=_points(method, known, _spreads(all_of_it)),
    )  # fmt: skip


def _error(rows: pd.DataFrame) -> float:
    actual, expected = _cells(rows, UNITS)
    return float((actual - expected).abs().sum() / max(actual.sum(), 1e-9))


def _cells(rows: pd.DataFrame, measure: str) -> tuple[pd.Series, pd.Series]:
    """Truth and expectation of a measure's weeks: units of categories and products, which is what
    is stocked; orders of the shop.
    """
    of_measure = rows["measure"] == measure
    is_shop = rows["level"] == SHOP
    chosen = rows[of_measure & (is_shop if measure == ORDERS else ~is_shop)]
    return chosen["actual"], chosen["expected"]


Spreads = dict[tuple[str, str], OutcomeSpread]


def _spreads(rows: pd.DataFrame) -> Spreads:
    """How far weeks lie from what was expected, for each measure and level."""
    return {
        (str(measure), str(level)): OutcomeSpread(stated=STATED).fit(
            part["expected"], part["expected"], part["actual"]
        )
        for (measure, level), part in rows.groupby(["measure", "level"])
    }


def _spread(spreads: Spreads, measure: str, level: str) -> OutcomeSpread:
    """That of the level; orders of parts vary about as their units do."""
    return spreads.get((measure, level)) or spreads[UNITS, level]


def _inside(rows: pd.DataFrame, spreads: Spreads) -> pd.Series:
    found = []
    for (measure, level), part in rows.groupby(["measure", "level"]):
        low, high = _spread(spreads, str(measure), str(level)).interval(
            part["expected"], part["expected"]
        )
        found.append(part["actual"].between(low, high))
    return pd.concat(found).loc[rows.index]


def _covered(rows: pd.DataFrame, spreads: Spreads) -> dict[str, Any]:
    inside = _inside(rows, spreads)
    found = binomtest(int(inside.sum()), len(inside)).proportion_ci(0.95, "wilson")
    return {
        "stated": STATED,
        "covered": round(float(inside.mean()), 4),
        "low": round(float(found.low), 4),
        "high": round(float(found.high), 4),
        "n": len(inside),
    }


def _measures(ours: pd.DataFrame, usual: pd.DataFrame, spreads: Spreads) -> list[dict[str, Any]]:
    inside = _inside(ours, spreads)
    found = []
    for measure, level in ((ORDERS, SHOP), *((UNITS, level) for level in LEVELS)):
        here = (ours["measure"] == measure) & (ours["level"] == level)
        if not here.any():
            continue
        actual = ours.loc[here, "actual"]
        total = max(actual.sum(), 1e-9)
        found.append(
            {
                "measure": measure,
                "subject_kind": level,
                "subjects": int(ours.loc[here, "subject"].nunique()),
                "error": round(float((ours.loc[here, "expected"] - actual).abs().sum() / total), 4),
                "baseline": round(
                    float((usual.loc[here, "expected"] - actual).abs().sum() / total), 4
                ),
                "covered": round(float(inside[here].mean()), 4),
                "n": int(here.sum()),
            }
        )
    return found


def _points(method: str, known: Weeks, spreads: Spreads) -> pd.DataFrame:
    """The weeks to come as rows of ForecastPoint."""
    found, usual = ahead(method, known), ahead(USUAL, known)
    first = known.units.index[-1] + timedelta(weeks=1)
    starts = [first + timedelta(weeks=step) for step in range(STEPS)]
    rows = []
    for measure in MEASURES:
        for level, subject in keys(known.units):
            expected = found[measure][level, subject]
            low, high = _spread(spreads, measure, level).interval(expected, expected)
            rows.append(
                pd.DataFrame(
                    {
                        "subject_kind": level,
                        "subject": subject,
                        "measure": measure,
                        "week_start": starts,
                        "expected": expected.to_numpy(),
                        "low": low.to_numpy(),
                        "high": high.to_numpy(),
                        "baseline": usual[measure][level, subject].to_numpy(),
                    }
                )
            )
    return pd.concat(rows, ignore_index=True)


def _card(known: Weeks, span: history.Span) -> dict[str, Any]:
    silence = history.silence(span, horizon_days=30)
    return {
        "window": span.as_json(),
        "n": known.n,
        "label": f"orders and units of each of the {STEPS} weeks after the last whole one",
        "baseline": (
            "the same week of last year moved by growth"
            if known.n >= SEASON_WEEKS
            else "the mean of the last four weeks"
        ),
        "limits": [*LIMITS, *([silence] if silence else [])],
    }


def _thumb(known: Weeks, span: history.Span, short: str) -> Judged:
    """The seasonal baseline itself, with intervals from its own errors where there are any."""
    points, said = None, "nothing is expected"
    if known.n >= LEAST_POINT_WEEKS:
        origins = [each for each in range(LEAST_POINT_WEEKS, known.n - STEPS + 1, APART_WEEKS)]
        spreads = _spreads(_backtest(USUAL, known, origins[-ORIGINS:])) if origins else _wide(known)
        points, said = _points(USUAL, known, spreads), "the seasonal baseline serves"
    return Judged(
        method=f"{USUAL}, a rule of thumb",
        estimator=None,
        n_customers=0,
        summary=f"{until('the weeks to come', short)} {said}.",
        card={
            **_card(known, span),
            **({"missing": short} if short else {}),
            "intervals": None,
        },
        params={"steps": STEPS, "method": USUAL},
        metrics={"wape_units": not_judged(known.n, short)},
        is_fallback=True,
        points=points,
    )


def _wide(known: Weeks) -> Spreads:
    """Without any week to measure by: from nothing to three times as much."""
    found = {}
    for level in LEVELS:
        spread = OutcomeSpread(stated=STATED)
        spread.edges_, spread.low_, spread.high_ = np.zeros(0), np.zeros(1), np.full(1, 3.0)
        found[UNITS, level] = spread
    return found
