"""Models: how good each one is, what was tried, and which run serves."""

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from rapport import bells, runs
from rapport.errors import DomainError
from rapport.models import Run
from rapport.web import keyset, words
from rapport.web.dashboard import Empty, Link, Number
from rapport.web.page import page, show
from segments import tasks
from segments.models import ModelRun
from segments.services import promotion
from segments.web import features, model_card

State = ModelRun.State
SERVING = (State.LIVE, State.FALLBACK)
ALIVE = (Run.State.QUEUED, Run.State.RUNNING)
RUNS_SHOWN = 20


@page("segments.view_modelrun")
def models(request: HttpRequest) -> HttpResponse:
    """The health of each kind, then every run there was."""
    kind = request.GET.get("kind", "")
    found = ModelRun.objects.select_related("started_by")
    if kind in ModelRun.Kind.values:
        found = found.filter(kind=kind)
    serving = list(ModelRun.objects.filter(state__in=SERVING))
    cards = [(one, label, _of(serving, one)) for one, (label, _metric) in features.KINDS.items()]
    chart = model_card.against_baselines([run for _kind, _label, run in cards if run])
    training = Run.objects.filter(kind="retrain", state__in=ALIVE).first()
    context = {
        "healths": [_health(one, label, run) for one, label, run in cards],
        "charts": [chart] if chart else [],
        "pages": keyset.page(found, request.GET, by=("-id",), size=RUNS_SHOWN),
        "kinds": [(one, label) for one, label, _run in cards],
        "kind": kind,
        "run": training,
        "empty": Empty(
            "No model has been trained yet. Training needs some months of orders; with fewer a "
            "rule of thumb serves, and says so.",
            None
            if request.user.has_perm("segments.add_modelrun")  # type: ignore[union-attr]
            else Link("Go to imports", reverse("imports")),
        ),
    }
    lead = _lead([run for _kind, _label, run in cards if run])
    return show(request, "segments/models.html", title="Models", lead=lead, context=context)


@page("segments.view_modelrun")
def model(request: HttpRequest, run_id: int) -> HttpResponse:
    """The card of one run: what it learnt from, how good it is, and where it misleads."""
    run = get_object_or_404(ModelRun.objects.select_related("started_by"), pk=run_id)
    others = ModelRun.objects.filter(kind=run.kind).exclude(pk=run.pk)
    live = others.filter(state__in=SERVING).first()
    may_go_back = (
        run.state == State.LIVE
        and others.filter(
            state=State.RETIRED, promoted_at__lt=run.promoted_at or run.created_at
        ).exists()
    )
    context = {
        "run": run,
        "kind_label": features.kind_label(run.kind),
        "state": features.STATES.get(run.state, run.state),
        "numbers": _numbers(run),
        "charts": model_card.charts_of(run),
        "figures": model_card.figures(run),
        "comparisons": model_card.comparisons(run),
        "facts": model_card.facts(run),
        "live": live,
        "may_promote": run.state == State.JUDGED,
        "may_go_back": may_go_back,
    }
    return show(
        request,
        "segments/model.html",
        title=f"{features.kind_label(run.kind)}, run {run.pk}",
        lead=run.summary or run.error or "It is in training.",
        crumbs=(Link("Models", reverse("models")),),
        context=context,
    )


@page("segments.add_modelrun")
@require_POST
def retrain(request: HttpRequest) -> HttpResponse:
    """Hand a training over to the workers; while one is under way, lead to that one."""
    asked = [kind for kind in request.POST.getlist("kind") if kind in ModelRun.Kind.values]
    with transaction.atomic():
        under_way = Run.objects.filter(kind="retrain", state__in=ALIVE).first()
        if under_way is not None:
            messages.info(request, "A training is under way already; this is how far it is.")
            return redirect("job", under_way.pk)
        labels = ", ".join(features.kind_label(kind).lower() for kind in asked)
        title = f"Retrain {labels}" if asked else "Retrain models"
        run = runs.create("retrain", title, params={"kinds": asked or "all"}, user=request.user)
        bells.enqueue(tasks.retrain, run.pk, asked or None)
    return redirect("job", run.pk)


@page("segments.promote_modelrun")
@require_POST
def promote(request: HttpRequest, run_id: int) -> HttpResponse:
    run = get_object_or_404(ModelRun, pk=run_id)
    try:
        after = promotion.promote(run, user=request.user, now=timezone.now())
    except DomainError as error:
        messages.error(request, str(error))
    else:
        if after.state == State.LIVE:
            messages.success(request, f"Run {run.pk} is live. Everybody is scored again now.")
        else:
            messages.error(request, f"Run {run.pk} may not go live; what was live goes on.")
    return redirect("model", run.pk)


@page("segments.promote_modelrun")
@require_POST
def roll_back(request: HttpRequest) -> HttpResponse:
    """Let the run serve again that was live before."""
    try:
        run = promotion.roll_back(
            request.POST.get("kind", ""), user=request.user, now=timezone.now()
        )
    except DomainError as error:
        messages.error(request, str(error))
        return redirect("models")
    messages.success(request, f"Run {run.pk} is live again. Everybody is scored again now.")
    return redirect("model", run.pk)


def _of(serving: list[ModelRun], kind: str) -> ModelRun | None:
    mine = [run for run in serving if run.kind == kind]
    return next((run for run in mine if run.state == State.LIVE), mine[0] if mine else None)


def _health(kind: str, label: str, run: ModelRun | None) -> dict:
    if run is None:
        return {"kind": kind, "label": label, "run": None}
    name, ours, theirs = features.main_metric(run)
    return {
        "kind": kind,
        "label": label,
        "run": run,
        "state": features.STATES[run.state],
        "metric": features.METRICS.get(name, name),
        "better": features.BETTER.get(name, ""),
        "value": features.figure(ours.get("value")),
        "between": features.between(ours) if ours else "",
        "baseline": features.figure(theirs.get("value")),
        "n": ours.get("n"),
    }


def _lead(serving: list[ModelRun]) -> str:
    live = [run for run in serving if run.state == State.LIVE]
    if not serving:
        return "No model has been trained yet."
    better = sum(model_card.is_better(run) for run in live)
    thumb = len(serving) - len(live)
    told = f"All {len(live)}" if better == len(live) and better > 1 else f"{better} of {len(live)}"
    said = f"{told} live models do surely better than a baseline" if live else "No model is live"
    rest = f"; {words.plural(thumb, 'rule')} of thumb in place of a model" if thumb else ""
    return f"{said}{rest}."


def _numbers(run: ModelRun) -> tuple[Number, ...]:
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
        numbers.append(
            Number(
                features.METRICS.get(name, name),
                features.figure(ours.get("value")),
                change=features.between(ours),
                note=f"{n}; {features.BETTER.get(name, '')}",
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
    return tuple(numbers)
