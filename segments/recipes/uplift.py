"""uplift: whom the message of a past campaign moved, learnt from arms that chance drew.

The recipe of one campaign, not of the shop: it takes the arms, not the facts.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from customers.features.table import catalogue
from segments.estimators.logistic import LogisticProbability
from segments.estimators.uplift import BOOSTING, LINEAR, LOGISTIC, TLearner, XLearner
from segments.evaluation import qini
from segments.evaluation.estimate import Estimate, spread
from segments.recipes.judged import BASELINE, Comparison, Judged, as_json, shortage, shown

KIND = "uplift"
LEAST_ARM = 300  # customers in each arm
LEAST_BUYERS = 30  # of each arm
FOLDS = 5
RESAMPLES = 200
RANDOM_RANKINGS = 100
AS_GOOD = 0.9  # of the learner's Qini coefficient: from there a rule is worth a mention
TOP = 0.3  # part of the customers that advice is given of, where nothing better is known
USUAL = (
    "days_since_last_order", "orders_total", "revenue_total", "mean_order_value", "tenure_days",
    "mean_gap_days", "orders_90d", "orders_365d", "discount_share", "refund_share",
    "distinct_products",
)  # fmt: skip
RANDOM, RESPONSE, RULE = "at random", "response model", "best single rule"
NO_RULE = "no feature"
LIMITS = (
    "What the message changes is known of groups only: nobody is seen both with and without it.",
    "It is of this message, at that time and to those customers; another may work on others.",
    "The best of several learners is shown, so its figure is a little flattered.",
    "Features are what was known before the draw; they tell who gains, not why.",
)
Rank = Callable[[pd.DataFrame], np.ndarray]


def learners(columns: Sequence[str], *, share: float | None, seed: int) -> dict[str, Any]:
    """The learners that compete, unfitted, by name."""
    given: dict[str, Any] = {"columns": list(columns), "random_state": seed}
    return {
        "T-learner, logistic": TLearner(base=LOGISTIC, **given),
        "X-learner, logistic": XLearner(base=LOGISTIC, share=share, **given),
        "X-learner, boosted": XLearner(base=BOOSTING, share=share, **given),
        "X-learner, linear": XLearner(base=LINEAR, share=share, **given),
    }


def train(
    table: pd.DataFrame,
    treated: pd.Series,
    outcome: pd.Series,
    *,
    as_of: datetime,
    window_days: int,
    share: float | None = None,
    seed: int = 0,
) -> Judged:
    """Choose a learner by its cross-fitted Qini coefficient, and say what follows from it.

    Parameters
    ----------
    table : DataFrame indexed by customer
        Features before the draw; what is missing may be NaN.
    treated, outcome : Series, same index
        1 where chance drew the message; 1 where an order followed in the window.
    as_of : datetime
        The moment of the draw.
    window_days : int
        How long orders counted.
    share : float, optional
        Probability of being drawn to be written to; the share found if not given.
    """
    arms, y = treated.to_numpy().astype(bool), outcome.to_numpy(dtype=float)
    columns = [name for name in USUAL if name in table and table[name].nunique() > 1]
    short = _short(arms, y)
    if short or not columns:
        return _nothing(arms, y, as_of, short or "customers who differ in some feature")
    folds = _folds(arms, y, seed=seed)
    candidates = learners(columns, share=share, seed=seed)
    held_out = {
        name: _cross_fitted(table, folds, partial(_learner, model, table, arms, y))
        for name, model in candidates.items()
    }
    others = {
        RESPONSE: _cross_fitted(table, folds, partial(_response, columns, table, arms, y)),
        RULE: _cross_fitted(table, folds, lambda rows: _rule(columns, table, arms, y, rows)[1]),
    }
    judged = {
        name: qini.qini(given, arms, y, seed=seed, resamples=RESAMPLES)
        for name, given in {**held_out, **others}.items()
    }
    judged[RANDOM] = _at_random(arms, y, seed=seed)
    chosen = max(candidates, key=lambda name: judged[name].value or -np.inf)
    effect = qini.effect(arms, y)
    words = advice(held_out[chosen], arms, y, judged[chosen], effect, seed=seed)
    rule, _rank = _rule(columns, table, arms, y, np.ones(y.size, dtype=bool))
    if (judged[RULE].value or 0.0) >= AS_GOOD * (judged[chosen].value or np.inf):
        words += f" A single rule does about as well: {rule}."
    fitted = candidates[chosen].fit(table, y, treated=arms)
    return Judged(
        method=chosen,
        estimator=fitted,
        judged_estimator=fitted,
        n_customers=len(table),
        summary=(
            f"{words} Written to, {shown(_rate(y, arms), 3)} of the customers ordered within "
            f"{window_days} days, left alone {shown(_rate(y, ~arms), 3)} (n = {len(table):,})."
        ),
        card={
            **_card(columns, arms, y, as_of),
            "qini": {
                "curve": qini.curve(held_out[chosen], arms, y),
                "rows": [_row(name, judged[name], chosen) for name in judged],
                "rule": rule,
            },
            "advice": words,
            "label": f"an order within {window_days} days of the draw",
            "baseline": "a ranking at random, whose Qini coefficient is 0",
        },
        params={"columns": columns, "folds": FOLDS, "window_days": window_days},
        metrics={"qini": judged[chosen], "effect": effect},
        baseline={"qini": judged[RULE]},
        comparisons=[_against_random(judged[chosen])],
    )


def advice(
    uplift: np.ndarray,
    treated: np.ndarray,
    outcome: np.ndarray,
    found: Estimate,
    effect: Estimate,
    *,
    seed: int = 0,
) -> str:
    """Whom to write to next time, in a sentence; says so where it cannot be told.

    Parameters
    ----------
    uplift : array of shape (n,)
        Cross-fitted: no customer's own outcome is in it.
    found, effect : Estimate
        Qini coefficient of ``uplift``, and the average effect.
    """
    gains = {share: gain for share, gain in qini.curve(uplift, treated, outcome)}
    if not gains or effect.low is None or effect.high is None:
        return "It cannot be told whether writing helps: too few customers."
    if found.low is not None and found.low > 0:
        best = max((share for share in gains if 0 < share < 1), key=lambda share: gains[share])
        beyond = qini.more_than_all(uplift, treated, outcome, best, seed=seed)
        if beyond.low is not None and beyond.low > 0:
            return f"Write to the top {best:.0%} by uplift: the others order less when written to."
        if effect.low > 0:
            part = gains[TOP] / gains[1.0]
            return (
                f"Write to everyone: all together order more. Where only some can be written to, "
                f"the top {TOP:.0%} by uplift bring {part:.0%} of the extra orders."
            )
        return (
            f"Write to the top {best:.0%} by uplift: they gain more than the others, and of "
            "everybody together it cannot be told whether writing helps."
        )
    if effect.low > 0:
        return "Write to everyone: it brings orders, and who gains more cannot be told."
    if effect.high < 0:
        return "Write to nobody: those written to ordered less, and nobody stands out."
    return "It cannot be told whether writing helps, nor whom: a larger campaign would tell."


def _short(arms: np.ndarray, y: np.ndarray) -> str:
    within = "who ordered in the window"
    return shortage(
        [
            (int(arms.sum()), LEAST_ARM, "customers written to"),
            (int((~arms).sum()), LEAST_ARM, "customers left alone"),
            (int(y[arms].sum()), LEAST_BUYERS, f"customers written to {within}"),
            (int(y[~arms].sum()), LEAST_BUYERS, f"customers left alone {within}"),
        ]
    )


def _folds(arms: np.ndarray, y: np.ndarray, *, seed: int) -> np.ndarray:
    """The fold of each customer; arms and buyers are spread evenly over them."""
    rng = np.random.default_rng(seed)
    fold = np.empty(y.size, dtype=np.intp)
    for arm in (True, False):
        for bought in (0.0, 1.0):
            rows = np.flatnonzero((arms == arm) & (y == bought))
            fold[rng.permutation(rows)] = np.arange(rows.size) % FOLDS
    return fold


def _cross_fitted(
    table: pd.DataFrame, folds: np.ndarray, fit: Callable[[np.ndarray], Rank]
) -> np.ndarray:
    """Each customer's answer from a fit that has not seen the customer."""
    found = np.empty(len(table))
    for fold in range(FOLDS):
        here = folds == fold
        found[here] = fit(~here)(table[here])
    return found


def _learner(
    model: Any, table: pd.DataFrame, arms: np.ndarray, y: np.ndarray, rows: np.ndarray
) -> Rank:
    fitted = model.fit(table[rows], y[rows], treated=arms[rows])
    return lambda asked: fitted.predict(asked).to_numpy()


def _response(
    columns: list[str], table: pd.DataFrame, arms: np.ndarray, y: np.ndarray, rows: np.ndarray
) -> Rank:
    """Who orders when written to, whatever they would have done: what most shops target by."""
    there = rows & arms
    model = LogisticProbability(columns=columns).fit(table[there], y[there])
    return lambda asked: model.predict_proba(asked).to_numpy()


def _rule(
    columns: list[str], table: pd.DataFrame, arms: np.ndarray, y: np.ndarray, rows: np.ndarray
) -> tuple[str, Rank]:
    """The one feature, up or down, that ranks best on these rows."""
    best, area = (NO_RULE, 0.0, ""), 0.0
    for name in columns:
        values = table[name][rows].fillna(table[name].median()).to_numpy(float)
        for sign, words in ((1.0, "most"), (-1.0, "fewest")):
            found = qini.qini(sign * values, arms[rows], y[rows], resamples=0).value or 0.0
            if found > area:
                best, area = (name, sign, words), found
    name, sign, words = best
    if name == NO_RULE:
        return NO_RULE, lambda asked: np.zeros(len(asked))
    middle = table[name].median()
    return f"{words} {name} first", lambda asked: sign * asked[name].fillna(middle).to_numpy(float)


def _at_random(arms: np.ndarray, y: np.ndarray, *, seed: int) -> Estimate:
    """What rankings reach that know nothing: their mean, and between what they lie."""
    rng = np.random.default_rng(seed)
    draws = [
        qini.qini(rng.random(y.size), arms, y, resamples=0).value or 0.0
        for _ in range(RANDOM_RANKINGS)
    ]
    return Estimate(float(np.mean(draws)), *spread(draws), y.size)


def _rate(y: np.ndarray, arm: np.ndarray) -> float | None:
    return float(y[arm].mean()) if arm.any() else None


def _row(name: str, found: Estimate, chosen: str) -> dict[str, Any]:
    return {
        "method": name,
        "qini": found.value,
        "low": found.low,
        "high": found.high,
        "chosen": name == chosen,
    }


def _against_random(found: Estimate) -> Comparison:
    return Comparison("qini", "Qini coefficient", BASELINE, found, True)


def _card(columns: list[str], arms: np.ndarray, y: np.ndarray, as_of: datetime) -> dict[str, Any]:
    meanings = {feature.name: feature.meaning for feature in catalogue()}
    return {
        "n": int(y.size),
        "window": {"from": as_of.isoformat(), "to": as_of.isoformat(), "days": 0},
        "features": [{"name": name, "meaning": meanings.get(name, "")} for name in columns],
        "arms": {
            name: {"n": int(arm.sum()), "buyers": int(y[arm].sum()), "rate": _rate(y, arm)}
            for name, arm in (("treated", arms), ("holdout", ~arms))
        },
        "effect": as_json(qini.effect(arms, y)),
        "limits": list(LIMITS),
    }


def _nothing(arms: np.ndarray, y: np.ndarray, as_of: datetime, short: str) -> Judged:
    words = f"Too little to tell who gains from this message: it needs {short}."
    return Judged(
        method="none",
        estimator=None,
        n_customers=int(y.size),
        summary=words,
        card={**_card([], arms, y, as_of), "missing": short, "advice": words},
        metrics={"effect": qini.effect(arms, y)},
        is_fallback=True,
    )
