"""Flows through the API: written, checked, changed, read, each with its scope."""

import pytest

from campaigns.models import Campaign, Journey
from tests.campaigns.flows.stories import MINUTE, does, flow_of, make_flow, tick
from tests.makers import NOW, make_campaign, make_consent, make_customer

pytestmark = pytest.mark.django_db
SENDS = {"number": 1, "kind": "send", "next": None}
WAITS = {"number": 1, "kind": "wait", "days": 1, "next": None}


@pytest.fixture
def flow():
    ada = make_customer("ada")
    make_consent(ada)
    campaign = make_flow(WAITS)
    does(ada, "signed_up", NOW + MINUTE)
    tick(NOW + MINUTE)
    return campaign


def test_a_draft_is_written_read_and_refused_with_every_place(program):
    campaign = make_campaign(kind="flow")
    at, client = f"/api/v1/campaigns/{campaign.pk}/flow/", program()
    assert client.get(at).json()["version"] is None

    wrong = client.put(at, {"definition": flow_of({**SENDS, "next": 3})}, format="json")
    checked = client.post(
        f"{at}check/", {"definition": flow_of({**SENDS, "next": 3})}, format="json"
    )
    right = client.put(at, {"definition": flow_of(SENDS), "note": "first"}, format="json")

    assert wrong.status_code == 400
    assert "steps[0]: leads to step 3" in str(wrong.json())
    assert checked.json()["faults"] == [
        {"path": "steps[0]", "reason": "leads to step 3, which there is not"}
    ]
    assert right.json()["version"] == 1
    assert client.get(at).json()["note"] == "first"


def test_a_running_flow_is_changed_with_its_consequences_said(program, flow):
    client, at = program(), f"/api/v1/campaigns/{flow.pk}/flow/"
    given = {"definition": flow_of({"number": 9, "kind": "exit"}, first=9), "people_inside": "move"}

    said = client.post(f"{at}consequences/", given, format="json").json()
    assert Journey.objects.get().state == "waiting"
    done = client.post(f"{at}change/", given, format="json").json()

    assert said == done
    assert done["leave"] == 1
    assert Journey.objects.get().exit_reason == "changed"


def test_journeys_steps_and_reasons_are_read(program, flow):
    client, at = program(), f"/api/v1/campaigns/{flow.pk}/"
    ada = Journey.objects.get().customer_id

    journeys = client.get(f"{at}journeys/?state=waiting").json()["results"]
    mine = client.get(f"/api/v1/journeys/?customer_id={ada}").json()["results"]
    steps = client.get(f"{at}flow/steps/").json()
    why = client.get(f"{at}why/{ada}/").json()
    rehearsed = client.get(f"{at}flow/rehearsal/?days=7").json()

    assert journeys == mine
    assert journeys[0]["version"] == 1
    assert (steps["steps"][0]["waiting"], steps["totals"]["inside"]) == (1, 1)
    assert why["is_inside"]
    assert [one["what"] for one in why["log"]] == ["entered", "waited"]
    assert rehearsed["entries"] in (0, 1)
    assert client.get(f"{at}flow/rehearsal/?days=1000").status_code == 400


def test_a_recipe_becomes_a_draft(program):
    client = program()
    recipes = client.get("/api/v1/flow-recipes/").json()
    made = client.post("/api/v1/flow-recipes/welcome/", {"name": "Hello"}, format="json")

    assert [one["key"] for one in recipes][0] == "welcome"
    assert made.status_code == 201
    assert Campaign.objects.get(pk=made.json()["id"]).flow_versions.count() == 1
    assert client.post("/api/v1/flow-recipes/none/", {}, format="json").status_code == 404


def test_each_call_needs_its_scope(program, flow):
    reader, at = program("campaigns:read"), f"/api/v1/campaigns/{flow.pk}/flow/"
    given = {"definition": flow_of(SENDS)}

    assert reader.get(at).status_code == 200
    assert reader.put(at, given, format="json").status_code == 403
    assert reader.post("/api/v1/flow-recipes/welcome/", {}, format="json").status_code == 403
    writer = program("campaigns:read", "campaigns:write")
    assert writer.post(f"{at}change/", given, format="json").status_code == 403
