"""The SQL and the Python reader answer alike: random rules, random customers, edges of windows.

``RAPPORT_EXAMPLES=2000`` asks two thousand rules; these and the tests of `test_due`.
"""

import os
from datetime import timedelta

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segments.rules import to_sql
from segments.rules.evaluate import evaluate
from segments.rules.parse import parse
from segments.services import people
from tests.segments.rules import definitions
from tests.segments.rules.people import AS_OF, DAYS, NIGHTS, TICK, make_people

EXAMPLES = int(os.environ.get("RAPPORT_EXAMPLES", "80"))
alike = settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
moments = st.sampled_from(
    (
        AS_OF,
        AS_OF + TICK,
        AS_OF - TICK,
        AS_OF + timedelta(days=1),
        AS_OF - timedelta(days=DAYS[2]),
        *NIGHTS,
    )
)
zones = st.sampled_from(("UTC", "UTC", "Europe/Paris", "Atlantic/Azores", "Asia/Beirut"))


def rows(query) -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(query.text, query.params)
        return cursor.fetchall()


def selected(query) -> list[int]:
    return sorted(row[0] for row in rows(query))


@pytest.mark.django_db
def test_sql_and_python_select_the_same_people():
    ids = make_people(80, seed=11)
    everyone = people.load(ids)
    some = ids[::3]

    @alike
    @given(definition=definitions.definitions, as_of=moments, zone=zones)
    def agree(definition, as_of, zone):
        rule = parse(definition, zone=zone)
        expected = sorted(p.id for p in everyone if evaluate(rule, p, as_of))
        assert selected(to_sql.to_sql(rule, as_of)) == expected
        few = to_sql.to_sql(rule, as_of, ids=some)
        assert selected(few) == [pk for pk in expected if pk in some]

    agree()


@pytest.mark.django_db
def test_many_rules_in_one_statement_select_as_each_alone():
    make_people(40, seed=12)

    @settings(alike, max_examples=EXAMPLES // 5 + 1)
    @given(several=st.lists(definitions.definitions, min_size=2, max_size=6), as_of=moments)
    def agree(several, as_of):
        rules = {number: parse(one) for number, one in enumerate(several)}
        expected = sorted(
            (number, pk)
            for number, rule in rules.items()
            for pk in selected(to_sql.to_sql(rule, as_of))
        )
        assert sorted(rows(to_sql.members(rules, as_of))) == expected

    agree()


@pytest.mark.django_db
@pytest.mark.parametrize("zone", ["UTC", "Asia/Beirut"])
def test_every_operator_on_every_kind_of_value(zone):
    everyone = people.load(make_people(40, seed=15))
    rules = [parse(one, zone=zone) for one in definitions.every_operator()]

    for start in range(0, len(rules), 100):
        chunk = dict(enumerate(rules[start : start + 100], start))
        expected = [
            (number, person.id)
            for number, rule in chunk.items()
            for person in everyone
            if evaluate(rule, person, AS_OF)
        ]
        assert sorted(rows(to_sql.members(chunk, AS_OF))) == sorted(expected)
