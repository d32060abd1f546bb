"""Previews: an estimate from a sample, then the exact count with all that goes with it."""

import pytest

from customers.services import events
from customers.services.events import NewEvent
from segments.models import Membership
from segments.services import generations, mirror, preview
from segments.services.definitions import RuleRefused
from tests import makers
from tests.makers import NOW, ago, make_customer, make_order, make_segment

TWICE = {"type": "orders", "measure": "count", "op": ">=", "value": 2}
RECENT = {"type": "orders", "measure": "last", "op": "less_than_days_ago", "value": 60}


def a_rule(*of, kind="and"):
    return {"version": 1, "where": {"type": kind, "of": list(of)}}


@pytest.fixture
def large(settings, tmp_path):
    settings.MIRROR_FROM_CUSTOMERS = 1
    settings.RAPPORT_HOME = tmp_path
    yield
    mirror._views.clear()
    mirror._draws.clear()


@pytest.mark.django_db
def test_a_preview_counts_without_storing_anything():
    cast = makers.make_cast()
    before = Membership.objects.count()

    found = preview.exact(a_rule(TWICE, RECENT), now=NOW)

    assert (found.count, found.base, found.reachable_email, found.reachable_sms) == (1, 4, 1, 0)
    assert [one.id for one in found.sample] == [cast["ada"].pk]
    assert [clause.count for clause in found.clauses] == [2, 3]
    assert found.sentence.startswith("Customers with at least 2 orders, and whose last order")
    assert Membership.objects.count() == before


@pytest.mark.django_db
def test_a_preview_says_which_segments_those_selected_are_in():
    cast = makers.make_cast()
    make_segment("friends", [cast["ada"], cast["eve"], cast["bob"]])
    make_segment("buyers", [cast["ada"]])
    make_segment("strangers", [cast["bob"]])
    make_segment("old", [cast["ada"]], state="archived")

    found = preview.exact(a_rule(TWICE), now=NOW)

    assert list(found.overlaps) == [("friends", "friends", 2), ("buyers", "buyers", 1)]
    assert found.overlaps_sampled is None


@pytest.mark.django_db
def test_overlaps_of_many_are_scaled_up_from_some(monkeypatch):
    monkeypatch.setattr(preview, "OVERLAP_CUSTOMERS", 10)
    crowd = makers.make_crowd(40)
    make_segment("crowd", crowd)

    found = preview.exact({"version": 1, "where": {"type": "everybody"}}, now=NOW)

    assert found.overlaps_sampled == 10
    assert found.overlaps[0] == ("crowd", "crowd", 40)


@pytest.mark.django_db
def test_of_a_small_base_the_estimate_is_the_count():
    makers.make_cast()

    found = preview.estimate(a_rule(TWICE), now=NOW)

    assert (found.count, found.base, found.sampled) == (2, 4, 4)
    assert found.low == found.share == found.high == 0.5


@pytest.mark.django_db(transaction=True)
def test_the_mirror_previews_as_postgresql_does(large):
    makers.make_cast()
    rule = a_rule(TWICE, RECENT, kind="or")
    plain = preview.exact(rule, now=NOW)
    generations.build(now=NOW)
    zoe = make_customer("zoe")
    events.record([NewEvent("web", "e1", zoe.pk, "", "Seen", {}, happened_at=ago(1))], now=NOW)
    for days in (1, 2):
        make_order(zoe, days_ago=days)

    found = preview.exact(rule, now=NOW)

    assert (found.count, found.base) == (plain.count + 1, plain.base + 1)
    assert [c.count for c in found.clauses] == [c.count + 1 for c in plain.clauses]
    assert mirror._views  # it was asked


@pytest.mark.django_db(transaction=True)
def test_the_interval_of_an_estimate_holds_the_count(large, monkeypatch):
    """Of 400 customers, 100 are asked; two of five buy, one of whom after the draw was copied."""
    monkeypatch.setattr(preview, "SAMPLE_CUSTOMERS", 100)
    crowd = makers.make_crowd(400)
    for one in crowd[::5]:
        make_order(one)
    generations.build(now=NOW)
    one_order = a_rule({**TWICE, "value": 1})
    first = preview.estimate(one_order, now=NOW)
    for one in crowd[1::5]:
        make_order(one)
    events.record(
        [
            NewEvent("web", f"e{one.pk}", one.pk, "", "Seen", {}, happened_at=ago(1))
            for one in crowd[1::5]
        ],
        now=NOW,
    )
    second = preview.estimate(one_order, now=NOW)

    assert (first.sampled, first.base, second.base) == (100, 400, 400)
    assert first.low < 0.2 < first.high
    assert second.low < 0.4 < second.high
    assert second.share > first.share
    assert second.count == round(second.share * 400)


@pytest.mark.django_db
@pytest.mark.parametrize("look", [preview.estimate, preview.exact])
def test_a_wrong_rule_is_refused_with_its_faults(look):
    with pytest.raises(RuleRefused, match=r"where\.type"):
        look({"version": 1, "where": {"type": "nobody"}}, now=NOW)


@pytest.mark.parametrize(("found", "of"), [(0, 10), (10, 10), (3, 10), (1, 4_000)])
def test_wilsons_interval_is_where_the_score_test_turns(found, of):
    """At its ends the share seen is `Z` standard errors away: Wilson's definition."""
    low, high = preview.wilson(found, of)

    for end in (low, high):
        if 0 < end < 1:
            distance = abs(found / of - end) / (end * (1 - end) / of) ** 0.5
            assert distance == pytest.approx(preview.Z, rel=1e-6)
    assert 0 <= low <= found / of <= high <= 1
