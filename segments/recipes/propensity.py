"""propensity_7d: the probability that somebody the shop has seen orders within the next 7 days."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from customers.features.facts import Facts
from customers.features.seen import microseconds
from customers.features.table import catalogue, features
from segments.estimators.churn import RecencyBandRate
from segments.estimators.logistic import LogisticProbability
from segments.evaluation import metrics, splits
from segments.recipes import competition, history, probabilities, reasons, reasons_propensity
from segments.recipes.competition import Shot
from segments.recipes.judged import (
    BASELINE,
    JUDGED_CUSTOMERS,
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

KIND = "propensity_7d"
NAMES = ("propensity_7d",)
HORIZON_DAYS = 7
STEP_DAYS = 7
SNAPSHOTS = 6
HISTORY_DAYS = 28  # behind the first snapshot
LEAST_DAYS = HISTORY_DAYS + 3 * HORIZON_DAYS
LEAST_ORDERED = 100  # customers who ordered within a week of a snapshot that trains
LEAST_TESTED = 30  # the same at the test
TRAINING_ROWS = 120_000
BANDS = {"medium": 0.05, "high": 0.2}  # least probability of each; below is low
NEVER_DAYS = 730.0  # stands for "never, as far as is known"
ORDERS = (
    "days_since_last_order", "orders_total", "orders_30d", "orders_90d", "orders_365d",
    "tenure_days", "mean_gap_days",
)  # fmt: skip
EVENTS = (
    "product_views_7d", "product_views_30d", "cart_adds_7d", "cart_adds_30d", "checkouts_30d",
    "searches_30d", "visit_days_30d", "days_since_last_visit", "carts_left_30d",
    "days_since_cart_left", "emails_sent_7d", "emails_opened_30d", "emails_clicked_30d",
    "days_since_last_click",
)  # fmt: skip
DERIVED = {
    "has_bought": "1 where there is a purchase.",
    "pace_ratio": "Days since the last order over the usual gap between orders; 0 before the "
    "second order.",
}
COLUMNS = (*ORDERS, *EVENTS, *DERIVED)
RANKERS = {
    "latest visit first": lambda table: -table["days_since_last_visit"],
    "latest order first": lambda table: -table["days_since_last_order"],
    "most orders in a year first": lambda table: table["orders_365d"].astype(float),
    "most cart additions in a month first": lambda table: table["cart_adds_30d"].astype(float),
}
EDGES = (1.0, 7.0, 30.0, 90.0)  # days since somebody was last seen, of the rule of thumb
ASSUMED = (0.10, 0.05, 0.02, 0.01, 0.003)
PRIOR_ORDERS = 5.0  # weight of the assumed level against the shop's own, in customers who ordered
LABEL = f"an order in the {HORIZON_DAYS} days after the snapshot"
LIMITS = (
    f"Probabilities are of an order within {HORIZON_DAYS} days, with whatever is sent meanwhile.",
    "Who is likely to order is often going to without a message: it says whom to expect, not "
    "whom to persuade.",
    "What a visitor did before it was known who it was counts once both are joined.",
    "A sale or a holiday that has just begun is not in it.",
    "Bands are fixed probabilities, so their sizes change with the season.",
)


def table(facts: Facts, as_of: datetime, people: pd.DataFrame | None = None) -> pd.DataFrame:
    """The features of everybody who was seen, with or without a purchase."""
    names = (*ORDERS, *EVENTS) if "events" in facts.held else ORDERS
    return features(facts, as_of, names=names, who="seen")


def prepared(found: pd.DataFrame) -> pd.DataFrame:
    """What the estimators read; *never* is a number, and what was not recorded did not happen."""
    days = [name for name in COLUMNS if name.startswith("days_since")]
    known = found.reindex(columns=[*ORDERS, *EVENTS])
    gap = known["mean_gap_days"].astype(float)
    pace = known["days_since_last_order"] / gap.clip(lower=1)
    filled = known.fillna(dict.fromkeys(days, NEVER_DAYS) | {"mean_gap_days": NEVER_DAYS})
    return filled.fillna(0.0).assign(
        has_bought=(known["orders_total"] > 0).astype(float), pace_ratio=pace.fillna(0.0)
    )


def train(
    facts: Facts,
    as_of: datetime,
    *,
    live: Any = None,
    seed: int = 0,
    people: pd.DataFrame | None = None,
) -> Judged:
    """Fit on stacked weekly snapshots, judge on a later week, then fit again on all of them.

    Parameters as of `churn.train`.
    """
    span = history.span(facts, as_of)
    now = table(facts, as_of)
    short = shortage([(span.days, LEAST_DAYS, "days of orders")])
    if short:
        return _thumb(facts, now, span, short)
    split = splits.snapshots(
        span.first,  # type: ignore[arg-type]  # days of orders: there is a first
        as_of,
        horizon_days=HORIZON_DAYS,
        step_days=STEP_DAYS,
        count=SNAPSHOTS,
        history_days=HISTORY_DAYS,
    )
    past = [_snapshot(facts, moment, seed=seed) for moment in split.train]
    test = _snapshot(facts, split.test, seed=seed, most=JUDGED_CUSTOMERS)
    within = f"customers who ordered within {HORIZON_DAYS} days of a snapshot"
    short = shortage(
        [
            (int(sum(ordered.sum() for _, ordered in past)), LEAST_ORDERED, within),
            (int(test[1].sum()), LEAST_TESTED, f"{within}, in the last week"),
            (int((1 - test[1]).sum()), LEAST_TESTED, "customers who did not, in the last week"),
        ]
    )
    if short:
        return _thumb(facts, now, span, short)
    judged = _judge(past, test, split, people=people, live=live, seed=seed)
    return replace(
        judged,
        n_customers=len(now),
        card={**_card(facts, span, len(now)), **judged.card},
        instead=lambda: _thumb(facts, now, span, ""),
    )


def blocks(estimator: Any, found: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """The scores of the customers of ``found``, a table as of `table`."""
    asked = _seen(prepared(found))
    value = estimator.predict_proba(asked)
    steps = np.searchsorted([BANDS["medium"], BANDS["high"]], value.to_numpy(), side="right")
    band = np.array(["low", "medium", "high"])[steps]
    why = reasons.of(estimator, asked, reasons_propensity.FAMILIES)
    yield block("propensity_7d", value, band=band, reasons=why)


def _seen(asked: pd.DataFrame) -> pd.DataFrame:
    """With the days since anything was heard of a customer, for the rule of thumb."""
    heard = asked[["days_since_last_order", "days_since_last_visit"]].min(axis=1)
    return asked.assign(days_since_seen=heard)


def _snapshot(
    facts: Facts, moment: datetime, *, seed: int, most: int = TRAINING_ROWS // SNAPSHOTS
) -> Shot:
    found = sampled(table(facts, moment), most, seed=seed)
    return prepared(found), _ordered(facts, moment, found.index).astype(int)


def _ordered(facts: Facts, moment: datetime, customers: pd.Index) -> np.ndarray:
    """Whether each customer ordered within the horizon, however late we were told."""
    begin, end = microseconds(moment), microseconds(moment + timedelta(days=HORIZON_DAYS))
    bought = facts.purchases
    ahead = (bought.placed >= begin) & (bought.placed < end)
    return np.isin(customers.to_numpy(), facts.customer_ids[bought.customer[ahead]])


def _judge(
    past: list[Shot], test: Shot, split: splits.Split, *, people: pd.DataFrame | None, live: Any,
    seed: int,
) -> Judged:  # fmt: skip
    choice = competition.choose(
        past, gap=1, columns=COLUMNS, logistic=LogisticProbability, seed=seed
    )
    asked, ordered = test
    y = pd.Series(ordered, index=asked.index)
    fitted = competition.fitted(choice.chosen.build, past)
    p = fitted.predict_proba(asked)
    stacked, happened = competition.stacked(past)

    def quality(name: str) -> float:
        return metrics.auc(happened, RANKERS[name](stacked), resamples=0).value or 0.0

    ranker_name = max(RANKERS, key=quality)
    ranker = RANKERS[ranker_name](asked)
    base = pd.Series(happened.mean(), index=asked.index)
    ours = probabilities.figures(y, p, seed=seed)
    ranked = probabilities.ranking(y, ranker, seed=seed)
    theirs = {**ranked, **probabilities.probability(y, base, seed=seed)}
    auc, baseline = ours["auc"], theirs["auc"]
    at = competition.month(split.test, ordered, p)
    months = competition.months(choice, past, split.train, gap=1)
    return Judged(
        method=choice.chosen.method,
        estimator=competition.fitted(choice.chosen.build, [*past, test]),
        judged_estimator=fitted,
        n_customers=len(asked),
        summary=(
            f"Ranks who will order within {HORIZON_DAYS} days with an AUC of {shown(auc.value)} "
            f"({shown(auc.low)} to {shown(auc.high)}, n = {auc.n:,}); {ranker_name} reaches "
            f"{shown(baseline.value)}."
        ),
        card={
            "split": {
                "train": [day(moment) for moment in split.train],
                "test": day(split.test),
                "train_rows": len(stacked),
                "test_rows": len(asked),
                "test_rate": float(ordered.mean()),
            },
            "choice": choice.card(),
            "competition": competition.judged(choice, past, asked, y, p, seed=seed),
            "calibration": choice.calibration,
            "baseline": f"{ranker_name}; the average rate as probability",
            "months": competition.by_month([*months, at]),
            **probabilities.quality(
                fitted, asked, y, p,
                columns=COLUMNS, threshold=BANDS["high"], people=people, seed=seed,
            ),
        },
        params={
            "C": choice.penalty, "columns": list(COLUMNS), "horizon_days": HORIZON_DAYS,
            "bands": BANDS,
        },
        metrics=ours,
        baseline=theirs,
        comparisons=[
            compare(metrics.auc, BASELINE, y, p, ranker, key="auc", seed=seed),
            compare(metrics.log_loss, BASELINE, y, p, base, key="log_loss", seed=seed),
            *probabilities.against_live(live, asked, y, p, seed=seed),
        ],
    )  # fmt: skip


def _card(facts: Facts, span: history.Span, n: int) -> dict[str, Any]:
    meanings = {feature.name: feature.meaning for feature in catalogue()} | DERIVED
    silence = history.silence(span, horizon_days=30)
    blind = [] if facts.events.placed.size else ["No visits are known: it knows only the orders."]
    return {
        "window": span.as_json(),
        "n": n,
        "label": LABEL,
        "features": [{"name": name, "meaning": meanings[name]} for name in COLUMNS],
        "bands": BANDS,
        "refitted": "After being judged it was fitted again on all snapshots, the test included.",
        "limits": [*LIMITS, *blind, *([silence] if silence else [])],
    }


def _thumb(facts: Facts, now: pd.DataFrame, span: history.Span, short: str) -> Judged:
    """Rates by how long ago somebody was last seen, drawn to the shop's own level."""
    moment = span.as_of - timedelta(days=HORIZON_DAYS)
    found = table(facts, moment)
    asked = _seen(prepared(found))
    ordered = _ordered(facts, moment, found.index).astype(float)
    rule = RecencyBandRate(column="days_since_seen", edges=EDGES, assumed=ASSUMED)
    assumed = rule.fit(asked.head(0), []).predict_proba(asked).sum()
    level = (ordered.sum() + PRIOR_ORDERS) / (assumed + PRIOR_ORDERS)
    own = np.clip(np.array(ASSUMED) * level, 0.0005, 0.5)
    rule = RecencyBandRate(column="days_since_seen", edges=EDGES, assumed=own.tolist())
    rule.fit(asked, ordered)
    rates = zip([0.0, *EDGES], rule.rates_, strict=True)
    card = {
        **_card(facts, span, len(now)),
        "features": [],
        **({"missing": short} if short else {}),
        "rates": [{"last_seen_after_days": least, "rate": float(rate)} for least, rate in rates],
        "refitted": "It was not judged.",
    }
    card["limits"].insert(0, "Rates are assumed, and move to this shop's own as they come in.")
    return Judged(
        method="rate by last visit, a rule of thumb",
        estimator=rule,
        n_customers=len(now),
        summary=(
            f"{until('propensity', short)} a rule of thumb serves: the usual rate of customers "
            "who were last seen about as long ago."
        ),
        card=card,
        params={"horizon_days": HORIZON_DAYS, "bands": BANDS},
        metrics={"auc": not_judged(len(now), short)},
        is_fallback=True,
    )
