"""Segments in the API: judged, previewed, read now and in the past, followed, and their lists."""

import io
from datetime import timedelta

import pytest
from django.utils import timezone

from rapport.models import Run
from segments.models import CustomerList, MembershipChange, Segment
from segments.services import lists, membership
from segments.tasks import import_list
from tests.makers import make_cast, make_customer, make_segment

pytestmark = pytest.mark.django_db
EVERYBODY = {"version": 1, "where": {"type": "everybody"}}
BOUGHT_TWICE = {
    "version": 1,
    "where": {"type": "orders", "measure": "count", "op": ">=", "value": 2},
}


@pytest.fixture
def cast():
    return make_cast()


def post(client, path, **body):
    return client.post(f"/api/v1/{path}", body, format="json")


def changes(segment, customer, *moments):
    """Enter, exit, enter … at these moments."""
    for place, moment in enumerate(moments):
        MembershipChange.objects.create(
            segment=segment,
            customer=customer,
            kind="exited" if place % 2 else "entered",
            cause="event",
            happened_at=moment,
            rule_version=1,
        )


def test_a_segment_is_made_changed_and_archived(program):
    client = program()
    made = post(client, "segments/", name="Twice", rule=BOUGHT_TWICE)
    changed = client.patch("/api/v1/segments/twice/", {"name": "Two"}, format="json")
    gone = client.delete("/api/v1/segments/twice/")

    assert (made.status_code, changed.json()["name"], gone.status_code) == (201, "Two", 204)
    assert client.get("/api/v1/segments/twice/").json()["state"] == "archived"


def test_every_fault_of_a_rule_is_told_with_its_path_and_nothing_is_written(program):
    wrong = {"version": 1, "where": {"type": "and", "of": [{"type": "x"}, {"type": "orders"}]}}
    before = Segment.objects.count()
    client = program("segments:read")
    answer = post(client, "segments/validate/", rule=wrong).json()

    assert not answer["is_valid"]
    paths = [fault["path"] for fault in answer["faults"]]
    assert "where.of[0].type" in paths and len(paths) > 2
    assert all(fault["reason"] for fault in answer["faults"])
    assert Segment.objects.count() == before


def test_a_good_rule_is_told_as_a_sentence(program):
    make_segment("mine", rule={"version": 1, "where": {"type": "everybody"}})
    client = program()
    fine = post(client, "segments/validate/", rule=BOUGHT_TWICE).json()
    listed = {"version": 1, "where": {"type": "list", "key": "nowhere"}}
    circle = {"version": 1, "where": {"type": "segment", "key": "mine"}}

    assert fine["is_valid"] and "order" in fine["sentence"] and fine["faults"] == []
    warned = post(client, "segments/validate/", rule=listed).json()
    assert warned["warnings"] == ["There is no list 'nowhere'."]
    assert "circle" in str(post(client, "segments/validate/", rule=circle, key="mine").json())


def test_a_preview_counts_without_names(program, cast):
    answer = post(program("segments:read"), "segments/preview/", rule=BOUGHT_TWICE).json()

    assert (answer["count"], answer["base"]) == (2, 4)
    assert set(answer["sample"]) == {cast["ada"].pk, cast["eve"].pk}
    assert "ada@" not in str(answer)


def test_an_estimate_has_its_interval(program, cast):
    client = program("segments:read")
    answer = post(client, "segments/preview/", rule=BOUGHT_TWICE, mode="estimate").json()

    assert answer["low"] <= answer["share"] <= answer["high"]
    assert (answer["count"], answer["base"]) == (2, 4)
    assert post(client, "segments/preview/", rule=EVERYBODY, mode="guess").status_code == 400


def test_a_bad_rule_has_no_preview(program):
    answer = post(program(), "segments/preview/", rule={"version": 1, "where": {"type": "x"}})

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["code"] == "invalid_rule"


def test_why_says_each_clause_and_when_it_changes(program, cast):
    segment = make_segment(
        "recent",
        rule={
            "version": 1,
            "where": {
                "type": "orders",
                "measure": "count",
                "op": ">=",
                "value": 1,
                "window_days": 36500,
            },
        },
    )
    membership.refresh([cast["ada"].pk], cause="event", now=timezone.now())
    path = f"/api/v1/segments/recent/why/{cast['ada'].pk}/"
    answer = program("segments:read").get(path).json()

    assert answer["is_member"] and answer["entered_at"]
    assert answer["clauses"][0]["actual"] and answer["clauses"][0]["holds"]
    assert answer["clauses"][0]["changes_at"] > answer["as_of"]
    assert segment.memberships.count() == 1


def test_members_are_read_at_a_past_moment(program, cast):
    segment, now = make_segment("loyal", [cast["eve"]]), timezone.now()
    start = now - timedelta(days=3)
    second, instant = timedelta(seconds=1), timedelta(microseconds=1)
    changes(segment, cast["ada"], start, start + second)
    changes(segment, cast["bob"], start + second)
    client = program("segments:read")

    def members(at, **more):
        given = {"at": at.isoformat(), **more}
        found = client.get("/api/v1/segments/loyal/members/", given).json()["results"]
        return [row["customer_id"] for row in found]

    ada, bob = cast["ada"].pk, cast["bob"].pk
    moments = [start - instant, start, start + second - instant, start + second]
    assert [members(at) for at in moments] == [[], [ada], [ada], [bob]]
    now_in = client.get("/api/v1/segments/loyal/members/").json()["results"]
    assert [row["customer_id"] for row in now_in] == [cast["eve"].pk]
    one = client.get(f"/api/v1/segments/loyal/members/{ada}/", {"at": start.isoformat()}).json()
    assert (one["is_member"], one["rule_version"]) == (True, 1)
    present = client.get(f"/api/v1/segments/loyal/members/{cast['eve'].pk}/").json()
    assert present["is_member"] and present["entered_at"]


def test_past_members_come_page_by_page(program):
    segment, moment = make_segment("loyal"), timezone.now() - timedelta(days=1)
    people = [make_customer(f"c{n}") for n in range(5)]
    for one in people:
        changes(segment, one, moment)
    client, found = program(), []
    address = f"/api/v1/segments/loyal/members/?page_size=2&at={moment:%Y-%m-%dT%H:%M:%S.%fZ}"
    while address:
        page = client.get(address).json()
        assert len(page["results"]) <= 2
        found += [row["customer_id"] for row in page["results"]]
        address = page["next"]

    assert found == [one.pk for one in people]


@pytest.mark.parametrize("at", ["2999-01-01T00:00:00Z", "yesterday", "2024-13-01"])
def test_a_moment_that_is_none_or_still_to_come_is_refused(program, at):
    make_segment("loyal")
    client = program()

    for path in ("members/", f"members/{make_customer().pk}/"):
        assert client.get(f"/api/v1/segments/loyal/{path}", {"at": at}).status_code == 400


def test_the_segments_of_a_customer(program, cast):
    make_segment("a", [cast["ada"]])
    make_segment("b", [cast["bob"]])
    answer = program("segments:read").get(f"/api/v1/customers/{cast['ada'].pk}/segments/").json()

    assert [row["segment"] for row in answer] == ["a"]


def test_unknown_names_are_404(program, cast):
    client = program()

    for path in (
        "segments/x/members/",
        "segments/x/members/?at=2024-01-01T00:00:00Z",
        f"segments/x/members/{cast['ada'].pk}/",
        "customers/0/segments/",
        "membership-changes/?segment=x",
        "lists/x/",
        "lists/x/members/",
    ):
        assert client.get(f"/api/v1/{path}").status_code == 404, path


@pytest.mark.parametrize(
    "query", ["cursor=nonsense", "kind=came", "cause=magic", "page_size=0", "page_size=1001",
              "since=never", "start=soon"],
)  # fmt: skip
def test_a_feed_that_cannot_be_is_refused(program, query):
    assert program().get(f"/api/v1/membership-changes/?{query}").status_code == 400


def test_a_list_is_made_filled_emptied_and_removed(program, cast):
    client = program("lists:read", "lists:write")
    made = post(client, "lists/", name="VIPs")
    people = [{"external_id": "ada"}, {"email": "bob@example.com"}, {"external_id": "nobody"}]
    added = post(client, "lists/vips/members/", customers=people, source="shop").json()
    shown = client.get("/api/v1/lists/vips/members/").json()["results"]
    gone = post(client, "lists/vips/members/remove/", customers=[{"id": cast["ada"].pk}]).json()

    assert (made.status_code, made.json()["key"]) == (201, "vips")
    assert (added["changed"], added["unchanged"]) == (2, 0)
    assert [(row["row"], row["field"]) for row in added["unknown"]] == [(2, "external_id")]
    assert {row["customer_id"] for row in shown} == {cast["ada"].pk, cast["bob"].pk}
    assert (gone["changed"], CustomerList.objects.get().members_count) == (1, 1)
    renamed = client.patch("/api/v1/lists/vips/", {"name": "Very"}, format="json").json()
    assert renamed["name"] == "Very"
    assert client.delete("/api/v1/lists/vips/").status_code == 204


@pytest.mark.parametrize("customers", [[], [{"id": 1}] * 1_001, "ada", [{"id": "x"}], [3]])
def test_people_that_cannot_be_read_are_refused(program, customers):
    lists.create(name="VIPs", user=None, now=timezone.now())
    answer = post(program(), "lists/vips/members/", customers=customers)

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["attr"].startswith("customers")


def test_a_repeated_call_is_answered_from_memory(program, cast):
    client, key = program(), {"Idempotency-Key": "k1"}
    lists.create(name="VIPs", user=None, now=timezone.now())
    body = {"customers": [{"id": cast["ada"].pk}]}
    first, again = (
        client.post("/api/v1/lists/vips/members/", body, format="json", headers=key)
        for _ in range(2)
    )

    assert first.json() == again.json() == {"changed": 1, "unchanged": 0, "unknown": []}


def test_a_file_is_brought_in_by_a_job(program, cast, settings, tmp_path):
    settings.RAPPORT_HOME = tmp_path
    lists.create(name="VIPs", user=None, now=timezone.now())
    file = io.BytesIO(b"customer_id\nada\nbob\nnobody\n")
    file.name = "vips.csv"
    client = program()
    answer = client.post("/api/v1/lists/vips/import/", {"file": file, "source": "shop"})
    import_list(answer.json()["id"])

    assert answer.status_code == 202
    job = client.get(f"/api/v1/jobs/{answer.json()['id']}/").json()
    assert job["state"] == "done"
    assert job["result"] == {"read": 3, "added": 2, "unchanged": 0, "rejected": 1, "removed": 0}


def test_a_file_of_something_else_ends_its_job_in_words(program, settings, tmp_path):
    settings.RAPPORT_HOME = tmp_path
    lists.create(name="VIPs", user=None, now=timezone.now())
    file = io.BytesIO(b"colour\nred\n")
    file.name = "colours.csv"
    answer = program().post("/api/v1/lists/vips/import/", {"file": file})
    import_list(answer.json()["id"])

    run = Run.objects.get()
    assert (run.state, "expected one of" in run.error) == ("failed", True)


@pytest.mark.parametrize(
    ("scope", "method", "path"),
    [
        ("customers:read", "get", "membership-changes/"),
        ("segments:write", "get", "segments/loyal/members/"),
        ("lists:read", "post", "lists/"),
        ("segments:read", "get", "lists/"),
        ("segments:write", "post", "segments/validate/"),
    ],
)
def test_each_call_needs_its_scope(program, scope, method, path):
    make_segment("loyal")

    assert getattr(program(scope), method)(f"/api/v1/{path}").status_code == 403
