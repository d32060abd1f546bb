import numpy as np
import pytest

from segments.evaluation.qini import LEAST_ARM, curve, effect, more_than_all, qini


def mailed(n: int = 4_000, *, share: float = 0.5, seed: int = 0):
    """A campaign that makes the customers buy who like mail, and only them."""
    rng = np.random.default_rng(seed)
    likes = rng.random(n)
    treated = rng.random(n) < share
    y = (rng.random(n) < 0.1 + 0.3 * treated * (likes > 0.5)).astype(float)
    return likes, treated, y


def by_hand(uplift, treated, y, share: float) -> float:
    """Of a ranking without ties: the first so many, arm against arm."""
    first = np.argsort(-uplift)[: round(share * len(y))]
    arm = treated[first]
    return share * (y[first][arm].mean() - y[first][~arm].mean())


def test_the_curve_agrees_with_a_count_by_hand():
    likes, treated, y = mailed(2_000)

    for share, gain in curve(likes, treated, y, shares=(0.1, 0.35, 0.5, 1.0)):
        assert gain == pytest.approx(by_hand(likes, treated, y, share), abs=1e-6)


def test_the_coefficient_agrees_with_the_area_under_every_customer():
    likes, treated, y = mailed(600)

    gains = [0.0]
    for k in range(1, 601):
        arm = treated[np.argsort(-likes)[:k]]
        gains.append(by_hand(likes, treated, y, k / 600) if 0 < arm.sum() < k else 0.0)
    area = np.trapezoid(gains, dx=1 / 600) - gains[-1] / 2
    assert qini(likes, treated, y, resamples=0).value == pytest.approx(area, abs=1e-9)


def test_the_true_ranking_reaches_its_expectation_within_the_interval():
    covered = 0
    for seed in range(20):
        likes, treated, y = mailed(4_000, seed=seed)
        found = qini(likes, treated, y, seed=seed, resamples=100)
        # .3 for the first half: a triangle of height .075 over the chord, area .0375
        covered += found.low <= 0.0375 <= found.high

    assert covered >= 16  # 95 % of 20 is 19; fewer than 16 comes up once in 400


def test_a_constant_has_no_area_and_the_opposite_ranking_has_it_with_the_sign_turned():
    likes, treated, y = mailed()

    assert qini(np.ones(len(y)), treated, y, resamples=0).value == pytest.approx(0, abs=1e-12)
    assert qini(likes, treated, y).low > 0
    assert qini(-likes, treated, y).high < 0


def test_a_random_ranking_has_an_interval_around_nothing():
    rng = np.random.default_rng(1)
    around = 0
    for seed in range(20):
        _, treated, y = mailed(3_000, seed=seed)
        found = qini(rng.random(len(y)), treated, y, seed=seed, resamples=100)
        around += found.low <= 0 <= found.high

    assert around >= 16


def test_the_order_of_rows_says_nothing_and_equal_values_count_together():
    likes, treated, y = mailed(1_000)
    steps = np.floor(likes * 4)
    shuffle = np.random.default_rng(2).permutation(1_000)

    assert curve(steps[shuffle], treated[shuffle], y[shuffle]) == curve(steps, treated, y)


def test_the_average_effect_is_the_end_of_the_curve_with_its_interval():
    likes, treated, y = mailed(share=0.9)

    found = effect(treated, y)

    assert found.value == pytest.approx(curve(likes, treated, y)[-1][1], abs=1e-6)
    assert found.low < 0.15 < found.high


def test_whom_a_message_puts_off_is_better_left_alone():
    rng = np.random.default_rng(3)
    likes, treated = rng.random(6_000), rng.random(6_000) < 0.5
    y = (rng.random(6_000) < 0.3 + treated * np.where(likes > 0.5, 0.15, -0.15)).astype(float)

    found = more_than_all(likes, treated, y, 0.5)

    assert found.low > 0 and found.low < 0.075 < found.high


def test_a_small_arm_says_nothing():
    likes, treated, y = mailed(1_000)
    treated[:] = True
    treated[: LEAST_ARM - 1] = False

    found = qini(likes, treated, y)

    assert found.value is None and "only 99 customers in one arm" in found.note
    assert curve(likes, treated, y) == [] and effect(treated, y).value is None
