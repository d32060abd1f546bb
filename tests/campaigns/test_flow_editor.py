"""The editor of flows: nets become lists and back, edits by buttons, rules and words by step."""

import json

import pytest
from django.urls import reverse

from campaigns.flows import language
from campaigns.flows.recipes import RECIPES
from campaigns.models import Campaign, FlowVersion, Journey
from campaigns.services import campaigns
from campaigns.services.flows import definitions
from campaigns.web import flow_tree
from tests.makers import NOW, make_customer, make_segment, make_staff

VIP = {"version": 1, "where": {"type": "segment", "key": "vip"}}
RICH = {
    "version": 1,
    "where": {"type": "orders", "measure": "revenue", "op": ">", "value": 200, "window_days": 90},
}
WHERE = [{"name": "value", "op": ">", "value": 50}, {"name": "tags", "op": "in", "value": ["a"]}]


def flow(*steps, first=1, **head):
    head = {"trigger": {"on": "segment_entered", "segment": "everybody"}, **head}
    return {"version": 1, **head, "first": first, "steps": list(steps)}


def send(number, then=None, **more):
    return {"number": number, "kind": "send", "next": then, **more}


NETS = {
    "a line": flow(
        {"number": 1, "kind": "wait", "hours": 2, "next": 2},
        send(2, 3, channel="sms", hour=9, window=["09:00", "18:00"]),
        {"number": 3, "kind": "update_trait", "trait": "told", "value": True, "next": 4},
        {"number": 4, "kind": "offer", "offer": 7, "next": 5},
        {"number": 5, "kind": "webhook", "endpoint": 3, "next": None},
    ),
    "lanes that meet": flow(
        {"number": 1, "kind": "branch", "rule": VIP, "then": 2, "else": 3},
        send(2, 4),
        send(3, 4),
        send(4),
        exit_on={"order": True, "event": "Called"},
        reentry={"after_days": 30},
    ),
    "a lane that ends": flow(
        {"number": 1, "kind": "branch", "rule": RICH, "then": 2, "else": None}, send(2), first=1
    ),
    "an inner lane that ends": flow(
        {"number": 1, "kind": "branch", "rule": VIP, "then": 2, "else": 4},
        {"number": 2, "kind": "branch", "rule": RICH, "then": 3, "else": 5},
        {"number": 3, "kind": "exit"},
        {"number": 4, "kind": "wait", "days": 1, "next": 5},
        send(5),
    ),
    "a split": flow(
        {
            "number": 1,
            "kind": "split",
            "holdout_share": 0.1,
            "arms": [
                {"name": "A", "weight": 2, "next": 2},
                {"name": "B", "weight": 1, "next": 3},
                {"name": "C", "weight": 1, "next": 4},
            ],
        },
        send(2, 4),
        send(3, 4),
        send(4),
    ),
    "a wait for an event": flow(
        {
            "number": 1,
            "kind": "wait_until",
            "event": "Product Viewed",
            "where": WHERE,
            "timeout": {"minutes": 180},
            "next": 2,
            "else": 3,
        },
        send(2),
        {"number": 3, "kind": "filter", "rule": VIP, "next": 2},
        trigger={"on": "event", "event": "signed_up", "where": WHERE[:1]},
        reentry="never",
    ),
    "a clock": flow(
        {"number": 1, "kind": "wait_until", "hour": 9, "weekdays": [0, 4], "next": 2}, send(2)
    ),
    "a way back": flow(
        {"number": 1, "kind": "wait", "days": 1, "next": 2},
        {"number": 2, "kind": "branch", "rule": VIP, "then": 3, "else": 1},
        send(3),
    ),
}


def meaning(definition):
    """Which way leads where, whatever the numbers of steps that only end a lane are."""
    parsed = language.parse(definition)
    return sorted(
        (one.number, one.kind, tuple(_name(parsed, way) for way in one.ways))
        for one in parsed.steps
        if one.kind != "exit"
    )


def _name(parsed, way):
    step = parsed.step(way)
    return 0 if step is None or step.kind == "exit" else step.number


@pytest.mark.parametrize("name", NETS)
def test_a_net_becomes_a_list_and_the_same_net_again(name):
    draft = flow_tree.from_definition(NETS[name])
    again = flow_tree.to_definition(draft)

    assert meaning(again) == meaning(NETS[name])
    plain = {one["number"]: one for one in language.to_json(language.parse(NETS[name]))["steps"]}
    for one in language.to_json(language.parse(again))["steps"]:
        if one["number"] in plain and one["kind"] != "exit":
            assert set(one) == set(plain[one["number"]])


def test_edits_keep_a_flow_sound_and_numbers_are_never_used_twice():
    draft = flow_tree.from_definition(NETS["lanes that meet"], fresh=9)

    assert flow_tree.edit(draft, "add wait n1.0").focus == "n9"
    flow_tree.edit(draft, "add split end")
    flow_tree.edit(draft, "arm n10")
    flow_tree.edit(draft, "drop n9")
    assert flow_tree.edit(draft, "add wait before n4").focus == "n11"
    flow_tree.edit(draft, "move n11 up")
    flow_tree.edit(draft, "out n2")
    flow_tree.edit(draft, "unarm n10 2")

    made = flow_tree.to_definition(draft)
    parsed = language.parse(made)
    assert parsed.first == 11
    assert [one["number"] for one in made["steps"]] == [11, 1, 3, 2, 4, 10]
    assert parsed.step(1).ways == (4, 3)
    assert parsed.step(3).ways == (2,)


@pytest.mark.parametrize("do", ["", "add nonsense end", "move n99 up", "drop", "unarm n1 0", "x"])
def test_an_edit_that_cannot_be_done_changes_nothing(do):
    draft = flow_tree.from_definition(NETS["lanes that meet"])
    before = flow_tree.to_definition(draft)

    flow_tree.edit(draft, do)

    assert flow_tree.to_definition(draft) == before


# --- the page -----------------------------------------------------------------------------------


@pytest.fixture
def made(db):
    rule = {"version": 1, "where": {"type": "everybody"}}
    make_segment("vip", rule=rule)
    everybody = make_segment("everybody", rule=rule)
    found = campaigns.create(user=None, now=NOW, name="Win back", kind="flow", included=[everybody])
    definitions.keep(found, NETS["lanes that meet"], user=None, now=NOW)
    return found


@pytest.fixture
def marketer(client, db):
    client.force_login(make_staff("marketer"))
    return client


def stored():
    """The definition that is kept, its steps by number."""
    found = FlowVersion.objects.get().definition
    return {**found, "steps": sorted(found["steps"], key=lambda one: one["number"])}


def typed(answer) -> dict[str, list[str]]:
    """What a browser would send of the form in this answer."""
    from html.parser import HTMLParser

    class Inputs(HTMLParser):
        found: dict[str, list[str]] = {}
        select = ""

        def handle_starttag(self, tag, attributes):
            given = dict(attributes)
            name, kind = given.get("name", ""), given.get("type", "")
            if tag == "select":
                self.select = name
            if tag == "option" and "selected" in given:
                self.found.setdefault(self.select, []).append(given.get("value", ""))
            is_off = kind in ("checkbox", "radio") and "checked" not in given
            if tag == "input" and name and not is_off:
                self.found.setdefault(name, []).append(given.get("value", ""))

    inputs = Inputs()
    inputs.found = {}
    inputs.feed(answer.content.decode().partition('id="s-build"')[2].partition("</form>")[0])
    return inputs.found


def test_what_the_page_shows_is_what_it_saves(marketer, made):
    address = reverse("flow", args=[made.pk])
    before = FlowVersion.objects.get().definition

    marketer.post(address, {**typed(marketer.get(address)), "save": "yes"})

    assert FlowVersion.objects.get().definition == before


@pytest.mark.parametrize("name", ["a wait for an event", "a clock", "a split", "a lane that ends"])
def test_every_kind_of_step_survives_the_form(marketer, made, name):
    definitions.keep(made, NETS[name], user=None, now=NOW)
    address = reverse("flow", args=[made.pk])
    before = stored()

    answer = marketer.post(address, {**typed(marketer.get(address)), "save": "yes"})

    assert answer.status_code == 302, answer.content.decode()
    assert stored() == before


def test_an_edit_without_the_script_shows_the_new_step(marketer, made):
    address = reverse("flow", args=[made.pk])

    page = marketer.post(address, {**typed(marketer.get(address)), "do": "add wait end"})

    assert "step 3: Wait" in page.content.decode().replace("Step", "step")
    assert len(FlowVersion.objects.get().definition["steps"]) == 4


def test_faults_stand_at_their_step_and_nothing_is_stored(marketer, made):
    address = reverse("flow", args=[made.pk])
    given = typed(marketer.post(address, {**typed(marketer.get(address)), "do": "add wait end"}))

    answer = marketer.post(address, {**given, "n5.length": "soon", "save": "yes"})

    page = answer.content.decode()
    assert answer.status_code == 400
    assert 'href="#n5"' in page
    assert "soon" in page
    assert len(FlowVersion.objects.get().definition["steps"]) == 4


def test_a_rule_is_written_on_its_page_and_the_rest_is_kept(marketer, made):
    address = reverse("flow", args=[made.pk])
    given = {**typed(marketer.get(address)), "entry.exit_event": "Called us"}
    went = marketer.post(address, {**given, "go": "rule n1"})
    built = marketer.get(went.url)

    back = marketer.post(went.url, {**typed(built), "save": "yes"})
    page = marketer.get(back.url.partition("#")[0])

    assert "Called us" in page.content.decode()
    assert "not saved yet" in page.content.decode()
    marketer.post(address, {**typed(page), "save": "yes"})
    stored = FlowVersion.objects.get().definition
    assert stored["steps"][0]["rule"]["where"]["type"] == "orders"
    assert stored["exit_on"]["event"] == "Called us"


def test_what_a_step_says_is_written_in_versions(marketer, made):
    address = reverse("flow_message", args=[made.pk, 4])
    rows = {
        "variants-TOTAL_FORMS": "2",
        "variants-INITIAL_FORMS": "1",
        "variants-0-name": "A",
        "variants-0-weight": "1",
        "variants-0-subject": "Come back",
        "variants-1-name": "B",
        "variants-1-weight": "3",
        "variants-1-subject": "We miss you",
    }

    assert marketer.post(address, rows).status_code == 302

    said = made.variants.values_list("step", "name", "weight", "subject")
    assert list(said) == [(4, "A", 1, "Come back"), (4, "B", 3, "We miss you")]


def test_the_script_gets_steps_and_faults(marketer, made):
    given = typed(marketer.get(reverse("flow", args=[made.pk])))

    drawn = marketer.post(
        reverse("flow_draft", args=[made.pk]), {**given, "do": "add branch end"}
    ).json()
    given["tree"] = [json.dumps({"fresh": 9, "steps": [[8, "branch", [[], []]]]})]
    looked = marketer.post(reverse("flow_look", args=[made.pk]), {**given, "stage": "exact"}).json()

    assert drawn["focus"] == "n5"
    assert 'id="n5"' in drawn["html"]
    assert looked["count"] == "1 step"
    assert "n8" in looked["wrong"]


@pytest.mark.parametrize(
    "tree",
    [
        "",
        "[]",
        "null",
        "[" * 100_000,
        '{"steps": [[1]]}',
        '{"steps": [["x", 1, 2]]}',
        '{"steps": [[1, ["wait"], []], [true, "wait", []]], "fresh": true}',
    ],
    ids=range(7),
)
def test_a_form_that_makes_no_sense_is_an_empty_flow(marketer, made, tree):
    answer = marketer.post(reverse("flow", args=[made.pk]), {"tree": tree, "save": "yes"})

    assert answer.status_code == 400
    assert len(FlowVersion.objects.get().definition["steps"]) == 4


def test_a_viewer_reads_and_changes_nothing(client, made):
    client.force_login(make_staff("viewer"))
    address = reverse("flow", args=[made.pk])

    assert client.get(address).status_code == 200
    assert client.post(address, {"do": "drop n1"}).status_code == 403


def test_flows_are_listed(marketer, made):
    Campaign.objects.update(state="sending")

    page = marketer.get(reverse("flows")).content.decode()

    assert "1 flow runs now" in page
    assert "Win back" in page


def test_a_recipe_becomes_a_draft_whose_steps_are_shown(marketer, made):
    page = marketer.get(reverse("flows")).content.decode()
    assert "Start from a recipe" in page

    for key in RECIPES:
        went = marketer.post(reverse("flow_start"), {"recipe": key})
        shown = marketer.get(went.url)
        saved = marketer.post(went.url, {**typed(shown), "save": "yes"})

        assert (shown.status_code, saved.status_code) == (200, 302), key
    assert Campaign.objects.filter(kind="flow").count() == 1 + len(RECIPES)


def test_changing_a_running_flow_asks_what_happens_to_those_inside(client, made):
    client.force_login(make_staff("manager"))
    Campaign.objects.update(state="sending", launched_at=NOW)
    one = Journey.objects.create(
        campaign=made,
        customer=make_customer(),
        version=FlowVersion.objects.get(),
        step=4,
        due_at=NOW,
        cause="segment_entered",
        caused_at=NOW,
        entered_at=NOW,
    )
    address = reverse("flow", args=[made.pk])
    page = client.get(address)
    assert "1 waiting" in page.content.decode()

    given = typed(client.post(address, {**typed(page), "do": "drop n4"}))
    asked = client.get(client.post(address, {**given, "save": "yes"}).url)
    assert "1 people inside" in asked.content.decode()
    assert FlowVersion.objects.count() == 1
    client.post(reverse("flow_change", args=[made.pk]), {"people_inside": "move", "note": "Short"})

    assert [one.note for one in FlowVersion.objects.all()] == ["Short", ""]
    one.refresh_from_db()
    assert one.exit_reason == "changed"
    assert "not saved yet" not in client.get(address).content.decode()
