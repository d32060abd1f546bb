"""Rates and hours of answers recover what they were drawn from, and shrink without evidence."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import gammaln
from scipy.stats import beta as beta_distribution
from scipy.stats import betabinom

from segments.estimators.columns import UnusableTable
from segments.estimators.response import HOURS, ResponseModel, ShrunkenHours, ShrunkenRate

COLUMNS = [f"h{hour:02d}" for hour in range(HOURS)]


def counts(n=20_000, *, rate=0.08, strength=12.0, seed=0) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(seed)
    own = rng.beta(rate * strength, (1 - rate) * strength, n)
    sent = rng.integers(1, 30, n)
    return pd.DataFrame({"sent": sent, "answered": rng.binomial(sent, own)}), own


def hours(n=2_000, *, strength=6.0, seed=0) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(seed)
    shop = np.exp(np.cos((np.arange(HOURS) - 19) / HOURS * 2 * np.pi) * 2)
    shop /= shop.sum()
    own = rng.dirichlet(strength * shop, n)
    answers = [rng.multinomial(8, shares) for shares in own]
    return pd.DataFrame(answers, columns=COLUMNS), shop


@pytest.mark.parametrize(("rate", "strength"), [(0.08, 12.0), (0.3, 3.0), (0.02, 60.0)])
def test_it_recovers_the_distribution_rates_were_drawn_from(rate, strength):
    X, _ = counts(rate=rate, strength=strength)
    model = ShrunkenRate().fit(X)

    assert model.rate_ == pytest.approx(rate, rel=0.05)
    assert model.strength_ == pytest.approx(strength, rel=0.15)


def test_its_likelihood_is_that_of_another_implementation_and_its_peak():
    X, _ = counts(2_000)
    model = ShrunkenRate().fit(X)

    def likelihood(rate, strength):
        given = X["answered"], X["sent"], rate * strength, (1 - rate) * strength
        return betabinom.logpmf(*given).sum()

    top = likelihood(model.rate_, model.strength_)
    for rate, strength in ((1.05, 1), (0.95, 1), (1, 1.1), (1, 0.9)):
        assert likelihood(rate * model.rate_, strength * model.strength_) < top


def test_a_rate_is_the_mean_over_all_rates_it_may_be():
    """By adding up a fine grid of rates, each as likely as the counts make it."""
    X, _ = counts(2_000)
    model = ShrunkenRate().fit(X)
    grid = np.linspace(1e-5, 1 - 1e-5, 100_001)
    prior = beta_distribution.logpdf(
        grid, model.rate_ * model.strength_, (1 - model.rate_) * model.strength_
    )
    for sent, answered in ((1, 0), (5, 3), (40, 1)):
        weight = np.exp(prior + answered * np.log(grid) + (sent - answered) * np.log1p(-grid))
        asked = pd.DataFrame({"sent": [sent], "answered": [answered]})
        expected = (grid * weight).sum() / weight.sum()

        assert model.predict_proba(asked).iloc[0] == pytest.approx(expected, rel=2e-3)


def test_the_interval_holds_the_true_rate_as_often_as_stated():
    X, own = counts()
    within = ShrunkenRate().fit(X).interval(X)

    held = ((within["low"] <= own) & (own <= within["high"])).mean()
    assert held == pytest.approx(0.8, abs=0.02)


def test_few_messages_leave_a_person_near_everybody():
    X, _ = counts()
    model = ShrunkenRate().fit(X)
    asked = pd.DataFrame({"sent": [0, 1, 1000], "answered": [0, 1, 900]})
    none, one, many = model.predict_proba(asked)

    assert none == pytest.approx(model.rate_)
    assert one < 0.2
    assert many > 0.85


def test_more_answers_than_messages_and_no_messages_are_refused():
    with pytest.raises(UnusableTable, match="answered above sent"):
        ShrunkenRate().fit(pd.DataFrame({"sent": [1.0], "answered": [2.0]}))
    with pytest.raises(UnusableTable, match="sent is 0"):
        ShrunkenRate().fit(pd.DataFrame({"sent": [0.0], "answered": [0.0]}))


@pytest.mark.parametrize("strength", [2.0, 6.0, 40.0])
def test_hours_recover_how_far_people_differ_from_the_shop(strength):
    X, shop = hours(strength=strength)
    model = ShrunkenHours(columns=COLUMNS).fit(X)

    assert model.strength_ == pytest.approx(strength, rel=0.25)
    assert model.usual_hour == 19
    assert np.abs(model.shares_ - shop).max() < 0.02


def test_the_strength_of_hours_is_the_peak_of_the_likelihood():
    X, _ = hours(400)
    model = ShrunkenHours(columns=COLUMNS).fit(X)

    def likelihood(strength):  # Dirichlet-multinomial, customer by customer
        total = 0.0
        for row in X.to_numpy():
            a = strength * model.shares_
            total += gammaln(strength) - gammaln(row.sum() + strength)
            total += sum(gammaln(row + a) - gammaln(a))
        return total

    at = likelihood(model.strength_)
    assert at > max(likelihood(0.9 * model.strength_), likelihood(1.1 * model.strength_))


def test_the_clock_goes_round():
    X = pd.DataFrame(0.0, index=range(60), columns=COLUMNS)
    X["h12"] = 4.0
    X.loc[0, ["h12", "h23", "h00"]] = [0.0, 6.0, 7.0]
    model = ShrunkenHours(columns=COLUMNS).fit(X)

    assert model.predict(X).loc[0] == 0.0
    assert model.shares(X).sum(axis=1).round(9).eq(1).all()


def test_only_those_get_an_hour_whom_their_answers_move_from_the_shops():
    X = pd.DataFrame(0.0, index=range(100), columns=COLUMNS).assign(email_sent=9, email_answered=1)
    X.loc[:89, "h10"], X.loc[90:98, "h20"] = 5.0, 5.0
    X["sms_sent"] = X["sms_answered"] = 0
    usual = {"email": (0.05, 20.0), "sms": (0.08, 20.0)}
    model = ResponseModel(channels=["email"], usual=usual, hours=COLUMNS).fit(X)

    assert model.usual_hour == 10
    assert model.hour(X).to_dict() == dict.fromkeys(range(90, 99), 20.0)
    assert model.base("sms") == 0.08  # nothing was learnt of it
