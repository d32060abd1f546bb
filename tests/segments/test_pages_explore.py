"""Explore: cells count whom their segments select, and any cell becomes a segment in one click."""

import pytest
from django.urls import reverse
from django.utils import timezone

from segments.models import LearntApproval, Membership, Score, Segment
from segments.rules import cells
from segments.services import exploring, preview, segments
from tests.makers import make_cast, make_crowd, make_order, make_staff
from tests.segments.learnt import make_run

pytestmark = pytest.mark.django_db
QUERIES_MOST = 15
BANDS = ("low", "medium", "high")


@pytest.fixture
def as_role(client):
    def enter(role: str):
        client.force_login(make_staff(role))
        return client

    return enter


@pytest.fixture
def scored():
    """Forty customers with a risk and a value, ten of them worth the same, and one with no value.

    The last customer is erased: a score that is left over counts nowhere.
    """
    now = timezone.now()
    churn, clv = make_run(), make_run("clv_365d")
    crowd = make_crowd(42, consent=False)
    rows = []
    for place, one in enumerate(crowd):
        rows.append(("churn_90d", churn, one, 0.1, BANDS[place % 3]))
        if place != 7:
            rows.append(("worth_365d", clv, one, float(max(place, 10)), ""))
    Score.objects.bulk_create(
        Score(name=name, run=run, customer=one, value=value, band=band, as_of=now)
        for name, run, one, value, band in rows
    )
    crowd[-1].erased_at = now
    crowd[-1].save(update_fields=["erased_at"])
    return crowd


def test_each_cell_counts_whom_its_segment_selects(scored):
    found = exploring.matrix(cells.RISK, cells.VALUE, shares=cells.SHARES)
    counted = {(one.band, one.share): one.n for one in found.cells}
    now = timezone.now()

    assert found.n == sum(counted.values()) == 40
    for band in cells.RISKS:
        for share in range(len(cells.VALUES)):
            rule = cells.read(cells.matrix_cell(band, share)).rule
            assert preview.exact(rule, now=now).count == counted.get((band, share), 0)


def test_each_field_of_the_grid_counts_whom_its_segment_selects():
    cast = make_cast()
    now = timezone.now()
    make_order(cast["bob"], 5, happened_at=now, status="cancelled")
    make_order(cast["bob"], 5, happened_at=now, kind="refund")
    found = exploring.grid(days=cells.DAYS, orders=cells.ORDERS, now=now)
    counted = {(one.days, one.orders - 1): one.n for one in found}

    assert sum(counted.values()) == 4
    for days in range(len(cells.DAY_LABELS)):
        for orders in range(len(cells.ORDER_LABELS)):
            rule = cells.read(cells.grid_cell(days, orders)).rule
            assert preview.exact(rule, now=now).count == counted.get((days, orders), 0)


def test_the_first_line_says_who_is_worth_keeping(as_role, scored, django_assert_max_num_queries):
    viewer = as_role("viewer")
    with django_assert_max_num_queries(QUERIES_MOST):
        text = viewer.get(reverse("explore")).content.decode()

    assert "2 customers of high value are likely to leave" in text
    assert "before somebody approves: Risk of leaving, Expected value" in text
    assert "Make a segment" not in text  # a viewer only looks

    LearntApproval.objects.create(kind="churn_90d", approved_at=timezone.now())
    text = viewer.get(reverse("explore")).content.decode()
    assert "before somebody approves: Expected value" in text


def test_a_cell_becomes_one_segment_however_often_it_is_asked_for(as_role, scored):
    analyst = as_role("analyst")
    for _ in range(2):
        answer = analyst.post(reverse("explore_segment"), {"cell": "matrix:high:0"}, follow=True)

    made = Segment.objects.get(name="High value, likely to leave")
    assert answer.redirect_chain[-1][0] == reverse("segment", args=[made.pk])
    assert "is this cell already" in answer.content.decode()


def test_what_is_no_cell_makes_no_segment(as_role):
    before, analyst = Segment.objects.count(), as_role("analyst")
    for cell in ("", "matrix:high:9", "grid::", "grid:01:1", "both:a:a", "both:a:b", "luck:1:1"):
        answer = analyst.post(reverse("explore_segment"), {"cell": cell}, follow=True)
        assert answer.redirect_chain[-1][0] == reverse("explore"), cell
        assert "othing was made" in answer.content.decode()

    assert Segment.objects.count() == before


def test_an_overlap_becomes_a_segment_of_both(as_role, django_assert_max_num_queries):
    cast = make_cast()
    rule, now = {"version": 1, "where": {"type": "reachable", "channel": "email"}}, timezone.now()
    for key, members in (("loyal", ["ada", "bob"]), ("french", ["ada"])):
        made = segments.create(name=key, key=key, rule=rule, user=None, now=now)
        for name in members:
            Membership.objects.create(
                segment=made, customer=cast[name], entered_at=now, rule_version=1
            )
        Segment.objects.filter(pk=made.pk).update(members_count=len(members))
    analyst = as_role("analyst")
    with django_assert_max_num_queries(QUERIES_MOST):
        text = analyst.get(reverse("explore_more")).content.decode()
    assert "1 of 2" in text and "1 of 1" in text

    analyst.post(reverse("explore_segment"), {"cell": "both:loyal:french"})
    made = Segment.objects.get(name="loyal and french")
    assert [part["key"] for part in made.rule["where"]["of"]] == ["french", "loyal"]


def test_a_viewer_makes_no_segment(as_role, scored):
    answer = as_role("viewer").post(reverse("explore_segment"), {"cell": "matrix:high:0"})

    assert answer.status_code == 403
