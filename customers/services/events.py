"""Append events that programs report one by one or in small batches.

Event rows are born here and in `customers.services.imports`; nothing changes one afterwards.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection, transaction

from customers.services.importing.counts import Counts, ring

RECORD = """
    INSERT INTO customers_event (source, message_id, customer_id, anonymous_id, name, properties,
        happened_at, recorded_at)
    SELECT *, %s::timestamptz FROM unnest(%s::text[], %s::text[], %s::bigint[], %s::text[],
        %s::text[], %s::jsonb[], %s::timestamptz[])
    ON CONFLICT (source, message_id) DO NOTHING
    RETURNING customer_id
"""


@dataclass(frozen=True)
class NewEvent:
    """One thing that happened, as its source tells it; ``customer_id`` is our own."""

    source: str
    message_id: str
    customer_id: int | None
    anonymous_id: str
    name: str
    properties: dict[str, Any] = field(default_factory=dict)
    happened_at: datetime = field(kw_only=True)


def record(rows: Sequence[NewEvent], *, now: datetime) -> int:
    """Append the events that are not there yet and return how many those were.

    Safe to repeat and to run beside itself: an event is known by its source and message id.
    Says on commit which customers have new events.
    """
    if not rows:
        return 0
    # In one order, so that two writers of the same events wait for each other instead of locking.
    rows = sorted(rows, key=lambda row: (row.source, row.message_id))
    columns: list[Any] = [
        [row.source for row in rows],
        [row.message_id for row in rows],
        [row.customer_id for row in rows],
        [row.anonymous_id for row in rows],
        [row.name for row in rows],
        [json.dumps(row.properties, cls=DjangoJSONEncoder) for row in rows],
        [row.happened_at for row in rows],
    ]
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(RECORD, [now, *columns])
            written = [pk for (pk,) in cursor.fetchall()]
        counts = Counts()
        counts.touch(written)
        ring(counts, cause="event", now=now)
    return len(written)
