"""No feature reads past its moment, on either clock."""

import pandas as pd
import pytest

from customers.features import table
from customers.features.facts import facts
from tests.customers.features.given import AS_OF, LINES, ORDERS, at, invented

FEATURES = [feature.name for feature in table.catalogue()]
MOMENT = at("2024-03-01")
LATER = pd.Timedelta(days=3)


def known(frame: pd.DataFrame, moment: pd.Timestamp) -> pd.Series:
    return (frame["placed_at"] < moment) & (frame["recorded_at"] < moment)


@pytest.fixture(scope="module")
def before_and_after():
    """The table from what was known at the moment, and from all that came to be known."""
    orders, lines = invented(1_500)
    past = orders[known(orders, MOMENT)]
    past_lines = lines[lines["recorded_at"] < MOMENT]
    assert 300 < len(past) < len(orders) and len(past_lines) < len(lines)
    return (
        table.features(facts(past, past_lines), MOMENT),
        table.features(facts(orders, lines), MOMENT),
    )


@pytest.mark.parametrize("name", FEATURES)
def test_what_happens_or_is_told_later_changes_nothing(name, before_and_after):
    before, after = before_and_after

    pd.testing.assert_series_equal(before[name], after[name], check_exact=True)


@pytest.mark.parametrize("name", FEATURES)
def test_facts_at_the_very_moment_are_not_seen(name):
    at_the_moment = ORDERS[ORDERS["kind"] == "sale"].assign(
        placed_at=AS_OF, recorded_at=AS_OF, order_id=lambda rows: rows["order_id"] + 1_000
    )
    told_at_the_moment = ORDERS.assign(
        recorded_at=AS_OF, order_id=lambda rows: rows["order_id"] + 2_000
    )
    more = pd.concat([ORDERS, at_the_moment, told_at_the_moment])
    more_lines = pd.concat([LINES, LINES.assign(product_id=999, recorded_at=AS_OF)])

    before = table.features(facts(ORDERS, LINES), AS_OF)
    after = table.features(facts(more, more_lines), AS_OF)

    pd.testing.assert_series_equal(before[name], after[name], check_exact=True)


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
