"""clv_365d and orders_365d: what a customer will spend, and on how many days, within a year."""

from collections.abc import Hashable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from customers.features.facts import Facts
from customers.features.table import features
from segments.estimators.clv import CustomerValue, ShrunkenValue
from segments.estimators.columns import UnusableTable
from segments.evaluation import metrics
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

KIND = "clv_365d"
HORIZON_DAYS = 365
LEAST_DAYS = 180
SHORT_DAYS = 350  # below about 50 weeks the purchase models often find nobody leaving
LEAST_HOLDOUT_DAYS = 60
LABEL = "revenue after refunds, and days with an order, in the {days} days after the split"
LIMITS = (
    "Orders on one day count as one.",
    "Money is what was paid, after refunds and before costs; nothing is discounted to today.",
    "The model knows neither seasons nor growth, and expects too little of a growing shop.",
    "It ranks and totals customers; a single customer's amount is uncertain by a factor.",
    "Being alive is not shown as churn: it ranks who will buy worse than the expected orders do.",
)


def prepared(table: pd.DataFrame) -> pd.DataFrame:
    """What the value models read of the feature table."""
    days = table["frequency"].astype(float) + 1
    return pd.DataFrame(
        {
            "frequency": table["frequency"].astype(float),
            "recency": table["recency"].astype(float),
            "age": table["age"].astype(float),
            "purchases": days,
            "mean_spend": table["revenue_total"].clip(lower=0) / days,
        },
        index=table.index,
    )


def train(facts: Facts, as_of: datetime, *, live: Any = None, seed: int = 0) -> Judged:
    """Judge on the last third of the history, at most a year of it, then fit on all of it."""
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
        return _thumb(now, span, short)
    days = min(HORIZON_DAYS, max(LEAST_HOLDOUT_DAYS, span.days // 3))
    past = features(facts, as_of - timedelta(days=days))
    if (past["frequency"] > 0).sum() < LEAST_REPEATERS // 2:
        early = int((past["frequency"] > 0).sum())
        what = f"customers with two orders {days} days ago"
        return _thumb(now, span, shortage([(early, LEAST_REPEATERS // 2, what)]))
    before = features(facts, as_of - timedelta(days=2 * days))
    judged = _judge(now, past, before, span, days=days, live=live, seed=seed)
    return replace(judged, instead=lambda: _thumb(now, span, ""))


def predicted(estimator: Any, table: pd.DataFrame) -> pd.DataFrame:
    """``orders``, ``spend`` and ``value`` of every customer for the coming year."""
    return estimator.predict(prepared(table), horizon_days=HORIZON_DAYS)


def fitted(*tables: pd.DataFrame, seed: int) -> tuple[list[CustomerValue], list[str]]:
    """The model fitted on each table, and why some cannot be trusted; empty where all can."""
    models, problems = [], []
    for table in tables:
        try:
            models.append(CustomerValue(random_state=seed).fit(prepared(table)))
        except UnusableTable as refusal:
            problems.append(str(refusal))
        else:
            problems += models[-1].problems_
    return models, list(dict.fromkeys(problems))


def _happened(later: pd.DataFrame, earlier: pd.DataFrame) -> pd.DataFrame:
    """Days with an order and revenue between two feature tables, for those in the earlier one."""
    columns = {"frequency": "orders", "revenue_total": "value"}
    return (later.loc[earlier.index, list(columns)] - earlier[list(columns)]).rename(
        columns=columns
    )


def _same_again(past: pd.DataFrame, before: pd.DataFrame) -> pd.DataFrame:
    """The baseline: what each customer did in as many days before the split."""
    known = before.reindex(past.index)
    orders = past["frequency"] - known["frequency"].fillna(-1)  # a newcomer's first day counts
    revenue = past["revenue_total"] - known["revenue_total"].fillna(0.0)
    return pd.DataFrame({"orders": orders, "value": revenue})


def _judge(
    now: pd.DataFrame, past: pd.DataFrame, before: pd.DataFrame, span: history.Span, *, days: int,
    live: Any, seed: int,
) -> Judged:  # fmt: skip
    models, problems = fitted(past, now, seed=seed)
    early, model = models if not problems else _shrunken(past, now, seed=seed)
    asked = sampled(past, JUDGED_CUSTOMERS, seed=seed)
    actual = _happened(now, asked)
    ours = early.predict(prepared(asked), horizon_days=days)
    same = _same_again(past, before).loc[asked.index]
    others = {BASELINE: same}
    if live is not None:
        others[LIVE] = live.predict(prepared(asked), horizon_days=days)
    found, theirs = _metrics(actual, ours, seed=seed), _metrics(actual, same, seed=seed)
    split = {"test": day(span.as_of - timedelta(days=days)), "holdout_days": days}
    return Judged(
        method=_method(model),
        estimator=model,
        judged_estimator=early,
        n_customers=len(now),
        summary=_summary(problems, found, theirs, days),
        card={
            **_card(model, problems, span, days, n=len(now)),
            "split": {**split, "test_rows": len(asked)},
            "problems": problems,
            "deciles": _deciles(actual["value"], ours["value"]),
        },
        params={"horizon_days": HORIZON_DAYS, "holdout_days": days},
        metrics=found,
        baseline=theirs,
        comparisons=[
            one
            for name, other in others.items()
            for one in _comparisons(actual["value"], ours["value"], other["value"], name, seed=seed)
        ],
    )


def _shrunken(*tables: pd.DataFrame, seed: int) -> list[ShrunkenValue]:
    """What serves where the model is not settled, before the split or now: as judged, so used."""
    return [ShrunkenValue(random_state=seed).fit(prepared(table)) for table in tables]


def _comparisons(
    actual: pd.Series, ours: pd.Series, theirs: pd.Series, name: str, *, seed: int
) -> list[Comparison]:
    """By mean error, which decides, and by rank."""
    error, rank = metrics.mean_absolute_error, metrics.spearman
    return [
        compare(error, name, actual, ours, theirs, key="mae_revenue", seed=seed),
        compare(rank, name, actual, ours, theirs, key="spearman_revenue", seed=seed, decides=False),
    ]


def _card(
    model: CustomerValue | ShrunkenValue,
    problems: list[str],
    span: history.Span,
    days: int,
    *,
    n: int,
) -> dict[str, Any]:
    return {
        "window": span.as_json(),
        "n": n,
        "label": LABEL.format(days=days),
        "features": [{"name": name, "meaning": words} for name, words in _INPUTS.items()],
        "parameters": _parameters(model),
        "baseline": f"the same again: what each customer did in the {days} days before the split",
        "refitted": "After being judged it was fitted again on the whole history.",
        "limits": _limits(model, problems, span, days),
    }


_INPUTS = {
    "frequency": "Days with an order after the first such day.",
    "recency": "Days from the first to the last of them.",
    "age": "Days since the first order.",
    "mean_spend": "Revenue of a day with an order, after refunds.",
}


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


def _deciles(actual: pd.Series, ours: pd.Series) -> list[dict[Hashable, Any]]:
    """Expected and actual revenue a customer, by tenths of the expectation."""
    tenth = (ours.rank(method="first", pct=True) * 10 - 1e-9).astype(int)
    table = pd.DataFrame({"expected": ours, "actual": actual}).groupby(tenth)
    return table.mean().assign(n=table.size()).round(2).to_dict("records")


def _method(model: Any) -> str:
    return "MBG/NBD × Gamma-Gamma" if isinstance(model, CustomerValue) else "shrunken rate × spend"


def _parameters(model: CustomerValue | ShrunkenValue) -> dict[str, float]:
    if isinstance(model, ShrunkenValue):
        return {"orders_a_day": model.rate_, "mean_spend": model.mean_spend_}
    bought, spent = model.purchases_, model.spend_
    return {
        "r": bought.r_, "alpha_days": bought.alpha_, "a": bought.a_, "b": bought.b_,
        "log_likelihood": bought.log_likelihood_, "p": spent.p_, "q": spent.q_,
        "gamma": spent.gamma_, "correlation_of_orders_and_spend": spent.correlation_,
    }  # fmt: skip


def _limits(model: Any, problems: list[str], span: history.Span, days: int) -> list[str]:
    limits = list(LIMITS)
    if days < HORIZON_DAYS:
        limits.append(
            f"Judged over {days} days, for the history is too short to judge over {HORIZON_DAYS}."
        )
    if span.days < SHORT_DAYS:
        limits.append(f"{span.days} days of history: such models want {SHORT_DAYS} or more.")
    if problems:
        limits.append("Whoever stopped long ago keeps a rate, though one that falls with time.")
    elif model.spend_.has_strong_correlation:
        limits.append(
            "Frequent buyers spend differently "
            f"(correlation {model.spend_.correlation_:.2f}), which the model takes as unrelated."
        )
    silence = history.silence(span, horizon_days=90)
    return [*limits, silence] if silence else limits


def _summary(
    problems: list[str], found: dict[str, Estimate], theirs: dict[str, Estimate], days: int
) -> str:
    rank, total = found["spearman_revenue"], found["total_ratio_revenue"]
    error, usual = found["mae_revenue"], theirs["mae_revenue"]
    words = (
        f"Over {days} held-out days it ranked customers by revenue with a Spearman of "
        f"{shown(rank.value, 2)} and expected {shown(total.value, 2)} of the actual total; its "
        f"mean error is {shown(error.value, 2)} a customer, {shown(usual.value, 2)} that of the "
        "same again."
    )
    if not problems:
        return words
    return (
        f"The purchase model is not settled by these data ({'; '.join(problems[:2])}), so a "
        f"shrunken rate × spend serves. {words}"
    )


def _thumb(now: pd.DataFrame, span: history.Span, short: str) -> Judged:
    """Average rate and spend, and what a model still needs."""
    estimator = ShrunkenValue().fit(prepared(now)) if len(now) else None
    silence = history.silence(span, horizon_days=90)
    return Judged(
        method="average rate × spend, a rule of thumb",
        estimator=estimator,
        n_customers=len(now),
        summary=(
            f"{until('value', short)} the average rate and spend serve, moved by what each "
            "customer did."
        ),
        card={
            "window": span.as_json(),
            "n": len(now),
            **({"missing": short} if short else {}),
            "parameters": _parameters(estimator) if estimator else {},
            "limits": [*LIMITS[:2], "It was not judged.", *([silence] if silence else [])],
        },
        params={"horizon_days": HORIZON_DAYS},
        metrics={"mae_revenue": not_judged(len(now), short)},
        is_fallback=True,
    )
