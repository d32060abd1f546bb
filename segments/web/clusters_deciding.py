"""What people decide on clusters: accept, rename, merge, split, put aside, and think again."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from rapport.errors import DomainError
from rapport.web.page import page
from segments.models import Cluster
from segments.services import clusters as service
from segments.services import splitting
from segments.web.clusters import explorer
from segments.web.forms import AcceptForm, MergeForm, RejectForm, RenameForm


@page("segments.change_cluster")
@require_POST
def accept(request: HttpRequest, cluster_id: int) -> HttpResponse:
    """Make a segment of a cluster, under a name that a person gives it."""

    def decide(found: Cluster, **given: Any) -> str:
        segment = service.accept(found, **given)
        return f"“{segment}” is a segment now; its members are counted within a minute."

    return _filled_in(request, cluster_id, AcceptForm, "accept", decide)


@page("segments.change_cluster")
@require_POST
def reject(request: HttpRequest, cluster_id: int) -> HttpResponse:
    """Put a cluster aside."""

    def decide(found: Cluster, **given: Any) -> str:
        service.reject(found, **given)
        return f"“{found}” is put aside. Nobody is in a segment by it."

    return _filled_in(request, cluster_id, RejectForm, "reject", decide)


@page("segments.change_cluster")
@require_POST
def rename(request: HttpRequest, cluster_id: int) -> HttpResponse:
    """Give an accepted group, and its segment with it, another name."""

    def decide(found: Cluster, *, name: str, **given: Any) -> str:
        service.rename(found, name=name, **given)
        return f"The group and its segment are called “{name}” now."

    return _filled_in(request, cluster_id, RenameForm, "rename", decide)


@page("segments.change_cluster")
@require_POST
def merge(request: HttpRequest) -> HttpResponse:
    """Make one segment of several groups."""
    form = MergeForm(request.POST, clusters=Cluster.objects.all())
    if form.is_valid():
        given = form.cleaned_data
        try:
            segment = service.merge(
                list(given["clusters"]),
                name=given["name"],
                note=given["note"],
                user=request.user,
                now=timezone.now(),
            )
        except DomainError as error:
            form.add_error(None, str(error))
        else:
            n = len(given["clusters"])
            messages.success(request, f"{n} groups are the one segment “{segment}” now.")
            return redirect("clusters")
    return explorer(request, merging=form, status=400)


@page("segments.change_cluster")
@require_POST
def split(request: HttpRequest, cluster_id: int) -> HttpResponse:
    """Have a group parted in two; the run that comes of it is judged before it serves."""
    note = request.POST.get("note", "").strip()

    def part(found: Cluster, **given: Any) -> str:
        splitting.ask(found, note=note, **given)
        return f"“{found}” is being parted in two: Jobs tells how far it is and what came of it."

    return _done(request, cluster_id, part)


@page("segments.change_cluster")
@require_POST
def reconsider(request: HttpRequest, cluster_id: int) -> HttpResponse:
    """Make a group that was put aside, or merged into another, a proposal again."""

    def again(found: Cluster, **given: Any) -> str:
        undo = service.take_out if found.state == Cluster.State.MERGED else service.reconsider
        undo(found, **given)
        return f"“{found}” waits for your decision again."

    return _done(request, cluster_id, again)


def _filled_in(
    request: HttpRequest,
    cluster_id: int,
    kind: type[Form],
    word: str,
    decide: Callable[..., str],
) -> HttpResponse:
    """Decide by what a form of the cluster says; what is wrong is shown at its fields."""
    found = get_object_or_404(Cluster, pk=cluster_id)
    form = kind(request.POST, auto_id=f"id_{word}_{found.pk}_%s")
    if form.is_valid():
        try:
            said = decide(found, **form.cleaned_data, user=request.user, now=timezone.now())
        except DomainError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, said)
            return redirect("clusters")
    return explorer(request, wrong={found.pk: form}, status=400)


def _done(request: HttpRequest, cluster_id: int, decide: Callable[..., str]) -> HttpResponse:
    """Decide, and say on the explorer what came of it."""
    found = get_object_or_404(Cluster, pk=cluster_id)
    try:
        said = decide(found, user=request.user, now=timezone.now())
    except DomainError as error:
        messages.error(request, f"Nothing was changed: {error}.")
    else:
        messages.success(request, said)
    return redirect("clusters")
