"""The card of one run: what it learnt from, how good it is, and where it misleads.

Nothing is computed here that was not stored.
"""

from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse

from rapport.web import words
from rapport.web.dashboard import Link, Number
from rapport.web.page import page, show
from segments.models import DriftCheck, ModelRun
from segments.web import (
    features,
    judgement,
    model_card_choice,
    model_card_quality,
    model_card_watch,
)

State = ModelRun.State
SERVING = (State.LIVE, State.FALLBACK)
DATA_SHA_SHOWN = 16


@page("segments.view_modelrun")
def model(request: HttpRequest, run_id: int) -> HttpResponse:
    run = get_object_or_404(ModelRun.objects.select_related("started_by"), pk=run_id)
    others = ModelRun.objects.filter(kind=run.kind, subject=run.subject).exclude(pk=run.pk)
    live = others.filter(state__in=SERVING).first()
    may_go_back = (
        run.state == State.LIVE
        and others.filter(
            state=State.RETIRED, promoted_at__lt=run.promoted_at or run.created_at
        ).exists()
    )
    checks = newest_checks(run)
    drawn = [model_card_watch.groups(run), model_card_watch.drift(checks)]
    context = {
        "run": run,
        "kind_label": features.run_label(run),
        "state": features.STATES.get(run.state, run.state),
        "numbers": _numbers(run, checks),
        "charts": [
            *model_card_quality.charts_of(run),
            *model_card_choice.charts_of(run),
            *(chart for chart in drawn if chart),
        ],
        "figures": judgement.figures(run),
        "comparisons": judgement.comparisons(run),
        "warnings": model_card_watch.warnings(run),
        "steadiness": model_card_watch.steadiness(run),
        "alarms": [one for one in checks if one.is_alarm],
        "facts": facts(run),
        "live": live,
        "may_promote": run.state == State.JUDGED,
        "may_go_back": may_go_back,
    }
    return show(
        request,
        "segments/model.html",
        title=f"{features.run_label(run)}, run {run.pk}",
        lead=run.summary or run.error or "It is in training.",
        crumbs=(Link("Models", reverse("models")),),
        context=context,
    )


def newest_checks(run: ModelRun) -> list[DriftCheck]:
    """What the newest look at the run found; all of one look carry the same moment."""
    newest = DriftCheck.objects.filter(run=run).order_by("-checked_at").values("checked_at")[:1]
    return list(DriftCheck.objects.filter(run=run, checked_at__in=newest))


def facts(run: ModelRun) -> list[tuple[str, str]]:
    """Window, label, split, parameters, versions: what somebody needs to do it again."""
    card = run.card
    found = [
        ("method", run.method),
        ("label", card.get("label", "")),
        ("window", _window(card.get("window") or {})),
        ("baseline", card.get("baseline", "")),
        ("how it was judged", _plain(card.get("split") or {})),
        ("after judging", card.get("refitted", "")),
        ("calibration", (card.get("calibration") or {}).get("decision", "")),
        ("hyper-parameters", _plain(_short(run.params))),
        ("parameters learnt", _plain(card.get("parameters") or {})),
        ("advice", card.get("advice", "")),
        (
            "customers who changed group",
            words.percent(card["moved_share"]) if card.get("moved_share") is not None else "",
        ),
        ("missing", _plain(card.get("missing") or [])),
        ("left out", _plain(card.get("left_out") or [])),
        ("problems", "; ".join(map(str, card.get("problems") or []))),
        ("checksum of the data", run.data_sha256[:DATA_SHA_SHOWN]),
        ("versions", _plain(run.versions)),
        ("trained", f"{words.clock(run.created_at)}, {_took(run)}"),
        ("started by", str(run.started_by or "Rapport")),
        ("train again because", run.retrain_because),
    ]
    return [(name, str(text)) for name, text in found if text]


def _numbers(run: ModelRun, checks: list[DriftCheck]) -> tuple[Number, ...]:
    name, ours, theirs = features.main_metric(run)
    numbers = [
        Number(
            "State",
            features.STATES.get(run.state, run.state),
            note=f"since {words.day(run.promoted_at)}" if run.promoted_at else "",
        )
    ]
    if ours:
        n = f"n = {words.number(ours.get('n'))}"
        better = features.BETTER.get(name, "")
        numbers.append(
            Number(
                features.metric_label(name),
                features.figure(ours.get("value")),
                change=features.between(ours),
                note=f"{n}; {better}" if better else n,
            )
        )
        numbers.append(
            Number(
                "The baseline's",
                features.figure(theirs.get("value")),
                change=features.between(theirs) if theirs else "",
                note=str(run.card.get("baseline", "")),
            )
        )
    numbers.append(
        Number(
            "Learnt from",
            words.plural(run.n_customers, "customer"),
            note=f"as of {words.clock(run.as_of)}",
        )
    )
    if checks:
        alarms = sum(one.is_alarm for one in checks)
        numbers.append(
            Number(
                "Alarms",
                words.number(alarms),
                note=f"of {words.plural(len(checks), 'check')}, "
                f"{words.clock(checks[0].checked_at)}",
                tone="bad" if alarms else "good",
            )
        )
    return tuple(numbers)


def _window(window: dict) -> str:
    if not window:
        return ""
    ends = [
        words.day(datetime.fromisoformat(window[end])) for end in ("from", "to") if window.get(end)
    ]
    return f"{' to '.join(ends)}, {words.plural(window.get('days') or 0, 'day')}"


def _short(params: dict[str, Any]) -> dict[str, Any]:
    """Without the columns, which are listed as features."""
    return {name: value for name, value in params.items() if name != "columns"}


def _plain(found: Any) -> str:
    if isinstance(found, dict):
        return "; ".join(
            f"{name.replace('_', ' ')} {_plain(value)}" for name, value in found.items()
        )
    if isinstance(found, list):
        return ", ".join(_plain(value) for value in found)
    return words.number(found, 4) if isinstance(found, float) else str(found)


def _took(run: ModelRun) -> str:
    if run.finished_at is None:
        return "not finished"
    return f"in {words.duration((run.finished_at - run.created_at).total_seconds())}"
