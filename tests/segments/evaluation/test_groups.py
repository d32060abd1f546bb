import numpy as np
import pandas as pd
import pytest

from segments.evaluation.groups import LEAST_GROUP, by_group, holm

COUNTRIES = [f"C{place:02}" for place in range(12)]


def crowd(n: int = 6_000, *, seed: int = 0) -> tuple[pd.Series, pd.Series, pd.DataFrame]:
    """Outcomes that keep to their probabilities, whoever people are."""
    rng = np.random.default_rng(seed)
    index = pd.Index(rng.permutation(n) + 1, name="customer_id")
    p = pd.Series(rng.beta(2, 3, n), index=index)
    y = pd.Series((rng.random(n) < p).astype(float), index=index)
    people = pd.DataFrame(
        {
            "country": pd.Categorical(rng.choice(COUNTRIES, n)),
            "language": pd.Categorical(rng.choice(["de", "fr", ""], n)),
            "age_band": pd.Categorical(rng.choice(["18–24", "25–34", ""], n)),
            "gender": pd.Categorical(rng.choice(["f", "m", ""], n)),
        },
        index=index,
    )
    return y, p, people


def rows_of(found: dict, group: str, value: str) -> dict:
    (row,) = [row for row in found["rows"] if (row["group"], row["value"]) == (group, value)]
    return row


def test_each_group_has_its_figures_as_counted_by_hand():
    y, p, people = crowd()

    row = rows_of(by_group(y, p, people, threshold=0.5, seed=0), "language", "de")

    here = (people["language"] == "de").to_numpy()
    assert row["n"] == here.sum()
    assert row["selected_share"] == pytest.approx((p[here] >= 0.5).mean(), abs=1e-6)
    assert row["expected"] == pytest.approx(p[here].mean(), abs=1e-6)
    assert row["observed"] == pytest.approx(y[here].mean(), abs=1e-6)
    assert row["error"] == pytest.approx(((y - p)[here] ** 2).mean(), abs=1e-6)
    assert row["low"] < row["observed"] < row["high"]


@pytest.mark.long
def test_groups_that_are_all_alike_give_no_warning_in_nineteen_of_twenty_shops():
    warned = 0
    for seed in range(60):
        y, p, people = crowd(2_500, seed=seed)
        warned += bool(by_group(y, p, people, threshold=0.5, seed=0)["warnings"])

    # 5 % of 60 is 3; eight or more come up in 1 of 100 such series.
    assert warned < 8


def test_a_group_that_the_model_misjudges_is_named_in_a_sentence():
    y, p, people = crowd()
    wrong = (people["country"] == "C03").to_numpy()
    y[wrong] = (np.random.default_rng(1).random(wrong.sum()) < p[wrong] + 0.2).astype(float)

    found = by_group(y, p, people, threshold=0.5, seed=0)

    (words,) = found["warnings"]
    assert words.startswith("For people in C03 the model expects less than came: ")
    assert [row["value"] for row in found["rows"] if row["is_warning"]] == ["C03"]


def test_a_group_that_is_selected_far_less_often_is_named_with_what_came_of_it():
    y, p, people = crowd()
    old = (people["age_band"] == "25–34").to_numpy()
    p[old] *= 0.6
    y[old] = (np.random.default_rng(1).random(old.sum()) < p[old]).astype(float)

    found = by_group(y, p, people, threshold=0.5, seed=0)

    words = [each for each in found["warnings"] if each.startswith("Of people aged 25–34")]
    assert len(words) == 1 and "would be selected" in words[0] and "observed" in words[0]


def test_groups_too_small_to_judge_and_unknown_ones_are_not_told():
    y, p, people = crowd(1_000)
    few = people.index[: LEAST_GROUP - 1]
    country = people["country"].astype(object)
    country[:] = "FR"
    country[few] = "IS"

    found = by_group(y, p, people.assign(country=country), threshold=0.5, seed=0)

    assert {row["value"] for row in found["rows"] if row["group"] == "country"} == {"FR"}
    assert "" not in {row["value"] for row in found["rows"]}


def test_people_are_matched_by_customer_in_any_order_and_strangers_belong_to_no_group():
    y, p, people = crowd()
    there = people.sample(frac=0.9, random_state=1)

    found = by_group(y, p, there, threshold=0.5, seed=0)

    assert found == by_group(y[there.index], p[there.index], there, threshold=0.5, seed=0)


def test_amounts_are_judged_without_a_threshold():
    rng = np.random.default_rng(5)
    y, p, people = crowd()
    paid = p * 100 * rng.gamma(2, 0.5, len(p))
    paid[(people["gender"] == "f").to_numpy()] *= 1.5

    found = by_group(paid, p * 100, people, threshold=None, seed=0)

    assert rows_of(found, "gender", "f")["selected_share"] is None
    assert rows_of(found, "gender", "f")["is_warning"]
    assert not rows_of(found, "gender", "m")["is_warning"]


def test_nobody_known_gives_nothing_and_other_lengths_are_refused():
    y, p, people = crowd(100)

    assert by_group(y, p, None, threshold=0.5, seed=0) == {"rows": [], "warnings": []}
    with pytest.raises(ValueError, match="100 outcomes, 100 predictions and 99 people"):
        by_group(y.to_numpy(), p.to_numpy(), people[:-1], threshold=0.5, seed=0)


def test_corrected_p_values_are_those_of_the_textbook():
    # Holm (1979): the smallest times 4, then 3, 2, 1, never falling.
    assert holm([0.01, 0.04, 0.03, 0.005]).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]).size == 0 and holm([0.9, 0.8]).tolist() == [1.0, 1.0]
