"""Bring back to `membership` whoever needs asking and whom no bell announces.

Three kinds: customers whose moment has come, those whose facts changed while the bell was lost,
and segments whose rebuild was lost.  Any number of workers may sweep at once.
"""

from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Q

from customers.models import TouchReader
from customers.services import touches
from rapport import bells
from rapport.models import Run
from segments.models import MembershipChange, Segment
from segments.services import locks, membership, statements

READER = "segments"
FIRST_TRANSACTION = "3"  # of any database
BATCH = 500  # customers of one transaction
MOST_BATCHES = 100  # of one sweep; the next tick goes on
MOST_TOUCHED = 20_000  # customers of one sweep whose bell was lost
RING_SECONDS = 5  # left to the bells before a touch counts as unheard
LOST_SECONDS = 60  # left to the queue before a segment without a rebuild counts as forgotten


def sweep(*, now: datetime) -> int:
    """Ask about those whose moment has come, and those whose bell was lost; returns how many.

    Safe to be killed: whoever was not asked is still due.  Only a sweep that left nobody behind
    says that the segments are right as of now.
    """
    swept, is_done = 0, False
    for _ in range(MOST_BATCHES):
        n = membership.refresh_due(now=now, most=BATCH)
        swept += n
        if n < BATCH:
            is_done = True
            break
    unheard, is_heard = _touched(now=now)
    if is_done and is_heard:
        with connection.cursor() as cursor:
            cursor.execute(statements.FRESH, {"now": now})
    return swept + unheard


def find_lost_work(*, now: datetime) -> None:
    """Enqueue the rebuilds that nobody does: of new segments, of edits, after a big import."""
    from segments import tasks

    if locks.is_rebuilding():
        return
    before = now - timedelta(seconds=LOST_SECONDS)
    live = Segment.objects.filter(state=Segment.State.LIVE)
    if live.filter(refreshed_at=None, created_at__lte=before).exists():
        bells.enqueue(tasks.refresh_new)
    waits = Q(run=None) | Q(run__state=Run.State.LOST)
    waits |= Q(run__state=Run.State.QUEUED, run__created_at__lte=before)
    for segment in live.filter(waits, live_version__isnull=False, changed_at__lte=before):
        bells.enqueue(
            tasks.refresh_segment, segment.pk, MembershipChange.Cause.EDIT.value, segment.run_id
        )
    with connection.cursor() as cursor:
        given: dict[str, Any] = {
            "needs_from": _needs_from(),
            "rung_by": now - timedelta(seconds=LOST_SECONDS),
        }
        cursor.execute(statements.IS_BASE_UNSEEN, given)
        if cursor.fetchone()[0]:
            bells.enqueue(tasks.refresh_all, MembershipChange.Cause.IMPORT.value)


def _touched(*, now: datetime) -> tuple[int, bool]:
    """Ask about customers whose facts changed and of whom nobody asked since; and are these all?"""
    needs_from = _needs_from()
    given: dict[str, Any] = {
        "needs_from": needs_from,
        "rung_by": now - timedelta(seconds=RING_SECONDS),
        "most": MOST_TOUCHED,
    }
    with connection.cursor() as cursor:
        cursor.execute(statements.NEEDS_FROM, given)
        next_from = cursor.fetchone()[0]
        cursor.execute(statements.UNSEEN, given)
        ids = [pk for (pk,) in cursor.fetchall()]
        membership.refresh(ids, cause=MembershipChange.Cause.EVENT, now=now)
        cursor.execute(statements.IS_BASE_UNSEEN, given)
        is_base_heard = not cursor.fetchone()[0]
    is_all = len(ids) < MOST_TOUCHED and is_base_heard
    needs_from = next_from if is_all else needs_from
    touches.follow(READER, now=now, snapshot=f"{needs_from}:{needs_from}:")
    return len(ids), is_all


def _needs_from() -> str:
    """From which transaction on touches may not have been heard; at first, all that there are."""
    reader = TouchReader.objects.filter(name=READER).first()
    return str(reader.needs_from) if reader else FIRST_TRANSACTION
