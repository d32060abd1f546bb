"""Bring facts from PostgreSQL into frames, by COPY, once a run.  Writes nothing."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np
import pandas as pd
from django.db import connection, transaction

from customers.features.facts import KINDS, Facts
from customers.features.facts import facts as sorted_facts
from customers.models import Product
from customers.services import wire
from customers.services.wire import Column

FIRST_ROWS = 1_000  # among them is one that no later correction has touched
PARTS = 6  # of each table: small enough that two connections end together
CUSTOMERS_BY_INDEX = 10_000  # up to so many the index is quicker than the whole table

ORDERS = (
    Column("customer_id", "int8send", "f.customer_id"),
    Column("order_id", "int8send", "f.id"),
    Column("placed_at", "timestamptz_send", "f.happened_at"),
    Column("recorded_at", "timestamptz_send", "f.recorded_at"),
    Column("amount", "float8send", "f.total::float8"),
    Column("discount", "float8send", "f.discount::float8"),
    Column(
        "kind",
        "int2send",
        "(CASE WHEN f.kind = 'refund' THEN 1 WHEN f.status = 'refunded' THEN 2 ELSE 0 END)::int2",
    ),
)
LINES = (
    Column("order_id", "int8send", "f.order_id"),
    Column("product_id", "int8send", "f.product_id"),
    Column("quantity", "int4send", "f.quantity"),
    Column("recorded_at", "timestamptz_send", "f.recorded_at"),
    Column("discount", "float8send", "f.discount::float8"),
)


def facts(
    *, known_at: datetime, customer_ids: Sequence[int] | None = None, trust_import: bool = True
) -> Facts:
    """Load and sort all that features are computed from; arguments as of `orders_frame`.

    One load serves every snapshot up to ``known_at``. For everybody, two connections read parts of
    the tables under one snapshot of the database. Inside a transaction, and for given customers,
    all is read on this connection.
    """
    given: dict[str, Any] = {"known_at": known_at, "customer_ids": customer_ids}
    given["trust_import"] = trust_import
    if customer_ids is not None or connection.in_atomic_block:
        return sorted_facts(orders_frame(**given)).with_lines(order_lines_frame(**given))
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        found = _side_by_side(
            _lines(known_at, trust_import=trust_import),
            _orders(known_at, trust_import=trust_import),
        )
    # Each is let go once it is a frame: of ten million orders it is half a gigabyte.
    return sorted_facts(_frame(found.pop())).with_lines(_frame(found.pop()))


def _side_by_side(*queries: wire.Query) -> list[dict[str, np.ndarray]]:
    """Run the queries in parts on this connection and on one more, under the same snapshot."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_export_snapshot()")
        (snapshot,) = cursor.fetchone()
    waiting: SimpleQueue[tuple[int, wire.Query, wire.Pages]] = SimpleQueue()
    for place, query in enumerate(queries):
        for pages in wire.parts(query.table, PARTS):
            waiting.put((place, query, pages))
    found: list[list[dict[str, np.ndarray]]] = [[] for _ in queries]

    def take() -> None:
        with suppress(Empty):
            while True:
                place, query, pages = waiting.get_nowait()
                found[place].append(query.copy(pages=pages))

    def take_on_own_connection() -> None:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                cursor.execute("SET TRANSACTION SNAPSHOT %s", [snapshot])
                take()
        finally:
            connection.close()  # Django keeps one a thread, and this thread ends

    with ThreadPoolExecutor(max_workers=1) as pool:
        other = pool.submit(take_on_own_connection)
        take()
        other.result()
    return [wire.join(parts) for parts in found]


def orders_frame(
    *, known_at: datetime, customer_ids: Sequence[int] | None = None, trust_import: bool = True
) -> pd.DataFrame:
    """Load what customers bought and gave back, as far as it was known at ``known_at``.

    Guests, cancelled orders and adjustments are left out.

    Parameters
    ----------
    known_at : datetime
        Aware; only facts that happened and were recorded before it.
    customer_ids : sequence of int, optional
        Only these customers; the same query, hence the same numbers.
    trust_import : bool
        Mark orders from before their source was connected as ``is_backfill``: imported later,
        they count as known since they happened (decision 2).

    Returns
    -------
    DataFrame of shape (n_orders, 8), in no particular order
        ``customer_id``, ``order_id``, ``placed_at`` and ``recorded_at`` in UTC, ``amount`` paid,
        ``discount`` already taken off it, ``kind`` (*sale*, *refund*, *refunded*),
        ``is_backfill``.
    """
    query = _orders(known_at, trust_import=trust_import)
    if customer_ids is None:
        return _frame(query.copy())
    ids = list(customer_ids)
    if len(ids) > CUSTOMERS_BY_INDEX:
        frame = _frame(query.copy())
        return frame[np.isin(frame["customer_id"].to_numpy(), ids)].reset_index(drop=True)
    query.where.append("f.customer_id = ANY(%(ids)s)")
    query.params["ids"] = ids
    return _frame(query.copy(by_index=True))


def _orders(known_at: datetime, *, trust_import: bool) -> wire.Query:
    trusted, params = _before_connection() if trust_import else ("false", {})
    return wire.Query(
        "customers_order",
        (*ORDERS, Column("is_backfill", "boolsend", f"({trusted})")),
        [
            "f.customer_id IS NOT NULL AND f.kind <> 'adjustment' AND f.status <> 'cancelled'",
            f"f.happened_at < %(known_at)s AND (f.recorded_at < %(known_at)s OR {trusted})",
        ],
        {**params, "known_at": known_at},
    )


def order_lines_frame(
    *, known_at: datetime, customer_ids: Sequence[int] | None = None, trust_import: bool = True
) -> pd.DataFrame:
    """Load the lines of goods that were sold; arguments as of `orders_frame`.

    Returns
    -------
    DataFrame of shape (n_lines, 5), in no particular order
        ``order_id``, ``product_id``, ``quantity`` above 0, ``recorded_at`` in UTC, ``discount`` of
        the whole line. For more than
        ``CUSTOMERS_BY_INDEX`` customers there are lines of others among them, and with
        ``trust_import`` lines recorded later: features look only at what their orders and
        ``as_of`` allow.
    """
    query = _lines(known_at, trust_import=trust_import)
    if customer_ids is None or len(customer_ids) > CUSTOMERS_BY_INDEX:
        return _frame(query.copy())
    query.where.append(
        "f.order_id IN (SELECT id FROM customers_order WHERE customer_id = ANY(%(ids)s))"
    )
    query.params["ids"] = list(customer_ids)
    return _frame(query.copy(by_index=True))


def _lines(known_at: datetime, *, trust_import: bool) -> wire.Query:
    query = wire.Query(
        "customers_orderline",
        LINES,
        ["f.quantity > 0 AND f.happened_at < %(known_at)s"],
        {"known_at": known_at},
    )
    if not trust_import:
        query.where.append("f.recorded_at < %(known_at)s")
    other = list(Product.objects.exclude(kind=Product.Kind.GOODS).values_list("pk", flat=True))
    if other:
        query.where.append("f.product_id <> ALL(%(other)s)")
        query.params["other"] = other
    return query


def events_frame(*, known_at: datetime, customer_ids: Sequence[int] | None = None) -> pd.DataFrame:
    """Load the events of known customers that happened and were recorded before ``known_at``.

    Returns
    -------
    DataFrame of shape (n_events, 4), sorted by customer and moment
        ``customer_id``; ``name``, a category; ``happened_at`` and ``recorded_at`` in UTC.
    """
    query = """
        SELECT customer_id, name, {happened_at}, {recorded_at} FROM customers_event
        WHERE customer_id IS NOT NULL AND happened_at < %(known_at)s AND recorded_at < %(known_at)s
    """
    frame = wire.text(
        query,
        {"customer_id": "int64", "name": "category", "happened_at": "M8", "recorded_at": "M8"},
        known_at=known_at,
        customer_ids=customer_ids,
    )
    return frame.sort_values(["customer_id", "happened_at"], kind="stable", ignore_index=True)


def customers_frame(
    *, known_at: datetime, customer_ids: Sequence[int] | None = None
) -> pd.DataFrame:
    """Load what is known of customers themselves, of those known before ``known_at``.

    It says how they are now: their country of last year is not kept.

    Returns
    -------
    DataFrame of shape (n_customers, 4), sorted by customer
        ``customer_id``; ``country`` and ``language``, categories, empty where unknown;
        ``happened_at`` in UTC, when the shop came to know them.
    """
    query = """
        SELECT customer_id, country, language, {happened_at}
        FROM (SELECT id AS customer_id, * FROM customers_customer) c
        WHERE happened_at < %(known_at)s AND recorded_at < %(known_at)s AND erased_at IS NULL
    """
    frame = wire.text(
        query,
        {
            "customer_id": "int64",
            "country": "category",
            "language": "category",
            "happened_at": "M8",
        },
        known_at=known_at,
        customer_ids=customer_ids,
    )
    return frame.sort_values("customer_id", ignore_index=True)


def _before_connection() -> tuple[str, dict[str, Any]]:
    """SQL that is true of orders placed before we first heard of their source."""
    with connection.cursor() as cursor:
        # One index probe a source: SELECT DISTINCT would read the whole table.
        cursor.execute(
            """
            WITH RECURSIVE known(source) AS (
                (SELECT source FROM customers_order ORDER BY source LIMIT 1)
                UNION ALL
                SELECT (SELECT source FROM customers_order o WHERE o.source > known.source
                        ORDER BY source LIMIT 1)
                FROM known WHERE known.source IS NOT NULL)
            SELECT source, (
                SELECT min(recorded_at) FROM (
                    SELECT recorded_at FROM customers_order o WHERE o.source = known.source
                    ORDER BY id LIMIT %s) first_rows)
            FROM known WHERE source IS NOT NULL
            """,
            [FIRST_ROWS],
        )
        found = cursor.fetchall()
    if not found:
        return "false", {}
    params: dict[str, Any] = {}
    cases = []
    for number, (source, heard_at) in enumerate(found):
        params |= {f"source{number}": source, f"heard{number}": heard_at}
        cases.append(f"WHEN %(source{number})s THEN %(heard{number})s::timestamptz")
    if len(found) == 1:
        return "f.happened_at < %(heard0)s::timestamptz", params
    return f"f.happened_at < CASE f.source {' '.join(cases)} END", params


def _frame(columns: dict[str, np.ndarray]) -> pd.DataFrame:
    """A frame over these very arrays, moments in UTC."""
    given: dict[str, Any] = {}
    for name, values in columns.items():
        if values.dtype.kind == "M":
            given[name] = pd.Series(values, copy=False).dt.tz_localize("UTC")
        elif name == "kind":
            kinds = pd.Index(KINDS)
            given[name] = pd.Categorical.from_codes(values.astype(np.int8), categories=kinds)
        else:
            given[name] = values
    return pd.DataFrame(given, copy=False)
