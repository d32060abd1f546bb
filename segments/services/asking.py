"""Ask all live segments about some customers, and write what follows.

With `rebuilding`, the only module that writes Membership, MembershipChange and Recheck, and the
only one that moves a segment between live and invalid.  `statements` has their SQL.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import DataError, ProgrammingError, connection, transaction

from customers.signals import BATCH_IDS
from rapport import access
from segments.models import MembershipChange, Segment
from segments.rules import to_sql
from segments.services import cuts, definitions, locks, prepared, statements
from segments.services.definitions import Definition
from segments.signals import entered, exited

log = logging.getLogger(__name__)


class Unreadable(Exception):
    """Live segments turn out to have rules that cannot be read: first they become invalid."""

    def __init__(self, errors: dict[int, str]) -> None:
        self.errors = errors


@dataclass(frozen=True)
class Moved:
    """All who entered, or all who left, one segment in one statement."""

    segment_id: int
    kind: str
    customer_ids: list[int]


def ask(ids: list[int], *, cause: str, now: datetime) -> list[Moved]:
    """Hold the customers and run the one statement, inside the caller's transaction."""
    held = locks.hold(ids, now=now, scores=cuts.names())
    found = definitions.current(held.stamp)
    if found.errors:
        raise Unreadable(found.errors)
    found = cuts.applied(found, held.scored)
    given: dict[str, Any] = {"as_of": held.latest or now, "ids": ids, "cause": cause}
    with connection.cursor() as cursor:
        if not found.readable:
            cursor.execute(statements.NOBODY_ASKS, given)
            return []
        prepared.execute(cursor, found, held.prepared, given)
        moved = [Moved(*row) for row in cursor.fetchall()]
    count((one.segment_id, one.kind, len(one.customer_ids)) for one in moved)
    ring(moved, cause)
    return moved


def mark_failing(error: Exception, *, now: datetime) -> None:
    """Set those invalid whose SQL fails, so that the others can go on; else raise the error."""
    found = definitions.load()
    errors = found.errors or failing(found.readable, now=now)
    if not errors:
        raise error
    mark_invalid(errors, now=now)


def mark_invalid(errors: dict[int, str], *, now: datetime) -> None:
    """Set segments invalid with their error, let their members out, and say so."""
    if not errors:
        return
    with transaction.atomic():
        locks.hold_everybody()
        there = Segment.objects.filter(pk__in=errors).exclude(state=Segment.State.ARCHIVED)
        for segment in there:
            error = errors[segment.pk]
            if segment.state == Segment.State.INVALID and segment.error == error:
                continue
            log.warning("segment %s is invalid: %s", segment.key, error)
            access.audit(None, "segment.invalid", f"segment:{segment.key}", error=error)
            Segment.objects.filter(pk=segment.pk, state=segment.state).update(
                state=Segment.State.INVALID,
                error=error,
                members_count=0,
                live_rule=None,
                live_version=None,
            )
            empty([segment.pk], cause=MembershipChange.Cause.EDIT, now=now)


def mark_live(ids: list[int]) -> None:
    """Take segments back whose rule can be read again."""
    back = Segment.objects.filter(pk__in=ids, state=Segment.State.INVALID)
    for segment in back:
        log.info("segment %s can be read again", segment.key)
        access.audit(None, "segment.valid", f"segment:{segment.key}")
    back.update(state=Segment.State.LIVE, error="")


def failing(readable: Sequence[Definition], *, now: datetime) -> dict[int, str]:
    """What PostgreSQL says against each of these segments alone, where it says something."""
    errors = {}
    for one in readable:
        query = to_sql.to_sql(one.rule, now)
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(f"SELECT count(*) FROM ({query.text}) q", query.params)
        except (ProgrammingError, DataError) as error:
            errors[one.segment_id] = f"PostgreSQL refuses it: {error}".strip()
    return errors


def ring(moved: Sequence[Moved], cause: str) -> None:
    """Ring the bells on commit, for each segment in batches of `BATCH_IDS` customers."""

    def tell() -> None:
        for one in moved:
            bell = entered if one.kind == MembershipChange.Kind.ENTERED else exited
            for start in range(0, len(one.customer_ids), BATCH_IDS):
                bell.send_robust(
                    sender=Segment,
                    segment_id=one.segment_id,
                    customer_ids=one.customer_ids[start : start + BATCH_IDS],
                    cause=cause,
                )

    if moved:
        transaction.on_commit(tell)


def count(moved: Iterable[tuple[int, str, int]]) -> None:
    """Keep the shown counts up with how many entered and left: by segment, kind and number."""
    by_segment: dict[int, int] = {}
    for segment_id, kind, n in moved:
        change = n if kind == MembershipChange.Kind.ENTERED else -n
        by_segment[segment_id] = by_segment.get(segment_id, 0) + change
    if by_segment:
        given = {"segments": list(by_segment), "moved": list(by_segment.values())}
        with connection.cursor() as cursor:
            cursor.execute(statements.COUNT_MOVED, given)


def empty(segments: list[int], *, cause: str, now: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statements.EMPTY, {"segments": segments, "cause": cause, "as_of": now})
        moved = [Moved(*row) for row in cursor.fetchall()]
    ring(moved, cause)
