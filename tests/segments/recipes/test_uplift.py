"""What a campaign's arms tell of whom its message moves, and when they tell nothing."""

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from threadpoolctl import threadpool_limits

from segments.recipes import uplift

AS_OF = datetime(2026, 3, 1, tzinfo=UTC)


def campaign(effect_of, *, n: int = 2_500, share: float = 0.5, seed: int = 0):
    """Customers who buy by habit, and more or less of them after a message."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "days_since_last_order": rng.exponential(60, n),
            "orders_total": rng.geometric(0.3, n),
            "discount_share": np.where(rng.random(n) < 0.4, 0.0, rng.beta(2, 3, n)),
            "mean_gap_days": np.where(rng.random(n) < 0.3, np.nan, rng.gamma(3, 15, n)),
        },
        index=pd.Index(rng.permutation(n) + 1, name="customer_id"),
    )
    treated = pd.Series((rng.random(n) < share).astype(float), table.index)
    base = 0.25 + 0.1 * (table["orders_total"] > 3)
    chance = (base + treated * effect_of(table)).clip(0, 1)
    return table, treated, (pd.Series(rng.random(n), table.index) < chance).astype(float)


def trained(effect_of, **given):
    with threadpool_limits(1):  # as in training: on busy cores a second thread spins
        return uplift.train(*campaign(effect_of, **given), as_of=AS_OF, window_days=7)


def rows_of(judged) -> dict[str, dict]:
    return {row["method"]: row for row in judged.card["qini"]["rows"]}


@pytest.fixture(scope="module")
def split_shop():
    """Who likes discounts is won by the message, the others are put off."""
    return trained(lambda table: np.where(table["discount_share"] > 0.2, 0.3, -0.2))


def test_the_learner_is_chosen_by_held_out_qini_and_stands_beside_its_baselines(split_shop):
    rows = rows_of(split_shop)

    assert {uplift.RANDOM, uplift.RESPONSE, uplift.RULE} < set(rows)
    (chosen,) = [name for name, row in rows.items() if row["chosen"]]
    assert chosen == split_shop.method and chosen not in (uplift.RANDOM, uplift.RESPONSE)
    assert rows[chosen]["low"] > 0 > rows[uplift.RANDOM]["low"]
    assert split_shop.card["qini"]["rule"] == "most discount_share first"
    assert not split_shop.comparisons[0].is_worse


def test_whom_the_message_puts_off_is_left_alone(split_shop):
    assert split_shop.card["advice"].startswith("Write to the top ")
    assert "order less when written to" in split_shop.card["advice"]


def test_the_curve_ends_at_the_average_effect(split_shop):
    share, gain = split_shop.card["qini"]["curve"][-1]

    assert share == 1
    assert gain == pytest.approx(split_shop.metrics["effect"].value, abs=1e-5)
    arms = split_shop.card["arms"]
    assert gain == pytest.approx(arms["treated"]["rate"] - arms["holdout"]["rate"], abs=1e-5)


def test_where_all_gain_alike_everyone_is_written_to_and_nobody_stands_out():
    found = trained(lambda table: 0.15, seed=3)

    assert found.card["advice"].startswith("Write to everyone")
    assert found.metrics["effect"].low > 0


def test_where_all_are_put_off_alike_nobody_is_written_to():
    found = trained(lambda table: -0.15, seed=1)

    assert found.card["advice"].startswith("Write to nobody")


def test_where_nothing_happens_it_says_that_it_cannot_be_told():
    found = trained(lambda table: 0.0, n=1_500, seed=2)

    assert "cannot be told" in found.card["advice"]


@pytest.mark.parametrize(
    ("n", "share", "words"),
    [(2_500, 0.95, "more customers left alone"), (500, 0.5, "more customers written to")],
)
def test_too_small_an_arm_is_a_sentence_and_no_model(n, share, words):
    found = trained(lambda table: 0.1, n=n, share=share)

    assert found.is_fallback and found.estimator is None
    assert words in found.summary and found.summary.startswith("Too little to tell who gains")


def test_no_customer_s_own_outcome_is_in_what_is_judged():
    """Outcomes drawn at random: a ranking that had seen them would look good."""
    flattered = 0
    for seed in range(2):
        found = trained(lambda table: 0.0, n=1_500, seed=seed)
        flattered += (found.metrics["qini"].low or 0) > 0

    assert flattered == 0


def test_features_that_are_all_alike_leave_nothing_to_rank_by():
    table, treated, y = campaign(lambda table: 0.1, n=1_500)

    found = uplift.train(
        table.assign(**dict.fromkeys(table, 1.0)), treated, y, as_of=AS_OF, window_days=7
    )

    assert found.is_fallback and "customers who differ in some feature" in found.summary
