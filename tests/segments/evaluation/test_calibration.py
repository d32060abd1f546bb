import numpy as np
import pytest

from segments.evaluation.calibration import (
    expected_and_observed,
    expected_calibration_error,
    reliability,
)


def honest(n: int = 20_000, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    p = rng.random(n)
    return (rng.random(n) < p).astype(int), p


def test_deciles_of_honest_probabilities_lie_on_the_line():
    table = reliability(*honest())

    assert table["n"].tolist() == [2_000] * 10
    assert (table["low"].to_numpy()[1:] > table["high"].to_numpy()[:-1]).all()
    # Five standard errors of a share among 2,000.
    assert (table["expected"] - table["observed"]).abs().max() < 5 * 0.5 / np.sqrt(2_000)
    inside = table["expected"].between(table["observed_low"], table["observed_high"])
    assert inside.sum() >= 8


def test_the_wilson_interval_agrees_with_the_textbook():
    table = reliability(np.r_[np.ones(8), np.zeros(2)], np.full(10, 0.5))

    # Wilson (1927) for 8 of 10: 0.490 to 0.943
    assert table[["observed_low", "observed_high"]].iloc[0].tolist() == pytest.approx(
        [0.4901625, 0.9433178], abs=1e-6
    )


def test_equal_predictions_stay_in_one_group():
    p = np.r_[np.full(80, 0.2), np.linspace(0.5, 0.9, 20)]

    table = reliability(np.arange(100) % 2, p)

    assert table["n"].sum() == 100 and table["n"].max() == 80
    assert table["expected"].iloc[0] == pytest.approx(0.2)


def test_nobody_gives_an_empty_table():
    assert len(reliability([], [])) == 0


def test_calibration_error_is_small_for_honest_and_large_for_boastful_probabilities():
    y, p = honest()

    # By chance alone each of ten groups is off by about 0.009 on average.
    assert expected_calibration_error(y, p).value < 0.02
    boast = expected_calibration_error(y, np.clip(p + 0.2, 0, 1))
    assert boast.low < boast.value < boast.high
    assert boast.value == pytest.approx(0.18, abs=0.02)  # 0.2, less what is cut off at 1


def test_calibration_error_agrees_with_a_count_by_hand():
    y, p = np.tile([0, 1, 1, 1], 10), np.repeat([0.25, 0.75], 20)

    found = expected_calibration_error(y, p, bins=2)

    assert found.value == pytest.approx((0.5 + 0.0) / 2)  # both halves came true 3 times in 4


def test_calibration_error_is_the_mean_gap_of_the_reliability_table():
    y, p = honest(2_000)
    table = reliability(y, p)

    gap = (table["expected"] - table["observed"]).abs()

    found = expected_calibration_error(y, p)
    assert found.value == pytest.approx((gap * table["n"]).sum() / 2_000, rel=1e-9)


def test_calibration_error_of_too_few_or_missing_is_unknown():
    y, p = honest(29)
    assert "29 customers" in expected_calibration_error(y, p).note
    y, p = honest(50)
    p[0] = np.nan
    assert not expected_calibration_error(y, p).is_known


def test_totals_are_compared_group_by_group():
    table = expected_and_observed([1, 0, 2, 0], [0.5, 0.5, 3, 0.2], ["May", "May", "June", "July"])

    assert table.index.tolist() == ["July", "June", "May"]
    assert table["n"].tolist() == [1, 1, 2]
    assert table["ratio"].tolist() == pytest.approx([np.nan, 1.5, 1.0], nan_ok=True)
