"""Slots and contents through the API: made, changed and removed by a program with the scope."""

import pytest
from rest_framework.test import APIClient

from campaigns.models import Slot, SlotContent
from rapport.models import ApiKey
from tests.campaigns.decide.asking import add, make_slot
from tests.makers import make_segment

pytestmark = pytest.mark.django_db


def program(*scopes: str) -> APIClient:
    _key, secret = ApiKey.objects.create_key(name="test", scopes=list(scopes))
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Api-Key {secret}")
    return client


def test_a_program_makes_fills_changes_and_removes_a_slot():
    client, _vip = program("campaigns:read", "campaigns:write"), make_segment("vip")

    slot = client.post("/api/v1/slots/", {"key": "hero", "holdout_share": 0.1}, format="json")
    assert slot.status_code == 201
    one = f"/api/v1/slots/{slot.json()['id']}/"
    content = client.post(
        f"{one}contents/", {"name": "Gold", "segment": "vip", "body": "<p>x</p>"}, format="json"
    )
    assert (content.status_code, content.json()["segment"]) == (201, "vip")
    changed = client.patch(
        f"{one}contents/{content.json()['id']}/", {"segment": None, "priority": 1}, format="json"
    ).json()
    assert (changed["segment"], changed["priority"], changed["version"]) == (None, 1, 2)
    assert client.patch(one, {"state": "paused"}, format="json").json()["state"] == "paused"
    (listed,) = client.get("/api/v1/slots/").json()["results"]
    assert [each["name"] for each in listed["contents"]] == ["Gold"]

    assert client.delete(f"{one}contents/{content.json()['id']}/").status_code == 204
    assert client.delete(one).status_code == 204
    assert not Slot.objects.exists()


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("", {"key": "Not A Key"}, "letters, numbers"),
        ("", {"key": "taken"}, "already a slot"),
        ("contents/", {"name": "x", "body": "{{ customer.email }}"}, "customer.email"),
        ("contents/", {"name": "x"}, "shows nothing"),
        ("contents/", {"name": "x", "body": "x", "segment": "nobody"}, "nobody"),
    ],
)
def test_what_is_refused_says_why(path, body, words):
    slot = make_slot("taken")
    base = f"/api/v1/slots/{slot.pk}/{path}" if path else "/api/v1/slots/"

    answer = program("campaigns:write").post(base, body, format="json")

    assert answer.status_code in (400, 409)
    assert words in answer.content.decode()
    assert not SlotContent.objects.exists()


def test_a_program_without_the_scope_changes_nothing():
    slot = make_slot()
    content = add(slot)
    client = program("campaigns:read", "decide:read")
    one = f"/api/v1/slots/{slot.pk}/"

    for answer in (
        client.post("/api/v1/slots/", {"key": "x"}, format="json"),
        client.patch(one, {"state": "paused"}, format="json"),
        client.delete(one),
        client.delete(f"{one}contents/{content.pk}/"),
    ):
        assert answer.status_code == 403
    other = make_slot("side")
    assert client.get(f"/api/v1/slots/{other.pk}/contents/{content.pk}/").status_code == 404
