"""Read single values of a definition, noting each fault with its path instead of stopping."""

import contextlib
import re
from datetime import date
from decimal import Decimal
from typing import Any

from segments.rules import language as L

MOST_DEPTH = 20
MOST_NODES = 200
MOST_RESOLVED = 2_000
MOST_DAYS = 36_500
MOST_ANNIVERSARY_DAYS = 366
MOST_NUMBER = 10**15
MOST_TEXT = 500
MOST_LIST = 1_000
# What a value of any type can be asked.
OPEN_OPS = tuple(
    dict.fromkeys((*L.TEXT_OPS, *L.NUMBER_OPS, *L.DATE_OPS, *L.LIST_OPS, *L.PRESENCE_OPS))
)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class Reader:
    """Collects faults while values are read; a faulty value is answered with a stand-in."""

    def __init__(self, *, zone: str = L.SHOP_ZONE) -> None:
        self.zone = zone
        self.faults: list[L.Fault] = []
        self.nodes = 0

    def fault(self, path: str, reason: str) -> None:
        self.faults.append(L.Fault(path, reason))

    def mapping(
        self, raw: Any, path: str, *, keys: tuple[str, ...], required: tuple[str, ...] = ()
    ) -> bool:
        """Whether this is an object; its unknown and missing keys are faults."""
        if not isinstance(raw, dict):
            self.fault(path, f"{raw!r:.60} is not an object")
            return False
        for key in raw:
            if key not in keys:
                self.fault(f"{path}.{key}", f"is unknown; expected {', '.join(keys)}")
        for key in required:
            if key not in raw:
                self.fault(key if path == "rule" else f"{path}.{key}", "is missing")
        return True

    def text(self, raw: dict, key: str, path: str) -> str:
        return self._text(raw[key], f"{path}.{key}") if key in raw else ""

    def texts(
        self, raw: dict, key: str, path: str, *, options: tuple[str, ...] = ()
    ) -> tuple[str, ...]:
        """A list of texts that is not empty, each of ``options`` where these are given."""
        if key not in raw:
            return ()
        found, here = raw[key], f"{path}.{key}"
        if not isinstance(found, list | tuple) or not 1 <= len(found) <= MOST_LIST:
            self.fault(here, f"is not a list of 1 to {MOST_LIST} texts")
            return ()
        for place, one in enumerate(found):
            if options and one not in options:
                self.fault(f"{here}[{place}]", f"{one!r:.60} is not one of {', '.join(options)}")
        if options:
            return tuple(map(str, found))
        return tuple(self._text(one, f"{here}[{place}]") for place, one in enumerate(found))

    def choice(self, raw: dict, key: str, path: str, options: tuple[str, ...]) -> str:
        if key in raw and raw[key] not in options:
            self.fault(f"{path}.{key}", f"{raw[key]!r:.60} is not one of {', '.join(options)}")
        return raw[key] if raw.get(key) in options else options[0]

    def flag(self, raw: dict, key: str, path: str) -> bool:
        if not isinstance(raw[key], bool):
            self.fault(f"{path}.{key}", f"{raw[key]!r:.60} is neither true nor false")
        return bool(raw[key])

    def number(
        self,
        raw: dict,
        key: str,
        path: str,
        *,
        least: int = -MOST_NUMBER,
        most: int = MOST_NUMBER,
        is_above_least: bool = False,
    ) -> Decimal:
        if key not in raw:
            return Decimal(least)
        found = self._number(raw[key], f"{path}.{key}")
        if not least <= found <= most or (is_above_least and found == least):
            bound = f"above {least}" if is_above_least else f"from {least}"
            self.fault(f"{path}.{key}", f"{found} is not {bound} up to {most}")
            return Decimal(most)
        return found

    def days(self, raw: dict, key: str, path: str) -> Decimal | None:
        """A length of time in days; absent and null mean ever."""
        if raw.get(key) is None:
            return None
        return self.number(raw, key, path, least=0, most=MOST_DAYS, is_above_least=True)

    def measured(self, raw: dict, path: str, *, is_moment: bool) -> L.Comparison:
        """The comparison of a measure of past facts: a number, or a moment."""
        if is_moment:
            return self.comparison(raw, path, L.PAST_OPS, L.MOMENT)
        return self.comparison(raw, path, L.NUMBER_OPS, L.NUMBER)

    def open_comparison(self, raw: dict, path: str) -> L.Comparison:
        """The comparison of a value of any type: the operator and the given value tell which."""
        op, value = raw.get("op"), raw.get("value")
        reading = L.TEXT
        if op in L.LIST_OPS:
            reading = L.ELEMENT
        elif op == "between":
            is_text = isinstance(value, list | tuple) and any(isinstance(v, str) for v in value)
            reading = L.DAY if is_text else L.NUMBER
        elif op in L.DATE_OPS:
            reading = L.DAY
        elif op in (">", ">=", "<", "<=") or (op in ("=", "!=") and _is_number(value)):
            reading = L.NUMBER
        return self.comparison(raw, path, OPEN_OPS, reading)

    def comparison(self, raw: dict, path: str, ops: tuple[str, ...], reading: str) -> L.Comparison:
        """An operator of ``ops`` with the value it needs."""
        op, here = raw.get("op"), f"{path}.value"
        stand_in = L.Comparison("exists", None, L.PRESENCE)
        if op not in ops:
            if "op" in raw:
                self.fault(f"{path}.op", f"{op!r:.60} is not one of {', '.join(ops)}")
            return stand_in
        if op in L.PRESENCE_OPS:
            if raw.get("value") is not None:
                self.fault(here, f"is given, but {op} takes none")
            return L.Comparison(op, None, L.PRESENCE)
        if raw.get("value") is None:
            self.fault(here, "is missing")
            return stand_in
        if op in ("in", "not_in"):
            values = raw["value"]
            if isinstance(values, list | tuple):
                values = [plain_text(v) if _is_scalar(v) else v for v in values]
            return L.Comparison(op, self.texts({"value": values}, "value", path), L.TEXT)
        return self._valued(op, raw, path, reading)

    def _valued(self, op: str, raw: dict, path: str, reading: str) -> L.Comparison:
        """The comparison with what was given, and the shop's time zone where days begin in it."""
        here = f"{path}.value"
        if op in L.RELATIVE_OPS and reading == L.MOMENT:
            days = self.number(raw, "value", path, least=0, most=MOST_DAYS)
            return L.Comparison(op, days, reading)
        if op in L.RELATIVE_OPS or op in L.ANNIVERSARY_OPS:
            is_long = op in L.RELATIVE_OPS
            most = MOST_DAYS if is_long else MOST_ANNIVERSARY_DAYS
            days = self.number(raw, "value", path, least=0, most=most)
            if days != int(days):
                self.fault(here, f"{days} is not a whole number of days, as days of a calendar are")
            return L.Comparison(op, days, reading, self.zone)
        read_one = {
            L.TEXT: self._scalar,
            L.NUMBER: self._number,
            L.ELEMENT: self._scalar_or_number,
        }.get(reading, self._day)
        zone = self.zone if reading == L.MOMENT else L.SHOP_ZONE
        if op == "between":
            return L.Comparison(op, self._pair(raw["value"], here, read_one), reading, zone)
        return L.Comparison(op, read_one(raw["value"], here), reading, zone)

    def _pair(self, found: Any, path: str, read_one: Any) -> Any:
        if not isinstance(found, list | tuple) or len(found) != 2:
            self.fault(path, "is not a list of two values, the lower and the higher")
            return ()
        low, high = read_one(found[0], f"{path}[0]"), read_one(found[1], f"{path}[1]")
        if low > high:
            self.fault(path, f"has {low} above {high}")
        return low, high

    def _text(self, found: Any, path: str) -> str:
        if not isinstance(found, str) or not found.strip() or len(found) > MOST_TEXT:
            self.fault(path, f"{found!r:.60} is not a text of 1 to {MOST_TEXT} characters")
            return "-"
        if "\x00" in found or any("\ud800" <= letter <= "\udfff" for letter in found):
            self.fault(path, "holds a character that cannot be stored")
            return "-"
        return found

    def _scalar(self, found: Any, path: str) -> str | bool:
        return found if isinstance(found, bool) else self._text(found, path)

    def _scalar_or_number(self, found: Any, path: str) -> str | bool | Decimal:
        return self._number(found, path) if _is_number(found) else self._scalar(found, path)

    def _number(self, found: Any, path: str) -> Decimal:
        if not _is_number(found) or not abs(found) <= MOST_NUMBER:  # NaN compares false
            self.fault(path, f"{found!r:.60} is not a number up to {MOST_NUMBER}")
            return Decimal(1)
        return Decimal(str(found))

    def _day(self, found: Any, path: str) -> date:
        if isinstance(found, str) and _DAY.fullmatch(found) and "1000" <= found < "9000":
            with contextlib.suppress(ValueError):
                return date.fromisoformat(found)
        self.fault(path, f"{found!r:.60} is not a day, YYYY-MM-DD")
        return date(2000, 1, 1)


def plain_text(value: str | bool | int | float | Decimal) -> str:
    """A JSON scalar as PostgreSQL's ``->>`` writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    return format(Decimal(str(value)), "f")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _is_scalar(value: Any) -> bool:
    return isinstance(value, str | bool) or (_is_number(value) and abs(value) <= MOST_NUMBER)
