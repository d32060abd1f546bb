"""Who is in which segment.  The only module that writes Membership and MembershipChange, and
that moves a segment between live and invalid.

Real time is the same rule on fewer people: `refresh` asks all live segments about some customers
in one statement, `refresh_all` and `refresh_segment` ask about everybody.
"""

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import Any, TypeVar

from django.db import DataError, ProgrammingError, connection, transaction
from django.db.backends.utils import CursorWrapper

from customers.models import Customer
from customers.signals import BATCH_IDS
from rapport import access
from segments.models import MembershipChange, Segment
from segments.rules import explain, parse, to_sql
from segments.services import definitions, locks, statements
from segments.services.definitions import Definition
from segments.signals import entered, exited

log = logging.getLogger(__name__)
Found = TypeVar("Found")

FEW_CUSTOMERS = 20_000  # differing customers up to which a rebuild locks only these


@dataclass(frozen=True)
class Change:
    """One entry or exit that a refresh has written."""

    segment_id: int
    customer_id: int
    kind: str  # entered, exited


@dataclass(frozen=True)
class Moved:
    """All who entered, or all who left, one segment in one statement."""

    segment_id: int
    kind: str
    customer_ids: list[int]


@dataclass(frozen=True)
class Sampled:
    """A customer to look at in a preview."""

    id: int
    name: str
    email: str
    country: str


@dataclass(frozen=True)
class LetThrough:
    """How many customers one part of the outermost group lets through by itself."""

    words: str
    count: int


@dataclass(frozen=True)
class Preview:
    """Who a rule would select, as of a moment, without anything stored."""

    sentence: str
    count: int
    base: int  # all customers who can be in a segment
    reachable_email: int
    sample: tuple[Sampled, ...]
    clauses: tuple[LetThrough, ...]
    seconds: float
    as_of: datetime


@dataclass(frozen=True)
class Refreshed:
    """What a refresh of everybody did."""

    segments: int
    invalid: int
    entered: int
    exited: int
    seconds: float


def refresh(customer_ids: Collection[int], *, cause: str, now: datetime) -> list[Change]:
    """Ask all live segments about these customers; write and return who entered and who left.

    Safe twice (the second finds nothing to change) and concurrently: workers that meet at a
    customer wait for one another, and the later one sees all that the earlier one saw.  Each
    batch of `BATCH_IDS` customers is a transaction of its own, so a crash half-way leaves whole
    batches; the next refresh does the rest.
    """
    ids = sorted(set(customer_ids))
    moved: list[Moved] = []
    for start in range(0, len(ids), BATCH_IDS):
        batch = ids[start : start + BATCH_IDS]
        with transaction.atomic():
            locks.hold(batch)
            found = definitions.load()
            _mark_invalid(found.errors, now=now)
            moved += _evaluate(found.readable, batch, cause=cause, now=now)
    _count_moved(moved)
    return [Change(one.segment_id, pk, one.kind) for one in moved for pk in one.customer_ids]


def refresh_new(*, cause: str, now: datetime) -> Refreshed | None:
    """Ask the segments that were never asked about everybody, as on a new installation."""
    new = Segment.objects.filter(state=Segment.State.LIVE, refreshed_at=None)
    keys = set(new.values_list("key", flat=True))
    return _refresh_everybody(keys, cause=cause, now=now) if keys else None


def refresh_segment(segment: Segment, *, cause: str, now: datetime) -> Refreshed:
    """Ask one segment, and those whose rules name it, about everybody."""
    keys = {segment.key, *definitions.dependents(segment.key)}
    return _refresh_everybody(keys, cause=cause, now=now)


def refresh_all(*, now: datetime, cause: str = "clock") -> Refreshed:
    """Ask every segment about everybody, and count the members.

    An invalid segment is asked again, so that it comes back when its rule can be read again.
    A tick of the clock that finds a rebuild at work leaves it to that one; others wait their turn.
    """
    return _refresh_everybody(None, cause=cause, now=now)


def preview(rule_json: Any, *, now: datetime) -> Preview:
    """Say who a rule would select, in one statement; it is refused with all its faults."""
    started = monotonic()
    rule = definitions.check(rule_json)
    query = to_sql.preview(rule, now)
    with connection.cursor() as cursor:
        cursor.execute(query.text, query.params)
        base, count, reachable, ids, let_through = cursor.fetchone()
    people = Customer.objects.filter(pk__in=ids or []).order_by("pk")
    return Preview(
        sentence=explain.sentence(parse.parse(rule_json)),
        count=count,
        base=base,
        reachable_email=reachable,
        sample=tuple(Sampled(p.pk, str(p), p.email or "", p.country) for p in people),
        clauses=tuple(
            LetThrough(explain.words(part), passed)
            for part, passed in zip(to_sql.top_level(rule), let_through, strict=True)
        ),
        seconds=round(monotonic() - started, 3),
        as_of=now,
    )


def empty(segment: Segment, *, cause: str, now: datetime) -> None:
    """Let everybody out of a segment that selects nobody any more."""
    with transaction.atomic():
        locks.hold_everybody()
        _empty([segment.pk], cause=cause, now=now)
        Segment.objects.filter(pk=segment.pk).update(members_count=0)


def _refresh_everybody(keys: set[str] | None, *, cause: str, now: datetime) -> Refreshed:
    started = monotonic()
    with locks.one_rebuild(may_skip=cause == MembershipChange.Cause.CLOCK) as is_mine:
        if not is_mine:
            return Refreshed(0, 0, 0, 0, 0.0)
        readable = _to_rebuild(keys, now=now)
        moved = _rebuild(readable, cause=cause, now=now)
        seconds = monotonic() - started
        with connection.cursor() as cursor:
            ids = [one.segment_id for one in readable]
            cursor.execute(statements.COUNT, {"segments": ids, "as_of": now, "seconds": seconds})
    n = dict.fromkeys(MembershipChange.Kind.values, 0)
    for one in moved:
        n[one.kind] += len(one.customer_ids)
    invalid = Segment.objects.filter(state=Segment.State.INVALID).count()
    return Refreshed(len(readable), invalid, n["entered"], n["exited"], round(seconds, 3))


def _count_moved(moved: Sequence[Moved]) -> None:
    """Keep the shown counts up with who entered and left; a full refresh counts afresh."""
    sign = {MembershipChange.Kind.ENTERED: 1, MembershipChange.Kind.EXITED: -1}
    by_segment: dict[int, int] = {}
    for one in moved:
        change = sign[MembershipChange.Kind(one.kind)] * len(one.customer_ids)
        by_segment[one.segment_id] = by_segment.get(one.segment_id, 0) + change
    if by_segment:
        given = {"segments": list(by_segment), "moved": list(by_segment.values())}
        with connection.cursor() as cursor:
            cursor.execute(statements.COUNT_MOVED, given)


def _to_rebuild(keys: set[str] | None, *, now: datetime) -> list[Definition]:
    """What can be evaluated; what cannot becomes invalid, and what can again becomes live."""
    found = definitions.load(states=(Segment.State.LIVE, Segment.State.INVALID))
    invalid = Segment.objects.filter(state=Segment.State.INVALID)
    asleep = set(invalid.values_list("pk", flat=True))
    wanted = [one for one in found.readable if keys is None or one.key in keys]
    awake = [one for one in wanted if one.segment_id not in asleep or not _failure(one, now)]
    with transaction.atomic():
        _mark_invalid(found.errors, now=now)
        _mark_live([one.segment_id for one in awake if one.segment_id in asleep])
    return awake


def _rebuild(readable: Sequence[Definition], *, cause: str, now: datetime) -> list[Moved]:
    """Find who differs without locking anybody; lock these, or everybody when they are many."""
    is_new = Segment.objects.filter(
        pk__in=[one.segment_id for one in readable], refreshed_at__isnull=True
    ).exists()
    differing = None if is_new else _differing(readable, now=now)
    if differing is None or len(differing) > FEW_CUSTOMERS:
        with transaction.atomic():
            locks.hold_everybody()
            return _evaluate(readable, None, cause=cause, now=now)
    moved: list[Moved] = []
    for start in range(0, len(differing), BATCH_IDS):
        batch = differing[start : start + BATCH_IDS]
        with transaction.atomic():
            locks.hold(batch)
            moved += _evaluate(readable, batch, cause=cause, now=now)
    return moved


def _differing(readable: Sequence[Definition], *, now: datetime) -> list[int]:
    """Customers whose membership is not what the rules say; at most `FEW_CUSTOMERS` and one."""

    def find(chosen: Sequence[Definition]) -> list[int]:
        query = to_sql.members({one.segment_id: one.rule for one in chosen}, now)
        ids = [one.segment_id for one in chosen]
        with connection.cursor() as cursor:
            cursor.execute(
                statements.DIFFERENCE.format(hits=query.text),
                {**query.params, "segments": ids, "most": FEW_CUSTOMERS + 1},
            )
            return sorted(row[0] for row in cursor.fetchall())

    return _surviving(readable, find, now=now)


def _evaluate(
    readable: Sequence[Definition], ids: list[int] | None, *, cause: str, now: datetime
) -> list[Moved]:
    """Run the one statement; the caller holds the customers."""

    def change(chosen: Sequence[Definition]) -> list[Moved]:
        segments = [one.segment_id for one in chosen]
        with connection.cursor() as cursor:
            as_of = _not_before_the_latest(cursor, segments, ids, now)
            query = to_sql.members({one.segment_id: one.rule for one in chosen}, as_of, ids=ids)
            only = "" if ids is None else "AND m.customer_id = ANY(%(ids)s::bigint[])"
            cursor.execute(
                statements.CHANGE.format(hits=query.text, only=only),
                {
                    **query.params,
                    "segments": segments,
                    "versions": [one.version for one in chosen],
                    "cause": cause,
                },
            )
            return [Moved(*row) for row in cursor.fetchall()]

    moved = _surviving(readable, change, now=now)
    _ring(moved, cause)
    return moved


def _surviving(
    readable: Sequence[Definition],
    work: Callable[[Sequence[Definition]], list[Found]],
    *,
    now: datetime,
) -> list[Found]:
    """Do the work for all definitions; those whose SQL fails become invalid, the rest goes on."""
    if not readable:
        return []
    try:
        with transaction.atomic():
            return work(readable)
    except (ProgrammingError, DataError):
        errors = {one.segment_id: error for one in readable if (error := _failure(one, now))}
        if not errors:
            raise
        _mark_invalid(errors, now=now)
        return _surviving([one for one in readable if one.segment_id not in errors], work, now=now)


def _failure(one: Definition, now: datetime) -> str:
    """What PostgreSQL says against this segment alone; empty when it answers."""
    query = to_sql.to_sql(one.rule, now)
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SELECT count(*) FROM ({query.text}) q", query.params)
    except (ProgrammingError, DataError) as error:
        return f"PostgreSQL refuses it: {error}".strip()
    return ""


def _mark_invalid(errors: dict[int, str], *, now: datetime) -> None:
    """Set segments invalid with their error, let their members out, and say so."""
    if not errors:
        return
    for segment in Segment.objects.filter(pk__in=errors).exclude(state=Segment.State.ARCHIVED):
        error = errors[segment.pk]
        if segment.state == Segment.State.INVALID and segment.error == error:
            continue
        log.warning("segment %s is invalid: %s", segment.key, error)
        access.audit(None, "segment.invalid", f"segment:{segment.key}", error=error)
        Segment.objects.filter(pk=segment.pk, state=segment.state).update(
            state=Segment.State.INVALID, error=error, members_count=0
        )
        _empty([segment.pk], cause=MembershipChange.Cause.EDIT, now=now)


def _mark_live(ids: list[int]) -> None:
    back = Segment.objects.filter(pk__in=ids, state=Segment.State.INVALID)
    for segment in back:
        log.info("segment %s can be read again", segment.key)
        access.audit(None, "segment.valid", f"segment:{segment.key}")
    back.update(state=Segment.State.LIVE, error="")


def _empty(segments: list[int], *, cause: str, now: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statements.EMPTY, {"segments": segments, "cause": cause, "as_of": now})
        moved = [Moved(*row) for row in cursor.fetchall()]
    _ring(moved, cause)


def _not_before_the_latest(
    cursor: CursorWrapper, segments: list[int], ids: list[int] | None, now: datetime
) -> datetime:
    whose = "segment_id = ANY(%(segments)s)" if ids is None else "customer_id = ANY(%(ids)s)"
    cursor.execute(
        statements.LATEST.format(whose=whose), {"segments": segments, "ids": ids, "as_of": now}
    )
    latest: datetime | None = cursor.fetchone()[0]
    return latest or now


def _ring(moved: Sequence[Moved], cause: str) -> None:
    """Ring the bells on commit, for each segment in batches of `BATCH_IDS` customers."""

    def ring() -> None:
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
        transaction.on_commit(ring)
