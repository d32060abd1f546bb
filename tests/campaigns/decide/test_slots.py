"""Slots and contents: what makes one, who hears of changes, and what was seen of them."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.db.models import ProtectedError

from campaigns.models import Slot, SlotContent
from campaigns.services import offers, slots
from rapport.errors import Conflict
from rapport.models import AuditEntry
from segments.models import Segment
from tests.campaigns.decide.asking import add, make_slot
from tests.makers import NOW, ago, make_customer, make_event, make_segment

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"key": "Hero Banner"}, "small letters"),
        ({"key": ""}, "small letters"),
        ({"key": "a", "name": "x" * 121}, "up to 120"),
        ({"key": "a", "state": "open"}, "live or paused"),
        ({"key": "a", "holdout_share": 1}, "0 to 0.9"),
        ({"key": "a", "holdout_share": "much"}, "0 to 0.9"),
        ({"key": "a", "salt": "mine"}, "no field salt"),
    ],
)
def test_fields_that_make_no_slot_are_named(fields, words):
    with pytest.raises(slots.SlotRefused, match=words):
        make_slot(**fields)
    assert not Slot.objects.exists()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"body": ""}, "shows nothing"),
        ({"name": " "}, "needs a name"),
        ({"priority": -1}, "0 to 32767"),
        ({"starts_at": NOW, "ends_at": NOW}, "end after it starts"),
        ({"body": "{{ customer.email }}"}, "customer.email"),
        ({"body": "{% if %}"}, "cannot be read"),
        ({"state": "open"}, "live or paused"),
        ({"version": 7}, "no field version"),
    ],
)
def test_fields_that_make_no_content_are_named(fields, words):
    with pytest.raises(slots.SlotRefused, match=words):
        add(make_slot(), **fields)
    assert not SlotContent.objects.exists()


def test_two_slots_of_one_key_are_refused():
    make_slot("hero")
    other = make_slot("side")

    with pytest.raises(Conflict, match="already a slot"):
        make_slot("hero")
    with pytest.raises(Conflict, match="already a slot"):
        slots.edit(other, user=None, now=NOW, key="hero")


def test_the_database_holds_what_the_service_says():
    slot = make_slot()
    with pytest.raises(IntegrityError), transaction.atomic():
        Slot.objects.filter(pk=slot.pk).update(holdout_share=0.95)
    content = add(slot)
    with pytest.raises(IntegrityError), transaction.atomic():
        SlotContent.objects.filter(pk=content.pk).update(starts_at=NOW, ends_at=ago(1))


def test_an_edit_leaves_the_lot_alone_and_the_version_grows():
    slot = make_slot(holdout_share=0.1)
    content = add(slot)

    slots.edit(slot, user=None, now=NOW, holdout_share=0.2, name="Top")
    slots.edit_content(content, user=None, now=NOW + timedelta(1), body="new")

    slot.refresh_from_db()
    assert (slot.name, slot.holdout_share, len(slot.salt)) == ("Top", 0.2, 24)
    assert (content.version, content.body) == (2, "new")
    assert slot.changed_at == NOW + timedelta(1)
    told = AuditEntry.objects.filter(target=f"slot {slot.pk}").order_by("id")
    assert [entry.action for entry in told] == [
        "slot.created",
        "slot.content_added",
        "slot.edited",
        "slot.content_edited",
    ]


def test_a_refused_edit_changes_nothing():
    content = add(make_slot(), "old")

    with pytest.raises(slots.SlotRefused):
        slots.edit_content(content, user=None, now=NOW, body="{% if %}")

    content.refresh_from_db()
    assert (content.body, content.version) == ("old", 1)


def test_what_a_slot_shows_cannot_be_pulled_from_under_it():
    segment = make_segment("vip")
    offer = offers.create(user=None, now=NOW, name="Gift", kind="free_shipping")
    add(make_slot(), segment=segment, offer=offer)

    with pytest.raises(Conflict, match="website"):
        offers.delete(offer, user=None)
    with pytest.raises(ProtectedError):
        Segment.objects.filter(pk=segment.pk).delete()


def test_an_archived_segment_is_refused():
    archived = make_segment("old", state=Segment.State.ARCHIVED)

    with pytest.raises(slots.SlotRefused, match="archived"):
        add(make_slot(), segment=archived)


def test_a_slot_goes_with_its_contents():
    slot = make_slot()
    add(slot)

    slots.delete(slot, user=None)

    assert not SlotContent.objects.exists()


def test_views_are_counted_by_visitor_content_and_arm():
    ada, bob = make_customer("ada"), make_customer("bob")
    for who, content, arm, days in (
        (ada, 7, "treated", 1),
        (ada, 7, "treated", 2),
        (bob, 8, "holdout", 1),
        (None, None, None, 1),
        (ada, 7, "treated", 60),
    ):
        make_event(
            who,
            "Slot Viewed",
            days_ago=days,
            anonymous_id="" if who else "browser",
            properties={"slot": "hero", "content": content, "arm": arm},
        )
    make_event(ada, "Page Viewed", properties={"slot": "hero"})

    found = slots.views(["hero"], since=ago(28), now=NOW)

    assert {(row["content"], row["arm"], row["views"], row["visitors"]) for row in found} == {
        (7, "treated", 2, 1),
        (8, "holdout", 1, 1),
        (None, "", 1, 1),
    }
    assert slots.visitors(["hero", "side"], days=28, now=NOW) == {"hero": (4, 3)}


def test_nonsense_from_a_browser_is_counted_as_no_content():
    for content in ("7; DROP", {"a": 1}, "9" * 40, "²"):
        make_event(None, "Slot Viewed", properties={"slot": "hero", "content": content})

    found = slots.views(["hero"], since=ago(28), now=NOW)

    assert sum(row["views"] for row in found) == 4
    assert all(row["content"] is None or row["content"] > 10**38 for row in found)
