"""Where windows begin and end, the same in both readers."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import connection

from segments.models import CustomerList, ListMember, ModelRun, Score
from segments.rules import to_sql
from segments.rules.evaluate import evaluate
from segments.rules.parse import parse
from segments.services import people
from tests import makers
from tests.makers import NOW, ago

pytestmark = pytest.mark.django_db
TICK = timedelta(microseconds=1)


def is_in(customer, **where) -> bool:
    """Whether the rule holds as of NOW; both readers are asked and must agree."""
    rule = parse({"version": 1, "where": where})
    with connection.cursor() as cursor:
        query = to_sql.to_sql(rule, NOW)
        cursor.execute(query.text, query.params)
        in_sql = (customer.pk,) in cursor.fetchall()
    in_python = evaluate(rule, people.load([customer.pk])[0], NOW)
    assert in_sql == in_python
    return in_sql


def orders(measure="count", op=">=", value=1, **more):
    return {"type": "orders", "measure": measure, "op": op, "value": value, **more}


@pytest.mark.parametrize(
    ("happened_at", "expected"),
    [
        (ago(30), True),  # the first moment belongs to the window
        (ago(30) - TICK, False),
        (NOW, True),  # and so does the last
        (NOW + TICK, False),
    ],
)
def test_a_window_is_closed_at_both_ends(happened_at, expected):
    ada = makers.make_customer("ada")
    makers.make_order(ada, happened_at=happened_at, recorded_at=min(happened_at, NOW))

    assert is_in(ada, **orders(window_days=30)) is expected


def test_a_window_is_of_hours_in_whatever_zone_the_moment_is_told():
    ada = makers.make_customer("ada")
    bought = datetime(2026, 3, 1, tzinfo=UTC)  # clocks change before the thirty days are over
    makers.make_order(ada, happened_at=bought)
    rule = parse({"version": 1, "where": orders(window_days=30)})
    last = bought + timedelta(days=30)

    for as_of, expected in ((last, True), (last + TICK, False)):
        told = as_of.astimezone(ZoneInfo("Europe/Paris"))
        assert evaluate(rule, people.load([ada.pk])[0], told) is expected
        with connection.cursor() as cursor:
            query = to_sql.to_sql(rule, told)
            cursor.execute(query.text, query.params)
            assert (cursor.fetchall() == [(ada.pk,)]) is expected


@pytest.mark.parametrize(("recorded_at", "expected"), [(NOW, True), (NOW + TICK, False)])
def test_what_was_recorded_later_is_not_seen(recorded_at, expected):
    ada = makers.make_customer("ada")
    makers.make_order(ada, days_ago=3, recorded_at=recorded_at)
    makers.make_event(ada, "Product Viewed", days_ago=3, recorded_at=recorded_at)
    makers.make_consent(ada, recorded_at=recorded_at)

    assert is_in(ada, **orders()) is expected
    assert is_in(ada, type="events", names=["Product Viewed"], op=">=", value=1) is expected
    assert is_in(ada, type="consent", channel="email") is expected


@pytest.mark.parametrize(
    ("last", "within", "longer_ago"),
    [(ago(30), True, False), (ago(30) - TICK, False, True), (ago(30) + TICK, True, False)],
)
def test_within_and_more_than_days_ago_split_time_without_gap(last, within, longer_ago):
    ada = makers.make_customer("ada")
    makers.make_order(ada, happened_at=last)

    assert is_in(ada, **orders("last", "less_than_days_ago", 30)) is within
    assert is_in(ada, **orders("last", "more_than_days_ago", 30)) is longer_ago


def test_only_paid_sales_count_unless_the_filter_says_otherwise():
    ada = makers.make_customer("ada")
    makers.make_order(ada, 50, status="cancelled")
    makers.make_order(ada, -50, kind="refund")

    assert not is_in(ada, **orders())
    assert is_in(ada, **orders(filter={"status": ["cancelled"]}))
    assert is_in(ada, **orders("revenue", "=", -50, filter={"kind": ["refund"]}))


def test_an_average_is_compared_exactly():
    ada = makers.make_customer("ada")
    for total in (10, 10, "10.0001"):
        makers.make_order(ada, total)

    assert is_in(ada, **orders("average", ">", 10.00003))
    assert not is_in(ada, **orders("average", ">=", 10.00004))


def test_with_a_product_filter_only_these_lines_count():
    ada = makers.make_customer("ada")
    tulip = makers.make_product("tulip", category="Garden")
    makers.make_order(ada, 30, product=tulip)
    makers.make_order(ada, 100)

    assert is_in(ada, **orders("revenue", "=", 30, filter={"category": ["garden"]}))
    assert is_in(ada, **orders("items", "=", 1, filter={"product": ["TULIP"]}))
    assert is_in(ada, **orders("count", "=", 0, filter={"brand": ["Acme"]}))


def test_the_price_of_a_unit_and_the_total_of_the_order_are_two_things():
    ada = makers.make_customer("ada")
    makers.make_order(ada, 30)  # one unit at 30
    order = makers.make_order(ada, 100)
    order.lines.update(quantity=10, unit_price=10)

    assert is_in(ada, **orders("count", "=", 1, filter={"price": {"op": ">=", "value": 30}}))
    assert is_in(ada, **orders("revenue", "=", 30, filter={"price": {"op": ">", "value": 10}}))
    assert is_in(ada, **orders("items", "=", 10, filter={"price": {"op": "<", "value": 30}}))
    assert is_in(ada, **orders("revenue", "=", 100, filter={"total": {"op": ">", "value": 30}}))
    assert is_in(ada, **orders(filter={"total": {"op": "between", "value": [30, 30]}}))


def test_bought_one_thing_but_never_another():
    ada, bob = makers.make_customer("ada"), makers.make_customer("bob")
    tulip, mug = makers.make_product("tulip", category="Garden"), makers.make_product("mug")
    for one in (ada, bob):
        makers.make_order(one, product=tulip)
    makers.make_order(bob, product=mug)
    garden_only = {
        "type": "and",
        "of": [
            orders(filter={"category": ["Garden"]}),
            orders("count", "=", 0, filter={"category": ["Kitchen"]}),
        ],
    }

    assert is_in(ada, **garden_only)
    assert not is_in(bob, **garden_only)


def test_who_is_on_a_list_is_so_from_the_moment_of_being_added():
    ada, bob = makers.make_customer("ada"), makers.make_customer("bob")
    guests = CustomerList.objects.create(key="guests", created_at=NOW, changed_at=NOW)
    for one, added_at in ((ada, NOW), (bob, NOW + TICK)):
        ListMember.objects.create(list=guests, customer=one, added_at=added_at)

    assert is_in(ada, type="list", key="guests")
    assert not is_in(bob, type="list", key="guests")
    assert not is_in(ada, type="list", key="no such list")


def test_a_cart_is_left_behind_until_something_is_ordered():
    ada = makers.make_customer("ada")
    cart = {
        "type": "sequence",
        "names": ["Product Added"],
        "window_days": 7,
        "at_least_minutes_ago": 60,
        "unless_order": True,
    }

    makers.make_order(ada, days_ago=2)
    assert not is_in(ada, **cart)
    makers.make_event(ada, "Product Added", happened_at=ago(1))
    assert is_in(ada, **cart)
    makers.make_event(ada, "Product Added", happened_at=ago(minutes=59))
    assert not is_in(ada, **cart)  # still filling it


def test_an_order_at_the_same_moment_ends_the_cart():
    ada = makers.make_customer("ada")
    cart = {
        "type": "sequence",
        "names": ["Product Added"],
        "window_days": 7,
        "unless_order": True,
    }
    makers.make_event(ada, "Product Added", happened_at=ago(1))
    order = makers.make_order(ada, happened_at=ago(1) - TICK)

    assert is_in(ada, **cart)
    order.happened_at = ago(1)
    order.save()
    assert not is_in(ada, **cart)


def test_ties_at_the_edge_of_a_top_share_are_all_in():
    run = ModelRun.objects.create(kind="clv_365d", as_of=NOW, created_at=NOW)
    names = ["ada", "bob", "eve", "mallory"]
    values = dict(zip(names, (9.0, 5.0, 5.0, 1.0), strict=True))
    cast = {name: makers.make_customer(name) for name in names}
    for name, value in values.items():
        Score.objects.create(name="clv_365d", customer=cast[name], run=run, value=value, as_of=NOW)

    def highest(share):
        where = {"type": "score", "name": "clv_365d", "op": "top_share", "value": share}
        return {name for name in names if is_in(cast[name], **where)}

    assert highest(0.25) == {"ada"}
    assert highest(0.5) == {"ada", "bob", "eve"}
    assert highest(0.75) == {"ada", "bob", "eve"}
    assert highest(1) == set(names)


def test_the_latest_word_counts_and_none_is_no():
    ada, bob = makers.make_customer("ada"), makers.make_customer("bob")
    makers.make_consent(ada, True, happened_at=ago(5))
    makers.make_consent(ada, False, happened_at=ago(4))

    for customer in (ada, bob):
        assert not is_in(customer, type="consent", channel="email")
        assert is_in(customer, type="consent", channel="email", is_granted=False)


def test_an_absent_value_compares_with_nothing():
    ada = makers.make_customer("ada", country="", traits={"plan": None})

    for field in ("country", "traits.plan"):
        assert not is_in(ada, type="field", field=field, op="=", value="FR")
        assert is_in(ada, type="field", field=field, op="!=", value="FR")
        assert is_in(ada, type="field", field=field, op="not_exists")


def test_an_erased_customer_is_in_no_segment():
    ada = makers.make_customer("ada", erased_at=ago(1))

    assert not is_in(ada, type="everybody")
