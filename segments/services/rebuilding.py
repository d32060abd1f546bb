"""Ask about everybody: after an import or an edit, and at night to prove that nothing is amiss.

Nobody waits while everybody is asked.  Who differs is worked out from one snapshot; few are then
asked again like anybody else, many are written in one short transaction, in which an edited rule
takes the place of the one before.  Whoever was asked since the snapshot is asked again there.
"""

import logging
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from time import monotonic
from typing import Any

import numpy as np
from django.db import DataError, ProgrammingError, connection, transaction

from customers.signals import BATCH_IDS
from rapport import access, runs
from rapport.models import Run
from segments.models import MembershipChange, Segment
from segments.rules.columns import NEVER
from segments.services import asking, cuts, definitions, everybody, locks, mirror, statements
from segments.services.asking import Moved
from segments.services.definitions import Definition
from segments.services.everybody import Differences
from segments.services.mirror import Verdicts
from segments.signals import entered, exited

log = logging.getLogger(__name__)

FEW_CUSTOMERS = 20_000  # differing customers up to which a rebuild locks only these
NOTHING_SEEN = "3"  # the first transaction of any database
KIND = MembershipChange.Kind


@dataclass(frozen=True)
class Refreshed:
    """What a refresh of everybody did."""

    segments: int
    invalid: int
    entered: int
    exited: int
    seconds: float
    differences: int = 0  # of a proof: what nothing pending explains


@dataclass
class _Work:
    """One rebuild under way."""

    readable: list[Definition]
    is_of_all: bool  # of all live segments, so that it may speak for a customer's next moment
    has_edits: bool
    is_new: bool
    cause: str
    as_of: datetime
    snapshot: str = ""  # taken before the facts were read
    progress: runs.Progress | None = None

    @property
    def segments(self) -> list[int]:
        return [one.segment_id for one in self.readable]

    @property
    def since(self) -> dict[str, Any]:
        """What statements need to tell who was asked since the snapshot."""
        first, after, running = self.snapshot.split(":")
        return {
            "seen_from": first,
            "next": int(after) % 2**32,
            "running": [int(one) % 2**32 for one in running.split(",") if one],
        }

    @property
    def new_from(self) -> str | None:
        """What a Recheck may say it has seen: nothing, where not all segments were asked."""
        return self.snapshot.split(":")[0] if self.is_of_all else None

    @property
    def versions(self) -> list[int]:
        return [one.version for one in self.readable]

    def stage(self, name: str) -> None:
        """Say where we are; raises `runs.Cancelled` when somebody asked to stop."""
        if self.progress:
            self.progress.stage(name)


def rebuild(
    keys: set[str] | None,
    *,
    cause: str,
    now: datetime,
    run: Run | None = None,
    is_proof: bool = False,
    may_skip: bool = False,
) -> Refreshed:
    """Ask these segments, or all, about everybody; edits that wait are taken in.

    One at a time; who ``may_skip`` leaves it to another that is at work.  Safe to be killed:
    nothing is written but in whole transactions, and the next rebuild finds the rest.
    """
    started = monotonic()
    done = Refreshed(0, 0, 0, 0, 0.0)
    with runs.running(run) if run else nullcontext() as progress:
        if progress:
            progress.stage("waiting for its turn")
        with locks.one_rebuild(may_skip=may_skip) as is_mine:
            if is_mine:
                work = _begin(keys, cause=cause, now=now, progress=progress)
                done = _work(work, started=started, is_proof=is_proof)
        if progress:
            progress.result(entered=done.entered, exited=done.exited, seconds=done.seconds)
    return done


def _begin(
    keys: set[str] | None, *, cause: str, now: datetime, progress: runs.Progress | None
) -> _Work:
    """What can be evaluated; what cannot becomes invalid, and what can again becomes live."""
    found = definitions.load(states=(Segment.State.LIVE, Segment.State.INVALID), with_edits=True)
    asking.mark_invalid(found.errors, now=now)
    if keys is not None:
        for key in found.edited:
            keys = keys | {key, *definitions.dependents(key)}
    invalid = Segment.objects.filter(state=Segment.State.INVALID)
    asleep = set(invalid.values_list("pk", flat=True))
    wanted = [one for one in found.readable if keys is None or one.key in keys]
    failing = asking.failing([one for one in wanted if one.segment_id in asleep], now=now)
    readable = [one for one in wanted if one.segment_id not in failing]
    asking.mark_live([one.segment_id for one in readable if one.segment_id in asleep])
    live = Segment.objects.filter(state=Segment.State.LIVE)
    return _Work(
        readable=readable,
        is_of_all=live.count() == len(readable),
        has_edits=bool(found.edited),
        is_new=live.filter(pk__in=[one.segment_id for one in readable], refreshed_at=None).exists(),
        cause=cause,
        as_of=now,
        progress=progress,
    )


def _work(work: _Work, *, started: float, is_proof: bool) -> Refreshed:
    alarming: dict[int, int] = {}
    counts = dict.fromkeys(KIND.values, 0)
    if work.readable:
        with connection.cursor() as cursor:
            # first the horizon, then the facts: whoever is asked in between counts as asked since
            cursor.execute(statements.SNAPSHOT, {"now": work.as_of})
            work.snapshot, latest = cursor.fetchone()
            work.as_of = latest or work.as_of
        work.stage("asking everybody")
        found = _answers(work)
        work.stage("comparing")
        differing = everybody.differences(found, counts_due=True)
        concerned = differing.customer_ids()
        is_many = concerned.size > FEW_CUSTOMERS
        is_proof_fair = is_proof and not (work.has_edits or work.is_new or _is_base_touched(work))
        work.stage("writing who entered and who left")
        if work.has_edits or work.is_new or is_many or not work.is_of_all:
            counts = _swap(work, differing, started=started)
            if is_proof_fair:
                for part in (differing.entered, differing.exited):
                    for pk, ids in part.items():
                        alarming[pk] = alarming.get(pk, 0) + int(ids.size)
        else:
            unexplained = _ask_again(work, concerned, counts)
            alarming = unexplained if is_proof_fair else {}
            only_late = replace(differing, entered={}, exited={})
            _swap(work, only_late, started=started)
            with connection.cursor() as cursor:
                cursor.execute(statements.COUNT, {"segments": work.segments})
    seconds = round(monotonic() - started, 3)
    if is_proof:
        _note_proof(work, alarming, seconds=seconds)
    invalid = Segment.objects.filter(state=Segment.State.INVALID).count()
    return Refreshed(
        len(work.readable),
        invalid,
        counts[KIND.ENTERED],
        counts[KIND.EXITED],
        seconds,
        sum(alarming.values()),
    )


def _is_base_touched(work: _Work) -> bool:
    """Whether so many customers were touched that none is named, and no rebuild has seen it."""
    with connection.cursor() as cursor:
        cursor.execute(statements.IS_BASE_UNSEEN, {"needs_from": "0", "rung_by": work.as_of})
        return bool(cursor.fetchone()[0])


def _answers(work: _Work) -> Verdicts:
    """Ask everybody; segments whose SQL fails become invalid, the rest goes on."""
    try:
        # The mirror wants a transaction of its own; COPY speaks of errors in psycopg2's own words.
        within = transaction.atomic() if connection.in_atomic_block else nullcontext()
        with connection.wrap_database_errors, within:
            rules = {one.segment_id: one.rule for one in cuts.placed(work.readable)}
            return mirror.verdicts(rules, work.as_of)
    except (ProgrammingError, DataError):
        errors = asking.failing(work.readable, now=work.as_of)
        if not errors:
            raise
        asking.mark_invalid(errors, now=work.as_of)
        work.readable = [one for one in work.readable if one.segment_id not in errors]
        return _answers(work)


def _ask_again(work: _Work, concerned: np.ndarray, counts: dict[str, int]) -> dict[int, int]:
    """Ask those who differ like anybody else; returns the changes that nothing explained."""
    ids = concerned.tolist()
    with connection.cursor() as cursor:
        given = {"ids": ids, "as_of": work.as_of, **work.since}
        cursor.execute(statements.EXPLAINED, given)
        explained = {pk for (pk,) in cursor.fetchall()}
    alarming: dict[int, int] = {}
    for is_alarm, some in (
        (False, [pk for pk in ids if pk in explained]),
        (True, [pk for pk in ids if pk not in explained]),
    ):
        for start in range(0, len(some), BATCH_IDS):
            with transaction.atomic():
                batch = some[start : start + BATCH_IDS]
                for one in asking.ask(batch, cause=work.cause, now=work.as_of):
                    n = len(one.customer_ids)
                    counts[one.kind] += n
                    if is_alarm:
                        alarming[one.segment_id] = alarming.get(one.segment_id, 0) + n
    return alarming


def _swap(work: _Work, differing: Differences, *, started: float) -> dict[str, int]:
    """Write all differences at once; from here on an edited rule is the one that members follow."""
    counts = dict.fromkeys(KIND.values, 0)
    given: dict[str, Any] = {
        "segments": work.segments,
        "versions": work.versions,
        "as_of": work.as_of,
        "new_from": work.new_from or NOTHING_SEEN,
        "cause": work.cause,
        **work.since,
    }
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statements.STAGE)
        _stage("staged_entered", differing.entered)
        _stage("staged_exited", differing.exited)
        everybody.copy_in("staged_known", customer_id=differing.late)
        is_due = differing.late_due != NEVER
        everybody.copy_in(
            "staged_due", customer_id=differing.late[is_due], due_at=differing.late_due[is_due]
        )
        locks.hold_everybody()
        cursor.execute(statements.FOLLOW_RULE, given)
        is_new_rule = cursor.rowcount > 0
        cursor.execute(statements.STILL_ASKED, given)
        given["segments"], given["versions"] = cursor.fetchone()
        cursor.execute(statements.LEFT_ALONE, given)
        cursor.execute(statements.SWAP, given)
        moved = cursor.fetchall()
        for _, kind, n in moved:
            counts[kind] += n
        asking.count(moved)
        cursor.execute(statements.SWAP_DUE, given)
        again: list[int] = []
        if is_new_rule or differing.entered or differing.exited:
            cursor.execute(statements.ASK_AGAIN)
            again = [pk for (pk,) in cursor.fetchall()]
        for start in range(0, len(again), BATCH_IDS):
            batch = again[start : start + BATCH_IDS]
            for one in asking.ask(batch, cause=work.cause, now=work.as_of):
                counts[one.kind] += len(one.customer_ids)
        work.stage("done")  # the last moment to stop
        given |= {"seconds": monotonic() - started, "new_from": work.new_from}
        cursor.execute(statements.REFRESHED, given)
        _ring(differing, set(again), given["segments"], cause=work.cause)
    return counts


def _stage(table: str, members: dict[int, np.ndarray]) -> None:
    for pk, ids in members.items():
        everybody.copy_in(table, segment_id=np.full(ids.size, pk), customer_id=ids)


def _ring(differing: Differences, again: set[int], segments: list[int], *, cause: str) -> None:
    """Ring for whom the swap wrote; those asked again have rung by themselves."""
    moved = []
    for kind, bell, part in (
        (KIND.ENTERED, entered, differing.entered),
        (KIND.EXITED, exited, differing.exited),
    ):
        if bell.has_listeners(Segment):
            for pk, ids in part.items():
                told = [one for one in ids.tolist() if one not in again]
                if pk in segments and told:
                    moved.append(Moved(pk, str(kind), told))
    asking.ring(moved, cause)


def _note_proof(work: _Work, alarming: dict[int, int], *, seconds: float) -> None:
    for one in work.readable:
        n = alarming.get(one.segment_id, 0)
        if n:
            log.error("segment %s differed from its rule for %d customers", one.key, n)
            access.audit(None, "segment.differed", f"segment:{one.key}", differences=n)
        Segment.objects.filter(pk=one.segment_id).update(
            differences=n, verified_at=work.as_of, verified_seconds=seconds
        )
