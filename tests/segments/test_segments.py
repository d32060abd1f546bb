"""Segments are created, edited and archived, and every installation starts with some."""

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db.models.signals import post_migrate

from rapport import privacy
from rapport.errors import Conflict
from rapport.models import AuditEntry
from segments import querysets
from segments.models import Membership, MembershipChange, Segment
from segments.rules import ready_made
from segments.services import definitions, membership, segments
from tests import makers
from tests.makers import NOW, ago

pytestmark = pytest.mark.django_db
TWO = {"version": 1, "where": {"type": "orders", "measure": "count", "op": ">=", "value": 2}}
ONE = {"version": 1, "where": {"type": "orders", "measure": "count", "op": "=", "value": 1}}


def create(name="Two orders", rule=TWO, **given):
    return segments.create(name=name, rule=rule, user=None, now=NOW, **given)


def test_a_new_segment_is_live_has_a_key_and_leaves_a_trail():
    staff = makers.make_staff("marketer")

    first = segments.create(name="Grüße & Küsse", rule=TWO, user=staff, now=NOW)
    second = create("Grüße & Küsse")

    assert (first.key, second.key) == ("grue-kusse", "grue-kusse-2")
    assert (first.state, first.rule_version, first.created_by) == ("live", 1, staff)
    entry = AuditEntry.objects.get(target="segment:grue-kusse")
    assert (entry.action, entry.actor) == ("segment.created", "marketer")


def test_a_faulty_rule_is_refused_with_every_fault():
    rule = {"version": 1, "where": {"type": "and", "of": [{"type": "x"}, {"type": "not"}]}}

    with pytest.raises(definitions.RuleRefused) as refused:
        create(rule=rule)

    paths = [fault.path for fault in refused.value.faults]
    assert paths == ["where.of[0].type", "where.of[1].of"]
    assert not Segment.objects.filter(name="Two orders").exists()


def test_a_taken_key_is_a_conflict():
    create(key="vip")

    with pytest.raises(Conflict, match="'vip'"):
        create(key="vip")


def test_an_edited_rule_counts_up_and_asks_for_a_refresh(django_capture_on_commit_callbacks):
    segment = create()

    with django_capture_on_commit_callbacks() as unchanged:
        segments.edit(segment, rule=TWO, name="Two or more", user=None, now=NOW)
    with django_capture_on_commit_callbacks() as changed:
        segments.edit(segment, rule=ONE, user=None, now=ago(-1))

    assert (len(unchanged), len(changed)) == (0, 1)
    assert (segment.rule_version, segment.name, segment.changed_at) == (2, "Two or more", ago(-1))
    before = AuditEntry.objects.filter(action="segment.edited").first().details["before"]
    assert before == {"rule": TWO}


def test_a_rule_that_leads_to_its_own_segment_is_refused():
    first = create("First")
    create("Second", {"version": 1, "where": {"type": "segment", "key": first.key}})
    circle = {"version": 1, "where": {"type": "segment", "key": "second"}}

    with pytest.raises(definitions.RuleRefused, match="circle"):
        segments.edit(first, rule=circle, user=None, now=NOW)


def test_archiving_lets_everybody_out_and_keeps_the_history():
    makers.make_cast()
    segment = create()
    membership.refresh_all(now=NOW)

    segments.archive(segment, user=None, now=ago(-1))
    membership.refresh_all(now=ago(-1))

    assert segment.state == Segment.State.ARCHIVED
    assert not Membership.objects.filter(segment=segment).exists()
    kinds = MembershipChange.objects.filter(segment=segment).values_list("kind", flat=True)
    assert sorted(kinds) == ["entered", "entered", "exited", "exited"]
    with pytest.raises(Conflict, match="archived"):
        segments.edit(segment, name="Again", user=None, now=NOW)


def test_a_segment_in_use_by_another_cannot_be_archived():
    create()
    create("Others", {"version": 1, "where": {"type": "segment", "key": "two-orders"}})

    with pytest.raises(Conflict, match="others"):
        segments.archive(Segment.objects.get(key="two-orders"), user=None, now=NOW)


def test_a_new_installation_has_the_ready_made_segments_and_edits_survive():
    there = set(Segment.objects.filter(is_ready_made=True).values_list("key", flat=True))
    assert there == {one.key for one in ready_made.SEGMENTS} and len(there) == 12
    lapsed = Segment.objects.get(key="lapsed")
    segments.edit(lapsed, name="Gone", rule=ONE, user=None, now=NOW)
    segments.archive(Segment.objects.get(key="high-value"), user=None, now=NOW)

    post_migrate.send(
        sender=apps.get_app_config("segments"),
        app_config=apps.get_app_config("segments"),
        verbosity=0,
        interactive=False,
        using="default",
        apps=apps,
    )

    lapsed.refresh_from_db()
    assert (lapsed.name, lapsed.rule) == ("Gone", ONE)
    assert Segment.objects.get(key="high-value").state == Segment.State.ARCHIVED
    assert Segment.objects.filter(is_ready_made=True).count() == 12


def test_erasing_a_customer_takes_stays_and_history_with_it():
    ada = makers.make_cast()["ada"]
    membership.refresh_all(now=NOW)
    [kind] = [one for one in privacy.kinds() if "segments.Membership" in one.models]
    assert {stay["segment__name"] for stay in kind.export(ada.pk)["present"]} >= {"Champions"}

    assert kind.erase(ada.pk) > 0

    assert not MembershipChange.objects.filter(customer=ada).exists()
    assert kind.erase(ada.pk) == 0


def test_the_number_of_members_over_time_is_told_day_by_day():
    ada, bob = makers.make_customer("ada"), makers.make_customer("bob")
    segment = create(rule=ONE)
    makers.make_order(ada, happened_at=ago(5))
    membership.refresh([ada.pk], cause="event", now=ago(5))
    makers.make_order(bob, happened_at=ago(1.5))
    membership.refresh([bob.pk], cause="event", now=ago(1.5))
    makers.make_order(ada, happened_at=ago(0.5))
    membership.refresh([ada.pk], cause="event", now=ago(0.5))

    days = querysets.movement(segment, until=NOW, days=4)

    assert [(day.members, day.entered, day.exited) for day in days] == [
        (1, 0, 0),
        (1, 0, 0),
        (2, 1, 0),
        (1, 0, 1),
    ]
    assert days[-1].at == NOW
    assert querysets.moved_since(ago(3))[segment.pk] == (1, 1)


def test_the_command_lists_refreshes_explains_and_exports(capsys, tmp_path):
    makers.make_cast()
    create()

    call_command("segments", "refresh")
    call_command("segments", "list")
    call_command("segments", "why", "two-orders", "bob@example.com")
    call_command("segments", "export", "--output", str(tmp_path / "segments.json"))
    (tmp_path / "rule.json").write_text('{"version": 1, "where": {"type": "everybody"}}')
    call_command("segments", "preview", str(tmp_path / "rule.json"))

    said = capsys.readouterr().out
    assert "13 segments" in said and "two-orders" in said
    assert "Customers with at least 2 orders." in said and "Not in." in said
    assert "4 of 4 customers" in said
    assert '"key": "two-orders"' in (tmp_path / "segments.json").read_text()
    with pytest.raises(CommandError, match="no segment 'none'"):
        call_command("segments", "why", "none", "bob")


def test_the_tasks_hand_over_to_membership():
    from segments import tasks

    cast = makers.make_cast()
    segment = create()
    Segment.objects.update(refreshed_at=NOW)  # as if everybody had been asked before

    def members():
        return set(Membership.objects.filter(segment=segment).values_list("customer_id", flat=True))

    tasks.refresh_customers([cast["ada"].pk], "event")
    assert members() == {cast["ada"].pk}
    tasks.refresh_segment(segment.pk)
    assert members() == {cast["ada"].pk, cast["eve"].pk}
    Segment.objects.update(refreshed_at=None)
    tasks.refresh_all()
    assert not Segment.objects.filter(refreshed_at=None).exists()


def test_touched_customers_of_a_new_installation_bring_everybody_in():
    from segments import tasks

    cast = makers.make_cast()
    segment = create()

    tasks.refresh_customers([cast["ada"].pk], "event")

    assert Membership.objects.filter(segment=segment).count() == 2
