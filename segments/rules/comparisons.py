"""Comparisons in plain Python, the twin of `sql_comparisons`."""

import calendar
import contextlib
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from segments.rules import language as L
from segments.rules.values import plain_text

_NUMBER = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_ZONE = re.compile(r"[A-Z][A-Za-z_]+/")

TICK = timedelta(microseconds=1)  # windows are closed: a fact leaves just after its last moment


def read(found: Any, comparison: L.Comparison) -> Any:
    """A value inside JSON as this comparison reads it; None when it cannot be read so."""
    if comparison.reading == L.PRESENCE:
        return None if found in (None, "") else found
    if comparison.reading == L.ELEMENT:
        found = found if isinstance(found, list) else [found]
        return [one for one in found if _scalar(one) is not None] or None
    text = _scalar(found)
    if text is None:
        return None
    if comparison.reading == L.NUMBER:
        return Decimal(text) if _NUMBER.fullmatch(text) else None
    return _day(text) if comparison.reading == L.DAY else text


def compare(found: Any, comparison: L.Comparison, as_of: datetime, *, time_zone: str = "") -> bool:
    """Whether a value compares so; days begin in ``time_zone``, or in the shop's without one."""
    if comparison.positive:
        return not compare(found, comparison.positive, as_of, time_zone=time_zone)
    if found is None:
        return False
    if comparison.op == "exists":
        return True
    if comparison.reading == L.ELEMENT:
        return any(_is_element(one, comparison) for one in found)
    if comparison.reading == L.TEXT:
        return _text_compares(found, comparison)
    if comparison.reading == L.NUMBER:
        return number_compares(found, comparison)
    zone = zone_of(time_zone, comparison.zone)
    if comparison.reading == L.MOMENT and comparison.op not in L.ANNIVERSARY_OPS:
        return _moment_compares(found, comparison, as_of)
    return _day_compares(_local_day(found, zone), comparison, as_of.astimezone(zone).date())


def turns(
    found: Any, comparison: L.Comparison, as_of: datetime, *, time_zone: str = ""
) -> Iterator[datetime]:
    """The moments after ``as_of`` at which time alone turns a comparison with this value."""
    if not comparison.has_clock:
        return
    value: Any = comparison.value
    if comparison.reading == L.MOMENT and comparison.op in L.RELATIVE_OPS:
        away = L.length(value)
        moments: tuple[datetime, ...] = (
            (found - away, found)
            if comparison.op == "in_next_days"
            else (found, found + away + TICK)
        )
    else:
        zone = zone_of(time_zone, comparison.zone)
        today = as_of.astimezone(zone).date()
        days = _turning_days(_local_day(found, zone), comparison, today)
        moments = tuple(start_of(day, zone) for day in days)
    yield from (moment for moment in moments if moment > as_of)


def _turning_days(day: date, comparison: L.Comparison, today: date) -> Iterator[date]:
    """The days after today on which a comparison with this day turns."""
    value: Any = comparison.value
    if comparison.op in L.ANNIVERSARY_OPS:
        low, high = comparison.span_days
        turning = [
            one.toordinal() + away
            for one in _anniversaries(day, today)
            for away in (-high, 1 - low)
        ]
    else:
        turning = [
            day.toordinal() + away
            for away in {
                "more_than_days_ago": (value + 1,),
                "less_than_days_ago": (0, value + 1),
                "in_next_days": (-value, 0),
            }[comparison.op]
        ]
    for one in turning:
        if today.toordinal() < one < L.LAST_DAY.toordinal():
            yield date.fromordinal(int(one))


def _anniversaries(day: date, today: date) -> Iterator[date]:
    """Those of a day around today; of 29 February, 28 February where there is none."""
    for year in range(today.year - 2, today.year + 3):
        is_short = (day.month, day.day) == (2, 29) and not calendar.isleap(year)
        yield day.replace(year=year, day=28) if is_short else day.replace(year=year)


def zone_of(time_zone: str, shop_zone: str) -> ZoneInfo:
    """A customer's time zone where it is known, else the shop's."""
    if _ZONE.match(time_zone):
        with contextlib.suppress(ZoneInfoNotFoundError, ValueError, OSError):
            return ZoneInfo(time_zone)
    return ZoneInfo(shop_zone)


def _local_day(found: Any, zone: ZoneInfo) -> Any:
    return found.astimezone(zone).date() if isinstance(found, datetime) else found


def _scalar(found: Any) -> str | None:
    """A scalar inside JSON as text; None when absent, empty, a list or an object."""
    if found is None or isinstance(found, list | dict):
        return None
    return plain_text(found) or None


def _is_element(found: Any, comparison: L.Comparison) -> bool:
    is_number = isinstance(comparison.value, Decimal)
    equal = L.Comparison("=", comparison.value, L.NUMBER if is_number else L.TEXT)
    one = read(found, equal)
    if one is None:
        return False
    return number_compares(one, equal) if is_number else _text_compares(one, equal)


def _text_compares(found: str, comparison: L.Comparison) -> bool:
    text, value = L.folded(found), comparison.value
    if comparison.op == "in":
        assert isinstance(value, tuple)
        return text in [L.folded(str(one)) for one in value]
    assert isinstance(value, str | bool)
    wanted = L.folded(plain_text(value))
    if comparison.op == "contains":
        return wanted in text
    return text.startswith(wanted) if comparison.op == "starts_with" else text == wanted


def number_compares(found: Any, comparison: L.Comparison) -> bool:
    is_float = isinstance(found, float)  # scores: PostgreSQL compares them as float8 too

    def number(value: Decimal) -> Any:
        return float(value) if is_float else Fraction(value)

    if comparison.positive:
        return not number_compares(found, comparison.positive)
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
    zone = ZoneInfo(comparison.zone)
    if comparison.op == "before":
        return found < start_of(value, zone)
    if comparison.op == "since":
        return found >= start_of(value, zone)
    if comparison.op == "between":
        return start_of(value[0], zone) <= found < start_of(value[1] + timedelta(days=1), zone)
    length = L.length(value)
    return {
        "more_than_days_ago": found < as_of - length,
        "less_than_days_ago": as_of - length <= found <= as_of,
        "in_next_days": as_of < found <= as_of + length,
    }[comparison.op]


def _day_compares(found: date, comparison: L.Comparison, today: date) -> bool:
    value: Any = comparison.value
    if comparison.op == "before":
        return found < value
    if comparison.op == "since":
        return found >= value
    if comparison.op == "between":
        return value[0] <= found <= value[1]
    ahead = found.toordinal() - today.toordinal()
    if comparison.op in L.ANNIVERSARY_OPS:
        low, high = comparison.span_days
        away = [(one - today).days for one in _anniversaries(found, today)]
        return any(low <= one <= high for one in away)
    return {
        "more_than_days_ago": ahead < -value,
        "less_than_days_ago": -value <= ahead <= 0,
        "in_next_days": 0 < ahead <= value,
    }[comparison.op]


def _day(text: str) -> date | None:
    """The day a text begins with; years before 1000 are no days."""
    if not _DAY.match(text) or text < "1000":
        return None
    with contextlib.suppress(ValueError):
        return date.fromisoformat(text[:10])
    return None


def start_of(day: date, zone: ZoneInfo) -> datetime:
    """When a day begins: where midnight comes twice the first; where it never comes, what
    follows.
    """
    return datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)
