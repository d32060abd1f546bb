"""COPY out of PostgreSQL into numpy and pandas, in bounded memory.  Writes nothing.

Numbers and moments travel packed: the server puts the rows of a block of pages into one value of
fixed-width records, for sending ten million rows one by one costs more than reading them.
"""

import io
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from django.db import connection, transaction
from pandas.api.types import union_categoricals

PARTS = 6  # of each table: small enough that two connections end together
PAGES_A_BLOCK = 64  # half a megabyte of a table, about 4,500 orders
FIRST_ROOM = 4_096  # rows
SPARE_ROOM = 1.1  # of PostgreSQL's own estimate: what is never written to takes no memory
TEXT_BYTES = 16 * 2**20  # of CSV, parsed at once
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


class Pages(NamedTuple):
    """A part of a table: from this page to before that one, or to its end."""

    first: int
    after: int | None
    share: float  # of the table


def parts(table: str, count: int) -> list[Pages]:
    """The table as about so many parts, whole blocks of pages each; the last has no end."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_relation_size(%s) / current_setting('block_size')::int", [table])
        blocks = cursor.fetchone()[0] // PAGES_A_BLOCK + 1
    count = min(count, blocks)
    edges = [blocks * place // count * PAGES_A_BLOCK for place in range(count)]
    return [Pages(*part, 1 / count) for part in zip(edges, [*edges[1:], None], strict=True)]


def join(found: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The columns of all parts, one after the other; the parts are let go one by one."""
    return {name: np.concatenate([part.pop(name) for part in found]) for name in list(found[0])}


def frame(
    columns: dict[str, np.ndarray], words: Mapping[str, Sequence[str]] | None = None
) -> pd.DataFrame:
    """A frame over these very arrays, moments in UTC; ``words`` are what numbers stand for."""
    given: dict[str, Any] = {}
    for name, values in columns.items():
        if values.dtype.kind == "M":
            given[name] = pd.Series(values, copy=False).dt.tz_localize("UTC")
        elif words and name in words:
            categories = pd.Index(words[name])
            given[name] = pd.Categorical.from_codes(values.astype(np.int8), categories=categories)
        else:
            given[name] = values
    return pd.DataFrame(given, copy=False)


class Query:
    """Rows of one table, on their way through one binary COPY."""

    def __init__(
        self,
        table: str,
        columns: Sequence[Column],
        where: list[str],
        params: dict[str, Any],
    ) -> None:
        self.table, self.columns, self.where, self.params = table, columns, where, params

    def copy(self, *, by_index: bool = False, pages: Pages | None = None) -> dict[str, np.ndarray]:
        """Run it; the columns by name.

        ``by_index`` asks for all rows in one value, which PostgreSQL bounds to 1 GB; otherwise
        the table, or these pages of it, is read once, block by block, in bounded memory on both
        sides.
        """
        pages = pages or Pages(0, None, 1.0)
        record = " || ".join(f"{column.send}({column.expression})" for column in self.columns)
        packed = (
            f"SELECT string_agg({record}, '') AS block FROM {self.table} f"
            f" WHERE {' AND '.join(self.where)}"
        )
        if not by_index:
            first, after = "('(' || page || ',0)')", f"('(' || page + {PAGES_A_BLOCK} || ',0)')"
            last = f"pg_relation_size('{self.table}') / current_setting('block_size')::int"
            if pages.after is not None:
                last = str(pages.after - 1)
            packed = (
                f"SELECT block FROM generate_series({pages.first}, {last}, {PAGES_A_BLOCK}) page,"
                " LATERAL"
                f" ({packed} AND f.ctid >= {first}::tid AND f.ctid < {after}::tid) packed"
            )
        with connection.cursor() as cursor:
            expected = 0
            if not by_index:
                rows = "SELECT reltuples FROM pg_class WHERE oid = %s::regclass"
                cursor.execute(rows, [self.table])
                expected = int(cursor.fetchone()[0] * pages.share * SPARE_ROOM)
            receiver = RecordReceiver(self.columns, expected=max(expected, FIRST_ROOM))
            query = cursor.mogrify(packed, self.params).decode()
            cursor.copy_expert(f"COPY ({query}) TO STDOUT (FORMAT binary)", receiver)
        return receiver.columns()


def side_by_side(*queries: "Query") -> list[dict[str, np.ndarray]]:
    """Run the queries in parts on this connection and on one more, under the same snapshot."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_export_snapshot()")
        (snapshot,) = cursor.fetchone()
    waiting: SimpleQueue[tuple[int, Query, Pages]] = SimpleQueue()
    for place, query in enumerate(queries):
        for pages in parts(query.table, PARTS):
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
    return [join(each) for each in found]


class RecordReceiver:
    """The receiving end: a binary COPY of one value a row, each full of records.

    libpq hands over one row at a time; the file's header comes with the first.
    """

    HEADER_BYTES = len(b"PGCOPY\n\xff\r\n\0") + 8
    ROW_BYTES = 6  # int16 number of fields, int32 length of the only one

    def __init__(self, columns: Sequence[Column], *, expected: int) -> None:
        self.record = np.dtype([(column.name, WIRE[column.send]) for column in columns])
        self.moments = {column.name for column in columns if column.send == "timestamptz_send"}
        self.size = 0
        self._begins_at = self.HEADER_BYTES
        self._room = {
            name: np.empty(expected, self.record[name].newbyteorder("="))
            for name in self.record.names or ()
        }

    def write(self, data: bytes) -> int:
        start = self._begins_at + self.ROW_BYTES
        length = int.from_bytes(data[start - 4 : start], "big", signed=True)
        self._begins_at = 0
        if len(data) > start:  # neither an empty block (NULL) nor the end
            assert len(data) - start == length, "this COPY has rows of another shape"
            self._take(np.frombuffer(data, self.record, offset=start))
        return len(data)

    def _take(self, rows: np.ndarray) -> None:
        end = self.size + rows.size
        for name, room in self._room.items():
            if end > room.size:
                wider = np.empty(max(end, 2 * room.size), room.dtype)
                wider[: self.size] = room[: self.size]
                self._room[name] = room = wider
            room[self.size : end] = rows[name]
        self.size = end

    def columns(self) -> dict[str, np.ndarray]:
        """The columns received."""
        found = {}
        for name, room in self._room.items():
            column = room[: self.size]
            if name in self.moments:
                column += POSTGRES_EPOCH
                column = column.view("M8[us]")
            found[name] = column
        return found


def text(
    query: str,
    kinds: Mapping[str, str],
    *,
    known_at: datetime,
    customer_ids: Sequence[int] | None,
) -> pd.DataFrame:
    """Run a query that brings text along, as CSV; ``kinds`` are numpy's and pandas' of columns."""
    params: dict[str, Any] = {"known_at": known_at}
    if customer_ids is not None:
        query += " AND customer_id = ANY(%(ids)s)"
        params["ids"] = list(customer_ids)
    receiver = TextReceiver(kinds)
    with connection.cursor() as cursor:
        wanted = cursor.mogrify(query, params).decode()
        cursor.copy_expert(f"COPY ({wanted}) TO STDOUT (FORMAT csv, FORCE_QUOTE *)", receiver)
    return pd.DataFrame(receiver.columns(), copy=False)


class TextReceiver:
    """The receiving end of a COPY of CSV: parses whole rows, so many bytes at a time."""

    def __init__(self, kinds: Mapping[str, str]) -> None:
        self.kinds = dict(kinds)
        self.buffer = bytearray()
        self.parts: list[pd.DataFrame] = []

    def write(self, data: bytes) -> int:
        self.buffer += data  # libpq hands over whole rows, also where a text holds line breaks
        if len(self.buffer) >= TEXT_BYTES:
            self._take()
        return len(data)

    def _take(self) -> None:
        self.parts.append(
            pd.read_csv(
                io.BytesIO(self.buffer),
                header=None,
                names=list(self.kinds),
                dtype=self.kinds,
                keep_default_na=False,
            )
        )
        self.buffer = bytearray()

    def columns(self) -> dict[str, pd.Series]:
        """The columns; their parts are let go one by one."""
        if self.buffer or not self.parts:
            self._take()
        found = {}
        for name, kind in self.kinds.items():
            parts = [part.pop(name) for part in self.parts]
            if kind == "category":
                found[name] = pd.Series(union_categoricals(parts))
            else:
                found[name] = pd.concat(parts, ignore_index=True)
        return found
