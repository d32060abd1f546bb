import json
import os

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from segments.evaluation.drift import FALSE_ALARMS, _holm_levels, _null, drift, psi, reference
from tests.segments.evaluation.drifting import MOVES, customers

LONG = os.environ.get("RAPPORT_LONG") == "1"
# (customers, redraws)
REDRAWS = [(100, 1_000), (1_000, 1_000), (100_000, 1_000)] if LONG else [(100, 30), (1_000, 20)]
MOST_FALSE = 0.02


def redrawn(n: int, *seed: int) -> tuple[dict, pd.DataFrame, np.random.Generator]:
    rng = np.random.default_rng([n, *seed])
    return reference(customers(rng, n)), customers(rng, n), rng


def alarms(kept: dict, now: pd.DataFrame) -> set[str]:
    return {found.name for found in drift(kept, now) if found.is_alarm}


@pytest.mark.parametrize(("n", "redraws"), REDRAWS)
def test_customers_drawn_again_alarm_in_two_of_a_hundred_checks_at_most(n, redraws):
    false = 0
    for seed in range(redraws):
        kept, now, _ = redrawn(n, seed)
        false += bool(alarms(kept, now))

    assert false / redraws <= MOST_FALSE + (0 if LONG else 0.03), f"{false} of {redraws}"


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("n", [1_000, 100_000] if LONG else [1_000])
def test_each_of_ten_drifts_is_found_and_nothing_else(move, n):
    column, moved = MOVES[move]
    for seed in range(20 if LONG else 2):
        kept, now, rng = redrawn(n, seed, 7)
        now[column] = moved(now, rng)

        assert column in alarms(kept, now)


def test_a_unit_gone_wrong_and_a_score_that_collapses_are_found_among_a_hundred_customers():
    for move in ("cents for euros", "a score collapses"):
        column, moved = MOVES[move]
        kept, now, rng = redrawn(100, 1)
        now[column] = moved(now, rng)

        assert alarms(kept, now) == {column}


def test_fixed_cut_offs_would_alarm_at_a_hundred_customers():
    rng = np.random.default_rng(1)
    found = []
    for _ in range(200):
        p, q = rng.multinomial(100, np.full(10, 0.1), size=2)
        found.append(float(psi(p, q)))

    # Nine degrees of freedom times 2/100 is .18, a little less with half a customer in each bin.
    assert np.mean(found) == pytest.approx(0.17, abs=0.02)
    assert np.mean(np.array(found) > 0.1) > 0.8


def test_with_full_bins_the_drawn_null_is_chi_square():
    counts = (500,) * 10
    drawn = _null(counts, 5_000, 0)

    expected = stats.chi2.ppf([0.5, 0.9, 0.99], 9) * (1 / 5_000 + 1 / 5_000)
    np.testing.assert_allclose(np.quantile(drawn, [0.5, 0.9, 0.99]), expected, rtol=0.04)


def test_what_moves_by_construction_is_told_and_never_alarms():
    kept, now, _ = redrawn(1_000, 3)
    now["tenure_days"] += 365

    (found,) = [each for each in drift(kept, now) if each.name == "tenure_days"]

    assert not found.is_alarm and found.statistic > 1 and found.threshold is None
    assert "never alarms" in found.words
    assert "tenure_days" in {each.name for each in drift(kept, now, excluded=()) if each.is_alarm}


def test_the_sentence_names_where_customers_went():
    kept, now, rng = redrawn(1_000, 5)
    now["discount_share"] = MOVES["more zeros"][1](now, rng)

    (found,) = [each for each in drift(kept, now) if each.is_alarm]

    assert found.words.startswith("discount_share has moved: PSI ")
    assert "up to 0 went from" in found.words and "n = 1,000 at training, 1,000 now" in found.words


def test_a_reference_is_small_goes_through_json_and_holds_nobodys_value():
    table = customers(np.random.default_rng(2), 5_000)
    kept = reference(table)

    again = json.loads(json.dumps(kept))

    assert again == kept and len(json.dumps(kept)) < 8_000
    assert all(sum(counted["counts"]) == 5_000 for counted in kept.values())
    for counted in kept.values():  # no bin ends at the value of one person
        assert min(count for count in counted["counts"] if count) >= 5


def test_ties_stay_in_one_bin_and_counts_agree_with_a_loop():
    values = pd.DataFrame({"x": [0.0] * 70 + [1.0] * 15 + list(np.linspace(2, 9, 30)) + [np.nan]})
    counted = reference(values)["x"]

    edges = [-np.inf, *counted["cuts"], np.inf]
    by_hand = [
        sum(low < value <= high for value in values["x"])
        for low, high in zip(edges, edges[1:], strict=False)
    ]
    assert counted["counts"] == [*by_hand, 1]
    assert counted["counts"][0] == 70


def test_a_table_against_itself_is_as_at_training():
    table = customers(np.random.default_rng(4), 800).astype({"days_since_last_order": "float32"})

    found = drift(reference(table), table.sample(frac=1, random_state=1))

    assert {each.statistic for each in found} == {0.0}


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (pd.DataFrame({"other": [1.0] * 50}), "x is not computed any more."),
        (pd.DataFrame({"x": [1.0] * 10}), "x is not compared: 10 customers"),
        (pd.DataFrame({"x": []}), "x is not compared: 0 customers"),
    ],
)
def test_what_cannot_be_compared_says_so_and_does_not_alarm(now, words):
    (found,) = drift(reference(pd.DataFrame({"x": np.arange(50.0)})), now)

    assert found.words.startswith(words)
    assert found.statistic is None and not found.is_alarm


def test_constant_and_empty_columns_are_no_trouble():
    table = pd.DataFrame({"same": np.ones(60), "none": np.full(60, np.nan)})
    kept = reference(table)

    assert not any(each.is_alarm for each in drift(kept, table))
    moved = pd.DataFrame({"same": np.zeros(60), "none": np.ones(60)})
    assert alarms(kept, moved) == {"same", "none"}


def test_levels_are_those_of_holm():
    levels = _holm_levels(np.array([1e-6, 0.5, 1e-5, 0.9]))

    expected = [FALSE_ALARMS / 4, FALSE_ALARMS / 2, FALSE_ALARMS / 3, FALSE_ALARMS / 2]
    np.testing.assert_allclose(levels, expected)
