"""Train the models, judge them, and let the good ones serve.  Creates ModelRun and fills it;
`promotion` moves it on.
"""

import hashlib
import logging
import platform
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from importlib.metadata import version
from time import monotonic
from typing import Any

import numpy as np
import pandas as pd
from django.conf import settings
from django.db import transaction
from threadpoolctl import threadpool_limits

from customers.features.facts import Facts
from customers.features.table import features
from customers.services import frames
from rapport import runs
from rapport.errors import DomainError
from rapport.models import Run
from segments.estimators.clusters import LogKMeans
from segments.models import ModelRun
from segments.recipes import churn, groups, names, values
from segments.recipes.judged import Judged, as_json
from segments.services import artefacts, clusters, membership, promotion, scoring

log = logging.getLogger(__name__)

THREADS = 1  # on busy cores a second one spins: k-means took 40 times as long
SEED = 20_260  # fixed: the same facts give the same run
ABANDONED_HOURS = 6
LIBRARIES = ("numpy", "pandas", "scipy", "scikit-learn", "skops")
State = ModelRun.State

RECIPES: dict[str, Callable[..., Judged]] = {
    ModelRun.Kind.CLUSTERS.value: groups.train,
    ModelRun.Kind.CHURN.value: churn.train,
    ModelRun.Kind.CLV.value: values.train,
}


class UnknownKind(DomainError):
    code = "unknown_kind"


def retrain(
    *,
    as_of: datetime,
    kinds: Sequence[str] | None = None,
    run_id: int | None = None,
    user: Any = None,
    bar: bool = False,
    now: datetime | None = None,
) -> list[ModelRun]:
    """Train, judge, promote what passes, score everybody, and refresh the segments.

    What was known at ``as_of`` is learnt from; ``now`` is when it is done, ``as_of`` if not given.
    One kind that fails leaves the others alone.  Safe twice: each call makes runs of its own, and
    a run takes the place of the live one in one transaction.  Killed half-way it leaves the live
    runs and their scores as they were.
    """
    chosen = _checked(kinds)
    job = Run.objects.get(pk=run_id) if run_id else _job(chosen, as_of, user)
    trained: list[ModelRun] = []
    if job.is_over:  # cancelled while it waited, or handed over twice
        return trained
    clock = _Clock(now or as_of)
    user = user or job.started_by
    with runs.running(job, bar=bar) as progress, threadpool_limits(THREADS):
        progress.stage("reading orders", total=2 * len(chosen) + 2)
        facts = frames.facts(known_at=as_of)
        digest = _digest(features(facts, as_of))
        for place, kind in enumerate(chosen):
            progress.stage(f"training {kind}", done=1 + place)
            trained.append(_train(kind, facts, as_of, digest=digest, user=user, clock=clock))
        scores = {}
        for place, kind in enumerate(chosen):
            progress.stage(f"scoring {kind}", done=1 + len(chosen) + place)
            scores[kind] = _score(kind, facts, as_of)
        progress.stage("refreshing segments", done=1 + 2 * len(chosen))
        refreshed = membership.refresh_all(cause="model", now=clock())
        progress.advance()
        progress.result(
            runs={run.kind: {"id": run.pk, "state": run.state} for run in trained},
            scores=scores,
            entered=refreshed.entered,
            exited=refreshed.exited,
        )
        progress.say(" ".join(f"{run.get_kind_display()}: {run.state}." for run in trained))
    return trained


class _Clock:
    """The time that has passed since ``now``, without asking which time it is."""

    def __init__(self, now: datetime) -> None:
        self._now, self._started = now, monotonic()

    def __call__(self) -> datetime:
        return self._now + timedelta(seconds=monotonic() - self._started)


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


def _train(
    kind: str, facts: Facts, as_of: datetime, *, digest: str, user: Any, clock: _Clock
) -> ModelRun:
    """One kind, from its row to its promotion.

    Where the model is refused and nothing else serves, its rule of thumb gets a row of its own.
    """
    _give_up_abandoned(kind, clock())
    live = promotion.serving(kind)
    live = live if live is not None and live.state == State.LIVE else None
    theirs = _estimator(live)

    def learn() -> Judged:
        return RECIPES[kind](facts, as_of, live=theirs, seed=SEED)

    given: dict[str, Any] = {"digest": digest, "user": user, "clock": clock}
    given |= {"live": live, "theirs": theirs}
    run, judged = _run(kind, facts, as_of, learn, **given)
    is_blank = run.state == State.REFUSED and promotion.serving(kind) is None
    if is_blank and judged is not None and judged.instead is not None:
        run, _ = _run(kind, facts, as_of, judged.instead, **given)
    return run


def _run(
    kind: str,
    facts: Facts,
    as_of: datetime,
    learn: Callable[[], Judged],
    *,
    digest: str,
    user: Any,
    clock: _Clock,
    live: ModelRun | None,
    theirs: Any,
) -> tuple[ModelRun, Judged | None]:
    """One row, and what was judged; what goes wrong is told on the row."""
    run = ModelRun.objects.create(
        kind=kind,
        as_of=as_of,
        data_sha256=digest,
        versions=_versions(),
        started_by=user,
        created_at=clock(),
    )
    try:
        judged = learn()
        with transaction.atomic():
            _keep(run, judged, facts, theirs=theirs, live=live, clock=clock)
    except Exception as error:  # the other kinds go on
        log.exception("%s could not be trained", run)
        run.state, run.finished_at = State.FAILED, clock()
        run.error = f"{type(error).__name__}: {error}"
        run.summary = "It could not be trained; what was live goes on."
        run.save(update_fields=["state", "error", "summary", "finished_at"])
        return run, None
    if judged.is_fallback:
        return promotion.stand_in(run), judged
    return promotion.promote(run, user=user, now=clock(), then_score=False), judged


def _give_up_abandoned(kind: str, now: datetime) -> None:
    """Close the rows of trainings whose process died."""
    ModelRun.objects.filter(
        kind=kind, state=State.TRAINING, created_at__lt=now - timedelta(hours=ABANDONED_HOURS)
    ).update(state=State.FAILED, finished_at=now, error="Its process died.")


def _estimator(run: ModelRun | None) -> Any:
    """What was judged of the live run; None, with a line in the log, where it cannot be read.

    What serves was fitted again with the test included: beside it every later run looks worse.
    """
    if run is None:
        return None
    try:
        return artefacts.load(run, part="judged")
    except artefacts.ArtefactRefused as refusal:
        log.warning("%s is not compared with: %s", run, refusal)
        return None


def _keep(
    run: ModelRun,
    judged: Judged,
    facts: Facts,
    *,
    theirs: Any,
    live: ModelRun | None,
    clock: _Clock,
) -> None:
    """Write what came out: the row, its estimator, and its clusters."""
    run.state = State.JUDGED
    run.method, run.summary, run.n_customers = judged.method, judged.summary, judged.n_customers
    run.params = judged.params
    run.metrics = {name: as_json(found) for name, found in judged.metrics.items()}
    run.baseline = {name: as_json(found) for name, found in judged.baseline.items()}
    run.card = {
        **judged.card,
        "comparisons": [comparison.as_json() for comparison in judged.comparisons],
        "defects": judged.defects,
    }
    estimator, beside = judged.estimator, judged.judged_estimator
    if isinstance(estimator, LogKMeans):
        estimator = beside = _propose(run, estimator, facts, theirs=theirs, live=live)
    run.finished_at = clock()
    run.save()
    if estimator is not None:
        artefacts.store(run, estimator, judged=beside)


def _propose(
    run: ModelRun, estimator: LogKMeans, facts: Facts, *, theirs: Any, live: ModelRun | None
) -> LogKMeans:
    """Give the clusters lasting keys, profiles and names, and say how many customers move."""
    estimator = clusters.keyed(estimator, theirs)
    table = features(facts, run.as_of)
    labels = estimator.predict(table)
    found = names.profiles(table, labels)
    keys, counts = np.unique(labels.to_numpy(), return_counts=True)
    sizes = dict(zip(keys.tolist(), counts.tolist(), strict=True))
    proposed = names.names(found)
    clusters.propose(run, sizes=sizes, profiles=found, names=proposed, live=live)
    if theirs is not None:
        run.card["moved_share"] = round(float((theirs.predict(table) != labels).mean()), 4)
    return estimator


def _score(kind: str, facts: Facts, as_of: datetime) -> int:
    """Score with what serves now, be it new or not; 0 where nothing can."""
    serving = promotion.serving(kind)
    if serving is None or not promotion.can_score(serving):
        return 0
    try:
        return scoring.write(serving, artefacts.load(serving), facts, now=as_of)
    except artefacts.ArtefactRefused as refusal:
        log.error("%s scores nobody: %s", serving, refusal)
        return 0


def _digest(table: pd.DataFrame) -> str:
    """SHA-256 of the feature table: the same facts give the same one."""
    found = hashlib.sha256(",".join(map(str, table.columns)).encode())
    found.update(table.index.to_numpy().tobytes())
    for name in table.columns:
        found.update(table[name].to_numpy().tobytes())
    return found.hexdigest()


def _versions() -> dict[str, str]:
    return {
        "rapport": settings.VERSION,
        "python": platform.python_version(),
        **{name: version(name) for name in LIBRARIES},
    }
