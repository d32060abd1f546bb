"""Had the flow run: the rehearsal of a month agrees with the month itself."""

import random
from datetime import timedelta

import pytest

from campaigns.models import Journey, Message
from campaigns.services.flows import rehearsal
from customers.services import touches
from segments.models import Segment
from tests.campaigns.flows.stories import DAY, HOUR, MINUTE, does, flow_of, make_flow, tick
from tests.makers import NOW, ago, make_consent, make_crowd, make_customer, make_order

pytestmark = pytest.mark.django_db
BOUGHT = {"version": 1, "where": {"type": "orders", "measure": "count", "op": ">=", "value": 1}}
STEPS = (
    {"number": 1, "kind": "wait", "days": 1, "next": 2},
    {"number": 2, "kind": "branch", "rule": BOUGHT, "then": 3, "else": 4},
    {"number": 3, "kind": "send", "next": 4},
    {"number": 4, "kind": "wait_until", "event": "came", "timeout": {"days": 2}, "next": 5,
     "else": 6},
    {"number": 5, "kind": "send", "next": None},
    {"number": 6, "kind": "exit"},
)  # fmt: skip


def test_the_rehearsal_of_a_week_is_what_the_week_was():
    lot, crowd = random.Random(7), make_crowd(24)
    make_consent(crowd[0], is_granted=False, happened_at=ago(1), recorded_at=ago(1))
    flow = make_flow(
        *STEPS, reentry={"after_days": 2}, exit_on={"order": True}, fields={"holdout_share": 0.2}
    )
    for hours in range(6, 7 * 24, 6):
        now = NOW + hours * HOUR
        someone = lot.choice(crowd)
        name = lot.choice(["signed_up", "signed_up", "came", "order"])
        if name == "order":
            make_order(someone, happened_at=now - MINUTE)
            touches.record([someone.pk], now)
        else:
            does(someone, name, now - MINUTE)
        tick(now)

    tick(NOW + 7 * DAY)

    found = rehearsal.rehearse(flow, days=30, now=NOW + 7 * DAY)

    journeys = Journey.objects.filter(campaign=flow)
    lived = journeys.exclude(exit_reason="holdout")
    assert found.entries == lived.count() > 6
    assert found.left_alone == journeys.filter(exit_reason="holdout").count() > 0
    assert found.messages == Message.objects.filter(campaign=flow, planned_at__lte=NOW + 7 * DAY
        ).exclude(reason="no_consent").count()  # fmt: skip
    ended = {"inside": lived.filter(state="waiting").count()} | {
        reason: lived.filter(exit_reason=reason).count()
        for reason in ("finished", "step", "ordered")
    }
    assert found.exits == {key: n for key, n in ended.items() if n}


def test_a_segment_made_today_is_replayed_by_its_rule():
    for number in range(6):
        customer = make_customer(f"c{number}")
        make_consent(customer)
        if number < 4:
            make_order(customer, days_ago=10 + number)
    Segment.objects.create(
        key="just-ordered", name="Just ordered", created_at=NOW, changed_at=NOW, refreshed_at=NOW,
        rule={"version": 1, "where": {"type": "orders", "measure": "count", "op": ">=",
                                      "value": 1, "window_days": 1}},
    )  # fmt: skip
    flow = make_flow(
        {"number": 1, "kind": "wait", "hours": 5, "next": 2},
        {"number": 2, "kind": "send", "next": None},
        trigger={"on": "segment_entered", "segment": "just-ordered"},
        launch=False,
    )

    found = rehearsal.rehearse(flow, days=12, now=NOW)

    assert (found.of, found.drawn, found.entries, found.messages) == (6, 6, 2, 2)
    assert any("younger" in note for note in found.notes)


def test_the_numbers_are_scaled_up_from_those_drawn(monkeypatch):
    monkeypatch.setattr(rehearsal, "PEOPLE_MOST", 10)
    flow = make_flow({"number": 1, "kind": "send", "next": None}, launch=False)
    for one in make_crowd(40):
        does(one, "signed_up", NOW - timedelta(days=2))

    found = rehearsal.rehearse(flow, days=12, now=NOW)

    assert (found.drawn, found.of, found.entries, found.messages) == (10, 40, 40, 40)


def test_an_unsound_flow_is_not_rehearsed():
    from campaigns.services.flows.definitions import FlowRefused

    flow = make_flow({"number": 1, "kind": "send", "next": None}, launch=False)
    flow.flow_versions.update(definition=flow_of())
    with pytest.raises(FlowRefused):
        rehearsal.rehearse(flow, now=NOW)
