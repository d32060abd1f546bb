"""Weekly sums are continued by last year, by a trend, or by their level."""

import numpy as np
import pandas as pd
import pytest

from segments.estimators.columns import UnusableTable
from segments.estimators.forecast import DAMPING, METHODS, DampedTrend, PooledYear, SeasonalBaseline

every = pytest.mark.parametrize("build", METHODS.values(), ids=METHODS)


def seasonal(weeks: int, *, growth: float = 1.0, scale: float = 100.0) -> np.ndarray:
    """A yearly wave that grows by so much each year."""
    week = np.arange(weeks)
    return scale * (1 + 0.5 * np.sin(2 * np.pi * week / 52)) * growth ** (week / 52)


@every
@pytest.mark.parametrize("weeks", [4, 30, 59, 60, 120])
def test_a_level_goes_on(build, weeks):
    method, options = build
    table = pd.DataFrame({"a": np.full(weeks, 12.0), "b": np.zeros(weeks)})
    found = method(**options).fit(table).predict(8)

    np.testing.assert_allclose(found["a"], 12.0, rtol=1e-9)
    np.testing.assert_allclose(found["b"], 0.0, atol=1e-12)


@every
def test_the_year_comes_again_where_there_is_one(build):
    method, options = build
    if options == {"by_season": False}:
        pytest.skip("knows no season")
    table = pd.DataFrame({"a": seasonal(150, scale=1_000.0)})
    truth = seasonal(158, scale=1_000.0)[150:]

    np.testing.assert_allclose(method(**options).fit(table).predict(8)["a"], truth, rtol=0.06)


@every
def test_what_comes_later_and_other_rows_of_the_frame_change_nothing(build):
    method, options = build
    table = pd.DataFrame({"a": seasonal(100), "b": seasonal(100, growth=1.4)})
    first = method(**options).fit(table.iloc[:80]).predict(8)
    again = method(**options).fit(table.copy().iloc[:80]).predict(8)

    pd.testing.assert_frame_equal(first, again)
    assert (first.to_numpy() >= 0).all()


@every
def test_too_few_weeks_are_refused_in_words(build):
    method, options = build
    with pytest.raises(UnusableTable, match="3 weeks, at least 4"):
        method(**options).fit(pd.DataFrame({"a": [1.0, 2.0, 3.0]}))


def test_the_baseline_is_last_year_by_hand():
    values = np.arange(1.0, 71.0)
    found = SeasonalBaseline().fit(pd.DataFrame({"a": values})).predict(2)["a"]

    growth = values[-8:].sum() / values[10:18].sum()  # 52 weeks before
    np.testing.assert_allclose(found, values[18:20] * min(growth, 2.0))


def test_a_damped_trend_is_that_of_five_lines():
    values = np.array([10.0, 12.0, 13.0, 15.0, 18.0, 19.0, 22.0, 23.0, 26.0, 27.0])
    found = DampedTrend().fit(pd.DataFrame({"a": values})).predict(3)["a"]
    best = (np.inf, np.zeros(3))
    for alpha in (0.1, 0.2, 0.35, 0.5, 0.7):
        for beta in (0.0, 0.05, 0.15):
            level, trend, error = values[:8].mean(), 0.0, 0.0
            for value in values:
                missed = value - level - DAMPING * trend
                level, trend = level + DAMPING * trend + alpha * missed, DAMPING * trend
                trend, error = trend + beta * missed, error + missed**2
            steps = np.cumsum(DAMPING ** np.arange(1, 4))
            best = min(best, (error, level + steps * trend), key=lambda pair: pair[0])

    np.testing.assert_allclose(found, best[1])


def test_small_series_take_their_growth_from_the_whole():
    big, rng = seasonal(120, growth=1.3, scale=10_000), np.random.default_rng(1)
    small = rng.poisson(0.5, 120).astype(float)
    growth = PooledYear().fit(pd.DataFrame({"big": big, "small": small})).growth_

    assert growth["big"] == pytest.approx(1.3, rel=0.02)
    assert growth["small"] == pytest.approx(1.3, rel=0.05)
