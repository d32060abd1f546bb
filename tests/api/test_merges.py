"""Programs see merges, make them and undo them."""

import pytest

from customers.models import Merge, RefusedClaim
from customers.services import identity
from customers.services.identity import Claim
from rapport.models import AuditEntry
from tests.makers import NOW, make_customer

pytestmark = pytest.mark.django_db


def test_a_program_merges_reads_and_undoes(program):
    ada, twin = make_customer("ada"), make_customer("twin")
    client = program("customers:read", "customers:write")

    given = {"survivor_id": ada.pk, "merged_id": twin.pk, "reason": "same parcel"}
    made = client.post("/api/v1/merges/", given, format="json")
    assert made.status_code == 201, made.content
    assert made.json()["rule"] == "person"
    assert client.get(f"/api/v1/customers/{twin.pk}/").json()["id"] == ada.pk
    assert client.get("/api/v1/merges/").json()["results"][0]["merged_id"] == twin.pk

    again = client.post("/api/v1/merges/", given, format="json")
    assert again.status_code == 409
    undone = client.post(f"/api/v1/merges/{made.json()['id']}/undo/")
    assert undone.json()["is_undoable"] is False
    assert client.get(f"/api/v1/customers/{twin.pk}/").json()["id"] == twin.pk
    assert AuditEntry.objects.get(action="customer.merged").actor == "key: test"


def test_a_program_that_may_only_read_merges_nobody(program):
    ada, twin = make_customer("ada"), make_customer("twin")
    given = {"survivor_id": ada.pk, "merged_id": twin.pk}

    assert program("customers:read").post("/api/v1/merges/", given).status_code == 403
    assert not Merge.objects.exists()


def test_a_program_sees_what_was_refused_and_why(program):
    identity.resolve([Claim("null", happened_at=NOW)], source="shop", now=NOW)

    (found,) = program("customers:read").get("/api/v1/refused-claims/").json()["results"]

    assert (found["value"], found["reason"]) == ("null", "blocked")
    assert RefusedClaim.objects.count() == 1
