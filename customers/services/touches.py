"""Note whose facts changed, in the transaction that changes them.  The only writer of ``Touch``
and ``TouchReader``.

A bell rung on commit can be lost; a row of the same transaction cannot.  Readers keep the snapshot
they last read under and ask for what that snapshot did not see (`since`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection

from customers.services.tracking.statements import Statement

READER_KEPT_DAYS = 7  # a reader not seen for so long has to begin afresh

RECORD = Statement("""
    INSERT INTO customers_touch (customer_id, touched_at)
    SELECT customer_id, %s::timestamptz FROM unnest(%s::bigint[]) customer_id
""")
FOLLOW = """
    INSERT INTO customers_touchreader (name, needs_from, seen_at)
    VALUES (%(name)s, pg_snapshot_xmin({snapshot}), %(now)s)
    ON CONFLICT (name) DO UPDATE
        SET needs_from = excluded.needs_from, seen_at = excluded.seen_at
    RETURNING {snapshot}::text
"""
# The first condition is the index's: below its xmin a snapshot sees all that was committed.
SINCE = """
    SELECT DISTINCT customer_id FROM customers_touch
    WHERE xid >= pg_snapshot_xmin(%(snapshot)s::pg_snapshot)
        AND NOT pg_visible_in_snapshot(xid, %(snapshot)s::pg_snapshot)
    LIMIT %(most)s
"""
AMONG = """
    SELECT DISTINCT customer_id FROM customers_touch
    WHERE xid >= pg_snapshot_xmin(%(snapshot)s::pg_snapshot)
        AND NOT pg_visible_in_snapshot(xid, %(snapshot)s::pg_snapshot)
        AND (customer_id IS NULL OR customer_id = ANY(%(ids)s::bigint[]))
"""
TRIM = """
    DELETE FROM customers_touch
    WHERE xid < coalesce(
        (SELECT min(needs_from) FROM customers_touchreader), pg_snapshot_xmin(pg_current_snapshot())
    )
"""


@dataclass(frozen=True)
class Touched:
    """Whom a snapshot did not see touched."""

    customer_ids: list[int]  # sorted
    is_everybody: bool  # somebody touched anybody; or more than was asked for


def recording(customer_ids: str) -> str:
    """SQL that notes, in a statement that changes facts, whose these are; the moment follows."""
    return (
        "INSERT INTO customers_touch (customer_id, touched_at)"
        f" SELECT touched.id, %s::timestamptz FROM ({customer_ids}) touched(id)"
    )


def record(customer_ids: Iterable[int], now: datetime) -> None:
    """Note that the running transaction changes the facts of these customers."""
    ids = sorted(set(customer_ids))
    if ids:
        with connection.cursor() as cursor:
            RECORD.run(cursor, [now, ids])


def record_everybody(now: datetime) -> None:
    """Note that the running transaction changes the facts of more customers than one would name."""
    with connection.cursor() as cursor:
        RECORD.run(cursor, [now, [None]])


def follow(name: str, *, now: datetime, snapshot: str | None = None) -> str:
    """Keep all touches from here on, or from ``snapshot`` on, for a reader of this name.

    Returns the snapshot.  Safe to repeat: the reader moves on.  A reader who follows first and
    reads afterwards, in a later transaction, misses nothing.
    """
    at = "pg_current_snapshot()" if snapshot is None else "%(snapshot)s::pg_snapshot"
    with connection.cursor() as cursor:
        cursor.execute(FOLLOW.format(snapshot=at), {"name": name, "now": now, "snapshot": snapshot})
        found: str = cursor.fetchone()[0]
    return found


def is_followed(name: str, snapshot: str) -> bool:
    """Whether all touches that this snapshot does not see have been kept for this reader."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM customers_touchreader WHERE name = %s"
            " AND needs_from <= pg_snapshot_xmin(%s::pg_snapshot)",
            [name, snapshot],
        )
        return cursor.fetchone() is not None


def leave(names: Iterable[str]) -> None:
    """Let go of what was kept for these readers."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM customers_touchreader WHERE name = ANY(%s)", [list(names)])


def since(snapshot: str, *, most: int = 2**31) -> Touched:
    """Say whose facts changed in transactions that this snapshot did not see.

    Of more than ``most`` customers it says everybody.
    """
    with connection.cursor() as cursor:
        cursor.execute(SINCE, {"snapshot": snapshot, "most": most + 1})
        found = [pk for (pk,) in cursor.fetchall()]
    ids = sorted(pk for pk in found if pk is not None)
    return Touched(ids[:most], is_everybody=len(found) > most or len(ids) < len(found))


def among(snapshot: str, customer_ids: list[int]) -> list[int]:
    """Those of these customers whom the snapshot did not see touched; all where it may be any."""
    with connection.cursor() as cursor:
        cursor.execute(AMONG, {"snapshot": snapshot, "ids": customer_ids})
        found = [pk for (pk,) in cursor.fetchall()]
    return sorted(customer_ids if None in found else found)


def trim(*, now: datetime) -> int:
    """Remove touches that no reader needs any more; returns how many.

    A reader not seen for `READER_KEPT_DAYS` is dropped first, and finds out by `is_followed`.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM customers_touchreader WHERE seen_at < %s",
            [now - timedelta(days=READER_KEPT_DAYS)],
        )
        cursor.execute(TRIM)
        return int(cursor.rowcount)
