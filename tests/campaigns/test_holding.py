"""Caps and quiet hours at the last moment before a message leaves."""

from datetime import time, timedelta

import pytest
from django.db import connection, transaction

from campaigns.models import Campaign, Message
from campaigns.services import claims, delivery, policy
from customers.models import Customer
from tests.campaigns.ledger import give_coupon, make_sending, states
from tests.campaigns.test_judging import send_to
from tests.makers import NOW, make_crowd

pytestmark = pytest.mark.django_db
NIGHT = NOW.replace(hour=22)
MORNING = NIGHT + timedelta(hours=10)
ONE_A_WEEK = [{"channel": "", "most": 1, "days": 7}]


def change(**fields):
    policy.change(user=None, now=NOW, **fields)


def send(campaign, now=NOW):
    delivery.deliver(campaign.pk, now=now)
    return states(campaign)


def claim(campaign, now=NOW, limit=100):
    with transaction.atomic():
        return claims.next_claims(campaign, channel="email", limit=limit, now=now)


def test_what_is_due_at_a_quiet_hour_waits_for_the_morning():
    change(quiet_hours={"email": ["21:00", "08:00"]})
    campaign = make_sending(30)

    assert send(campaign, NIGHT) == {"planned": 30}

    assert set(Message.objects.values_list("due_at", flat=True)) == {MORNING}
    assert send(campaign, MORNING - timedelta(seconds=1)) == {"planned": 30}
    assert send(campaign, MORNING) == {"sent": 30}


def test_where_it_is_day_messages_leave_at_once():
    change(quiet_hours={"email": ["21:00", "08:00"]})
    campaign = make_sending(30)
    east = Message.objects.order_by("pk")[:20].values("customer_id")
    Customer.objects.filter(pk__in=east).update(time_zone="Asia/Tokyo")  # 07:00
    west = Message.objects.order_by("pk")[20:30].values("customer_id")
    Customer.objects.filter(pk__in=west).update(time_zone="America/New_York")  # 18:00

    found = claim(campaign, NIGHT, limit=4)

    assert len(found) == 4 and {one.person.time_zone for one in found} == {"America/New_York"}
    assert send(campaign, NIGHT) == {"planned": 20, "sent": 10}


def test_a_window_is_kept_as_well():
    campaign = make_sending(2, window_from=time(9), window_to=time(18))

    send(campaign, NIGHT)

    assert set(Message.objects.values_list("due_at", flat=True)) == {NIGHT + timedelta(hours=11)}


def test_after_the_campaigns_end_no_hour_is_left():
    campaign = make_sending(2, window_from=time(9), window_to=time(18))
    Campaign.objects.update(ends_at=NIGHT + timedelta(hours=1))

    assert send(campaign, NIGHT) == {"skipped:quiet": 2}


def test_when_quiet_hours_leave_nothing_of_the_window_it_is_told():
    campaign = make_sending(2, window_from=time(9), window_to=time(10))
    change(quiet_hours={"email": ["08:00", "12:00"]})

    assert send(campaign) == {"skipped:quiet": 2}


def test_a_coupon_that_ends_before_the_morning_is_too_late():
    change(quiet_hours={"email": ["21:00", "08:00"]})
    campaign = make_sending(make_crowd(1))
    give_coupon(campaign, Customer.objects.get(), "X", expires_at=NIGHT + timedelta(hours=1))

    send(campaign, NIGHT)

    assert send(campaign, MORNING) == {"skipped:too_late": 1}


def test_a_cap_is_decided_when_the_message_leaves_and_its_window_rolls():
    crowd = make_crowd(3)
    change(caps=ONE_A_WEEK)
    send_to(crowd[:1], days_ago=6.9)
    send_to(crowd[1:2], days_ago=7)

    assert send(make_sending(crowd)) == {"sent": 2, "skipped:capped": 1}
    assert send(make_sending(crowd)) == {"skipped:capped": 3}


def test_what_is_being_sent_counts_as_sent():
    crowd = make_crowd(2)
    change(caps=ONE_A_WEEK)
    first, second = make_sending(crowd), make_sending(crowd)
    Message.objects.filter(campaign=first, customer=crowd[0]).update(
        state="sending", sending_since=NOW
    )

    assert [one.reason for one in claim(second)] == ["capped", ""]


def test_two_steps_due_at_once_share_the_room():
    crowd = make_crowd(1)
    change(caps=ONE_A_WEEK)
    flow = make_sending(crowd, kind="flow")
    Message.objects.create(
        campaign=flow, customer=crowd[0], channel="email", occasion=2, planned_at=NOW, due_at=NOW
    )

    assert [one.reason for one in claim(flow)] == ["", "capped"]


def test_under_a_cap_the_lowest_priority_number_goes_first():
    crowd = make_crowd(2)
    change(caps=ONE_A_WEEK)
    last, first = make_sending(crowd, priority=100), make_sending(crowd[:1], priority=10)

    assert send(last) == {"planned": 1, "sent": 1}  # gives way where the other is due
    assert send(first) == {"sent": 1}
    assert send(last, NOW + timedelta(minutes=1)) == {"sent": 1, "skipped:capped": 1}


def test_a_paused_campaign_keeps_nobody_waiting():
    crowd = make_crowd(1)
    change(caps=ONE_A_WEEK)
    first, last = make_sending(crowd, priority=10), make_sending(crowd)
    Campaign.objects.filter(pk=first.pk).update(state="paused")

    assert send(last) == {"sent": 1}


def test_transactional_messages_know_no_caps_no_night_and_no_topic():
    crowd = make_crowd(2, consent=False)
    change(caps=ONE_A_WEEK, quiet_hours={"email": ["21:00", "08:00"]})
    send_to(crowd)
    campaign = make_sending(crowd, kind="transactional")

    assert send(campaign, NIGHT) == {"sent": 2}


def test_without_rules_a_claim_asks_little():
    campaign = make_sending(3)

    with transaction.atomic(), connection.execute_wrapper(_counted := _Counted()):
        claims.next_claims(campaign, channel="email", limit=10, now=NOW)

    assert _counted.statements <= 4


class _Counted:
    statements = 0

    def __call__(self, execute, sql, params, many, context):
        self.statements += 1
        return execute(sql, params, many, context)
