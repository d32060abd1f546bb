"""Comparisons in plain Python, the twin of `sql_comparisons`."""

import contextlib
import re
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from segments.rules import language as L
from segments.rules.values import plain_text

_NUMBER = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

TICK = timedelta(microseconds=1)  # windows are closed: a fact leaves just after its last moment


def read(found: Any, comparison: L.Comparison) -> Any:
    """A value inside JSON as this comparison reads it; None when it cannot be read so."""
    if comparison.reading == L.PRESENCE:
        return None if found in (None, "") else found
    if found is None or isinstance(found, list | dict):
        return None
    text = plain_text(found)
    if comparison.reading == L.NUMBER:
        return Decimal(text) if _NUMBER.fullmatch(text) else None
    if comparison.reading == L.DAY:
        return _day(text)
    return text or None


def compare(found: Any, comparison: L.Comparison, as_of: datetime) -> bool:
    twin = L.NEGATED.get(comparison.op)
    if twin:
        positive = L.Comparison(twin, comparison.value, comparison.reading)
        return not compare(found, positive, as_of)
    if found is None:
        return False
    if comparison.op == "exists":
        return True
    by_reading: dict[str, Callable[[Any, L.Comparison, datetime], bool]] = {
        L.TEXT: _text_compares,
        L.NUMBER: _number_compares,
        L.MOMENT: _moment_compares,
        L.DAY: _day_compares,
    }
    return by_reading[comparison.reading](found, comparison, as_of)


def turns(found: Any, comparison: L.Comparison, as_of: datetime) -> Iterator[datetime]:
    """The moments after ``as_of`` at which a relative comparison with this value turns."""
    if comparison.op not in L.RELATIVE_OPS:
        return
    value: Any = comparison.value
    if comparison.reading == L.DAY:
        days = int(value)
        after = {
            "more_than_days_ago": (days + 1,),
            "less_than_days_ago": (0, days + 1),
            "in_next_days": (-days, 0),
        }[comparison.op]
        moments = [_start(date.fromordinal(found.toordinal() + away)) for away in after]
    else:
        away = L.length(value)
        moments = {
            "more_than_days_ago": [found, found + away + TICK],
            "less_than_days_ago": [found, found + away + TICK],
            "in_next_days": [found - away, found],
        }[comparison.op]
    yield from (moment for moment in moments if moment > as_of)


def _text_compares(found: str, comparison: L.Comparison, as_of: datetime) -> bool:
    text, value = L.folded(found), comparison.value
    if comparison.op == "in":
        assert isinstance(value, tuple)
        return text in [L.folded(str(one)) for one in value]
    assert isinstance(value, str | bool)
    wanted = L.folded(plain_text(value))
    if comparison.op == "contains":
        return wanted in text
    return text.startswith(wanted) if comparison.op == "starts_with" else text == wanted


def _number_compares(found: Any, comparison: L.Comparison, as_of: datetime) -> bool:
    is_float = isinstance(found, float)  # scores: PostgreSQL compares them as float8 too

    def number(value: Decimal) -> Any:
        return float(value) if is_float else Fraction(value)

    value: Any = comparison.value
    found = found if is_float else Fraction(found)
    if comparison.op == "between":
        return number(value[0]) <= found <= number(value[1])
    wanted = number(value)
    return {
        "=": found == wanted,
        ">": found > wanted,
        ">=": found >= wanted,
        "<": found < wanted,
        "<=": found <= wanted,
    }[comparison.op]


def _moment_compares(found: datetime, comparison: L.Comparison, as_of: datetime) -> bool:
    value: Any = comparison.value
    if comparison.op == "before":
        return found < _start(value)
    if comparison.op == "since":
        return found >= _start(value)
    if comparison.op == "between":
        return _start(value[0]) <= found < _start(value[1]) + timedelta(days=1)
    length = L.length(value)
    return {
        "more_than_days_ago": found < as_of - length,
        "less_than_days_ago": as_of - length <= found <= as_of,
        "in_next_days": as_of < found <= as_of + length,
    }[comparison.op]


def _day_compares(found: date, comparison: L.Comparison, as_of: datetime) -> bool:
    value: Any = comparison.value
    if comparison.op == "before":
        return found < value
    if comparison.op == "since":
        return found >= value
    if comparison.op == "between":
        return value[0] <= found <= value[1]
    today, ahead = as_of.astimezone(UTC).date().toordinal(), found.toordinal()
    return {
        "more_than_days_ago": ahead < today - value,
        "less_than_days_ago": today - value <= ahead <= today,
        "in_next_days": today < ahead <= today + value,
    }[comparison.op]


def _day(text: str) -> date | None:
    """The day a text begins with; years before 1000 are no days."""
    if not _DAY.match(text) or text < "1000":
        return None
    with contextlib.suppress(ValueError):
        return date.fromisoformat(text[:10])
    return None


def _start(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)
