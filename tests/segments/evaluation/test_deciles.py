import numpy as np
import pytest

from segments.evaluation.deciles import deciles


def test_tenths_of_honest_probabilities_come_true_highest_first():
    rng = np.random.default_rng(1)
    p = rng.random(20_000)

    rows = deciles(rng.random(20_000) < p, p)

    assert [row["decile"] for row in rows] == list(range(1, 11))
    assert [row["n"] for row in rows] == [2_000] * 10
    # Uniform probabilities: the means of the tenths are .95, .85 … .05.
    for place, row in enumerate(rows):
        assert row["expected"] == pytest.approx(0.95 - place / 10, abs=0.01)
        assert row["observed"] == pytest.approx(row["expected"], abs=5 * 0.5 / np.sqrt(2_000))
    assert rows[0]["lift"] == pytest.approx(1.9, abs=0.05)


def test_the_order_of_rows_with_equal_predictions_says_nothing():
    p = np.repeat([0.9, 0.5, 0.1], [5, 60, 35])
    y = np.arange(100) % 2
    shuffle = np.random.default_rng(2).permutation(100)

    assert deciles(y[shuffle], p[shuffle]) == deciles(y, p)
    # All tenths within the sixty customers of one prediction are the same.
    assert len({row["observed"] for row in deciles(y, p)[1:6]}) == 1


def test_groups_differ_by_one_customer_at_most_and_few_customers_make_few_groups():
    sizes = [row["n"] for row in deciles(np.ones(23), np.arange(23))]
    assert sum(sizes) == 23 and max(sizes) - min(sizes) == 1

    assert [row["n"] for row in deciles([1, 0, 1], [0.1, 0.2, 0.3])] == [1, 1, 1]
    assert deciles([], []) == []


def test_a_missing_value_is_left_out_and_no_hit_leaves_no_lift():
    rows = deciles([0, 0, np.nan, 0], [0.1, np.nan, 0.3, 0.4])

    assert sum(row["n"] for row in rows) == 2
    assert {row["lift"] for row in rows} == {None}
