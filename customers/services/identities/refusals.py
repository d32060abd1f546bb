"""Keep which handles were claimed and not given, and why.  The only writer of ``RefusedClaim``.

A broken page may claim "null" a thousand times a second: repeats within `QUIET_MINUTES` are not
written, so that nobody waits for the row, and `trim` bounds the table.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection

QUIET_MINUTES = 5
KEPT = 20_000  # rows, the latest
NOTE = """
    INSERT INTO customers_refusedclaim AS r (kind, source, value, reason, customer_id, holder_id,
        first_at, last_at)
    SELECT g.kind, g.source, g.value, g.reason, g.customer_id, g.holder_id, %(now)s, %(now)s
    FROM (
        SELECT DISTINCT * FROM unnest(%(kind)s::text[], %(source)s::text[], %(value)s::text[],
            %(reason)s::text[], %(customer_id)s::bigint[], %(holder_id)s::bigint[])
            g(kind, source, value, reason, customer_id, holder_id)
    ) g
    WHERE NOT EXISTS (
        SELECT FROM customers_refusedclaim k
        WHERE k.source = g.source AND k.kind = g.kind AND k.value = g.value
            AND k.reason = g.reason AND k.customer_id IS NOT DISTINCT FROM g.customer_id
            AND k.holder_id IS NOT DISTINCT FROM g.holder_id AND k.last_at > %(quiet)s)
    ORDER BY g.source, g.kind, g.value, g.reason, g.customer_id, g.holder_id
    ON CONFLICT (source, kind, value, reason, customer_id, holder_id)
        DO UPDATE SET last_at = greatest(r.last_at, excluded.last_at)
    RETURNING reason, customer_id
"""
TRIM = """
    DELETE FROM customers_refusedclaim WHERE id IN (
        SELECT id FROM customers_refusedclaim ORDER BY last_at DESC, id DESC OFFSET %s)
"""


class Refused(NamedTuple):
    """One row to keep."""

    kind: str
    source: str
    value: str
    reason: str
    customer_id: int | None
    holder_id: int | None


def note(rows: Sequence[Refused], *, now: datetime) -> list[int]:
    """Keep them; returns the customers for whom merging was stopped and nobody has heard yet."""
    if not rows:
        return []
    columns = dict(zip(Refused._fields, map(list, zip(*rows, strict=True)), strict=True))
    given: dict[str, Any] = {
        **columns,
        "now": now,
        "quiet": now - timedelta(minutes=QUIET_MINUTES),
    }
    with connection.cursor() as cursor:
        cursor.execute(NOTE, given)
        written = cursor.fetchall()
    return sorted({pk for reason, pk in written if reason == "too_many" and pk is not None})


def trim() -> int:
    """Keep the latest `KEPT` rows; returns how many went."""
    with connection.cursor() as cursor:
        cursor.execute(TRIM, [KEPT])
        return int(cursor.rowcount)
