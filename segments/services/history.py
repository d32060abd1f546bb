"""Who was in a segment at a past moment, and every entry and exit in an order that misses none.

Ids of changes are given out before their transactions commit, so a reader that goes by id alone
steps over what commits late.  A `Cursor` therefore goes by what a snapshot of PostgreSQL saw: a
window between two snapshots is read by id to its end, and then the later one begins the next.
"""

import base64
import binascii
import json
from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from rapport.errors import DomainError
from segments.models import MembershipChange, Segment

RUNNING_MOST = 10_000  # transactions in one cursor from outside; a server has fewer connections

# A change is new when the window's first snapshot did not see its transaction and its last did.
NEW = """(c.xid >= %(seen_max)s OR c.xid = ANY(%(seen_running)s::bigint[]))
    AND c.xid < %(upto_max)s AND c.xid <> ALL(%(upto_running)s::bigint[])"""
# The sum keeps the planner from walking all ids from the first one on.
FIRST_NEW = "SELECT min(c.id + 0) FROM segments_membershipchange c WHERE c.xid >= %(seen_min)s AND "
FIRST_SINCE = "SELECT min(id + 0) FROM segments_membershipchange WHERE happened_at >= %s"
PAGE = """SELECT c.id, s.key, s.id, c.customer_id, c.kind, c.cause, c.happened_at, c.rule_version
FROM segments_membershipchange c JOIN segments_segment s ON s.id = c.segment_id
WHERE c.id > %(after)s AND {new} {narrowed}
ORDER BY c.id LIMIT %(most)s"""
MEMBERS = """SELECT customer_id, happened_at, rule_version FROM (
    SELECT DISTINCT ON (customer_id) customer_id, kind, happened_at, rule_version
    FROM segments_membershipchange
    WHERE segment_id = %(segment)s AND happened_at <= %(at)s {whose}
    ORDER BY customer_id, happened_at DESC, id DESC
) latest
WHERE kind = 'entered' ORDER BY customer_id LIMIT %(most)s"""
# Restored from a dump into a younger server, changes name transactions still to come.
SETTLE = "UPDATE segments_membershipchange SET xid = 0 WHERE xid >= %s"


class CursorRefused(DomainError):
    """A cursor that did not come from here."""

    code = "invalid_cursor"


@dataclass(frozen=True)
class Snapshot:
    """What one moment of the database saw: each transaction below ``max`` but the running ones."""

    min: int = 0
    max: int = 0  # nothing was seen
    running: tuple[int, ...] = ()


@dataclass(frozen=True)
class Cursor:
    """How far a reader is: all of ``seen``, and in ``upto`` the changes up to ``after``."""

    seen: Snapshot = Snapshot()
    upto: Snapshot | None = None  # None: the window is read to its end
    after: int = 0
    last: int = 0  # the highest id ever handed out, for a database that was restored

    def encode(self) -> str:
        """Opaque words for the outside."""
        text = json.dumps(self.as_json(), separators=(",", ":"))
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def decode(cls, words: str) -> "Cursor":
        """The cursor in these words; `CursorRefused` when they are none."""
        try:
            padded = words + "=" * (-len(words) % 4)
            return cls.from_json(
                json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
            )
        except (binascii.Error, ValueError, TypeError, KeyError, AttributeError):
            raise CursorRefused(
                "This cursor cannot be read: send the one that the last answer gave, or none."
            ) from None

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> "Cursor":
        """The cursor that `as_json` described; of nothing at all, the one before everything."""
        if found == {}:
            return cls()
        upto = found["upto"]
        numbers = (_whole(found["after"]), _whole(found["last"]))
        return cls(_snapshot(found["seen"]), None if upto is None else _snapshot(upto), *numbers)


@dataclass(frozen=True)
class Moved:
    """One entry or exit as it is told to others."""

    id: int
    segment: str  # its key
    segment_id: int
    customer_id: int
    kind: str
    cause: str
    happened_at: datetime
    rule_version: int


@dataclass(frozen=True)
class Page:
    """Some changes, where to go on, and whether there was more already."""

    changes: list[Moved]
    cursor: Cursor
    has_more: bool


@dataclass(frozen=True)
class Stay:
    """That a customer was in a segment at the moment asked for, and since when."""

    customer_id: int
    entered_at: datetime
    rule_version: int


def now_cursor() -> Cursor:
    """The cursor of a reader who wants only what is committed from now on."""
    last = MembershipChange.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    return Cursor(seen=_current(), last=last)


def read(
    cursor: Cursor,
    *,
    most: int,
    segment_ids: Collection[int] | None = None,
    kinds: Collection[str] = (),
    causes: Collection[str] = (),
    since: datetime | None = None,
) -> Page:
    """The next changes after ``cursor``, each once, whatever commits late; those wanted alone.

    Within a page they are ordered by id; a transaction that was long at work may bring smaller
    ids in a later page.
    """
    opened = cursor if cursor.upto is not None else _opened(cursor)
    if opened.upto is None:
        return Page([], opened, False)
    if since is not None and opened.after == 0:
        opened = replace(opened, after=_before_first(since))
    narrowed, params = _narrowed(segment_ids, kinds, causes, since)
    text = PAGE.format(new=NEW, narrowed=narrowed)
    with connection.cursor() as db:
        db.execute(text, {**params, **_window(opened), "after": opened.after, "most": most + 1})
        rows = [Moved(*row) for row in db.fetchall()]
    has_more, rows = len(rows) > most, rows[:most]
    last = max([opened.last, *(row.id for row in rows)])
    if has_more:
        return Page(rows, replace(opened, after=rows[-1].id, last=last), True)
    assert opened.upto is not None
    return Page(rows, Cursor(seen=opened.upto, last=last), False)


def members_at(segment: Segment, at: datetime, *, after: int = 0, most: int = 1_000) -> list[Stay]:
    """Who was in the segment at that moment, by customer id from ``after`` on.

    A stay holds from its entry, included, to its exit, excluded.
    """
    params = {"segment": segment.pk, "at": at, "after": after, "most": most}
    return _stays("AND customer_id > %(after)s", params)


def stay_at(segment: Segment, customer_id: int, at: datetime) -> Stay | None:
    """The stay of one customer at that moment, or None when she was not in."""
    params = {"segment": segment.pk, "at": at, "customer": customer_id, "most": 1}
    return next(iter(_stays("AND customer_id = %(customer)s", params)), None)


def _stays(whose: str, params: dict[str, Any]) -> list[Stay]:
    with connection.cursor() as db:
        db.execute(MEMBERS.format(whose=whose), params)
        return [Stay(*row) for row in db.fetchall()]


def _opened(cursor: Cursor) -> Cursor:
    """The cursor with a new window up to now; as it was, moved on, where nothing is new."""
    upto = _current()
    if cursor.seen.max > upto.max:  # of another server's life
        _settle(upto)
        return Cursor(upto=upto, after=cursor.last, last=cursor.last)
    if cursor.seen.max == 0:
        return replace(cursor, upto=upto, after=cursor.after or cursor.last)
    window = replace(cursor, upto=upto)
    with connection.cursor() as db:
        db.execute(FIRST_NEW + NEW, {**_window(window), "seen_min": cursor.seen.min})
        first = db.fetchone()[0]
    if first is None:
        return Cursor(seen=upto, last=cursor.last)
    return replace(window, after=first - 1)


def _before_first(since: datetime) -> int:
    """The highest id below all changes since then."""
    with connection.cursor() as db:
        db.execute(FIRST_SINCE, [since])
        first = db.fetchone()[0]
    return 0 if first is None else first - 1


def _window(cursor: Cursor) -> dict[str, Any]:
    assert cursor.upto is not None
    return {
        "seen_max": cursor.seen.max,
        "seen_running": list(cursor.seen.running),
        "upto_max": cursor.upto.max,
        "upto_running": list(cursor.upto.running),
    }


def _narrowed(
    segment_ids: Collection[int] | None,
    kinds: Collection[str],
    causes: Collection[str],
    since: datetime | None,
) -> tuple[str, dict[str, Any]]:
    conditions = {
        "c.segment_id = ANY(%(segments)s::bigint[])": segment_ids is not None,
        "c.kind = ANY(%(kinds)s)": bool(kinds),
        "c.cause = ANY(%(causes)s)": bool(causes),
        "c.happened_at >= %(since)s": since is not None,
    }
    params = {
        "segments": list(segment_ids or ()),
        "kinds": list(kinds),
        "causes": list(causes),
        "since": since,
    }
    return "".join(f" AND {text}" for text, is_asked in conditions.items() if is_asked), params


def _current() -> Snapshot:
    with connection.cursor() as db:
        db.execute("SELECT pg_current_snapshot()::text")
        low, high, running = db.fetchone()[0].split(":")
    return Snapshot(int(low), int(high), tuple(int(one) for one in running.split(",") if one))


def _settle(upto: Snapshot) -> None:
    """Say of changes that a restore brought along that they were written long ago."""
    with transaction.atomic(), connection.cursor() as db:
        db.execute(SETTLE, [upto.max])


def _snapshot(found: dict[str, Any]) -> Snapshot:
    running = found["running"]
    if len(running) > RUNNING_MOST:
        raise ValueError("more transactions than a server has connections")
    return Snapshot(
        _whole(found["min"]), _whole(found["max"]), tuple(_whole(one) for one in running)
    )


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63:
        raise ValueError("not a whole number")
    return value
