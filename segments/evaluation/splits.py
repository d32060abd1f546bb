"""Which days do we pretend it is, to learn from and to be judged on?"""

from dataclasses import dataclass
from datetime import datetime, timedelta


class NotEnoughHistory(ValueError):
    """The facts do not span a training snapshot, its label window and a later test."""


@dataclass(frozen=True)
class Split:
    """Snapshots to learn from, oldest first, and the later one to be judged on."""

    train: list[datetime]
    test: datetime


def snapshots(
    first: datetime,
    last: datetime,
    *,
    horizon_days: int,
    step_days: int,
    count: int,
    history_days: int | None = None,
) -> Split:
    """Split by time: no label that trains overlaps the time that judges.

    The test snapshot is the latest whose label window ``[t, t + horizon)`` is over by ``last``.
    Training snapshots go back from one horizon before it, so that each of their label windows
    ends at or before the test snapshot.

    Parameters
    ----------
    first, last : datetime
        Aware; the first known fact, and the moment up to which facts are complete.
    horizon_days : int
        Length of the label window.
    step_days : int
        Distance between training snapshots.
    count : int
        How many training snapshots at most, 1 or more.
    history_days : int, optional
        Facts that a snapshot needs behind it; the horizon if not given, for a shorter past
        cannot show who has been quiet that long.

    Returns
    -------
    Split
        At least one training snapshot.

    Raises
    ------
    NotEnoughHistory
        If not even one training snapshot fits; the message names the days found and needed.
    ValueError
        If a moment carries no time zone, or a number is below 1.

    Examples
    --------
    >>> from datetime import UTC
    >>> split = snapshots(datetime(2010, 12, 1, tzinfo=UTC), datetime(2011, 12, 9, tzinfo=UTC),
    ...                   horizon_days=90, step_days=30, count=9)
    >>> [day.strftime("%d %b") for day in split.train], split.test.strftime("%d %b")
    (['14 Mar', '13 Apr', '13 May', '12 Jun'], '10 Sep')
    """
    if first.tzinfo is None or last.tzinfo is None:
        raise ValueError("first and last need a time zone")
    if min(horizon_days, step_days, count) < 1:
        raise ValueError("horizon_days, step_days and count must be 1 or more")
    horizon, step = timedelta(days=horizon_days), timedelta(days=step_days)
    history = horizon if history_days is None else timedelta(days=history_days)
    test = last - horizon
    train = [test - horizon - place * step for place in range(count)]
    train = [moment for moment in reversed(train) if moment >= first + history]
    if not train:
        found, needed = (last - first).days, (history + 2 * horizon).days
        raise NotEnoughHistory(f"{found} days of facts, at least {needed} are needed")
    return Split(train, test)
