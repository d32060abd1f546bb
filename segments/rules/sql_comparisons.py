"""Comparisons in SQL that are true or false, never NULL."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Protocol

from segments.rules import language as L
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

    def today(self) -> str: ...


def compare(column: str, comparison: L.Comparison, binder: Binder, *, scale: str = "") -> str:
    """Compare a number, a moment or a day; ``scale`` multiplies the number given."""
    twin = L.NEGATED.get(comparison.op)
    if twin:
        positive = L.Comparison(twin, comparison.value, comparison.reading)
        return f"(NOT {compare(column, positive, binder, scale=scale)})"
    if comparison.op == "exists":
        return f"({column} IS NOT NULL)"
    if comparison.reading == L.NUMBER:
        times = f" * {scale}" if scale else ""
        return f"coalesce({_numbers(column, comparison, binder, times)}, FALSE)"
    spans = _days if comparison.reading == L.DAY else _moments
    return f"coalesce({spans(column, comparison, binder)}, FALSE)"


def compare_text(text: str, comparison: L.Comparison, binder: Binder) -> str:
    """Compare a text that is NULL when absent."""
    twin = L.NEGATED.get(comparison.op)
    if twin:
        positive = L.Comparison(twin, comparison.value, comparison.reading)
        return f"(NOT {compare_text(text, positive, binder)})"
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


def compare_json(found: str, comparison: L.Comparison, binder: Binder) -> str:
    """Compare a value inside JSON, of whatever type it is."""
    if comparison.reading == L.PRESENCE:
        is_absent = f"coalesce({found}, 'null') IN ('null', '\"\"')"
        return f"({is_absent})" if comparison.op == "not_exists" else f"(NOT {is_absent})"
    text = json_text(found)
    if comparison.reading == L.NUMBER:
        number = f"(CASE WHEN ({text}) ~ '{NUMBER_PATTERN}' THEN ({text})::numeric END)"
        return compare(number, comparison, binder)
    if comparison.reading == L.DAY:
        return compare(json_day(found), comparison, binder)
    return compare_text(f"({text})", comparison, binder)


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
    if comparison.op == "before":
        return f"({column} < {binder.bind(_start(value))})"
    if comparison.op == "since":
        return f"({column} >= {binder.bind(_start(value))})"
    if comparison.op == "between":
        low, end = _start(value[0]), _start(value[1]) + timedelta(days=1)
        return f"({column} >= {binder.bind(low)} AND {column} < {binder.bind(end)})"
    length = L.length(value)
    if comparison.op == "more_than_days_ago":
        return f"({column} < {binder.at(-length)})"
    if comparison.op == "less_than_days_ago":
        return f"({column} >= {binder.at(-length)} AND {column} <= {binder.at()})"
    return f"({column} > {binder.at()} AND {column} <= {binder.at(length)})"


def _days(column: str, comparison: L.Comparison, binder: Binder) -> str:
    value: Any = comparison.value
    if comparison.op == "before":
        return f"({column} < {binder.bind(value)})"
    if comparison.op == "since":
        return f"({column} >= {binder.bind(value)})"
    if comparison.op == "between":
        return f"({column} >= {binder.bind(value[0])} AND {column} <= {binder.bind(value[1])})"
    today, days = binder.today(), int(value)
    if comparison.op == "more_than_days_ago":
        return f"({column} < {today} - {days})"
    if comparison.op == "less_than_days_ago":
        return f"({column} >= {today} - {days} AND {column} <= {today})"
    return f"({column} > {today} AND {column} <= {today} + {days})"


def _start(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)
