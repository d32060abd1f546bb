"""Facts go in by the thousand and come out page by page."""

from datetime import timedelta

import pytest

from customers.models import Consent, Customer, Event, Order, OrderLine
from rapport.api import idempotency
from rapport.models import RememberedAnswer
from tests.makers import make_cast, make_customer

ADA = {"external_id": "ada", "email": "ada@example.com", "first_name": "Ada", "loves": "tea"}
ORDER = {
    "order_id": "o1",
    "customer_id": "ada",
    "happened_at": "2026-05-01T10:00:00Z",
    "currency": "EUR",
    "lines": [
        {"product_id": "mug", "quantity": 2, "unit_price": "9.50"},
        {"product_id": "pot", "quantity": 1, "unit_price": "30"},
    ],
}


def write(client, noun, *rows, **headers):
    body = {"source": "shop", "rows": list(rows)}
    return client.post(f"/api/v1/{noun}/", body, format="json", headers=headers)


def test_customers_are_created_changed_and_left_alone(program):
    client = program()

    first = write(client, "customers", ADA).json()
    again = write(client, "customers", ADA).json()
    changed = write(client, "customers", {**ADA, "first_name": "Augusta"}).json()

    assert (first["inserted"], again["unchanged"], changed["changed"]) == (1, 1, 1)
    ada = Customer.objects.get()
    assert (ada.first_name, ada.traits) == ("Augusta", {"loves": "tea"})


def test_an_order_comes_with_its_lines(program):
    client = program()
    write(client, "customers", ADA)

    report = write(client, "orders", ORDER).json()

    assert report["rejected"] == []
    order = Order.objects.get()
    assert (order.total, order.customer.email) == (49, "ada@example.com")
    assert list(OrderLine.objects.values_list("position", flat=True).order_by("position")) == [1, 2]
    shown = client.get("/api/v1/orders/").json()["results"][0]
    assert [line["product"] for line in shown["lines"]] == ["mug", "pot"]


def test_bad_rows_are_named_and_good_rows_are_stored(program):
    report = write(program(), "customers", ADA, {"external_id": "bob", "email": "no at"}).json()

    assert report["inserted"] == 1
    assert [(r["row"], r["field"]) for r in report["rejected"]] == [(1, "email")]


def test_events_and_consent_find_their_customer(program):
    client = program()
    write(client, "customers", ADA)
    moment = {"happened_at": "2026-05-01T10:00:00Z", "customer_id": "ada"}

    write(client, "events", {"name": "Product Viewed", "message_id": "m1", **moment})
    write(client, "consent", {"channel": "email", "is_granted": True, **moment})

    assert Event.objects.get().customer.email == "ada@example.com"
    assert Consent.objects.get().is_granted


@pytest.mark.parametrize("rows", [[], [ADA] * 1_001, "ada", None])
def test_none_or_too_many_rows_are_refused(program, rows):
    answer = program().post("/api/v1/customers/", {"source": "s", "rows": rows}, format="json")

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["attr"].startswith("rows")
    assert not Customer.objects.exists()


def test_a_repeated_key_is_answered_from_memory(program):
    client = program()

    first = write(client, "customers", ADA, **{"Idempotency-Key": "k1"})
    again = write(client, "customers", ADA, **{"Idempotency-Key": "k1"})

    assert first.json() == again.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    assert RememberedAnswer.objects.count() == 1


def test_a_key_with_another_body_is_refused(program):
    client = program()
    write(client, "customers", ADA, **{"Idempotency-Key": "k1"})

    other = write(client, "customers", {**ADA, "first_name": "B"}, **{"Idempotency-Key": "k1"})

    assert other.status_code == 422
    assert Customer.objects.get().first_name == "Ada"


def test_a_failed_call_leaves_the_key_free(program):
    client = program()
    bad = client.post(
        "/api/v1/customers/", {"rows": []}, format="json", headers={"Idempotency-Key": "k1"}
    )

    assert bad.status_code == 400
    assert write(client, "customers", ADA, **{"Idempotency-Key": "k1"}).status_code == 200


def test_pages_follow_a_cursor(program):
    for number in range(5):
        make_customer(f"c{number}")
    client = program()

    first = client.get("/api/v1/customers/?page_size=2").json()
    second = client.get(first["next"]).json()

    ids = [row["id"] for row in first["results"] + second["results"]]
    assert len(set(ids)) == 4
    assert ids == sorted(ids, reverse=True)


def test_lists_can_be_narrowed(program):
    cast = make_cast()
    client = program()

    mine = client.get(f"/api/v1/orders/?customer_id={cast['ada'].pk}").json()["results"]
    by_id = client.get("/api/v1/customers/?external_id=bob").json()["results"]
    by_mail = client.get("/api/v1/customers/?email=EVE@example.com").json()["results"]

    assert len(mine) == 5
    assert [row["first_name"] for row in by_id + by_mail] == ["Bob", "Eve"]


def test_a_person_can_be_exported_and_erased(program):
    ada = make_cast()["ada"]
    client = program()

    known = client.get(f"/api/v1/customers/{ada.pk}/export/").json()
    certificate = client.post(f"/api/v1/customers/{ada.pk}/erase/").json()

    assert known["person"]["email"] == "ada@example.com"
    assert certificate["rows"]["orders"] == 5
    assert client.get("/api/v1/customers/0/export/").status_code == 404


@pytest.mark.django_db
def test_lists_cost_the_same_for_many_rows(program, django_assert_max_num_queries):
    make_cast()
    client = program()
    with django_assert_max_num_queries(8):
        client.get("/api/v1/orders/")
    with django_assert_max_num_queries(8):
        client.get("/api/v1/customers/")


def test_answers_are_forgotten_after_a_week(program):
    write(program(), "customers", ADA, **{"Idempotency-Key": "k1"})
    now = RememberedAnswer.objects.get().created_at

    assert idempotency.forget_old(now=now + timedelta(days=7)) == 0
    assert idempotency.forget_old(now=now + timedelta(days=7, seconds=1)) == 1
