"""A closer look: what sets members apart, overlaps, two segments side by side, why and why not."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from django.urls import reverse
from django.utils import timezone

from campaigns.models import Campaign
from rapport import runs
from segments.models import Segment
from segments.services import membership, profile, segments
from segments.services.profile import standardised
from tests.makers import make_campaign, make_customer, make_order, make_segment, make_staff

QUERIES_MOST = 15
SPENDERS = {
    "version": 1,
    "where": {"type": "orders", "measure": "revenue", "op": ">", "value": 100},
}


@pytest.fixture
def as_role(client, db):
    """The client, logged in as somebody of a role."""

    def enter(role: str):
        client.force_login(make_staff(role))
        return client

    return enter


@pytest.fixture
def spenders(db):
    """Eight who spent 200 in two orders, among twenty who spent 10 in one."""
    now = timezone.now()
    for number in range(28):
        one = make_customer(f"c{number}", first_name=f"C{number}")
        for days in (10, 40) if number < 8 else (200 + number,):
            total = 100 + number if number < 8 else 10 + number / 10
            make_order(one, total, happened_at=now - timedelta(days=days, hours=number))
    made = segments.create(name="Spenders", rule=SPENDERS, user=None, now=now)
    membership.refresh_segment(made, cause="edit", now=now)
    made.refresh_from_db()
    return made


def text_of(answer) -> str:
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_standardised_difference_is_that_of_the_textbook():
    """Means 5 and 3, variances 4 and 2: the difference is 2 over the root of 3."""
    one = pd.DataFrame({"a": [3, 3, 5, 7, 7], "flat": 1.0, "few": [1, 2, 3, 4, np.nan]})
    other = pd.DataFrame({"a": [1, 2, 3, 4, 5], "flat": 1.0, "few": [1.0, 2, 3, 4, 5]})
    (found,) = standardised(one, other)

    variances = (4.0, 2.5)
    assert found.name == "a" and (found.mean, found.other_mean) == (5.0, 3.0)
    assert found.standardised == pytest.approx(2 / np.sqrt(sum(variances) / 2))


def test_what_sets_members_apart_agrees_with_all_of_them(spenders):
    apart = profile.from_base(spenders, now=timezone.now())
    found = {one.name: one for one in apart.differences}

    assert (apart.n, apart.other_n, apart.buyers) == (8, 28, 8)
    revenue = found["revenue_total"]
    paid = [2 * (100 + number) for number in range(8)]
    assert revenue.mean == pytest.approx(np.mean(paid))
    rest = [10 + number / 10 for number in range(8, 28)]
    assert revenue.other_mean == pytest.approx(np.mean(paid + rest), rel=1e-6)
    sizes = [abs(one.standardised) for one in apart.differences]
    assert sizes == sorted(sizes, reverse=True)


def test_shared_members_are_counted_in_pairs(spenders):
    members = list(spenders.memberships.values_list("customer_id", flat=True))
    other = make_segment("Half")
    other.memberships.model.objects.bulk_create(
        other.memberships.model(
            segment=other, customer_id=pk, entered_at=timezone.now(), rule_version=1
        )
        for pk in members[:3]
    )
    found = profile.shared([spenders.pk, other.pk])

    assert found[spenders.pk, other.pk] == found[other.pk, spenders.pk] == 3
    assert (found[spenders.pk, spenders.pk], found[other.pk, other.pk]) == (8, 3)
    assert other in profile.nearest(spenders, most=5)


def test_the_page_asks_for_the_closer_look_and_gets_it(
    as_role, spenders, django_assert_max_num_queries
):
    viewer = as_role("viewer")
    text = text_of(viewer.get(reverse("segment", args=[spenders.pk])))
    address = reverse("segment_closer", args=[spenders.pk])
    assert f'hx-get="{address}"' in text
    with django_assert_max_num_queries(QUERIES_MOST):
        part = text_of(viewer.get(address, headers={"HX-Request": "true"}))
    whole = text_of(viewer.get(address))

    assert "differ from the base most in" in part and "n = 8 buyers" in part
    assert "<html" not in part and "<html" in whole


def test_where_a_segment_is_used(as_role, spenders):
    make_campaign(spenders, name="Autumn")
    rule = {"version": 1, "where": {"type": "not", "of": {"type": "segment", "key": spenders.key}}}
    segments.create(name="The others", rule=rule, user=None, now=timezone.now())
    text = text_of(as_role("viewer").get(reverse("segment", args=[spenders.pk])))

    assert "Autumn" in text and "The others" in text
    assert reverse("campaign", args=[Campaign.objects.get().pk]) in text


def test_members_are_searched_and_exported_by_who_may(as_role, spenders):
    make_customer("=cmd", first_name="=cmd|calc")
    viewer = as_role("viewer")
    address = reverse("segment", args=[spenders.pk])
    found = text_of(viewer.get(address, {"q": "c3"}))
    none = text_of(viewer.get(address, {"q": "zoe"}))
    assert "c3@example.com" in found and "c4@example.com" not in found
    assert "begins with “zoe”" in none and "Export as CSV" not in found

    export = reverse("customers_export")
    assert viewer.get(export, {"segment": spenders.pk}).status_code == 403
    manager = as_role("manager")
    assert f"{export}?segment={spenders.pk}" in text_of(manager.get(address))
    lines = b"".join(manager.get(export, {"segment": spenders.pk}).streaming_content).decode()
    assert len(lines.splitlines()) == 9 and "c3@example.com" in lines


def test_a_night_that_found_differences_is_an_alarm_on_the_page(as_role, spenders):
    viewer, address = as_role("viewer"), reverse("segment", args=[spenders.pk])
    before = text_of(viewer.get(address))
    night = {"verified_at": timezone.now(), "verified_seconds": 1.5}
    Segment.objects.filter(pk=spenders.pk).update(differences=0, **night)
    calm = text_of(viewer.get(address))
    Segment.objects.filter(pk=spenders.pk).update(differences=3, **night)
    alarm = text_of(viewer.get(address))

    assert "the next night makes it" in before
    assert "no difference" in calm and "3 differences" in alarm and "repaired" in alarm


def test_an_edit_at_work_shows_its_bar_and_the_rule_before(as_role, spenders):
    run = runs.create("segment", "Rebuild “Spenders”", total=10)
    Segment.objects.filter(pk=spenders.pk).update(live_rule=SPENDERS, live_version=1, run=run)
    text = text_of(as_role("viewer").get(reverse("segment", args=[spenders.pk])))

    assert "those of the rule before" in text and f'id="run-{run.pk}"' in text


def test_the_segments_page_stays_within_its_queries(
    as_role, spenders, django_assert_max_num_queries
):
    viewer = as_role("viewer")
    with django_assert_max_num_queries(QUERIES_MOST):
        viewer.get(reverse("segment", args=[spenders.pk]), {"q": "c3"})
    with django_assert_max_num_queries(QUERIES_MOST):
        viewer.get(reverse("segments"))


# --- side by side -----------------------------------------------------------------------------


def test_two_segments_stand_side_by_side(as_role, spenders, django_assert_max_num_queries):
    now = timezone.now()
    rule = {"version": 1, "where": {"type": "orders", "measure": "count", "op": "=", "value": 1}}
    once = segments.create(name="Once", rule=rule, user=None, now=now)
    membership.refresh_segment(once, cause="edit", now=now)
    viewer, address = as_role("viewer"), reverse("segment_compare")
    with django_assert_max_num_queries(QUERIES_MOST):
        text = text_of(viewer.get(address, {"a": spenders.pk, "b": once.pk}))

    assert "0 customers are in both of 28 in either" in text
    assert "Only in “Spenders”" in text and "with exactly 1 order" in text
    assert "What differs most" in text


@pytest.mark.parametrize(
    ("chosen", "said"),
    [({}, "Choose two segments"), ({"a": "x", "b": "-1"}, "Choose two segments")],
)
def test_without_two_segments_it_asks_for_them(as_role, spenders, chosen, said):
    assert said in text_of(as_role("viewer").get(reverse("segment_compare"), chosen))


def test_one_segment_twice_is_said(as_role, spenders):
    twice = {"a": spenders.pk, "b": spenders.pk}
    text = text_of(as_role("viewer").get(reverse("segment_compare"), twice))

    assert "one segment twice" in text


# --- why in, why not --------------------------------------------------------------------------


def test_any_segment_says_why_somebody_is_not_in_it(
    as_role, spenders, django_assert_max_num_queries
):
    from customers.models import Customer

    person = Customer.objects.get(email="c20@example.com")
    viewer = as_role("viewer")
    with django_assert_max_num_queries(QUERIES_MOST + 2):  # seven load one person's facts
        text = text_of(
            viewer.get(reverse("customer_why", args=[person.pk]), {"segment": spenders.pk})
        )

    assert "C20 is not in “Spenders”" in text and "✗ does not" in text and "found: 12" in text


def test_a_clause_says_when_time_may_change_it(as_role, db):
    now = timezone.now()
    rule = {"version": 1, "where": {"type": "orders", "measure": "last",
                                    "op": "less_than_days_ago", "value": 30}}  # fmt: skip
    recent = segments.create(name="Recent buyers", rule=rule, user=None, now=now)
    person = make_customer("ida")
    make_order(person, 10, happened_at=now - timedelta(days=10))
    address = reverse("customer_why", args=[person.pk])
    text = text_of(as_role("viewer").get(address, {"segment": recent.pk}))

    due = now + timedelta(days=20)
    assert "may change" in text and f'datetime="{due:%Y-%m-%d}' in text


def test_a_stranger_is_told_nothing(as_role, spenders):
    person = make_customer("ida")
    stranger = as_role("stranger")
    for address in (
        reverse("customer_why", args=[person.pk]),
        reverse("segment_closer", args=[spenders.pk]),
        reverse("segment_compare"),
        reverse("segment_suggest"),
    ):
        assert stranger.get(address).status_code == 403
