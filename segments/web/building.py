"""Build a segment from conditions in brackets, and see at once how many it selects.

Every edit is done here, on what the form sends: the page works without its script, which only
sends and shows without loading the page anew.
"""

import json
from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from rapport.errors import DomainError
from rapport.web.dashboard import Link
from rapport.web.page import page, show
from segments import querysets
from segments.models import Cluster, CustomerList, ModelRun, Segment
from segments.services import segments as service
from segments.services import suggest as suggesting
from segments.web import counting
from segments.web.conditions import controls, nodes
from segments.web.conditions.controls import Now, Shown
from segments.web.conditions.draft import Done, Draft, edit_draft, posted
from segments.web.conditions.nodes import Written, Wrong
from segments.web.conditions.subjects import Option
from segments.web.forms import SegmentForm

FIRST = {
    "version": 1,
    "where": {
        "type": "orders", "measure": "revenue", "op": ">", "value": 200, "window_days": 90,
    },
}  # fmt: skip


@page("segments.add_segment")
def new(request: HttpRequest) -> HttpResponse:
    form = SegmentForm(request.POST if "save" in request.POST else None, initial=_typed(request))
    draft = posted(request.POST) if request.method == "POST" else nodes.draft_of(FIRST)
    done = edited_as_asked(request, draft)
    written = nodes.write(draft)
    if "save" in request.POST and form.is_valid() and not written.wrong:
        try:
            made = service.create(
                name=form.cleaned_data["name"],
                description=form.cleaned_data["description"],
                rule=written.rule,
                user=request.user,
                now=timezone.now(),
            )
        except DomainError as error:
            form.add_error(None, counting.refusal(error))
        else:
            return redirect("segment", made.pk)
    return _form(request, form, draft, written, done, title="Build a segment")


@page("segments.change_segment")
def edit(request: HttpRequest, segment_id: int) -> HttpResponse:
    """Change the name, the words and the rule; whatever rule there is can be changed here."""
    found = get_object_or_404(Segment, pk=segment_id)
    if found.state == Segment.State.ARCHIVED:
        return redirect("segment", found.pk)
    initial = {"name": found.name, "description": found.description, **_typed(request)}
    form = SegmentForm(request.POST if "save" in request.POST else None, initial=initial)
    draft = posted(request.POST) if request.method == "POST" else nodes.draft_of(found.rule)
    done = edited_as_asked(request, draft)
    written = nodes.write(draft)
    if "save" in request.POST and form.is_valid() and not written.wrong:
        try:
            service.edit(
                found,
                name=form.cleaned_data["name"],
                description=form.cleaned_data["description"],
                rule=None if _means_the_same(written, found.rule) else written.rule,
                user=request.user,
                now=timezone.now(),
            )
        except DomainError as error:
            form.add_error(None, counting.refusal(error))
        else:
            return redirect("segment", found.pk)
    return _form(request, form, draft, written, done, title=f"Change “{found}”", segment=found)


@page("segments.add_segment")
@require_POST
def draft(request: HttpRequest) -> JsonResponse:
    """The conditions after one edit, for the page's script."""
    edited = posted(request.POST)
    done = edited_as_asked(request, edited)
    touched = set(request.POST.get("touched", "").split())
    wrong = [one for one in nodes.write(edited).wrong if one.part_id in touched]
    html = render_to_string("segments/_tree.html", tree_context(request, edited, wrong))
    return JsonResponse({"html": html, "said": done.said, "focus": done.focus})


@page("segments.add_segment")
@require_POST
def preview(request: HttpRequest) -> JsonResponse:
    """How many the form's conditions select now, estimated or exactly; nothing is stored."""
    now, built = timezone.now(), posted(request.POST)
    if request.POST.get("stage") == "estimate":
        estimate = counting.estimated(built, now=now)
        html = estimate and render_to_string("segments/_preview.html", {"counted": estimate})
        count = estimate.count if estimate else ""
        return JsonResponse({"html": html or "", "count": count, "is_estimate": True})
    counted, written = counting.counted(built, now=now)
    wrong: dict[str, list[tuple[str, bool]]] = {}
    for one in written.wrong:
        wrong.setdefault(one.part_id, []).append((words_of(one), one.is_unfinished))
    return JsonResponse(
        {
            "html": render_to_string("segments/_preview.html", {"counted": counted}),
            "count": counted.count,
            "passes": counted.passes,
            "wrong": wrong,
            "is_estimate": counted.is_estimate,
        }
    )


@page("segments.add_segment")
def suggest(request: HttpRequest) -> JsonResponse:
    """Values of the data that have in them what was typed."""
    asked = request.GET
    found = suggesting.values(
        asked.get("kind", "")[:20], words=asked.get("q", "")[:100], of=asked.getlist("of")[:50]
    )
    return JsonResponse({"values": [[one.value, one.note] for one in found]})


def words_of(one: Wrong) -> str:
    return f"{one.reason[:1].upper()}{one.reason[1:]}."


def _typed(request: HttpRequest) -> dict[str, str]:
    """What stands in the form's own fields while the conditions are edited without the script."""
    return {name: request.POST[name] for name in ("name", "description") if name in request.POST}


def edited_as_asked(request: HttpRequest, draft: Draft) -> Done:
    """Do what the pressed button says; the form's own Save says nothing."""
    done = edit_draft(draft, request.POST.get("do", ""))
    _complete(draft)
    return done


def _complete(draft: Draft) -> None:
    """Several values typed or pasted at once, one a line, are several values."""
    for row in draft.rows():
        for given in (row.given, *row.lines):
            for name, values in given.items():
                given[name] = [part for value in values for part in value.splitlines() or [""]]


def _form(
    request: HttpRequest, form: SegmentForm, draft: Draft, written: Written, done: Done,
    *, title: str, segment: Segment | None = None,
) -> HttpResponse:  # fmt: skip
    is_saved = "save" in request.POST
    tree = tree_context(request, draft, written.wrong if is_saved else (), segment)
    titles = {part.id: part.title for part in _all(tree["tree"])}
    refused = [(one.part_id, titles.get(one.part_id, ""), words_of(one)) for one in written.wrong]
    context = {
        "form": form,
        "segment": segment,
        "said": done.said,
        "refused": refused if is_saved else [],
        "is_refused": is_saved,
        **tree,
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
        status=400 if is_saved else 200,
    )


def tree_context(
    request: HttpRequest, draft: Draft, wrong: Sequence[Wrong], segment: Segment | None = None
) -> dict[str, Any]:
    about = segment.pk if segment else request.POST.get("about", "")
    now = Now(_choices(str(about)), suggesting.product_names(controls.products(draft)))
    tree = controls.shown(draft, now, wrong)
    for part in _all(tree):
        if part.kept is not None:
            part.kept_json = json.dumps(part.kept)
        part.told = [(words_of(one), one.is_unfinished) for one in part.wrong]
    return {"tree": tree, "structure": draft.structure()}


def _all(part: Shown) -> list[Shown]:
    return [part, *(one for child in part.parts for one in _all(child))]


def _choices(about: str) -> dict[str, list[Option]]:
    """Clusters, segments and lists there are now; the segment itself is no choice of its own."""
    clusters = Cluster.objects.filter(run__kind=ModelRun.Kind.CLUSTERS, run__state="live")
    others = querysets.in_use()
    if about.isdecimal():
        others = others.exclude(pk=int(about))
    return {
        "cluster": [(str(one.key), str(one)) for one in clusters],
        "segment": list(others.values_list("key", "name")),
        "list": list(CustomerList.objects.order_by("name").values_list("key", "name")),
    }


def _means_the_same(written: Written, stored: Any) -> bool:
    """Whether only the writing differs, so that the rule's version stays."""
    return nodes.write(nodes.draft_of(stored)).rule == written.rule
