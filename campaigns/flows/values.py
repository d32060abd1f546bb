"""Read single values of a flow's definition, noting each fault instead of stopping."""

import re
from typing import Any

from campaigns.flows.steps import Json
from segments.rules import language as L
from segments.rules import parse as rules
from segments.rules.values import Reader

WAIT_DAYS_MOST = 366
NAME_MOST = 120  # of an event, a trait
WHERE_MOST = 20
NUMBER_MOST = 9_999  # of a step
UNITS = {"minutes": 1, "hours": 60, "days": 1440}  # in minutes
TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")


class FlowReader(Reader):
    """Values that only flows have."""

    def whole(self, raw: Json, key: str, path: str, *, most: int, least: int = 0) -> int:
        found = raw.get(key)
        if isinstance(found, bool) or not isinstance(found, int) or not least <= found <= most:
            here = f"{path}.{key}".lstrip(".")
            self.fault(here, f"{found!r:.60} is not a whole number from {least} to {most}")
            return least
        return found

    def way(self, raw: Json, key: str, path: str) -> int | None:
        """The number of a step, or null for the end."""
        return None if raw.get(key) is None else self.whole(raw, key, path, most=NUMBER_MOST)

    def share(self, raw: Json, key: str, path: str, *, most: float) -> float:
        found = raw.get(key, 0.0)
        if isinstance(found, bool) or not isinstance(found, int | float) or not 0 <= found <= most:
            self.fault(f"{path}.{key}", f"{found!r:.60} is not a number from 0 to {most:g}")
            return 0.0
        return float(found)

    def name(self, raw: Json, key: str, path: str) -> str:
        found = raw.get(key, "")
        if key not in raw:
            self.fault(f"{path}.{key}", "is missing")
        elif not isinstance(found, str) or not 1 <= len(found) <= NAME_MOST:
            self.fault(f"{path}.{key}", f"is not a text of 1 to {NAME_MOST} characters")
            return ""
        return str(found)

    def minutes(self, raw: Json, path: str) -> float:
        """A length of time, in ``minutes``, ``hours``, ``days`` or their sum."""
        most, total = WAIT_DAYS_MOST * UNITS["days"], 0.0
        for unit, times in UNITS.items():
            total += times * self.share(raw, unit, path, most=most / times)
        if not 1 <= total <= most:
            self.fault(path, f"is not a time of 1 minute to {WAIT_DAYS_MOST} days")
        return total

    def inner(self, error: L.RuleError, path: str) -> None:
        """The faults of a rule inside a step."""
        for fault in error.faults:
            self.fault(f"{path}.{fault.path}", fault.reason)

    def hour(self, raw: Json, path: str) -> int | None:
        return None if raw.get("hour") is None else self.whole(raw, "hour", path, most=23)

    def where(self, raw: Json, path: str) -> tuple[Json, ...]:
        """Conditions on an event's properties, in the words of the segments' rules."""
        found = raw.get("where") or []
        if not isinstance(found, list | tuple) or len(found) > WHERE_MOST:
            self.fault(f"{path}.where", f"is not a list of at most {WHERE_MOST} conditions")
            return ()
        try:
            conditions(found, zone=self.zone)
        except L.RuleError as error:
            for fault in error.faults:
                here = fault.path.removeprefix("where.properties")
                self.fault(f"{path}.where{here}", fault.reason)
            return ()
        return tuple(found)


def conditions(where: Any, *, zone: str = L.SHOP_ZONE) -> tuple[L.Property, ...]:
    """Conditions on an event's properties as the segments' rules know them; may raise `RuleError`.

    >>> [one.name for one in conditions([{"name": "value", "op": ">=", "value": 50}])]
    ['value']
    """
    node = {"type": "events", "names": ["any"], "op": ">=", "value": 1, "properties": list(where)}
    found = rules.parse({"version": L.VERSION, "where": node}, zone=zone).where
    assert isinstance(found, L.Events)
    return found.properties
