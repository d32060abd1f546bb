"""Build a segment from rows of conditions, and see at once how many it selects."""

import json
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from rapport.errors import DomainError
from rapport.web import words
from rapport.web.dashboard import Link
from rapport.web.page import page, show
from segments import querysets
from segments.models import Cluster, ModelRun, Segment
from segments.services import membership, why
from segments.services import segments as service
from segments.services.definitions import RuleRefused
from segments.web import builder
from segments.web.forms import SegmentForm

FIRST = [{"group": builder.MUST, "subject": "orders.count", "op": ">=", "value": "2", "days": "90"}]


@page("segments.add_segment")
def new(request: HttpRequest) -> HttpResponse:
    form = SegmentForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            made = service.create(
                name=form.cleaned_data["name"],
                description=form.cleaned_data["description"],
                rule=form.rule,
                user=request.user,
                now=timezone.now(),
            )
        except DomainError as error:
            form.add_error(None, _words(error))
        else:
            return redirect("segment", made.pk)
    return _form(request, form, builder.ALL, FIRST, title="Build a segment")


@page("segments.change_segment")
def edit(request: HttpRequest, segment_id: int) -> HttpResponse:
    """Change the name and the words; the rule too, where the builder can say it."""
    found = get_object_or_404(Segment, pk=segment_id)
    if found.state == Segment.State.ARCHIVED:
        return redirect("segment", found.pk)
    simple = builder.rows_of(found.rule)
    keeps = simple is None and request.POST.get("afresh") != "yes"
    initial = {"name": found.name, "description": found.description}
    given = request.POST if request.method == "POST" else None
    form = SegmentForm(given, initial=initial, keeps_rule=keeps)
    if request.method == "POST" and form.is_valid():
        try:
            service.edit(
                found,
                name=form.cleaned_data["name"],
                description=form.cleaned_data["description"],
                rule=None if keeps or _means_the_same(form.rule, found.rule) else form.rule,
                user=request.user,
                now=timezone.now(),
            )
        except DomainError as error:
            form.add_error(None, _words(error))
        else:
            return redirect("segment", found.pk)
    match, rows = simple or (builder.ALL, FIRST)
    return _form(
        request,
        form,
        match,
        rows,
        title=f"Change “{found}”",
        segment=found,
        is_complex=simple is None,
        is_afresh=simple is None and not keeps,
    )


@page("segments.add_segment")
@require_POST
def preview(request: HttpRequest) -> JsonResponse:
    """How many the rows in the form select now; nothing is stored."""
    try:
        rule = builder.rule_of(*_posted(request))
        found = membership.preview(rule, now=timezone.now())
    except (builder.RowError, DomainError) as error:
        return JsonResponse({"error": _words(error)})
    share = words.part(found.count, found.base) if found.base else "nobody is known yet"
    return JsonResponse(
        {
            "count": words.plural(found.count, "customer"),
            "said": f"{share} of all; {words.number(found.reachable_email)} have an e-mail address "
            f"that may be used. As of {words.clock(found.as_of)}.",
            "sentence": found.sentence,
            "clauses": [[one.words, words.number(one.count)] for one in found.clauses],
            "sample": [[one.name, reverse("customer", args=[one.id])] for one in found.sample],
        }
    )


def _form(
    request: HttpRequest,
    form: SegmentForm,
    match: str,
    rows: list[dict[str, Any]],
    *,
    title: str,
    segment: Segment | None = None,
    **more: Any,
) -> HttpResponse:
    if request.method == "POST":  # what was typed comes back
        match, rows = _posted(request)
    context = {
        "form": form,
        "segment": segment,
        "sentence": why.sentence(segment) if segment else "",
        "builder": {"match": match, "rows": rows, "subjects": _spec(segment)},
        **more,
    }
    crumbs = [Link("Segments", reverse("segments"))]
    if segment:
        crumbs.append(Link(segment.name, reverse("segment", args=[segment.pk])))
    return show(
        request,
        "segments/edit.html",
        title=title,
        lead="Whoever the conditions hold for is a member, from the moment they hold.",
        crumbs=tuple(crumbs),
        context=context,
        status=400 if form.errors else 200,
    )


def _posted(request: HttpRequest) -> tuple[str, list[dict[str, Any]]]:
    """All or any, and the rows as the page's script sent them; nonsense is no row."""
    try:
        rows = json.loads(request.POST.get("rows", "[]"))
    except ValueError:
        rows = []
    match = builder.ANY if request.POST.get("match") == builder.ANY else builder.ALL
    rows = rows if isinstance(rows, list) else []
    return match, [row for row in rows if isinstance(row, dict)][: builder.ROWS_MOST]


def _spec(segment: Segment | None) -> list[dict[str, Any]]:
    clusters = Cluster.objects.filter(run__kind=ModelRun.Kind.CLUSTERS, run__state="live")
    segments = querysets.in_use()
    if segment is not None:
        segments = segments.exclude(pk=segment.pk)
    return builder.spec(
        clusters=[(str(one.key), str(one)) for one in clusters],
        segments=list(segments.values_list("key", "name")),
    )


def _means_the_same(rule: dict[str, Any], stored: dict[str, Any]) -> bool:
    """Whether only the writing differs, so that the rule's version stays."""
    before = builder.rows_of(stored)
    return before is not None and builder.rule_of(*before) == rule


def _words(error: Exception) -> str:
    if isinstance(error, RuleRefused):
        return "; ".join(fault.reason[:200] for fault in error.faults)
    return str(error)
