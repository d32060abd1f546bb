"""Who is in which segment.  The only module that writes Membership and MembershipChange, and
that moves a segment between live and invalid.

Real time is the same rule on fewer people: `refresh` asks all live segments about some customers
in one statement, `refresh_all` and `refresh_segment` ask about everybody.
"""

import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import TypeVar

from django.db import DataError, ProgrammingError, connection, transaction
from django.db.backends.utils import CursorWrapper

from customers.signals import BATCH_IDS
from rapport import access
from segments.models import MembershipChange, Segment
from segments.rules import to_sql
from segments.services import definitions
from segments.services.definitions import Definition
from segments.signals import entered, exited

log = logging.getLogger(__name__)
Found = TypeVar("Found")

LOCK = 732_911_001  # our class of advisory locks, beside the number of a bucket of customers
BUCKETS = 64
EVERYBODY = 0  # the bucket that all share and a rebuild holds alone
ONE_REBUILD = BUCKETS + 1
FEW_CUSTOMERS = 20_000  # differing customers up to which a rebuild locks only these

HITS = "WITH hits AS MATERIALIZED ({hits})"
# Segments archived, edited or marked since their rules were read are left to their own refresh.
CHANGE = """{hits},
asked AS (
    SELECT s.id AS segment_id, s.rule_version
    FROM segments_segment s
    JOIN unnest(%(segments)s::bigint[], %(versions)s::int[]) v(segment_id, rule_version)
        ON v.segment_id = s.id AND v.rule_version = s.rule_version
    WHERE s.state = 'live'
),
entered AS (
    INSERT INTO segments_membership (segment_id, customer_id, entered_at, rule_version)
    SELECT h.segment_id, h.customer_id, %(as_of)s, a.rule_version
    FROM hits h JOIN asked a USING (segment_id)
    WHERE NOT EXISTS (
        SELECT FROM segments_membership m
        WHERE m.segment_id = h.segment_id AND m.customer_id = h.customer_id
    )
    ON CONFLICT DO NOTHING
    RETURNING segment_id, customer_id
),
exited AS (
    DELETE FROM segments_membership m
    WHERE m.segment_id IN (SELECT segment_id FROM asked) {only}
        AND NOT EXISTS (
            SELECT FROM hits h
            WHERE h.segment_id = m.segment_id AND h.customer_id = m.customer_id
        )
    RETURNING m.segment_id, m.customer_id
),
changes AS (
    INSERT INTO segments_membershipchange
        (segment_id, customer_id, kind, cause, happened_at, rule_version)
    SELECT c.segment_id, c.customer_id, c.kind, %(cause)s, %(as_of)s, a.rule_version
    FROM (
        SELECT segment_id, customer_id, 'entered' AS kind FROM entered
        UNION ALL SELECT segment_id, customer_id, 'exited' FROM exited
    ) c JOIN asked a USING (segment_id)
    RETURNING segment_id, customer_id, kind
)
SELECT segment_id, customer_id, kind FROM changes"""
DIFFERENCE = """{hits}
SELECT DISTINCT customer_id FROM (
    SELECT h.customer_id FROM hits h WHERE NOT EXISTS (
        SELECT FROM segments_membership m
        WHERE m.segment_id = h.segment_id AND m.customer_id = h.customer_id)
    UNION ALL
    SELECT m.customer_id FROM segments_membership m
    WHERE m.segment_id = ANY(%(segments)s::bigint[]) AND NOT EXISTS (
        SELECT FROM hits h
        WHERE h.segment_id = m.segment_id AND h.customer_id = m.customer_id)
) d LIMIT %(most)s"""
EMPTY = """WITH gone AS (
    DELETE FROM segments_membership WHERE segment_id = ANY(%(segments)s::bigint[])
    RETURNING segment_id, customer_id
)
INSERT INTO segments_membershipchange
    (segment_id, customer_id, kind, cause, happened_at, rule_version)
SELECT g.segment_id, g.customer_id, 'exited', %(cause)s, %(as_of)s, s.rule_version
FROM gone g JOIN segments_segment s ON s.id = g.segment_id
RETURNING segment_id, customer_id, kind"""
COUNT = """UPDATE segments_segment s
SET members_count = (SELECT count(*) FROM segments_membership m WHERE m.segment_id = s.id),
    refreshed_at = %(as_of)s, refresh_seconds = %(seconds)s
WHERE s.id = ANY(%(segments)s::bigint[])"""
# Whoever comes second must not be asked as of an earlier moment than the first: facts recorded
# between the two would be unseen again.  An hour at most, lest a clock once wrong rules for ever.
LATEST = """SELECT max(happened_at) FROM segments_membershipchange
WHERE {whose} AND happened_at > %(as_of)s AND happened_at <= %(as_of)s + interval '1 hour'"""


@dataclass(frozen=True)
class Change:
    """One entry or exit that a refresh has written."""

    segment_id: int
    customer_id: int
    kind: str  # entered, exited


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
    changes: list[Change] = []
    for start in range(0, len(ids), BATCH_IDS):
        batch = ids[start : start + BATCH_IDS]
        with transaction.atomic():
            _hold(batch)
            found = definitions.load()
            _mark_invalid(found.errors, now=now)
            changes += _evaluate(found.readable, batch, cause=cause, now=now)
    return changes


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


def empty(segment: Segment, *, cause: str, now: datetime) -> list[Change]:
    """Let everybody out of a segment that selects nobody any more."""
    with transaction.atomic(), connection.cursor() as cursor:
        _lock(cursor, EVERYBODY)
        changes = _empty(cursor, [segment.pk], cause=cause, now=now)
        Segment.objects.filter(pk=segment.pk).update(members_count=0)
    return changes


def _refresh_everybody(keys: set[str] | None, *, cause: str, now: datetime) -> Refreshed:
    started = monotonic()
    with _one_rebuild(may_skip=cause == MembershipChange.Cause.CLOCK) as is_mine:
        if not is_mine:
            return Refreshed(0, 0, 0, 0, 0.0)
        found = definitions.load(states=(Segment.State.LIVE, Segment.State.INVALID))
        readable = [one for one in found.readable if keys is None or one.key in keys]
        with transaction.atomic():
            _mark_invalid(found.errors, now=now)
            _mark_live([one.segment_id for one in readable])
        changes = _rebuild(readable, cause=cause, now=now)
        seconds = monotonic() - started
        with connection.cursor() as cursor:
            ids = [one.segment_id for one in readable]
            cursor.execute(COUNT, {"segments": ids, "as_of": now, "seconds": seconds})
    came = sum(change.kind == MembershipChange.Kind.ENTERED for change in changes)
    invalid = Segment.objects.filter(state=Segment.State.INVALID).count()
    return Refreshed(len(readable), invalid, came, len(changes) - came, round(seconds, 3))


def _rebuild(readable: Sequence[Definition], *, cause: str, now: datetime) -> list[Change]:
    """Find who differs without locking anybody; lock these, or everybody when they are many."""
    is_new = Segment.objects.filter(
        pk__in=[one.segment_id for one in readable], refreshed_at__isnull=True
    ).exists()
    differing = None if is_new else _differing(readable, now=now)
    if differing is None or len(differing) > FEW_CUSTOMERS:
        with transaction.atomic():
            with connection.cursor() as cursor:
                _lock(cursor, EVERYBODY)
            return _evaluate(readable, None, cause=cause, now=now)
    changes: list[Change] = []
    for start in range(0, len(differing), BATCH_IDS):
        batch = differing[start : start + BATCH_IDS]
        with transaction.atomic():
            _hold(batch)
            changes += _evaluate(readable, batch, cause=cause, now=now)
    return changes


def _differing(readable: Sequence[Definition], *, now: datetime) -> list[int]:
    """Customers whose membership is not what the rules say; at most `FEW_CUSTOMERS` and one."""

    def find(chosen: Sequence[Definition]) -> list[int]:
        query = to_sql.members({one.segment_id: one.rule for one in chosen}, now)
        ids = [one.segment_id for one in chosen]
        with connection.cursor() as cursor:
            cursor.execute(
                DIFFERENCE.format(hits=HITS.format(hits=query.text)),
                {**query.params, "segments": ids, "most": FEW_CUSTOMERS + 1},
            )
            return sorted(row[0] for row in cursor.fetchall())

    return _surviving(readable, find, now=now)


def _evaluate(
    readable: Sequence[Definition], ids: list[int] | None, *, cause: str, now: datetime
) -> list[Change]:
    """Run the one statement; the caller holds the customers."""

    def change(chosen: Sequence[Definition]) -> list[Change]:
        segments = [one.segment_id for one in chosen]
        with connection.cursor() as cursor:
            as_of = _not_before_the_latest(cursor, segments, ids, now)
            query = to_sql.members({one.segment_id: one.rule for one in chosen}, as_of, ids=ids)
            only = "" if ids is None else "AND m.customer_id = ANY(%(ids)s::bigint[])"
            cursor.execute(
                CHANGE.format(hits=HITS.format(hits=query.text), only=only),
                {
                    **query.params,
                    "segments": segments,
                    "versions": [one.version for one in chosen],
                    "cause": cause,
                },
            )
            return [Change(*row) for row in cursor.fetchall()]

    changes = _surviving(readable, change, now=now)
    _ring(changes, cause)
    return changes


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
    changed = Segment.objects.filter(pk__in=errors, state=Segment.State.LIVE)
    newly = list(changed.values_list("pk", flat=True))
    for pk, error in errors.items():
        Segment.objects.filter(pk=pk).update(
            state=Segment.State.INVALID, error=error, members_count=0
        )
    if newly:
        with connection.cursor() as cursor:
            _empty(cursor, newly, cause=MembershipChange.Cause.EDIT, now=now)


def _mark_live(ids: list[int]) -> None:
    back = Segment.objects.filter(pk__in=ids, state=Segment.State.INVALID)
    for segment in back:
        log.info("segment %s can be read again", segment.key)
        access.audit(None, "segment.valid", f"segment:{segment.key}")
    back.update(state=Segment.State.LIVE, error="")


def _empty(
    cursor: CursorWrapper, segments: list[int], *, cause: str, now: datetime
) -> list[Change]:
    cursor.execute(EMPTY, {"segments": segments, "cause": cause, "as_of": now})
    changes = [Change(*row) for row in cursor.fetchall()]
    _ring(changes, cause)
    return changes


def _hold(ids: list[int]) -> None:
    """Keep other refreshes away from these customers until the transaction ends.

    Buckets are locked in order, so that two workers cannot wait for each other; the rows of the
    customers are not locked, so that imports and tracking go on.
    """
    buckets = sorted({1 + pk % BUCKETS for pk in ids})
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock_shared(%s, %s)", [LOCK, EVERYBODY])
        cursor.execute(
            "SELECT pg_advisory_xact_lock(%s, bucket) FROM unnest(%s::int[]) bucket",
            [LOCK, buckets],
        )


def _lock(cursor: CursorWrapper, bucket: int) -> None:
    cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [LOCK, bucket])


@contextmanager
def _one_rebuild(*, may_skip: bool) -> Iterator[bool]:
    """Let one rebuild at a time through; yields whether this is the one."""
    with connection.cursor() as cursor:
        if may_skip:
            cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [LOCK, ONE_REBUILD])
            is_mine = cursor.fetchone()[0]
        else:
            cursor.execute("SELECT pg_advisory_lock(%s, %s)", [LOCK, ONE_REBUILD])
            is_mine = True
    try:
        yield is_mine
    finally:
        if is_mine and not connection.needs_rollback and connection.is_usable():
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [LOCK, ONE_REBUILD])


def _not_before_the_latest(
    cursor: CursorWrapper, segments: list[int], ids: list[int] | None, now: datetime
) -> datetime:
    whose = "segment_id = ANY(%(segments)s)" if ids is None else "customer_id = ANY(%(ids)s)"
    cursor.execute(LATEST.format(whose=whose), {"segments": segments, "ids": ids, "as_of": now})
    latest: datetime | None = cursor.fetchone()[0]
    return latest or now


def _ring(changes: Sequence[Change], cause: str) -> None:
    """Ring the bells on commit, for each segment in batches of `BATCH_IDS` customers."""
    moved: dict[tuple[str, int], list[int]] = {}
    for change in changes:
        moved.setdefault((change.kind, change.segment_id), []).append(change.customer_id)

    def ring() -> None:
        for (kind, segment_id), ids in moved.items():
            bell = entered if kind == MembershipChange.Kind.ENTERED else exited
            for start in range(0, len(ids), BATCH_IDS):
                bell.send_robust(
                    sender=Segment,
                    segment_id=segment_id,
                    customer_ids=ids[start : start + BATCH_IDS],
                    cause=cause,
                )

    if moved:
        transaction.on_commit(ring)
