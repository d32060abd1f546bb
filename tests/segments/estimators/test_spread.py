"""Intervals hold what they state, and calibrated values come to their totals."""

import numpy as np
import pandas as pd
import pytest

from segments.estimators.clv import CustomerValue, ShrunkenValue
from segments.estimators.spread import CURVE_DAYS, CalibratedValue, OutcomeSpread

N = 20_000
# Three standard deviations of a share of 0.8 among N, calibration and test together.
THREE_SIGMA = 3 * np.sqrt(2 * 0.8 * 0.2 / N)


def amounts(rng, expected):
    """Skewed amounts whose mean is ``expected`` orders of 20."""
    return rng.poisson(expected) * rng.gamma(2, 10, len(expected))


@pytest.fixture
def customers() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "frequency": [3.0, 0.0, 8.0],
            "recency": [80.0, 0.0, 95.0],
            "age": [100.0, 100.0, 100.0],
            "purchases": [4.0, 1.0, 9.0],
            "mean_spend": [20.0, 10.0, 30.0],
        },
        index=pd.Index([7, 3, 5], name="customer_id"),
    )


def test_intervals_hold_the_stated_part_of_new_outcomes_in_every_range():
    rng = np.random.default_rng(1)
    seen, new = rng.uniform(2.5, 9, N), rng.uniform(2.5, 9, N)
    spread = OutcomeSpread().fit(seen, seen * 20, amounts(rng, seen))
    came, expected = amounts(rng, new), pd.Series(new * 20)
    low, high = spread.interval(new, expected)
    inside = (came >= low) & (came <= high)

    assert inside.mean() == pytest.approx(0.8, abs=THREE_SIGMA + 0.005)
    for part in (new < 4, (new >= 4) & (new < 7), new >= 7):
        assert inside[part].mean() == pytest.approx(0.8, abs=0.03)
    # Both sides leave out alike.
    assert (came < low).mean() == pytest.approx(0.1, abs=THREE_SIGMA + 0.005)


def test_where_nothing_is_likely_the_interval_begins_with_nothing():
    rng = np.random.default_rng(2)
    seen = rng.uniform(0.3, 0.6, N)
    spread = OutcomeSpread().fit(seen, seen * 20, amounts(rng, seen))
    low, high = spread.interval(seen, pd.Series(seen * 20))

    assert (low == 0).all()
    came = amounts(rng, seen)
    assert (came <= high).mean() == pytest.approx(0.8, abs=THREE_SIGMA + 0.005)


def test_where_almost_nobody_buys_the_interval_is_nothing():
    rng = np.random.default_rng(3)
    seen = rng.uniform(0.01, 0.1, N)
    low, high = (
        OutcomeSpread().fit(seen, seen * 20, amounts(rng, seen)).interval(seen, pd.Series(seen))
    )

    assert not low.any()
    assert not high.any()


def test_the_bounds_are_those_of_a_sort_by_hand():
    spread = OutcomeSpread().fit(np.ones(19), np.ones(19), np.arange(1, 20))
    low, high = spread.interval(np.ones(1), pd.Series([10.0]))

    assert low.item() == 20  # the 2nd of 19, for 10 % of 20
    assert high.item() == 180  # the 18th


def test_factors_bring_orders_and_spend_to_their_totals(customers):
    plain = ShrunkenValue().fit(customers)
    model = CalibratedValue(plain, factors={"short": (1.5, 0.8)})
    before, after = (each.predict(customers, horizon_days=90) for each in (plain, model))

    np.testing.assert_allclose(after["orders"], before["orders"] * 1.5)
    np.testing.assert_allclose(after["value"], before["value"] * 1.5 * 0.8)
    year = model.predict(customers, horizon_days=365)
    np.testing.assert_allclose(year["value"], plain.predict(customers, horizon_days=365)["value"])
    assert after["low"].isna().all()


def test_one_order_is_expected_on_the_day_that_the_rate_says(customers):
    model = CalibratedValue(ShrunkenValue().fit(customers))
    _found, when = model.outlook(customers, horizons_days=[90], orders=[1.0, 1e6])
    rate = model.predict(customers, horizon_days=1)["orders"]

    np.testing.assert_allclose(when[1.0], 1 / rate)
    assert when[1e6].isna().all()


@pytest.mark.long
def test_the_day_of_the_next_order_is_that_of_a_search_in_small_steps():
    rng = np.random.default_rng(0)
    n = 400
    table = pd.DataFrame({"frequency": rng.poisson(1.5, n), "age": rng.uniform(100, 300, n)})
    table["recency"] = np.where(table["frequency"] > 0, table["age"] * rng.uniform(0, 1, n), 0)
    table["purchases"] = table["frequency"] + 1
    table["mean_spend"] = rng.gamma(6, 4, n)
    model = CustomerValue().fit(table)
    _found, when = CalibratedValue(model).outlook(table, horizons_days=[90], orders=[1.0])

    days = np.arange(1.0, CURVE_DAYS[-1])
    curve = model.expected_orders(table, horizons_days=days).to_numpy()
    by_hand = np.where(curve[:, -1] >= 1, days[(curve >= 1).argmax(axis=1)], np.nan)
    known = ~np.isnan(by_hand)
    assert known.any()
    assert (when[1.0].notna().to_numpy() == known).mean() > 0.99
    np.testing.assert_allclose(when[1.0][known], by_hand[known], rtol=0.04, atol=4)


def test_a_longer_horizon_never_expects_less(customers):
    model = CalibratedValue(
        ShrunkenValue().fit(customers), factors={"short": (9.0, 1.0), "long": (0.5, 1.0)}
    )
    found, _when = model.outlook(customers, horizons_days=[90, 365], orders=[1.0])

    assert (found[365]["value"] >= found[90]["value"]).all()
