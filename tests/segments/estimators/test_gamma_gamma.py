"""The spend model finds the parameters it was fed with, and knows when it cannot."""

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad
from scipy.stats import gamma

from segments.estimators.clv import CustomerValue, ShrunkenValue
from segments.estimators.columns import UnusableTable
from segments.estimators.gamma_gamma import GammaGamma


def spending(customers=20_000, *, seed=3, p=6.0, q=4.0, scale=15.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    purchases = rng.geometric(0.4, customers)
    rate = rng.gamma(q, 1 / scale, customers)
    total = rng.gamma(p * purchases, 1 / rate)
    return pd.DataFrame({"purchases": purchases, "mean_spend": total / purchases})


def test_it_recovers_the_parameters_the_spend_was_made_with():
    fitted = GammaGamma().fit(spending(100_000))

    # 40 fits on 20,000 customers spread by .236, .064 and .814: four times that over root 5
    assert fitted.p_ == pytest.approx(6, abs=0.42)
    assert fitted.q_ == pytest.approx(4, abs=0.12)
    assert fitted.gamma_ == pytest.approx(15, abs=1.5)
    assert fitted.mean_spend_ == pytest.approx(6 * 15 / 3, rel=0.02)
    assert not fitted.problems_
    assert abs(fitted.correlation_) < 0.03


def test_the_likelihood_is_that_of_an_integral_over_all_customers():
    table = spending(50)
    fitted = GammaGamma().fit(table)
    p, q, scale = fitted.p_, fitted.q_, fitted.gamma_

    def of_one(x, m):
        """Density of the mean of x gamma purchases, over the rates of customers."""

        def density(rate):
            return gamma.pdf(m, p * x, scale=1 / (rate * x)) * gamma.pdf(rate, q, scale=1 / scale)

        return np.log(quad(density, 0, 4, limit=300, points=[p / m])[0])

    assert fitted.log_likelihood_ == pytest.approx(
        sum(of_one(*row) for row in table.to_numpy()), rel=1e-5
    )


def test_few_purchases_are_drawn_to_the_mean_of_all_and_many_keep_their_own():
    fitted = GammaGamma().fit(spending())
    asked = pd.DataFrame({"purchases": [0, 1, 10_000], "mean_spend": [np.nan, 300.0, 300.0]})
    nobody, once, often = fitted.expected_spend(asked)

    assert nobody == pytest.approx(fitted.mean_spend_)
    assert nobody < once < 299
    assert often == pytest.approx(300, rel=0.001)


def test_amounts_in_another_coin_change_the_unit_alone():
    table = spending(2_000)
    in_cents = table.assign(mean_spend=table["mean_spend"] * 100)
    euros, cents = GammaGamma().fit(table), GammaGamma().fit(in_cents)

    assert cents.p_ == pytest.approx(euros.p_, rel=1e-4)
    assert cents.gamma_ == pytest.approx(100 * euros.gamma_, rel=1e-4)


def test_free_orders_stay_out_of_the_fit():
    table = spending(2_000)
    free = pd.DataFrame({"purchases": [3] * 50, "mean_spend": [0.0] * 50})
    fitted = GammaGamma().fit(pd.concat([table, free], ignore_index=True))

    assert fitted.p_ == pytest.approx(GammaGamma().fit(table).p_)
    assert fitted.expected_spend(free).iloc[0] == pytest.approx(fitted.mean_spend_)


@pytest.mark.parametrize("noise", [0.0, 0.2])
def test_customers_who_spend_alike_are_expected_to_spend_that(noise):
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"purchases": [1, 2, 3] * 100})
    table["mean_spend"] = 20.0 * rng.lognormal(0, noise / np.sqrt(table["purchases"]))
    fitted = GammaGamma().fit(table)

    assert not fitted.problems_
    assert fitted.expected_spend(table).to_numpy() == pytest.approx(20, rel=0.1)


def test_too_few_buyers_are_refused():
    with pytest.raises(UnusableTable, match="at least 20"):
        GammaGamma().fit(spending(19))


def test_money_below_zero_is_refused():
    table = spending(100)
    table.loc[0, "mean_spend"] = -1
    with pytest.raises(UnusableTable, match="below 0"):
        GammaGamma().fit(table)


def test_value_is_orders_times_spend_and_problems_say_which_part():
    rng = np.random.default_rng(0)
    table = spending(300).assign(frequency=0.0, recency=0.0, age=rng.uniform(30, 400, 300))
    fitted = CustomerValue().fit(table)
    predicted = fitted.predict(table, horizon_days=365)

    assert predicted["value"].to_numpy() == pytest.approx(predicted["orders"] * predicted["spend"])
    assert fitted.problems_ and all(words.startswith("purchases") for words in fitted.problems_)


def test_the_shrunken_rate_keeps_the_total_of_a_steady_shop():
    rng = np.random.default_rng(0)
    n, age = 20_000, rng.uniform(100, 500, 20_000)
    rate = rng.gamma(1.0, 0.01, n)
    frequency = rng.poisson(rate * age)
    table = pd.DataFrame(
        {"frequency": frequency, "age": age, "purchases": frequency + 1, "mean_spend": 20.0}
    )
    predicted = ShrunkenValue().fit(table).predict(table, horizon_days=100)

    assert predicted["orders"].sum() == pytest.approx((rate * 100).sum(), rel=0.03)
    assert predicted["spend"].to_numpy() == pytest.approx(20.0)
