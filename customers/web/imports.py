"""Imports: what came in and what was rejected, and the way from a file to facts."""

import time
from typing import Any

from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse

from customers.collect import mapping, uploads
from customers.collect.uploads import Upload
from customers.tasks import import_upload
from customers.web.forms import KINDS, UploadForm
from rapport import access, bells, runs
from rapport.errors import DomainError
from rapport.models import Run
from rapport.web import jobs, keyset, words
from rapport.web.dashboard import Empty, Link
from rapport.web.page import page, show

CRUMB = ("Imports", "imports")
FIGURES = ("read", "inserted", "changed", "unchanged", "rejected")


@page("customers.view_customer")
def imports(request: HttpRequest) -> HttpResponse:
    found = Run.objects.filter(kind="import").select_related("started_by")
    running = [run for run in found.filter(state__in=jobs.ALIVE)]
    pages = keyset.page(found.exclude(state__in=jobs.ALIVE), request.GET, by=("-id",))
    rows = [(run, [run.result.get(name, 0) for name in FIGURES]) for run in pages.rows]
    context = {
        "running": running,
        "pages": pages,
        "rows": rows,
        "figures": FIGURES,
        "empty": Empty(
            "Nothing was imported yet. A file of orders is the best start: customers, groups and "
            "predictions follow from it.",
            Link("Import a file", reverse("import_new"))
            if request.user.has_perm("rapport.add_run")
            else None,
        ),
    }
    return show(
        request,
        "customers/imports.html",
        title="Imports",
        lead=_lead(rows, len(running)),
        context=context,
    )


def _lead(rows: list[tuple[Run, list[int]]], running: int) -> str:
    if running:
        return f"{words.plural(running, 'import')} under way."
    if not rows:
        return "Bring in what the shop knows: customers, products, orders, events, consent."
    last, (read, inserted, changed, _unchanged, rejected) = rows[0]
    if last.state != Run.State.DONE:
        return f"The last import, {last.title}, did not end well: {last.get_state_display()}."
    refused = f", {words.number(rejected)} were rejected" if rejected else ", none was rejected"
    return (
        f"The last import read {words.plural(read, 'row')}: {words.number(inserted)} new, "
        f"{words.number(changed)} changed{refused}."
    )


@page("rapport.add_run")
def import_new(request: HttpRequest) -> HttpResponse:
    """First step: which file, of what, from where."""
    form = UploadForm(
        request.POST or None,
        request.FILES or None,
        initial={"kind": request.GET.get("kind", "orders"), "source": "shop"},
    )
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            upload = uploads.keep(
                given["file"].chunks(),
                name=given["file"].name,
                kind=given["kind"],
                source=given["source"],
                now=time.time(),
            )
        except DomainError as error:
            form.add_error("file", str(error))
        else:
            return redirect("import_mapping", token=upload.token)
    lead = "Choose a file; nothing is written before you have seen what will be."
    return show(
        request,
        "customers/import_new.html",
        title="Import a file",
        lead=lead,
        crumbs=(Link(CRUMB[0], reverse(CRUMB[1])),),
        context={"form": form, "kinds": [(kind, mapping.fields(kind)) for kind, _label in KINDS]},
    )


@page("rapport.add_run")
def import_mapping(request: HttpRequest, token: str) -> HttpResponse:
    """Second step: which column means which field; then a check, or the import itself."""
    upload = uploads.find(token)
    if upload is None:
        raise Http404("This file was uploaded too long ago; upload it again.")
    chosen = _chosen(request, upload)
    preset = mapping.preset(upload.kind, [column.name for column in upload.columns])
    error = ""
    if request.method == "POST" and preset and request.POST.get("preset") == preset:
        return _start(request, upload, {}, preset=preset, is_dry="check" in request.POST)
    if request.method == "POST":
        try:
            mapping.check(upload.kind, chosen, is_nested=upload.is_nested)
        except mapping.MappingRefused as refused:
            error = str(refused)
        else:
            return _start(request, upload, chosen, is_dry="check" in request.POST)
    context = {
        "upload": upload,
        "columns": [(i, c, chosen.get(c.name, "")) for i, c in enumerate(upload.columns)],
        "fields": mapping.fields(upload.kind),
        "missing": mapping.missing(upload.kind, chosen, is_nested=upload.is_nested),
        "error": error,
        "preset": preset,
    }
    understood = sum(bool(field) for field in chosen.values())
    found = words.plural(len(upload.columns), "column")
    return show(
        request,
        "customers/import_mapping.html",
        title=f"What is in {upload.name}?",
        lead=f"{found} found, {words.number(understood)} understood. Say what the others mean; "
        "those without a meaning are kept beside.",
        crumbs=(Link(CRUMB[0], reverse(CRUMB[1])), Link("Import a file", reverse("import_new"))),
        context=context,
        status=400 if error else 200,
    )


def _chosen(request: HttpRequest, upload: Upload) -> dict[str, str]:
    """Column -> field as posted, or as guessed where nothing was posted yet."""
    names = [column.name for column in upload.columns]
    if request.method != "POST":
        return mapping.guess(upload.kind, names)
    return {name: request.POST.get(f"column_{i}", "") for i, name in enumerate(names)}


def _start(
    request: HttpRequest,
    upload: Upload,
    chosen: dict[str, str],
    *,
    is_dry: bool,
    preset: str = "",
) -> HttpResponse:
    """Queue the import as a run, and go to its page."""
    params: dict[str, Any] = {
        "file": upload.name,
        "kind": upload.kind,
        "source": upload.source,
        "upload": upload.token,
        "mapping": chosen,
        "preset": preset,
        "dry_run": is_dry,
    }
    title = f"{'Check' if is_dry else 'Import'} {upload.kind} from {upload.name}"[:200]
    run = runs.create("import", title, params=params, user=request.user)
    access.audit(request.user, "import.started", f"run {run.pk}", **params)
    bells.enqueue(import_upload, run.pk)
    return redirect("import", run_id=run.pk)


@page("customers.view_customer")
def import_run(request: HttpRequest, run_id: int) -> HttpResponse:
    """One import: its figures, its rejected rows, and, after a check, the import itself."""
    run = get_object_or_404(Run.objects.select_related("started_by"), pk=run_id, kind="import")
    is_dry = bool(run.params.get("dry_run"))
    upload = uploads.find(str(run.params.get("upload", "")))
    context = {
        "run": run,
        "is_dry": is_dry,
        "upload": upload,
        "numbers": _numbers(run, is_dry=is_dry),
        "next": _next(run) if run.state == Run.State.DONE and not is_dry else None,
        "has_rejects": bool(upload and upload.reject_path.exists()),
        "mapping": run.params.get("mapping") or {},
        "hidden": _hidden(upload, run) if upload else [],
    }
    return show(
        request,
        "customers/import.html",
        title=run.title,
        lead=_sentence(run, is_dry=is_dry),
        crumbs=(Link(CRUMB[0], reverse(CRUMB[1])),),
        context=context,
    )


def _numbers(run: Run, *, is_dry: bool) -> list[tuple[str, str]]:
    """Rows by what became of them, or would."""
    if is_dry:
        read, rejected = run.result.get("read", 0), run.result.get("rejected", 0)
        spelt = [("rows read", read), ("would land", read - rejected), ("rejected", rejected)]
        return [(name, words.number(n)) for name, n in spelt]
    return [(f"rows {name}", words.number(run.result.get(name, 0))) for name in FIGURES]


def _next(run: Run) -> Link:
    if run.params.get("kind") == "products":
        return Link("See the catalogue", reverse("products"))
    return Link("See the customers", reverse("customers"))


def _hidden(upload: Upload, run: Run) -> list[tuple[str, str]]:
    """The mapping of a check as form fields, so that the import repeats it exactly."""
    if run.params.get("preset"):
        return [("preset", run.params["preset"])]
    chosen = run.params.get("mapping") or {}
    return [(f"column_{i}", chosen.get(c.name, "")) for i, c in enumerate(upload.columns)]


def _sentence(run: Run, *, is_dry: bool) -> str:
    figure = run.result.get
    if run.state != Run.State.DONE:
        return jobs.sentence(run)
    if is_dry:
        return (
            f"Nothing was written. Of {words.plural(figure('read', 0), 'row')}, "
            f"{words.number(figure('rejected', 0))} would be rejected."
        )
    if not figure("inserted") and not figure("changed"):
        refused = figure("rejected", 0)
        rest = f"; {words.number(refused)} were rejected" if refused else ""
        return f"{words.plural(figure('read', 0), 'row')} read; nothing was new{rest}."
    return (
        f"{words.plural(figure('read', 0), 'row')} read: {words.number(figure('inserted', 0))} "
        f"new, {words.number(figure('changed', 0))} changed, "
        f"{words.number(figure('rejected', 0))} rejected."
    )


@page("rapport.add_run")
def import_rejects(request: HttpRequest, run_id: int) -> HttpResponseBase:
    """The rejected rows of one import as a file: row, column, value, reason."""
    run = get_object_or_404(Run, pk=run_id, kind="import")
    path = uploads.rejects(run.params)
    if path is None:
        raise Http404("No row was rejected, or the file was removed after a week.")
    access.audit(request.user, "import.rejects_read", f"run {run.pk}")
    return FileResponse(path.open("rb"), as_attachment=True, filename=f"rejected-{run.pk}.csv")
