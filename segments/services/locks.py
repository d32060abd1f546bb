"""Who waits for whom while memberships are refreshed: rows of Recheck, and one advisory lock.

A refresh holds the Recheck rows of its customers, so that two workers meet only at a customer both
are asked about, and no import waits.  All refreshes share one advisory lock, which a swap of many
memberships holds alone for a moment.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from segments.services import statements

LOCK = 732_911_001  # our class of advisory locks
EVERYBODY = 0  # shared by all refreshes, held alone by a swap
REBUILD = 65


@dataclass(frozen=True)
class Held:
    """What was found while the customers were being held."""

    latest: datetime | None  # the moment of an ask that was later than ours
    stamp: int  # of the definitions of all live segments
    prepared: tuple[str, ...]  # our statements that this server process knows by name
    scored: tuple[str | None, ...]  # which scoring each of the scores asked for is of


def hold(ids: list[int], *, now: datetime | None = None, scores: Sequence[str] = ()) -> Held:
    """Keep other refreshes away from these customers until the transaction ends.

    Rows are locked in order, so that two workers cannot wait for each other.
    """
    given: dict[str, Any] = {"lock": LOCK, "everybody": EVERYBODY, "ids": ids, "now": now}
    given["scores"] = list(scores)
    with connection.cursor() as cursor:
        cursor.execute(statements.HOLD, given)
        count, latest, stamp, prepared, scored = cursor.fetchone()
        if count < len(ids):  # some were never asked about
            cursor.execute(statements.FIRST_ASK, given)
            cursor.execute(statements.HOLD, given)
            count, latest, stamp, prepared, scored = cursor.fetchone()
    return Held(latest, stamp, tuple(prepared), tuple(scored))


def hold_due(now: datetime, *, most: int) -> list[int]:
    """Hold customers whose moment has come and whom nobody else holds; the first come first."""
    given: dict[str, Any] = {"lock": LOCK, "everybody": EVERYBODY, "now": now, "most": most}
    with connection.cursor() as cursor:
        cursor.execute(statements.HOLD_DUE, given)
        return [pk for (pk,) in cursor.fetchall()]


def hold_everybody() -> None:
    """Keep all other refreshes away until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [LOCK, EVERYBODY])


def is_rebuilding() -> bool:
    """Whether a rebuild is at work, or waits for its turn."""
    with connection.cursor() as cursor:
        cursor.execute(statements.IS_HELD, {"lock": LOCK, "which": REBUILD})
        return bool(cursor.fetchone()[0])


@contextmanager
def one_rebuild(*, may_skip: bool) -> Iterator[bool]:
    """Let one rebuild at a time through; yields whether this is the one."""
    with connection.cursor() as cursor:
        if may_skip:
            cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [LOCK, REBUILD])
            is_mine = cursor.fetchone()[0]
        else:
            cursor.execute("SELECT pg_advisory_lock(%s, %s)", [LOCK, REBUILD])
            is_mine = True
    try:
        yield is_mine
    finally:
        if is_mine and not connection.needs_rollback and connection.is_usable():
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [LOCK, REBUILD])
