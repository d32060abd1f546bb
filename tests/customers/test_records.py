"""What programs send lands by the same statements as a file."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from customers.collect.files import FileRefused
from customers.models import Consent, Customer, Event, Order, OrderLine
from customers.services import records
from customers.services.records import Rejection
from tests.makers import NOW, make_customer

pytestmark = pytest.mark.django_db
ORDER = {
    "order_id": "o1",
    "happened_at": datetime(2026, 5, 1, 10, tzinfo=UTC),
    "customer_id": "ada",
    "currency": "EUR",
    "lines": [
        {"product_id": "mug", "quantity": 2, "unit_price": Decimal("9.50")},
        {"product_id": "cup", "quantity": 1, "unit_price": 1.25, "line_discount": "0.25"},
    ],
}


def upsert(kind, *rows, **given):
    return records.upsert(kind, list(rows), **{"source": "shop", "now": NOW, **given})


def test_an_order_with_lines_lands_once():
    ada = make_customer("ada")

    first, second = upsert("orders", ORDER), upsert("orders", ORDER)

    assert (first.inserted, first.unchanged, first.rejected) == (2, 0, [])
    assert (second.inserted, second.changed, second.unchanged) == (0, 0, 2)
    order = Order.objects.get()
    assert (order.customer, order.total) == (ada, 20)


def test_lines_that_are_gone_are_removed():
    upsert("orders", ORDER)

    report = upsert("orders", {**ORDER, "status": "refunded", "lines": ORDER["lines"][:1]})

    assert report.changed == 1
    assert OrderLine.objects.count() == 1
    assert (Order.objects.get().total, Order.objects.get().status) == (19, "refunded")


def test_orders_in_one_call_may_come_a_row_a_line_and_in_any_order():
    def row(order, product):
        return {"order_id": order, "happened_at": "2026-05-01", "currency": "EUR",
                "product_id": product, "quantity": 1, "unit_price": 1}  # fmt: skip

    report = upsert("orders", row("a", "x"), row("b", "x"), row("a", "y"))

    assert report.inserted == 3
    positions = OrderLine.objects.order_by("order__external_id", "position")
    assert list(positions.values_list("order__external_id", "position")) == [
        ("a", 1),
        ("a", 2),
        ("b", 1),
    ]


def test_wrong_rows_are_named_by_their_index_and_the_others_land():
    rows = [
        {"external_id": "1", "birth_date": date(1990, 5, 1)},
        {"external_id": "2", "email": "?"},
        {"email": "x@example.com"},
        "nonsense",
        {"external_id": "3"},
    ]

    report = upsert("customers", *rows)

    assert report.inserted == 2
    assert report.rejected == [
        Rejection(1, "email", "?", "is not an e-mail address"),
        Rejection(2, "external_id", "", "is empty"),
        Rejection(3, "", "", "is not an object"),
    ]
    assert Customer.objects.get(identities__value="1").birth_date == date(1990, 5, 1)


def test_of_two_rows_with_one_key_the_last_counts():
    report = upsert(
        "customers",
        {"external_id": "1", "first_name": "Old"},
        {"external_id": "1", "first_name": "New"},
    )

    assert Customer.objects.get().first_name == "New"
    assert report.rejected[0].reason == "comes again in row 1, which counts"


def test_events_and_consent_are_appended_once():
    event = {"name": "Seen", "customer_id": "ada", "happened_at": NOW, "properties": {"a": [1]}}
    yes = {"email": "ada@example.com", "channel": "email", "is_granted": True, "happened_at": NOW}
    make_customer("ada")

    assert upsert("events", event, event).inserted == 2
    assert upsert("events", event, event).unchanged == 2
    assert upsert("consent", yes).inserted == 1
    assert upsert("consent", yes).unchanged == 1

    assert Event.objects.first().properties == {"a": [1]}
    assert Consent.objects.get().is_granted


def test_keys_without_a_place_are_named():
    row = {"external_id": "r1", "happened_at": NOW, "mood": "good"}

    assert upsert("reviews", row).ignored == ["mood"]


def test_an_empty_call_is_no_fault():
    assert upsert("products").inserted == 0


@pytest.mark.parametrize(
    ("kind", "rows", "source", "word"),
    [
        ("people", [], "shop", "no kind of facts"),
        ("customers", [{}] * 1_001, "shop", "at most 1000"),
        ("customers", [], "x" * 41, "1 to 40 characters"),
    ],
)
def test_a_call_that_cannot_be_meant_is_refused(kind, rows, source, word):
    with pytest.raises(FileRefused, match=word):
        records.upsert(kind, rows, source=source, now=NOW)
