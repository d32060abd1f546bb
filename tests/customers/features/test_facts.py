import numpy as np
import pandas as pd
import pytest

from customers.features import columns, table
from customers.features.facts import facts
from tests.customers.features.given import (
    AS_OF,
    EVENTS,
    GOODS,
    LINES,
    ORDERS,
    REVIEWS,
    at,
    invented,
)


def test_missing_columns_are_named_all_at_once():
    with pytest.raises(ValueError, match="orders lack amount, kind; found"):
        facts(ORDERS.drop(columns=["amount", "kind"]))
    with pytest.raises(ValueError, match="lines lack quantity"):
        facts(ORDERS, LINES.drop(columns="quantity"))


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="kind is gift; expected sale, refund, refunded"):
        facts(ORDERS.assign(kind="gift"))


def test_moments_without_a_zone_are_refused():
    naive = ORDERS.assign(placed_at=ORDERS["placed_at"].dt.tz_localize(None))

    with pytest.raises(ValueError, match="placed_at needs a time zone"):
        facts(naive)


def test_moments_of_any_zone_are_the_same_moments():
    local = ORDERS.assign(
        placed_at=ORDERS["placed_at"].dt.tz_convert("Asia/Tokyo"),
        recorded_at=ORDERS["recorded_at"].astype("datetime64[ms, UTC]"),
    )

    pd.testing.assert_frame_equal(
        table.features(facts(local, LINES), AS_OF), table.features(facts(ORDERS, LINES), AS_OF)
    )


def test_frames_are_left_as_they_were():
    orders, lines = ORDERS.copy(), LINES.copy()

    table.features(facts(orders, lines), AS_OF)

    pd.testing.assert_frame_equal(orders, ORDERS)
    pd.testing.assert_frame_equal(lines, LINES)


def test_ids_far_apart_and_close_together_give_the_same_numbers():
    orders, lines = invented(300)  # customer ids a million apart
    close = orders.assign(customer_id=orders["customer_id"] // 1_000_003)
    far = orders.assign(order_id=orders["order_id"] * 10**9)
    far_lines = lines.assign(order_id=lines["order_id"] * 10**9)

    expected = table.features(facts(orders, lines), at("2024-06-01"))

    pd.testing.assert_frame_equal(table.features(facts(far, far_lines), at("2024-06-01")), expected)
    found = table.features(facts(close, lines), at("2024-06-01"))
    assert np.array_equal(found.index * 1_000_003, expected.index)
    pd.testing.assert_frame_equal(found.reset_index(drop=True), expected.reset_index(drop=True))


def test_of_too_many_brands_the_rarest_are_unknown(monkeypatch):
    monkeypatch.setattr(columns, "MOST_WORDS", 2)
    goods = pd.DataFrame(
        {
            "product_id": [5, 4, 3, 2, 1],
            "category": "",
            "brand": ["Tin", "Tin", "Oak", "Clay", "Clay"],
            "price": 1.0,
        }
    )

    found = facts(ORDERS).with_goods(goods).goods

    assert found.brands == ("", "Clay", "Tin") and found.brand.tolist() == [1, 1, 0, 2, 2]
    assert found.categories == ("",) and found.category.tolist() == [0] * 5


def test_events_reviews_and_goods_name_what_they_lack():
    with pytest.raises(ValueError, match="events lack recorded_at; found"):
        facts(ORDERS).with_events(EVENTS.drop(columns="recorded_at"))
    with pytest.raises(ValueError, match="reviews lack rating"):
        facts(ORDERS).with_reviews(EVENTS)
    with pytest.raises(ValueError, match="goods lack category, brand"):
        facts(ORDERS).with_goods(GOODS[["product_id", "price"]])
    with pytest.raises(ValueError, match="name is dreamt; expected page_viewed, product_viewed"):
        facts(ORDERS).with_events(EVENTS.assign(name="dreamt"))
    with pytest.raises(ValueError, match="happened_at needs a time zone"):
        naive = EVENTS["happened_at"].dt.tz_localize(None)
        facts(ORDERS).with_events(EVENTS.assign(happened_at=naive))


def test_customers_who_only_did_something_join_those_who_bought():
    found = facts(ORDERS.query("customer_id == 2"), LINES).with_events(EVENTS).with_reviews(REVIEWS)

    assert found.customer_ids.tolist() == [1, 2, 3]
    assert set(found.purchases.customer) == {1} and set(found.lines.customer) == {1}
    assert found.purchases.customer.dtype == found.events.customer.dtype == np.int32
    assert found.held == {"orders", "events", "reviews"}
    by_customer = [
        (int(who), int(when))
        for who, when in zip(found.events.customer, found.events.placed, strict=True)
    ]
    assert by_customer == sorted(by_customer)
