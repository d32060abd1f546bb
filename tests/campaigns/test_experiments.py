"""The draw, the interval and the checks against simulation, other code and a printed figure."""

import doctest
import importlib

import numpy as np
import pytest
from scipy import stats

from campaigns.experiments import assignment, checks, power
from campaigns.experiments.analysis import Sample, difference
from campaigns.experiments.checks import Arms

RUNS = 1_000
# A share p seen in 1,000 runs has a standard error of sqrt(p (1 - p) / 1,000) = 0.0069 at 0.05;
# three of them leave a right method alone in 997 of 1,000 seeds.
TOLERANCE = 3 * (0.05 * 0.95 / RUNS) ** 0.5


def sample(values) -> Sample:
    values = np.asarray(values, dtype=float)
    return Sample(len(values), float(values.sum()), float((values**2).sum()))


def simulated(rng, *, treated_mean, holdout_mean=0.1, treated=4_500, holdout=500, spread=1.0):
    """Orders of each customer in 1,000 campaigns; some customers buy far more than others."""
    taste = rng.gamma(spread, 1 / spread, size=(RUNS, treated + holdout))
    means = np.r_[np.full(treated, treated_mean), np.full(holdout, holdout_mean)]
    orders = rng.poisson(taste * means)
    return [(sample(row[:treated]), sample(row[treated:])) for row in orders]


@pytest.mark.parametrize("module", ["assignment", "analysis", "checks", "power"])
def test_the_examples_in_the_docstrings_hold(module):
    found = doctest.testmod(importlib.import_module(f"campaigns.experiments.{module}"))
    assert found.attempted and not found.failed


def test_the_draw_is_uniform_and_two_campaigns_draw_apart():
    spring = np.array([assignment.draw("spring", n) for n in range(20_000)])
    autumn = np.array([assignment.draw("autumn", n) for n in range(20_000)])

    assert stats.kstest(spring, "uniform").pvalue > 0.001
    assert abs(np.corrcoef(spring, autumn)[0, 1]) < 4 / 20_000**0.5


def test_a_larger_holdout_only_adds_people():
    def left_alone(share):
        return {n for n in range(2_000) if assignment.is_holdout("s", n, holdout_share=share)}

    assert left_alone(0.1) < left_alone(0.3)
    assert left_alone(0) == set()


def test_the_interval_covers_the_true_difference_in_95_of_100_campaigns():
    rng = np.random.default_rng(1)
    pairs = [pair for _ in range(4) for pair in simulated(rng, treated_mean=0.15)]

    covered = np.mean([(d := difference(*pair)).low <= 0.05 <= d.high for pair in pairs])

    assert covered == pytest.approx(0.95, abs=TOLERANCE / 2)  # four times the runs


def test_a_campaign_without_effect_is_said_to_have_one_in_5_of_100():
    pairs = simulated(np.random.default_rng(2), treated_mean=0.1)

    found = [difference(*pair) for pair in pairs]

    assert np.mean([d.p_value < 0.05 for d in found]) == pytest.approx(0.05, abs=TOLERANCE)
    assert all((d.p_value < 0.05) == d.excludes_zero for d in found)


def test_with_hardly_any_buyers_the_bare_interval_lies_and_the_check_withholds_it():
    pairs = simulated(
        np.random.default_rng(3), treated_mean=0.02, holdout_mean=0.02, treated=900, holdout=100
    )
    claims, kept = [], []
    for treated, holdout in pairs:
        arms = Arms(900, 100, int(treated.total), int(holdout.total), 0.1, days_left=0)
        claim = difference(treated, holdout).excludes_zero
        claims.append(claim)
        kept.append(claim and not checks.findings(arms))

    assert np.mean(claims) > 0.10  # one in ten false alarms instead of one in twenty
    assert np.mean(kept) == 0


def test_welch_agrees_with_scipy():
    rng = np.random.default_rng(4)
    one, two = rng.lognormal(2, 1, 400), rng.normal(9, 2, 57)

    ours = difference(sample(one), sample(two))
    theirs = stats.ttest_ind(one, two, equal_var=False)

    assert ours.p_value == pytest.approx(theirs.pvalue, rel=1e-9)
    assert ours.degrees == pytest.approx(theirs.df, rel=1e-9)
    interval = theirs.confidence_interval()
    assert (ours.low, ours.high) == pytest.approx((interval.low, interval.high), rel=1e-9)


def test_welch_gives_the_figures_printed_for_students_sleep_data():
    """`t.test(extra ~ group, data = sleep)` in the manual of R, data of Student (1908)."""
    one = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
    two = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]

    found = difference(sample(one), sample(two))

    assert found.degrees == pytest.approx(17.776, abs=5e-4)
    assert found.p_value == pytest.approx(0.07939, abs=5e-6)
    assert (found.low, found.high) == pytest.approx((-3.3654832, 0.2054832), abs=5e-8)


def test_the_relative_interval_covers_the_true_ratio():
    pairs = simulated(np.random.default_rng(5), treated_mean=0.15)

    found = [difference(*pair) for pair in pairs]

    covered = np.mean([d.relative_low <= 0.5 <= d.relative_high for d in found])
    assert covered == pytest.approx(0.95, abs=TOLERANCE)


def test_arms_in_which_nobody_varies_allow_no_conclusion():
    found = difference(Sample(50, 0, 0), Sample(40, 0, 0))

    assert np.isnan(found.p_value) and not found.excludes_zero


def test_an_arm_of_one_is_refused():
    with pytest.raises(ValueError, match="found 5 and 1"):
        difference(Sample(5, 2, 2), Sample(1, 0, 0))


def test_the_customers_needed_do_show_the_difference_in_80_of_100_campaigns():
    treated, holdout = Sample(900, 135, 175), Sample(100, 10, 12.5)  # variances as simulated below
    needed = power.customers_needed(0.05, treated, holdout)
    pairs = simulated(
        np.random.default_rng(6),
        treated_mean=0.15,
        treated=round(needed * 0.9),
        holdout=round(needed * 0.1),
        spread=4.0,
    )

    shown = np.mean([difference(*pair).low > 0 for pair in pairs])

    # 3 standard errors of a share of 0.8, and 0.03 for the variances being rounded
    assert shown == pytest.approx(0.80, abs=3 * (0.8 * 0.2 / RUNS) ** 0.5 + 0.03)


def test_no_number_of_customers_shows_no_difference():
    assert power.customers_needed(0, Sample(90, 9, 12), Sample(10, 1, 2)) is None


def test_the_sample_ratio_alarm_is_rare_for_right_draws_and_sure_for_wrong_ones():
    def alarms(share, seed):
        held = np.random.default_rng(seed).binomial(10_000, share, RUNS)
        arms = [Arms(10_000 - n, n, 0, 0, holdout_share=0.1, days_left=0) for n in map(int, held)]
        return np.mean([checks.sample_ratio(arm) is not None for arm in arms])

    assert alarms(0.10, 7) <= 0.004  # 0.001 and three standard errors
    assert alarms(0.08, 8) > 0.99
