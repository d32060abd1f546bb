"""The purchase models find the parameters of shops whose parameters are known."""

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad
from scipy.special import beta as beta_function
from scipy.stats import beta, gamma

from segments.estimators.columns import UnusableTable
from segments.estimators.purchases import BetaGeometricNBD, ModifiedBetaGeometricNBD

TRUE = {"r": 0.6, "alpha": 20.0, "a": 1.2, "b": 3.0}
MODELS = [BetaGeometricNBD, ModifiedBetaGeometricNBD]


def simulated(model, *, customers=20_000, horizon=180.0, seed=5, **given) -> pd.DataFrame:
    """Buy and leave as the model says, one customer's step at a time for all customers."""
    rng = np.random.default_rng(seed)
    true = {**TRUE, **given}
    age = rng.uniform(200, 700, customers)
    rate = rng.gamma(true["r"], 1 / true["alpha"], customers)
    leaves = rng.beta(true["a"], true["b"], customers)
    alive = np.ones(customers, bool)
    if model is ModifiedBetaGeometricNBD:
        alive = rng.random(customers) > leaves
    clock, recency = np.zeros(customers), np.zeros(customers)
    frequency, later = np.zeros(customers), np.zeros(customers)
    while alive.any():
        clock[alive] += rng.exponential(1 / rate[alive])
        now, soon = alive & (clock <= age), alive & (clock > age) & (clock <= age + horizon)
        frequency[now] += 1
        recency[now] = clock[now]
        later[soon] += 1
        alive &= (clock <= age + horizon) & (rng.random(customers) > leaves)
    return pd.DataFrame({"frequency": frequency, "recency": recency, "age": age, "later": later})


@pytest.mark.parametrize("model", MODELS)
def test_it_recovers_the_parameters_the_shop_was_made_with(model):
    fitted = model().fit(simulated(model))

    assert not fitted.problems_
    for name, true in TRUE.items():
        away = abs(np.log(getattr(fitted, f"{name}_") / true))
        assert away < 4 * fitted.standard_errors_[name], (name, getattr(fitted, f"{name}_"))
        assert fitted.standard_errors_[name] < 0.15


@pytest.mark.parametrize("model", MODELS)
def test_it_forecasts_how_much_will_be_bought_and_by_whom(model):
    shop = simulated(model)
    expected = model().fit(shop).expected_purchases(shop, horizon_days=180)

    # the error of a sum of 20,000 counts that vary by about their mean is below 3 per cent
    assert expected.sum() == pytest.approx(shop["later"].sum(), rel=0.03)
    fifths = pd.qcut(expected.rank(method="first"), 5, labels=False)
    table = pd.DataFrame({"expected": expected, "later": shop["later"]}).groupby(fifths).mean()
    np.testing.assert_allclose(table["expected"].iloc[2:], table["later"].iloc[2:], rtol=0.15)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("a", [0.4, 1.0, 1.00000001, 2.5])
@pytest.mark.parametrize("x", [0, 1, 7, 400])
def test_the_expectation_is_that_of_an_integral(model, a, x):
    fitted = model()
    fitted.r_, fitted.alpha_, fitted.a_, fitted.b_ = 0.6, 20.0, a, 1.5
    one = pd.DataFrame({"frequency": [x], "recency": [90.0 if x else 0.0], "age": [100.0]})
    stayed = 1.5 + x + (model is ModifiedBetaGeometricNBD)

    def bought(p):
        """E[purchases in 50 days | leaves with probability p], times the density of p."""
        mean = -np.expm1(-(0.6 + x) * np.log1p(p * 50 / 120)) / p
        return mean * p ** (a - 1) * (1 - p) ** (stayed - 1) / beta_function(a, stayed)

    integral = quad(bought, 0, min(1, 5 * a / (a + stayed)), limit=400, epsabs=1e-12)[0]
    integral += quad(bought, min(1, 5 * a / (a + stayed)), 1, limit=400, epsabs=1e-12)[0]

    found = fitted.expected_purchases(one, horizon_days=50).iloc[0]
    assert found == pytest.approx(integral * fitted.alive(one).iloc[0], rel=1e-5)


@pytest.mark.parametrize("model", MODELS)
def test_the_likelihood_is_that_of_an_integral_over_all_customers(model):
    shop = pd.DataFrame(
        {"frequency": [0, 2, 5], "recency": [0.0, 30.0, 70.0], "age": [60.0, 45.0, 90.0]}
    )
    parameters = np.array([0.7, 15.0, 0.8, 2.5])
    rates, leaves = gamma(0.7, scale=1 / 15.0), beta(0.8, 2.5)

    def of_one(x, recency, age):
        """P(history | rate, leaving), averaged on quantiles of both."""
        u = (np.arange(2_000) + 0.5) / 2_000
        rate, p = rates.ppf(u)[:, None], leaves.ppf(u)[None, :]
        extra = 1 if model is ModifiedBetaGeometricNBD else 0
        stayed = (1 - p) ** (x + extra) * rate**x * np.exp(-rate * age)
        if x or extra:
            last = p * (1 - p) ** (x + extra - 1) * rate**x * np.exp(-rate * recency)
            stayed = stayed + last
        return np.log(stayed.mean())

    from segments.estimators.purchases import Histories

    x, recency, age = shop.to_numpy(float).T
    value, gradient = model._likelihood(parameters, Histories(x, recency, age, np.ones(3)))
    assert value == pytest.approx(sum(of_one(*row) for row in shop.to_numpy(float)), rel=2e-3)
    for place in range(4):
        up, down = parameters.copy(), parameters.copy()
        up[place], down[place] = parameters[place] + 1e-5, parameters[place] - 1e-5
        data = Histories(x, recency, age, np.ones(3))
        slope = (model._likelihood(up, data)[0] - model._likelihood(down, data)[0]) / 2e-5
        assert gradient[place] == pytest.approx(slope, rel=1e-5, abs=1e-8)


def test_bg_nbd_calls_one_time_buyers_alive_and_mbg_nbd_does_not():
    shop = simulated(ModifiedBetaGeometricNBD, customers=3_000)
    once = shop[shop["frequency"] == 0]

    assert (BetaGeometricNBD().fit(shop).alive(once) == 1).all()
    assert ModifiedBetaGeometricNBD().fit(shop).alive(once).max() < 0.95


@pytest.mark.parametrize("model", MODELS)
def test_a_shop_that_nobody_leaves_is_called_degenerate_and_still_answered(model):
    rng = np.random.default_rng(1)
    age = rng.uniform(200, 400, 4_000)
    frequency = rng.poisson(age * rng.gamma(2, 0.01, 4_000))
    last = age * np.where(frequency > 0, rng.beta(np.maximum(frequency, 1), 1), 0)
    shop = pd.DataFrame({"frequency": frequency, "recency": last, "age": age})

    fitted = model().fit(shop)
    expected = fitted.expected_purchases(shop, horizon_days=100)

    assert fitted.is_degenerate
    assert "almost nobody seems to leave" in " ".join(fitted.problems_)
    assert expected.sum() == pytest.approx((frequency / age).sum() * 100, rel=0.1)


@pytest.mark.parametrize("model", MODELS)
def test_customers_who_are_all_alike_are_no_problem(model):
    alike = {"a": 3e5, "b": 17e5, "r": 3e5, "alpha": 1e7}  # 15 % leave, 0.03 purchases a day
    shop = simulated(model, customers=4_000, **alike)
    fitted = model().fit(shop)

    assert not fitted.problems_
    assert fitted.a_ / (fitted.a_ + fitted.b_) == pytest.approx(0.15, abs=0.01)
    assert fitted.r_ / fitted.alpha_ == pytest.approx(0.03, rel=0.05)
    expected = fitted.expected_purchases(shop, horizon_days=180)
    assert expected.sum() == pytest.approx(shop["later"].sum(), rel=0.06)


def test_a_purchase_after_the_end_is_refused():
    wrong = pd.DataFrame({"frequency": [2], "recency": [50], "age": [40]})
    with pytest.raises(UnusableTable, match="after the end"):
        BetaGeometricNBD().fit(wrong)
