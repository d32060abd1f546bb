"""What the card of a value model says."""

from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from segments.estimators.clv import CustomerValue, ShrunkenValue
from segments.estimators.poisson import BoostedValue
from segments.estimators.spread import LAST_DAYS, CalibratedValue
from segments.evaluation.estimate import Estimate
from segments.evaluation.importance import importance
from segments.recipes import history
from segments.recipes.judged import sampled, shown
from segments.recipes.values_choice import poisson_deviance
from segments.recipes.values_past import COLUMNS

SHORT_DAYS = 350  # below about 50 weeks the purchase models often find nobody leaving
IMPORTANCE_CUSTOMERS = 2_000
STATED = 0.8  # what intervals shall hold
LABEL = "revenue after refunds, and days with an order, in the {days} days after the split"
LIMITS = (
    "Orders on one day count as one.",
    "Money is what was paid, after refunds and before costs; nothing is discounted to today.",
    "The model knows growth and seasons only as far as earlier splits showed them.",
    "It ranks and totals customers; a single customer's amount is uncertain by a factor.",
    "The next order is dated where one order is expected; who is not expected to order within "
    f"{LAST_DAYS:.0f} days has no date.",
    "Being alive is not shown as churn: it ranks who will buy worse than the expected orders do.",
)
DERIVED = {
    "purchases": "Days with an order.",
    "mean_spend": "Revenue of a day with an order, after refunds.",
}


def card(
    model: Any, rows: list[dict[str, Any]], span: history.Span, *, days: int, n: int
) -> dict[str, Any]:
    """What is the same whatever the test said."""
    return {
        "window": span.as_json(),
        "n": n,
        "label": LABEL.format(days=days),
        "features": [{"name": name, "meaning": DERIVED.get(name, "")} for name in COLUMNS],
        "parameters": parameters(model),
        "baseline": f"the same again: what each customer did in the {days} days before the split",
        "refitted": "After being judged it was fitted again on the whole history.",
        "competition": {"metric": "poisson_deviance", "rows": rows},
        "problems": [f"{row['method']}: {row['why_not']}" for row in rows if row["why_not"]],
        "limits": limits(model, span, days),
    }


def parameters(model: Any) -> dict[str, float]:
    if isinstance(model, ShrunkenValue):
        return {"orders_a_day": model.rate_, "mean_spend": model.mean_spend_}
    if isinstance(model, BoostedValue):
        return parameters(model.base_) | {"trees": model.trees, "decay": model.decay}
    bought, spent = model.purchases_, model.spend_
    return {
        "r": bought.r_, "alpha_days": bought.alpha_, "a": bought.a_, "b": bought.b_,
        "log_likelihood": bought.log_likelihood_, "p": spent.p_, "q": spent.q_,
        "gamma": spent.gamma_, "correlation_of_orders_and_spend": spent.correlation_,
    }  # fmt: skip


def limits(model: Any, span: history.Span, days: int) -> list[str]:
    found = [*LIMITS, f"Judged over {days} days; the year is reckoned on from there."]
    if span.days < SHORT_DAYS:
        found.append(f"{span.days} days of history: such models want {SHORT_DAYS} or more.")
    if isinstance(model, ShrunkenValue):
        found.append("Whoever stopped long ago keeps a rate, though one that falls with time.")
    if isinstance(model, CustomerValue) and model.spend_.has_strong_correlation:
        found.append(
            "Frequent buyers spend differently "
            f"(correlation {model.spend_.correlation_:.2f}), which the model takes as unrelated."
        )
    silence = history.silence(span, horizon_days=90)
    return [*found, silence] if silence else found


def decision(way: str, before: float | None, after: float | None) -> dict[str, Any]:
    """How totals were calibrated; ``before`` and ``after`` are expected over actual totals."""
    words = {
        "none": "Totals are left alone: no factor came nearer to the totals of earlier splits.",
        "season": "Totals are moved by the season: what the same weeks were a year before.",
        "last": "Totals are moved by what the split before them missed.",
    }
    return {"decision": words[way], "before": before, "after": after if way != "none" else None}


def covered(actual: pd.Series, low: pd.Series, high: pd.Series) -> dict[str, Any] | None:
    """How many outcomes the intervals held, of customers who may yet buy.

    Whose interval is nothing to nothing is left out of ``covered`` and counted in
    ``covered_all``: those cover more often than stated, and cannot cover less.
    """
    if low.isna().any():
        return None
    inside = (np.maximum(actual, 0) >= low) & (np.maximum(actual, 0) <= high)
    open_ = high > 0
    n = int(open_.sum())
    if not n:
        return None
    found = binomtest(int(inside[open_].sum()), n).proportion_ci(0.95, "wilson")
    return {
        "stated": STATED,
        "covered": round(float(inside[open_].mean()), 4),
        "low": round(float(found.low), 4),
        "high": round(float(found.high), 4),
        "n": n,
        "covered_all": round(float(inside.mean()), 4),
        "n_all": len(actual),
    }


def importances(
    model: CalibratedValue, table: pd.DataFrame, actual: pd.Series, *, days: int, seed: int
) -> list[dict[str, Any]]:
    """What each column is worth to the model's expectation; none where it was not asked of many."""
    some = sampled(table, IMPORTANCE_CUSTOMERS, seed=seed)

    def predict(X: pd.DataFrame) -> np.ndarray:
        return model.predict(X, horizon_days=days)["value"].to_numpy()

    read = list(COLUMNS)
    if not isinstance(model.model, BoostedValue):
        return []
    return importance(
        predict, poisson_deviance, some[read], actual.loc[some.index], seed=seed, repeats=2
    )


def summary(
    method: str,
    rows: list[dict[str, Any]],
    found: dict[str, Estimate],
    theirs: dict[str, Estimate],
    days: int,
) -> str:
    rank, total = found["spearman_revenue"], found["total_ratio_revenue"]
    error, usual = found["mae_revenue"], theirs["mae_revenue"]
    words = (
        f"Over {days} held-out days it ranked customers by revenue with a Spearman of "
        f"{shown(rank.value, 2)} and expected {shown(total.value, 2)} of the actual total; its "
        f"mean error is {shown(error.value, 2)} a customer, {shown(usual.value, 2)} that of the "
        "same again."
    )
    problems = [f"{row['method']}: {row['why_not']}" for row in rows if row["why_not"]]
    if not problems:
        return words
    return (
        f"Some models are not settled by these data ({'; '.join(problems[:2])}), so {method} "
        f"serves. {words}"
    )
