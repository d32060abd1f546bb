"""Forecasts are chosen and judged by later weeks, add up, and say when they are a rule of thumb."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from customers.features.facts import Facts, facts
from segments.recipes import forecast, weekly
from segments.recipes.judged import Judged
from tests.segments.recipes.shop import orders

NOW = datetime(2026, 6, 3, 12, tzinfo=UTC)  # a Wednesday
PRODUCTS = 12


def shop(weeks: int = 120, *, a_week: float = 150.0, seed: int = 3, until: datetime = NOW) -> Facts:
    """Orders that follow the year, of goods of which the first sell the most."""
    rng = np.random.default_rng(seed)
    start = pd.Timestamp(NOW) - pd.Timedelta(weeks=weeks)
    rows = []
    for week in range(weeks):
        pace = a_week * (1 + 0.5 * np.sin(2 * np.pi * week / 52)) * 1.2 ** (week / 52)
        count = rng.poisson(pace)
        moment = start + pd.Timedelta(weeks=week) + pd.to_timedelta(rng.uniform(0, 7, count), "D")
        rows.append(pd.DataFrame({"placed_at": moment.as_unit("us")}))
    frame = pd.concat(rows, ignore_index=True)
    n = len(frame)
    frame = frame.assign(
        order_id=np.arange(n), customer_id=rng.integers(1, 400, n), discount=0.0, amount=20.0,
        recorded_at=frame["placed_at"], kind="sale",
    )  # fmt: skip
    weight = 1 / np.arange(1, PRODUCTS + 1)
    lines = pd.DataFrame(
        {
            "order_id": np.repeat(frame["order_id"], 2),
            "product_id": rng.choice(np.arange(1, PRODUCTS + 1), 2 * n, p=weight / weight.sum()),
            "quantity": rng.integers(1, 4, 2 * n),
            "recorded_at": np.repeat(frame["recorded_at"], 2),
        }
    ).drop_duplicates(["order_id", "product_id"])
    goods = pd.DataFrame(
        {
            "product_id": np.arange(1, PRODUCTS + 1),
            "category": np.where(np.arange(PRODUCTS) % 3, "Kitchen", "Garden"),
            "brand": "",
            "price": 10.0,
        }
    )
    known = frame["placed_at"] < pd.Timestamp(until)
    return facts(frame[known], lines[lines["recorded_at"] < pd.Timestamp(until)]).with_goods(goods)


@pytest.fixture(scope="module")
def sold() -> Facts:
    return shop()


@pytest.fixture(scope="module")
def judged(sold) -> Judged:
    return forecast.train(sold, NOW)


def expected(judged: Judged, measure: str, level: str) -> pd.DataFrame:
    """Weeks by subject."""
    found = judged.points
    here = found[(found["measure"] == measure) & (found["subject_kind"] == level)]
    return here.pivot(index="week_start", columns="subject", values="expected")


def test_points_are_the_next_eight_whole_weeks(judged):
    found = judged.points

    assert list(found.columns) == [
        "subject_kind", "subject", "measure", "week_start", "expected", "low", "high", "baseline",
    ]  # fmt: skip
    starts = sorted(set(found["week_start"]))
    assert starts == [date(2026, 6, 1) + timedelta(weeks=step) for step in range(8)]
    assert set(found["subject_kind"]) == {"shop", "category", "product"}
    assert {"Kitchen", "Garden"} <= set(found["subject"])
    assert len(found) == 2 * 8 * (1 + 2 + PRODUCTS)
    assert (found["low"] <= found["expected"] + 1e-9).all()
    assert (found["expected"] <= found["high"] + 1e-9).all()


def test_units_add_up_from_products_to_categories_to_the_shop(judged):
    shop, category, product = (
        expected(judged, "units", level) for level in ("shop", "category", "product")
    )

    np.testing.assert_allclose(category.sum(axis=1), shop[""])
    assert (product.sum(axis=1) <= shop[""] * (1 + 1e-9)).all()
    np.testing.assert_allclose(product.sum(axis=1), shop[""])  # here every product is singly


def test_it_beats_the_baseline_on_a_shop_with_seasons_and_its_intervals_hold(judged):
    assert not judged.is_fallback
    assert judged.metrics["wape_units"].value < judged.baseline["wape_units"].value
    assert not any(one.is_worse for one in judged.comparisons)
    # Stated 80 %; four starts overlap, so the weeks are fewer than they look.
    assert 0.7 < judged.card["intervals"]["covered"] < 0.92
    assert {row["subject_kind"] for row in judged.card["measures"]} == {
        "shop", "category", "product",
    }  # fmt: skip


def test_methods_are_chosen_on_weeks_that_were_over_before_the_test(sold):
    choose, test = forecast._origins(118)

    assert max(choose) + forecast.STEPS <= min(test)
    assert max(test) + forecast.STEPS == 118


def test_weeks_are_whole_and_counted_by_hand(sold):
    known = weekly.weeks(sold, NOW)

    first, last = known.units.index[0], known.units.index[-1]
    assert first.weekday() == last.weekday() == 0
    assert last == date(2026, 5, 25)
    start, end = (pd.Timestamp(day, tz="UTC").value // 1000 for day in (last, date(2026, 6, 1)))
    here = (sold.lines.placed >= start) & (sold.lines.placed < end)
    assert known.units["shop", ""].iloc[-1] == sold.lines.quantity[here].sum()
    of_one = here & (sold.lines.product == 1)
    assert known.units["product", "1"].iloc[-1] == sold.lines.quantity[of_one].sum()
    ordered = (sold.purchases.placed >= start) & (sold.purchases.placed < end)
    assert known.orders.iloc[-1, 0] == ordered.sum()


def test_what_comes_after_as_of_changes_nothing(sold):
    as_of = NOW - timedelta(weeks=20)
    one, other = forecast.train(sold, as_of), forecast.train(shop(until=as_of), as_of)

    pd.testing.assert_frame_equal(one.points, other.points)
    assert one.metrics == other.metrics
    assert one.points["week_start"].min() <= as_of.date()


def test_a_short_history_is_served_by_the_baseline_which_says_what_is_missing():
    judged = forecast.train(shop(15), NOW)

    assert judged.is_fallback
    assert judged.method == "seasonal baseline, a rule of thumb"
    assert "more whole weeks of orders" in judged.card["missing"]
    assert len(judged.points)
    np.testing.assert_allclose(judged.points["expected"], judged.points["baseline"])


@pytest.mark.parametrize("weeks", [0, 1, 3, 5])
def test_almost_no_history_is_a_sentence(weeks):
    judged = forecast.train(shop(max(weeks, 1)) if weeks else facts(orders(3).head(0)), NOW)

    assert judged.is_fallback
    assert judged.summary.startswith("Too little to learn from")
    assert judged.points is None or np.isfinite(judged.points["high"]).all()


def test_a_shop_without_lines_has_a_forecast_of_its_orders():
    judged = forecast.train(facts(orders(400)), datetime(2026, 6, 1, tzinfo=UTC))

    assert expected(judged, "orders", "shop").to_numpy().min() > 0


def test_where_the_model_is_refused_the_baseline_serves(judged):
    thumb = judged.instead()

    assert thumb.is_fallback
    assert thumb.summary.startswith("The trained model of the weeks to come was refused.")
    assert len(thumb.points) == len(judged.points)
