"""Who sees what: the first content that fits, the fallback for strangers, the lot for proof."""

from contextlib import suppress
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import OperationalError, connection

from campaigns.experiments import assignment
from campaigns.models import Slot
from campaigns.services import decide, offers, slots
from segments.models import Membership, Score, Segment
from tests.campaigns.decide.asking import (
    BROWSER,
    STRANGER,
    add,
    ask,
    key,
    make_key,
    make_slot,
    make_visitor,
    shown,
)
from tests.makers import NOW, make_segment
from tests.segments.learnt import make_run

pytestmark = pytest.mark.django_db
__all__ = ["key"]


@pytest.fixture
def visitor():
    return make_visitor(first_name="Ada")


@pytest.fixture
def vip(visitor):
    return make_segment("vip", [visitor])


def test_a_member_sees_her_content_and_a_stranger_the_fallback(key, vip):
    hero = make_slot()
    gold = add(hero, "<p>For you, {{ customer.first_name }}</p>", segment=vip, priority=1)
    plain = add(hero, "<p>For everybody{{ customer.first_name }}</p>", priority=2)

    mine, theirs = shown(key), shown(key, anonymous_id=STRANGER)

    assert mine["html"] == "<p>For you, Ada</p>"
    assert (mine["content"], mine["matched"]) == (gold.pk, gold.pk)
    assert mine["because"] == {"kind": "segment", "segment": "vip"}
    assert theirs["html"] == "<p>For everybody</p>"
    assert (theirs["content"], theirs["matched"]) == (plain.pk, None)
    assert theirs["because"] == {"kind": "everybody", "segment": None}


def test_the_lowest_priority_number_wins(key, visitor, vip):
    hero, also = make_slot(), make_segment("loyal", [visitor])
    add(hero, "second", segment=vip, priority=20)
    add(hero, "first", segment=also, priority=10)
    add(hero, "everybody", priority=10)

    assert shown(key)["html"] == "first"


def test_contents_are_shown_in_their_time_only(key):
    hero = make_slot()
    add(hero, "over", priority=1, ends_at=NOW)
    add(hero, "to come", priority=2, starts_at=NOW + timedelta(seconds=1))
    add(hero, "now", priority=3, starts_at=NOW, ends_at=NOW + timedelta(seconds=1))

    assert shown(key)["html"] == "now"


def test_what_is_paused_archived_or_unknown_shows_nothing(key, visitor):
    archived = make_segment("old", [visitor], state=Segment.State.LIVE)
    hero, paused = make_slot(), make_slot("side", state="paused")
    add(hero, "paused", state="paused")
    add(hero, "archived", segment=archived)
    add(paused, "not seen")
    Segment.objects.filter(pk=archived.pk).update(state=Segment.State.ARCHIVED)

    found = ask(key, anonymous_id=BROWSER, slots=("hero", "side", "nowhere"))["slots"]

    assert found == {"hero": None, "side": None, "nowhere": None}


def test_every_edit_is_seen_by_the_next_question(key, vip):
    hero = make_slot()
    content = add(hero, "one")
    assert shown(key)["html"] == "one"

    slots.edit_content(content, user=None, now=NOW, body="two")
    assert (shown(key)["html"], shown(key)["version"]) == ("two", 2)
    better = add(hero, "better", segment=vip)
    assert shown(key)["html"] == "better"
    slots.delete_content(better, user=None, now=NOW)
    assert shown(key)["html"] == "two"
    slots.edit(hero, user=None, now=NOW + timedelta(seconds=1), state="paused")
    assert shown(key) is None


def test_leaving_a_segment_is_seen_by_the_next_question(key, vip):
    hero = make_slot()
    add(hero, "mine", segment=vip)
    assert shown(key)["html"] == "mine"

    Membership.objects.all().delete()

    assert shown(key) is None


def test_an_offer_without_words_is_said(key):
    offer = offers.create(user=None, now=NOW, name="Spring", kind="percent", share=Decimal("0.15"))
    add(make_slot(), "", offer=offer)

    found = shown(key)

    assert found["html"] == '<p class="rapport-title">Spring</p><p>15% off</p>'
    assert found["offer"]["percent"] == "15"
    assert "code" not in found["offer"]


def test_a_content_that_fails_for_a_visitor_gives_way_to_the_next(key, visitor, vip):
    visitor.traits = {"size": "large"}
    visitor.save()
    hero = make_slot()
    add(hero, "{{ customer.traits.size | divided_by: 0 }}", segment=vip, priority=1)
    add(hero, "fallback", priority=2)

    assert shown(key)["html"] == "fallback"


def test_some_members_are_left_with_the_fallback_by_lot(key, vip):
    hero = make_slot(holdout_share=0.5)
    gold, plain = add(hero, "gold", segment=vip, priority=1), add(hero, "plain", priority=2)
    people = [make_visitor(f"{number:036}") for number in range(40)]
    Membership.objects.bulk_create(
        Membership(segment=vip, customer=one, entered_at=NOW, rule_version=1) for one in people
    )

    arms = {}
    for number, one in enumerate(people):
        found = shown(key, anonymous_id=f"{number:036}")
        arms[one.pk] = found["arm"]
        assert found["matched"] == gold.pk
        is_held = assignment.is_holdout(hero.salt, one.pk, holdout_share=0.5)
        assert found["arm"] == ("holdout" if is_held else "treated")
        assert found["content"] == (plain.pk if is_held else gold.pk)
        assert found["because"]["kind"] == ("holdout" if is_held else "segment")

    assert set(arms.values()) == {"holdout", "treated"}


def test_nobody_is_held_back_from_what_everybody_sees(key, visitor):
    add(make_slot(holdout_share=0.9), "plain")

    assert (shown(key)["html"], shown(key)["arm"]) == ("plain", None)


def test_a_held_back_visitor_keeps_the_page_s_own_where_there_is_no_fallback(key, visitor, vip):
    hero = make_slot(holdout_share=0.9)
    Slot.objects.filter(pk=hero.pk).update(salt=_salt_that_holds(visitor.pk))
    gold = add(hero, "gold", segment=vip)

    found = shown(key)

    assert (found["html"], found["arm"], found["matched"]) == (None, "holdout", gold.pk)


def _salt_that_holds(customer_id: int) -> str:
    return next(
        salt
        for salt in map(str, range(100))
        if assignment.is_holdout(salt, customer_id, holdout_share=0.9)
    )


def test_a_browser_hears_bands_and_a_program_values(key, visitor, vip):
    Score.objects.create(
        name="churn_90d", customer=visitor, run=make_run(), value=0.7, band="high", as_of=NOW
    )

    browser = ask(key, anonymous_id=BROWSER)
    program = ask(None, customer_id=visitor.pk)

    assert browser["segments"] == program["segments"] == ["vip"]
    assert browser["scores"] == [{"name": "churn_90d", "band": "high"}]
    assert program["scores"] == [{"name": "churn_90d", "band": "high", "value": 0.7}]
    assert "id" not in browser["customer"]
    assert program["customer"]["id"] == visitor.pk


def test_without_names_all_slots_are_told(key):
    add(make_slot("one"))
    add(make_slot("two"))

    assert set(ask(key, anonymous_id=STRANGER)["slots"]) == {"one", "two"}


def test_a_warm_answer_takes_one_query(key, vip, django_assert_num_queries):
    add(make_slot(), segment=vip)
    shown(key)

    with django_assert_num_queries(1):
        assert shown(key)["html"] == "<p>Hello</p>"


def test_the_preview_is_what_the_visitor_would_see(key, visitor):
    content = add(make_slot(), "Hi {{ customer.first_name }}<script>x()</script>")

    assert decide.preview(content, visitor.pk, now=NOW).html == "Hi Ada"
    assert decide.preview(content, None, now=NOW).html == "Hi "


def test_two_keys_of_two_shops_do_not_mix(key, visitor, vip):
    other = make_key("elsewhere")
    add(make_slot(), "mine", segment=vip)

    assert shown(key)["html"] == "mine"
    assert shown(other) is None


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("how", ["closed here", "ended there"])
def test_a_dead_connection_costs_no_answer(key, how):
    add(make_slot(), "alive")
    assert shown(key)["html"] == "alive"

    if how == "closed here":
        connection.connection.close()
    else:
        with connection.cursor() as cursor, suppress(OperationalError):
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    assert shown(key)["html"] == "alive"
