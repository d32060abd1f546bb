"""Building a segment from rows: what rows mean, what comes back, and what is kept."""

import json

import pytest
from django.urls import reverse
from django.utils import timezone

from segments.models import Segment
from segments.rules import parse, ready_made
from segments.services import segments
from segments.web import builder
from tests.makers import make_cast, make_staff

TWICE = {"group": "must", "subject": "orders.count", "op": ">=", "value": "2", "days": "90"}
FRENCH = {"group": "must", "subject": "field.country", "op": "in", "value": "FR, BE"}
LEAVING = {"group": "none", "subject": "score.churn_band", "op": "band", "value": "high"}
COMPLEX = {
    "version": 1,
    "where": {
        "type": "or",
        "of": [
            {"type": "and", "of": [{"type": "everybody"}, {"type": "rfm", "groups": ["loyal"]}]},
            {"type": "share", "share": 0.1, "salt": "a"},
        ],
    },
}


@pytest.fixture
def as_role(client, db):
    """The client, logged in as somebody of a role."""

    def enter(role: str):
        client.force_login(make_staff(role))
        return client

    return enter


def sent(*rows: dict, match: str = "all", **more: str) -> dict:
    return {"name": "Mine", "description": "", "match": match, "rows": json.dumps(rows), **more}


def test_rows_mean_all_of_these_and_none_of_those():
    rule = builder.rule_of("all", [TWICE, FRENCH, LEAVING])

    twice = {"type": "orders", "measure": "count", "op": ">=", "value": 2, "window_days": 90}
    french = {"type": "field", "field": "country", "op": "in", "value": ["FR", "BE"]}
    high = {"type": "score", "name": "churn_90d", "op": "band", "value": ["high"]}
    assert rule["where"] == {"type": "and", "of": [twice, french, {"type": "not", "of": high}]}


@pytest.mark.parametrize("match", ["all", "any"])
@pytest.mark.parametrize("rows", [[TWICE], [TWICE, FRENCH], [TWICE, FRENCH, LEAVING], [LEAVING],
                                  [TWICE, LEAVING, {**FRENCH, "group": "none"}]])  # fmt: skip
def test_rows_come_back_as_they_went(rows, match):
    rule = builder.rule_of(match, rows)
    back = builder.rows_of(rule)

    assert back is not None
    assert builder.rule_of(*back) == rule


@pytest.mark.parametrize("subject", builder.SUBJECTS, ids=lambda subject: subject.key)
def test_every_comparison_of_every_subject_makes_a_rule_and_comes_back(subject):
    samples = {"number": "3", "days": "30", "percent": "10", "text": "abc", "texts": "abc, d",
               "day": "2026-01-31", "none": ""}  # fmt: skip
    for op in subject.ops:
        choice = subject.choices[0][0] if subject.choices else "1"
        row = {"group": "must", "subject": subject.key, "op": op.key, "name": "thing"}
        row["value"] = choice if op.input == "choice" else samples[op.input]
        rule = builder.rule_of("all", [row])
        parse.parse(rule)
        match, (back,) = builder.rows_of(rule)

        assert (back["subject"], back["op"], back["value"]) == (subject.key, op.key, row["value"])
        assert match == "all"


def test_what_rows_cannot_say_is_not_guessed():
    assert builder.rows_of(COMPLEX) is None
    cart = next(one for one in ready_made.SEGMENTS if one.key == "cart-left-behind")
    assert builder.rows_of(cart.rule) is None
    assert builder.rows_of({"version": 1, "where": {"type": "nonsense"}}) is None


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({**TWICE, "value": ""}, "type what “number of orders” is compared with"),
        ({**TWICE, "value": "many"}, "needs a number, found “many”"),
        ({**TWICE, "days": "NaN"}, "needs a number"),
        ({"group": "must", "subject": "nothing"}, "choose what it is about"),
        ({"subject": "events.count", "op": ">=", "value": "1"}, "type the name of the event"),
    ],
)
def test_what_is_missing_is_said_by_row(row, said):
    with pytest.raises(builder.RowError, match="Condition 1") as told:
        builder.rule_of("all", [row])
    assert said in str(told.value)


def test_a_segment_is_built_from_rows(as_role):
    answer = as_role("analyst").post(reverse("segment_new"), sent(TWICE, LEAVING))

    made = Segment.objects.get(name="Mine")
    assert answer.url == reverse("segment", args=[made.pk])
    assert made.rule == builder.rule_of("all", [TWICE, LEAVING])
    assert made.created_by.username == "analyst"


def test_what_was_typed_comes_back_with_the_fault(as_role):
    wrong = {**TWICE, "value": "many"}
    answer = as_role("analyst").post(reverse("segment_new"), sent(wrong, match="any"))
    text = answer.content.decode()

    assert answer.status_code == 400
    assert "needs a number, found “many”" in text and 'value="Mine"' in text
    assert answer.context["builder"]["rows"] == [wrong]
    assert answer.context["builder"]["match"] == "any"
    assert not Segment.objects.filter(name="Mine").exists()


@pytest.mark.parametrize("rows", ["[]", "nonsense", "[1]", "{}", '[{"subject": []}]'])
def test_rows_that_are_none_make_no_segment(as_role, rows):
    answer = as_role("analyst").post(reverse("segment_new"), {**sent(), "rows": rows})

    assert answer.status_code == 400
    assert not Segment.objects.filter(name="Mine").exists()


def test_a_rule_the_service_refuses_says_the_reason(as_role):
    unknown = {"group": "must", "subject": "segment", "op": "is", "value": "no-such"}
    answer = as_role("analyst").post(reverse("segment_new"), sent(unknown))

    assert "there is no live segment" in answer.content.decode()


def test_changing_only_the_name_keeps_the_version_of_the_rule(as_role):
    found = Segment.objects.get(key="one-time-buyers")
    _match, rows = builder.rows_of(found.rule)
    as_role("analyst").post(reverse("segment_edit", args=[found.pk]), sent(*rows))

    found.refresh_from_db()
    assert (found.name, found.rule_version) == ("Mine", 1)


def test_changing_a_row_counts_up_the_version(as_role):
    found = Segment.objects.get(key="one-time-buyers")
    as_role("analyst").post(reverse("segment_edit", args=[found.pk]), sent(TWICE))

    found.refresh_from_db()
    assert (found.rule, found.rule_version) == (builder.rule_of("all", [TWICE]), 2)


def test_a_rule_too_complex_for_rows_is_told_and_kept(as_role):
    made = segments.create(name="Deep", rule=COMPLEX, user=None, now=timezone.now())
    analyst, address = as_role("analyst"), reverse("segment_edit", args=[made.pk])
    text = analyst.get(address).content.decode()
    analyst.post(address, sent(TWICE))
    kept = Segment.objects.get(pk=made.pk)
    analyst.post(address, sent(TWICE, afresh="yes"))
    replaced = Segment.objects.get(pk=made.pk)

    assert "Its rule is kept as it is" in text
    assert (kept.name, kept.rule) == ("Mine", COMPLEX)
    assert replaced.rule == builder.rule_of("all", [TWICE])


def test_the_preview_counts_without_storing(as_role, django_assert_max_num_queries):
    make_cast()
    analyst = as_role("analyst")
    before = Segment.objects.count()
    row = {**TWICE, "days": ""}
    with django_assert_max_num_queries(15):
        told = analyst.post(reverse("segment_preview"), sent(row, FRENCH)).json()

    assert told["count"] == "2 customers" and told["said"].startswith("2 of 4")
    assert len(told["clauses"]) == 2 and len(told["sample"]) == 2
    assert Segment.objects.count() == before


def test_the_preview_of_half_a_row_says_what_is_missing(as_role):
    told = as_role("analyst").post(reverse("segment_preview"), sent({"subject": "rfm"})).json()

    assert told["error"].startswith("Condition 1")


@pytest.mark.parametrize("name", ["segment_new", "segment_preview"])
def test_a_viewer_builds_nothing(as_role, name):
    answer = as_role("viewer").post(reverse(name), sent(TWICE))

    assert answer.status_code == 403
    assert not Segment.objects.filter(name="Mine").exists()


def test_the_form_opens_within_its_queries(as_role, django_assert_max_num_queries):
    found = Segment.objects.get(key="lapsed")
    analyst = as_role("analyst")
    with django_assert_max_num_queries(15):
        assert analyst.get(reverse("segment_new")).status_code == 200
    with django_assert_max_num_queries(15):
        assert analyst.get(reverse("segment_edit", args=[found.pk])).status_code == 200
