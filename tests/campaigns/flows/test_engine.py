"""People come into flows, go from step to step and leave: told as stories."""

from datetime import timedelta

import pytest

from campaigns.models import Assignment, Campaign, Coupon, Journey, Message, Offer
from campaigns.services import delivery
from campaigns.services.flows import advancing, entering
from customers.models import Customer
from customers.services import touches
from customers.services.identities import merging
from segments.models import WebhookDelivery
from segments.services import webhooks
from tests.campaigns.flows.stories import (
    DAY,
    HOUR,
    MINUTE,
    does,
    journey,
    log,
    make_flow,
    messages,
    moves,
    tick,
)
from tests.makers import NOW, make_consent, make_crowd, make_customer, make_order, make_segment

pytestmark = pytest.mark.django_db
BOUGHT = {"version": 1, "where": {"type": "orders", "measure": "count", "op": ">=", "value": 1}}
WELCOME = (
    {"number": 1, "kind": "send", "next": 2},
    {"number": 2, "kind": "wait", "days": 3, "next": 3},
    {"number": 3, "kind": "send", "next": None},
)


@pytest.fixture
def ada():
    customer = make_customer("ada", time_zone="Europe/Paris")
    make_consent(customer)
    return customer


def test_an_event_lets_somebody_in_once_and_each_step_comes_at_its_moment(ada):
    flow = make_flow(*WELCOME)
    does(ada, "signed_up", NOW + MINUTE, plan="gold")

    tick(NOW + 2 * MINUTE)
    tick(NOW + 3 * MINUTE)
    tick(NOW + 3 * DAY)
    assert log(flow, ada) == ["1 entered signed_up", "1 planned", "2 waited"]
    tick(NOW + 3 * DAY + 3 * MINUTE)

    assert log(flow, ada)[3:] == ["2 went_on", "3 planned", "3 done"]
    assert messages(flow) == {(1, "planned", ""): 1, (3, "planned", ""): 1}
    first = Message.objects.get(campaign=flow, step=1)
    assert first.occasion == journey(flow, ada).pk
    assert first.data["plan"] == "gold"
    assert first.variant.step == 1


def test_an_event_whose_properties_do_not_fit_lets_nobody_in(ada):
    flow = make_flow(
        *WELCOME,
        trigger={
            "on": "event",
            "event": "signed_up",
            "where": [{"name": "plan", "op": "=", "value": "gold"}],
        },
    )
    does(ada, "signed_up", NOW + MINUTE, plan="tin")
    tick(NOW + 2 * MINUTE)
    assert not Journey.objects.exists()

    does(ada, "signed_up", NOW + 3 * MINUTE, plan="Gold")
    tick(NOW + 4 * MINUTE)

    assert journey(flow, ada).state == "waiting"


def test_what_happened_before_the_launch_sets_nothing_off(ada):
    does(ada, "signed_up", NOW - MINUTE)
    segment = make_segment("new")
    moves(ada, segment, NOW - MINUTE)
    make_flow(*WELCOME)
    make_flow(*WELCOME, trigger={"on": "segment_entered", "segment": "new"})

    does(ada, "something_else", NOW + MINUTE)
    tick(NOW + 2 * MINUTE)

    assert not Journey.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_segment_lets_in_who_enters_or_exits(ada):
    segment = make_segment("new")
    comes = make_flow(*WELCOME, trigger={"on": "segment_entered", "segment": "new"})
    goes = make_flow(*WELCOME, trigger={"on": "segment_exited", "segment": "new"})
    moves(ada, segment, NOW + MINUTE)
    tick(NOW + 2 * MINUTE)
    assert not Journey.objects.filter(campaign=goes).exists()
    moves(ada, segment, NOW + 3 * MINUTE, "exited")

    tick(NOW + 4 * MINUTE)
    tick(NOW + 5 * MINUTE)

    assert Journey.objects.get(campaign=comes).cause == "segment_entered"
    assert Journey.objects.get(campaign=goes).cause == "segment_exited"


def test_those_already_there_come_in_at_the_launch_where_that_is_wanted(ada):
    make_segment("new", [ada])
    flow = make_flow(*WELCOME, trigger={"on": "segment_entered", "segment": "new", "present": True})

    tick(NOW)

    assert log(flow, ada) == ["1 entered present", "1 planned", "2 waited"]


@pytest.mark.parametrize(
    ("reentry", "days_later", "entries"),
    [("never", 9, 1), ("after_exit", 2, 1), ("after_exit", 5, 2), ({"after_days": 10}, 8, 1),
     ({"after_days": 10}, 15, 2)],
)  # fmt: skip
def test_who_was_in_comes_again_by_the_rule_of_the_flow(ada, reentry, days_later, entries):
    flow = make_flow(*WELCOME, reentry=reentry)
    does(ada, "signed_up", NOW + MINUTE)
    tick(NOW + MINUTE)
    for days in range(1, days_later):
        tick(NOW + days * DAY)

    does(ada, "signed_up", NOW + days_later * DAY)
    tick(NOW + days_later * DAY)
    tick(NOW + days_later * DAY + MINUTE)

    found = Journey.objects.filter(campaign=flow, customer=ada)
    assert sorted(found.values_list("number", flat=True)) == list(range(1, entries + 1))


def test_an_event_that_found_somebody_inside_does_not_let_her_in_when_she_is_out(ada):
    flow = make_flow({"number": 1, "kind": "wait", "minutes": 3, "next": None})
    does(ada, "signed_up", NOW + MINUTE)
    tick(NOW + MINUTE)
    does(ada, "signed_up", NOW + 2 * MINUTE)
    tick(NOW + 2 * MINUTE)

    for minutes in range(3, 9):  # looked at again and again
        touches.record([ada.pk], NOW)
        tick(NOW + minutes * MINUTE)

    assert Journey.objects.get(campaign=flow).state == "done"


def test_an_order_ends_the_journey_and_takes_back_what_was_planned(ada):
    flow = make_flow(*WELCOME, exit_on={"order": True})
    does(ada, "signed_up", NOW + MINUTE)
    tick(NOW + MINUTE)
    make_order(ada, happened_at=NOW + HOUR)
    touches.record([ada.pk], NOW)

    tick(NOW + HOUR + MINUTE)

    assert journey(flow, ada).exit_reason == "ordered"
    assert messages(flow) == {(1, "skipped", "left_flow"): 1}
    tick(NOW + 4 * DAY)
    assert Message.objects.count() == 1


def test_an_order_nobody_told_of_is_found_before_the_next_step(ada):
    flow = make_flow(*WELCOME, exit_on={"order": True})
    does(ada, "signed_up", NOW + MINUTE)
    tick(NOW + MINUTE)
    make_order(ada, happened_at=NOW + HOUR)

    tick(NOW + 4 * DAY)

    assert log(flow, ada)[-1] == "2 left ordered"


def test_a_wait_for_an_event_ends_with_it_or_with_its_timeout(ada):
    eve = make_customer("eve")
    steps = (
        {
            "number": 1, "kind": "wait_until", "event": "cart_viewed", "timeout": {"hours": 2},
            "where": [{"name": "items", "op": ">", "value": 1}], "next": 2, "else": 3,
        },
        {"number": 2, "kind": "update_trait", "trait": "came_back", "value": True, "next": None},
        {"number": 3, "kind": "exit"},
    )  # fmt: skip
    flow = make_flow(*steps)
    for one in (ada, eve):
        does(one, "cart_viewed", NOW + MINUTE, items=5)  # before the wait: does not count
        does(one, "signed_up", NOW + MINUTE)
    tick(NOW + 2 * MINUTE)
    does(ada, "cart_viewed", NOW + 3 * MINUTE, items=1)
    tick(NOW + 4 * MINUTE)
    assert journey(flow, ada).waits_for == "cart_viewed"

    does(ada, "cart_viewed", NOW + HOUR, items=2)
    tick(NOW + HOUR + MINUTE)
    tick(NOW + 3 * HOUR)

    assert log(flow, ada)[-3:] == ["1 heard", "2 trait came_back", "2 done"]
    assert log(flow, eve)[-2:] == ["1 timed_out", "3 left step"]
    assert Customer.objects.get(pk=ada.pk).traits == {"came_back": True}


def test_filters_branches_and_splits_send_people_their_ways():
    crowd = make_crowd(60)
    for one in crowd[:30]:
        make_order(one)
    steps = (
        {"number": 1, "kind": "branch", "rule": BOUGHT, "then": 2, "else": 3},
        {
            "number": 2, "kind": "split", "holdout_share": 0.3,
            "arms": [{"name": "A", "weight": 1, "next": 4}, {"name": "B", "weight": 1}],
        },
        {"number": 3, "kind": "filter", "rule": BOUGHT, "next": 4},
        {"number": 4, "kind": "exit"},
    )  # fmt: skip
    flow = make_flow(*steps)
    for one in crowd:
        does(one, "signed_up", NOW + MINUTE)
    tick(NOW + MINUTE)

    found = Journey.objects.filter(campaign=flow)
    assert found.filter(exit_reason="filtered").count() == 30
    counts = [
        found.filter(exit_reason=one).count() for one in ("split_holdout", "step", "finished")
    ]
    assert sum(counts) == 30
    assert all(count >= 4 for count in counts)


def test_those_drawn_to_be_left_alone_pass_through_nothing_and_are_counted():
    crowd = make_crowd(100)
    flow = make_flow(*WELCOME, fields={"holdout_share": 0.3})
    for one in crowd:
        does(one, "signed_up", NOW + MINUTE)
    tick(NOW + MINUTE)

    left_alone = Journey.objects.filter(campaign=flow, state="holdout")
    arms = Assignment.objects.filter(campaign=flow)
    assert arms.count() == 100
    assert set(arms.filter(arm="holdout").values_list("customer_id")) == set(
        left_alone.values_list("customer_id")
    )
    assert 15 < left_alone.count() < 45
    assert Message.objects.filter(campaign=flow).count() == 100 - left_alone.count()


def test_a_send_waits_for_its_hour_on_the_persons_clock(ada):
    flow = make_flow(
        {"number": 1, "kind": "wait_until", "weekdays": [2], "next": 2},
        {"number": 2, "kind": "send", "hour": 9, "next": None},
    )
    does(ada, "signed_up", NOW + MINUTE)  # a Monday
    tick(NOW + MINUTE)
    assert journey(flow, ada).due_at.isoformat() == "2026-06-02T22:00:00+00:00"

    tick(journey(flow, ada).due_at)
    assert journey(flow, ada).due_at.isoformat() == "2026-06-03T07:00:00+00:00"
    tick(journey(flow, ada).due_at)

    assert journey(flow, ada).state == "done"


def test_a_webhook_step_tells_an_endpoint_signed_and_once(ada):
    endpoint = webhooks.create(
        name="Till", url="https://93.184.216.34/hook", user=None, now=NOW, wants_exited=False
    )
    make_flow({"number": 1, "kind": "webhook", "endpoint": endpoint.pk, "next": None})
    does(ada, "signed_up", NOW + MINUTE, plan="gold")
    tick(NOW + MINUTE)
    tick(NOW + MINUTE)

    told = WebhookDelivery.objects.get()
    assert told.payload["type"] == "flows.step"
    assert told.payload["data"]["changes"][0]["event"]["plan"] == "gold"
    assert told.customer_ids == [ada.pk]


def test_a_paused_flow_stands_still_while_its_waits_go_on_counting(ada):
    flow = make_flow(*WELCOME)
    does(ada, "signed_up", NOW + MINUTE)
    tick(NOW + MINUTE)
    delivery.pause(flow, user=None, now=NOW)
    tick(NOW + 4 * DAY)
    assert journey(flow, ada).step == 2

    delivery.resume(flow, user=None, now=NOW)
    tick(NOW + 4 * DAY + MINUTE)

    assert journey(flow, ada).state == "done"


def test_a_cancelled_flow_lets_everybody_go(ada):
    flow = make_flow(*WELCOME)
    does(ada, "signed_up", NOW + MINUTE)
    tick(NOW + MINUTE)
    delivery.cancel(flow, user=None, now=NOW)

    tick(NOW + 2 * MINUTE)

    assert journey(flow, ada).exit_reason == "cancelled"
    assert Message.objects.get().state == "skipped"


def test_a_step_that_cannot_be_done_pauses_the_flow_and_loses_nobody(ada):
    segment = make_segment("gold", rule=BOUGHT)
    rule = {"version": 1, "where": {"type": "segment", "key": "gold"}}
    flow = make_flow({"number": 1, "kind": "filter", "rule": rule, "next": None})
    segment.state = "archived"
    segment.save()
    does(ada, "signed_up", NOW + MINUTE)
    tick(NOW + MINUTE)

    flow.refresh_from_db()
    assert flow.state == Campaign.State.PAUSED
    assert "gold" in flow.state_reason
    assert journey(flow, ada).state == "waiting"


def test_who_was_erased_goes_no_further(ada):
    flow = make_flow(*WELCOME)
    does(ada, "signed_up", NOW + MINUTE)
    tick(NOW + MINUTE)
    Customer.objects.filter(pk=ada.pk).update(erased_at=NOW)

    tick(NOW + 4 * DAY)

    assert journey(flow, ada).exit_reason == "erased"


def test_a_send_without_consent_is_skipped_with_its_reason_and_the_journey_goes_on():
    mallory = make_customer("mallory")
    flow = make_flow(*WELCOME)
    does(mallory, "signed_up", NOW + MINUTE)
    tick(NOW + MINUTE)

    assert log(flow, mallory)[1:] == ["1 skipped no_consent", "2 waited"]


def test_an_event_recorded_late_is_found_where_the_last_look_was_before_it(ada):
    flow = make_flow(*WELCOME)
    tick(NOW + MINUTE)
    tick(NOW + 20 * MINUTE)
    does(ada, "signed_up", NOW + MINUTE, recorded_at=NOW + 15 * MINUTE)  # a slow transaction

    tick(NOW + 21 * MINUTE)

    assert journey(flow, ada).caused_at == NOW + MINUTE


def test_the_excluded_and_those_outside_the_audience_do_not_come_in(ada):
    bob, eve = make_customer("bob"), make_customer("eve")
    inside, out = make_segment("inside", [ada, bob]), make_segment("out", [bob])
    flow = make_flow(*WELCOME, fields={"included": [inside], "excluded": [out]})
    for one in (ada, bob, eve):
        does(one, "signed_up", NOW + MINUTE)
    tick(NOW + MINUTE)

    assert Journey.objects.get(campaign=flow).customer == ada


def test_nobody_comes_in_after_the_end_and_the_flow_finishes_when_all_are_out(ada):
    bob = make_customer("bob")
    flow = make_flow(
        {"number": 1, "kind": "wait", "days": 1, "next": None}, fields={"ends_at": NOW + HOUR}
    )
    does(ada, "signed_up", NOW + HOUR - MINUTE)
    does(bob, "signed_up", NOW + 2 * HOUR)
    tick(NOW + 2 * HOUR)
    assert Journey.objects.get(campaign=flow).customer == ada
    flow.refresh_from_db()
    assert flow.state == Campaign.State.SENDING

    tick(NOW + 2 * DAY)
    tick(NOW + 2 * DAY + MINUTE)

    flow.refresh_from_db()
    assert flow.state == Campaign.State.FINISHED


def test_the_sends_after_an_offer_carry_one_code_of_it(ada):
    offer = Offer.objects.create(name="A fifth off", kind="percent", share="0.2", created_at=NOW)
    flow = make_flow(
        {"number": 1, "kind": "send", "next": 2},
        {"number": 2, "kind": "offer", "offer": offer.pk, "next": 3},
        {"number": 3, "kind": "send", "next": 4},
        {"number": 4, "kind": "wait", "days": 1, "next": 5},
        {"number": 5, "kind": "send", "next": None},
    )
    does(ada, "signed_up", NOW + MINUTE)
    tick(NOW + MINUTE)
    tick(NOW + 2 * DAY)

    codes = Message.objects.filter(campaign=flow).order_by("step").values_list("coupon", flat=True)
    assert list(codes) == [None, Coupon.objects.get(offer=offer).pk, Coupon.objects.get().pk]


def test_a_merged_customers_journey_goes_on_as_the_survivors(ada):
    flow = make_flow(*WELCOME)
    double = make_customer("double")
    make_consent(double)
    does(double, "signed_up", NOW + MINUTE)
    tick(NOW + MINUTE)

    merging.merge(ada.pk, double.pk, rule="person", user=None, now=NOW + HOUR)
    tick(NOW + 4 * DAY)

    found = Journey.objects.get(campaign=flow)
    assert (found.state, found.customer_id) == ("done", merging.surviving(double.pk))


def test_a_batch_takes_a_handful_of_statements_however_many_people(django_assert_max_num_queries):
    flow = make_flow(*WELCOME, exit_on={"order": True})
    for one in make_crowd(80):
        does(one, "signed_up", NOW + MINUTE)
    with django_assert_max_num_queries(60):
        entering.sweep(now=NOW + MINUTE)
    with django_assert_max_num_queries(60):
        advancing.advance(now=NOW + MINUTE)

    assert Message.objects.filter(campaign=flow).count() == 80


def test_a_triggered_campaign_is_a_flow_of_one_message_with_its_own_words(ada):
    from campaigns.services import planning
    from tests.makers import make_campaign

    campaign = make_campaign(
        kind="triggered", trigger={"on": "event", "event": "signed_up", "reentry": "never"}
    )
    planning.launch(campaign, user=None, now=NOW)
    for minutes in (1, 5):
        does(ada, "signed_up", NOW + minutes * MINUTE)
        tick(NOW + minutes * MINUTE)

    message = Message.objects.get(campaign=campaign)
    assert (message.step, message.variant_id) == (0, None)
    assert message.occasion == journey(campaign, ada).pk
    assert delivery.deliver(campaign.pk, now=NOW + timedelta(hours=1)) == 1
