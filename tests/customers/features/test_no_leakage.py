"""No feature reads past its moment, on either clock."""

from functools import partial

import numpy as np
import pandas as pd
import pytest

from customers.features import table
from customers.features.facts import Facts, facts
from customers.features.feature import Feature
from tests.customers.features.given import (
    AS_OF,
    EVENTS,
    FACTS,
    GOODS,
    LINES,
    ORDERS,
    REVIEWS,
    at,
    invented,
    invented_behaviour,
    with_behaviour,
)  # fmt: skip

FEATURES = [feature.name for feature in table.catalogue()]
MOMENT = at("2024-03-01")
LATER = pd.Timedelta(days=3)
KINDS = ("purchases", "refunds", "lines", "events", "reviews")


def told(frame: pd.DataFrame, moment: pd.Timestamp) -> pd.DataFrame:
    """What had happened and was known, by whichever columns the frame has."""
    clocks = [name for name in ("placed_at", "happened_at", "recorded_at") if name in frame]
    return frame[(frame[clocks] < moment).all(axis=1)]


@pytest.fixture(scope="module")
def before_and_after() -> tuple[Facts, Facts]:
    """What was known at the moment, and all that came to be known."""
    orders, lines = invented(1_500)
    did, wrote, goods = invented_behaviour(6_000)
    past = (told(frame, MOMENT) for frame in (orders, lines, did, wrote))
    before = with_behaviour(facts(next(past), next(past)), next(past), next(past), goods)
    after = with_behaviour(facts(orders, lines), did, wrote, goods)
    return before, after


@pytest.fixture(scope="module")
def at_the_moment() -> tuple[Facts, Facts]:
    """The cast, and the cast with as much again that happened or was told at the very moment."""
    sold = ORDERS[ORDERS["kind"] == "sale"].assign(placed_at=AS_OF, recorded_at=AS_OF)
    more = [
        sold.assign(order_id=sold["order_id"] + 1_000),
        ORDERS.assign(recorded_at=AS_OF, order_id=ORDERS["order_id"] + 2_000),
    ]
    more_lines = [LINES.assign(product_id=999, recorded_at=AS_OF)]
    goods = pd.concat([GOODS, GOODS.tail(1).assign(product_id=999, category="New", brand="New")])
    after = with_behaviour(
        facts(pd.concat([ORDERS, *more]), pd.concat([LINES, *more_lines])),
        pd.concat([EVENTS, *at_and_told(EVENTS)]),
        pd.concat([REVIEWS, *at_and_told(REVIEWS.assign(rating=1.0))]),
        goods,
    )
    return FACTS.with_goods(goods), after


def at_and_told(frame: pd.DataFrame) -> list[pd.DataFrame]:
    return [frame.assign(happened_at=AS_OF, recorded_at=AS_OF), frame.assign(recorded_at=AS_OF)]


def check(name: str, pair: tuple[Facts, Facts], moment: pd.Timestamp) -> None:
    for who in ("buyers", "seen"):
        before, after = (table.features(known, moment, names=[name], who=who) for known in pair)
        pd.testing.assert_frame_equal(before, after, check_exact=True)


@pytest.mark.parametrize("name", FEATURES)
def test_what_happens_or_is_told_later_changes_nothing(name, before_and_after):
    check(name, before_and_after, MOMENT)


@pytest.mark.parametrize("name", FEATURES)
def test_facts_at_the_very_moment_are_not_seen(name, at_the_moment):
    check(name, at_the_moment, AS_OF)


def rows_of(watched: object, *, kind: str, is_deaf: bool) -> np.ndarray:
    """A feature that reads too much: all there is, or what happened in time and was told later."""
    rows = getattr(watched._facts, kind)
    chosen = rows.placed < watched.as_of if is_deaf else slice(None)
    return watched.per_customer(rows.customer[chosen])


@pytest.mark.parametrize("is_deaf", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_planted_feature_that_leaks_is_found(
    kind, is_deaf, before_and_after, at_the_moment, monkeypatch
):
    ground = kind if kind in ("events", "reviews") else "orders"
    compute = partial(rows_of, kind=kind, is_deaf=is_deaf)
    planted = Feature("planted", "count", "rows", "Too much.", compute, ground=ground)
    monkeypatch.setattr(table, "CATALOGUE", (*table.CATALOGUE, planted))

    with pytest.raises(AssertionError):
        check("planted", before_and_after, MOMENT)
    with pytest.raises(AssertionError):
        check("planted", at_the_moment, AS_OF)


def test_there_is_something_of_each_kind_to_leak(before_and_after, at_the_moment):
    for (before, after), moment in ((before_and_after, MOMENT), (at_the_moment, AS_OF)):
        for kind in KINDS:
            known, everything = getattr(before, kind), getattr(after, kind)
            micros = moment.value // 1_000
            assert 0 < known.known(micros).sum() < everything.placed.size
            assert (everything.placed >= micros).any() or kind == "refunds"
            assert ((everything.placed < micros) & (everything.recorded >= micros)).any()


def test_late_events_and_reviews_are_invisible_until_they_are_declared_a_backfill():
    late = [frame.assign(recorded_at=AS_OF + LATER) for frame in (EVENTS, REVIEWS)]
    imported = with_behaviour(facts(ORDERS, LINES), *late, GOODS)
    declared = [frame.assign(is_backfill=True) for frame in late]

    found = table.features(imported, AS_OF)

    assert found["emails_sent_365d"].sum() == 0 and found["reviews_total"].sum() == 0
    expected = table.features(FACTS, AS_OF)
    pd.testing.assert_frame_equal(table.features(imported.backfilled(), AS_OF), expected)
    one_by_one = with_behaviour(facts(ORDERS, LINES), *declared, GOODS)
    pd.testing.assert_frame_equal(table.features(one_by_one, AS_OF), expected)


def test_a_late_import_is_invisible_until_it_is_declared_a_backfill():
    imported = facts(
        ORDERS.assign(recorded_at=AS_OF + LATER), LINES.assign(recorded_at=AS_OF + LATER)
    )
    in_time = facts(ORDERS, LINES)

    assert len(table.features(imported, AS_OF)) == 0
    pd.testing.assert_frame_equal(
        table.features(imported.backfilled(), AS_OF), table.features(in_time, AS_OF)
    )


def test_a_backfilled_order_still_hides_lines_that_came_later():
    orders = ORDERS.assign(recorded_at=AS_OF + LATER, is_backfill=True)
    with_it, later = LINES.assign(recorded_at=AS_OF + LATER), LINES.iloc[:4].copy()
    later["recorded_at"], later["product_id"] = AS_OF + 2 * LATER, 999

    found = table.features(facts(orders, pd.concat([with_it, later])), AS_OF)

    assert found["distinct_products"].tolist() == [3, 1]
    much_later = table.features(facts(orders, pd.concat([with_it, later])), AS_OF + 3 * LATER)
    assert much_later["distinct_products"].tolist()[:2] == [4, 1]
