"""Days of a calendar: whose midnight counts, birthdays, and nights in which clocks change."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection

from segments.rules import evaluate, to_sql
from segments.rules.parse import parse
from segments.services import people
from tests import makers
from tests.makers import NOW
from tests.segments.rules.people import TICK

pytestmark = pytest.mark.django_db


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def asked(customer, as_of, *, zone="UTC", **where) -> tuple[bool, datetime | None]:
    """Whether the rule holds, and until when; both readers must agree."""
    rule = parse({"version": 1, "where": where}, zone=zone)
    query = to_sql.verdicts({1: rule}, has_ids=True)
    with connection.cursor() as cursor:
        cursor.execute(query.text, {**query.params, "as_of": as_of, "ids": [customer.pk]})
        [(_, found, due)] = cursor.fetchall()
    person = people.load([customer.pk])[0]
    assert evaluate.evaluate(rule, person, as_of) is bool(found)
    assert evaluate.due(rule, person, as_of) == due
    return bool(found), due


def birthday(op, value):
    return {"type": "field", "field": "birth_date", "op": f"anniversary_{op}", "value": value}


@pytest.mark.parametrize(
    ("born", "today", "days", "expected"),
    [
        ("1990-06-08", "2026-06-01", 7, True),
        ("1990-06-09", "2026-06-01", 7, False),
        ("1990-06-01", "2026-06-01", 0, True),  # today
        ("1990-05-31", "2026-06-01", 7, False),  # yesterday
        ("1990-01-03", "2026-12-30", 7, True),  # over New Year
        ("1988-02-29", "2026-02-28", 0, True),  # no leap year
        ("1988-02-29", "2026-03-01", 0, False),
        ("1988-02-29", "2028-02-28", 0, False),  # a leap year
        ("1988-02-29", "2028-02-29", 0, True),
        ("1988-02-28", "2028-02-28", 0, True),
        ("2030-06-03", "2026-06-01", 7, True),  # the year does not matter
    ],
)
def test_a_birthday_within_the_next_days(born, today, days, expected):
    ada = makers.make_customer(birth_date=date.fromisoformat(born))

    found, _ = asked(ada, at(f"{today}T12:00"), **birthday("in_next_days", days))

    assert found is expected


def test_a_birthday_in_exactly_so_many_days_and_one_just_past():
    ada = makers.make_customer(birth_date=date(1990, 6, 8))

    assert asked(ada, at("2026-06-01T12:00"), **birthday("in_days", 7))[0]
    assert not asked(ada, at("2026-06-02T12:00"), **birthday("in_days", 7))[0]
    assert asked(ada, at("2026-06-15T12:00"), **birthday("in_last_days", 7))[0]
    assert not asked(ada, at("2026-06-16T12:00"), **birthday("in_last_days", 7))[0]


def test_a_birthday_begins_and_ends_at_the_customers_own_midnight():
    ada = makers.make_customer(birth_date=date(1990, 6, 8), time_zone="Pacific/Kiritimati")
    today = birthday("in_next_days", 0)
    begins = at("2026-06-07T10:00")  # fourteen hours ahead

    assert asked(ada, begins - TICK, **today) == (False, begins)
    assert asked(ada, begins, **today) == (True, begins + timedelta(days=1))


def test_without_a_zone_that_is_known_the_shops_midnight_counts():
    for number, zone in enumerate(("", "Mars/Olympus", "localtime", "../etc/passwd")):
        eve = makers.make_customer(f"e{number}", birth_date=date(1990, 6, 8), time_zone=zone)
        begins = at("2026-06-07T22:00")

        found = asked(eve, begins, zone="Europe/Paris", **birthday("in_next_days", 0))

        assert found == (True, begins + timedelta(days=1))


@pytest.mark.parametrize(
    ("zone", "day", "begins"),
    [
        ("Europe/Paris", "2026-03-29", "2026-03-28T23:00"),  # a day of 23 hours
        ("Europe/Paris", "2026-03-30", "2026-03-29T22:00"),
        ("Europe/Paris", "2025-10-27", "2025-10-26T23:00"),  # after a day of 25
        ("Asia/Beirut", "2026-03-29", "2026-03-28T22:00"),  # midnight never comes
        ("Atlantic/Azores", "2025-10-26", "2025-10-26T00:00"),  # midnight comes twice
    ],
)
def test_days_begin_right_in_nights_in_which_clocks_change(zone, day, begins):
    ada = makers.make_customer(time_zone=zone, traits={"trial_ends": day})
    ends = {"type": "field", "field": "traits.trial_ends", "op": "in_next_days", "value": 1}

    assert asked(ada, at(begins) - TICK, **ends) == (True, at(begins))
    assert asked(ada, at(begins), **ends) == (False, None)


def test_a_window_of_days_is_of_hours_also_over_such_a_night():
    ada = makers.make_customer(time_zone="Europe/Paris")
    bought = at("2026-03-28T12:00")
    makers.make_order(ada, happened_at=bought)
    lately = {"type": "orders", "measure": "count", "op": ">=", "value": 1, "window_days": 1}
    leaves = bought + timedelta(hours=24)

    assert asked(ada, leaves, zone="Europe/Paris", **lately) == (True, leaves + TICK)
    assert asked(ada, leaves + TICK, zone="Europe/Paris", **lately) == (False, None)


def test_a_day_of_the_shop_begins_at_the_shops_midnight():
    ada = makers.make_customer(time_zone="America/New_York")
    makers.make_order(ada, happened_at=at("2026-05-31T22:00"))
    since = {"type": "orders", "measure": "last", "op": "since", "value": "2026-06-01"}

    assert asked(ada, NOW, zone="Europe/Paris", **since)[0]
    assert not asked(ada, NOW, zone="UTC", **since)[0]


def test_a_day_that_does_not_exist_is_absent():
    ada = makers.make_customer(traits={"x": "2026-02-30", "y": "2024-02-29T10:00:00Z"})

    def trait(name, op, value):
        return {"type": "field", "field": f"traits.{name}", "op": op, "value": value}

    assert not asked(ada, NOW, **trait("x", "before", "2027-01-01"))[0]
    assert asked(ada, NOW, **trait("y", "between", ["2024-02-29", "2024-02-29"]))[0]
    assert asked(ada, NOW, **trait("x", "more_than_days_ago", 30)) == (False, None)


def test_an_event_may_begin_to_count_because_of_a_date_it_holds():
    ada = makers.make_customer()
    makers.make_event(ada, "Trial Started", properties={"ends": "2026-06-10"})
    soon = {
        "type": "events", "names": ["Trial Started"], "op": ">=", "value": 1,
        "properties": [{"name": "ends", "op": "in_next_days", "value": 3}],
    }  # fmt: skip

    assert asked(ada, NOW, **soon) == (False, at("2026-06-07T00:00"))
    assert asked(ada, at("2026-06-07T00:00"), **soon) == (True, at("2026-06-10T00:00"))


@pytest.mark.parametrize(
    ("held", "value", "expected"),
    [
        (["Gold", 12.50], "gold", True),
        (["Gold", 12.50], 12.5, True),
        (["12"], 12, True),
        ("gold", "gold", True),  # a single value is a list of one
        (["golden"], "gold", False),
        ([["gold"]], "gold", False),
        ({"gold": 1}, "gold", False),
        ([True], True, True),
        ([], "gold", False),
        (None, "gold", False),
    ],
)
def test_a_trait_that_is_a_list_includes_a_value(held, value, expected):
    ada = makers.make_customer(traits={"tags": held})

    for op, answer in (("includes", expected), ("not_includes", not expected)):
        where = {"type": "field", "field": "traits.tags", "op": op, "value": value}
        assert asked(ada, NOW, **where) == (answer, None)
