"""The pages of segments: the list, one segment, why somebody is in it, and taking it out of use."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from segments.models import MembershipChange, Segment
from segments.services import membership, segments
from tests.makers import make_cast, make_customer, make_order, make_staff

pytestmark = pytest.mark.django_db
QUERIES_MOST = 15
BUYERS = {
    "version": 1,
    "where": {"type": "orders", "measure": "count", "op": ">=", "value": 2},
}


@pytest.fixture
def as_role(client):
    """The client, logged in as somebody of a role."""

    def enter(role: str):
        client.force_login(make_staff(role))
        return client

    return enter


@pytest.fixture
def now():
    return timezone.now()


@pytest.fixture
def cast():
    return make_cast()


@pytest.fixture
def buyers(cast, now):
    """Who ordered twice or more: Ada and Eve, since a moment ago."""
    segment = segments.create(name="Buyers", rule=BUYERS, user=None, now=now)
    membership.refresh_segment(segment, cause="edit", now=now)
    segment.refresh_from_db()
    return segment


def text_of(answer) -> str:
    assert answer.status_code == 200
    return answer.content.decode()


def test_without_any_segment_the_list_has_the_button_that_makes_one(as_role):
    Segment.objects.all().delete()
    text = text_of(as_role("analyst").get(reverse("segments")))

    assert "No segment is in use" in text and reverse("segment_new") in text


def test_the_list_tells_members_changes_and_rules(as_role, buyers, django_assert_max_num_queries):
    viewer = as_role("viewer")
    with django_assert_max_num_queries(QUERIES_MOST):
        text = text_of(viewer.get(reverse("segments")))

    assert "the largest is “Buyers” with 2" in text
    assert "+2" in text and "2 in, 0 out" in text
    assert "Customers with at least 2 orders." in text
    assert "Build a segment" not in text


def test_an_invalid_segment_says_why_in_the_list(as_role, buyers):
    Segment.objects.filter(pk=buyers.pk).update(state="invalid", error="where: is missing")
    text = text_of(as_role("viewer").get(reverse("segments"), {"show": "invalid"}))

    assert "where: is missing" in text and "1 cannot be read and selects nobody" in text
    assert "Lapsed" not in text


def test_the_list_is_searched_and_sorted(as_role, buyers):
    viewer = as_role("viewer")

    assert "Lapsed" not in text_of(viewer.get(reverse("segments"), {"q": "buyer", "sort": "name"}))
    assert "No segment is like that" in text_of(viewer.get(reverse("segments"), {"q": "zzz"}))


def test_a_segment_shows_its_rule_members_and_way_to_write_to_them(
    as_role, buyers, django_assert_max_num_queries
):
    marketer = as_role("marketer")
    with django_assert_max_num_queries(QUERIES_MOST):
        text = text_of(marketer.get(reverse("segment", args=[buyers.pk])))

    assert "Customers with at least 2 orders." in text
    assert "Ada" in text and "Eve" in text and "Mallory" not in text
    assert f"{reverse('campaign_new')}?segment={buyers.pk}" in text
    assert "Send to these 2" in text


def test_members_over_time_and_who_left_today(as_role, buyers, cast, now):
    MembershipChange.objects.filter(segment=buyers).update(happened_at=now - timedelta(days=3))
    gone = make_customer("gus")
    for days, kind in ((3, "entered"), (0, "exited")):
        MembershipChange.objects.create(
            segment=buyers, customer=gone, kind=kind, cause="clock", rule_version=1,
            happened_at=now - timedelta(days=days),
        )  # fmt: skip
    answer = as_role("viewer").get(reverse("segment", args=[buyers.pk]))
    text, (chart,) = text_of(answer), answer.context["charts"]

    assert [row[1] for row in chart.rows] == ["2", "3", "3", "3", "0"]
    assert "Gus" in text and "time passed" in text


@pytest.mark.parametrize("state", ["archived", "invalid"])
def test_a_segment_that_selects_nobody_says_so_and_sends_nothing(as_role, buyers, state):
    Segment.objects.filter(pk=buyers.pk).update(state=state)
    text = text_of(as_role("marketer").get(reverse("segment", args=[buyers.pk])))

    assert "selects nobody" in text and "Send to" not in text


def test_why_somebody_is_in_is_told_clause_by_clause(
    as_role, buyers, cast, django_assert_max_num_queries
):
    viewer, address = as_role("viewer"), reverse("segment", args=[buyers.pk])
    with django_assert_max_num_queries(QUERIES_MOST + 8):  # seven load one person's facts
        inside = text_of(viewer.get(address, {"customer": "ada@example.com"}))
    outside = text_of(viewer.get(address, {"customer": str(cast["bob"].pk)}))

    assert "is <strong>in</strong>" in inside and "5 orders" in inside
    assert "is <strong>not in</strong>" in outside and "1 order" in outside


def test_of_namesakes_one_is_asked_for(as_role, buyers):
    make_customer("ada2", first_name="Ada")
    address = reverse("segment", args=[buyers.pk])
    viewer = as_role("viewer")

    assert "Whom do you mean?" in text_of(viewer.get(address, {"customer": "ada"}))
    assert "No customer is called" in text_of(viewer.get(address, {"customer": "zoe"}))


def test_archiving_lets_everybody_out_once(as_role, buyers):
    marketer = as_role("marketer")
    for _ in range(2):
        marketer.post(reverse("segment_archive", args=[buyers.pk]))

    buyers.refresh_from_db()
    assert (buyers.state, buyers.members_count) == ("archived", 0)
    assert buyers.changes.filter(kind="exited").count() == 2


def test_a_segment_that_another_names_stays_and_the_page_says_why(as_role, buyers, now):
    rule = {"version": 1, "where": {"type": "segment", "key": buyers.key}}
    segments.create(name="Copy", rule=rule, user=None, now=now)
    answer = as_role("marketer").post(reverse("segment_archive", args=[buyers.pk]), follow=True)

    assert "is named in the rules of copy" in text_of(answer)
    assert Segment.objects.get(pk=buyers.pk).state == "live"


@pytest.mark.parametrize("role", ["viewer", "analyst"])
def test_who_may_not_archive_does_not(as_role, buyers, role):
    answer = as_role(role).post(reverse("segment_archive", args=[buyers.pk]))

    assert answer.status_code == 403
    assert Segment.objects.get(pk=buyers.pk).state == "live"


@pytest.mark.parametrize("name", ["segments", "segment", "segment_new", "segment_edit"])
def test_a_stranger_sees_no_segment(as_role, buyers, name):
    arguments = [buyers.pk] if name in ("segment", "segment_edit") else []
    assert as_role("stranger").get(reverse(name, args=arguments)).status_code == 403


def test_the_list_of_customers_is_narrowed_to_a_segment(as_role, buyers):
    text = text_of(as_role("viewer").get(reverse("customers"), {"segment": buyers.pk}))

    assert "Ada" in text and "Mallory" not in text


def test_the_search_box_finds_a_segment(as_role, buyers):
    text = text_of(as_role("viewer").get(reverse("search"), {"q": "buyers"}))

    assert reverse("segment", args=[buyers.pk]) in text


def test_a_new_member_is_on_the_page_after_a_refresh(as_role, buyers, cast, now):
    make_order(cast["bob"], 10, happened_at=now - timedelta(days=1))
    membership.refresh([cast["bob"].pk], cause="event", now=now)
    text = text_of(as_role("viewer").get(reverse("segment", args=[buyers.pk])))

    assert "Bob" in text and "something happened" in text
