"""A rule is said in a sentence, and for one customer clause by clause."""

import pytest

from segments.rules import explain, sql_changes, sql_conditions
from segments.rules import language as L
from segments.rules.evaluate import ACTUAL
from segments.rules.parse import NODES, parse
from segments.services import segments, why
from tests import makers
from tests.makers import NOW
from tests.segments.rules import definitions


def said(**where) -> str:
    return explain.words(parse({"version": 1, "where": where}).where)


@pytest.mark.parametrize(
    ("where", "words"),
    [
        (
            {"type": "field", "field": "country", "op": "in", "value": ["FR", "BE"]},
            "whose country is FR or BE",
        ),
        (
            {"type": "field", "field": "traits.plan", "op": "not_exists"},
            "whose trait “plan” is not known",
        ),
        (
            {"type": "field", "field": "happened_at", "op": "less_than_days_ago", "value": 1},
            "whose first day with the shop is within the last 1 day",
        ),
        (
            {"type": "orders", "measure": "revenue", "op": ">", "value": 200, "window_days": 90},
            "whose orders in the last 90 days sum to more than 200",
        ),
        (
            {"type": "orders", "measure": "count", "op": "=", "value": 0,
             "filter": {"category": ["Garden"]}},
            "who never bought anything of category Garden",
        ),
        (
            {"type": "orders", "measure": "count", "op": ">=", "value": 1, "window_days": 30,
             "filter": {"product": ["tulip"], "brand": ["Acme"]}},
            "who bought product tulip of brand Acme in the last 30 days",
        ),
        (
            {"type": "not", "of": {"type": "orders", "measure": "count", "op": ">", "value": 0,
                                   "filter": {"price": {"op": ">=", "value": 50}}}},
            "who never bought anything priced at least 50",
        ),
        (
            {"type": "orders", "measure": "count", "op": "<", "value": 1, "window_days": 30,
             "filter": {"total": {"op": "<", "value": 10}}},
            "without any order of less than 10 in all in the last 30 days",
        ),
        (
            {"type": "field", "field": "birth_date", "op": "anniversary_in_next_days", "value": 7},
            "whose birthday is within the next 7 days",
        ),
        (
            {"type": "field", "field": "birth_date", "op": "anniversary_in_days", "value": 0},
            "whose birthday is today",
        ),
        (
            {"type": "field", "field": "happened_at", "op": "anniversary_in_days", "value": 1},
            "whose anniversary with the shop is in 1 day",
        ),
        (
            {"type": "field", "field": "traits.tags", "op": "not_includes", "value": "gold"},
            "whose trait “tags” does not include gold",
        ),
        ({"type": "list", "key": "guests"}, "on the list “guests”"),
        (
            {"type": "events", "names": ["Product Viewed"], "op": ">=", "value": 3,
             "properties": [{"name": "category", "op": "=", "value": "Garden"}]},
            "with “Product Viewed” (where category is Garden) at least 3 times",
        ),
        (
            {"type": "score", "name": "clv_365d", "op": "top_share", "value": 0.1},
            "whose expected revenue of the next 365 days is among the highest 10 %",
        ),
        (
            {"type": "consent", "channel": "email", "is_granted": False},
            "who have not agreed to marketing by e-mail",
        ),
        (
            {"type": "share", "share": 0.05, "salt": "pilot"},
            "in a random 5 % (“pilot”)",
        ),
    ],
)  # fmt: skip
def test_a_clause_is_said_in_words(where, words):
    assert said(**where) == words


def test_brackets_show_what_belongs_together():
    everybody = {"type": "everybody"}
    either = {"type": "or", "of": [everybody, {"type": "segment", "key": "vip"}]}

    words = said(type="and", of=[{"type": "not", "of": either}, either, everybody])

    either_said = "(of every kind, or in the segment “vip”)"
    assert words == f"not those {either_said}, {either_said}, and of every kind"


def test_every_node_has_all_readers():
    nodes = set(L.Node.__args__)
    groups = {L.Every, L.Some, L.Not, L.Rfm, L.Member}

    assert set(explain.WORDS) == nodes
    assert set(sql_conditions.CONDITIONS) == nodes
    assert set(ACTUAL) == nodes - groups
    assert set(sql_changes.CHANGES) == nodes - groups | {L.Member}
    assert len(NODES) == len(nodes)


def test_any_rule_can_be_said():
    from hypothesis import given, settings

    @settings(max_examples=100, derandomize=True, deadline=None)
    @given(definitions.definitions)
    def say(definition):
        assert explain.sentence(parse(definition)).startswith("Customers ")

    say()


@pytest.mark.django_db
def test_why_shows_each_clause_with_what_was_found():
    cast = makers.make_cast()
    rule = {
        "version": 1,
        "where": {
            "type": "and",
            "of": [
                {"type": "orders", "measure": "count", "op": ">=", "value": 2},
                {"type": "not", "of": {"type": "consent", "channel": "email"}},
                {"type": "rfm", "groups": ["champions"]},
            ],
        },
    }
    segment = segments.create(name="Quiet fans", rule=rule, user=None, now=NOW)

    found = why.why(segment, cast["bob"].pk, now=NOW)

    assert not found.is_member and found.entered_at is None
    # Bob's one order is 30 days old: of the clauses only his RFM group changes with time
    assert [one.changes_at for one in found.clauses[1:-1]] == [None] * 3
    assert found.clauses[0].changes_at == found.clauses[-1].changes_at > NOW
    assert [(one.depth, one.actual, one.holds) for one in found.clauses] == [
        (0, "", False),
        (1, "1 order", False),
        (1, "", False),
        (2, "yes", True),
        (1, "Recent", False),
    ]


@pytest.mark.django_db
def test_why_of_an_unreadable_rule_says_what_is_wrong():
    bob = makers.make_customer("bob")
    segment = segments.create(
        name="x", rule={"version": 1, "where": {"type": "everybody"}}, user=None, now=NOW
    )
    segment.rule = {"version": 1}

    found = why.why(segment, bob.pk, now=NOW)

    assert not found.is_member and "where: is missing" in found.error


@pytest.mark.django_db
@pytest.mark.parametrize("days", [2, 40, 100, 200, 400])
@pytest.mark.parametrize("orders", [1, 3, 5])
def test_every_buyer_is_in_exactly_one_rfm_group(days, orders):
    from segments.rules import rfm
    from segments.rules.evaluate import evaluate
    from segments.services import people

    ada = makers.make_customer("ada", happened_at=makers.ago(900))
    for extra in range(orders):
        makers.make_order(ada, days_ago=days + extra)
    person = people.load([ada.pk])[0]

    groups = [key for key in rfm.BY_KEY if evaluate(L.Rule(L.Rfm((key,))), person, NOW)]

    assert len(groups) == 1
