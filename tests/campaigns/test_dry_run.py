"""When a campaign would have left, what it would cost, and what had better be looked at."""

from datetime import timedelta
from decimal import Decimal

import pytest

from campaigns.models import Coupon, Message
from campaigns.services import audience, expecting, offers, planning, policy
from campaigns.timing import leaving
from customers.models import Customer
from tests.campaigns.test_judging import send_to
from tests.makers import NOW, ago, make_campaign, make_consent, make_crowd, make_segment

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture
def crowd():
    return make_crowd(60)


@pytest.fixture
def everybody(crowd):
    return make_segment(members=crowd, members_count=60)


def dry_run(campaign):
    return audience.dry_run(campaign, now=NOW)


def test_it_adds_up_and_the_plan_does_what_it_said(crowd, everybody):
    policy.change(
        user=None, now=NOW, holdout_share=0.2, caps=[{"channel": "", "most": 1, "days": 7}],
        quiet_hours={"email": ["11:00", "14:00"]},
    )  # fmt: skip
    send_to(crowd[:9])
    Customer.objects.filter(pk__in=[one.pk for one in crowd[20:]]).update(time_zone="Asia/Tokyo")
    campaign = make_campaign(
        everybody, holdout_share=0.3, sampled_share=0.8, pilot_share=0.6, ends_at=NOW + HOUR
    )

    said = dry_run(campaign)
    left = audience.people(campaign, reason="holdout", now=NOW)
    planning.launch(campaign, user=None, now=NOW)
    did = planning.plan(campaign.pk, now=NOW)

    assert said.included == said.planned + said.holdout + said.later + sum(said.skipped.values())
    assert (said.planned, said.holdout) == (did.planned, did.holdout)
    assert len(left) == said.holdout
    assert {reason: n for reason, n in said.skipped.items() if n} == did.skipped
    assert {"global_holdout", "not_sampled", "capped", "quiet"} == set(did.skipped)
    assert said.later == 60 - Message.objects.filter(campaign=campaign).count()


def test_when_it_leaves_by_hour_and_zone(crowd, everybody):
    Customer.objects.filter(pk__in=[one.pk for one in crowd[:20]]).update(time_zone="Asia/Tokyo")
    campaign = make_campaign(everybody, timing="local_hour", local_hour=9)

    found = dry_run(campaign)

    assert [(one.from_hour - NOW, one.messages) for one in found.leaving] == [
        (12 * HOUR, 20), (21 * HOUR, 40)
    ]  # fmt: skip
    assert [(one.zone, one.people) for one in found.zones] == [("", 40), ("Asia/Tokyo", 20)]
    assert found.done_at == NOW + 21 * HOUR + 40 / 50_000 * HOUR


def test_the_rate_is_measured_on_the_latest_messages(everybody):
    assert dry_run(make_campaign(everybody)).rates == {"email": expecting.Rate(50_000, 0)}

    campaign = send_to(make_crowd(600, first=1_000))
    for minute in range(3):
        ids = campaign.messages.order_by("pk").values("pk")[minute * 200 : minute * 200 + 200]
        at = ago(1) + timedelta(minutes=10 * minute)
        Message.objects.filter(pk__in=list(ids.values_list("pk", flat=True))).update(sent_at=at)

    found = dry_run(make_campaign(everybody))
    assert found.rates == {"email": expecting.Rate(12_000, 600)}
    assert found.done_at == NOW + 60 / 12_000 * HOUR


def test_a_queue_waits_for_what_is_before_it():
    due = [(NOW + 5 * HOUR, 100), (NOW, 300), (NOW + 2 * HOUR, 100)]

    assert leaving.done_at(due, per_hour=100) == NOW + 6 * HOUR
    assert leaving.done_at([], per_hour=100) is None


def test_what_it_costs_by_channel(crowd, everybody):
    for one in crowd[:10]:
        Customer.objects.filter(pk=one.pk).update(phone=f"+3360000{one.pk}", email=None)
        make_consent(one, channel="sms")
    policy.change(user=None, now=NOW, costs={"sms": "0.05"}, quiet_hours={})
    campaign = make_campaign(everybody, channel_choice="preferred", other_channels=["sms"])

    found = dry_run(campaign)

    assert found.by_channel == {"email": 50, "sms": 10}
    assert (found.cost.messages, found.cost.unknown) == (0.5, ["email"])
    campaign.cost_per_message = Decimal("0.01")
    assert (dry_run(campaign).cost.messages, dry_run(campaign).cost.unknown) == (0.6, [])


def test_what_the_offer_is_expected_to_cost(crowd, everybody):
    offer = offers.create(user=None, now=NOW, name="Gift", kind="gift", gift="A mug", cost=4)
    campaign = make_campaign(everybody, offer=offer)
    assert dry_run(campaign).cost.offer is None

    Coupon.objects.bulk_create(
        Coupon(
            offer=offer, code=f"OLD-{n}", campaign=campaign, occasion=n,
            customer_id=crowd[0].pk, created_at=ago(40),
            given_at=ago(40), expires_at=ago(20), redeemed_at=ago(30) if n < 25 else None,
        )
        for n in range(100)
    )  # fmt: skip

    found = dry_run(campaign).cost
    assert found.offer == 60 * 0.25 * 4 and "25.0 % of 100" in found.offer_basis


def test_too_many_small_segments_are_told(everybody):
    small = [make_segment(f"s{n}", members_count=n) for n in range(4)]

    assert dry_run(make_campaign(everybody, *small[:2])).warnings == []  # and one of 60
    (warning,) = dry_run(make_campaign(everybody, *small)).warnings
    assert "5 of its segments have fewer than 100 people: s0, s1" in warning
