"""Bring facts from PostgreSQL into frames, by COPY, once a run.  Writes nothing.

The server packs a block of pages into one value of fixed-width records: sending ten million rows
one by one costs more than reading them, on both ends of the line.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from django.db import connection

from customers.features.facts import KINDS, Facts
from customers.features.facts import facts as sorted_facts
from customers.models import Product

FIRST_IMPORT = timedelta(days=1)  # a source's history may come in several files
FIRST_ROWS = 1_000  # among them is one that no later correction has touched
PAGES_A_BLOCK = 64  # half a megabyte of a table, about 4,500 orders
CUSTOMERS_BY_INDEX = 10_000  # up to so many the index is quicker than the whole table
POSTGRES_EPOCH = 946_684_800_000_000  # 2000-01-01, in microseconds since 1970

# Function that puts a value on the wire: how numpy reads it there.
WIRE = {
    "int8send": ">i8", "int4send": ">i4", "int2send": ">i2", "float8send": ">f8",
    "timestamptz_send": ">i8", "boolsend": "?",
}  # fmt: skip


class Column(NamedTuple):
    """One column of a frame: its name, its function of ``WIRE``, and what to ask for."""

    name: str
    send: str
    expression: str


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
)


def facts(
    *, known_at: datetime, customer_ids: Sequence[int] | None = None, trust_import: bool = True
) -> Facts:
    """Load and sort all that features are computed from; arguments as of `orders_frame`.

    One load serves every snapshot up to ``known_at``.
    """
    given: dict[str, Any] = {"known_at": known_at, "customer_ids": customer_ids}
    given["trust_import"] = trust_import
    # The frame of orders is gone before the lines come, so that both need not fit side by side.
    return sorted_facts(orders_frame(**given)).with_lines(order_lines_frame(**given))


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
        Mark what the first import of a source brought as ``is_backfill``: it counts as known
        since it happened (decision 2).

    Returns
    -------
    DataFrame of shape (n_orders, 8), in no particular order
        ``customer_id``, ``order_id``, ``placed_at`` and ``recorded_at`` in UTC, ``amount`` paid,
        ``discount`` already taken off it, ``kind`` (*sale*, *refund*, *refunded*),
        ``is_backfill``.
    """
    trusted, params = _first_imports() if trust_import else ("false", {})
    query = _Query(
        "customers_order",
        (*ORDERS, Column("is_backfill", "boolsend", f"({trusted})")),
        [
            "f.customer_id IS NOT NULL AND f.kind <> 'adjustment' AND f.status <> 'cancelled'",
            f"f.happened_at < %(known_at)s AND (f.recorded_at < %(known_at)s OR {trusted})",
        ],
        {**params, "known_at": known_at},
    )
    if customer_ids is None:
        return _frame(query.copy())
    ids = list(customer_ids)
    if len(ids) > CUSTOMERS_BY_INDEX:
        frame = _frame(query.copy())
        return frame[np.isin(frame["customer_id"].to_numpy(), ids)].reset_index(drop=True)
    query.where.append("f.customer_id = ANY(%(ids)s)")
    query.params["ids"] = ids
    return _frame(query.copy(by_index=True))


def order_lines_frame(
    *, known_at: datetime, customer_ids: Sequence[int] | None = None, trust_import: bool = True
) -> pd.DataFrame:
    """Load the lines of goods that were sold; arguments as of `orders_frame`.

    Returns
    -------
    DataFrame of shape (n_lines, 4), in no particular order
        ``order_id``, ``product_id``, ``quantity`` above 0, ``recorded_at`` in UTC. For more than
        ``CUSTOMERS_BY_INDEX`` customers there are lines of others among them, and with
        ``trust_import`` lines recorded later: features look only at what their orders and
        ``as_of`` allow.
    """
    query = _Query(
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
    if customer_ids is None or len(customer_ids) > CUSTOMERS_BY_INDEX:
        return _frame(query.copy())
    query.where.append(
        "f.order_id IN (SELECT id FROM customers_order WHERE customer_id = ANY(%(ids)s))"
    )
    query.params["ids"] = list(customer_ids)
    return _frame(query.copy(by_index=True))


def _first_imports() -> tuple[str, dict[str, Any]]:
    """SQL that is true of orders which the first import of their source brought."""
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
    for number, (source, began) in enumerate(found):
        params |= {f"source{number}": source, f"until{number}": began + FIRST_IMPORT}
        cases.append(f"WHEN %(source{number})s THEN %(until{number})s::timestamptz")
    if len(found) == 1:
        return "f.recorded_at < %(until0)s::timestamptz", params
    return f"f.recorded_at < CASE f.source {' '.join(cases)} END", params


# --- the wire ------------------------------------------------------------------------------------


class _Query:
    """Rows of one table, on their way through one binary COPY."""

    def __init__(
        self,
        table: str,
        columns: Sequence[Column],
        where: list[str],
        params: dict[str, Any],
    ) -> None:
        self.table, self.columns, self.where, self.params = table, columns, where, params

    def copy(self, *, by_index: bool = False) -> dict[str, np.ndarray]:
        """Run it; the columns by name.

        ``by_index`` asks for all rows in one value, which PostgreSQL bounds to 1 GB; otherwise
        the table is read once, block by block, in bounded memory on both sides.
        """
        record = " || ".join(f"{column.send}({column.expression})" for column in self.columns)
        packed = (
            f"SELECT string_agg({record}, '') AS block FROM {self.table} f"
            f" WHERE {' AND '.join(self.where)}"
        )
        if not by_index:
            first, after = "('(' || page || ',0)')", f"('(' || page + {PAGES_A_BLOCK} || ',0)')"
            packed = (
                f"SELECT block FROM generate_series(0, pg_relation_size('{self.table}')"
                f" / current_setting('block_size')::int, {PAGES_A_BLOCK}) page, LATERAL"
                f" ({packed} AND f.ctid >= {first}::tid AND f.ctid < {after}::tid) packed"
            )
        receiver = _Receiver(self.columns)
        with connection.cursor() as cursor:
            query = cursor.mogrify(packed, self.params).decode()
            cursor.copy_expert(f"COPY ({query}) TO STDOUT (FORMAT binary)", receiver)
        return receiver.columns()


class _Receiver:
    """The receiving end: a binary COPY of one value a row, each full of records.

    libpq hands over one row at a time; the file's header comes with the first.
    """

    HEADER_BYTES = len(b"PGCOPY\n\xff\r\n\0") + 8
    ROW_BYTES = 6  # int16 number of fields, int32 length of the only one

    def __init__(self, columns: Sequence[Column]) -> None:
        self.record = np.dtype([(column.name, WIRE[column.send]) for column in columns])
        self.moments = {column.name for column in columns if column.send == "timestamptz_send"}
        self.chunks: dict[str, list[np.ndarray]] = {column.name: [] for column in columns}
        self._begins_at = self.HEADER_BYTES

    def write(self, data: bytes) -> int:
        start = self._begins_at + self.ROW_BYTES
        length = int.from_bytes(data[start - 4 : start], "big", signed=True)
        self._begins_at = 0
        if len(data) > start:  # neither an empty block (NULL) nor the end
            assert len(data) - start == length, "this COPY has rows of another shape"
            self._take(np.frombuffer(data, self.record, offset=start))
        return len(data)

    def _take(self, rows: np.ndarray) -> None:
        for name, chunks in self.chunks.items():
            chunk = rows[name].astype(rows[name].dtype.newbyteorder("="))
            if name in self.moments:
                chunk += POSTGRES_EPOCH
            chunks.append(chunk)

    def columns(self) -> dict[str, np.ndarray]:
        """The columns; their chunks are let go one by one."""
        found = {}
        for name in self.record.names or ():
            chunks = self.chunks.pop(name)
            kind = self.record[name].newbyteorder("=")
            column = np.concatenate(chunks) if chunks else np.empty(0, kind)
            found[name] = column.view("M8[us]") if name in self.moments else column
        return found


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
