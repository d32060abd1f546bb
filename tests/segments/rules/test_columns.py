"""The columns answer as the SQL and the Python reader do, and know when time changes an answer."""

from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from customers.models import Customer, Product
from segments.rules import columns, to_sql
from segments.rules import language as L
from segments.rules.evaluate import evaluate
from segments.rules.evaluate import holds as decides
from segments.rules.parse import parse
from segments.services import mirror, packing, people
from tests.segments.rules import definitions
from tests.segments.rules.people import AS_OF, TICK, make_people
from tests.segments.rules.test_agreement import EXAMPLES, alike, moments, selected

PROPERTIES = ("never", "category")  # of events, kept in the columns
heavy = st.one_of(definitions.orders, definitions.events, definitions.sequences)
of_facts = st.fixed_dictionaries(
    {
        "version": st.just(1),
        "where": heavy
        | definitions.node("and", of=st.lists(definitions.groups | heavy, min_size=1, max_size=3)),
    }
)

still = definitions.merged(
    definitions.node("field", field=st.just("country")),
    definitions.compared(("=", "!="), st.just("FR")),
)
settled = st.fixed_dictionaries(  # or not, by what time does not change
    {
        "version": st.just(1),
        "where": st.sampled_from(("and", "or")).flatmap(
            lambda kind: definitions.node(kind, of=st.tuples(heavy, still).map(list))
        ),
    }
)


def a_layer(ids) -> mirror.Layer:
    facts = packing.for_customers(np.array(ids, np.int64), PROPERTIES)
    return mirror.Layer(facts, packing.Places(facts.ids), np.ones(facts.ids.size, bool))


def decided(layers, rules, as_of):
    """Who is in by each rule, and everybody's next moment, as the mirror works it out."""
    nodes = list(dict.fromkeys(rule.where for rule in rules))
    light = mirror.ask(mirror.light_nodes(nodes, PROPERTIES), as_of)
    holds, due = mirror.decide(layers, light, nodes, as_of)
    found = {node: light.ids[one].tolist() for node, one in zip(nodes, holds, strict=True)}
    return [found[rule.where] for rule in rules], dict(zip(light.ids.tolist(), due, strict=True))


@pytest.mark.django_db
def test_columns_sql_and_python_select_the_same_people():
    """Half the people in a layer below, some of these replaced above, and some without facts."""
    ids = make_people(60, seed=21)
    everyone = people.load(ids)
    bare = Customer.objects.create(happened_at=AS_OF, recorded_at=AS_OF, changed_at=AS_OF).pk
    everyone += people.load([bare])
    below, above = a_layer(ids[:45]), a_layer(ids[30:])
    layers = [below.without(above.facts.ids), above]

    @alike
    @given(definition=of_facts | definitions.definitions, as_of=moments)
    def agree(definition, as_of):
        rule = parse(definition)
        expected = sorted(p.id for p in everyone if evaluate(rule, p, as_of))
        ((found,), _due) = decided(layers, [rule], as_of)
        assert found == expected
        assert selected(to_sql.to_sql(rule, as_of)) == expected

    agree()


@pytest.mark.django_db
def test_each_clause_agrees_and_changes_no_sooner_than_it_says():
    """Many more examples, for no statement is run for each."""
    ids = make_people(40, seed=22)
    everyone = {person.id: person for person in people.load(ids)}
    facts = packing.for_customers(np.array(ids, np.int64), PROPERTIES)

    @settings(alike, max_examples=EXAMPLES * 4)
    @given(where=heavy, as_of=moments)
    def agree(where, as_of):
        rule = parse({"version": 1, "where": where})
        if not columns.can_say(rule.where, PROPERTIES):
            return
        reading = columns.Reading(facts, as_of, products(facts, rule.where))
        holds, due = reading.leaf(rule.where)
        for pk, is_in, end in zip(facts.ids.tolist(), holds.tolist(), due.tolist(), strict=True):
            assert is_in == decides(rule.where, everyone[pk], as_of)
            assert end > columns.micros(as_of)
            until = as_of + timedelta(days=400)
            if end != columns.NEVER:
                until = min(until, datetime(1970, 1, 1, tzinfo=UTC) + end * TICK - TICK)
            for later in (until, as_of + (until - as_of) / 2):
                assert is_in == decides(rule.where, everyone[pk], later)

    agree()


def products(facts, node) -> columns.Products:
    """What the mirror asks PostgreSQL, from the six products that there are."""
    there = {one.pk: one for one in _products()}
    sold = [there[pk] for pk in facts.product_ids.tolist()]

    def passes(wanted):
        found = [
            all(
                not texts or L.folded(text) in map(L.folded, texts)
                for texts, text in zip(
                    wanted, (one.external_id, one.category, one.brand), strict=True
                )
            )
            for one in sold
        ]
        return np.array(found, bool)

    goods = np.array([one.kind == "goods" for one in sold], bool)
    return columns.Products(goods, {key: passes(key) for key in columns.line_filters([node])})


@cache
def _products():
    return list(Product.objects.all())


@pytest.mark.django_db
def test_until_due_no_answer_of_a_whole_rule_changes():
    ids = make_people(40, seed=23)
    everyone = people.load(ids)
    layers = [a_layer(ids)]

    @settings(alike, max_examples=EXAMPLES // 5 + 1)
    @given(definition=settled | of_facts, as_of=moments)
    def holds_until_due(definition, as_of):
        rule = parse(definition)
        _found, due = decided(layers, [rule], as_of)
        for person in everyone:
            if person.id not in due:  # erased
                continue
            end = due[person.id]
            assert end > columns.micros(as_of)
            until = as_of + timedelta(days=400)
            if end != columns.NEVER:
                until = min(until, datetime(1970, 1, 1, tzinfo=UTC) + int(end) * TICK - TICK)
            now = evaluate(rule, person, as_of)
            for later in (until, as_of + (until - as_of) / 2):
                assert evaluate(rule, person, later) == now

    holds_until_due()
