from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from customers.features import table
from customers.features.facts import facts
from tests.customers.features.given import ADA, AS_OF, BOB, LINES, ORDERS, at, invented

BY_HAND = {
    "frequency": (2, 0),
    "recency": (100, 0),  # 1 October to 9 January
    "age": (122, 29),
    "monetary": (60.0, np.nan),  # (30 + 90) / 2
    "days_since_last_order": (22.0, 29.0),
    "orders_total": (4, 1),
    "revenue_total": (140.0, 15.0),  # 170 − 30
    "mean_order_value": (42.5, 15.0),
    "tenure_days": (122.125, 29.0),
    "mean_gap_days": (50.0, np.nan),
    "orders_30d": (3, 1),
    "orders_90d": (3, 1),
    "orders_365d": (4, 1),
    "revenue_30d": (90.0, 15.0),  # 120 − 30
    "revenue_90d": (90.0, 15.0),
    "revenue_365d": (140.0, 15.0),
    "distinct_products": (3, 1),
    "basket_size": (7 / 4, 4.0),
    "discount_share": (12 / 182, 0.0),
    "refund_share": (30 / 170, 5 / 20),
}


@pytest.mark.parametrize("name", [feature.name for feature in table.catalogue()])
def test_the_table_agrees_with_the_hand_count(name):
    found = table.features(facts(ORDERS, LINES), AS_OF)

    assert list(found.index) == [ADA, BOB]  # Eve is not yet, Mallory only ever gave back
    assert found[name].tolist() == pytest.approx(BY_HAND[name], nan_ok=True, rel=1e-6)


def test_every_feature_declares_what_it_is():
    names = [feature.name for feature in table.catalogue()]
    found = table.features(facts(ORDERS, LINES), AS_OF)

    assert list(found.columns) == names and len(set(names)) == len(names)
    for feature in table.catalogue():
        assert feature.meaning.endswith(".") and feature.unit
        assert found[feature.name].dtype == feature.dtype
        assert (feature.window_days is not None) == feature.name.endswith("d")


def test_rows_may_come_in_any_order():
    orders, lines = invented(400)
    shuffled = facts(orders.sample(frac=1, random_state=0), lines.sample(frac=1, random_state=1))

    pd.testing.assert_frame_equal(
        table.features(shuffled, at("2024-06-01")),
        table.features(facts(orders, lines), at("2024-06-01")),
        check_exact=True,
    )


def test_one_customer_alone_has_the_numbers_she_has_among_others():
    orders, lines = invented(400)
    everybody = table.features(facts(orders, lines), at("2024-06-01"))

    for customer_id in everybody.index:
        hers = orders[orders["customer_id"] == customer_id]
        alone = table.features(facts(hers, lines), at("2024-06-01"))
        pd.testing.assert_frame_equal(alone, everybody.loc[[customer_id]], check_exact=True)


def test_no_facts_give_an_empty_table_with_all_columns():
    for orders in (ORDERS.iloc[:0], ORDERS[ORDERS["kind"] == "refund"]):
        found = table.features(facts(orders, LINES), AS_OF)

        assert len(found) == 0
        assert list(found.columns) == [feature.name for feature in table.catalogue()]
        assert found.dtypes.astype(str).tolist() == [f.dtype for f in table.catalogue()]


def test_orders_without_lines_have_empty_baskets():
    found = table.features(facts(ORDERS), AS_OF)

    assert found["distinct_products"].tolist() == [0, 0]
    assert found["basket_size"].tolist() == [0, 0]


def test_a_free_first_order_has_no_shares():
    free = ORDERS.iloc[[5]].assign(amount=0.0)

    found = table.features(facts(free), AS_OF).loc[BOB]

    assert np.isnan(found["discount_share"]) and np.isnan(found["refund_share"])
    assert found["orders_total"] == 1


def test_a_naive_moment_is_refused():
    with pytest.raises(ValueError, match="time zone"):
        table.features(facts(ORDERS), AS_OF.tz_localize(None))


def test_a_window_begins_exactly_so_many_days_back():
    moment = at("2024-01-31 12:00")
    edge = ORDERS.iloc[[5]].assign(
        placed_at=moment - pd.Timedelta(days=30), recorded_at=moment - pd.Timedelta(days=30)
    )
    before = edge.assign(placed_at=edge["placed_at"] - pd.Timedelta(microseconds=1))

    assert table.features(facts(edge), moment)["orders_30d"].tolist() == [1]
    assert table.features(facts(before), moment)["orders_30d"].tolist() == [0]


def test_the_documentation_says_what_the_catalogue_says():
    page = (Path(__file__).parents[3] / "docs" / "features.md").read_text(encoding="utf-8")

    for feature in table.catalogue():
        row = f"| `{feature.name}` | {feature.kind} | {feature.unit} | {feature.meaning} |"
        assert row in page, f"docs/features.md lacks: {row}"


def test_discounts_on_lines_count_as_discounts():
    orders = pd.DataFrame(
        {
            "customer_id": [7, 8],
            "order_id": [1, 2],
            "placed_at": pd.Timestamp("2026-01-01", tz="UTC"),
            "recorded_at": pd.Timestamp("2026-01-01", tz="UTC"),
            "amount": [60.0, 50.0],
            "discount": [10.0, 0.0],
            "kind": "sale",
        }
    )
    lines = pd.DataFrame(
        {
            "order_id": [1, 1, 2],
            "product_id": [5, 6, 5],
            "quantity": [1, 1, 1],
            "recorded_at": pd.to_datetime(["2026-01-01", "2026-01-01", "2026-03-01"], utc=True),
            "discount": [20.0, 10.0, 50.0],  # the last was learnt of after the order
        }
    )

    found = table.features(facts(orders, lines), at("2026-02-01"))

    assert found["discount_share"].tolist() == pytest.approx([0.4, 0.0])
