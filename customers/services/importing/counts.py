"""What a merge did, and the one way in which it changes rows that are there already."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction

from customers.services import touches
from customers.signals import BATCH_IDS, RING_EACH_UP_TO, base_changed, customers_changed


@dataclass
class Counts:
    """Rows of the file: new, changed and already as they are; and which customers it concerned."""

    rows: int = 0
    inserted: int = 0
    changed: int = 0
    touched: set[int] = field(default_factory=set)
    touches_many: bool = False  # more customers than it is worth to name
    figures: dict[str, int] = field(default_factory=dict)

    @property
    def unchanged(self) -> int:
        return self.rows - self.inserted - self.changed

    def touch(self, customer_ids: Iterable[int | None]) -> None:
        if self.touches_many:
            return
        self.touched.update(pk for pk in customer_ids if pk is not None)
        if len(self.touched) > RING_EACH_UP_TO:
            self.touched, self.touches_many = set(), True

    def add(self, other: "Counts") -> None:
        self.rows += other.rows
        self.inserted += other.inserted
        self.changed += other.changed
        self.touches_many |= other.touches_many
        self.touch(other.touched)
        for name, number in other.figures.items():
            self.figures[name] = self.figures.get(name, 0) + number


def update(table: str, values: dict[str, str], *, rows: str, match: str, always: str = "") -> str:
    """SQL that changes the rows of ``table`` (as ``t``) that differ from ``rows``, and no other.

    ``values`` are SQL for the new values; NULL leaves what is there.  ``always`` is set along.
    """
    new = {name: f"coalesce({sql}, t.{name})" for name, sql in values.items()}
    sets = ", ".join(f"{name} = {sql}" for name, sql in new.items())
    old = ", ".join(f"t.{name}" for name in new)
    return (
        f"UPDATE {table} t SET {sets}{', ' + always if always else ''} FROM {rows}"
        f" WHERE {match} AND ({old}) IS DISTINCT FROM ({', '.join(new.values())})"
    )


def ring(counts: Counts, *, cause: str, now: datetime) -> None:
    """Note whom these changes concern, and say it on commit: in the transaction that made them."""
    note(counts, now=now)
    tell(counts, cause=cause)


def note(counts: Counts, *, now: datetime) -> None:
    """Leave touches, which outlive a lost bell, of the running transaction."""
    if counts.touches_many:
        touches.record_everybody(now)
    touches.record(counts.touched, now)


def tell(counts: Counts, *, cause: str) -> None:
    """Ring on commit for each customer by id, or for all where that is cheaper."""
    ids = sorted(counts.touched)

    def send() -> None:
        if counts.touches_many:
            base_changed.send(Counts, cause=cause)
        for start in range(0, len(ids), BATCH_IDS):
            customers_changed.send(Counts, customer_ids=ids[start : start + BATCH_IDS], cause=cause)

    if ids or counts.touches_many:
        transaction.on_commit(send)
