"""Who is in which segment: the door through which everybody else asks and refreshes.

Real time is the same rule on fewer people: `refresh` asks all live segments about some customers
in one prepared statement, and notes for each when time alone may next change an answer; `sweeping`
brings those back.  `refresh_all` and `refresh_segment` ask about everybody.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.db import DataError, ProgrammingError, connection, transaction

from customers.signals import BATCH_IDS
from rapport.models import Run
from segments.models import MembershipChange, Segment
from segments.services import asking, definitions, locks, rebuilding, statements
from segments.services.rebuilding import Refreshed


@dataclass(frozen=True)
class Change:
    """One entry or exit that a refresh has written."""

    segment_id: int
    customer_id: int
    kind: str  # entered, exited


def refresh(customer_ids: Collection[int], *, cause: str, now: datetime) -> list[Change]:
    """Ask all live segments about these customers; write and return who entered and who left.

    Safe twice (the second finds nothing to change) and concurrently: workers that meet at a
    customer wait for one another, and the later one sees all that the earlier one saw.  Each
    batch of `BATCH_IDS` customers is a transaction of its own, so a crash half-way leaves whole
    batches; the next refresh does the rest.
    """
    ids = sorted(set(customer_ids))
    moved: list[asking.Moved] = []
    for start in range(0, len(ids), BATCH_IDS):
        moved += _batch(ids[start : start + BATCH_IDS], cause=cause, now=now)
    return [Change(one.segment_id, pk, one.kind) for one in moved for pk in one.customer_ids]


def refresh_due(*, now: datetime, most: int) -> int:
    """Ask about customers whose moment has come, those first whose moment came first.

    Returns how many these were, at most ``most``.  Several workers share them out without waiting
    for each other; what a killed one held is free again, and still due.
    """
    try:
        with transaction.atomic():
            ids = sorted(locks.hold_due(now, most=most))
            if ids:
                asking.ask(ids, cause=MembershipChange.Cause.CLOCK, now=now)
    except (asking.Unreadable, ProgrammingError, DataError) as error:
        asking.mark_failing(error, now=now)
        return refresh_due(now=now, most=most)
    return len(ids)


def refresh_new(*, cause: str, now: datetime) -> Refreshed | None:
    """Ask the segments that were never asked about everybody, as on a new installation."""
    new = Segment.objects.filter(state=Segment.State.LIVE, refreshed_at=None)
    keys = set(new.values_list("key", flat=True))
    return rebuilding.rebuild(keys, cause=cause, now=now, may_skip=True) if keys else None


def refresh_segment(
    segment: Segment, *, cause: str, now: datetime, run: Run | None = None
) -> Refreshed:
    """Ask one segment, and those whose rules name it, about everybody.

    An edited rule takes the place of the one before when its members are known: until then, and
    for ever when somebody cancels the ``run``, the members are those of the rule before.
    """
    keys = {segment.key, *definitions.dependents(segment.key)}
    return rebuilding.rebuild(keys, cause=cause, now=now, run=run)


def refresh_all(*, now: datetime, cause: str = "clock") -> Refreshed:
    """Ask every segment about everybody, and count the members.

    An invalid segment is asked again, so that it comes back when its rule can be read again.
    """
    return rebuilding.rebuild(None, cause=cause, now=now)


def verify(*, now: datetime) -> Refreshed:
    """Rebuild every segment from the facts and note what was not as it should have been.

    A difference that nothing pending explains is an alarm: it is written to the audit trail and
    to its segment, and repaired.
    """
    return rebuilding.rebuild(None, cause=MembershipChange.Cause.CLOCK, now=now, is_proof=True)


def keys_of(customer_ids: Collection[int]) -> dict[int, list[str]]:
    """The keys of the live segments that each of these customers is in."""
    ids = list(customer_ids)
    with connection.cursor() as cursor:
        cursor.execute(statements.KEYS, {"ids": ids})
        found: dict[int, list[str]] = dict(cursor.fetchall())
    return {pk: found.get(pk, []) for pk in ids}


def conclude(customer_ids: list[int], now: datetime) -> dict[int, list[str]]:
    """Refresh customers whose facts just changed, and say which segments each is in."""
    refresh(customer_ids, cause=MembershipChange.Cause.EVENT, now=now)
    return keys_of(customer_ids)


def empty(segment: Segment, *, cause: str, now: datetime) -> None:
    """Let everybody out of a segment that selects nobody any more."""
    with transaction.atomic():
        locks.hold_everybody()
        asking.empty([segment.pk], cause=cause, now=now)
        Segment.objects.filter(pk=segment.pk).update(
            members_count=0, live_rule=None, live_version=None
        )


def _batch(ids: list[int], *, cause: str, now: datetime) -> list[asking.Moved]:
    try:
        with transaction.atomic():
            return asking.ask(ids, cause=cause, now=now)
    except (asking.Unreadable, ProgrammingError, DataError) as error:
        asking.mark_failing(error, now=now)
        return _batch(ids, cause=cause, now=now)
