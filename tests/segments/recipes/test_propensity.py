"""Who orders within a week is foretold from what was seen of everybody, buyers or not."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from scipy.special import logit
from threadpoolctl import threadpool_limits

from customers.features.facts import EVENT_NAMES, Facts, facts
from segments.recipes import propensity, reasons_propensity

NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def one_thread():
    with threadpool_limits(1):
        yield


def shop(customers=700, *, days=150, seed=5, until=NOW, is_watched=True) -> Facts:
    """People visit now and then; two in five of those who fill a cart order within days."""
    rng = np.random.default_rng(seed)
    bought, seen = [(1, NOW - timedelta(days=days))], []
    for customer in range(1, customers + 1):
        day = rng.exponential(20)
        while day < days:
            at = NOW - timedelta(days=days - day)
            seen.append((customer, "product_viewed", at))
            if rng.random() < 0.4:
                seen.append((customer, "added_to_cart", at + timedelta(minutes=3)))
                if rng.random() < 0.4:
                    bought.append((customer, at + timedelta(days=rng.uniform(0.1, 6))))
            day += rng.exponential(25)
    orders = pd.DataFrame(bought, columns=["customer_id", "placed_at"])
    orders["placed_at"] = pd.to_datetime(orders["placed_at"], utc=True).dt.as_unit("us")
    orders = orders[orders["placed_at"] < pd.Timestamp(until)].assign(
        order_id=lambda frame: np.arange(len(frame)), recorded_at=lambda frame: frame["placed_at"],
        amount=10.0, discount=0.0, kind="sale",
    )  # fmt: skip
    if not is_watched:
        return facts(orders)
    events = pd.DataFrame(seen, columns=["customer_id", "name", "happened_at"])
    events["happened_at"] = pd.to_datetime(events["happened_at"], utc=True).dt.as_unit("us")
    events = events[events["happened_at"] < pd.Timestamp(until)]
    name = pd.Categorical(events["name"], categories=EVENT_NAMES)
    return facts(orders).with_events(events.assign(name=name, recorded_at=events["happened_at"]))


@pytest.fixture(scope="module")
def judged():
    with threadpool_limits(1):
        return propensity.train(shop(), NOW)


def test_it_ranks_better_than_the_best_single_ranker_and_is_calibrated(judged):
    ranks, foretells = judged.comparisons

    assert not judged.is_fallback
    assert ranks.difference.value > 0
    assert foretells.difference.high < 0
    assert judged.metrics["calibration"].value < 0.04
    assert judged.card["split"]["test"] == "2026-05-25"
    assert judged.card["split"]["train"][-1] == "2026-05-18"


def test_everybody_seen_is_scored_also_without_a_purchase(judged):
    found = shop()
    table = propensity.table(found, NOW)
    (rows,) = propensity.blocks(judged.estimator, table)

    assert (table["orders_total"] == 0).any()
    assert rows["customer_id"].tolist() == table.index.tolist()
    assert rows["value"].between(0, 1).all()
    fresh = table["cart_adds_7d"] > 0
    assert rows["value"][fresh].mean() > 3 * rows["value"][~fresh].mean()


def test_reasons_add_up_to_the_score_and_are_good_english(judged):
    table = propensity.table(shop(), NOW)
    (rows,) = propensity.blocks(judged.estimator, table)
    words = []
    for text, value in zip(rows["reasons"], rows["value"], strict=True):
        told = json.loads(text)
        words += [one["words"] for one in told]
        assert sum(one["contribution"] for one in told) == pytest.approx(logit(value), abs=1e-3)

    assert any("has not ordered yet" in text for text in words)
    assert any("left a cart 1 day ago" in text for text in words)
    assert not any(" 1 days" in text or " 1 times" in text or "730" in text for text in words)
    columns = [name for one in reasons_propensity.FAMILIES for name in one.columns]
    assert sorted(columns) == sorted(propensity.COLUMNS)  # each feature is in one reason


def test_what_comes_after_as_of_changes_nothing():
    as_of = NOW - timedelta(days=6)
    whole = propensity.train(shop(1_000), as_of)
    known = propensity.train(shop(1_000, until=as_of), as_of)

    assert not whole.is_fallback
    assert whole.metrics == known.metrics
    assert whole.params == known.params


def test_labels_are_of_the_week_after_the_snapshot_alone():
    found = shop(40)
    at = NOW - timedelta(days=30)
    customers = propensity.table(found, at).index
    expected = [
        any(
            0 <= (moment - at.timestamp() * 1e6) < 7 * 86_400e6
            for moment in found.purchases.placed[
                found.customer_ids[found.purchases.customer] == customer
            ]
        )
        for customer in customers
    ]

    assert propensity._ordered(found, at, customers).tolist() == expected
    assert 0 < sum(expected) < len(expected)


def test_a_shop_without_any_events_knows_the_orders_alone():
    found = shop(is_watched=False)
    judged = propensity.train(found, NOW)
    (rows,) = propensity.blocks(judged.estimator, propensity.table(found, NOW))

    assert "No visits are known: it knows only the orders." in judged.card["limits"]
    assert len(rows) == len(found.customer_ids)


def test_few_orders_leave_a_rule_of_thumb_that_is_drawn_to_the_shops_own_level():
    found = shop(60)
    judged = propensity.train(found, NOW)
    (rows,) = propensity.blocks(judged.estimator, propensity.table(found, NOW))
    rates = [row["rate"] for row in judged.card["rates"]]

    assert judged.is_fallback
    assert "more customers who ordered within 7 days of a snapshot" in judged.summary
    assert rates[0] > rates[-1]
    assert "was last seen" in json.loads(rows["reasons"].iloc[0])[0]["words"]
    assert sum(rates) > sum(propensity.ASSUMED)  # here more order than is usual


def test_a_shop_without_history_gets_a_sentence():
    judged = propensity.train(shop(3, days=2), NOW)

    assert judged.is_fallback
    assert "days of orders" in judged.card["missing"]
