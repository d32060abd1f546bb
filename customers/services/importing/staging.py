"""Stage rows as they came, check and cast them in SQL, and remember what was wrong with which.

Writes its own tables only, named after the run, dropped when it is over.  They are unlogged: their
content is in the file.  ``raw`` holds text, ``facts`` the typed columns of a `Kind`, ``faults`` why
rows are left out.
"""

import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import DatabaseError, DataError, connection, transaction

from customers.collect.rows import Fault, Piece, shown
from customers.services.importing.shapes import Column, Kind
from rapport.errors import DomainError

STATISTICS_TARGET = 10  # a sample of 3,000 rows tells tables of a few rows from large ones
ROWS_A_COPY = 200_000  # rows sent in one statement: progress and cancelling in between
TABLES = ("raw", "facts", "faults", "orders", "heads", "people")
TABLE_IN_SQL = re.compile(r"\{(" + "|".join(TABLES) + r")\}")
FITS = """
CREATE OR REPLACE FUNCTION pg_temp.fits(value text, target text) RETURNS boolean
LANGUAGE plpgsql STRICT AS $$
BEGIN
    CASE target
        WHEN 'timestamptz' THEN PERFORM value::timestamptz;
        WHEN 'date' THEN PERFORM value::date;
        WHEN 'int4' THEN PERFORM value::int4;
        WHEN 'numeric' THEN PERFORM value::numeric(14,4);
        WHEN 'jsonb' THEN PERFORM value::jsonb;
        WHEN 'inet' THEN PERFORM value::inet;
    END CASE;
    RETURN true;
EXCEPTION WHEN data_exception THEN
    RETURN false;
END $$
"""


@dataclass
class Shape:
    """How the columns of one file become those of a `Kind`: SQL over the raw columns ``c1`` …"""

    kind: Kind
    columns: list[str]  # as the file names them
    expressions: dict[str, str]  # our column → SQL
    labels: dict[str, str] = field(default_factory=dict)  # our column → the file's name for it
    extra: list[tuple[str, str]] = field(default_factory=list)  # kept under this name ← SQL
    ignored: set[str] = field(default_factory=set)  # columns that have no place

    def has(self, column: str) -> bool:
        return column in self.expressions


class Stage:
    """The staging tables of one import."""

    def __init__(
        self, name: str, shape: Shape, *, source: str, now: datetime, temporary: bool = False
    ) -> None:
        self.shape = shape
        self.temporary = temporary
        self.name = name
        self.unreadable = 0  # rows that are not even columns
        self.undecodable = 0  # rows that are no UTF-8
        self.touches_many = False  # no need to name the customers any more
        self.params: dict[str, Any] = {
            "now": now,
            "source": source,
            "latest": (now + timedelta(days=1)).strftime("%Y-%m-%d"),
            "extra_names": [name for name, _ in shape.extra],
        }

    def sql(self, text: str) -> str:
        """Put the staging tables' names into ``text``: ``{raw}``, ``{facts}`` …"""
        return TABLE_IN_SQL.sub(rf"{self.name}_\1", text)

    def run(self, text: str, **params: Any) -> int:
        with connection.cursor() as cursor:
            cursor.execute(self.sql(text), {**self.params, **params})
            return cursor.rowcount

    def rows(self, text: str, **params: Any) -> list[tuple]:
        with connection.cursor() as cursor:
            cursor.execute(self.sql(text), {**self.params, **params})
            return cursor.fetchall()

    def table(self) -> str:
        return "CREATE TEMP TABLE" if self.temporary else "CREATE UNLOGGED TABLE"

    def exists(self) -> bool:
        return bool(self.rows("SELECT 1 WHERE to_regclass('{facts}') IS NOT NULL"))

    def drop(self) -> None:
        self.drop_named(self.name)

    @staticmethod
    def drop_named(name: str) -> None:
        names = ", ".join(f"{name}_{table}" for table in TABLES)
        with connection.cursor() as cursor:
            cursor.execute(f"DROP TABLE IF EXISTS {names}")

    def analyze(self, table: str) -> None:
        """Without figures on a table just filled, PostgreSQL joins row by row, for hours."""
        self.run(
            f"SET default_statistics_target = {STATISTICS_TARGET}; ANALYZE {{{table}}};"
            " RESET default_statistics_target"
        )

    def index(self, table: str) -> None:
        """Let ranges of places be found; rows lie nearly in that order."""
        for name in {"facts", table}:
            self.run(f"CREATE INDEX ON {{{name}}} USING brin (place) WITH (pages_per_range = 32)")

    # --- fill ---------------------------------------------------------------------------------

    def create(self, *, first_place: int) -> None:
        self.drop()
        columns = ", ".join(f"c{n} text" for n in range(1, len(self.shape.columns) + 1))
        self.run(
            self.table() + " {raw} (place bigint GENERATED ALWAYS AS IDENTITY"
            f" (START {first_place} CACHE 1000), row_no bigint, {columns})"
        )
        self.run(self.table() + " {faults} (place bigint, field text, value text, reason text)")

    def fill(self, pieces: Iterable[Piece], *, delimiter: str, numbers_rows: bool) -> Iterator[int]:
        """COPY the pieces in; yield after each statement how many rows it carried."""
        names = ", ".join(f"c{n}" for n in range(1, len(self.shape.columns) + 1))
        target = f"row_no, {names}" if numbers_rows else names
        copy = self.sql(
            f"COPY {{raw}} ({target}) FROM STDIN"
            f" (FORMAT csv, DELIMITER '{delimiter}', FORCE_NULL ({names}))"
        )
        stream = _Stream(iter(pieces))
        while stream.begin():
            with connection.cursor() as cursor:
                try:
                    with connection.wrap_database_errors:
                        cursor.copy_expert(copy, stream, _Stream.SIZE)
                except DatabaseError:
                    if stream.error:  # the driver would say only that the COPY was cancelled
                        raise stream.error from None
                    raise
            self.add_faults(stream.faults)
            self.undecodable = stream.undecodable
            yield stream.rows

    def add_faults(self, faults: list[Fault]) -> None:
        if not faults:
            return
        values = [
            list(part)
            for part in zip(*((f.row, f.column, f.value, f.reason) for f in faults), strict=True)
        ]
        self.run(
            "INSERT INTO {faults} SELECT * FROM unnest(%(place)s::bigint[], %(field)s::text[],"
            " %(value)s::text[], %(reason)s::text[])",
            **dict(zip(("place", "field", "value", "reason"), values, strict=True)),
        )

    # --- check and cast -----------------------------------------------------------------------

    def check(self, rows: int) -> int:
        """Cast every right row into ``facts``, and say of every other what is wrong with it.

        Return how many rows were judged: those that can be read and are not blank.  First as if all
        were right, which costs no test that a cast makes anyway.
        """
        try:
            with transaction.atomic():
                is_clean = self._cast("TRUE", self._all_right()) == rows
                if not is_clean:
                    self.run("DROP TABLE {facts}")
        except DataError:
            is_clean = False
        if is_clean:
            self.analyze("facts")
            return rows
        self.unreadable = self.rejected_rows()
        self.run(FITS)
        self.run(self._find_faults())
        good = self._cast(
            "NOT EXISTS (SELECT 1 FROM {faults} f WHERE f.place = r.place)"
            f" AND num_nonnulls({', '.join(self._raw_columns())}) > 0",
            "TRUE",
        )
        judged = good + self.rejected_rows() - self.unreadable
        if self.shape.kind.name == "orders":
            # A line that is left out still has its place in the order.
            order_id = self.shape.expressions["order_id"]
            self.run(
                "INSERT INTO {facts} (place, row_no, order_id, is_bad)"
                f" SELECT place, coalesce(row_no, place), {order_id}, true FROM {{raw}} r"
                f" WHERE place IN (SELECT place FROM {{faults}}) AND {order_id} IS NOT NULL"
            )
        self.analyze("facts")
        return judged

    def _raw_columns(self) -> list[str]:
        return [f"c{n}" for n in range(1, len(self.shape.columns) + 1)]

    def _read(self) -> Iterator[tuple[Column, str]]:
        for column in self.shape.kind.columns:
            if self.shape.has(column.name):
                yield column, self.shape.expressions[column.name]

    def _cast(self, raw_condition: str, condition: str) -> int:
        """Create ``facts`` from the rows that meet both conditions; return how many."""
        read = dict(self._read())
        inner = [f"{sql} AS {column.name}" for column, sql in read.items()]
        inner += [f"{sql} AS extra_{n}" for n, (_, sql) in enumerate(self.shape.extra)]
        outer = []
        for column in self.shape.kind.columns:
            is_read = column in read
            sql = column.type.cast.format(x=f"s.{column.name}") if is_read else "NULL"
            if column.name == self.shape.kind.more:
                sql = self._more(sql if is_read else "")
            outer.append(f"({sql})::{column.type.target} AS {column.name}")
        return self.run(
            f"{self.table()} {{facts}} AS SELECT s.place, s.row_no, false AS is_bad, "
            f"{', '.join(outer)} FROM (SELECT r.place, coalesce(r.row_no, r.place) AS row_no, "
            f"{', '.join(inner)} FROM {{raw}} r WHERE {raw_condition}) s WHERE {condition}"
        )

    def _more(self, given: str) -> str:
        if not self.shape.extra:
            return given or "NULL"
        values = ", ".join(f"s.extra_{n}" for n in range(len(self.shape.extra)))
        extra = f"jsonb_strip_nulls(jsonb_object(%(extra_names)s::text[], ARRAY[{values}]))"
        return f"{extra} || coalesce({given}, '{{}}')" if given else extra

    def _all_right(self) -> str:
        conditions = []
        for column, _ in self._read():
            shape = f"({column.type.shape.format(x=f's.{column.name}')})"
            conditions.append(shape if column.required else f"(s.{column.name} IS NULL OR {shape})")
        if self.shape.kind.either:
            names = [f"s.{name}" for name in self.shape.kind.either if self.shape.has(name)]
            conditions.append(f"coalesce({', '.join(names)}) IS NOT NULL")
        return " AND ".join(conditions)

    def _find_faults(self) -> str:
        inner, tests, reports = [], [], []
        for column, sql in self._read():
            inner.append(f"{sql} AS {column.name}")
            x = f"s.{column.name}"
            test = (
                f"CASE WHEN {x} IS NULL THEN {str(column.required).upper()}"
                f" WHEN NOT ({column.type.shape.format(x=x)}) THEN TRUE"
                f" WHEN {column.type.sure.format(x=x)} THEN FALSE"
                f" ELSE NOT pg_temp.fits({x}, '{column.type.target}') END"
            )
            tests.append(test)
            self.params[f"label_{column.name}"] = self.shape.labels.get(column.name, column.name)
            self.params[f"reason_{column.name}"] = f"is not {column.type.meaning}"
            reports.append(
                f"(%(label_{column.name})s, {x}, CASE WHEN {test} THEN CASE WHEN {x} IS NULL"
                f" THEN 'is empty' ELSE %(reason_{column.name})s END END)"
            )
        if self.shape.kind.either:
            names = [f"s.{name}" for name in self.shape.kind.either if self.shape.has(name)]
            test = f"num_nonnulls({', '.join(names)}) = 0"
            tests.append(test)
            self.params["either"] = " or ".join(self.shape.kind.either)
            reports.append(f"(%(either)s, NULL, CASE WHEN {test} THEN 'is empty' END)")
        return (
            "INSERT INTO {faults}"
            f" SELECT s.place, f.field, left(coalesce(f.value, ''), 200), f.reason"
            f" FROM (SELECT r.place, {', '.join(inner)} FROM {{raw}} r"
            f" WHERE num_nonnulls({', '.join(self._raw_columns())}) > 0 OFFSET 0) s"
            f" CROSS JOIN LATERAL (VALUES {', '.join(reports)}) f (field, value, reason)"
            f" WHERE ({' OR '.join(tests)}) AND f.reason IS NOT NULL"
        )

    # --- what was left out --------------------------------------------------------------------

    def leave_out(self, doomed: str, **params: Any) -> int:
        """Move rows of ``facts`` to the faults; ``doomed`` selects place, field, value, reason."""
        return self.run(
            f"WITH doomed AS ({doomed}), noted AS (INSERT INTO {{faults}} SELECT * FROM doomed)"
            " DELETE FROM {facts} f USING doomed d WHERE f.place = d.place",
            **params,
        )

    def keep_last(self, *key: str) -> None:
        """Of rows with one key the last counts; the others are named as left out."""
        names = ", ".join(key)
        given = " AND ".join(f"f.{name} = d.{name}" for name in key)
        self.leave_out(
            f"SELECT f.place, '{key[-1]}' AS field, f.{key[-1]}::text AS value,"
            " 'comes again in row ' || l.row_no || ', which counts' AS reason"
            f" FROM (SELECT {names}, max(place) AS place FROM {{facts}} WHERE NOT is_bad"
            f" GROUP BY {names} HAVING count(*) > 1) d"
            " JOIN {facts} l ON l.place = d.place"
            f" JOIN {{facts}} f ON {given} AND f.place < d.place AND NOT f.is_bad"
        )

    def rejected_rows(self) -> int:
        """How many rows (not how many faults) are left out."""
        return self.rows("SELECT count(DISTINCT place) FROM {faults}")[0][0]

    def faults(self) -> Iterator[Fault]:
        """The faults in the file's order."""
        with connection.chunked_cursor() as cursor:
            cursor.execute(
                self.sql(
                    "SELECT coalesce(r.row_no, f.place), f.field, f.value, f.reason FROM {faults} f"
                    " LEFT JOIN {raw} r ON r.place = f.place ORDER BY 1, f.place, f.field"
                )
            )
            while found := cursor.fetchmany(5_000):
                for row, column, value, reason in found:
                    yield Fault(row, column, shown(value or ""), reason)


class _Stream(io.RawIOBase):
    """Pieces as the file that COPY reads; one COPY ends after `ROWS_A_COPY` rows."""

    SIZE = 1 << 16

    def __init__(self, pieces: Iterator[Piece]) -> None:
        self._pieces = pieces
        self._next: Piece | None = None
        self._view, self._at = b"", 0
        self.rows, self.undecodable = 0, 0
        self.faults: list[Fault] = []
        self.error: DomainError | None = None

    def begin(self) -> bool:
        """Whether there is more; if so, ready for one more COPY."""
        self.rows, self.faults = 0, []
        return self._load()

    def read(self, size: int = -1) -> bytes:
        try:
            if self._at >= len(self._view) and (self.rows >= ROWS_A_COPY or not self._load()):
                return b""
        except DomainError as error:
            self.error = error
            raise
        part = self._view[self._at : self._at + size]
        self._at += size
        return part

    def _load(self) -> bool:
        for piece in self._pieces:
            self.rows += piece.rows
            self.faults += piece.faults
            self.undecodable += piece.undecodable
            self._view, self._at = piece.data, 0
            if piece.data:
                return True
        return False
