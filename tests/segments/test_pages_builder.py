"""Building a segment: what the form's fields mean, what comes back, what is refused and kept."""

import json
import os
import re
from dataclasses import replace

import pytest
from django.http import QueryDict
from django.urls import reverse
from hypothesis import given, settings

from segments.models import Segment
from segments.rules import explain, language, parse, ready_made
from segments.services import segments as service
from segments.web.conditions import nodes
from segments.web.conditions.draft import KINDS, Draft, Group, Row, edit_draft, posted
from segments.web.conditions.subjects import SUBJECTS
from tests.makers import NOW, make_cast, make_crowd, make_staff
from tests.segments.rules import definitions

SPENT = {"subject": "orders.revenue", "op": ">", "value": "200", "days": "90"}
FRENCH = {"subject": "field.country", "op": "in", "value": ["FR", "BE"]}
SAMPLES = {
    "number": ["3"], "numbers": ["1", "2.5"], "days": ["30"], "percent": ["10"], "text": ["abc"],
    "texts": ["abc", "d"], "day": ["2026-01-31"], "span": ["2026-01-01", "2026-01-31"],
    "choice": ["1"], "none": [],
}  # fmt: skip
A, B, C = (
    {"type": "field", "field": name, "op": "exists"} for name in ("email", "phone", "first_name")
)


@pytest.fixture
def as_role(client, db):
    """The client, logged in as somebody of a role."""

    def enter(role: str):
        client.force_login(make_staff(role))
        return client

    return enter


def a_row(part_id: str = "n2", **given) -> Row:
    lists = {name: one if isinstance(one, list) else [one] for name, one in given.items()}
    return Row(part_id, lists)


def sent(*rows: dict, kind: str = "all", **more: str) -> dict:
    """What the form sends for rows in one group."""
    found: dict = {"name": "Mine", "description": "", "save": "yes", "n1.kind": kind}
    found["tree"] = json.dumps(["n1", *(f"n{at}" for at, _ in enumerate(rows, 2))])
    for at, row in enumerate(rows, 2):
        found |= {f"n{at}.{name}": value for name, value in row.items()}
    return {**found, **more}


def rule(where: dict) -> dict:
    return {"version": 1, "where": where}


# --- rules and drafts -------------------------------------------------------------------------


def test_brackets_mean_what_is_drawn():
    """Mautic 3239: (A or B) and C is not A or (B and C)."""
    left = rule({"type": "and", "of": [{"type": "or", "of": [A, B]}, C]})
    right = rule({"type": "or", "of": [A, {"type": "and", "of": [B, C]}]})
    shapes = []
    for one in (left, right):
        draft = nodes.draft_of(one)
        written = nodes.write(draft)
        assert written.rule == one and not written.wrong
        shapes.append((draft.structure(), [p.kind for p in draft.walk() if isinstance(p, Group)]))

    assert shapes == [
        ('["n1", ["n2", "n3", "n4"], "n5"]', ["all", "any"]),
        ('["n1", "n2", ["n3", "n4", "n5"]]', ["any", "all"]),
    ]


def test_none_of_these_is_the_negation_of_any():
    one = rule({"type": "not", "of": {"type": "or", "of": [A, B]}})
    draft = nodes.draft_of(one)

    assert draft.root.kind == "none" and len(draft.root.of) == 2
    assert nodes.write(draft).rule == one


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda one: one.key)
def test_every_comparison_of_every_subject_makes_a_rule_and_comes_back(subject):
    for op in subject.ops:
        choice = [subject.choices[0][0]] if subject.choices else ["1"]
        value = choice if op.input.startswith("choice") else SAMPLES[op.input]
        given = {"subject": subject.key, "op": op.key, "value": value, "days": ["30"]}
        for part in subject.parts:
            given[part.key] = [part.choices[0][0] if part.choices else "7"]
        written = nodes.write(Draft(Group("n1", "all", [a_row(**given)])))
        assert not written.wrong, f"{op.key}: {written.wrong}"
        back = nodes.draft_of(written.rule).rows()[0]

        assert back.kept is None, f"{op.key}: {written.rule}"
        assert nodes.write(Draft(Group("n1", "all", [back]))).rule == written.rule


@pytest.mark.parametrize("one", ready_made.SEGMENTS, ids=lambda one: one.key)
def test_every_ready_made_rule_can_be_edited(one):
    draft = nodes.draft_of(one.rule)

    assert all(row.kept is None for row in draft.rows())
    assert parse.parse(nodes.write(draft).rule) == parse.parse(one.rule)


def test_what_narrows_orders_and_events_comes_back():
    bought = {"type": "orders", "measure": "revenue", "op": ">=", "value": 50, "window_days": 90,
              "filter": {"category": ["Garden", "Tools, small"], "status": ["paid", "refunded"],
                         "has_coupon": False}}  # fmt: skip
    viewed = {"type": "events", "names": ["Product Viewed"], "op": ">=", "value": 3,
              "properties": [{"name": "price", "op": ">", "value": 9.5},
                             {"name": "tag", "op": "in", "value": ["a", "b"]}]}  # fmt: skip
    where = {"type": "and", "of": [bought, viewed]}
    draft = nodes.draft_of(rule(where))

    assert [len(row.lines) for row in draft.rows()] == [3, 2]
    assert nodes.write(draft).rule == rule(where)


def test_a_node_no_row_can_say_is_kept_with_all_around_it():
    odd = {"type": "events", "names": ["A"], "op": ">=", "value": 1, "properties": [
        {"name": "x", "op": "between", "value": ["2026-01-01", "2026-02-01"]}]}  # fmt: skip
    strange = {"type": "of-tomorrow", "moon": "full"}
    draft = nodes.draft_of(rule({"type": "and", "of": [odd, A]}))
    assert nodes.write(draft).rule == rule({"type": "and", "of": [odd, A]})

    draft = nodes.draft_of(rule({"type": "and", "of": [strange, A]}))
    assert draft.rows()[0].kept == strange
    written = nodes.write(draft)
    assert written.rule["where"]["of"][0] == strange
    assert [one.part_id for one in written.wrong] == ["n2"]


def test_a_fault_that_the_language_finds_stands_at_its_condition():
    low_above = a_row("n3", subject="orders.count", op="between", value=["9", "2"])
    draft = Draft(Group("n1", "all", [a_row("n2", **FRENCH), low_above]))
    (wrong,) = nodes.write(draft).wrong

    assert (wrong.part_id, wrong.input, wrong.is_unfinished) == ("n3", "value", False)
    assert "9 above 2" in wrong.reason


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({**SPENT, "value": ""}, "type what “spent in all” is compared with"),
        ({**SPENT, "value": "many"}, "needs a number, found “many”"),
        ({**SPENT, "value": "1,234"}, "may mean 1234 or 1.234"),
        ({**SPENT, "days": "NaN"}, "needs a number"),
        ({"subject": "nothing"}, "choose what it is about"),
        ({"subject": "events.count", "op": ">=", "value": "1"}, "say which event"),
        ({"subject": "sequence", "names": "A", "days": "7"}, "say what did not follow"),
    ],
)
def test_what_is_missing_is_said_at_its_condition(given, said):
    written = nodes.write(Draft(Group("n1", "all", [a_row(**FRENCH), a_row("n3", **given)])))

    assert said in written.wrong[0].reason and written.wrong[0].part_id == "n3"
    assert explain.sentence(parse.parse(written.rule)) == "Customers whose country is FR or BE."


def test_an_empty_group_is_a_fault_and_no_condition():
    draft = Draft(Group("n1", "all", [a_row(**FRENCH), Group("n3", "any", [])]))

    assert "this group is empty" in nodes.write(draft).wrong[0].reason


# --- edits ------------------------------------------------------------------------------------


def shape(draft: Draft) -> str:
    def told(part) -> str:
        if isinstance(part, Row):
            return part.id
        return f"{part.kind}({' '.join(map(told, part.of))})"

    return told(draft.root)


def three() -> Draft:
    return Draft(Group("n1", "all", [Row("n2"), Row("n3"), Row("n4")]))


@pytest.mark.parametrize(
    ("edits", "expected"),
    [
        (["move n2 down"], "all(n3 n2 n4)"),
        (["move n2 up"], "all(n2 n3 n4)"),
        (["into n2"], "all(any(n2) n3 n4)"),
        (["into n2", "into n3"], "all(any(n2 n3) n4)"),
        (["into n2", "into n3", "out n3"], "all(any(n2) n3 n4)"),
        (["into n2", "out n2"], "all(n2 n3 n4)"),
        (["drop n3"], "all(n2 n4)"),
        (["drop n1"], "all()"),
        (["copy n3"], "all(n2 n3 n5 n4)"),
        (["add n1"], "all(n2 n3 n4 n5)"),
        (["add n1 none"], "all(n2 n3 n4 none(n6))"),
        (["add n1 pair"], "all(n2 n3 n4 n5 n6)"),
        (["out n2", "into n9", "explode n2", "move n1 up"], "all(n2 n3 n4)"),
    ],
)
def test_edits_move_conditions_and_keep_their_names(edits, expected):
    draft = three()
    for one in edits:
        edit_draft(draft, one)

    assert shape(draft).replace("n5(", "(") == expected


def test_brackets_nest_only_so_deep():
    draft = three()
    for _ in range(30):
        done = edit_draft(draft, "into n4")

    assert "cannot be moved deeper" in done.said
    assert not [one for one in nodes.write(draft).wrong if "nests deeper" in one.reason]


LONG = bool(os.environ.get("RAPPORT_LONG"))
NO_TREES = ["", "nonsense", "[]", "{}", '["n1", "n1", ["x"], 7, null]']
TOO_LARGE = json.dumps(["n1"] + [f"n{number}" for number in range(2, 999)])


@pytest.mark.parametrize("tree", [*NO_TREES, TOO_LARGE])
def test_a_form_that_is_none_makes_no_rule(tree):
    form = QueryDict(mutable=True)
    form["tree"] = tree
    draft = posted(form)

    assert len(list(draft.walk())) <= 200
    assert nodes.write(draft).rule is None


# --- pages ------------------------------------------------------------------------------------


def test_a_segment_is_built(as_role):
    answer = as_role("analyst").post(reverse("segment_new"), sent(SPENT, FRENCH))

    made = Segment.objects.get(name="Mine")
    assert answer.url == reverse("segment", args=[made.pk])
    spent = {"type": "orders", "measure": "revenue", "op": ">", "value": 200, "window_days": 90}
    french = {"type": "field", "field": "country", "op": "in", "value": ["FR", "BE"]}
    assert made.rule == rule({"type": "and", "of": [spent, french]})


def test_what_was_typed_comes_back_with_the_fault_at_its_place(as_role):
    answer = as_role("analyst").post(reverse("segment_new"), sent({**SPENT, "value": "many"}))
    text = answer.content.decode()

    assert answer.status_code == 400
    fault = re.search(r'data-wrong="n2"[^>]*>(.*?)</div>', text, re.DOTALL)[1]
    assert "found “many”" in fault and "r-error" in fault
    assert 'value="many"' in text and 'value="Mine"' in text
    assert not Segment.objects.filter(name="Mine").exists()


def test_without_the_script_the_buttons_edit_and_keep_what_was_typed(as_role):
    given = sent({**SPENT, "value": "321"}, do="add n1 any")
    del given["save"]
    text = as_role("analyst").post(reverse("segment_new"), given).content.decode()

    assert 'value="321"' in text and 'value="Mine"' in text
    assert "[&quot;n1&quot;, &quot;n2&quot;, [&quot;n3&quot;, &quot;n4&quot;]]" in text
    assert not Segment.objects.filter(name="Mine").exists()


def test_a_rule_the_service_refuses_says_the_reason(as_role):
    unknown = {"subject": "segment", "op": "is", "value": "no-such"}
    answer = as_role("analyst").post(reverse("segment_new"), sent(unknown))

    assert "there is no live segment" in answer.content.decode()


def test_changing_only_the_name_keeps_the_version_of_the_rule(as_role):
    found = Segment.objects.get(key="cart-left-behind")
    analyst, address = as_role("analyst"), reverse("segment_edit", args=[found.pk])
    form = fields_of(analyst.get(address).content.decode())
    analyst.post(address, {**form, "name": "Mine", "save": "yes"})

    found.refresh_from_db()
    assert (found.name, found.rule_version) == ("Mine", 1)


@pytest.mark.parametrize("one", ready_made.SEGMENTS, ids=lambda one: one.key)
def test_the_form_sends_the_rule_that_it_shows(as_role, one):
    found = Segment.objects.get(key=one.key)
    text = as_role("analyst").get(reverse("segment_edit", args=[found.pk])).content.decode()
    form = QueryDict(mutable=True)
    for name, values in fields_of(text).items():
        form.setlist(name, values)

    assert parse.parse(nodes.write(posted(form)).rule) == parse.parse(one.rule)


def fields_of(text: str) -> dict[str, list[str]]:
    """What a browser would send of the form as it stands."""
    from html import unescape

    found: dict[str, list[str]] = {}
    for tag in re.findall(r"<input [^>]*>", text):
        given = {key: unescape(value) for key, value in re.findall(r'([\w-]+)="([^"]*)"', tag)}
        is_off = given.get("type") == "checkbox" and "checked" not in tag
        if given.get("name") and not is_off:
            found.setdefault(given["name"], []).append(given.get("value", ""))
    for name, inside in re.findall(r'<select name="([^"]+)"(.*?)</select>', text, re.DOTALL):
        options = re.findall(r'<option value="([^"]*)"( selected)?', inside)
        chosen = next((value for value, is_on in options if is_on), options[0][0])
        found.setdefault(name, []).append(unescape(chosen))
    return found


def test_changing_a_condition_counts_up_the_version(as_role):
    found = Segment.objects.get(key="one-time-buyers")
    as_role("analyst").post(reverse("segment_edit", args=[found.pk]), sent(SPENT))

    found.refresh_from_db()
    assert found.rule["where"]["measure"] == "revenue" and found.rule_version == 2


def test_a_kept_node_survives_the_form(as_role):
    odd = {"type": "orders", "measure": "count", "op": ">=", "value": 1, "filter": {}}
    made = service.create(
        name="Odd", rule=rule({"type": "and", "of": [odd, A]}), user=None, now=NOW
    )
    analyst, address = as_role("analyst"), reverse("segment_edit", args=[made.pk])
    form = fields_of(analyst.get(address).content.decode())
    analyst.post(address, {**form, "name": "Odd 2", "save": "yes"})

    made.refresh_from_db()
    assert made.name == "Odd 2" and parse.parse(made.rule) == parse.parse(
        rule({"type": "and", "of": [odd, A]})
    )


def test_an_edit_for_the_script_gives_the_conditions_and_the_focus(as_role):
    told = as_role("analyst").post(reverse("segment_draft"), sent(SPENT, do="add n1")).json()

    assert told["focus"] == "n3" and told["said"] == "A condition was added."
    assert 'id="n3"' in told["html"] and 'value="200"' in told["html"]


def test_the_preview_counts_what_is_finished_and_says_so(as_role, django_assert_max_num_queries):
    make_cast()
    analyst = as_role("analyst")
    before = Segment.objects.count()
    bought = {"subject": "orders.count", "op": ">=", "value": "2"}
    with django_assert_max_num_queries(15):
        told = analyst.post(
            reverse("segment_preview"), sent(bought, FRENCH, {"subject": "rfm"})
        ).json()

    assert told["count"] == "2 customers"
    assert "1 condition is unfinished and left out of this count" in told["html"]
    assert set(told["passes"]) == {"n2", "n3"} and "n4" in told["wrong"]
    assert "Ada" in told["html"] and Segment.objects.count() == before


def test_of_many_an_estimate_comes_first_with_its_interval(as_role, monkeypatch):
    """With a sample smaller than the base; of a base that is not larger the count comes at once."""
    analyst, address = as_role("analyst"), reverse("segment_preview")
    make_crowd(300)
    everybody = sent({"subject": "field.email", "op": "contains", "value": "5@"}, stage="estimate")
    at_once = analyst.post(address, everybody).json()
    monkeypatch.setattr("segments.services.preview.SAMPLE_CUSTOMERS", 100)
    told = analyst.post(address, everybody).json()

    assert at_once["html"] == ""
    assert told["is_estimate"] and told["count"].startswith("about ")
    low, high = re.search(r"Between (\d+) and (\d+) \(19 times", told["html"]).groups()
    assert int(low) <= 30 <= int(high)  # the exact count


def test_the_preview_of_a_wrong_condition_counts_nobody(as_role):
    told = as_role("analyst").post(reverse("segment_preview"), sent({**SPENT, "days": "x"})).json()

    assert told["count"] == "–" and told["wrong"]["n2"][0][1] is False


@pytest.mark.parametrize("name", ["segment_new", "segment_preview", "segment_draft"])
def test_a_viewer_builds_nothing(as_role, name):
    assert as_role("viewer").post(reverse(name), sent(SPENT)).status_code == 403
    assert not Segment.objects.filter(name="Mine").exists()


def test_the_form_opens_within_its_queries(as_role, django_assert_max_num_queries):
    found = Segment.objects.get(key="rfm-at-risk")
    analyst = as_role("analyst")
    with django_assert_max_num_queries(15):
        assert analyst.get(reverse("segment_new")).status_code == 200
    with django_assert_max_num_queries(15):
        assert analyst.get(reverse("segment_edit", args=[found.pk])).status_code == 200


def test_kinds_are_the_words_of_the_page():
    assert list(KINDS.values()) == ["all of these", "any of these", "none of these"]


# --- any rule ---------------------------------------------------------------------------------


def alike(found: language.Node) -> language.Node:
    """Groups of one are that one; yes and no are compared as texts by the language itself."""
    if isinstance(found, language.Every | language.Some):
        inner = tuple(alike(child) for child in found.of)
        return inner[0] if len(inner) == 1 else type(found)(inner)
    if isinstance(found, language.Not):
        return language.Not(alike(found.of))
    if isinstance(found, language.Field):
        return replace(found, comparison=as_text(found.comparison))
    if isinstance(found, language.Events | language.Sequence):
        told = [replace(one, comparison=as_text(one.comparison)) for one in found.properties]
        return replace(found, properties=tuple(told))
    return found


def as_text(one: language.Comparison) -> language.Comparison:
    is_flag = one.reading == language.TEXT and isinstance(one.value, bool)
    return replace(one, value=str(one.value).lower()) if is_flag else one


@settings(max_examples=150 if not LONG else 3_000, deadline=None, derandomize=True)
@given(definitions.definitions)
def test_any_rule_comes_back_from_the_builder_as_it_went(definition):
    """With RAPPORT_LONG=1 over 3,000 rules."""
    written = nodes.write(nodes.draft_of(definition))

    assert not written.wrong
    assert alike(parse.parse(written.rule).where) == alike(parse.parse(definition).where)
