"""Hours and weekdays of the person's own clock."""

from collections.abc import Collection
from datetime import datetime, time, timedelta

from campaigns.timing import hours

DAYS_LOOKED_AT = 9  # a week, and a day on each side for clocks that are far from ours


def due_at(
    at: datetime,
    *,
    zone: str,
    shop: str = "UTC",
    hour: int | None = None,
    weekdays: Collection[int] = (),
    window: tuple[str, str] | None = None,
) -> datetime:
    """The first moment from ``at`` on that lies in this hour, on one of these days, in this window.

    Parameters
    ----------
    at : datetime
        Aware.
    zone, shop : str
        The person's time zone; empty or unknown means the shop's.
    weekdays : collection of int
        0 is Monday; empty means any day.
    window : (str, str), optional
        Such as ("09:00", "18:00"); may pass midnight.

    Examples
    --------
    >>> from datetime import UTC
    >>> saturday = datetime(2026, 6, 6, 12, tzinfo=UTC)
    >>> due_at(saturday, zone="Europe/Paris", hour=9, weekdays=(0,)).isoformat()
    '2026-06-08T07:00:00+00:00'
    """
    place = hours.zone_of(zone, shop)
    pair = (time.fromisoformat(window[0]), time.fromisoformat(window[1])) if window else None
    moment = hours.allowed_at(at, zone=place, window=pair, local_hour=hour)
    for _day in range(DAYS_LOOKED_AT):
        local = moment.astimezone(place)
        if not weekdays or local.weekday() in weekdays:
            return moment
        midnight = datetime.combine(local.date() + timedelta(days=1), time(0), place)
        moment = hours.allowed_at(midnight, zone=place, window=pair, local_hour=hour)
    raise AssertionError("every week has every day")
