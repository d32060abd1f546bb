"""Let scores follow customers whose facts just changed, within seconds.

Whom a transaction touched it noted itself (`customers.services.touches`), so nobody is missed when
a bell is lost, and nothing is added to the request that changed the facts.  Whoever is touched five
times between two looks is scored once.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.core.cache import cache
from django.db import connection, transaction

from customers.features.table import features
from customers.models import TouchReader
from customers.services import frames, touches
from rapport import bells
from rapport.models import Run
from segments.models import MembershipChange, ModelRun, ScoreSummary
from segments.recipes.registry import RECIPES, read_by, table_of
from segments.services import artefacts, membership, scoring

log = logging.getLogger(__name__)

READER = "scores"
SNAPSHOT = "segments.scored"  # cache key: what the last look saw, as PostgreSQL writes it
LOCK = 41_733_004  # advisory: one look at a time
BATCH = 500  # customers of one transaction
MOST = 20_000  # of one look; above it everybody is scored
EVERYBODY_EVERY = timedelta(minutes=5)


@dataclass(frozen=True)
class Scorer:
    """A run that scored everybody, with its estimator."""

    run: ModelRun
    estimator: Any


_loaded: dict[tuple[int, str], Scorer] = {}  # by run and checksum, once a process


def sweep(*, now: datetime) -> int:
    """Score whoever was touched since the last look; returns how many customers these were.

    Killed half-way, the next look scores them again.  While everybody's scores are swapped it
    leaves them to the next look, and where these are too many, everybody is scored, but not more
    often than `EVERYBODY_EVERY` allows: a large import is many transactions.
    """
    if not ScoreSummary.objects.exists():  # nobody is scored yet
        return 0
    with _alone() as is_mine:
        if not is_mine:
            return 0
        before, here = _last(), _snapshot()
        if before is None:
            _move_on(here, now=now)
            return 0
        found = touches.since(before, most=MOST)
        if found.is_everybody:
            if _may_score_everybody(now=now):
                from segments import tasks

                bells.enqueue(tasks.score_everybody)
                _move_on(here, now=now)
            return 0
        for start in range(0, len(found.customer_ids), BATCH):
            if score(found.customer_ids[start : start + BATCH], now=now) is None:
                return start
        _move_on(here, now=now)
    return len(found.customer_ids)


def score(customer_ids: Sequence[int], *, now: datetime) -> list[int] | None:
    """Score these customers with the runs that scored everybody last, and refresh their segments.

    Returns whose scores moved, or None while another writer of scores is at work.  A run that was
    promoted a moment ago is not used before it has scored everybody, so that scores of one kind
    are always of one run.
    """
    moved: set[int] = set()
    with transaction.atomic():
        if not scoring.hold(may_wait=False):
            return None
        scorers = _scorers()
        if not scorers:
            return []
        ids = list(customer_ids)
        facts = frames.facts(known_at=now, customer_ids=ids, with_events=True)
        names = read_by((one.run.kind, one.estimator) for one in scorers)
        shared = features(facts, now, names=names)
        people = frames.groups_frame(known_at=now, customer_ids=ids)
        for one in scorers:
            table = table_of(one.run.kind, facts, now, people=people, shared=shared)
            moved.update(scoring.write_some(one.run, one.estimator, table, ids, now=now))
    membership.refresh(moved, cause=MembershipChange.Cause.MODEL, now=now)
    return sorted(moved)


def _may_score_everybody(*, now: datetime) -> bool:
    jobs = Run.objects.filter(kind__in=("score", "retrain"))
    is_under_way = jobs.filter(state__in=(Run.State.QUEUED, Run.State.RUNNING)).exists()
    return not (is_under_way or jobs.filter(created_at__gt=now - EVERYBODY_EVERY).exists())


def _scorers() -> list[Scorer]:
    """The runs that everybody's present scores are of, loaded once a process."""
    newest = ScoreSummary.objects.order_by("name", "-as_of").distinct("name")
    ids = set(newest.values_list("run", flat=True))
    rows = ModelRun.objects.filter(pk__in=ids, kind__in=RECIPES, artefact__isnull=False)
    found = []
    for pk, sha256 in rows.order_by("pk").values_list("pk", "artefact__sha256"):
        if (pk, sha256) not in _loaded:
            run = ModelRun.objects.get(pk=pk)
            try:
                _loaded[pk, sha256] = Scorer(run, artefacts.load(run))
            except artefacts.ArtefactRefused as refusal:
                log.error("%s scores nobody: %s", run, refusal)
                continue
        found.append(_loaded[pk, sha256])
    for key in [key for key in _loaded if key[0] not in ids]:
        del _loaded[key]
    return found


@contextmanager
def _alone() -> Iterator[bool]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
        is_mine = bool(cursor.fetchone()[0])
    try:
        yield is_mine
    finally:
        if is_mine and not connection.needs_rollback and connection.is_usable():
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])


def _snapshot() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_snapshot()::text")
        found: str = cursor.fetchone()[0]
    return found


def _last() -> str | None:
    """What the last look saw.  Where only its oldest open transaction is known, some are scored
    twice; None where nobody looked yet.
    """
    reader = TouchReader.objects.filter(name=READER).first()
    if reader is None:
        return None
    needs_from = str(reader.needs_from)
    kept: str | None = cache.get(SNAPSHOT)
    if kept is not None and kept.split(":")[0] == needs_from:
        return kept
    return f"{needs_from}:{needs_from}:"


def _move_on(snapshot: str, *, now: datetime) -> None:
    touches.follow(READER, now=now, snapshot=snapshot)
    cache.set(SNAPSHOT, snapshot, timeout=None)
