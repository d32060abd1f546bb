"""Write up to `ROWS_MAX` facts that a program sent, through the statements of file imports."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction

from customers.collect.files import FileRefused
from customers.collect.json_rows import Layout, RecordRows
from customers.services.importing import among, layout
from customers.services.importing.counts import Counts, ring
from customers.services.importing.kinds import MERGING
from customers.services.importing.staging import Stage
from customers.services.imports import SOURCE_MAX

ROWS_MAX = 1_000


@dataclass(frozen=True)
class Rejection:
    """Why one row was left out; ``row`` is its index in the list that was given."""

    row: int
    field: str
    value: str
    reason: str


@dataclass(frozen=True)
class UpsertReport:
    """What one call did, in rows: an order's lines are rows of their own."""

    inserted: int
    changed: int
    unchanged: int
    rejected: list[Rejection] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)  # keys that have no place in this kind


def upsert(kind: str, rows: list[dict[str, Any]], *, source: str, now: datetime) -> UpsertReport:
    """Insert or change facts, all in one transaction; rows that are wrong are left out and named.

    Safe to repeat: a row that is there already changes nothing.  An order may carry its "lines"
    or be one row a line; either way it comes whole, and lines it no longer has are removed.
    """
    layout.known_kind(kind)
    if len(rows) > ROWS_MAX:
        raise FileRefused(f"{len(rows)} rows in one call; at most {ROWS_MAX}.")
    if not 1 <= len(source) <= SOURCE_MAX:
        raise FileRefused(f"The source {source!r} is not a name of 1 to {SOURCE_MAX} characters.")

    def write() -> UpsertReport:
        with transaction.atomic():
            counts, report = _write(kind, rows, source=source, now=now)
            ring(counts, cause="import", now=now)
            return report

    return among.again_if_disturbed(write)


def _write(
    kind: str, rows: Iterable[dict[str, Any]], *, source: str, now: datetime
) -> tuple[Counts, UpsertReport]:
    wanted = layout.known_kind(kind)
    records = RecordRows(rows, Layout(wanted.names, more=wanted.more, mapping={}))
    shape = layout.shape_of_records(wanted, records.layout)
    stage = Stage("upsert", shape, source=source, now=now, temporary=True)
    stage.create(first_place=records.first_place)
    read = sum(stage.fill(records.pieces(), delimiter=",", numbers_rows=True))
    stage.check(read)
    merging = MERGING[kind]
    merging.judge(stage)
    merging.prepare(stage)
    counts = merging.merge(stage, 0, 4 * read + 1)  # orders that lie scattered moved to the end
    rejected = [Rejection(f.row, f.column, f.value, f.reason) for f in stage.faults()]
    stage.drop()
    report = UpsertReport(
        counts.inserted, counts.changed, counts.unchanged, rejected, sorted(shape.ignored)
    )
    return counts, report
