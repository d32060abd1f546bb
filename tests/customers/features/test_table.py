from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from customers.features import table
from customers.features.facts import facts
from customers.features.watched import LOOK_BACK_DAYS
from tests.customers.features.given import (
    ADA,
    AS_OF,
    BOB,
    EVE,
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
)


def habit(places: list[int], of: int) -> float:
    n, resultant = len(places), np.abs(np.exp(2j * np.pi * np.array(places) / of).sum())
    return np.sqrt(max(resultant**2 - n, 0) / (n * (n - 1)))


def entropy(*shares: float) -> float:
    return -sum(share * np.log2(share) for share in shares)


def hour_of(places: list[float]) -> float:
    return np.angle(np.exp(2j * np.pi * np.array(places) / 24).sum()) / (2 * np.pi) * 24 % 24


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
    "orders_trend": (4 / 1, 2 / 1),
    "revenue_trend": ((120 + 42.5) / 42.5, 30 / 15),
    "gap_sd_days": (np.sqrt(2 * 45**2), np.nan),  # 95 and 5 days
    "last_gap_days": (5, np.nan),
    "gap_trend": (5 / 95, np.nan),
    "season_share": (3 / 4, 1.0),
    "month_habit": (habit([9, 0, 0, 0], 12), np.nan),
    "weekday_habit": (habit([6, 3, 3, 1], 7), np.nan),
    "hour_habit": (habit([9, 10, 18, 12], 24), np.nan),
    "usual_hour": (hour_of([9.5, 10.5, 18.5, 12.5]), 12.5),
    "weekend_share": (1 / 4, 0.0),  # 1 October 2023 was a Sunday
    "discounted_orders_share": (2 / 4, 0.0),
    "discount_share_90d": (12 / 132, 0.0),
    "discount_share_365d": (12 / 182, 0.0),
    "refund_share_90d": (30 / 120, 5 / 20),
    "refund_share_365d": (30 / 170, 5 / 20),
    "distinct_categories": (2, 1),
    "category_share": (6 / 7, 1.0),
    "category_entropy": (entropy(6 / 7, 1 / 7), 0.0),
    "days_since_new_category": (22.0, 29.0),
    "distinct_brands": (2, 1),
    "brand_share": (3 / 4, 1.0),
    "brand_entropy": (entropy(3 / 4, 1 / 4), 0.0),
    "days_since_new_brand": (22.0, 29.0),
    "page_views_30d": (1, 0),
    "product_views_7d": (2, 0),
    "product_views_30d": (3, 0),
    "product_views_90d": (3, 0),
    "cart_adds_7d": (1, 0),
    "cart_adds_30d": (2, 0),
    "checkouts_30d": (1, 0),
    "searches_30d": (1, 0),
    "visit_days_30d": (5, 0),  # 9, 10, 24, 29 and 30 January
    "visit_days_90d": (5, 0),
    "days_since_last_visit": (1 - 1 / 1440, np.nan),
    "views_trend": (4 / (1 / 3 + 1), 1.0),
    "views_per_order_90d": (1.0, 0.0),
    "carts_left_30d": (1, 0),
    "days_since_cart_left": (2 - 5 / 1440, np.nan),
    "emails_sent_7d": (1, 0),
    "emails_sent_30d": (2, 0),
    "emails_sent_90d": (3, 0),
    "emails_sent_365d": (4, 0),
    "sms_sent_7d": (0, 1),
    "sms_sent_90d": (0, 1),
    "sms_sent_365d": (0, 1),
    "emails_opened_30d": (1, 0),
    "emails_opened_90d": (4, 0),
    "emails_opened_365d": (4, 0),
    "emails_clicked_30d": (1, 0),
    "emails_clicked_90d": (1, 0),
    "emails_clicked_365d": (1, 0),
    "sms_clicked_90d": (0, 1),
    "sms_clicked_365d": (0, 1),
    "unsubscribes_365d": (0, 1),
    "email_open_share_30d": (3 / 12, 0.2),
    "email_open_share_90d": (5 / 13, 0.2),  # four openings of three messages are three
    "email_open_share_365d": (6 / 14, 0.2),
    "email_click_share_30d": (1.2 / 12, 0.02),
    "email_click_share_90d": (1.2 / 13, 0.02),
    "email_click_share_365d": (1.2 / 14, 0.02),
    "sms_click_share_365d": (0.05, 1.5 / 11),
    "days_since_last_email": (3.0, np.nan),
    "days_since_last_open": (21 - 1 / 24, np.nan),
    "days_since_last_click": (21 - 2 / 24, 6 - 6 / 24),
    "reviews_total": (3, 0),
    "mean_rating": (3.5, np.nan),
    "last_rating": (2.0, np.nan),
    "low_rating_share": (0.5, np.nan),
    "days_since_last_review": (10.0, np.nan),
}
NAMES = [feature.name for feature in table.catalogue()]
OF_ORDERS = [feature.name for feature in table.catalogue() if feature.ground == "orders"]


@pytest.fixture(scope="module")
def of_the_cast():
    return table.features(FACTS, AS_OF)


@pytest.mark.parametrize("name", NAMES)
def test_the_table_agrees_with_the_hand_count(name, of_the_cast):
    found = of_the_cast

    assert list(found.index) == [ADA, BOB]  # Eve is not yet, Mallory only ever gave back
    assert found[name].tolist() == pytest.approx(BY_HAND[name], nan_ok=True, rel=1e-6)


def test_every_feature_declares_what_it_is(of_the_cast):
    assert list(of_the_cast.columns) == NAMES and len(set(NAMES)) == len(NAMES)
    for feature in table.catalogue():
        assert feature.meaning.endswith(".") and feature.unit
        assert of_the_cast[feature.name].dtype == feature.dtype
        last = feature.name.rpartition("_")[2]
        if last.endswith("d") and last[:-1].isdigit():
            assert feature.window_days == int(last[:-1])
        if feature.ground == "events":
            assert feature.window_days is not None and feature.window_days <= LOOK_BACK_DAYS
        if feature.kind == "share":
            assert of_the_cast[feature.name].dropna().between(0, 1).all()


def test_what_can_be_missing_says_so():
    nobody = table.features(FACTS, AS_OF, who="seen").loc[EVE]
    bob = table.features(FACTS, AS_OF).loc[BOB]

    for feature in table.catalogue():
        if np.isnan(bob[feature.name]):
            assert "missing" in feature.meaning, feature.name
        if feature.ground in ("events", "reviews") and np.isnan(nobody[feature.name]):
            assert "missing" in feature.meaning, feature.name


@pytest.fixture(scope="module")
def crowd():
    return *invented(400), *invented_behaviour(1_500)


def test_rows_may_come_in_any_order(crowd):
    orders, lines, *behaviour = crowd
    mixed = [frame.sample(frac=1, random_state=place) for place, frame in enumerate(crowd)]

    pd.testing.assert_frame_equal(
        table.features(with_behaviour(facts(*mixed[:2]), *mixed[2:]), at("2024-06-01")),
        table.features(with_behaviour(facts(orders, lines), *behaviour), at("2024-06-01")),
        check_exact=True,
    )


def test_reviews_of_one_moment_have_one_last_among_them():
    twice = pd.concat([REVIEWS, REVIEWS.assign(rating=[1.0, 4.0, 3.0])])
    known = facts(ORDERS)

    found = {
        order: table.features(known.with_reviews(twice.iloc[::order]), AS_OF)["last_rating"].loc[
            ADA
        ]
        for order in (1, -1)
    }

    assert found == {1: 3.0, -1: 3.0}


def test_one_customer_alone_has_the_numbers_she_has_among_others(crowd):
    orders, lines, did, wrote, goods = crowd
    known = with_behaviour(facts(orders, lines), did, wrote, goods)
    everybody = table.features(known, at("2024-06-01"), who="seen")

    for customer_id in everybody.index[::5]:
        hers, deeds, words = (
            frame[frame["customer_id"] == customer_id] for frame in (orders, did, wrote)
        )
        alone = table.features(
            with_behaviour(facts(hers, lines), deeds, words, goods), at("2024-06-01"), who="seen"
        )
        pd.testing.assert_frame_equal(alone, everybody.loc[[customer_id]], check_exact=True)


def test_only_what_is_asked_for_is_computed_and_it_is_the_same(crowd):
    orders, lines, *behaviour = crowd
    known = with_behaviour(facts(orders, lines), *behaviour)
    everything = table.features(known, at("2024-06-01"))

    for feature in table.catalogue():
        alone = table.features(known, at("2024-06-01"), names=[feature.name])
        pd.testing.assert_frame_equal(alone, everything[[feature.name]], check_exact=True)
    asked = ["searches_30d", "orders_total"]
    assert list(table.features(known, at("2024-06-01"), names=asked)) == asked


def test_who_only_looked_has_a_row_where_that_is_asked_for():
    buyers, seen = (table.features(FACTS, AS_OF, who=who) for who in ("buyers", "seen"))

    assert list(seen.index) == [ADA, BOB, EVE]  # Mallory only ever gave back
    pd.testing.assert_frame_equal(seen.loc[[ADA, BOB]], buyers, check_exact=True)
    eve = seen.loc[EVE]
    assert eve["product_views_7d"] == 1 and eve["orders_total"] == 0 and eve["revenue_90d"] == 0
    assert eve["distinct_categories"] == 0 and eve["orders_trend"] == 1
    for name in ("days_since_last_order", "mean_order_value", "category_share", "age"):
        assert np.isnan(eve[name])


def test_what_was_not_loaded_is_not_taken_for_nothing():
    found = table.features(facts(ORDERS, LINES), AS_OF)

    assert list(found.columns) == OF_ORDERS
    with pytest.raises(ValueError, match="searches_30d, page_views_30d stand on events, which"):
        names = ["searches_30d", "orders_total", "page_views_30d"]
        table.features(facts(ORDERS), AS_OF, names=names)
    with pytest.raises(ValueError, match="there is no feature charm"):
        table.features(FACTS, AS_OF, names=["charm"])


def test_events_must_reach_as_far_back_as_features_look():
    known = facts(ORDERS).with_events(EVENTS, since=AS_OF - pd.Timedelta(days=366))

    assert len(table.features(known, AS_OF)) == 2
    with pytest.raises(ValueError, match="loaded from 2023-01-30 on; .* look back to 2023-01-28"):
        table.features(known, AS_OF - pd.Timedelta(days=3))
    assert len(table.features(known, AS_OF - pd.Timedelta(days=3), names=["orders_total"])) == 2


def test_no_facts_give_an_empty_table_with_all_columns():
    for orders in (ORDERS.iloc[:0], ORDERS[ORDERS["kind"] == "refund"]):
        known = facts(orders, LINES)
        known = with_behaviour(known, EVENTS.iloc[:0], REVIEWS.iloc[:0], GOODS.iloc[:0])
        found = table.features(known, AS_OF)

        assert len(found) == 0
        assert list(found.columns) == NAMES
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
