"""Identify, group and alias: who it is, and what is known of them."""

from datetime import UTC, date, datetime

import pytest

from customers.models import (
    Consent,
    Customer,
    Event,
    Identity,
    Order,
    RefusedClaim,
    RejectedMessage,
)
from tests.customers.tracking.calls import make_key, send, track

pytestmark = pytest.mark.django_db


@pytest.fixture
def key(db):
    return make_key()


def identify(key, traits=None, **fields):
    if "anonymousId" not in fields:
        fields.setdefault("userId", "u1")
    return send(key, "identify", {"traits": traits or {}, **fields})


def test_reserved_traits_become_fields_and_the_others_stay_traits(key):
    identify(
        key,
        {
            "email": "Ada@Example.com",
            "phone": "+33 1 23 45 67 89",
            "firstName": "Ada",
            "lastName": "Lovelace",
            "birthday": "1815-12-10",
            "address": {"city": "London", "country": "United Kingdom"},
            "locale": "en_GB",
            "timezone": "Europe/London",
            "plan": "gold",
            "newsletter": True,
        },
        context={"locale": "fr-FR", "timezone": "Europe/Paris"},
    )

    ada = Customer.objects.get()
    assert (ada.email, ada.phone) == ("ada@example.com", "+33123456789")
    assert (ada.first_name, ada.last_name, ada.country) == ("Ada", "Lovelace", "GB")
    assert (ada.language, ada.time_zone) == ("en-GB", "Europe/London")
    assert ada.birth_date is None  # before 1900: kept as a trait
    assert ada.traits["plan"] == "gold"
    assert ada.traits["address"]["city"] == "London"
    assert set(ada.identities.values_list("kind", flat=True)) == {"external", "email", "phone"}
    assert not Consent.objects.exists()  # whatever a trait says


def test_a_name_is_taken_apart_and_the_device_fills_what_nobody_told(key):
    identify(
        key,
        {"name": "Grace Brewster Hopper", "birthday": "1906-12-09T00:00:00.000Z"},
        context={"locale": "en-US", "timezone": "America/New_York"},
    )

    grace = Customer.objects.get()
    assert (grace.first_name, grace.last_name) == ("Grace", "Brewster Hopper")
    assert (grace.language, grace.time_zone) == ("en-US", "America/New_York")
    assert grace.birth_date == date(1906, 12, 9)


def test_a_trait_that_cannot_be_meant_stays_a_trait_and_says_why(key):
    answer = identify(key, {"email": "ada@nowhere", "phone": "0123", "birthday": "soon"})

    assert answer.status_code == 200
    customer = Customer.objects.get()
    assert customer.email is None
    assert customer.traits == {"email": "ada@nowhere", "phone": "0123", "birthday": "soon"}
    kept = RejectedMessage.objects.filter(part="trait")
    assert [row.reason.split()[0] for row in kept] == ["email", "phone", "birthday"]


def test_traits_told_later_win_in_any_order_of_arrival(key):
    identify(key, {"plan": "gold", "firstName": "Ada"}, timestamp="2026-01-02T00:00:00Z")
    identify(key, {"plan": "free", "age": 3, "firstName": "A"}, timestamp="2026-01-01T00:00:00Z")
    identify(key, {"age": None, "size": "L"}, timestamp="2026-01-03T00:00:00Z")

    customer = Customer.objects.get()
    assert customer.first_name == "Ada"
    assert customer.traits == {"plan": "gold", "size": "L"}


def test_traits_of_one_batch_are_told_in_the_order_of_their_moments(key):
    batch = [
        {"type": "identify", "userId": "u1", "traits": {"n": n}, "timestamp": f"2026-01-0{n}"}
        for n in (2, 3, 1)
    ]
    send(key, "batch", {"batch": batch})

    assert Customer.objects.get().traits == {"n": 3}


def test_an_address_of_another_customer_is_not_taken(key):
    identify(key, {"email": "ada@example.com"}, userId="ada")

    identify(key, {"email": "ada@example.com", "plan": "gold"}, userId="bob")

    ada, bob = Customer.objects.order_by("id")
    assert (ada.email, bob.email) == ("ada@example.com", None)
    assert bob.traits["plan"] == "gold"


def test_traits_in_the_context_of_an_event_change_nobody(key):
    track(key, "e", context={"traits": {"plan": "gold", "firstName": "Ada"}})

    customer = Customer.objects.get()
    assert (customer.first_name, customer.traits) == ("", {})


def test_a_visitor_becomes_a_customer_with_what_was_done_before(key):
    track(key, "Product Viewed", {"product_id": "mug"}, anonymousId="a1")
    identify(key, {"email": "ada@example.com"}, userId="u1", anonymousId="a1")
    track(key, "Order Completed", {"order_id": "o1", "revenue": 5}, anonymousId="a1")

    ada = Customer.objects.get(email="ada@example.com")
    assert set(Event.objects.values_list("customer_id", flat=True)) == {ada.pk}
    assert Order.objects.get().customer_id == ada.pk


def test_a_group_is_an_event_and_a_trait(key):
    send(key, "group", {"userId": "u1", "groupId": 7, "traits": {"name": "Acme"}})

    assert Customer.objects.get().traits == {"group_id": "7"}
    assert Event.objects.get().properties == {"group_id": "7", "traits": {"name": "Acme"}}


@pytest.mark.parametrize(
    ("previous", "kind"),
    [({"userId": "old"}, "server"), ({"anonymousId": "old"}, "browser")],
)
def test_an_alias_makes_one_of_two(previous, kind):
    key = make_key(kind=kind)
    track(key, "e", messageId="m1", **previous)
    track(key, "e", messageId="m2", userId="new")

    for _ in range(2):
        answer = send(key, "alias", {"previousId": "old", "userId": "new", "messageId": "m3"})
        assert answer.status_code == 200
    track(key, "e", messageId="m4", **previous)
    track(key, "e", messageId="m5", userId="new")

    events = Event.objects.filter(name="e")
    assert len(set(events.values_list("customer_id", flat=True))) == 1
    assert events.count() == 4


def test_a_public_key_joins_no_two_known_customers(key):
    """It stands in every page of the shop: a stranger could join whom he likes."""
    track(key, "e", messageId="m1", userId="old")
    track(key, "e", messageId="m2", userId="new")

    answer = send(key, "alias", {"previousId": "old", "userId": "new"})

    assert answer.status_code == 200
    assert Customer.objects.filter(erased_at=None).count() == 2
    assert [one.reason for one in RefusedClaim.objects.all()] == ["public"]


def test_an_alias_before_anything_else_is_a_handle(key):
    send(key, "alias", {"previousId": "a1", "userId": "u1"})
    track(key, "e", anonymousId="a1")

    assert Customer.objects.count() == 1
    assert set(Identity.objects.values_list("value", flat=True)) == {"a1", "u1"}


def test_a_customer_is_known_since_the_first_message(key):
    track(key, "e", timestamp="2026-01-02T00:00:00Z")

    assert Customer.objects.get().happened_at == datetime(2026, 1, 2, tzinfo=UTC)
