"""A definition is read whole or refused whole, with every fault at once."""

import json

import pytest

from segments.rules import language as L
from segments.rules.parse import parse, resolve
from segments.rules.values import MOST_DEPTH


def rule(**where):
    return {"version": 1, "where": where}


def faults(definition) -> dict[str, str]:
    with pytest.raises(L.RuleError) as refused:
        parse(definition)
    return {fault.path: fault.reason for fault in refused.value.faults}


def test_every_fault_is_named_at_once_with_its_path():
    definition = {
        "version": 2,
        "where": {
            "type": "and",
            "of": [
                {"type": "orders", "measure": "sum", "op": ">=", "value": "many"},
                {"type": "field", "field": "country", "op": "<", "value": 1},
                {"type": "not"},
                {"type": "or", "of": [{"type": "no such thing"}]},
                {"type": "rfm", "groups": ["champions", "stars"], "color": "red"},
            ],
        },
    }

    found = faults(definition)

    assert set(found) == {
        "version",
        "where.of[0].measure",
        "where.of[0].value",
        "where.of[1].op",
        "where.of[2].of",
        "where.of[3].of[0].type",
        "where.of[4].groups[1]",
        "where.of[4].color",
    }
    assert found["where.of[2].of"] == "is missing"


@pytest.mark.parametrize("definition", [None, 7, "x", [], {}, {"version": 1}, {"where": {}}])
def test_what_is_not_a_rule_is_refused(definition):
    assert faults(definition)


@pytest.mark.parametrize(
    "where",
    [
        {"type": "and", "of": []},
        {"type": "and", "of": {}},
        {"type": ["and"], "of": []},
        {"type": "field", "field": "password", "op": "exists"},
        {"type": "field", "field": "traits.", "op": "exists"},
        {"type": "field", "field": "country", "op": "exists", "value": "FR"},
        {"type": "field", "field": "country", "op": "in", "value": []},
        {"type": "field", "field": "country", "op": "=", "value": "a\x00b"},
        {"type": "field", "field": "country", "op": "=", "value": "\ud800"},
        {"type": "field", "field": "country", "op": "=", "value": "x" * 501},
        {"type": "field", "field": "birth_date", "op": "before", "value": "2026-02-30"},
        {"type": "field", "field": "birth_date", "op": "between", "value": ["2026-02-01"]},
        {"type": "orders", "measure": "count", "op": ">=", "value": float("nan")},
        {"type": "orders", "measure": "count", "op": ">=", "value": float("inf")},
        {"type": "orders", "measure": "count", "op": ">=", "value": 10**400},
        {"type": "orders", "measure": "count", "op": ">=", "value": True},
        {"type": "orders", "measure": "count", "op": "between", "value": [3, 1]},
        {"type": "orders", "measure": "count", "op": ">=", "value": 1, "window_days": 0},
        {"type": "orders", "measure": "count", "op": ">=", "value": 1, "window_days": 10**9},
        {"type": "orders", "measure": "count", "op": ">=", "value": 1, "filter": {"colour": "x"}},
        {"type": "orders", "measure": "last", "op": "in_next_days", "value": 3},
        {"type": "events", "names": "Product Viewed", "op": ">=", "value": 1},
        {"type": "sequence", "names": ["Product Added"], "window_days": 7},
        {"type": "score", "name": "churn_90d", "op": "top_share", "value": 0},
        {"type": "score", "name": "churn_90d", "op": "band", "value": "high"},
        {"type": "cluster", "key": "first"},
        {"type": "consent", "channel": "pigeon"},
        {"type": "share", "share": 1.5, "salt": "a"},
        {"type": "list", "key": 3},
        {"type": "field", "field": "birth_date", "op": "anniversary_in_days", "value": 367},
        {"type": "field", "field": "birth_date", "op": "anniversary_in_days", "value": 1.5},
        {"type": "field", "field": "birth_date", "op": "less_than_days_ago", "value": 1.5},
        {"type": "field", "field": "birth_date", "op": "includes", "value": "x"},
        {"type": "field", "field": "traits.x", "op": "includes", "value": ["x"]},
        {"type": "orders", "measure": "last", "op": "anniversary_in_days", "value": 1},
        {"type": "orders", "measure": "count", "op": ">=", "value": 1, "filter": {"price": 5}},
        {
            "type": "orders",
            "measure": "count",
            "op": ">=",
            "value": 1,
            "filter": {"price": {"op": "contains", "value": 5}},
        },
        {
            "type": "orders",
            "measure": "count",
            "op": ">=",
            "value": 1,
            "filter": {"total": {"op": ">="}},
        },
    ],  # fmt: skip
    ids=lambda where: json.dumps(where, default=str)[:60],
)
def test_a_value_of_the_wrong_type_or_out_of_range_is_refused(where):
    assert faults(rule(**where))


def test_nesting_has_an_end():
    where = {"type": "everybody"}
    for _ in range(MOST_DEPTH + 5):
        where = {"type": "not", "of": where}

    assert any("deeper" in reason for reason in faults(rule(**where)).values())


def test_the_given_value_tells_how_a_trait_is_read():
    def reading(op, value):
        where = {"type": "field", "field": "traits.x", "op": op, "value": value}
        return parse(rule(**where)).where.comparison.reading

    assert reading("=", "3") == L.TEXT
    assert reading("=", 3) == L.NUMBER
    assert reading("=", True) == L.TEXT
    assert reading(">", 3) == L.NUMBER
    assert reading("between", [1, 2]) == L.NUMBER
    assert reading("between", ["2026-01-01", "2026-02-01"]) == L.DAY
    assert reading("less_than_days_ago", 3) == L.DAY


def test_another_segment_is_replaced_by_its_rule():
    big = parse(rule(type="orders", measure="revenue", op=">", value=500))
    both = parse(
        rule(
            type="and",
            of=[{"type": "segment", "key": "big"}, {"type": "not", "of": {"type": "everybody"}}],
        )
    )

    resolved = resolve(both, {"big": big})

    assert resolved.where == L.Every((big.where, L.Not(L.Everybody())))


def test_segments_that_lead_in_a_circle_are_refused():
    rules = {
        "a": parse(rule(type="segment", key="b")),
        "b": parse(rule(type="not", of={"type": "segment", "key": "a"})),
    }

    with pytest.raises(L.RuleError, match="circle: b → a"):
        resolve(rules["a"], rules)
    with pytest.raises(L.RuleError, match="no live segment 'c'"):
        resolve(parse(rule(type="segment", key="c")), rules)


def test_segments_that_name_each_other_twice_cannot_grow_without_end():
    rules = {"s0": parse(rule(type="everybody"))}
    for number in range(30):
        twice = [{"type": "segment", "key": f"s{number}"}] * 2
        rules[f"s{number + 1}"] = parse(rule(type="and", of=twice))

    with pytest.raises(L.RuleError, match="more than 2000 nodes"):
        resolve(rules["s30"], rules)
