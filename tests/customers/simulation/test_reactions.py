"""What a message changes is the known effect, and nothing else."""

from datetime import datetime, timedelta

import numpy as np
import pytest

from customers.simulation.effects import Truth, order_probability
from customers.simulation.plan import BARGAIN, BEHAVIOURS, LOYAL
from customers.simulation.reactions import effects_of, react
from customers.simulation.rows import HEADERS
from tests.customers.simulation.conftest import UNTIL, Z_LIMIT

SENT = UNTIL + timedelta(hours=9)


@pytest.fixture(scope="module")
def truth(chunk) -> Truth:
    return chunk.truth


def half(truth, seed=3):
    return np.random.default_rng(seed).random(truth.size) < 0.5


def bought(truth, reactions):
    buyers = {row["customer_id"] for row in reactions.orders}
    return np.isin(np.array(truth.external_id), list(buyers))


def test_the_difference_between_the_arms_is_the_true_effect(truth):
    treated = half(truth)

    reactions = react(truth, treated=treated, sent_at=SENT, seed=1)

    found = bought(truth, reactions)
    one, other = found[treated], found[~treated]
    error = np.sqrt(one.var() / one.size + other.var() / other.size)
    assert abs(one.mean() - other.mean() - reactions.true_effect) < Z_LIMIT * error
    assert one.mean() - other.mean() > 1.96 * error  # 20,000 customers are enough to see it


@pytest.mark.long
@pytest.mark.slow
def test_an_interval_covers_the_true_effect_as_often_as_it_says(truth):
    covered = 0
    for seed in range(100):
        treated = half(truth, seed)
        reactions = react(truth, treated=treated, sent_at=SENT, seed=seed)
        found = bought(truth, reactions)
        one, other = found[treated], found[~treated]
        error = np.sqrt(one.var() / one.size + other.var() / other.size)
        covered += abs(one.mean() - other.mean() - reactions.true_effect) < 1.96 * error
    assert covered >= 88  # of 95 expected; fewer has a chance of 1 in 700


def test_the_untreated_buy_as_they_would_have_anyway(truth):
    base, added = effects_of(truth, sent_at=SENT)

    found = bought(truth, react(truth, treated=np.zeros(truth.size, bool), sent_at=SENT, seed=1))

    error = np.sqrt((base * (1 - base)).sum())
    assert abs(found.sum() - base.sum()) < Z_LIMIT * error
    assert 0.04 < base.mean() < 0.12
    assert 0.02 < added.mean() < 0.035


def test_a_message_changes_only_those_who_got_it(truth):
    treated = half(truth)
    none = np.zeros(truth.size, bool)

    with_message, without = (
        bought(truth, react(truth, treated=who, sent_at=SENT, seed=5)) for who in (treated, none)
    )

    assert (with_message[~treated] == without[~treated]).all()
    assert (with_message[treated] != without[treated]).any()


def test_effects_differ_by_type_as_they_were_drawn_and_some_do_harm(truth):
    alive = np.isnan(truth.left)
    for index, behaviour in enumerate(BEHAVIOURS):
        effect = truth.effect[(truth.behaviour == index) & alive]
        error = behaviour.effect_sd / np.sqrt(effect.size)
        assert abs(effect.mean() - behaviour.effect_mean) < Z_LIMIT * error
    loyal = truth.effect[truth.behaviour == LOYAL]
    assert 0.1 < (loyal <= 0).mean() < 0.5
    assert truth.effect[truth.behaviour == BARGAIN].mean() > 5 * loyal.mean()


def test_the_probability_of_an_order_agrees_with_drawn_waiting_times(truth, shop):
    rng = np.random.default_rng(11)
    start, days = int(SENT.timestamp()), 90
    expected = order_probability(truth, start_second=start, window_days=days)

    orders = np.zeros(truth.size, bool)
    for index, behaviour in enumerate(BEHAVIOURS):
        mine = np.flatnonzero((truth.behaviour == index) & truth.is_alive)
        now = shop.clock.busy_days(behaviour.season, np.array([start]))
        next_busy = now + rng.exponential(1 / truth.rate_now[mine])
        moment = shop.clock.moments(behaviour.season, next_busy)
        orders[mine] = moment < start + days * 86_400

    error = np.sqrt((expected * (1 - expected)).sum())
    assert abs(orders.sum() - expected.sum()) < Z_LIMIT * error
    assert expected.sum() > 1_000


def test_the_same_seed_reacts_the_same_way_to_mask_and_ids(truth):
    treated = half(truth)
    ids = np.array(truth.external_id)[treated]

    one = react(truth, treated=treated, sent_at=SENT, seed=2)
    same = react(truth, treated=ids, sent_at=SENT, seed=2)
    other = react(truth, treated=treated, sent_at=SENT, seed=3)

    assert one == same
    assert one.orders != other.orders


def test_only_treated_people_open_and_clicks_follow_opens(truth):
    treated = half(truth)
    ids = set(np.array(truth.external_id)[treated])

    reactions = react(truth, treated=treated, sent_at=SENT, seed=4)

    opens, clicks = dict(reactions.opens), dict(reactions.clicks)
    assert opens.keys() <= ids and clicks.keys() <= opens.keys()
    assert all(clicks[key] > opens[key] > SENT for key in clicks)
    assert {touch.external_id for touch in reactions.unsubscribes} <= opens.keys()
    assert [t.happened_at for t in reactions.opens] == sorted(opens.values())
    assert 0.25 < len(opens) / treated.sum() < 0.6
    assert 0.1 < len(clicks) / len(opens) < 0.4
    assert 0 < len(reactions.unsubscribes) / treated.sum() < 0.02


def test_orders_are_rows_of_the_import_within_the_window(truth):
    reactions = react(truth, treated=half(truth), sent_at=SENT, seed=4, window_days=7)

    columns = HEADERS["orders"].split(",")
    until = (SENT + timedelta(days=7)).strftime("%Y-%m-%dT%H:%M:%SZ")
    for row in reactions.orders:
        assert list(row) == columns
        assert SENT.strftime("%Y-%m-%dT%H:%M:%SZ") <= row["happened_at"] < until
    keys = [(row["order_id"], row["position"]) for row in reactions.orders]
    assert len(set(keys)) == len(keys)
    assert len({row["order_id"] for row in reactions.orders}) == bought(truth, reactions).sum()


def test_coupons_are_used_by_those_who_got_them_and_cost_what_they_say(truth):
    treated = half(truth)
    ids = np.array(truth.external_id)
    codes = {key: f"MAY-{key}" for key in ids[treated].tolist()}

    reactions = react(truth, treated=treated, sent_at=SENT, seed=4, coupons=codes, percent_off=20.0)

    used = [row for row in reactions.orders if row["coupon_code"].startswith("MAY-")]
    assert used and len(used) < len(reactions.orders)
    worth: dict[str, float] = {}
    for row in used:
        assert row["coupon_code"] == codes[row["customer_id"]]
        line = int(row["quantity"]) * float(row["unit_price"]) - float(row["line_discount"])
        worth[row["order_id"]] = worth.get(row["order_id"], 0.0) + line
    for row in used:
        # Rounded to the coin.
        assert abs(float(row["order_discount"]) - 0.2 * worth[row["order_id"]]) < 0.0051


def test_treated_must_fit_the_shop(truth):
    with pytest.raises(ValueError, match="1 strangers, as 'nobody'"):
        react(truth, treated=np.array(["C00000001", "nobody"]), sent_at=SENT, seed=1)
    with pytest.raises(ValueError, match=r"shape \(3,\)"):
        react(truth, treated=np.zeros(3, bool), sent_at=SENT, seed=1)
    with pytest.raises(ValueError, match="horizon"):
        react(truth, treated=half(truth), sent_at=UNTIL - timedelta(days=1), seed=1)


def test_the_truth_survives_being_stored(truth):
    again = Truth.of(truth.arrays(), truth.params)

    assert again.external_id == truth.external_id
    assert again.plan.until == datetime.fromisoformat(truth.params["plan"]["until"])
    assert set(again.type_name) == {each.name for each in BEHAVIOURS}
