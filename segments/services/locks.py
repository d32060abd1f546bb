"""Who waits for whom while memberships are refreshed: advisory locks, which hold up no import."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

LOCK = 732_911_001  # our class of advisory locks, beside the number of a bucket of customers
BUCKETS = 64
EVERYBODY = 0  # the bucket that all share and a rebuild holds alone
REBUILD = BUCKETS + 1


def hold(ids: list[int]) -> None:
    """Keep other refreshes away from these customers until the transaction ends.

    Buckets are locked in order, so that two workers cannot wait for each other; the rows of the
    customers are not locked, so that imports and tracking go on.
    """
    buckets = sorted({1 + pk % BUCKETS for pk in ids})
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock_shared(%s, %s)", [LOCK, EVERYBODY])
        cursor.execute(
            "SELECT pg_advisory_xact_lock(%s, bucket) FROM unnest(%s::int[]) bucket",
            [LOCK, buckets],
        )


def hold_everybody() -> None:
    """Keep all other refreshes away until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [LOCK, EVERYBODY])


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
