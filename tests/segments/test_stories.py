"""Real time and batches come to the same members, at every moment."""

import os
from datetime import datetime

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segments.models import Membership
from segments.rules.evaluate import evaluate
from segments.services import definitions, membership, people, segments
from tests import makers
from tests.makers import ago
from tests.segments.rules import definitions as rules_of
from tests.segments.scripts import START, Stage, Step, steps
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


# Rules of any shape, and clauses that time changes near what so few customers do.
some_rule = st.one_of(rules_of.definitions, st.sampled_from(rules_of.every_clock()))
Members = set[tuple[int, int]]


def members() -> Members:
    return set(Membership.objects.values_list("segment_id", "customer_id"))


def told(stage: Stage, script: list[Step], way: str) -> list[Members]:
    """Who is in at each look, with the script told in one way; nothing of it stays."""
    now, looks, touched = START, [], set()
    with transaction.atomic():
        for step in script:
            now += step.away
            if way == "event by event":
                sweep(now)
            if step.kind:
                ids = stage.write(step, now)
                touched |= set(ids)
                if way == "event by event":
                    membership.refresh(ids, cause="event", now=now)
                continue
            if way == "in batches":
                membership.refresh(touched, cause="import", now=now)
                touched.clear()
                sweep(now)
            elif way == "rebuilt":
                membership.refresh_all(now=now)
            looks.append(members())
            if way == "by the oracle":
                looks[-1] = answered(stage, now)
        transaction.set_rollback(True)
    return looks


def sweep(now: datetime) -> None:
    """What the clock's worker does: ask about those whose moment has come."""
    while membership.refresh_due(now=now, most=500) == 500:
        pass


def answered(stage: Stage, now: datetime) -> Members:
    rules = [(one.segment_id, one.rule) for one in definitions.load().readable]
    return {
        (pk, person.id)
        for person in people.load([one.pk for one in stage.customers])
        for pk, rule in rules
        if evaluate(rule, person, now)
    }


def test_event_by_event_in_batches_and_rebuilt_it_is_the_same_story():
    """``RAPPORT_EXAMPLES=2000`` tells two thousand of them."""
    stage = Stage(2)

    @settings(
        max_examples=int(os.environ.get("RAPPORT_EXAMPLES", "20")),
        derandomize=True,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(
        rules=st.lists(some_rule, min_size=3, max_size=5),
        script=steps(len(stage.customers)),
    )
    def agree(rules, script):
        with transaction.atomic():
            for number, rule in enumerate(rules):
                segments.create(name=f"s{number}", rule=rule, user=None, now=START)
            membership.refresh_all(now=START)
            story = told(stage, script, "event by event")
            assert story == told(stage, script, "in batches")
            assert story == told(stage, script, "rebuilt")
            assert story == told(stage, script, "by the oracle")
            transaction.set_rollback(True)

    agree()
