"""E-commerce events become orders, refunds and products, in any order and once each."""

from decimal import Decimal
from itertools import permutations

import pytest

from customers.models import Event, Order, OrderLine, Product, RejectedMessage, Review
from tests.customers.tracking.calls import make_key, track

pytestmark = pytest.mark.django_db

MUG = {"product_id": "mug", "name": "A mug", "price": "10.00", "quantity": 2, "category": "Kitchen"}
HAT = {"sku": "H-1", "name": "A hat", "price": 20, "quantity": "1", "brand": "Hats"}
COMPLETED = {
    "order_id": "o1",
    "revenue": "38.00",
    "shipping": "5",
    "tax": 3,
    "total": 46,
    "discount": "2",
    "currency": "eur",
    "coupon": "HELLO",
    "products": [MUG, HAT],
}


@pytest.fixture
def key(db):
    return make_key()


def test_an_order_is_what_the_shop_earned_with_its_lines_and_products(key):
    answer = track(key, "Order Completed", COMPLETED, messageId="m1")

    assert answer.status_code == 200
    order = Order.objects.get()
    assert (order.external_id, order.total, order.discount) == ("o1", 38, 2)
    assert (order.currency, order.coupon_code, order.status) == ("EUR", "HELLO", "paid")
    assert order.customer.identities.get(kind="external").value == "u1"
    assert order.properties["shipping"] == 5
    lines = OrderLine.objects.filter(order=order).order_by("position")
    assert [(line.product.external_id, line.quantity, line.unit_price) for line in lines] == [
        ("mug", 2, 10),
        ("H-1", 1, 20),
    ]
    assert Product.objects.get(external_id="mug").category == "Kitchen"
    assert Event.objects.get().properties["revenue"] == 38


@pytest.mark.parametrize(
    ("money", "total"),
    [
        ({"revenue": 30, "subtotal": 31, "total": 40}, 30),
        ({"subtotal": "31", "total": 40}, 31),
        ({"total": "40", "shipping": "6", "tax": 3}, 31),
        ({"products": [MUG, HAT], "discount": 4}, 36),
        ({"revenue": "1,234.50"}, Decimal("1234.50")),
        ({"revenue": "0"}, 0),
    ],
)
def test_the_money_of_an_order_is_revenue_else_subtotal_else_total_less_the_rest(key, money, total):
    track(key, "Completed Order", {"order_id": "o1", **money})  # the name of the first version

    assert Order.objects.get().total == total
    assert Event.objects.get().name == "Order Completed"


def test_an_order_told_twice_is_one_and_an_update_changes_it(key):
    track(key, "Order Completed", COMPLETED, messageId="m1", timestamp="2026-01-01T10:00:00Z")
    track(key, "Order Completed", COMPLETED, messageId="m2", timestamp="2026-01-01T10:00:05Z")
    track(
        key,
        "Order Updated",
        {"order_id": "o1", "revenue": 20, "products": [MUG]},
        timestamp="2026-01-02T10:00:00Z",
    )
    late = {"order_id": "o1", "revenue": 99, "products": [HAT, HAT]}
    track(key, "Order Updated", late, timestamp="2026-01-01T12:00:00Z")

    order = Order.objects.get()
    assert order.total == 20
    assert order.happened_at.isoformat() == "2026-01-01T10:00:00+00:00"
    assert OrderLine.objects.filter(order=order).count() == 1


@pytest.mark.parametrize(
    ("refund", "status", "total"),
    [
        ({}, "refunded", 38),  # whole: what the sale had brought stays readable
        ({"total": 38}, "refunded", 38),
        ({"revenue": "8"}, "paid", 30),
        ({"products": [MUG]}, "paid", 18),
        ({"total": 20, "products": [MUG]}, "paid", 18),
    ],
)
def test_a_refund_reduces_its_order(key, refund, status, total):
    track(key, "Order Completed", COMPLETED)

    for _ in range(2):  # the same message again changes nothing
        track(key, "Order Refunded", {"order_id": "o1", **refund}, messageId="r1")

    order = Order.objects.get()
    assert (order.status, order.total) == (status, total)


def test_two_partial_refunds_that_make_the_whole_are_a_refund(key):
    track(key, "Order Completed", COMPLETED)
    track(key, "Order Refunded", {"order_id": "o1", "revenue": 8}, messageId="r1")
    track(key, "Order Refunded", {"order_id": "o1", "revenue": 30}, messageId="r2")

    assert Order.objects.get().status == "refunded"


def test_events_of_an_order_may_arrive_in_any_order(key):
    told = [
        ("Order Completed", {"revenue": 50, "products": [MUG]}, "2026-01-01T10:00:00Z"),
        ("Order Updated", {"revenue": 40, "products": [HAT]}, "2026-01-01T11:00:00Z"),
        ("Order Refunded", {"revenue": 15}, "2026-01-02T10:00:00Z"),
    ]

    for number, arrival in enumerate(permutations(told)):
        for name, properties, at in arrival:
            track(key, name, {"order_id": f"o{number}", **properties}, timestamp=at)

    orders = Order.objects.all()
    assert len(orders) == 6
    assert {(order.total, order.status) for order in orders} == {(25, "paid")}
    assert {order.happened_at.isoformat() for order in orders} == {"2026-01-01T10:00:00+00:00"}
    assert {line.product.external_id for line in OrderLine.objects.all()} == {"H-1"}


def test_a_cancelled_order_earns_nothing(key):
    track(key, "Order Completed", COMPLETED)
    track(key, "Order Cancelled", {"order_id": "o1", "revenue": 38})

    assert Order.objects.get().status == "cancelled"


@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        ({"revenue": 5}, "order_id"),
        ({"order_id": "o1"}, "revenue, subtotal"),
        ({"order_id": "o1", "revenue": 5, "currency": "Euros"}, "'Euros'"),
    ],
)
def test_an_event_that_makes_no_order_stays_an_event_and_says_why(key, properties, reason):
    answer = track(key, "Order Completed", properties)

    assert answer.status_code == 200
    assert Event.objects.count() == 1
    assert not Order.objects.exists()
    kept = RejectedMessage.objects.get()
    assert kept.part == "order"
    assert reason in kept.reason


def test_a_known_product_is_completed_and_not_changed(key):
    track(key, "Product Viewed", {"product_id": "mug", "name": "A mug"})
    track(key, "Product Viewed", {"product_id": "mug", "name": "Other", "brand": "M", "price": 7})

    product = Product.objects.get()
    assert (product.name, product.brand, product.price) == ("A mug", "M", 7)


@pytest.mark.parametrize(("told", "rating"), [("4", 4), (5, 5), ("3/5", 3), ("great", None)])
def test_a_review_is_kept_with_its_stars(key, told, rating):
    track(
        key,
        "Product Reviewed",
        {"product_id": "mug", "review_id": "r1", "review_body": "Nice.", "rating": told},
    )

    review = Review.objects.get()
    assert (review.rating, review.text, review.product.external_id) == (rating, "Nice.", "mug")
    assert RejectedMessage.objects.exists() == (rating is None)
