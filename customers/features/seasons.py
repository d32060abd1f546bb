"""When a customer buys: the season of the year, the day of the week and the hour.

In UTC, for features do not know where a customer lives: an hour is off by the zone, a habit is not.
"""

from functools import partial

import numpy as np

from customers.features.feature import Feature
from customers.features.seen import DAY, Seen, divide

HOUR = DAY // 24
SCALE = 1 << 30  # sines are whole billionths inside: sums are exact in any order
CANCELLED = 1e-6  # a sum of directions that is none
SATURDAY = 5  # Monday is 0


def _months(seen: Seen) -> np.ndarray:
    """0 to 11, one a purchase."""
    if not seen.size:
        return np.zeros(0, dtype=np.int64)
    least = seen.day.min()
    days = np.arange(least, seen.day.max() + 1).astype("datetime64[D]")
    return (days.astype("datetime64[M]").astype(np.int64) % 12)[seen.day - least]


def _weekdays(seen: Seen) -> np.ndarray:
    return (seen.day + 3) % 7  # 1970 began on a Thursday


def _hours(seen: Seen) -> np.ndarray:
    return (seen.placed - seen.day * DAY) // HOUR


def _season_share(seen: Seen) -> np.ndarray:
    now = np.datetime64(seen.as_of, "us").astype("datetime64[M]").astype(np.int64) % 12
    apart = (_months(seen) - now + 6) % 12 - 6
    return seen.summed((np.abs(apart) <= 1).astype(np.int64)) / seen.orders


def _weekend_share(seen: Seen) -> np.ndarray:
    return seen.summed((_weekdays(seen) >= SATURDAY).astype(np.int64)) / seen.orders


def _sums(seen: Seen, places: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Each customer's sum of the directions that purchases have on a round clock."""
    angle = 2 * np.pi * (np.arange(count) + 0.5) / count
    across, up = (np.rint(f(angle) * SCALE).astype(np.int64) for f in (np.cos, np.sin))
    return seen.summed(across[places]) / SCALE, seen.summed(up[places]) / SCALE


def _habit(seen: Seen, *, places_of: object, count: int) -> np.ndarray:
    across, up = _sums(seen, places_of(seen), count)  # type: ignore[operator]
    n = seen.orders.astype(float)
    # Unbiased: evenly spread purchases have 0 on average, however few they are.
    squared = divide(across**2 + up**2 - n, n * (n - 1))
    return np.sqrt(np.clip(squared, 0, 1))


def _usual_hour(seen: Seen) -> np.ndarray:
    across, up = _sums(seen, _hours(seen), 24)
    hour = np.arctan2(up, across) / (2 * np.pi) * 24 % 24
    return np.where(np.hypot(across, up) < CANCELLED, np.nan, hour)


FEATURES = (
    Feature("season_share", "share", "share of 1",
            "Part of the purchases made in this month of the year, the one before or the one "
            "after.", _season_share),
    Feature("month_habit", "share", "0 to 1",
            "How much purchases gather in one time of the year, 0 is evenly spread; missing where "
            "there is only one.", partial(_habit, places_of=_months, count=12)),
    Feature("weekday_habit", "share", "0 to 1",
            "How much purchases gather about one day of the week (UTC), 0 is evenly spread; "
            "missing where there is only one.", partial(_habit, places_of=_weekdays, count=7)),
    Feature("hour_habit", "share", "0 to 1",
            "How much purchases gather about one time of day, 0 is evenly spread; missing where "
            "there is only one.", partial(_habit, places_of=_hours, count=24)),
    Feature("usual_hour", "hour", "hours of the day, UTC",
            "The time of day about which purchases lie; missing where they cancel out.",
            _usual_hour),
    Feature("weekend_share", "share", "share of 1",
            "Part of the purchases made on a Saturday or Sunday (UTC).", _weekend_share),
)  # fmt: skip
