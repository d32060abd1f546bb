"""Comparisons in SQL that are true or false, never NULL."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from segments.rules import language as L
from segments.rules.comparisons import start_of
from segments.rules.values import plain_text

NUMBER_PATTERN = "^-?[0-9]{1,30}([.][0-9]{1,30})?$"
# Days that exist, from the year 1000: only these are cast to dates, so that no cast can fail.
DAY_PATTERN = (
    "^([1-9][0-9]{3}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)"
    "|02-(0[1-9]|1[0-9]|2[0-8]))"
    "|([1-9][0-9](0[48]|[2468][048]|[13579][26])|([2468][048]|[13579][26])00)-02-29)"
)


class Binder(Protocol):
    """Where parameters go, and the moment the rule is asked for."""

    def bind(self, value: Any) -> str: ...

    def at(self, away: timedelta = ...) -> str: ...

    def zone(self, shop_zone: str, *, is_own: bool) -> str: ...


def compare(
    column: str,
    comparison: L.Comparison,
    binder: Binder,
    *,
    scale: str = "",
    is_own: bool = False,
) -> str:
    """Compare a number, a moment or a day.

    ``scale`` multiplies the number given; with ``is_own`` days begin in the customer's time zone.
    """
    if comparison.positive:
        return f"(NOT {compare(column, comparison.positive, binder, scale=scale, is_own=is_own)})"
    if comparison.op == "exists":
        return f"({column} IS NOT NULL)"
    if comparison.reading == L.NUMBER:
        times = f" * {scale}" if scale else ""
        return f"coalesce({_numbers(column, comparison, binder, times)}, FALSE)"
    if comparison.reading == L.MOMENT and comparison.op not in L.ANNIVERSARY_OPS:
        return f"coalesce({_moments(column, comparison, binder)}, FALSE)"
    zone = binder.zone(comparison.zone, is_own=is_own)
    day = local_day(column, comparison, zone)
    return f"coalesce({_days(day, comparison, binder, zone)}, FALSE)"


def compare_text(text: str, comparison: L.Comparison, binder: Binder) -> str:
    """Compare a text that is NULL when absent."""
    if comparison.positive:
        return f"(NOT {compare_text(text, comparison.positive, binder)})"
    if comparison.op == "exists":
        return f"({text} IS NOT NULL)"
    value: Any = comparison.value
    folded = f'lower({text} COLLATE "C")'
    if comparison.op == "in":
        wanted = binder.bind([L.folded(one) for one in value])
        return f"coalesce({folded} = ANY({wanted}), FALSE)"
    wanted = f"{binder.bind(L.folded(plain_text(value)))}::text"
    if comparison.op == "contains":
        return f"coalesce(strpos({folded}, {wanted}) > 0, FALSE)"
    if comparison.op == "starts_with":
        return f"coalesce(starts_with({folded}, {wanted}), FALSE)"
    return f"coalesce({folded} = {wanted}, FALSE)"


def compare_json(
    found: str, comparison: L.Comparison, binder: Binder, *, is_own: bool = False
) -> str:
    """Compare a value inside JSON, of whatever type it is."""
    if comparison.reading == L.PRESENCE:
        is_absent = f"coalesce({found}, 'null') IN ('null', '\"\"')"
        return f"({is_absent})" if comparison.op == "not_exists" else f"(NOT {is_absent})"
    if comparison.reading == L.ELEMENT:
        return _elements(found, comparison, binder)
    text = json_text(found)
    if comparison.reading == L.NUMBER:
        number = f"(CASE WHEN ({text}) ~ '{NUMBER_PATTERN}' THEN ({text})::numeric END)"
        return compare(number, comparison, binder)
    if comparison.reading == L.DAY:
        return compare(json_day(found), comparison, binder, is_own=is_own)
    return compare_text(f"({text})", comparison, binder)


def _elements(found: str, comparison: L.Comparison, binder: Binder) -> str:
    """Whether a list holds a value; a scalar is a list of one."""
    if comparison.positive:
        return f"(NOT {_elements(found, comparison.positive, binder)})"
    reading = L.NUMBER if isinstance(comparison.value, Decimal) else L.TEXT
    equal = compare_json("v.one", L.Comparison("=", comparison.value, reading), binder)
    listed = f"CASE jsonb_typeof({found}) WHEN 'array' THEN {found}"
    listed += f" ELSE jsonb_build_array({found}) END"
    return f"EXISTS (SELECT FROM jsonb_array_elements({listed}) AS v(one) WHERE {equal})"


def json_text(found: str) -> str:
    """A scalar inside JSON as text; NULL when absent, empty, a list or an object."""
    return (
        f"CASE WHEN jsonb_typeof({found}) IN ('string', 'number', 'boolean')"
        f" THEN NULLIF({found} #>> '{{}}', '') END"
    )


def json_day(found: str) -> str:
    """A day inside JSON: a text that begins with one."""
    text = json_text(found)
    return f"(CASE WHEN ({text}) ~ '{DAY_PATTERN}' THEN left({text}, 10)::date END)"


def _numbers(column: str, comparison: L.Comparison, binder: Binder, times: str) -> str:
    value: Any = comparison.value
    if comparison.op == "between":
        low, high = (binder.bind(one) for one in value)
        return f"({column} >= {low}{times} AND {column} <= {high}{times})"
    return f"({column} {comparison.op} {binder.bind(value)}{times})"


def _moments(column: str, comparison: L.Comparison, binder: Binder) -> str:
    value: Any = comparison.value

    def start(day: date) -> str:
        return binder.bind(start_of(day, ZoneInfo(comparison.zone)))

    if comparison.op == "before":
        return f"({column} < {start(value)})"
    if comparison.op == "since":
        return f"({column} >= {start(value)})"
    if comparison.op == "between":
        low, end = start(value[0]), start(value[1] + timedelta(days=1))
        return f"({column} >= {low} AND {column} < {end})"
    length = L.length(value)
    if comparison.op == "more_than_days_ago":
        return f"({column} < {binder.at(-length)})"
    if comparison.op == "less_than_days_ago":
        return f"({column} >= {binder.at(-length)} AND {column} <= {binder.at()})"
    return f"({column} > {binder.at()} AND {column} <= {binder.at(length)})"


def _days(day: str, comparison: L.Comparison, binder: Binder, zone: str) -> str:
    value: Any = comparison.value
    if comparison.op == "before":
        return f"({day} < {binder.bind(value)})"
    if comparison.op == "since":
        return f"({day} >= {binder.bind(value)})"
    if comparison.op == "between":
        return f"({day} >= {binder.bind(value[0])} AND {day} <= {binder.bind(value[1])})"
    today = today_in(zone, binder)
    if comparison.op in L.ANNIVERSARY_OPS:
        low, high = comparison.span_days
        return (
            f"EXISTS (SELECT FROM {anniversaries(day, today)}"
            f" WHERE a.day BETWEEN a.today + ({low}) AND a.today + ({high}))"
        )
    days = int(value)
    if comparison.op == "more_than_days_ago":
        return f"({day} < {today} - {days})"
    if comparison.op == "less_than_days_ago":
        return f"({day} BETWEEN {today} - {days} AND {today})"
    return f"({day} > {today} AND {day} <= {today} + {days})"


def today_in(zone: str, binder: Binder) -> str:
    """The day it is in a time zone."""
    return f"({binder.at()} AT TIME ZONE {zone})::date"


def local_day(column: str, comparison: L.Comparison, zone: str) -> str:
    return f"({column} AT TIME ZONE {zone})::date" if comparison.reading == L.MOMENT else column


def anniversaries(day: str, today: str) -> str:
    """A FROM item: the anniversaries ``a.day`` of a day in the years around ``a.today``.

    PostgreSQL takes 29 February and a year to 28 February.
    """
    moved = "(d.day + make_interval(years => y + (date_part('year', d.today)"
    return (
        f"(SELECT {moved} - date_part('year', d.day))::int))::date AS day, d.today"
        f" FROM (SELECT {day} AS day, {today} AS today) d, generate_series(-2, 2) y"
        " WHERE d.day IS NOT NULL) a"
    )
