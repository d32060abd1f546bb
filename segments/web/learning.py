"""Models: how good each one is, what was tried, which run serves, and what needs a person."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from django.db.models import Max
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from rapport.models import Run
from rapport.web import keyset, words
from rapport.web.dashboard import Empty, Link
from rapport.web.page import page, show
from segments.models import DriftCheck, LearntApproval, ModelRun
from segments.web import features, judgement, model_card_watch

State = ModelRun.State
SERVING = (State.LIVE, State.FALLBACK)
ALIVE = (Run.State.QUEUED, Run.State.RUNNING)
RUNS_SHOWN = 20
ALARMS_SHOWN = 3


@dataclass(frozen=True)
class Health:
    """One kind at a glance: what serves, how good it is, and whether it may be targeted."""

    kind: str
    label: str
    asked: str
    run: ModelRun | None = None
    state: str = ""
    metric: str = ""
    better: str = ""
    value: str = ""
    between: str = ""
    baseline: str = ""
    n: int | None = None
    checks: int = 0
    alarms: list[DriftCheck] = field(default_factory=list)
    refused: ModelRun | None = None  # the last one, where it came after the one that serves
    before: ModelRun | None = None  # what a step back would let serve again
    approval: LearntApproval | None = None
    scores: bool = True  # whether it says something of single customers

    @property
    def shown_alarms(self) -> list[tuple[str, str]]:
        shown = self.alarms[:ALARMS_SHOWN]
        return [(model_card_watch.drift_label(one), one.words) for one in shown]

    @property
    def more_alarms(self) -> int:
        return max(0, len(self.alarms) - ALARMS_SHOWN)


@page("segments.view_modelrun")
def models(request: HttpRequest) -> HttpResponse:
    """The health of each kind, then every run there was."""
    kind = request.GET.get("kind", "")
    found = ModelRun.objects.select_related("started_by")
    if kind in ModelRun.Kind.values:
        found = found.filter(kind=kind)
    cards = healths()
    serving = [card.run for card in cards if card.run]
    chart = judgement.against_baselines(serving)
    context = {
        "healths": cards,
        "charts": [chart] if chart else [],
        "pages": keyset.page(found, request.GET, by=("-id",), size=RUNS_SHOWN),
        "kinds": [(one, features.kind_label(one)) for one in features.KINDS],
        "kind": kind,
        "run": Run.objects.filter(kind="retrain", state__in=ALIVE).first(),
        "empty": Empty(
            "No model has been trained yet. Training needs some months of orders; with fewer a "
            "rule of thumb serves, and says so.",
            None
            if request.user.has_perm("segments.add_modelrun")  # type: ignore[union-attr]
            else Link("Go to imports", reverse("imports")),
        ),
    }
    return show(request, "segments/models.html", title="Models", lead=_lead(cards), context=context)


def healths() -> list[Health]:
    """Each kind that can be trained; of a kind with subjects, one for each that serves."""
    serving = defaultdict(list)
    for run in ModelRun.objects.filter(state__in=SERVING).order_by("-pk"):
        serving[run.kind].append(run)
    checks = _checks([run.pk for runs in serving.values() for run in runs])
    refused = _newest(ModelRun.objects.filter(state=State.REFUSED))
    before = _newest(
        ModelRun.objects.filter(
            state=State.RETIRED, promoted_at__isnull=False, artefact__isnull=False
        )
    )
    approvals = {one.kind: one for one in LearntApproval.objects.select_related("approved_by")}
    cards = []
    for kind in features.KINDS:
        runs = _one_a_subject(serving[kind]) or [None]
        for run in runs:
            found = checks.get(run.pk, []) if run else []
            last, back = refused.get(_key(kind, run)), before.get(_key(kind, run))
            cards.append(
                Health(
                    kind=kind,
                    label=features.run_label(run) if run else features.kind_label(kind),
                    asked=features.ASKED.get(kind, ("", ""))[1],
                    run=run,
                    refused=last if last and (run is None or last.pk > run.pk) else None,
                    before=back if run and run.state == State.LIVE else None,
                    checks=len(found),
                    alarms=[one for one in found if one.is_alarm],
                    approval=approvals.get(kind),
                    scores=bool(features.RECIPES[kind].names),
                    **_judged(run),
                )
            )
    return cards


def _judged(run: ModelRun | None) -> dict:
    if run is None:
        return {}
    name, ours, theirs = features.main_metric(run)
    return {
        "state": features.STATES[run.state],
        "metric": features.metric_label(name) if name else "",
        "better": features.BETTER.get(name, ""),
        "value": features.figure(ours["value"]) if ours.get("value") is not None else "",
        "between": features.between(ours) if ours else "",
        "baseline": features.figure(theirs["value"]) if theirs.get("value") is not None else "",
        "n": ours.get("n"),
    }


def _one_a_subject(runs: Sequence[ModelRun]) -> list[ModelRun]:
    """Of each subject the live run, or where there is none the newest rule of thumb."""
    found: dict[str, ModelRun] = {}
    for run in sorted(runs, key=lambda run: (run.state != State.LIVE, -run.pk)):
        found.setdefault(run.subject, run)
    return list(found.values())


def _key(kind: str, run: ModelRun | None) -> tuple[str, str]:
    return kind, run.subject if run else ""


def _newest(runs) -> dict[tuple[str, str], ModelRun]:  # type: ignore[no-untyped-def]
    """The newest run of each kind and subject among these."""
    found = runs.order_by("kind", "subject", "-pk").distinct("kind", "subject")
    return {(run.kind, run.subject): run for run in found}


def _checks(run_ids: list[int]) -> dict[int, list[DriftCheck]]:
    """What the newest look at each of these runs found."""
    found: dict[int, list[DriftCheck]] = defaultdict(list)
    rows = DriftCheck.objects.filter(run__in=run_ids)
    newest = dict(rows.values_list("run").annotate(newest=Max("checked_at")).order_by())
    for one in rows.filter(checked_at__in=set(newest.values())):
        if one.checked_at == newest[one.run_id]:
            found[one.run_id].append(one)
    return found


def _lead(cards: Sequence[Health]) -> str:
    serving = [card.run for card in cards if card.run]
    live = [run for run in serving if run.state == State.LIVE]
    if not serving:
        return "No model has been trained yet."
    better = sum(judgement.is_better(run) for run in live)
    thumb = len(serving) - len(live)
    told = f"All {len(live)}" if better == len(live) and better > 1 else f"{better} of {len(live)}"
    said = f"{told} live models do surely better than a baseline" if live else "No model is live"
    rest = f"; {words.plural(thumb, 'rule')} of thumb in place of a model" if thumb else ""
    alarmed = sum(bool(card.alarms) for card in cards)
    moved = f"; {words.plural(alarmed, 'has', 'have')} drifted" if alarmed else ""
    return f"{said}{rest}{moved}."
