"""Pages of running and past jobs: how far they are, how they ended, and the way to stop them."""

from typing import Any

from django.contrib import messages
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from rapport import access, runs
from rapport.models import Run
from rapport.web import keyset, words
from rapport.web.dashboard import Link, Number
from rapport.web.page import page, show

ALIVE = (Run.State.QUEUED, Run.State.RUNNING)


@page("rapport.view_run")
def jobs(request: HttpRequest) -> HttpResponse:
    kind, state = request.GET.get("kind", ""), request.GET.get("state", "")
    past = Run.objects.exclude(state__in=ALIVE).select_related("started_by")
    if kind:
        past = past.filter(kind=kind)
    if state in Run.State.values:
        past = past.filter(state=state)
    running = list(Run.objects.filter(state__in=ALIVE).select_related("started_by"))
    context = {
        "running": running,
        "pages": keyset.page(past, request.GET, by=("-id",)),
        "kinds": _kinds(),
        "states": [state for state in Run.State if state not in ALIVE],
        "kind": kind,
        "state": state,
    }
    return show(request, "rapport/jobs.html", title="Jobs", lead=_lead(running), context=context)


def _lead(running: list[Run]) -> str:
    if not running:
        return "Nothing is running."
    waiting = sum(run.state == Run.State.QUEUED for run in running)
    said = words.plural(len(running) - waiting, "job") + " running"
    return f"{said}, {waiting} waiting for a worker." if waiting else f"{said}."


def _kinds() -> QuerySet:
    return Run.objects.order_by("kind").values("kind").annotate(n=Count("id"))


@page("rapport.view_run")
def job(request: HttpRequest, run_id: int) -> HttpResponse:
    run = get_object_or_404(Run.objects.select_related("started_by"), pk=run_id)
    context = {
        "run": run,
        "figures": _figures(run.result),
        "params": _figures(run.params),
        "numbers": _numbers(run),
    }
    crumbs = (Link("Jobs", reverse("jobs")),)
    lead = sentence(run)
    return show(
        request, "rapport/job.html", title=run.title, lead=lead, crumbs=crumbs, context=context
    )


def sentence(run: Run) -> str:
    """How it stands, in words."""
    now = timezone.now()
    return {
        Run.State.QUEUED: "It waits for a worker. If it waits long, no worker is running.",
        Run.State.RUNNING: f"It started {words.ago(run.started_at, now=now)}.",
        Run.State.DONE: f"It ended well, {words.ago(run.finished_at, now=now)}.",
        Run.State.FAILED: "It failed; the reason is below.",
        Run.State.CANCELLED: "Somebody stopped it.",
        Run.State.LOST: "Its process died. Started again, it goes on where it was.",
    }[Run.State(run.state)]


def _numbers(run: Run) -> tuple[Number, ...]:
    end = run.finished_at or timezone.now()
    took = (end - run.started_at).total_seconds() if run.started_at else None
    done = words.number(run.done) + (f" of {words.number(run.total)}" if run.total else "")
    return (
        Number("State", run.get_state_display()),
        Number("Done", done, note=run.stage),
        Number("Took" if run.is_over else "Running for", words.duration(took)),
    )


def _figures(values: dict) -> list[tuple[str, str]]:
    """What a run was asked or found, as words and plain values; what is empty stays out."""
    shown = {name: value for name, value in values.items() if value not in (None, "", [], {})}
    return [(name.replace("_", " "), _written(value)) for name, value in shown.items()]


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return words.number(value)
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_written(inner)}" for name, inner in value.items() if inner)
    if isinstance(value, list):
        return ", ".join(_written(inner) for inner in value)
    return str(value)


@page("rapport.view_run")
def run_progress(request: HttpRequest, run_id: int) -> HttpResponse:
    """The bar of one run, which asks for itself every two seconds; at the end the page reloads."""
    run = get_object_or_404(Run, pk=run_id)
    answer = render(request, "rapport/_run.html", {"run": run})
    if run.is_over:
        answer["HX-Refresh"] = "true"
    return answer


@page("rapport.change_run")
@require_POST
def job_cancel(request: HttpRequest, run_id: int) -> HttpResponse:
    run = get_object_or_404(Run, pk=run_id)
    if run.is_over:
        messages.info(request, f"{run.title} was over already; nothing was changed.")
    else:
        runs.request_cancel(run)
        access.audit(request.user, "job.cancelled", f"run {run.pk}", title=run.title)
        messages.success(request, f"{run.title} stops at its next step; what is done stays.")
    return redirect("job", run_id=run.pk)
