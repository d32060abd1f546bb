"""When people buy: sales, holidays, weekdays and hours, and a clock that runs by them."""

from datetime import UTC, datetime

import numpy as np

HORIZON_DAYS = 400  # how far beyond ``until`` the clock knows the seasons
DAY_SECONDS = 86_400
HOUR_SECONDS = 3_600
HOURS_PER_DAY = 24

# Month and day, first and last, both included.
SALES = (((1, 3), (1, 24)), ((6, 24), (7, 14)), ((11, 20), (11, 30)))
GIFT_TIMES = (((2, 5), (2, 14)), ((5, 1), (5, 12)), ((11, 15), (12, 23)))
HOLIDAYS = (((12, 1), (12, 22)),)
QUIET_TIMES = (((8, 1), (8, 25)),)

# How many times the ordinary rate each kind of season knows at those times.
SEASONS: dict[str, tuple[tuple[tuple, float], ...]] = {
    "even": ((SALES, 1.25), (HOLIDAYS, 1.5), (QUIET_TIMES, 0.85)),
    "sale": ((SALES, 3.0), (HOLIDAYS, 1.2)),
    "gift": ((GIFT_TIMES, 7.0),),
}
WEEKDAYS = (1.05, 0.95, 0.95, 1.0, 1.05, 0.95, 1.05)  # Monday first
HOURS = (2, 1, 1, 1, 1, 2, 4, 6, 8, 9, 10, 10, 11, 10, 9, 9, 9, 10, 12, 14, 15, 14, 9, 5)  # UTC

_LEAP_YEAR = np.arange("2024-01-01", "2025-01-01", dtype="datetime64[D]")


def day_of_year(seconds: np.ndarray) -> np.ndarray:
    """Index of the day in a leap year, 0 to 365, so that 1 March is always the same day."""
    days = np.asarray(seconds, "datetime64[s]").astype("datetime64[D]")
    months = days.astype("datetime64[M]")
    first = np.array([0, 31, 60, 91, 121, 152, 182, 213, 244, 274, 305, 335])
    return first[months.astype(int) % 12] + (days - months).astype(int)


def _days_in(windows: tuple) -> np.ndarray:
    inside = np.zeros(_LEAP_YEAR.size, bool)
    for (first_month, first_day), (last_month, last_day) in windows:
        first = np.datetime64(f"2024-{first_month:02d}-{first_day:02d}")
        last = np.datetime64(f"2024-{last_month:02d}-{last_day:02d}")
        inside |= (first <= _LEAP_YEAR) & (last >= _LEAP_YEAR)
    return inside


def _year(season: str) -> np.ndarray:
    """Weight of each day of a leap year; the mean over the year is 1."""
    weights = np.ones(_LEAP_YEAR.size)
    for windows, factor in SEASONS[season]:
        weights[_days_in(windows)] *= factor
    return weights / weights.mean()


YEARS = {season: _year(season) for season in SEASONS}
SALE_DAYS = _days_in(SALES)
GIFT_DAYS = _days_in(GIFT_TIMES)


def in_sale(seconds: np.ndarray) -> np.ndarray:
    """Whether each moment falls into one of the shop's sales."""
    return SALE_DAYS[day_of_year(seconds)]


def in_gift_time(seconds: np.ndarray) -> np.ndarray:
    """Whether each moment falls into the weeks before a day of presents."""
    return GIFT_DAYS[day_of_year(seconds)]


def month(seconds: np.ndarray) -> np.ndarray:
    """Month of each moment, 0 to 11."""
    return np.asarray(seconds, "datetime64[s]").astype("datetime64[M]").astype(int) % 12


class Clock:
    """Busy time: it runs at the speed of the season, one busy day in an average day.

    A customer whose purchases follow a constant rate in busy time follows the seasons in calendar
    time, exactly and without rejecting draws.

    Parameters
    ----------
    start_second, end_second : int
        Seconds since 1970 of the shop's opening and of the last fact. The clock goes on for
        ``HORIZON_DAYS`` more.
    """

    def __init__(self, start_second: int, end_second: int) -> None:
        hours = (end_second - start_second) // HOUR_SECONDS + HORIZON_DAYS * HOURS_PER_DAY
        self.start_second = start_second
        self.end_second = start_second + hours * HOUR_SECONDS
        self.grid = np.arange(hours + 1) * float(HOUR_SECONDS)  # seconds since start
        moments = start_second + self.grid[:-1].astype(np.int64)
        weekday = (moments // DAY_SECONDS + 3) % 7  # 1 January 1970 was a Thursday
        hour = np.array(HOURS, float)
        speed = (
            np.array(WEEKDAYS)[weekday]
            * (hour / hour.mean())[moments % DAY_SECONDS // HOUR_SECONDS]
        )
        days = day_of_year(moments)
        self.busy = {
            season: np.concatenate(([0.0], np.cumsum(speed * year[days]) / HOURS_PER_DAY))
            for season, year in YEARS.items()
        }

    def busy_days(self, season: str, seconds: np.ndarray) -> np.ndarray:
        """Busy days from the opening to each moment, a number of seconds since 1970."""
        return np.interp(np.asarray(seconds) - self.start_second, self.grid, self.busy[season])

    def moments(self, season: str, busy_days: np.ndarray) -> np.ndarray:
        """Whole seconds since 1970 at which so many busy days have passed: `busy_days` undone."""
        since = np.interp(busy_days, self.busy[season], self.grid)
        # There and back through floats must not fall just below the second it came from.
        return self.start_second + np.floor(since + 1e-3).astype(np.int64)


def moment_of(second: int) -> datetime:
    """The aware UTC moment of a number of seconds since 1970."""
    return datetime.fromtimestamp(int(second), UTC)
