"""Real time and batches come to the same members, at every moment."""

import random
from datetime import timedelta

import pytest

from customers.models import Customer
from segments.models import Membership, Segment
from segments.services import membership, segments
from tests import makers
from tests.makers import NOW, ago
from tests.segments.story import Story

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada():
    return makers.make_customer("ada", happened_at=ago(900))


@pytest.fixture
def bob():
    return makers.make_customer("bob", happened_at=ago(900))


def test_bought_twice_in_thirty_days(ada, bob):
    Story(type="orders", measure="count", op=">=", value=2, window_days=30).at("2026-01-01").buys(
        ada
    ).expect(ada, "out").at("2026-01-05").buys(ada).buys(bob).expect(ada, "in").expect(
        bob, "out"
    ).at("2026-01-31").expect(ada, "in").at("2026-01-31T00:00:01").expect(ada, "out").check()


def test_cart_left_behind_and_taken_up_again(ada):
    Story(
        type="sequence",
        names=["Product Added"],
        window_days=3,
        at_least_minutes_ago=60,
        unless_order=True,
    ).at("2026-01-01T10:00").does(ada, "Product Added").expect(ada, "out").at(
        "2026-01-01T11:00"
    ).expect(ada, "in").at("2026-01-02T09:00").buys(ada).expect(ada, "out").at(
        "2026-01-03T09:00"
    ).does(ada, "Product Added").at("2026-01-03T12:00").expect(ada, "in").at(
        "2026-01-06T09:00:01"
    ).expect(ada, "out").check()


def test_consent_given_and_withdrawn(ada):
    Story(type="consent", channel="email").at("2026-01-01").expect(ada, "out").agrees(ada).expect(
        ada, "in"
    ).at("2026-01-02").agrees(ada, False).expect(ada, "out").check()


def test_rfm_groups_follow_the_calendar(ada):
    Story(type="rfm", groups=["recent", "needs_attention"]).at("2026-01-01").expect(
        ada, "out"
    ).buys(ada).expect(ada, "in").at("2026-06-30").expect(ada, "in").at("2026-07-01").expect(
        ada, "out"
    ).check()


def all_members():
    return set(Membership.objects.values_list("segment__key", "customer_id"))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_event_by_event_is_the_same_as_a_full_rebuild(seed):
    draw = random.Random(seed)
    everyone = [makers.make_customer(f"c{number}", happened_at=ago(900)) for number in range(12)]
    segments.create(
        name="Spent 50 lately, not Garden",
        rule={
            "version": 1,
            "where": {
                "type": "and",
                "of": [
                    {"type": "orders", "measure": "revenue", "op": ">=", "value": 50,
                     "window_days": 90},
                    {"type": "orders", "measure": "count", "op": "=", "value": 0,
                     "filter": {"category": ["Garden"]}},
                ],
            },
        },
        user=None,
        now=ago(800),
    )  # fmt: skip
    garden = makers.make_product("rose", category="Garden")
    moment = ago(600)
    membership.refresh_all(now=moment)

    for step in range(60):
        moment += timedelta(hours=draw.choice((1, 20, 24, 24 * 7, 24 * 30)))
        customer = draw.choice(everyone)
        kind = draw.choice(("order", "garden", "cart", "consent"))
        if kind == "cart":
            makers.make_event(customer, "Product Added", happened_at=moment)
        elif kind == "consent":
            makers.make_consent(customer, draw.random() < 0.5, happened_at=moment)
        else:
            product = garden if kind == "garden" else None
            total = draw.choice((5, 30, 60))
            makers.make_order(customer, total, happened_at=moment, product=product)
        membership.refresh([customer.pk], cause="event", now=moment)
        if step % 20 == 19:
            membership.refresh([one.pk for one in everyone], cause="clock", now=moment)
            event_by_event = all_members()
            assert membership.refresh_all(now=moment).entered == 0
            assert all_members() == event_by_event
            Membership.objects.all().delete()
            Segment.objects.update(refreshed_at=None)
            membership.refresh_all(now=moment)
            assert all_members() == event_by_event
    assert Customer.objects.count() == 12 and all_members()
    assert moment > NOW - timedelta(days=600)
