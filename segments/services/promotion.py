"""Decide which model run serves.  Moves ModelRun between judged, live, retired, refused and
fallback; `model_runs` creates the rows and fills them.
"""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from rapport import access, bells
from rapport.errors import Conflict
from segments.models import ForecastPoint, ModelArtefact, ModelRun
from segments.services import clusters

State = ModelRun.State


def serving(kind: str, subject: str = "") -> ModelRun | None:
    """The live run, or where there is none the newest rule of thumb."""
    found = ModelRun.objects.filter(kind=kind, subject=subject)
    return found.filter(state=State.LIVE).first() or found.filter(state=State.FALLBACK).first()


def refusals(run: ModelRun) -> list[str]:
    """Why a judged run may not go live: what it is surely worse at, and its defects."""
    worse = [
        f"its {found['words']} is worse than that of the {found['against']} by "
        f"{abs(found['difference']['value']):.4g} (95% interval {_interval(found)})"
        for found in run.card.get("comparisons", [])
        if found["decides"] and found["is_worse"]
    ]
    return worse + run.card.get("defects", [])


def promote(run: ModelRun, *, user: Any, now: datetime, then_score: bool = True) -> ModelRun:
    """Let a judged run serve, or refuse it and say why in its summary.

    The run that was live retires in the same transaction, so that there is always one at most.
    Safe twice: a live run stays as it is.  Whoever waits for the lock sees what the first one did.
    """
    with transaction.atomic():
        row = _locked(run)
        if row.state == State.LIVE:
            return row
        if row.state != State.JUDGED:
            raise Conflict(f"{row} is {row.state}: only a judged run can be promoted")
        reasons = refusals(row)
        if reasons:
            row.state = State.REFUSED
            row.summary = f"Refused: {'; '.join(reasons)}. {row.summary}"
            row.save(update_fields=["state", "summary"])
            access.audit(user, "model.refused", f"model:{row.pk}", reasons=reasons)
            return row
        row.promoted_at = now
        _serve(row, user=user, now=now, action="model.promoted", then_score=then_score)
    return row


def roll_back(
    kind: str, *, user: Any, now: datetime, subject: str = "", then_score: bool = True
) -> ModelRun:
    """Let the run serve again that was live before the present one; return it."""
    with transaction.atomic():
        found = ModelRun.objects.filter(kind=kind, subject=subject)
        live = found.select_for_update().filter(state=State.LIVE).first()
        before = found.filter(state=State.RETIRED, promoted_at__isnull=False)
        weeks = ForecastPoint.objects.filter(run=OuterRef("pk"))  # a forecast is its weeks
        before = before.filter(Q(artefact__isnull=False) | Exists(weeks))
        if live is not None:
            before = before.filter(promoted_at__lt=live.promoted_at)
        row = before.select_for_update(of=("self",)).order_by("-promoted_at", "-pk").first()
        if row is None:
            raise Conflict(f"no run of {kind} was live before: there is nothing to go back to")
        _serve(row, user=user, now=now, action="model.rolled_back", then_score=then_score)
    return row


def stand_in(run: ModelRun) -> ModelRun:
    """Let a rule of thumb serve while there is no live run; the one before it retires."""
    with transaction.atomic():
        row = _locked(run)
        found = ModelRun.objects.filter(kind=row.kind, subject=row.subject)
        others = found.filter(state=State.FALLBACK).exclude(pk=row.pk)
        others.update(state=State.RETIRED)
        row.state = State.FALLBACK
        row.save(update_fields=["state"])
    return row


def can_score(run: ModelRun) -> bool:
    return ModelArtefact.objects.filter(run=run).exists()


def _serve(row: ModelRun, *, user: Any, now: datetime, action: str, then_score: bool) -> None:
    """Retire what served, make ``row`` live, and let accepted clusters follow."""
    found = ModelRun.objects.filter(kind=row.kind, subject=row.subject)
    served = found.filter(state__in=(State.LIVE, State.FALLBACK))
    retired = list(served.exclude(pk=row.pk).values_list("pk", flat=True))
    ModelRun.objects.filter(pk__in=retired).update(state=State.RETIRED)
    row.state = State.LIVE
    row.save(update_fields=["state", "promoted_at"])
    access.audit(user, action, f"model:{row.pk}", kind=row.kind, retired=retired)
    if row.kind == ModelRun.Kind.CLUSTERS:
        lost = clusters.follow(row, user=user, now=now)
        if lost:
            row.card["limits"] = [
                *row.card.get("limits", []),
                *(
                    f"The accepted cluster {name!r} has no counterpart in this run."
                    for name in lost
                ),
            ]
            row.save(update_fields=["card"])
    if then_score:
        from segments import tasks

        bells.enqueue(tasks.rescore, row.pk)


def _locked(run: ModelRun) -> ModelRun:
    """The row as it is now; all runs of its kind and subject that serve wait for one another."""
    list(
        ModelRun.objects.select_for_update()
        .filter(kind=run.kind, subject=run.subject, state__in=(State.LIVE, State.FALLBACK))
        .order_by("pk")
    )
    return ModelRun.objects.select_for_update().get(pk=run.pk)


def _interval(found: dict) -> str:
    return f"{found['difference']['low']:.4g} to {found['difference']['high']:.4g}"
