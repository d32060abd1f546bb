"""What people decide on models: train again, let one serve, go back, allow it to be targeted."""

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from rapport import bells, runs
from rapport.errors import DomainError
from rapport.models import Run
from rapport.web.page import page
from segments import tasks
from segments.models import ModelRun
from segments.services import approvals, promotion
from segments.web import features

ALIVE = (Run.State.QUEUED, Run.State.RUNNING)
NOTE_LETTERS_MOST = 1_000


@page("segments.add_modelrun")
@require_POST
def retrain(request: HttpRequest) -> HttpResponse:
    """Hand a training over to the workers; while one is under way, lead to that one."""
    asked = [kind for kind in request.POST.getlist("kind") if kind in features.KINDS]
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
        if after.state == ModelRun.State.LIVE:
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


@page("segments.promote_modelrun")
@require_POST
def approve(request: HttpRequest) -> HttpResponse:
    """Say that what a kind of model says may decide whom a campaign addresses."""
    kind, note = _posted(request)
    try:
        approvals.approve(kind, user=request.user, now=timezone.now(), note=note)
    except DomainError as error:
        messages.error(request, str(error))
    else:
        label = features.kind_label(kind)
        messages.success(request, f"Campaigns may be addressed by “{label}” from now on.")
    return redirect("models")


@page("segments.promote_modelrun")
@require_POST
def withdraw(request: HttpRequest) -> HttpResponse:
    """Take that word back; campaigns that are under way are not stopped by it."""
    kind, note = _posted(request)
    try:
        approvals.withdraw(kind, user=request.user, note=note)
    except DomainError as error:
        messages.error(request, str(error))
    else:
        label = features.kind_label(kind)
        messages.success(request, f"No new campaign is addressed by “{label}” from now on.")
    return redirect("models")


def _posted(request: HttpRequest) -> tuple[str, str]:
    note = request.POST.get("note", "").strip()[:NOTE_LETTERS_MOST]
    return request.POST.get("kind", ""), note
