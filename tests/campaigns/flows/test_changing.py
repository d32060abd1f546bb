"""A running flow is changed: what becomes of the people inside is said, and then so."""

import pytest

from campaigns.models import Journey
from campaigns.services.flows import changing, definitions, reading
from rapport.errors import Conflict
from tests.campaigns.flows.stories import (
    DAY,
    HOUR,
    MINUTE,
    does,
    flow_of,
    journey,
    log,
    make_flow,
    messages,
    tick,
)
from tests.makers import NOW, make_consent, make_crowd, make_customer, make_segment

pytestmark = pytest.mark.django_db
STEPS = (
    {"number": 1, "kind": "wait", "days": 3, "next": 2},
    {"number": 2, "kind": "send", "next": 3},
    {"number": 3, "kind": "wait", "days": 3, "next": None},
)
SHORTER = flow_of(
    {"number": 1, "kind": "wait", "days": 1, "next": 2}, {"number": 2, "kind": "send", "next": None}
)


@pytest.fixture
def flow():
    """Five at the first wait, three at the last."""
    campaign = make_flow(*STEPS)
    crowd = make_crowd(8)
    for one in crowd[:3]:
        does(one, "signed_up", NOW + MINUTE)
    tick(NOW + MINUTE)
    tick(NOW + 3 * DAY + MINUTE)
    for one in crowd[3:]:
        does(one, "signed_up", NOW + 3 * DAY + 2 * MINUTE)
    tick(NOW + 3 * DAY + 2 * MINUTE)
    return campaign


def test_it_says_beforehand_how_many_move_stay_and_leave(flow):
    stay = changing.consequences(flow, SHORTER)
    move = changing.consequences(flow, SHORTER, people_inside="move")

    assert (stay.inside, stay.stay, stay.leave) == (8, 8, 0)
    assert (move.move, move.leave, move.leave_by_step) == (5, 3, {3: 3})
    assert "3 people leave: step 3 (Wait: 3 days) is not in the new version." in move.sentences


def test_those_who_stay_go_on_by_the_version_they_entered(flow):
    now = NOW + 3 * DAY + HOUR
    changing.change(flow, SHORTER, user=None, now=now)
    newcomer = make_customer("newcomer")
    make_consent(newcomer)
    does(newcomer, "signed_up", now)
    tick(now)

    tick(now + DAY)

    assert journey(flow, newcomer).state == "done"
    assert reading.totals(flow).versions == {1: 8}


def test_those_who_move_count_their_wait_anew_from_when_it_began(flow):
    now = NOW + 3 * DAY + HOUR
    found = changing.change(flow, SHORTER, user=None, now=now, people_inside="move")
    tick(now + MINUTE)
    assert reading.totals(flow).versions == {2: 5}
    assert Journey.objects.filter(exit_reason="changed").count() == found.leave == 3

    tick(NOW + 4 * DAY + 3 * MINUTE)

    assert reading.totals(flow).inside == 0
    # of those who left, what was planned and not sent was taken back
    assert messages(flow) == {(2, "planned", ""): 5, (2, "skipped", "left_flow"): 3}


def test_a_step_of_another_kind_begins_anew(flow):
    other = flow_of(
        {"number": 1, "kind": "wait_until", "event": "came", "timeout": {"days": 9}, "next": 2},
        {"number": 2, "kind": "send", "next": 3},
        {"number": 3, "kind": "wait", "days": 3, "next": None},
    )
    now = NOW + 3 * DAY + HOUR
    found = changing.change(flow, other, user=None, now=now, people_inside="move")
    tick(now)
    someone = Journey.objects.filter(campaign=flow, step=1).first().customer
    does(someone, "came", now + MINUTE)
    tick(now + 2 * MINUTE)

    assert (found.move, found.restart_step) == (8, 5)
    assert log(flow, someone)[2:] == [
        "1 moved 2", "1 waited", "1 heard", "2 planned", "3 waited",
    ]  # fmt: skip


def test_only_a_running_flow_is_changed_and_only_a_draft_is_saved(flow):
    draft = make_flow(*STEPS, launch=False)
    with pytest.raises(Conflict):
        changing.change(draft, SHORTER, user=None, now=NOW)
    with pytest.raises(Conflict):
        definitions.keep(flow, SHORTER, user=None, now=NOW)
    with pytest.raises(changing.ChangeRefused):
        changing.consequences(flow, SHORTER, people_inside="vanish")


def test_a_definition_that_names_what_there_is_not_is_refused_with_every_place():
    make_segment("old", state="archived")
    wrong = flow_of(
        {"number": 1, "kind": "offer", "offer": 77, "next": 2},
        {"number": 2, "kind": "webhook", "endpoint": 78, "next": 3},
        {
            "number": 3, "kind": "filter", "next": None,
            "rule": {"version": 1, "where": {"type": "segment", "key": "nowhere"}},
        },
        trigger={"on": "segment_entered", "segment": "old"},
    )  # fmt: skip

    assert [one.path for one in definitions.faults(wrong)] == [
        "trigger.segment", "steps[0].offer", "steps[1].endpoint", "steps[2].rule.where",
    ]  # fmt: skip


def test_each_step_says_how_many_wait_and_went_on(flow):
    steps = {one.number: one for one in reading.steps_with_counts(flow)}

    assert [(n, steps[n].waiting, steps[n].done) for n in (1, 2, 3)] == [
        (1, 5, 3), (2, 0, 3), (3, 3, 0),
    ]  # fmt: skip
    assert steps[1].sentence == "3 days"
    assert steps[2].ways == (3,)
    totals = reading.totals(flow)
    assert (totals.entered, totals.inside, totals.exited) == (8, 8, {})


def test_it_says_why_somebody_is_inside_or_not(flow):
    inside = Journey.objects.filter(campaign=flow, step=3).first().customer_id
    out, stranger = make_segment("out"), make_customer("stranger")
    make_segment("other", [stranger])
    flow.excluded.add(out)
    out.memberships.create(customer=stranger, entered_at=NOW, rule_version=1)

    found = reading.why(flow, inside, now=NOW + 4 * DAY)
    never = reading.why(flow, stranger.pk, now=NOW)

    assert found.is_inside
    assert "at “Wait: 3 days”" in found.sentences[0]
    assert never.sentences == ("Excluded by out.", "Has not done “signed_up” since the launch.")
