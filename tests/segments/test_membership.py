"""Who enters, who leaves, and what is written of it."""

import pytest
from django.db import connection

from rapport.models import AuditEntry
from segments import signals
from segments.models import Membership, MembershipChange, ModelRun, Score, Segment
from segments.services import membership, rebuilding, segments
from tests import makers
from tests.makers import NOW, ago

pytestmark = pytest.mark.django_db


def make_segment(name="Two orders", /, **where):
    where = where or {"type": "orders", "measure": "count", "op": ">=", "value": 2}
    return segments.create(name=name, rule={"version": 1, "where": where}, user=None, now=NOW)


def members(segment):
    return set(Membership.objects.filter(segment=segment).values_list("customer_id", flat=True))


def history(segment):
    rows = MembershipChange.objects.filter(segment=segment).order_by("id")
    return list(rows.values_list("customer_id", "kind", "cause", "happened_at"))


def test_a_full_refresh_fills_the_ready_made_segments_with_the_cast():
    cast = makers.make_cast()
    run = ModelRun.objects.create(kind="churn_90d", as_of=NOW, created_at=NOW)
    for name, band in (("ada", "low"), ("eve", "high")):
        Score.objects.create(
            name="churn_90d", customer=cast[name], run=run, value=0.5, band=band, as_of=NOW
        )
    makers.make_event(cast["bob"], "Product Added", days_ago=2)

    membership.refresh_all(now=NOW)

    def names(key):
        found = members(Segment.objects.get(key=key))
        return {name for name, customer in cast.items() if customer.pk in found}

    assert names("rfm-champions") == {"ada"}
    assert names("rfm-recent") == {"bob", "mallory"}
    assert names("rfm-at-risk") == {"eve"}
    assert names("lapsed") == {"eve"}
    assert names("new-customers") == {"bob", "mallory"}
    assert names("one-time-buyers") == set()
    assert names("at-risk-of-leaving") == {"eve"}
    assert names("cart-left-behind") == {"bob"}


def test_touched_customers_enter_and_leave_with_moment_and_cause():
    ada, bob = makers.make_customer("ada"), makers.make_customer("bob")
    segment = make_segment(type="orders", measure="count", op=">=", value=1, window_days=30)
    for customer in (ada, bob):
        makers.make_order(customer, days_ago=29)

    entered = membership.refresh([ada.pk], cause="event", now=NOW)
    left = membership.refresh([ada.pk], cause="clock", now=ago(-2))

    assert membership.Change(segment.pk, ada.pk, "entered") in entered
    assert membership.Change(segment.pk, ada.pk, "exited") in left
    assert history(segment) == [
        (ada.pk, "entered", "event", NOW),
        (ada.pk, "exited", "clock", ago(-2)),
    ]


def test_a_second_refresh_finds_nothing_to_change():
    cast = makers.make_cast()
    ids = [customer.pk for customer in cast.values()]

    assert membership.refresh(ids, cause="event", now=NOW)
    assert membership.refresh(ids, cause="event", now=NOW) == []
    assert membership.refresh_all(now=NOW).entered == 0


def test_few_differences_and_many_are_written_alike(monkeypatch):
    cast = makers.make_cast()
    segment = make_segment()
    membership.refresh_all(now=NOW)
    for limit in (rebuilding.FEW_CUSTOMERS, 0):
        monkeypatch.setattr(rebuilding, "FEW_CUSTOMERS", limit)
        Membership.objects.filter(segment=segment).delete()

        done = membership.refresh_all(now=NOW)

        assert done.entered == 2
        assert members(segment) == {cast["ada"].pk, cast["eve"].pk}


def test_a_refresh_says_how_many_members_as_of_when_and_how_long_it_took():
    makers.make_cast()
    segment = make_segment()

    membership.refresh_segment(segment, cause="edit", now=NOW)

    segment.refresh_from_db()
    assert segment.members_count == 2
    assert segment.refreshed_at == NOW
    assert segment.refresh_seconds > 0


def test_bells_ring_on_commit_with_those_who_moved(django_capture_on_commit_callbacks):
    cast = makers.make_cast()
    segment = make_segment()
    rung = []

    def listen(sender, segment_id, customer_ids, cause, **_):
        if segment_id == segment.pk:
            rung.append((sorted(customer_ids), cause))

    signals.entered.connect(listen)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            ids = [customer.pk for customer in cast.values()]
            membership.refresh(ids, cause="import", now=NOW)
            assert rung == []
    finally:
        signals.entered.disconnect(listen)

    assert rung == [([cast["ada"].pk, cast["eve"].pk], "import")]


def test_an_unreadable_rule_selects_nobody_and_says_why():
    cast = makers.make_cast()
    segment, sound = make_segment(), make_segment("Sound")
    membership.refresh_all(now=NOW)
    Segment.objects.filter(pk=segment.pk).update(rule={"version": 1, "where": {"type": "magic"}})

    membership.refresh([cast["bob"].pk], cause="event", now=NOW)

    segment.refresh_from_db()
    assert segment.state == Segment.State.INVALID
    assert "where.type: 'magic' is not one of" in segment.error
    assert members(segment) == set() and segment.members_count == 0
    assert len(members(sound)) == 2
    assert AuditEntry.objects.filter(action="segment.invalid", target="segment:two-orders").exists()


def test_an_invalid_segment_comes_back_when_its_rule_can_be_read_again():
    makers.make_cast()
    segment = make_segment()
    good = segment.rule
    Segment.objects.filter(pk=segment.pk).update(rule=[])
    membership.refresh_all(now=NOW)
    Segment.objects.filter(pk=segment.pk).update(rule=good)

    membership.refresh_all(now=NOW)

    segment.refresh_from_db()
    assert (segment.state, segment.error) == (Segment.State.LIVE, "")
    assert len(members(segment)) == 2


def test_one_failing_statement_does_not_stop_the_others():
    makers.make_cast()
    scored = make_segment("Scored", type="score", name="churn_90d", op=">", value=0.5)
    sound = make_segment()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE segments_score RENAME TO elsewhere")

    membership.refresh_all(now=NOW)
    membership.refresh_all(now=NOW)

    scored.refresh_from_db()
    assert scored.state == Segment.State.INVALID and "segments_score" in scored.error
    assert len(members(sound)) == 2
    assert AuditEntry.objects.filter(action="segment.valid").count() == 0


def test_a_segment_named_in_a_rule_is_followed():
    cast = makers.make_cast()
    base = make_segment("Base")
    without = make_segment(
        "Others", type="not", of={"type": "segment", "key": base.key}
    )  # fmt: skip
    membership.refresh_all(now=NOW)
    assert members(without) == {cast["bob"].pk, cast["mallory"].pk}

    one = {"type": "orders", "measure": "count", "op": "=", "value": 1}
    segments.edit(base, rule={"version": 1, "where": one}, user=None, now=NOW)
    membership.refresh_segment(base, cause="edit", now=NOW)

    assert members(without) == {cast["ada"].pk, cast["eve"].pk}


def test_a_refresh_as_of_an_earlier_moment_does_not_undo_a_later_one():
    ada = makers.make_customer("ada")
    segment = make_segment(type="orders", measure="count", op=">=", value=1)
    makers.make_order(ada, happened_at=ago(minutes=1))
    membership.refresh([ada.pk], cause="event", now=NOW)

    assert membership.refresh([ada.pk], cause="event", now=ago(minutes=2)) == []
    assert members(segment) == {ada.pk}


def test_counts_follow_touched_customers_between_full_refreshes():
    cast = makers.make_cast()
    segment = make_segment()
    membership.refresh_all(now=NOW)
    bob = cast["bob"]

    makers.make_order(bob)
    membership.refresh([bob.pk], cause="event", now=NOW)
    segment.refresh_from_db()
    assert segment.members_count == len(members(segment)) == 3

    bob.orders.all().delete()
    membership.refresh([bob.pk], cause="event", now=NOW)
    segment.refresh_from_db()
    assert segment.members_count == len(members(segment)) == 2


def test_segments_of_a_new_installation_are_asked_about_everybody_once():
    makers.make_cast()

    first = membership.refresh_new(cause="import", now=NOW)

    assert first.segments == Segment.objects.filter(refreshed_at=NOW).count() > 10
    assert membership.refresh_new(cause="import", now=NOW) is None
