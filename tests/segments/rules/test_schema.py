"""The published schema, the docs and the parser tell of one language."""

import json
import re
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings

from segments.rules import explain, ready_made
from segments.rules.language import RuleError
from segments.rules.parse import NODES, parse
from segments.rules.schema import schema
from tests.segments.rules import definitions

DOCS = Path(__file__).resolve().parents[3] / "docs" / "segments.md"
PUBLISHED = DOCS.with_name("segment-rule.schema.json")
VALID = jsonschema.Draft202012Validator(schema())


def test_the_schema_is_a_schema_and_takes_the_ready_made_rules():
    jsonschema.Draft202012Validator.check_schema(schema())
    for one in ready_made.SEGMENTS:
        VALID.validate(one.rule)


def test_the_published_schema_is_the_one_of_the_parser():
    """``json.dumps(schema(), indent=1)`` writes it."""
    assert json.loads(PUBLISHED.read_text(encoding="utf-8")) == schema()


def test_the_schema_takes_what_the_parser_takes():
    @settings(max_examples=100, derandomize=True, deadline=None)
    @given(definitions.definitions)
    def agree(definition):
        parse(definition)
        VALID.validate(definition)

    agree()


@pytest.mark.parametrize(
    "where",
    [
        {"type": "and", "of": []},
        {"type": "order", "measure": "count", "op": ">=", "value": 1},
        {"type": "orders", "measure": "count", "op": ">="},
        {"type": "orders", "measure": "count", "op": "contains", "value": 1},
        {"type": "orders", "measure": "last", "op": "in_next_days", "value": 3},
        {"type": "field", "field": "password", "op": "exists"},
        {"type": "field", "field": "country", "op": "exists", "value": "FR"},
        {"type": "rfm", "groups": ["stars"]},
        {"type": "sequence", "names": ["Product Added"], "window_days": 7},
        {"type": "cluster", "key": "x"},
        {"type": "list"},
        {"type": "field", "field": "birth_date", "op": "anniversary_in_days", "value": 367},
        {"type": "field", "field": "birth_date", "op": "less_than_days_ago", "value": 1.5},
        {"type": "orders", "measure": "count", "op": ">=", "value": 1, "filter": {"price": 5}},
    ],
)
def test_the_schema_refuses_what_the_parser_refuses(where):
    definition = {"version": 1, "where": where}

    assert not VALID.is_valid(definition)
    with pytest.raises(RuleError):
        parse(definition)


def test_the_docs_name_every_node_and_ready_made_segment_and_their_example_is_right():
    text = DOCS.read_text(encoding="utf-8")

    for name in (*NODES, *(one.key for one in ready_made.SEGMENTS)):
        assert f"`{name}`" in text, name
    example = json.loads(re.search(r"```json\n(.*?)```", text, re.S).group(1))
    words = " ".join(re.findall(r"^> (.*)", text, re.M))
    assert explain.sentence(parse(example)) == words
