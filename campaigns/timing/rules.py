"""Sending rules, read once from their stored form."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import time
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import Any

from campaigns.timing.caps import Cap
from campaigns.timing.hours import Hours

CAP_MOST, CAP_DAYS_MOST, CAPS_MOST = 1_000, 366, 20
NOTHING: Mapping[str, Any] = MappingProxyType({})


class RulesError(ValueError):
    """Rules that cannot be read; `faults` has every reason."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__(" ".join(faults))
        self.faults = faults


@dataclass(frozen=True)
class Rules:
    """What holds for one campaign's messages; the default holds nothing back."""

    quiet: Mapping[str, Hours] = field(default_factory=lambda: NOTHING)  # by channel
    window: Hours | None = None
    caps: tuple[Cap, ...] = ()
    holdout_share: float = 0.0
    holdout_salt: str = ""


def quiet_hours(raw: Any, *, channels: Collection[str]) -> dict[str, Hours]:
    """Quiet hours of each channel from ``{"sms": ["21:00", "08:00"]}``.

    Raises
    ------
    RulesError
        With every fault.
    """
    if not isinstance(raw, dict):
        raise RulesError([f"Quiet hours are {raw!r}, expected hours for each channel."])
    found, faults = {}, []
    for channel, span in raw.items():
        if channel not in channels:
            faults.append(f"Quiet hours: there is no channel {channel}.")
            continue
        try:
            start, end = span
            found[channel] = (_clock(start), _clock(end))
        except (TypeError, ValueError):
            faults.append(f'Quiet hours of {channel} are {span!r}, expected ["21:00", "08:00"].')
    if faults:
        raise RulesError(faults)
    return {channel: span for channel, span in found.items() if span[0] != span[1]}


def caps(raw: Any, *, channels: Collection[str]) -> tuple[Cap, ...]:
    """Caps from ``[{"channel": "", "most": 3, "days": 7}]``.

    Raises
    ------
    RulesError
        With every fault.
    """
    if not isinstance(raw, list) or len(raw) > CAPS_MOST:
        raise RulesError([f"Caps are {raw!r}, expected a list of at most {CAPS_MOST}."])
    found, faults = [], []
    for number, one in enumerate(raw, start=1):
        given = one if isinstance(one, dict) else {}
        channel, most, days = given.get("channel", ""), given.get("most"), given.get("days")
        if channel not in ("", *channels):
            faults.append(f"Cap {number}: there is no channel {channel}.")
        if not _is_within(most, 0, CAP_MOST) or most != int(most):
            faults.append(f"Cap {number}: messages are {most!r}, expected 0 to {CAP_MOST}.")
        if not _is_within(days, 0, CAP_DAYS_MOST) or not days:
            faults.append(f"Cap {number}: days are {days!r}, expected up to {CAP_DAYS_MOST}.")
        if not faults:
            found.append(Cap(channel, int(most), float(days)))  # type: ignore[arg-type]
    if faults:
        raise RulesError(faults)
    return tuple(found)


def costs(raw: Any, *, channels: Collection[str]) -> dict[str, Decimal]:
    """Cost of a message by channel from ``{"sms": "0.05"}``.

    Raises
    ------
    RulesError
        With every fault.
    """
    if not isinstance(raw, dict):
        raise RulesError([f"Costs are {raw!r}, expected a number for each channel."])
    found, faults = {}, []
    for channel, given in raw.items():
        try:
            cost = Decimal(str(given))
        except InvalidOperation:
            cost = Decimal("NaN")
        if channel not in channels:
            faults.append(f"Costs: there is no channel {channel}.")
        elif not cost.is_finite() or not 0 <= cost < 1_000:
            faults.append(f"The cost of {channel} is {given!r}, expected 0 to 1000.")
        else:
            found[channel] = cost
    if faults:
        raise RulesError(faults)
    return found


def _clock(words: Any) -> time:
    found = time.fromisoformat(words)
    if found.tzinfo is not None:
        raise ValueError("a time of day has no zone")
    return found.replace(microsecond=0)


def _is_within(number: Any, least: float, most: float) -> bool:
    is_number = isinstance(number, int | float) and not isinstance(number, bool)
    return is_number and math.isfinite(number) and least <= number <= most
