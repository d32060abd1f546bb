"""Completion from the data: what is kept, what is new, and what is never kept."""

from datetime import timedelta

import pytest
from django.urls import reverse

from customers.models import Customer
from segments.models import SeenValue
from segments.services import suggest
from tests.makers import NOW, make_customer, make_event, make_order, make_product, make_staff

pytestmark = pytest.mark.django_db


def words(kind: str, **asked) -> list[str]:
    return [one.value for one in suggest.values(kind, **asked)]


def test_events_and_their_properties_are_completed_the_most_frequent_first():
    ada = make_customer()
    for _ in range(3):
        make_event(ada, "Product Viewed", properties={"price": 3, "colour": "red"})
    make_event(ada, "Page Viewed", properties={"path": "/"})
    suggest.refresh()

    assert words("event") == ["Product Viewed", "Page Viewed"]
    assert words("event", words="page") == ["Page Viewed"]
    assert sorted(words("property", of=["Product Viewed"])) == ["colour", "price"]
    assert words("property", of=["Page Viewed"]) == ["path"]


def test_a_tick_reads_only_what_came_since():
    ada = make_customer()
    make_event(ada, "Page Viewed")
    suggest.refresh()
    make_event(ada, "Page Viewed")
    suggest.refresh()
    suggest.refresh()

    assert SeenValue.objects.get(kind="event", value="Page Viewed").times == 2


def test_an_event_is_completed_before_any_tick():
    make_event(make_customer(), "Wish Added", properties={"list": "birthday"})

    assert words("event", words="wish") == ["Wish Added"]
    assert words("property", of=["Wish Added"]) == ["list"]


def test_values_few_customers_carry_are_not_kept():
    for number in range(6):
        traits = {"tier": "gold" if number else "platinum", "nickname": f"N{number}"}
        make_customer(f"c{number}", traits=traits)
    suggest.refresh()

    assert sorted(words("trait")) == ["nickname", "tier"]
    assert words("trait_value", of=["tier"]) == ["gold"]
    assert words("trait_value", of=["nickname"]) == words("trait_value") == []


def test_what_customers_carry_is_forgotten_with_them():
    for number in range(5):
        make_customer(f"c{number}", traits={"tier": "gold"}, country="IS")
    suggest.refresh()
    assert words("trait_value", of=["tier"]) == ["gold"] and words("country") == ["IS"]

    Customer.objects.update(erased_at=NOW)
    suggest.refresh()

    assert words("trait_value", of=["tier"]) == words("country") == []


def test_countries_are_found_by_name_and_codes_of_many():
    make_customer("a", country="BE")
    make_customer("b", country="FR")
    ada = make_customer("c", country="FR")
    for number in range(4):
        make_order(ada, 10, coupon_code="SPRING" if number < 3 else "ONLY-ONE")
    suggest.refresh()

    assert words("country", words="belg") == ["BE"]
    assert suggest.values("country")[0].note == "France"
    assert words("coupon") == ["SPRING"]
    assert words("currency") == ["EUR"]


def test_products_are_found_by_name_and_number_without_a_tick():
    make_product("sku-9", name="Garden spade", category="Garden")

    (found,) = suggest.values("product", words="spade")
    assert (found.value, found.note) == ("sku-9", "Garden spade · Garden")
    assert words("product", words="SKU-9") == ["sku-9"]


def test_nobody_but_a_builder_completes(client):
    client.force_login(make_staff("viewer"))
    assert client.get(reverse("segment_suggest"), {"kind": "event"}).status_code == 403
    client.force_login(make_staff("analyst"))
    make_event(make_customer(), "Page Viewed", happened_at=NOW - timedelta(days=1))
    suggest.refresh()
    answer = client.get(reverse("segment_suggest"), {"kind": "event", "q": "pa"})

    assert answer.json() == {"values": [["Page Viewed", ""]]}
    for kind in ("email", "upto", "first_name", ""):
        assert client.get(reverse("segment_suggest"), {"kind": kind}).json() == {"values": []}
