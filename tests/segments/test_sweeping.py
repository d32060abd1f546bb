"""Nobody is forgotten: what only time changes, what a lost bell did not tell, lost rebuilds."""

from datetime import timedelta

import pytest
from django.db import connection

from customers.services import events, touches
from customers.services.events import NewEvent
from rapport import runs
from rapport.models import AuditEntry, Run
from segments.models import Membership, MembershipChange, Recheck, Segment
from segments.services import membership, rebuilding, segments, sweeping
from tests import makers
from tests.makers import NOW, ago
from tests.segments.committed import transactional_db  # noqa: F401

LATELY = {"type": "orders", "measure": "count", "op": ">=", "value": 1, "window_days": 30}
VIEWED = {"type": "events", "names": ["Product Viewed"], "op": ">=", "value": 1}


def make_segment(title="Lately", /, **where):
    rule = {"version": 1, "where": where or LATELY}
    return segments.create(name=title, rule=rule, user=None, now=ago(1))


def members(segment):
    return set(Membership.objects.filter(segment=segment).values_list("customer_id", flat=True))


def history(segment):
    rows = MembershipChange.objects.filter(segment=segment).order_by("id")
    return list(rows.values_list("customer_id", "kind", "cause", "happened_at"))


@pytest.mark.django_db
def test_who_falls_out_of_a_window_leaves_at_that_moment_and_not_before():
    ada = makers.make_customer("ada")
    segment = make_segment()
    makers.make_order(ada, days_ago=29)
    membership.refresh([ada.pk], cause="event", now=NOW)
    due = Recheck.objects.get(customer=ada).due_at
    assert ago(-1) < due <= ago(-1) + timedelta(seconds=1)

    assert sweeping.sweep(now=ago(-1)) == 0 and members(segment) == {ada.pk}
    assert sweeping.sweep(now=due) == 1

    assert members(segment) == set()
    assert history(segment)[-1] == (ada.pk, "exited", "clock", due)
    assert sweeping.sweep(now=due) == 0


@pytest.mark.django_db
def test_a_rebuild_notes_for_everybody_when_time_changes_an_answer():
    cast = makers.make_cast()
    segment = make_segment()

    membership.refresh_all(now=NOW, cause="import")

    assert set(Recheck.objects.values_list("customer_id", flat=True)) == {
        one.pk for one in cast.values()
    }
    assert members(segment) == {cast["ada"].pk, cast["bob"].pk, cast["mallory"].pk}
    sweeping.sweep(now=ago(-400))
    assert members(segment) == set()


@pytest.mark.django_db
def test_a_new_segment_brings_customers_back_sooner():
    bob = makers.make_customer("bob")
    makers.make_order(bob, days_ago=2)
    membership.refresh_all(now=NOW, cause="import")
    segment = make_segment(**{**LATELY, "window_days": 3})

    membership.refresh_segment(segment, cause="edit", now=NOW)
    assert members(segment) == {bob.pk}
    sweeping.sweep(now=ago(-1, minutes=-1))

    assert members(segment) == set()


def test_a_lost_bell_costs_seconds_and_no_fact(transactional_db, monkeypatch):  # noqa: F811
    monkeypatch.setattr("segments.tasks.refresh_customers.apply_async", lambda *_, **__: None)
    ada, bob = makers.make_customer("ada"), makers.make_customer("bob")
    segment = make_segment(**VIEWED)
    Segment.objects.update(refreshed_at=NOW)
    membership.refresh([ada.pk, bob.pk], cause="event", now=ago(1))
    for customer in (ada, bob):
        one = NewEvent("web", f"m{customer.pk}", customer.pk, "", "Product Viewed", happened_at=NOW)
        events.record([one], now=NOW)
    membership.refresh([bob.pk], cause="event", now=NOW)
    assert members(segment) == {bob.pk}

    sweeping.sweep(now=NOW + timedelta(seconds=sweeping.RING_SECONDS - 1))
    assert members(segment) == {bob.pk}
    found = sweeping.sweep(now=NOW + timedelta(seconds=sweeping.RING_SECONDS))

    assert found == 1 and members(segment) == {ada.pk, bob.pk}
    assert sweeping.sweep(now=NOW + timedelta(seconds=60)) == 0
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM customers_touch")
        cursor.execute("DELETE FROM customers_touchreader")


@pytest.mark.django_db
def test_an_import_whose_bell_was_lost_asks_everybody(django_capture_on_commit_callbacks):
    makers.make_cast()
    membership.refresh_all(now=NOW, cause="import")
    Segment.objects.update(seen_from="3")  # as if that had been long ago
    touches.record_everybody(NOW)
    later = NOW + timedelta(seconds=sweeping.LOST_SECONDS)

    with django_capture_on_commit_callbacks() as asked:
        sweeping.find_lost_work(now=later)

    assert len(asked) == 1


@pytest.mark.django_db
def test_a_sweep_that_leaves_nobody_behind_says_so_and_one_that_does_not_does_not(monkeypatch):
    ada, bob = makers.make_customer("ada"), makers.make_customer("bob")
    segment = make_segment()
    for customer in (ada, bob):
        makers.make_order(customer, days_ago=29)
    membership.refresh_all(now=NOW, cause="import")
    late = ago(-2)
    monkeypatch.setattr(sweeping, "BATCH", 1)
    monkeypatch.setattr(sweeping, "MOST_BATCHES", 1)

    sweeping.sweep(now=late)
    segment.refresh_from_db()
    assert segment.refreshed_at == NOW and len(members(segment)) == 1

    sweeping.sweep(now=late)
    sweeping.sweep(now=late)
    segment.refresh_from_db()
    assert segment.refreshed_at == late and not members(segment)


@pytest.mark.django_db
def test_a_failing_segment_turns_invalid_while_the_others_are_swept():
    ada = makers.make_customer("ada")
    makers.make_order(ada, days_ago=29)
    willing = make_segment("Willing", type="consent", channel="email")
    sound = make_segment()
    membership.refresh_all(now=NOW, cause="import")
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE customers_consent RENAME COLUMN topic TO theme")

    sweeping.sweep(now=ago(-2))

    willing.refresh_from_db()
    assert willing.state == Segment.State.INVALID and "topic" in willing.error
    assert members(sound) == set()
    assert AuditEntry.objects.filter(action="segment.invalid", target="segment:willing").exists()


@pytest.mark.django_db
def test_edits_and_new_segments_without_a_rebuild_are_found(django_capture_on_commit_callbacks):
    makers.make_cast()
    segment = make_segment()
    membership.refresh_all(now=ago(1), cause="import")
    segments.edit(segment, rule={"version": 1, "where": VIEWED}, user=None, now=NOW)
    Run.objects.filter(pk=segment.run_id).update(state=Run.State.LOST)
    later = NOW + timedelta(seconds=sweeping.LOST_SECONDS)

    with django_capture_on_commit_callbacks() as early:
        sweeping.find_lost_work(now=NOW)
    with django_capture_on_commit_callbacks() as late:
        sweeping.find_lost_work(now=later)

    assert (len(early), len(late)) == (0, 1)


def test_the_nightly_proof_repairs_and_reports_what_differs(transactional_db):  # noqa: F811
    cast = makers.make_cast()
    segment, sound = make_segment(), make_segment("Everybody", type="everybody")
    membership.refresh_all(now=NOW, cause="import")
    Membership.objects.filter(segment=segment, customer=cast["ada"]).delete()

    done = membership.verify(now=ago(-0.1))

    for one in (segment, sound):
        one.refresh_from_db()
    assert (done.differences, segment.differences, sound.differences) == (1, 1, 0)
    assert segment.verified_at == ago(-0.1) and segment.verified_seconds > 0
    assert cast["ada"].pk in members(segment)
    entry = AuditEntry.objects.get(action="segment.differed")
    assert (entry.target, entry.details) == ("segment:lately", {"differences": 1})
    assert membership.verify(now=ago(-0.2)).differences == 0


def test_what_is_still_to_be_swept_is_no_difference(transactional_db):  # noqa: F811
    cast = makers.make_cast()
    segment = make_segment()
    membership.refresh_all(now=NOW, cause="import")

    done = membership.verify(now=ago(-400))

    assert (done.differences, done.exited > 0) == (0, True)
    assert members(segment) == set() and cast


@pytest.mark.django_db
def test_an_edited_rule_waits_beside_the_live_one_until_its_members_are_known():
    cast = makers.make_cast()
    segment = make_segment()
    membership.refresh_all(now=ago(1), cause="import")

    segments.edit(segment, rule={"version": 1, "where": VIEWED}, user=None, now=NOW)
    makers.make_order(cast["eve"])
    makers.make_event(cast["bob"])
    membership.refresh([one.pk for one in cast.values()], cause="event", now=NOW)
    before = members(segment)
    membership.refresh_segment(segment, cause="edit", now=NOW, run=segment.run)

    assert before == {one.pk for one in cast.values()}
    segment.refresh_from_db()
    assert segment.live_version is None and segment.run.state == Run.State.DONE
    assert members(segment) == {cast["bob"].pk}
    assert history(segment)[-1][1:3] == ("exited", "edit")


def test_who_is_asked_while_an_edit_is_computed_is_asked_again(transactional_db, monkeypatch):  # noqa: F811
    cast = makers.make_cast()
    segment = make_segment()
    membership.refresh_all(now=ago(1), cause="import")
    segments.edit(segment, rule={"version": 1, "where": VIEWED}, user=None, now=NOW)
    compare = rebuilding.everybody.differences

    def meanwhile(*given, **more):
        found = compare(*given, **more)
        makers.make_event(cast["bob"])
        makers.make_order(cast["eve"])
        for name in ("bob", "eve"):
            membership.refresh([cast[name].pk], cause="event", now=ago(-0.1))
        assert cast["eve"].pk in members(segment)
        return found

    monkeypatch.setattr(rebuilding.everybody, "differences", meanwhile)
    membership.refresh_segment(segment, cause="edit", now=NOW, run=segment.run)

    assert members(segment) == {cast["bob"].pk}
    segment.refresh_from_db()
    assert segment.members_count == 1


@pytest.mark.django_db
def test_a_cancelled_edit_leaves_the_rule_before_in_force():
    cast = makers.make_cast()
    segment = make_segment()
    membership.refresh_all(now=ago(1), cause="import")
    before = members(segment)
    segments.edit(segment, rule={"version": 1, "where": VIEWED}, user=None, now=NOW)
    runs.request_cancel(segment.run)

    membership.refresh_all(now=NOW, cause="import")

    segment.refresh_from_db()
    assert members(segment) == before and (segment.live_version, segment.rule_version) == (1, 2)
    makers.make_order(cast["eve"])
    membership.refresh([cast["eve"].pk], cause="event", now=NOW)
    assert members(segment) == before | {cast["eve"].pk}


def test_a_rebuild_stops_when_asked_and_writes_nothing(transactional_db, monkeypatch):  # noqa: F811
    makers.make_cast()
    segment = make_segment()
    membership.refresh_all(now=ago(1), cause="import")
    before = members(segment)
    segments.edit(segment, rule={"version": 1, "where": VIEWED}, user=None, now=NOW)
    count = rebuilding.everybody.differences

    def asked_to_stop(*given, **more):
        runs.request_cancel(segment.run)
        return count(*given, **more)

    monkeypatch.setattr(rebuilding.everybody, "differences", asked_to_stop)
    membership.refresh_segment(segment, cause="edit", now=NOW, run=segment.run)

    segment.refresh_from_db()
    assert segment.run.state == Run.State.CANCELLED
    assert (segment.live_version, members(segment)) == (1, before)


@pytest.mark.django_db
def test_members_of_a_customer_are_told_by_key():
    cast = makers.make_cast()
    make_segment()

    found = membership.conclude([cast["ada"].pk, cast["eve"].pk], NOW)

    assert "lately" in found[cast["ada"].pk] and "rfm-champions" in found[cast["ada"].pk]
    assert "lately" not in found[cast["eve"].pk]


@pytest.mark.django_db
def test_a_difference_is_shown_on_the_home_page(client):
    segment = make_segment()
    Segment.objects.filter(pk=segment.pk).update(differences=3, members_count=5, refreshed_at=NOW)
    client.force_login(makers.make_staff("marketer"))

    page = client.get("/").content.decode()

    assert "The nightly proof found 3 memberships of “Lately” wrong, and repaired them" in page
