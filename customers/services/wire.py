"""COPY out of PostgreSQL into numpy and pandas, in bounded memory.  Writes nothing.

Numbers and moments travel packed: the server puts the rows of a block of pages into one value of
fixed-width records, for sending ten million rows one by one costs more than reading them.
"""

import io
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from django.db import connection
from pandas.api.types import union_categoricals

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
            cursor.execute("SELECT reltuples FROM pg_class WHERE oid = %s::regclass", [self.table])
            expected = 0 if by_index else int(cursor.fetchone()[0] * pages.share * SPARE_ROOM)
            receiver = RecordReceiver(self.columns, expected=max(expected, FIRST_ROOM))
            query = cursor.mogrify(packed, self.params).decode()
            cursor.copy_expert(f"COPY ({query}) TO STDOUT (FORMAT binary)", receiver)
        return receiver.columns()


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
    kinds: dict[str, str],
    *,
    known_at: datetime,
    customer_ids: Sequence[int] | None,
) -> pd.DataFrame:
    """Run a query that brings text along, as CSV; moments travel as microseconds."""
    moments = [name for name, kind in kinds.items() if kind == "M8"]
    query = query.format(
        **{name: f"(extract(epoch FROM {name}) * 1000000)::int8" for name in moments}
    )
    params: dict[str, Any] = {"known_at": known_at}
    if customer_ids is not None:
        query += " AND customer_id = ANY(%(ids)s)"
        params["ids"] = list(customer_ids)
    receiver = TextReceiver({name: "int64" if name in moments else kinds[name] for name in kinds})
    with connection.cursor() as cursor:
        wanted = cursor.mogrify(query, params).decode()
        cursor.copy_expert(f"COPY ({wanted}) TO STDOUT (FORMAT csv, FORCE_QUOTE *)", receiver)
    columns = receiver.columns()
    for name in moments:
        columns[name] = columns[name].astype("datetime64[us]").dt.tz_localize("UTC")
    return pd.DataFrame(columns, copy=False)


class TextReceiver:
    """The receiving end of a COPY of CSV: parses whole rows, so many bytes at a time."""

    def __init__(self, kinds: dict[str, str]) -> None:
        self.kinds = kinds
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
