from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from django.db import transaction

from customers.features.facts import EVENT_NAMES
from customers.models import Customer, Event, Review
from customers.services import doings, frames
from tests.makers import NOW, ago, make_cast, make_customer, make_event, make_order, make_product
from tests.segments.shops import make_shop

pytestmark = pytest.mark.django_db
LONG_AGO = ago(800)


def told(events: pd.DataFrame) -> list[str]:
    by_moment = events.sort_values("happened_at")
    return [EVENT_NAMES[place] for place in by_moment["name"]]


def make_review(customer, rating, **given):
    moment = given.pop("happened_at", ago(3))
    recorded_at = given.pop("recorded_at", moment)
    return Review.objects.create(
        source="shop", external_id=f"r{Review.objects.count()}", customer=customer, rating=rating,
        happened_at=moment, recorded_at=recorded_at,
    )  # fmt: skip


def test_events_arrive_under_our_names_and_others_stay_where_they_are():
    ada = make_customer()
    make_event(ada, "Product Viewed", days_ago=9)
    make_event(ada, "Viewed Product", days_ago=8)
    make_event(ada, "Products Searched", days_ago=7)
    make_event(ada, "Order Completed", days_ago=6)
    make_event(ada, "Email Sent", days_ago=5)
    make_event(None, "Product Viewed", days_ago=4)
    make_event(ada, "Product Viewed", happened_at=NOW)
    make_event(ada, "Product Viewed", days_ago=801)

    found = doings.events_frame(known_at=NOW, since=LONG_AGO)

    assert told(found) == ["product_viewed", "product_viewed", "searched", "email_sent"]
    assert set(found["customer_id"]) == {ada.pk}
    assert found["happened_at"].min() == ago(9) and found["recorded_at"].min() == ago(9)
    assert len(doings.events_frame(known_at=NOW, since=LONG_AGO, customer_ids=[ada.pk + 1])) == 0


@pytest.mark.parametrize(
    "properties, is_seen",
    [({}, True), ({"is_machine": False}, True), ({"is_machine": True}, False),
     ({"machine_open": "true"}, False), ({"is_machine": "no"}, True), ({"is_bot": None}, True)],
)  # fmt: skip
def test_what_a_machine_opened_was_not_opened(properties, is_seen):
    ada = make_customer()
    make_event(ada, "Email Opened", days_ago=2, properties=properties)
    make_event(ada, "Product Viewed", days_ago=1, properties=properties)

    found = told(doings.events_frame(known_at=NOW, since=LONG_AGO))

    assert found == ["email_opened"] * is_seen + ["product_viewed"]


def test_events_from_before_the_first_was_told_count_since_they_happened():
    ada = make_customer()
    for days, recorded in ((300, 50), (40, 20), (10, 10)):
        event = make_event(ada, "Product Viewed", days_ago=days)
        Event.objects.filter(pk=event.pk).update(recorded_at=ago(recorded))

    trusted = doings.events_frame(known_at=NOW, since=LONG_AGO).sort_values("happened_at")
    strict = doings.events_frame(known_at=NOW, since=LONG_AGO, trust_import=False)

    assert trusted["is_backfill"].tolist() == [True, False, False]
    assert not strict["is_backfill"].any()
    past = doings.events_frame(known_at=ago(30), since=LONG_AGO)
    assert past["happened_at"].tolist() == [ago(300)]


def test_reviews_arrive_with_and_without_stars():
    ada = make_customer()
    make_review(ada, 4)
    make_review(ada, None, happened_at=ago(2))
    make_review(None, 1)
    make_review(ada, 2, recorded_at=NOW)

    found = doings.reviews_frame(known_at=NOW).sort_values("happened_at")

    assert found["customer_id"].tolist() == [ada.pk] * 2
    assert found["rating"].iloc[0] == 4 and np.isnan(found["rating"].iloc[1])


def test_goods_arrive_with_their_category_brand_and_price():
    mug = make_product("mug", category="Kitchen", brand="Clay", price="9.50")
    bare = make_product("bare", category="", price=None)
    make_product("postage", kind="service")

    found = frames.facts(known_at=NOW, with_events=True).goods

    assert found.product_id.tolist() == [mug.pk, bare.pk]
    assert found.categories == ("", "Kitchen") and found.category.tolist() == [1, 0]
    assert [found.brands[place] for place in found.brand] == ["Clay", bare.brand]
    assert found.price[0] == 9.5 and np.isnan(found.price[1])


def test_facts_hold_events_only_where_they_were_asked_for():
    ada, zoe = make_customer("ada"), make_customer("zoe")
    make_order(ada, 10)
    make_event(zoe, "Product Viewed", days_ago=1)
    make_review(zoe, 5)

    without, with_them = (frames.facts(known_at=NOW, with_events=each) for each in (False, True))

    assert without.held == {"orders"} and without.events.name.size == 0
    assert with_them.held == {"orders", "events", "reviews", "goods"}
    assert without.customer_ids.tolist() == [ada.pk]
    assert with_them.customer_ids.tolist() == [ada.pk, zoe.pk]
    assert with_them.events.customer.tolist() == [1] and with_them.purchases.customer.tolist() == [
        0
    ]
    assert with_them.events.customer.dtype == np.int32


@pytest.mark.django_db(transaction=True)
def test_two_connections_and_given_customers_load_the_events_of_one_connection():
    make_shop(60)
    for place, customer in enumerate(Customer.objects.order_by("id")):
        for days in range(place % 5):
            make_event(customer, "Product Viewed", days_ago=1 + days * place)
    on_two = frames.facts(known_at=NOW, with_events=True)

    with transaction.atomic():
        on_one = frames.facts(known_at=NOW, with_events=True)
    some = on_two.customer_ids[:20].tolist()
    of_some = frames.facts(known_at=NOW, with_events=True, customer_ids=some)

    for name in ("customer", "placed", "recorded", "is_backfill", "name"):
        both = getattr(on_two.events, name), getattr(on_one.events, name)
        assert np.array_equal(*both), name
        hers = on_two.events.customer < 20
        assert np.array_equal(getattr(on_two.events, name)[hers], getattr(of_some.events, name))


def test_an_empty_shop_has_facts_with_nothing_in_them():
    found = frames.facts(known_at=NOW, with_events=True)

    assert found.events.name.size == 0 and found.reviews.rating.size == 0
    assert found.goods.categories == ("",) and found.customer_ids.size == 0
    make_cast()
    assert frames.facts(known_at=NOW, with_events=True, customer_ids=[]).customer_ids.size == 0


def test_events_are_loaded_as_far_back_as_asked():
    ada = make_customer()
    for days in (5, 399, 401):
        make_event(ada, "Product Viewed", days_ago=days)

    assert frames.facts(known_at=NOW, with_events=True).events.name.size == 3
    near = frames.facts(known_at=NOW, with_events=True, events_days=400)
    assert near.events.name.size == 2
    assert near.events_since == int((NOW - timedelta(days=400)).timestamp()) * 1_000_000
