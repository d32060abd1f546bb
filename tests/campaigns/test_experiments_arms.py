"""Adjustment, several arms, guard rails and Thompson sampling against known truths."""

import doctest
import importlib
import math

import numpy as np
import pytest
from scipy import stats

from campaigns.experiments import adjusting, assignment, checks, guards, power, ratios, several
from campaigns.experiments import thompson as bandit
from campaigns.experiments.adjusting import Pair
from campaigns.experiments.analysis import Sample, difference

# Trials of BCG vaccine: ill and well with it, ill and well without (Colditz et al. 1994)
BCG = [
    (4, 119, 11, 128), (6, 300, 29, 274), (3, 228, 11, 209), (62, 13536, 248, 12619),
    (33, 5036, 47, 5761), (180, 1361, 372, 1079), (8, 2537, 10, 619), (505, 87886, 499, 87892),
    (29, 7470, 45, 7232), (17, 1699, 65, 1600), (186, 50448, 141, 27197), (5, 2493, 3, 2338),
    (27, 16886, 29, 17825),
]  # fmt: skip


def sample(values) -> Sample:
    return Sample(len(values), float(np.sum(values)), float(np.sum(np.square(values))))


def pair(after, before) -> Pair:
    return Pair(sample(after), sample(before), float(np.dot(after, before)))


@pytest.mark.parametrize("module", ["adjusting", "guards", "ratios", "several"])
def test_the_examples_in_the_docstrings_hold(module):
    found = doctest.testmod(importlib.import_module(f"campaigns.experiments.{module}"))
    assert found.attempted and not found.failed


def test_variants_are_drawn_in_their_shares_and_apart_from_the_holdout():
    drawn = np.array([assignment.variant("s", n, weights=[1, 2, 1]) for n in range(20_000)])
    held = np.array([assignment.is_holdout("s", n, holdout_share=0.1) for n in range(20_000)])

    counts = np.bincount(drawn)
    assert stats.chisquare(counts, [5_000, 10_000, 5_000]).pvalue > 0.001
    table = [np.bincount(drawn[held]), np.bincount(drawn[~held])]
    assert stats.chi2_contingency(table).pvalue > 0.001
    assert assignment.variant("s", 1, weights=[0, 0]) is None


def test_arms_of_the_wrong_sizes_are_found_among_any_number():
    assert checks.sizes_p_value([3_000, 3_010, 5_990], [1, 1, 2]) > 0.5
    assert checks.sizes_p_value([3_000, 3_300, 5_700], [1, 1, 2]) < 0.001
    assert checks.sizes_p_value([10, 5], [1, 0]) == 0
    assert checks.sizes_p_value([], []) == 1
    assert checks.sizes([500, 500], [1, 1], names="AB") is None
    assert "A 400, B 600" in checks.sizes([400, 600], [1, 1], names="AB").sentence


def test_adjustment_is_least_squares_with_the_same_slope_in_each_arm():
    rng = np.random.default_rng(1)
    before = rng.gamma(1, 30, 900)
    treated = np.arange(900) < 600
    after = 0.4 * before + rng.normal(0, 5, 900) + 3 * treated
    arms = [pair(after[mask], before[mask]) for mask in (treated, ~treated)]

    design = np.column_stack([np.ones(900), treated, before])
    slope = np.linalg.lstsq(design, after, rcond=None)[0]

    assert adjusting.theta(arms) == pytest.approx(slope[2], rel=1e-9)
    found = difference(*adjusting.adjusted(arms))
    assert found.difference == pytest.approx(slope[1], rel=1e-9)
    shares = adjusting.explained_share(arms)
    within = [np.corrcoef(after[m], before[m])[0, 1] ** 2 for m in (treated, ~treated)]
    assert shares == pytest.approx(np.mean(within), abs=0.01)


def test_adjusted_intervals_are_shorter_and_cover_the_truth_as_often():
    rng = np.random.default_rng(2)
    covered, shorter = [], []
    for _ in range(500):
        before = rng.gamma(0.5, 40, 3_000)
        after = rng.poisson(0.05 + 0.01 * before).astype(float)
        after[:2_000] += rng.random(2_000) < 0.1
        arms = [pair(after[:2_000], before[:2_000]), pair(after[2_000:], before[2_000:])]
        plain = difference(arms[0].after, arms[1].after)
        found = difference(*adjusting.adjusted(arms))
        covered.append(found.low <= 0.1 <= found.high)
        shorter.append((found.high - found.low) / (plain.high - plain.low))

    assert np.mean(covered) == pytest.approx(0.95, abs=3 * (0.05 * 0.95 / 500) ** 0.5)
    assert np.mean(shorter) < 0.9


def test_what_does_not_vary_beforehand_changes_nothing():
    arms = [pair(np.array([1.0, 0, 2]), np.zeros(3)), pair(np.array([0.0, 0, 1]), np.zeros(3))]

    assert adjusting.adjusted(arms) == [arm.after for arm in arms]
    assert adjusting.explained_share(arms) == 0


def test_a_ratio_of_sums_varies_as_its_people_do():
    rng = np.random.default_rng(3)
    seen, errors = [], []
    for _ in range(1_000):
        orders = rng.poisson(rng.gamma(2, 0.5, 400))
        revenue = orders * rng.gamma(4, 10, 400)  # one customer's orders are alike
        found, variance = ratios.ratio(pair(revenue, orders.astype(float)))
        seen.append(found)
        errors.append(math.sqrt(variance))

    # 1,000 runs know a standard deviation to 2.2 %
    assert np.mean(errors) == pytest.approx(np.std(seen), rel=0.07)
    nothing = pair(np.zeros(5), np.zeros(5))
    assert ratios.difference(nothing, nothing) is None


def test_holm_agrees_with_the_definition_on_all_orders():
    rng = np.random.default_rng(4)
    for _ in range(50):
        given = rng.random(6) ** 3
        order = np.argsort(given)
        stepped = np.minimum(1, np.maximum.accumulate(given[order] * np.arange(6, 0, -1)))
        assert np.array(several.holm(given))[order] == pytest.approx(stepped)
    assert several.holm([math.nan, 0.01]) == [1, 0.02]


def test_trials_of_bcg_combine_to_the_published_figures():
    """As printed for `metafor`'s dat.bcg with the estimator of DerSimonian and Laird."""
    logs = [math.log(a / (a + b) * (c + d) / c) for a, b, c, d in BCG]
    errors = [(1 / a - 1 / (a + b) + 1 / c - 1 / (c + d)) ** 0.5 for a, b, c, d in BCG]

    found = several.combined(logs, errors)

    assert (found.estimate, found.low, found.high) == pytest.approx(
        (-0.7141, -1.0644, -0.3638), abs=5e-5
    )
    assert found.heterogeneity == pytest.approx(152.2330, abs=5e-5)
    assert found.between**2 == pytest.approx(0.3088, abs=5e-5)
    assert found.varying_share == pytest.approx(0.9212, abs=5e-5)


def test_alike_campaigns_are_weighed_by_their_precision_alone():
    found = several.combined([0.10, 0.13], [0.1, 0.2])

    assert found.between == 0
    assert found.estimate == pytest.approx((0.10 * 100 + 0.13 * 25) / 125)
    assert several.combined([0.1], [0.05]).high == pytest.approx(0.1 + 1.959964 * 0.05)
    assert several.combined([1.0], [0.0]) is None


def test_a_guard_rail_is_rarely_called_broken_or_kept_wrongly():
    rng = np.random.default_rng(5)
    at_limit = [guards.against_limit(int(n), 5_000, limit=0.005) for n in rng.poisson(25, 2_000)]

    for verdict in ("within", "broken"):
        assert np.mean([one.verdict == verdict for one in at_limit]) < 0.05
    assert guards.against_limit(40, 2_000, limit=0.005).verdict == "broken"
    assert guards.against_limit(0, 0, limit=0.005).verdict == "unknown"


def test_exact_bounds_agree_with_scipy():
    found = guards.against_limit(7, 900, limit=0.01)
    theirs = stats.binomtest(7, 900).proportion_ci(0.90, method="exact")

    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), rel=1e-9)
    theirs = stats.binomtest(7, 900).proportion_ci(0.95, method="wilson")
    assert guards.wilson(7, 900) == pytest.approx((theirs.low, theirs.high), rel=1e-9)


def test_a_variant_is_not_worse_only_once_that_is_shown():
    assert guards.not_worse(1, 50, 1, 50, margin=0.005) == "unknown"
    assert guards.not_worse(400, 10_000, 10, 10_000, margin=0.005) == "broken"


def test_the_chance_to_be_best_agrees_with_counting_draws():
    arms = [(400, 20), (500, 35), (300, 12)]
    rng = np.random.default_rng(6)
    draws = [rng.beta(1 + k, 1 + n - k, 400_000) for n, k in arms]

    counted = np.bincount(np.argmax(draws, axis=0), minlength=3) / 400_000

    assert bandit.of_conversion(arms) == pytest.approx(counted.tolist(), abs=0.003)
    two = [Sample(50, 100, 500), Sample(60, 150, 800)]
    spread = (two[0].variance * 49 + two[1].variance * 59) / 108
    z = (two[1].mean - two[0].mean) / math.sqrt(spread / 50 + spread / 60)
    assert bandit.of_mean(two)[1] == pytest.approx(stats.norm.cdf(z), abs=1e-3)
    assert bandit.of_mean([Sample(50, 100, 500), Sample(0, 0, 0)]) == [0.5, 0.5]


def test_thompson_sampling_loses_less_than_even_shares_and_finds_the_best():
    rng, rates = np.random.default_rng(7), np.array([0.05, 0.06, 0.09])
    lost, last = [], []
    for _ in range(15):
        n, bought = np.zeros(3, int), np.zeros(3, int)
        for _day in range(10):
            chances = bandit.of_conversion(
                [(int(a), int(b)) for a, b in zip(n, bought, strict=True)]
            )
            people = rng.multinomial(600, bandit.shares(chances))
            n += people
            bought += rng.binomial(people, rates)
        lost.append((rates.max() - rates) @ n / n.sum())
        last.append(np.argmax(n) == 2)

    assert np.mean(lost) < 0.5 * np.mean(rates.max() - rates)
    assert np.mean(last) > 0.9


def test_the_calculators_agree_with_each_other_and_with_the_older_ones():
    usual = power.Usual.conversion(0.08)
    needed = power.sample_size(0.02, usual, share=0.1)

    assert power.smallest_effect(needed, usual, share=0.1) == pytest.approx(0.02, rel=1e-3)
    arms = Sample(900, 72, 72), Sample(100, 8, 8)
    assert power.customers_needed(0.02, *arms) == pytest.approx(needed, rel=0.01)
    assert power.sample_size(0, usual, share=0.1) is None
    assert power.days_until(100, 200, per_day=0, window_days=7) == 7
    assert power.days_until(300, 200, per_day=0, window_days=7) == math.inf
