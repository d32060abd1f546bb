"""Comparisons in SQL that are true or false, never NULL."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Protocol

from segments.rules import language as L
from segments.rules.values import plain_text

NUMBER_PATTERN = "^-?[0-9]{1,30}([.][0-9]{1,30})?$"
DAY_PATTERN = "^[0-9]{4}-[0-9]{2}-[0-9]{2}"


class Binder(Protocol):
    """Where parameters go, and the moment the rule is asked for."""

    as_of: datetime

    def bind(self, value: Any) -> str: ...


def compare(column: str, comparison: L.Comparison, binder: Binder, *, scale: str = "") -> str:
    """Compare a number, a moment or a day (as text); ``scale`` multiplies the number given."""
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
    text = (
        f"CASE WHEN jsonb_typeof({found}) IN ('string', 'number', 'boolean')"
        f" THEN NULLIF({found} #>> '{{}}', '') END"
    )
    if comparison.reading == L.NUMBER:
        number = f"(CASE WHEN ({text}) ~ '{NUMBER_PATTERN}' THEN ({text})::numeric END)"
        return compare(number, comparison, binder)
    if comparison.reading == L.DAY:
        day = f"(CASE WHEN ({text}) ~ '{DAY_PATTERN}' THEN left({text}, 10) END)"
        return compare(day, comparison, binder)
    return compare_text(f"({text})", comparison, binder)


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
    length = timedelta(days=float(value))
    now = binder.bind(binder.as_of)
    if comparison.op == "more_than_days_ago":
        return f"({column} < {binder.bind(binder.as_of - length)})"
    if comparison.op == "less_than_days_ago":
        return f"({column} >= {binder.bind(binder.as_of - length)} AND {column} <= {now})"
    return f"({column} > {now} AND {column} <= {binder.bind(binder.as_of + length)})"


def _days(column: str, comparison: L.Comparison, binder: Binder) -> str:
    """Days as texts YYYY-MM-DD, whose order is that of time; no cast that could fail."""
    value: Any = comparison.value
    column = f'{column} COLLATE "C"'

    def day(moment: date) -> str:
        return binder.bind(moment.strftime("%Y-%m-%d"))

    if comparison.op == "before":
        return f"({column} < {day(value)})"
    if comparison.op == "since":
        return f"({column} >= {day(value)})"
    if comparison.op == "between":
        return f"({column} >= {day(value[0])} AND {column} <= {day(value[1])})"
    now = binder.as_of.astimezone(UTC)
    length = timedelta(days=float(value))
    if comparison.op == "more_than_days_ago":
        return f"({column} < {day(now - length)})"
    if comparison.op == "less_than_days_ago":
        return f"({column} >= {day(now - length)} AND {column} <= {day(now)})"
    return f"({column} > {day(now)} AND {column} <= {day(now + length)})"


def _start(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)
