"""How many messages somebody may still be sent, by rolling windows."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True)
class Cap:
    """At most ``most`` messages within any ``days`` days, on one channel or on all together."""

    channel: str  # empty: any
    most: int
    days: float

    def counts(self, channel: str) -> bool:
        return self.channel in ("", channel)

    def since(self, now: datetime) -> datetime:
        """Messages sent later than this count."""
        return now - timedelta(days=self.days)


def left(
    caps: Iterable[Cap], channel: str, sent: Sequence[tuple[str, datetime]], *, now: datetime
) -> int | None:
    """How many messages of a channel may still go to somebody now; None where no cap holds.

    Parameters
    ----------
    sent : sequence of (channel, moment)
        What the person was sent; the order does not matter.

    Notes
    -----
    The windows roll: a message counts for exactly so many days, whatever the calendar says.

    Examples
    --------
    >>> now = datetime(2026, 6, 8, 12)
    >>> left([Cap("", 2, 7)], "sms", [("email", datetime(2026, 6, 1, 12, 0, 1))], now=now)
    1
    >>> left([Cap("", 2, 7)], "sms", [("email", datetime(2026, 6, 1, 12))], now=now)
    2
    """
    rooms = [
        cap.most - sum(at > cap.since(now) and cap.counts(on) for on, at in sent)
        for cap in caps
        if cap.counts(channel)
    ]
    return max(0, min(rooms)) if rooms else None
