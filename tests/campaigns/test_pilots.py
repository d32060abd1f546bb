"""A share first, then the rest: once, and nobody twice."""

from datetime import timedelta

import pytest

from campaigns.experiments import assignment
from campaigns.models import Assignment, Campaign, Coupon, Message
from campaigns.services import delivery, offers, pilots, planning
from rapport.errors import Conflict
from segments.models import Membership, Segment
from tests.makers import NOW, make_campaign, make_crowd, make_segment

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(days=2)


@pytest.fixture
def crowd():
    return make_crowd(80)


@pytest.fixture
def pilot(crowd):
    offer = offers.create(user=None, now=NOW, name="Gift", kind="free_shipping")
    campaign = make_campaign(
        make_segment(members=crowd), holdout_share=0.25, pilot_share=0.3, offer=offer
    )
    planning.launch(campaign, user=None, now=NOW)
    planning.plan(campaign.pk, now=NOW)
    return campaign


def scale(campaign, now=LATER):
    pilots.scale(campaign, user=None, now=now)
    return planning.plan(campaign.pk, now=now)


def test_only_the_drawn_share_is_planned_with_each_arm_in_proportion(pilot, crowd):
    inside = {one.pk for one in crowd if assignment.draw("spring:pilot", one.pk) < 0.3}

    assert set(Message.objects.values_list("customer_id", flat=True)) == inside
    assert set(Assignment.objects.values_list("arm", flat=True)) == {"treated", "holdout"}
    assert pilots.report(pilot) == pilots.PilotReport(0.3, len(inside), 80 - len(inside), None)


def test_the_rest_follows_once_and_nobody_twice(pilot):
    delivery.deliver(pilot.pk, now=NOW)
    pilot.refresh_from_db()
    assert pilot.state == Campaign.State.FINISHED and pilots.may_scale(pilot)
    before = set(Message.objects.values_list("pk", "customer_id", "sent_at"))

    report = scale(pilot)
    delivery.deliver(pilot.pk, now=LATER)

    assert report.planned + report.holdout == 80 - len(before)
    assert before < set(Message.objects.values_list("pk", "customer_id", "sent_at"))
    assert Message.objects.count() == Assignment.objects.count() == 80
    assert Coupon.objects.count() == Message.objects.filter(reason="").count()
    pilot.refresh_from_db()
    assert (pilot.state, pilot.scaled_at) == (Campaign.State.FINISHED, LATER)


def test_of_two_who_scale_the_second_is_refused(pilot):
    twin = Campaign.objects.get()
    pilots.scale(pilot, user=None, now=LATER)

    with pytest.raises(Conflict, match="was added at 2026-06-03"):
        pilots.scale(twin, user=None, now=LATER)
    assert planning.plan(pilot.pk, now=LATER).planned
    assert not planning.plan(pilot.pk, now=LATER).planned


def test_who_joins_the_segment_meanwhile_is_among_the_rest(pilot):
    (newcomer,) = make_crowd(1, first=500)
    Membership.objects.create(
        segment=Segment.objects.get(key="everybody"),
        customer=newcomer,
        entered_at=NOW,
        rule_version=1,
    )

    scale(pilot)

    assert Message.objects.filter(customer=newcomer).count() == 1
    assert Message.objects.count() == 81


def test_the_pilots_people_stay_told_apart(pilot):
    people = pilots.report(pilot).people

    scale(pilot)

    pilot.refresh_from_db()
    assert pilots.report(pilot) == pilots.PilotReport(0.3, people, 0, LATER)


def test_a_segment_that_broke_meanwhile_keeps_the_rest_from_being_written_to(pilot):
    before = Message.objects.count()
    pilots.scale(pilot, user=None, now=LATER)
    Segment.objects.filter(key="everybody").update(state="invalid", error="no such trait")

    planning.plan(pilot.pk, now=LATER)

    pilot.refresh_from_db()
    assert (pilot.state, pilot.scaled_at) == (Campaign.State.SENDING, None)
    assert "no such trait" in pilot.state_reason and Message.objects.count() == before
    with pytest.raises(planning.LaunchRefused, match="no such trait"):
        pilots.scale(pilot, user=None, now=LATER)


def test_paused_between_the_word_and_the_plan_the_rest_is_planned_on_resuming(pilot):
    pilots.scale(pilot, user=None, now=LATER)
    delivery.pause(pilot, user=None, now=LATER)
    assert not planning.plan(pilot.pk, now=LATER).planned

    delivery.resume(pilot, user=None, now=LATER)

    assert planning.plan(pilot.pk, now=LATER).planned
    assert Message.objects.count() == 80


def test_a_campaign_without_a_pilot_has_no_rest(crowd):
    campaign = make_campaign(make_segment(members=crowd))

    with pytest.raises(Conflict, match="has no pilot"):
        pilots.scale(campaign, user=None, now=NOW)
    assert pilots.report(campaign) is None and not pilots.may_scale(campaign)
