"""Recipes learn from the past alone, and their reasons are true."""

import functools
import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from scipy.special import logit
from threadpoolctl import threadpool_limits

from customers.features.facts import Facts, facts
from customers.features.table import features
from segments.estimators.clv import ShrunkenValue
from segments.recipes import churn, groups, history, reasons, values
from segments.recipes.registry import read_by

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def orders(customers=600, *, days=500, seed=4, leaves=0.12) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = []
    for customer in range(1, customers + 1):
        day, gap = rng.uniform(0, days), rng.gamma(3, 12)
        while day < days:
            rows.append((customer, day))
            if rng.random() < leaves:
                break
            day += rng.exponential(gap)
    frame = pd.DataFrame(rows, columns=["customer_id", "day"])
    placed = pd.Timestamp(NOW) - pd.to_timedelta(days - frame["day"], unit="D")
    bought = rng.random(len(frame)) < 0.97
    return frame.assign(
        order_id=np.arange(len(frame)),
        placed_at=placed.dt.as_unit("us"),
        recorded_at=placed.dt.as_unit("us"),
        amount=rng.gamma(6, 8, len(frame)).round(2),
        discount=rng.gamma(1, 5, len(frame)).round(2),
        kind=np.where(bought, "sale", "refunded"),
    ).drop(columns="day")


@pytest.fixture(autouse=True)
def one_thread():
    """As the service has it: on busy cores a second one spins."""
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="module")
def shop() -> Facts:
    return facts(orders())


@pytest.fixture(scope="module")
def learnt(shop):
    """What a recipe learns of the shop, trained once: ``learnt(churn)``."""
    return functools.cache(lambda recipe: recipe.train(shop, NOW))


@pytest.mark.parametrize("recipe", [churn, values, groups], ids=lambda recipe: recipe.KIND)
def test_scores_need_no_feature_but_those_that_the_recipe_names(recipe, shop, learnt):
    estimator = learnt(recipe).estimator
    few = features(shop, NOW, names=read_by([(recipe.KIND, estimator)]))

    for one, other in zip(
        recipe.blocks(estimator, few), recipe.blocks(estimator, features(shop, NOW)), strict=True
    ):
        pd.testing.assert_frame_equal(one, other)


@pytest.mark.parametrize("recipe", [churn, values, groups], ids=lambda recipe: recipe.KIND)
def test_what_comes_after_as_of_changes_nothing(recipe):
    as_of = NOW - timedelta(days=60)
    all_of_it = orders()
    known = all_of_it[all_of_it["placed_at"] < pd.Timestamp(as_of)]
    one = recipe.train(facts(all_of_it), as_of)
    other = recipe.train(facts(known), as_of)

    assert one.metrics == other.metrics
    assert one.params == other.params
    assert one.n_customers == other.n_customers


def test_the_test_snapshot_comes_after_every_label_that_trains(shop, learnt):
    split = learnt(churn).card["split"]

    last_label_ends = datetime.fromisoformat(split["train"][-1]) + timedelta(days=90)
    assert last_label_ends <= datetime.fromisoformat(split["test"])
    assert split["test"] == "2026-03-03"


def test_who_has_been_silent_for_a_year_is_neither_learnt_from_nor_scored(shop, learnt):
    table = features(shop, NOW)
    gone = table.index[table["days_since_last_order"] > history.AT_RISK_DAYS]
    estimator = learnt(churn).estimator

    assert len(gone)
    assert not gone.intersection(history.snapshot(shop, NOW, horizon_days=1).table.index).size
    scored = churn.scores(estimator, table).index
    assert scored.union(gone).equals(table.index)
    assert not gone.intersection(scored).size


def test_a_model_that_knew_the_future_would_be_noticed(shop, learnt):
    """An AUC near 1 means a leak: who will order is never that plain."""
    judged = learnt(churn)

    assert 0.6 < judged.metrics["auc"].value < 0.9


def test_derived_features_are_counted_by_hand():
    table = features(facts(orders(50)), NOW)
    found = churn.prepared(table)
    one = found.loc[found["frequency"] > 1].iloc[0]

    assert one["pace_ratio"] == pytest.approx(one["days_since_last_order"] / one["mean_gap_days"])
    assert one["orders_per_month"] == pytest.approx(
        one["orders_total"] / max(one["tenure_days"], 7) * 30
    )
    assert (found["bought_once"] == (found["frequency"] == 0)).all()
    assert "pace_ratio" not in table


def test_reasons_belong_to_their_customer_and_add_up(shop, learnt):
    judged = learnt(churn)
    table = features(shop, NOW)
    found = churn.scores(judged.estimator, table)
    at_risk = churn.prepared(table.loc[found.index])
    told = reasons.of(judged.estimator, at_risk).map(json.loads)

    for customer in told.index[::25]:
        rows = {row["feature"]: row for row in told[customer]}
        added = sum(row["contribution"] for row in rows.values())
        assert added == pytest.approx(logit(found.at[customer, "value"]), abs=0.001)
        sizes = [abs(row["contribution"]) for row in told[customer][:4]]
        assert sizes == sorted(sizes, reverse=True)
        days = round(table.at[customer, "days_since_last_order"])
        if "recency" in rows and days != 1:
            assert f"not ordered for {days} days" in rows["recency"]["words"]
        if "rhythm" in rows and table.at[customer, "orders_total"] > 1:
            times = table.at[customer, "orders_total"]
            assert f"has ordered {times} times" in rows["rhythm"]["words"]
    columns = [name for family in reasons.FAMILIES for name in family.columns]
    assert sorted(columns) == sorted(churn.COLUMNS)  # each feature is in one reason


def test_words_are_good_english_for_one_none_and_many():
    table = features(facts(orders(300)), NOW)
    words = [
        row["words"]
        for text in reasons.of_value(ShrunkenValue().fit(values.prepared(table)).predict(
            values.prepared(table), horizon_days=365), table)
        for row in json.loads(text)
    ]  # fmt: skip

    assert any(" once in " in text for text in words)
    assert not any(" 1 times" in text or " 1 days" in text for text in words)


def test_the_live_run_is_compared_with_as_it_was_judged(shop, learnt):
    """What serves was fitted on the test too: beside it an equal model looks surely worse."""
    first = learnt(churn)

    def against(live):
        judged = churn.train(shop, NOW, live=live)
        return [one for one in judged.comparisons if one.against == "live run"]

    (fair,) = against(first.judged_estimator)
    (unfair,) = against(first.estimator)
    assert fair.difference.value == pytest.approx(0, abs=1e-9)
    assert not fair.is_worse
    assert unfair.is_worse
