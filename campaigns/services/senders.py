"""Who is sending a campaign right now, and who has been asked to.

A sender holds one of `SENDERS_MOST` numbered slots of its campaign: a session-level advisory lock
of PostgreSQL, which the server lets go the moment the sender's connection ends, however it died.
So a free slot is proof that whatever its last holder left behind is left for good.  Behind a
pooler that shares connections between transactions this proof does not hold; use session pooling.
"""

import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from django.core.cache import cache
from django.db import DatabaseError, connection
from redis.exceptions import RedisError

from rapport import bells

SENDERS_MOST = 4  # of one campaign at once; each has a connection to the mail server
ASKED_SECONDS = 10  # so long a call for a sender counts as heard; if it was lost, nobody comes

# A lock of one bigint is shown as two halves.
TAKEN = """
    SELECT count(*)
    FROM pg_locks l
    WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted
        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND (l.classid::bigint << 32) | l.objid::bigint IN (
            SELECT hashtextextended('rapport sender ' || %s || ' ' || n, 0)
            FROM generate_series(0, %s) n)"""


@contextmanager
def slot(campaign_id: int) -> Iterator[str | None]:
    """Hold a free slot; the name yielded starts with its number.  None when all are taken."""
    for free in range(SENDERS_MOST):
        if _ask("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", campaign_id, free):
            break
    else:
        yield None
        return
    try:
        yield f"{free}:{socket.gethostname()[:30]}:{os.getpid()}:{secrets.token_hex(4)}"
    finally:
        # A broken connection has let go of it already.
        with suppress(DatabaseError):
            _ask("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", campaign_id, free)


def number(name: str) -> int:
    """The slot in a sender's name."""
    return int(name.split(":")[0])


def taken(campaign_id: int) -> int:
    """How many slots are held."""
    with connection.cursor() as cursor:
        cursor.execute(TAKEN, [campaign_id, SENDERS_MOST - 1])
        return cursor.fetchone()[0]


def keep_free(campaign_id: int, slot_number: int) -> bool:
    """Whether nobody holds this slot; if so nobody can take it before the transaction ends."""
    return _ask(
        "SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", campaign_id, slot_number
    )


def call(campaign_id: int) -> None:
    """Ask a worker to send this campaign, unless one was asked and has not come yet.

    Without this every tick would add a call while all workers are busy, and the queue would grow.
    """
    from campaigns.tasks import deliver

    with suppress(RedisError, OSError):
        if not cache.add(_mark(campaign_id), True, timeout=ASKED_SECONDS):
            return
    bells.enqueue(deliver, campaign_id)


def came(campaign_id: int) -> None:
    """A worker has taken up the call."""
    with suppress(RedisError, OSError):
        cache.delete(_mark(campaign_id))


def _mark(campaign_id: int) -> str:
    return f"sender-called:{connection.settings_dict['NAME']}:{campaign_id}"


def _ask(statement: str, campaign_id: int, slot_number: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(statement, [f"rapport sender {campaign_id} {slot_number}"])
        return bool(cursor.fetchone()[0])
