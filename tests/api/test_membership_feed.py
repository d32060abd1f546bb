"""The feed of entries and exits, as a program follows it; it needs real commits."""

from datetime import timedelta

import pytest
from django.utils import timezone

from segments.models import MembershipChange
from tests.makers import make_customer, make_segment
from tests.segments.committed import transactional_db  # noqa: F401

pytestmark = pytest.mark.usefixtures("transactional_db")


@pytest.fixture
def client(transactional_db):  # noqa: F811
    from rest_framework.test import APIClient

    from rapport.models import ApiKey

    key, secret = ApiKey.objects.create_key(name="test", scopes=["segments:read"])
    found = APIClient()
    found.credentials(HTTP_AUTHORIZATION=f"Api-Key {secret}")
    yield found
    key.delete()


def change(segment, customer, kind="entered", **given):
    fields = {"cause": "event", "happened_at": timezone.now(), "rule_version": 1, **given}
    row = MembershipChange.objects.create(segment=segment, customer=customer, kind=kind, **fields)
    return row.pk


def test_a_program_follows_every_change_and_can_narrow_them(client):
    loyal, other, ada = make_segment("loyal"), make_segment("other"), make_customer()
    old = change(loyal, ada, happened_at=timezone.now() - timedelta(days=9))
    ids = [old, *(change(loyal, ada, kind) for kind in ("exited", "entered"))]

    def ask(**query):
        return client.get("/api/v1/membership-changes/", query).json()

    first = ask(page_size=2)
    second = ask(cursor=first["cursor"], page_size=2)
    later = change(other, ada, cause="clock")
    third = ask(cursor=second["cursor"])
    last = ask(cursor=third["cursor"])

    found = [[row["id"] for row in page["results"]] for page in (first, second, third, last)]
    assert found == [ids[:2], ids[2:], [later], []]
    assert [page["has_more"] for page in (first, second)] == [True, False]
    assert first["results"][0].keys() == {
        "id", "segment", "customer_id", "kind", "cause", "happened_at", "rule_version"
    }  # fmt: skip
    assert [row["id"] for row in ask(segment="other")["results"]] == [later]
    assert len(ask(segment=["other", "loyal"])["results"]) == 4
    assert [row["id"] for row in ask(kind="exited")["results"]] == ids[1:2]
    assert [row["id"] for row in ask(cause=["clock", "edit"])["results"]] == [later]
    since = (timezone.now() - timedelta(days=1)).isoformat()
    assert old not in [row["id"] for row in ask(since=since)["results"]]


def test_a_program_may_begin_with_the_present(client):
    loyal, ada = make_segment("loyal"), make_customer()
    change(loyal, ada)
    begun = client.get("/api/v1/membership-changes/?start=now").json()
    new = change(loyal, ada, "exited")
    then = client.get("/api/v1/membership-changes/", {"cursor": begun["cursor"]}).json()

    assert begun["results"] == []
    assert [row["id"] for row in then["results"]] == [new]
