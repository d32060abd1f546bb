"""Events for the databases that benchmarks fill."""

from collections.abc import Callable, Mapping

import numpy as np
from features import BLOCK, DAY, POSTGRES_AS_OF, _copy, numbered, word

EVENT_DAYS = 400
Properties = Callable[[np.random.Generator, int], np.ndarray]  # so many, as jsonb is sent


def fill_events(
    customers: int,
    events: int,
    *,
    names: Mapping[str, float],
    properties: Properties,
    seed: int = 11,
) -> None:
    """Events in order of time, many of them by few customers; ``names`` have parts of all.

    Indexes are made afterwards.
    """
    from django.db import connection

    from customers.models import Event

    rng = np.random.default_rng(seed)
    weight = rng.gamma(0.8, size=customers) + 0.05
    share = np.cumsum(weight / weight.sum())
    step = EVENT_DAYS * DAY / events
    kept = [*Event._meta.constraints, *Event._meta.indexes]
    with connection.schema_editor() as editor:
        for one in Event._meta.constraints:
            editor.remove_constraint(Event, one)
        for one in Event._meta.indexes:
            editor.remove_index(Event, one)
    with connection.cursor() as cursor:
        for first in range(0, events, BLOCK):
            n = min(BLOCK, events - first)
            ids = np.arange(first + 1, first + n + 1, dtype="i8")
            since = ((ids - rng.random(n)) * step).astype("i8")
            happened = POSTGRES_AS_OF - EVENT_DAYS * DAY + since
            customer = np.minimum(np.searchsorted(share, rng.random(n)), customers - 1) + 1
            kind = rng.choice(len(names), n, p=list(names.values()))
            for place, name in enumerate(names):  # one COPY a width of the name
                rows = np.flatnonzero(kind == place)
                columns = {
                    "id": ids[rows],
                    "source": word("web", rows.size),
                    "message_id": numbered("m", ids[rows]),
                    "customer_id": customer[rows].astype("i8"),
                    "anonymous_id": np.empty((rows.size, 0), "i1"),
                    "name": word(name, rows.size),
                    "properties": properties(rng, rows.size),
                    "happened_at": happened[rows],
                    "recorded_at": happened[rows] + 60_000_000,
                }
                _copy(cursor, "customers_event", columns)
        cursor.execute(
            "SELECT setval(pg_get_serial_sequence('customers_event', 'id'), %s)", [events]
        )
        cursor.execute("SET maintenance_work_mem = '512MB'")
    with connection.schema_editor() as editor:
        for one in kept:
            if one in Event._meta.constraints:
                editor.add_constraint(Event, one)
            else:
                editor.add_index(Event, one)
