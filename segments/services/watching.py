"""Watch the models that serve: have customers moved, and did what was foretold come true?
Only this module writes DriftCheck.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
from django.db import transaction
from django.db.models import Max, OuterRef, QuerySet, Subquery

from customers.features.facts import Facts
from customers.features.labels import labels
from customers.features.table import features
from customers.services import frames
from segments.evaluation import calibration, drift, metrics
from segments.evaluation.estimate import Estimate
from segments.models import DriftCheck, ModelRun
from segments.recipes.judged import as_json, shown
from segments.recipes.registry import RECIPES, table_of
from segments.services import artefacts, promotion, references, training

log = logging.getLogger(__name__)

KEEP_DAYS = 180  # checks older than that say nothing that the newer do not
STEP_DAYS = 30  # between the moments at which what was foretold is looked at
MOMENTS = 12
RESAMPLES = 200
SEED = 0
Kind = DriftCheck.Kind


@dataclass(frozen=True)
class Promise:
    """What a kind of model foretells, and how that is judged once its horizon is over.

    ``measures`` are pairs of a key of `ModelRun.metrics`, which holds what was promised, and the
    metric; ``worse`` tells whether a figure lies outside the promise on the wrong side.
    """

    score: str
    horizon_days: int
    came: Callable[[pd.DataFrame], pd.Series]  # of `labels`
    measures: tuple[tuple[str, str, Callable[..., Estimate], bool], ...]  # key, words, metric, up


def _churned(after: pd.DataFrame) -> pd.Series:
    return (~after["has_ordered"].astype(bool)).astype(float)


def _ordered(after: pd.DataFrame) -> pd.Series:
    return after["has_ordered"].astype(float)


_PROBABILITY = (
    ("auc", "AUC", metrics.auc, True),
    ("calibration", "calibration error", calibration.expected_calibration_error, False),
)
PROMISES = {
    "churn_90d": Promise("churn_90d", 90, _churned, _PROBABILITY),
    "propensity_7d": Promise("propensity_7d", 7, _ordered, _PROBABILITY),
    "clv_365d": Promise(
        "clv_90d",
        90,
        lambda after: after["revenue"].astype(float),
        (("spearman_revenue", "Spearman", metrics.spearman, True),),
    ),
}


def watch(*, now: datetime) -> list[DriftCheck]:
    """Look at every live model once; return what was found, alarms and all.

    A model that has drifted is asked to be trained anew.  Safe twice: another call looks again at
    another moment, and one of the same moment changes nothing.  One model that cannot be looked at
    leaves the others alone.
    """
    live = list(ModelRun.objects.filter(state=ModelRun.State.LIVE, subject="").order_by("pk"))
    if not live:
        return []
    facts = frames.facts(known_at=now, with_events=True)
    table = features(facts, now)
    found: list[DriftCheck] = []
    for run in live:
        try:
            found += check(run, facts, table, now=now)
        except Exception:  # the other models are looked at
            log.exception("%s could not be watched", run)
    DriftCheck.objects.filter(checked_at__lt=now - timedelta(days=KEEP_DAYS)).delete()
    return found


def check(run: ModelRun, facts: Facts, table: pd.DataFrame, *, now: datetime) -> list[DriftCheck]:
    """Compare the customers of now with those that ``run`` was trained on, and its word with fact.

    Parameters
    ----------
    facts, table
        Known at ``now``, and the features of everybody then.
    """
    estimator = _estimator(run)
    if RECIPES[run.kind].table:  # it looks at other customers than the buyers
        people = frames.groups_frame(known_at=now)
        table = table_of(run.kind, facts, now, people=people)
    kept = run.card.get("reference") or _made_again(run, estimator, facts)
    rows = [
        *_drifted(run, Kind.FEATURE, _used(run, kept["features"]), table, now=now),
        *_drifted(
            run,
            Kind.SCORE,
            kept["scores"],
            references.scores(run.kind, estimator, table),
            now=now,
        ),
        *_followed_up(run, facts, now=now),
    ]
    with transaction.atomic():
        DriftCheck.objects.bulk_create(rows, ignore_conflicts=True)
        because = _because(run, rows)
        if because:
            training.ask_for_retraining(run, because)
    return rows


def alarms() -> QuerySet[DriftCheck]:
    """What the newest look at each live model has found wrong."""
    last = DriftCheck.objects.filter(run=OuterRef("run")).values("run")
    newest = last.annotate(at=Max("checked_at")).values("at")
    return DriftCheck.objects.filter(
        run__state=ModelRun.State.LIVE, is_alarm=True, checked_at=Subquery(newest)
    ).select_related("run")


def _estimator(run: ModelRun) -> Any:
    if not promotion.can_score(run):
        return None
    try:
        return artefacts.load(run)
    except artefacts.ArtefactRefused as refusal:
        log.error("the scores of %s are not watched: %s", run, refusal)
        return None


def _made_again(run: ModelRun, estimator: Any, facts: Facts) -> dict[str, Any]:
    """The reference of a run that has stored none: from what was known at its moment."""
    return references.of_training(run.kind, estimator, table_of(run.kind, facts, run.as_of))


def _used(run: ModelRun, kept: dict[str, Any]) -> dict[str, Any]:
    """Of the features those that the run learns from, as far as its card names them."""
    named = {row["name"] for row in run.card.get("features") or []}
    return {name: counted for name, counted in kept.items() if name in named}


def _drifted(
    run: ModelRun, kind: str, kept: dict[str, Any], table: pd.DataFrame, *, now: datetime
) -> list[DriftCheck]:
    return [
        DriftCheck(
            run=run,
            kind=kind,
            name=found.name,
            checked_at=now,
            statistic=found.statistic,
            threshold=found.threshold,
            n_reference=found.n_reference,
            n_now=found.n_now,
            is_alarm=found.is_alarm,
            words=found.words,
            detail=found.detail,
        )
        for found in drift.drift(kept, table, seed=SEED)
    ]


def _because(run: ModelRun, rows: list[DriftCheck]) -> str:
    """Why the run shall be trained anew; empty where nothing is wrong with it.

    What an earlier run foretold badly is no fault of this one, which may have mended it.
    """
    wrong = [
        row
        for row in rows
        if row.is_alarm and (row.kind != Kind.QUALITY or row.detail.get("foretold_by") == run.pk)
    ]
    if not wrong:
        return ""
    names = ", ".join(row.name for row in wrong[:3])
    more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
    return f"Moved since its training: {names}{more}."


# --- what was foretold, and what came ------------------------------------------------------------


def _followed_up(run: ModelRun, facts: Facts, *, now: datetime) -> list[DriftCheck]:
    """Judge the newest model of this kind whose horizon is over, on what has come since."""
    promise = PROMISES.get(run.kind)
    if promise is None:
        return []
    horizon = timedelta(days=promise.horizon_days)
    old = (
        ModelRun.objects.filter(
            kind=run.kind,
            subject=run.subject,
            promoted_at__isnull=False,
            as_of__lte=now - horizon,
            artefact__isnull=False,
        )
        .order_by("-as_of", "-pk")
        .first()
    )
    estimator = _estimator(old) if old is not None else None
    if old is None or estimator is None:
        return []
    moments = [old.as_of + timedelta(days=STEP_DAYS) * place for place in range(MOMENTS)]
    moments = [moment for moment in moments if moment + horizon <= now]
    looked = [(at, *_foretold(old, estimator, promise, facts, at)) for at in moments]
    looked = [(at, p, y) for at, p, y in looked if len(p)]
    if not looked:
        return []
    months = [
        {
            "month": f"{at:%Y-%m}",
            "n": len(p),
            "expected": round(float(p.mean()), 4),
            "observed": round(float(y.mean()), 4),
        }
        for at, p, y in looked
    ]
    at, p, y = looked[-1]
    return [_quality(run, old, measure, at, p, y, months, now=now) for measure in promise.measures]


def _foretold(
    old: ModelRun, estimator: Any, promise: Promise, facts: Facts, at: datetime
) -> tuple[pd.Series, pd.Series]:
    """What the run said, or would have said, at a moment, and what came of it."""
    said = references.scores(old.kind, estimator, table_of(old.kind, facts, at))
    if promise.score not in said:
        return pd.Series(dtype=float), pd.Series(dtype=float)
    p = said[promise.score].dropna().astype(float)
    after = labels(facts, at, horizon_days=promise.horizon_days)
    p = p[p.index.isin(after.index)]  # of who had bought by then it is known what came
    return p, promise.came(after).loc[p.index]


def _quality(
    run: ModelRun,
    old: ModelRun,
    measure: tuple[str, str, Callable[..., Estimate], bool],
    at: datetime,
    p: pd.Series,
    y: pd.Series,
    months: list[dict[str, Any]],
    *,
    now: datetime,
) -> DriftCheck:
    key, words, metric, higher_is_better = measure
    came = metric(y.to_numpy(), p.to_numpy(), seed=SEED, resamples=RESAMPLES)
    promised = old.metrics.get(key) or {}
    edge = promised.get("low" if higher_is_better else "high")
    best = came.high if higher_is_better else came.low  # what speaks for the model
    is_alarm = bool(
        edge is not None and best is not None and (best < edge if higher_is_better else best > edge)
    )
    return DriftCheck(
        run=run,
        kind=Kind.QUALITY,
        name=key,
        checked_at=now,
        statistic=came.value,
        threshold=edge,
        n_reference=int(promised.get("n") or 0),
        n_now=came.n,
        is_alarm=is_alarm,
        words=_judgement(old, words, came, promised, at, months, is_alarm=is_alarm),
        detail={
            "foretold_by": old.pk,
            "foretold_at": at,
            "came": as_json(came),
            "promised": promised,
            "months": months,
        },
    )


def _judgement(
    old: ModelRun,
    words: str,
    came: Estimate,
    promised: dict[str, Any],
    at: datetime,
    months: list[dict[str, Any]],
    *,
    is_alarm: bool,
) -> str:
    if came.value is None:
        return f"What was foretold on {at:%Y-%m-%d} cannot be judged: {came.note}."
    last = months[-1]
    found = f"{words} {shown(came.value)} ({shown(came.low)} to {shown(came.high)}, n = {came.n:,})"
    given = f"{shown(promised.get('low'))} to {shown(promised.get('high'))}"
    verdict = "worse than promised" if is_alarm else "within what was promised"
    return (
        f"What run {old.pk} foretold on {at:%Y-%m-%d} has come by now: {found}, {verdict} "
        f"({given}). Expected were {_amount(last['expected'])} a customer, "
        f"{_amount(last['observed'])} came."
    )


def _amount(value: float) -> str:
    return f"{value:.3f}" if np.abs(value) < 10 else f"{value:,.0f}"
