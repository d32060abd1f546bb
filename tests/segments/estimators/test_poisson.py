"""Poisson trees that correct a rate find the rate that counts were drawn from."""

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor

from segments.estimators.columns import UnusableTable
from segments.estimators.poisson import BoostedValue, PoissonCorrection


@pytest.fixture
def buyers() -> pd.DataFrame:
    """Customers whose rate falls with their silence, and who spend 10 or 50 a purchase."""
    rng = np.random.default_rng(5)
    n = 4_000
    silent = rng.uniform(0, 300, n)
    return pd.DataFrame(
        {
            "frequency": rng.poisson(3, n),
            "age": 365.0,
            "purchases": rng.poisson(3, n) + 1.0,
            "mean_spend": rng.choice([10.0, 50.0], n),
            "silent_days": silent,
            "truth": np.where(silent < 100, 3.0, 0.3),
        },
        index=pd.Index(np.arange(n), name="customer_id"),
    )


def test_it_finds_the_rates_that_counts_were_drawn_from(buyers):
    counts = np.random.default_rng(6).poisson(buyers["truth"])
    model = BoostedValue(columns=["silent_days"], horizon_days=90).fit(buyers, counts)
    found = model.predict(buyers, horizon_days=90)["orders"]

    quiet = buyers["silent_days"] >= 100
    assert found[~quiet].mean() == pytest.approx(3.0, rel=0.05)
    assert found[quiet].mean() == pytest.approx(0.3, rel=0.1)
    assert found.sum() == pytest.approx(counts.sum(), rel=0.01)


def test_it_says_what_the_library_says(buyers):
    counts = np.random.default_rng(6).poisson(buyers["truth"]).astype(float)
    base = np.random.default_rng(7).uniform(0.5, 2.0, len(buyers))
    table = buyers[["silent_days", "frequency"]].astype(float)
    table.iloc[::7, 0] = np.nan
    ours = PoissonCorrection(columns=list(table), trees=30).correct(table, counts, base)
    theirs = HistGradientBoostingRegressor(
        loss="poisson", max_iter=30, learning_rate=0.06, max_leaf_nodes=8, min_samples_leaf=40,
        l2_regularization=1.0, early_stopping=False, random_state=0,
    ).fit(table.to_numpy(), counts / base, sample_weight=base)  # fmt: skip

    np.testing.assert_allclose(ours.factor(table), theirs.predict(table.to_numpy()), rtol=1e-9)


def test_trees_that_know_the_money_have_half_a_say_in_the_spend(buyers):
    counts = np.random.default_rng(6).poisson(buyers["truth"])
    paid = counts * buyers["mean_spend"] * 2  # twice of what they spent before
    without = BoostedValue(columns=["silent_days"]).fit(buyers, counts)
    model = BoostedValue(columns=["silent_days"]).fit(buyers, counts, paid)

    rows = {name: each.predict(buyers, horizon_days=90) for name, each in
            (("with", model), ("without", without))}  # fmt: skip
    pd.testing.assert_series_equal(rows["with"]["orders"], rows["without"]["orders"])
    grown = rows["with"]["value"].sum() / rows["without"]["value"].sum()
    assert grown == pytest.approx(1.5, rel=0.05)


def test_beyond_the_learnt_horizon_purchases_go_on_more_slowly(buyers):
    counts = np.random.default_rng(6).poisson(buyers["truth"])
    model = BoostedValue(columns=["silent_days"], horizon_days=90, decay=0.5).fit(buyers, counts)
    found = model.expected_orders(buyers, horizons_days=[45, 90, 180, 270])

    np.testing.assert_allclose(found[45], found[90] * 0.5)
    np.testing.assert_allclose(found[180], found[90] * 1.5)
    np.testing.assert_allclose(found[270], found[90] * 1.75)


def test_no_purchases_are_refused_in_words(buyers):
    with pytest.raises(UnusableTable, match="none of 4000 customers bought anything"):
        BoostedValue(columns=["silent_days"]).fit(buyers, np.zeros(len(buyers)))
