"""How much comes in with each write key, and the last of it to look at.  Kept in Redis alone.

It paces callers and fills the pages Sources and Live events; facts never depend on it, and with
Redis away calls are neither paced nor counted.
"""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from django.conf import settings
from redis import Redis
from redis.exceptions import RedisError

from customers.models import WriteKey
from customers.services.tracking.gathering import Gathering

log = logging.getLogger(__name__)

LIVE_KEPT = 100  # messages of each key
LIVE_OF_A_CALL = 10  # the last ones of a large batch are enough to look at
LIVE_SECONDS = 3_600  # raw messages hold personal data: they go when nothing comes any more
DAYS_KEPT = 8
PAYLOAD_KEPT = 8_000  # characters


@dataclass(frozen=True)
class Day:
    """What came with one key on one day (UTC), in messages."""

    stored: int = 0
    repeated: int = 0
    rejected: int = 0
    paced: int = 0  # calls that were asked to come again
    last_at: datetime | None = None


@dataclass(frozen=True)
class Live:
    """One message as it came."""

    received_at: datetime
    kind: str
    name: str
    who: str
    problem: str  # empty where it was stored
    payload: str


@lru_cache(maxsize=1)
def _redis(address: str) -> Redis:
    return Redis.from_url(address, socket_timeout=0.5, socket_connect_timeout=0.5)


def _connected() -> Redis:
    return _redis(settings.CACHES["default"]["LOCATION"])


def _key(key: WriteKey, *parts: object) -> str:
    return ":".join(["rapport", "tracking", key.key, *map(str, parts)])


def wait_seconds(key: WriteKey, *, now: datetime) -> int:
    """Count one call; 0, or after how many seconds the caller should come again."""
    most = settings.TRACKING_CALLS_PER_SECOND
    if not most:
        return 0
    second = int(now.timestamp())
    counter = _key(key, "calls", second)
    try:
        with _connected().pipeline(transaction=False) as pipe:
            pipe.incr(counter)
            pipe.expire(counter, 2)
            calls = pipe.execute()[0]
    except (RedisError, OSError) as error:
        log.warning("Calls of %s are not paced: %s", key, error)
        return 0
    if calls <= most:
        return 0
    note(key, now=now, paced=1)
    return 1


def note(
    key: WriteKey,
    *,
    now: datetime,
    live: Sequence[dict[str, Any]] = (),
    **counted: int,
) -> None:
    """Add to the day of a key, and show the last messages; a moment later while many come."""
    _notes.add((key, now, live, counted))


Note = tuple[WriteKey, datetime, Sequence[dict[str, Any]], dict[str, int]]


def _write_notes(gathered: list[Note]) -> None:
    of_key: dict[int, list[Note]] = {}
    for one in gathered:
        of_key.setdefault(one[0].pk, []).append(one)
    for notes in of_key.values():
        key, now, live, counted = notes.pop()
        for _, _, earlier, numbers in reversed(notes):
            for name, number in numbers.items():
                counted[name] = counted.get(name, 0) + number
            if len(live) < LIVE_OF_A_CALL:
                live = [*earlier, *live]
        _write_note(key, now=now, live=live, counted=counted)


_notes = Gathering(_write_notes)


def _write_note(
    key: WriteKey, *, now: datetime, live: Sequence[dict[str, Any]], counted: dict[str, int]
) -> None:
    day = _key(key, now.date().isoformat())
    try:
        with _connected().pipeline(transaction=False) as pipe:
            for name, number in counted.items():
                if number:
                    pipe.hincrby(day, name, number)
            if counted.get("stored") or counted.get("repeated"):
                pipe.hset(day, "last_at", now.isoformat())
            pipe.expire(day, DAYS_KEPT * 86_400)
            if live:
                shown = [json.dumps(one) for one in live[-LIVE_OF_A_CALL:]]
                pipe.lpush(_key(key, "live"), *shown)
                pipe.ltrim(_key(key, "live"), 0, LIVE_KEPT - 1)
                pipe.expire(_key(key, "live"), LIVE_SECONDS)
            pipe.execute()
    except (RedisError, OSError) as error:
        log.warning("What came with %s is not counted: %s", key, error)


def seen(
    *, now: datetime, payload: str, kind: str = "", name: str = "", who: str = "", problem: str = ""
) -> dict[str, Any]:
    """One message for `note` to show."""
    return {
        "received_at": now.isoformat(),
        "kind": kind,
        "name": name,
        "who": who,
        "problem": problem,
        "payload": payload[:PAYLOAD_KEPT],
    }


def days(key: WriteKey, *, now: datetime, most: int = 7) -> list[Day]:
    """The last days of a key, today first; empty days where nothing came or Redis is away."""
    _notes.flush()
    try:
        with _connected().pipeline(transaction=False) as pipe:
            for back in range(most):
                pipe.hgetall(_key(key, (now - timedelta(days=back)).date().isoformat()))
            found = pipe.execute()
    except (RedisError, OSError):
        return [Day() for _ in range(most)]
    return [_day({k.decode(): v.decode() for k, v in one.items()}) for one in found]


def _day(found: dict[str, str]) -> Day:
    at = found.pop("last_at", None)
    numbers = {name: int(number) for name, number in found.items()}
    return Day(**numbers, last_at=datetime.fromisoformat(at) if at else None)


def live(keys: Sequence[WriteKey], *, most: int = LIVE_KEPT) -> list[tuple[WriteKey, Live]]:
    """The last messages of these keys, the newest first."""
    if not keys:
        return []
    _notes.flush()
    try:
        with _connected().pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.lrange(_key(key, "live"), 0, most - 1)
            found = pipe.execute()
    except (RedisError, OSError):
        return []
    rows = []
    for key, messages in zip(keys, found, strict=True):
        for text in messages:
            one = json.loads(text)
            at = datetime.fromisoformat(one.pop("received_at"))
            rows.append((key, Live(received_at=at, **one)))
    rows.sort(key=lambda row: row[1].received_at, reverse=True)
    return rows[:most]


def forget_live() -> None:
    """Drop the last messages of all keys, which may name a person who was just erased."""
    _notes.flush()
    try:
        redis = _connected()
        for name in redis.scan_iter(match="rapport:tracking:*:live"):
            redis.delete(name)
    except (RedisError, OSError) as error:
        log.warning("The last messages stay for an hour: %s", error)
