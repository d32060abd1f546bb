"""Until the moment that is announced nothing changes: random rules, customers and moments."""

import re
from bisect import bisect_left, bisect_right
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from django.db import connection
from hypothesis import given, settings
from hypothesis import strategies as st

from segments.rules import to_sql
from segments.rules.evaluate import due, evaluate
from segments.rules.parse import parse
from segments.services import people
from tests.segments.rules import definitions
from tests.segments.rules.people import AS_OF, DAYS, NIGHTS, TICK, make_people
from tests.segments.rules.test_agreement import EXAMPLES, alike, moments, zones

AWAY = [timedelta(), *(sign * timedelta(days=n) for n in DAYS for sign in (1, -1))]
WAITS = (timedelta(hours=12), timedelta(hours=1))
HOURS = [timedelta(hours=n) for n in (-2, -1, 0, 1, 2)]
MIDNIGHTS = (-180, -155, -154, -8, *range(-2, 10), 30, 31, 60, 91, 335, 336, 337, 365, 366, 367)
LAST = datetime.max.replace(tzinfo=AS_OF.tzinfo)


def edges(person) -> list[datetime]:
    """Moments around which something about this customer may change, and midnights."""
    facts = [*person.orders, *person.events, *person.consents, *person.suppressions]
    clocks = {person.happened_at, person.recorded_at, *person.lists.values()}
    clocks |= {one.as_of for one in person.scores.values()}
    clocks |= {clock for fact in facts for clock in (fact.happened_at, fact.recorded_at)}
    found = {clock + away for clock in clocks for away in (*AWAY, *WAITS)}
    midnights = [
        datetime.combine(AS_OF + timedelta(days=n), time(), tzinfo=ZoneInfo(zone))
        for n in MIDNIGHTS
        for zone in {"UTC", "Asia/Beirut", "Europe/Paris", "Atlantic/Azores"}
        | {person.fields["time_zone"]} & available_timezones()
    ]
    found |= {one + away for one in midnights for away in HOURS}
    return sorted(found | {one + TICK for one in found})


def between(moments: list[datetime], after: datetime, before: datetime) -> list[datetime]:
    """Those nearest to both ends, the last moment of all, and some inside."""
    inside = moments[bisect_right(moments, after) : bisect_left(moments, before)]
    some = inside[:: max(1, len(inside) // 30)]
    return [*inside[:8], *some, *inside[-8:], *([before - TICK] if before < LAST else [])]


def verdicts(rules, as_of, ids) -> dict[int, tuple[list[int], datetime | None]]:
    query = to_sql.verdicts(rules, has_ids=ids is not None)
    with connection.cursor() as cursor:
        cursor.execute(query.text, {**query.params, "as_of": as_of, "ids": ids})
        return {pk: (found, due_at) for pk, found, due_at in cursor.fetchall()}


def check(rule, person, as_of, due_at, until, known) -> None:
    """Neither reader's moment comes after the answer has changed."""
    now = evaluate(rule, person, as_of)
    assert as_of < min(due_at or LAST, until or LAST)
    for moment in between(known, as_of, max(due_at or LAST, until or LAST)):
        assert evaluate(rule, person, moment) is now, (rule, moment, due_at, until)


@pytest.mark.django_db
@pytest.mark.parametrize("zone", ["UTC", "Atlantic/Azores"])
def test_of_every_kind_of_clause_that_time_changes_the_moment_is_known(zone):
    ids = make_people(10, seed=16)
    everyone = [one for one in people.load(ids) if one.erased_at is None]
    known = {one.id: edges(one) for one in everyone}
    is_night = zone == "Atlantic/Azores"  # in which midnight comes twice
    as_of = NIGHTS[0] if is_night else AS_OF

    for definition in definitions.every_clock():
        if is_night and definition["where"]["type"] != "field":
            continue  # only days of a calendar know of zones
        rule = parse(definition, zone=zone)
        in_sql = verdicts({1: rule}, as_of, ids)
        for person in everyone:
            until = due(rule, person, as_of)
            check(rule, person, as_of, in_sql[person.id][1], until, known[person.id])


@pytest.mark.django_db
def test_nothing_changes_before_the_moment_that_is_announced():
    ids = make_people(40, seed=13)
    everyone = people.load(ids)
    known = {one.id: edges(one) for one in everyone}

    @alike
    @given(definition=definitions.definitions, as_of=moments, first=st.integers(0, 7), zone=zones)
    def holds(definition, as_of, first, zone):
        rule = parse(definition, zone=zone)
        asked = everyone[first::8]
        in_sql = verdicts({7: rule}, as_of, [one.id for one in asked])
        for person in asked:
            now, until = evaluate(rule, person, as_of), due(rule, person, as_of)
            if person.erased_at is not None:
                assert person.id not in in_sql and until is None
                continue
            found, due_at = in_sql[person.id]
            assert found == [7] * now
            check(rule, person, as_of, due_at, until, known[person.id])

    holds()


@pytest.mark.django_db
def test_many_rules_asked_of_some_and_of_everybody_answer_as_each_alone():
    ids = make_people(30, seed=14)
    everyone = {one.id: one for one in people.load(ids)}

    @settings(alike, max_examples=EXAMPLES // 3 + 1)
    @given(several=st.lists(definitions.definitions, min_size=2, max_size=6), as_of=moments)
    def agree(several, as_of):
        rules = {number: parse(one) for number, one in enumerate(several)}
        some = verdicts(rules, as_of, ids[::2])
        all_of_them = verdicts(rules, as_of, None)
        assert sorted(some) == [pk for pk in ids[::2] if pk in all_of_them]
        assert all(some[pk][0] == all_of_them[pk][0] for pk in some)
        for pk, (found, due_at) in all_of_them.items():
            person = everyone[pk]
            assert found == [key for key, rule in rules.items() if evaluate(rule, person, as_of)]
            assert due_at is None or as_of < due_at

    agree()


def test_the_text_depends_on_the_rules_alone():
    rules = {
        1: parse(
            {
                "version": 1,
                "where": {
                    "type": "orders",
                    "measure": "count",
                    "op": ">=",
                    "value": 2,
                    "window_days": 30,
                },
            }
        )
    }

    first, second = (to_sql.verdicts(rules, has_ids=True) for _ in range(2))

    assert first == second
    assert "as_of" not in first.params and "ids" not in first.params


EVERY_TABLE = {
    "type": "and",
    "of": [
        {"type": "orders", "measure": "revenue", "op": ">", "value": 5, "window_days": 30,
         "filter": {"category": ["Garden"], "price": {"op": ">", "value": 1}}},
        {"type": "orders", "measure": "count", "op": ">", "value": 1},
        {"type": "sequence", "names": ["Product Added"], "window_days": 7, "unless_order": True},
        {"type": "consent", "channel": "email"},
        {"type": "reachable", "channel": "sms"},
        {"type": "score", "name": "churn_90d", "op": ">", "value": 0.5},
        {"type": "list", "key": "guests"},
        {"type": "field", "field": "birth_date", "op": "anniversary_in_next_days", "value": 7},
    ],
}  # fmt: skip


@pytest.mark.django_db
def test_for_given_customers_no_table_is_read_from_end_to_end_and_facts_once():
    query = to_sql.verdicts({1: parse({"version": 1, "where": EVERY_TABLE})}, has_ids=True)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")  # tables are too small here to need one
        cursor.execute(f"EXPLAIN {query.text}", {**query.params, "as_of": AS_OF, "ids": [1, 2]})
        plan = "\n".join(row[0] for row in cursor.fetchall())

    read = re.findall(r"(Seq )?Scan .*?on ((?:customers|segments)_\w+) ", plan)
    tables = [table for _, table in read]
    assert {"customers_order", "customers_orderline", "customers_event"} <= {*tables}
    assert not [table for is_whole, table in read if is_whole]
    assert len(tables) == len({*tables}), plan
