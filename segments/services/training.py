"""Train the models, judge them, and let the good ones serve: all kinds, or those that are due."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
from django.db import connection

from customers.features.facts import Facts
from customers.features.table import features
from customers.models import Event, Order
from customers.services import frames
from rapport import runs
from rapport.errors import Conflict, DomainError
from rapport.models import Run
from rapport.runs import Progress
from segments.models import ModelRun
from segments.recipes.judged import Judged
from segments.recipes.registry import RECIPES, table_of
from segments.services import membership, model_runs, scoring
from segments.services.computing import compute
from segments.services.model_runs import Clock, Occasion

SEED = 20_260  # fixed: the same facts give the same run
LOCK = 41_733_003  # advisory: one training at a time
RETRAIN_DAYS = 7  # a run as old as this is trained anew, if anything happened since
RETRAIN_NEW_SHARE = 0.1  # so many more orders than it learnt from are not waited with
State = ModelRun.State


class UnknownKind(DomainError):
    code = "unknown_kind"


class Busy(Conflict):
    """Another training is at work."""

    code = "training_under_way"


def retrain(
    *,
    as_of: datetime,
    kinds: Sequence[str] | None = None,
    run_id: int | None = None,
    user: Any = None,
    bar: bool = False,
    now: datetime | None = None,
    because: dict[str, str] | None = None,
) -> list[ModelRun]:
    """Train, judge, promote what passes, score everybody, and refresh the segments.

    What was known at ``as_of`` is learnt from; ``now`` is when it is done, ``as_of`` if not given.
    One kind that fails leaves the others alone.  Safe twice: each call makes runs of its own, a
    run takes the place of the live one in one transaction, and of two calls at a time the second
    is refused (`Busy`).  Cancelled or killed half-way it leaves what was live, and its scores, as
    they were; kinds that were done stay done.
    """
    chosen = _checked(kinds)
    job = Run.objects.get(pk=run_id) if run_id else _job(chosen, as_of, user)
    trained: list[ModelRun] = []
    if job.is_over:  # cancelled while it waited, or handed over twice
        return trained
    clock = Clock(now or as_of)
    with runs.running(job, bar=bar) as progress, _alone(job):
        _fail_abandoned(now=clock())
        facts, table, people = _read(as_of, progress, steps=2 * len(chosen) + 3)
        occasion = Occasion(
            as_of=as_of,
            clock=clock,
            table=table,
            digest=model_runs.digest(table),
            user=user or job.started_by,
            progress=progress,
        )
        for place, kind in enumerate(chosen):
            progress.stage(f"training {kind}", done=2 + place)
            learn = _learn(kind, facts, as_of, people)
            why = (because or {}).get(kind, "")
            here = occasion
            if RECIPES[kind].table:  # it looks at other customers than the buyers
                here = replace(occasion, table=table_of(kind, facts, as_of, people=people))
            run = model_runs.keep_run(kind, learn=learn, occasion=here, because=why)
            trained.append(run)
            progress.say(" ".join(f"{one.get_kind_display()}: {one.state}." for one in trained))

        def table_for(kind: str) -> pd.DataFrame:
            return table_of(kind, facts, as_of, people=people, shared=table)

        scores = _score(chosen, table_for, as_of, progress, done=2 + len(chosen))
        progress.stage("refreshing segments", done=2 + 2 * len(chosen))
        refreshed = membership.refresh_all(cause="model", now=clock())
        progress.advance()
        progress.result(
            runs={run.kind: {"id": run.pk, "state": run.state} for run in trained},
            scores=scores,
            entered=refreshed.entered,
            exited=refreshed.exited,
        )
    return trained


def nightly(*, now: datetime) -> list[ModelRun]:
    """Train what is due; where nothing is, bring everybody's scores up to this day."""
    because = due(now=now)
    if because:
        return retrain(as_of=now, kinds=list(because), because=because, now=now)
    score_everybody(now=now)
    return []


def score_everybody(*, now: datetime) -> dict[str, int]:
    """Score all customers with what serves, and refresh the segments; scores written by kind.

    A row tells its progress.  Where nothing serves there is nothing to do, and no row.
    """
    if not ModelRun.objects.filter(state__in=scoring.SERVING).exists():
        return {}
    job = runs.create("score", "Score everybody", params={"as_of": now})
    scores: dict[str, int] = {}
    with runs.running(job) as progress, _alone(job):
        facts, table, people = _read(now, progress, steps=len(RECIPES) + 3)

        def table_for(kind: str) -> pd.DataFrame:
            return table_of(kind, facts, now, people=people, shared=table)

        scores = _score(list(RECIPES), table_for, now, progress, done=2)
        progress.stage("refreshing segments", done=2 + len(RECIPES))
        membership.refresh_all(cause="model", now=now)
        progress.advance()
        progress.result(scores=scores)
    return scores


def due(*, now: datetime) -> dict[str, str]:
    """The kinds that should be trained now, each with the reason in words.

    By what was asked for (drift, erasure), by share of new orders, and by age.  A shop without any
    news is not trained for nothing; one without any order is not trained at all.
    """
    newest = {run.kind: run for run in ModelRun.objects.filter(subject="").order_by("pk")}
    asked = dict(
        ModelRun.objects.filter(subject="", state__in=scoring.SERVING)
        .exclude(retrain_because="")
        .values_list("kind", "retrain_because")
    )
    total = Order.objects.filter(recorded_at__lt=now).count()
    found = {}
    for kind in RECIPES:
        run = newest.get(kind)
        if kind in asked:
            found[kind] = asked[kind]
        elif run is None or run.state == State.FAILED:
            if total:
                found[kind] = "it was never trained" if run is None else "the last training failed"
        else:
            words = _news(run, total, now=now)
            if words:
                found[kind] = words
    return found


def ask_for_retraining(run: ModelRun, because: str) -> None:
    """Let the next nightly training not wait for this kind; ``because`` is a short sentence."""
    model_runs.ask_for_retraining(run, because)


def find_abandoned(*, now: datetime) -> int:
    """Close the rows of trainings whose process died; how many.  Nobody's while one is at work."""
    if not ModelRun.objects.filter(kind__in=RECIPES, state=State.TRAINING).exists():
        return 0
    with _lock() as is_mine:
        return _fail_abandoned(now=now) if is_mine else 0


def _news(run: ModelRun, total: int, *, now: datetime) -> str:
    """Why this run is trained anew, empty where it is good enough still."""
    new = Order.objects.filter(recorded_at__gte=run.as_of, recorded_at__lt=now).count()
    if total and new >= RETRAIN_NEW_SHARE * total:
        return f"{new:,} of {total:,} orders are new since"
    age_days = (now - run.as_of).days
    if age_days < RETRAIN_DAYS:
        return ""
    heard = {"recorded_at__gte": run.as_of, "recorded_at__lt": now}
    if new or Event.objects.filter(**heard).exists():
        return f"it is {age_days} days old"
    return ""


def _read(
    as_of: datetime, progress: Progress, *, steps: int
) -> tuple[Facts, pd.DataFrame, pd.DataFrame]:
    """Everything known at ``as_of``, its features, and which groups customers are in."""
    progress.stage("reading orders and events", total=steps)
    facts = frames.facts(known_at=as_of, with_events=True)
    people = frames.groups_frame(known_at=as_of)
    progress.stage("computing features", done=1)
    return facts, compute(lambda: features(facts, as_of), progress=progress), people


def _learn(kind: str, facts: Facts, as_of: datetime, people: pd.DataFrame) -> model_runs.Learn:
    def learn(theirs: Any) -> Judged:
        return RECIPES[kind].train(facts, as_of, live=theirs, seed=SEED, people=people)

    return learn


def _score(
    kinds: Sequence[str],
    table_for: Callable[[str], pd.DataFrame],
    as_of: datetime,
    progress: Progress,
    *,
    done: int,
) -> dict[str, int]:
    """Score with what serves now, be it new or not; 0 where nothing can."""
    scores = {}
    for place, kind in enumerate(kinds):
        progress.stage(f"scoring {kind}", done=done + place)
        table = table_for(kind)
        scores[kind] = scoring.write_serving(kind, table, now=as_of, progress=progress)
    return scores


def _checked(kinds: Sequence[str] | None) -> list[str]:
    if kinds is None:
        return list(RECIPES)
    unknown = [kind for kind in kinds if kind not in RECIPES]
    if unknown or not kinds:
        found = ", ".join(unknown) or "none"
        raise UnknownKind(f"kinds are {found}, expected some of {', '.join(RECIPES)}")
    return [kind for kind in RECIPES if kind in kinds]


def _job(kinds: list[str], as_of: datetime, user: Any) -> Run:
    title = "Retrain models" if len(kinds) == len(RECIPES) else f"Retrain {', '.join(kinds)}"
    return runs.create("retrain", title, params={"kinds": kinds, "as_of": as_of}, user=user)


@contextmanager
def _alone(job: Run) -> Iterator[None]:
    with _lock() as is_mine:
        if not is_mine:
            other = Run.objects.filter(kind__in=("retrain", "score"), state=Run.State.RUNNING)
            found = other.exclude(pk=job.pk).order_by("-pk").first()
            which = f"job {found.pk}, {found.title}, is" if found else "another training is"
            raise Busy(f"{which} at work: wait for it, or cancel it, and start again")
        yield


@contextmanager
def _lock() -> Iterator[bool]:
    """One training in the whole database; the lock of a killed process is free at once."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
        is_mine = bool(cursor.fetchone()[0])
    try:
        yield is_mine
    finally:
        if is_mine and not connection.needs_rollback and connection.is_usable():
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])


def _fail_abandoned(*, now: datetime) -> int:
    """Whoever holds the lock knows that no other training lives."""
    return model_runs.fail_abandoned(list(RECIPES), before=now + timedelta(days=1), now=now)
