"""When everything will have left, at the rate that the channel can bear."""

from collections.abc import Iterable
from datetime import datetime, timedelta


def done_at(due: Iterable[tuple[datetime, int]], *, per_hour: float) -> datetime | None:
    """When the last of these messages will have left; None where there are none.

    Parameters
    ----------
    due : iterable of (moment, messages)
        From when on so many may leave, in any order.
    per_hour : float
        Messages that leave in an hour while any are due.

    Examples
    --------
    >>> noon = datetime(2026, 6, 1, 12)
    >>> done_at([(noon + timedelta(hours=5), 100), (noon, 300)], per_hour=100)
    datetime.datetime(2026, 6, 1, 18, 0)
    """
    free: datetime | None = None
    for moment, messages in sorted(due):
        start = moment if free is None else max(free, moment)
        free = start + timedelta(hours=messages / per_hour)
    return free
