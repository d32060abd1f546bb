"""At which moment somebody may be written to, by the clock on their own wall."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

# (from, to) of the local day: from is in it, to is not; may pass midnight; equal ends: no limit.
Hours = tuple[time, time]

# No calendar skips or repeats more than one day at a time (Samoa, 30 December 2011).
DAYS_AHEAD = 4
HOUR = timedelta(hours=1)


class NeverAllowed(ValueError):
    """Quiet hours leave nothing of the window."""


@cache
def _known() -> frozenset[str]:
    return frozenset(available_timezones())


@cache
def zone_of(name: str, shop: str = "UTC") -> tzinfo:
    """The time zone of an IANA name; the shop's where the name is empty or unknown.

    >>> zone_of("Mars/Olympus", "Europe/Paris").key
    'Europe/Paris'
    """
    if name in _known():
        return ZoneInfo(name)
    return ZoneInfo(shop) if shop in _known() else UTC


def is_within(clock: time, hours: Hours) -> bool:
    """Whether a local time of day lies in these hours.

    >>> is_within(time(23), (time(21), time(8))), is_within(time(8), (time(21), time(8)))
    (True, False)
    """
    start, end = hours
    if start == end:
        return True
    return start <= clock < end if start < end else clock >= start or clock < end


def is_allowed(at: datetime, *, zone: tzinfo, quiet: Hours | None, window: Hours | None) -> bool:
    """Whether the local clock at this moment is outside the quiet hours and inside the window."""
    clock = at.astimezone(zone).time()
    is_quiet = quiet is not None and quiet[0] != quiet[1] and is_within(clock, quiet)
    return not is_quiet and (window is None or is_within(clock, window))


def allowed_at(
    at: datetime,
    *,
    zone: str | tzinfo,
    quiet: Hours | None = None,
    window: Hours | None = None,
    local_hour: int | None = None,
    shop: str = "UTC",
) -> datetime:
    """The first moment from ``at`` on that the recipient's clock allows, in UTC.

    Parameters
    ----------
    at : datetime
        Aware.
    zone : str or tzinfo
        The recipient's; empty or unknown means ``shop``, which is UTC unless given.
    quiet, window : (time, time), optional
        Local hours in which nothing is sent, and in which alone something is.  Both are law.
    local_hour : int, optional
        0 to 23.  The hour wished for: it is waited for, up to a day.  Where quiet hours or the
        window forbid its beginning, the first time after it that they allow stands in.

    Notes
    -----
    Quiet hours and windows are asked of the clock at each moment.  When clocks go back and show an
    hour twice, both of them count; when they go forward over the hour wished for, the moment at
    which they do stands in; a window that is skipped as a whole waits for the next day.

    Raises
    ------
    NeverAllowed
        Where no time of day is both outside the quiet hours and inside the window.

    Examples
    --------
    >>> late = datetime(2026, 6, 1, 21, 30, tzinfo=UTC)  # 23:30 in Paris
    >>> allowed_at(late, zone="Europe/Paris", quiet=(time(21), time(8))).isoformat()
    '2026-06-02T06:00:00+00:00'
    """
    at = at.astimezone(UTC)
    place = zone_of(zone, shop) if isinstance(zone, str) else zone
    if local_hour is not None:
        at = _hour_from(at, place, _permitted_hour(local_hour, quiet, window))
    if is_allowed(at, zone=place, quiet=quiet, window=window):
        return at
    ends = [hours[side] for hours, side in ((quiet, 1), (window, 0)) if hours is not None]
    moments = sorted({*_jumps(at, place), *_readings(at, place, ends)})
    for moment in moments:
        if moment >= at and is_allowed(moment, zone=place, quiet=quiet, window=window):
            return moment
    raise NeverAllowed(f"The quiet hours {_words(quiet)} leave nothing of {_words(window)}.")


def leaves_nothing(quiet: Hours | None, window: Hours | None) -> bool:
    """Whether quiet hours cover the whole window, on a day without a change of clocks."""
    try:
        allowed_at(datetime(2026, 1, 1, tzinfo=UTC), zone=UTC, quiet=quiet, window=window)
    except NeverAllowed:
        return True
    return False


def _permitted_hour(hour: int, quiet: Hours | None, window: Hours | None) -> int:
    """The hour of the first time of day, from this hour on, that is allowed."""
    day = datetime(2026, 1, 1, hour, tzinfo=UTC)
    return allowed_at(day, zone=UTC, quiet=quiet, window=window).hour


def _hour_from(at: datetime, zone: tzinfo, hour: int) -> datetime:
    """The first moment from ``at`` on in which the local clock shows this hour of the day."""
    for day in _days(at, zone):
        start, end = _reading(day, hour, zone), _reading(day, hour + 1, zone)
        if hour < 23 and start.astimezone(zone).date() != day:
            continue  # a day that the calendar skipped
        if end <= start:  # skipped by the clocks: the hour after the jump stands in
            end = start + HOUR
        if at < end:
            return max(at, start)
    raise AssertionError("every day has every hour or a jump over it")


def _reading(day: date, hour: int, zone: tzinfo) -> datetime:
    """When the clock first shows this full hour, or the moment at which it jumps over it."""
    shown = datetime.combine(day, time(0), UTC) + hour * HOUR
    moment = shown.replace(tzinfo=zone).astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=UTC) == shown:
        return moment
    return next(_jumps(moment - 25 * HOUR, zone, until=moment), moment)


def _readings(at: datetime, zone: tzinfo, clocks: list[time]) -> Iterator[datetime]:
    """When the local clock shows these times, on the days around and after ``at``."""
    for day in _days(at, zone):
        for clock in clocks:
            for fold in (0, 1):
                shown = datetime.combine(day, clock, zone).replace(fold=fold)
                yield shown.astimezone(UTC)


def _days(at: datetime, zone: tzinfo) -> Iterator[date]:
    today = at.astimezone(zone).date()
    return (today + timedelta(days=ahead) for ahead in range(-1, DAYS_AHEAD))


def _jumps(at: datetime, zone: tzinfo, *, until: datetime | None = None) -> Iterator[datetime]:
    """The moments after ``at`` at which the local clock is put forward or back."""
    until = until or at + timedelta(days=DAYS_AHEAD)
    low = at
    while low < until:
        high = low + HOUR
        if low.astimezone(zone).utcoffset() != high.astimezone(zone).utcoffset():
            yield _change(low, high, zone)
        low = high


def _change(low: datetime, high: datetime, zone: tzinfo) -> datetime:
    """The first second after ``low`` with another offset."""
    before = low.astimezone(zone).utcoffset()
    seconds = [0, int((high - low).total_seconds())]
    while seconds[1] - seconds[0] > 1:
        middle = sum(seconds) // 2
        is_after = (low + timedelta(seconds=middle)).astimezone(zone).utcoffset() != before
        seconds[is_after] = middle
    return (low + timedelta(seconds=seconds[1])).replace(microsecond=0)


def _words(hours: Hours | None) -> str:
    return "the whole day" if hours is None else f"{hours[0]:%H:%M} to {hours[1]:%H:%M}"
