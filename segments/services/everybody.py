"""How what the rules say about everybody differs from what is stored: in arrays, for a million
customers fit into memory and comparing them there takes a second.  Writes nothing.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db import connection

from customers.services import wire
from segments.rules.columns import NEVER
from segments.services.mirror import Verdicts

CUSTOMER_BITS = 44  # a segment's place and a customer in one number, which sorts fast


@dataclass(frozen=True)
class Differences:
    """What would have to be written for the stored to be as the answers say."""

    entered: dict[int, np.ndarray]  # by segment id: customer ids
    exited: dict[int, np.ndarray]
    late: np.ndarray  # customers who are not in Recheck, or would be asked again too late
    late_due: np.ndarray

    def customer_ids(self) -> np.ndarray:
        """All who enter or exit anything, sorted."""
        parts = [*self.entered.values(), *self.exited.values()]
        return np.unique(np.concatenate(parts)) if parts else np.empty(0, np.int64)


def differences(found: Verdicts, *, counts_due: bool) -> Differences:
    """Compare with what is stored; ``counts_due`` looks at Recheck too, else nobody is late."""
    places = sorted(found.members)
    wanted = _sorted_pairs(found.members, places)
    stored = _stored(places)
    late, late_due = _late(found) if counts_due else (np.empty(0, np.int64),) * 2
    return Differences(
        _by_segment(np.setdiff1d(wanted, stored, assume_unique=True), places),
        _by_segment(np.setdiff1d(stored, wanted, assume_unique=True), places),
        late,
        late_due,
    )


def copy_in(table: str, **columns: np.ndarray) -> None:
    """COPY integers, or moments as microseconds since 1970, into a table by column name."""
    n = len(next(iter(columns.values())))
    fields: list[tuple[str, str]] = [("count", ">i2")]
    for name in columns:
        fields += [(f"{name} width", ">i4"), (name, ">i8")]
    rows = np.empty(n, dtype=fields)
    rows["count"] = len(columns)
    for name, values in columns.items():
        is_moment = name.endswith("_at")
        rows[f"{name} width"] = 8
        rows[name] = values - wire.POSTGRES_EPOCH if is_moment else values
    data = b"PGCOPY\n\xff\r\n\0" + bytes(8) + rows.tobytes() + b"\xff\xff"
    with connection.cursor() as cursor:
        names = ", ".join(columns)
        cursor.copy_expert(f"COPY {table} ({names}) FROM STDIN (FORMAT binary)", io.BytesIO(data))


def _late(found: Verdicts) -> tuple[np.ndarray, np.ndarray]:
    columns = (
        wire.Column("customer_id", "int8send", "f.customer_id"),
        wire.Column("due_at", "timestamptz_send", "coalesce(f.due_at, 'infinity')"),
    )
    stored = wire.Query("segments_recheck", columns, ["true"], {}).copy()
    order = np.argsort(stored["customer_id"])
    ids = stored["customer_id"][order]
    due = stored["due_at"].view(np.int64)[order]
    due = np.where(due < 0, NEVER, due)  # infinity, past the end of the numbers
    place = np.searchsorted(ids, found.customer_ids)
    is_there = place < ids.size
    is_there[is_there] = ids[place[is_there]] == found.customer_ids[is_there]
    there = np.full(found.customer_ids.size, NEVER)
    there[is_there] = due[place[is_there]]
    late = ~is_there | (there > found.due)
    return found.customer_ids[late], found.due[late]


def _stored(places: list[int]) -> np.ndarray:
    columns = (
        wire.Column("segment_id", "int8send", "f.segment_id"),
        wire.Column("customer_id", "int8send", "f.customer_id"),
    )
    params: dict[str, Any] = {"segments": places}
    where = ["f.segment_id = ANY(%(segments)s::bigint[])"]
    rows = wire.Query("segments_membership", columns, where, params).copy()
    pairs = np.searchsorted(places, rows["segment_id"]) << CUSTOMER_BITS
    pairs += rows["customer_id"]
    pairs.sort()
    return pairs


def _sorted_pairs(members: Mapping[int, np.ndarray], places: list[int]) -> np.ndarray:
    parts = [
        np.sort(members[pk].astype(np.int64)) + (number << CUSTOMER_BITS)
        for number, pk in enumerate(places)
    ]
    return np.concatenate(parts) if parts else np.empty(0, np.int64)


def _by_segment(pairs: np.ndarray, places: list[int]) -> dict[int, np.ndarray]:
    """Sorted pairs as customer ids by segment; segments without any are left out."""
    ends = np.searchsorted(pairs, np.arange(len(places) + 1) << CUSTOMER_BITS)
    ids = pairs & ((1 << CUSTOMER_BITS) - 1)
    found = {pk: ids[ends[place] : ends[place + 1]] for place, pk in enumerate(places)}
    return {pk: part for pk, part in found.items() if part.size}
