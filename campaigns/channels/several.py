"""Several ways out for one channel, each with its share of the messages.

A way that cannot be reached hands its share to the others for a while; only when none can be
reached is the channel away.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import Any

from django.core.cache import cache
from redis.exceptions import RedisError

from campaigns.channels.channel import Channel, ChannelAway, Outgoing, Result, Session, Verdict

AWAY_SECONDS = 15  # so long a way that is away is left alone
BREAKS_MOST = 3  # in a row, without one message taken: as good as away
TOLD_SECONDS = 90  # so long others see that a way was away
COUNTED_SECONDS = 3 * 86_400
COUNT_EACH = 5.0  # seconds


@dataclass(frozen=True)
class Way:
    """One server or service.  ``key`` is its name for all workers."""

    key: str
    name: str
    weight: int
    channel: Channel


@dataclass
class _Lane:
    """A way, as one sender has it."""

    way: Way
    credit: float = 0.0
    session: Session | None = None
    hold: ExitStack | None = None
    away_until: float = 0.0
    breaks: int = 0
    taken: int = 0  # messages, not yet counted for the page


class SeveralChannels:
    """Ways by weight; a sender keeps a connection to each that it needs."""

    def __init__(self, ways: Sequence[Way], clock: Callable[[], datetime]) -> None:
        self.ways = list(ways)
        self._lanes = [_Lane(way) for way in ways]
        self._clock = clock

    @contextmanager
    def open(self) -> Iterator["SeveralSession"]:
        session = SeveralSession(self._lanes, self._clock)
        try:
            session.connect()
            yield session
        finally:
            session.close()


class SeveralSession:
    def __init__(self, lanes: list[_Lane], clock: Callable[[], datetime]) -> None:
        self.is_open = True
        self._lanes, self._clock = lanes, clock
        self._counted = monotonic()

    def connect(self) -> None:
        """Have at least one connection; raises `ChannelAway` with every reason."""
        if self._next() is None:
            raise ChannelAway("; ".join(self._reasons)[:300])

    def send(self, batch: Sequence[Outgoing]) -> Iterator[Result]:
        lane = self._next()
        if lane is None or lane.session is None:
            self.is_open = False
            yield from (Result(mail.message_id, Verdict.NOT_TRIED) for mail in batch)
            return
        taken = 0
        try:
            for result in lane.session.send(batch):
                taken += result.verdict is Verdict.ACCEPTED
                yield result
        finally:
            self._settle(lane, taken)

    def close(self) -> None:
        for lane in self._lanes:
            self._drop(lane)
        self._count()
        self.is_open = False

    def _settle(self, lane: _Lane, taken: int) -> None:
        lane.taken += taken
        if taken:
            lane.breaks = 0
        if lane.session is not None and not lane.session.is_open:
            self._drop(lane)
            lane.breaks += 1
            if lane.breaks >= BREAKS_MOST:
                self._mark_away(lane, "The connection broke again and again.")
            # With one way the sender opens it anew; with several the next turn does.
            self.is_open = len(self._lanes) > 1
        if monotonic() - self._counted > COUNT_EACH:
            self._count()

    def _next(self) -> _Lane | None:
        """The lane whose turn it is, connected: the smooth weighted round robin of nginx."""
        self._reasons: list[str] = []
        now = monotonic()
        usable = [lane for lane in self._lanes if lane.away_until <= now] or list(self._lanes)
        while usable:
            for lane in usable:
                lane.credit += lane.way.weight
            chosen = max(usable, key=lambda lane: lane.credit)
            chosen.credit -= sum(lane.way.weight for lane in usable)
            if self._is_connected(chosen):
                return chosen
            chosen.credit = 0.0  # what it missed is not made up for
            usable.remove(chosen)
        return None

    def _is_connected(self, lane: _Lane) -> bool:
        if lane.session is not None:
            return True
        hold = ExitStack()
        try:
            lane.session = hold.enter_context(lane.way.channel.open())
        except ChannelAway as error:
            self._reasons.append(str(error))
            self._mark_away(lane, str(error))
            return False
        lane.hold, lane.away_until = hold, 0.0
        return True

    def _drop(self, lane: _Lane) -> None:
        if lane.hold is not None:
            lane.hold.close()
        lane.session = lane.hold = None

    def _mark_away(self, lane: _Lane, reason: str) -> None:
        lane.away_until, lane.breaks = monotonic() + AWAY_SECONDS, 0
        told = {"since": self._clock(), "reason": reason[:300]}
        with suppress(RedisError, OSError):
            if not cache.add(_away_key(lane.way.key), told, timeout=TOLD_SECONDS):
                cache.touch(_away_key(lane.way.key), TOLD_SECONDS)

    def _count(self) -> None:
        self._counted = monotonic()
        for lane in self._lanes:
            if lane.taken:
                taken, lane.taken = lane.taken, 0
                key = _count_key(lane.way.key, self._clock())
                with suppress(RedisError, OSError, ValueError):
                    cache.add(key, 0, timeout=COUNTED_SECONDS)
                    cache.incr(key, taken)
                    cache.delete(_away_key(lane.way.key))


def away(key: str) -> dict[str, Any] | None:
    """Since when and why a way was away, if one of its senders met that lately."""
    with suppress(RedisError, OSError):
        return cache.get(_away_key(key))
    return None


def taken_today(key: str, *, now: datetime) -> int:
    """How many messages a way took on this day of UTC; a figure to look at, kept in Redis alone."""
    with suppress(RedisError, OSError):
        return int(cache.get(_count_key(key, now)) or 0)
    return 0


def _away_key(key: str) -> str:
    return f"way-away:{key}"


def _count_key(key: str, now: datetime) -> str:
    return f"way-taken:{key}:{now:%Y-%m-%d}"
