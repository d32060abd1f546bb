"""Learn once and write down what came of it: the row, its card, estimator, clusters and forecast.
Creates ModelRun and fills it, and is the only module that writes ForecastPoint; `promotion` moves
a run on.
"""

import hashlib
import io
import logging
import platform
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.metadata import version
from time import monotonic
from typing import Any

import pandas as pd
from django.conf import settings
from django.db import connection, transaction

from rapport.runs import Cancelled, Progress
from segments.estimators.clusters import is_clusterer
from segments.models import ModelRun
from segments.recipes.judged import Judged, as_json
from segments.services import artefacts, clusters, promotion, references
from segments.services.computing import compute

log = logging.getLogger(__name__)

LIBRARIES = ("numpy", "pandas", "scipy", "scikit-learn", "skops")
POINTS = (
    "subject_kind", "subject", "measure", "week_start", "expected", "low", "high", "baseline",
)  # fmt: skip
ERASED = re.compile(r"[\d,]+ (person|people) erased since\.")
State = ModelRun.State
Learn = Callable[[Any], Judged]  # given the judged estimator of what is live, or None


class Clock:
    """The time that has passed since ``now``, without asking which time it is."""

    def __init__(self, now: datetime) -> None:
        self._now, self._started = now, monotonic()

    def __call__(self) -> datetime:
        return self._now + timedelta(seconds=monotonic() - self._started)


@dataclass(frozen=True, kw_only=True)
class Occasion:
    """What the runs of one training have in common.

    ``table`` is the feature table at ``as_of``: for clusters, and to see later who has moved.
    """

    as_of: datetime
    clock: Clock
    table: pd.DataFrame | None = None
    digest: str = ""
    user: Any = None
    progress: Progress | None = None


def keep_run(
    kind: str, *, subject: str = "", learn: Learn, occasion: Occasion, because: str = ""
) -> ModelRun:
    """Learn, judge, and promote what passes: one run from its row to its serving.

    Where the model is refused and nothing else serves, its rule of thumb gets a row of its own,
    which is then the one returned.  What goes wrong is told on the row; a cancelled one says so,
    and `Cancelled` goes on.  Killed half-way it leaves what served as it was.
    """
    live = promotion.serving(kind, subject)
    live = live if live is not None and live.state == State.LIVE else None
    theirs = _judged_estimator(live)

    def begin(work: Callable[[], Judged]) -> tuple[ModelRun, Judged | None]:
        run = ModelRun.objects.create(
            kind=kind,
            subject=subject,
            as_of=occasion.as_of,
            data_sha256=occasion.digest,
            versions=versions(),
            started_by=occasion.user,
            created_at=occasion.clock(),
            card={"because": because} if because else {},
        )
        return _filled(run, work, live=live, theirs=theirs, occasion=occasion)

    run, judged = begin(lambda: learn(theirs))
    is_blank = run.state == State.REFUSED and promotion.serving(kind, subject) is None
    if is_blank and judged is not None and judged.instead is not None:
        run, _ = begin(judged.instead)
    if run.state != State.FAILED:  # what was asked for is done
        asked = ModelRun.objects.filter(kind=kind, subject=subject).exclude(retrain_because="")
        asked.update(retrain_because="")
    return run


def ask_for_retraining(run: ModelRun, because: str) -> None:
    """Note why the next training shall not wait; words that are there already stay."""
    with transaction.atomic():
        row = ModelRun.objects.select_for_update(no_key=True).get(pk=run.pk)
        reasons = [words for words in (row.retrain_because, because) if words]
        row.retrain_because = " ".join(dict.fromkeys(reasons))
        row.save(update_fields=["retrain_because"])
    run.retrain_because = row.retrain_because


def note_erased(*, since: datetime) -> None:
    """Mark what serves and learnt from a person of these days: counted, never named."""
    serving = ModelRun.objects.filter(state__in=(State.LIVE, State.FALLBACK), as_of__gt=since)
    for run in serving.select_for_update(no_key=True).order_by("pk"):
        n = run.card.get("erased_since", 0) + 1
        run.card["erased_since"] = n
        others = ERASED.sub("", run.retrain_because).strip()
        words = f"{n:,} {'person' if n == 1 else 'people'} erased since."
        run.retrain_because = f"{others} {words}".strip()
        run.save(update_fields=["card", "retrain_because"])


def blank_map(run: ModelRun) -> None:
    """Take the points of customers off the map of a clustering's card."""
    if run.card.get("map", {}).get("points"):
        run.card["map"]["points"] = []
        run.card.setdefault("limits", []).append(
            "Its map was taken down when a person was erased; the next training draws one."
        )
        run.save(update_fields=["card"])


def fail_abandoned(kinds: list[str], *, before: datetime, now: datetime) -> int:
    """Close the rows of trainings whose process died; how many."""
    left = ModelRun.objects.filter(kind__in=kinds, state=State.TRAINING, created_at__lt=before)
    return left.update(state=State.FAILED, finished_at=now, error="Its process died.")


def digest(table: pd.DataFrame) -> str:
    """SHA-256 of a feature table: the same facts give the same one."""
    found = hashlib.sha256(",".join(map(str, table.columns)).encode())
    found.update(table.index.to_numpy().tobytes())
    for name in table.columns:
        values = table[name]
        found.update(
            values.to_numpy().tobytes()
            if values.dtype.kind in "biufM"
            else pd.util.hash_pandas_object(values, index=False).to_numpy().tobytes()
        )
    return found.hexdigest()


def versions() -> dict[str, str]:
    """Of the code and the libraries that made a run."""
    return {
        "rapport": settings.VERSION,
        "python": platform.python_version(),
        **{name: version(name) for name in LIBRARIES},
    }


def _filled(
    run: ModelRun,
    work: Callable[[], Judged],
    *,
    live: ModelRun | None,
    theirs: Any,
    occasion: Occasion,
) -> tuple[ModelRun, Judged | None]:
    """Do the work, and write on the row what came of it."""
    clock = occasion.clock
    try:
        judged = compute(work, progress=occasion.progress)
        with transaction.atomic():
            _keep(run, judged, theirs=theirs, live=live, occasion=occasion)
    except Cancelled:
        _fail(run, "Cancelled.", "It was cancelled; what was live goes on.", now=clock())
        raise
    except Exception as error:  # the other kinds go on
        log.exception("%s could not be trained", run)
        words = "It could not be trained; what was live goes on."
        _fail(run, f"{type(error).__name__}: {error}", words, now=clock())
        return run, None
    if judged.is_fallback:
        return promotion.stand_in(run), judged
    user = occasion.user
    return promotion.promote(run, user=user, now=clock(), then_score=False), judged


def _fail(run: ModelRun, error: str, summary: str, *, now: datetime) -> None:
    run.state, run.error, run.summary, run.finished_at = State.FAILED, error, summary, now
    run.save(update_fields=["state", "error", "summary", "finished_at"])


def _judged_estimator(run: ModelRun | None) -> Any:
    """What was judged of the live run; None, with a line in the log, where it cannot be read.

    What serves was fitted again with the test included: beside it every later run looks worse.
    """
    if run is None or not promotion.can_score(run):
        return None
    try:
        return artefacts.load(run, part="judged")
    except artefacts.ArtefactRefused as refusal:
        log.warning("%s is not compared with: %s", run, refusal)
        return None


def _keep(
    run: ModelRun, judged: Judged, *, theirs: Any, live: ModelRun | None, occasion: Occasion
) -> None:
    """Write what came out: the row, its estimator, its clusters and its forecast."""
    run.state = State.JUDGED
    run.method, run.summary, run.n_customers = judged.method, judged.summary, judged.n_customers
    run.params = judged.params
    run.metrics = {name: as_json(found) for name, found in judged.metrics.items()}
    run.baseline = {name: as_json(found) for name, found in judged.baseline.items()}
    run.card = {
        **run.card,
        **judged.card,
        "comparisons": [comparison.as_json() for comparison in judged.comparisons],
        "defects": judged.defects,
    }
    estimator, beside = judged.estimator, judged.judged_estimator
    if is_clusterer(estimator) and occasion.table is not None:
        given: dict[str, Any] = {"theirs": theirs, "live": live}
        estimator = beside = clusters.settle(run, estimator, occasion.table, **given)
    if occasion.table is not None:
        run.card["reference"] = references.of_training(run.kind, estimator, occasion.table)
    run.finished_at = occasion.clock()
    run.save()
    if estimator is not None:
        artefacts.store(run, estimator, judged=beside)
    if judged.points is not None and len(judged.points):
        _write_points(run, judged.points)


def _write_points(run: ModelRun, points: pd.DataFrame) -> None:
    text = io.StringIO()
    points.assign(run_id=run.pk)[["run_id", *POINTS]].to_csv(text, header=False, index=False)
    text.seek(0)
    with connection.cursor() as cursor:
        names = ", ".join(POINTS)
        # FORCE_NOT_NULL, or the empty subject of the whole shop would be none
        cursor.copy_expert(
            f"COPY segments_forecastpoint (run_id, {names}) FROM STDIN"
            " WITH (FORMAT csv, FORCE_NOT_NULL (subject))",
            text,
        )
