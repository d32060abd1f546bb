"""A shop's own horizon is learnt from the gaps between its orders."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd

from customers.features.facts import Facts, facts
from segments.recipes import churn, history, horizon

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def shop(gap_days: float, *, customers=80, days=700, seed=0) -> Facts:
    """Everybody orders with gaps that are exponential around one mean."""
    rng = np.random.default_rng(seed)
    rows = []
    for customer in range(1, customers + 1):
        day = rng.uniform(0, gap_days)
        while day < days:
            rows.append((customer, NOW - timedelta(days=days - day)))
            day += rng.exponential(gap_days)
    frame = pd.DataFrame(rows, columns=["customer_id", "placed_at"])
    frame["placed_at"] = pd.to_datetime(frame["placed_at"], utc=True).dt.as_unit("us")
    return facts(
        frame.assign(
            order_id=np.arange(len(frame)),
            recorded_at=frame["placed_at"],
            amount=10.0,
            discount=0.0,
            kind="sale",
        )
    )


def learnt(found: Facts) -> dict:
    return horizon.learnt(found, NOW, history.span(found, NOW), label_days=90)


def test_it_is_the_quantile_its_gaps_were_drawn_from():
    for mean, days in ((16, 30), (32, 60), (48, 90)):
        card = learnt(shop(mean, customers=400))

        assert abs(card["gap_days"] / (-mean * np.log(1 - horizon.QUANTILE)) - 1) < 0.1
        assert card["days"] == days
        assert f"{days} days" in card["words"]


def test_a_shop_that_asks_for_another_horizon_is_told_that_the_score_keeps_its_own():
    assert "all the same" in learnt(shop(16))["words"]
    assert "looks as far" in learnt(shop(48, customers=400))["words"]


def test_it_fits_three_times_into_the_history():
    assert learnt(shop(60, customers=400, days=200))["days"] <= 200 / 3


def test_few_gaps_keep_the_usual_and_say_how_many_are_missing():
    card = learnt(shop(300, customers=20, days=400))

    assert card["days"] == 90
    assert card["gap_days"] is None
    assert "more gaps between two orders" in card["words"]


def test_orders_not_yet_known_are_no_gaps():
    found = shop(20)
    half = NOW - timedelta(days=350)

    assert horizon.gaps(found, half).size < horizon.gaps(found, NOW).size * 0.6


def test_another_horizon_is_judged_but_never_serves():
    found = shop(16, customers=300, days=400)
    judged = churn.train(found, NOW, horizon_days=None)

    assert judged.card["label"] == "no order in the 30 days after the snapshot"
    assert judged.params["horizon_days"] == 30
    assert judged.defects == ["it looks 30 days ahead: judged only"]
    assert judged.card["split"]["test"] == "2026-05-02"
