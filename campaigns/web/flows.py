"""The editor of a flow, step under step.

Every edit is done here, on what the form sends, so that the page works without its script.  What is
not saved yet is kept in the session while a rule or a message is written on a page of its own.
"""

from collections import Counter
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from campaigns.flows.language import Fault
from campaigns.models import Campaign, FlowVersion, Journey, Offer, Variant
from campaigns.services.flows import definitions, reading
from campaigns.web import flow_fields as fields
from campaigns.web import flow_shown, flow_tree
from campaigns.web.flow_tree import Draft
from rapport.errors import DomainError
from rapport.web import words
from rapport.web.dashboard import Link
from rapport.web.page import page, show
from segments import querysets as segment_querysets
from segments.models import WebhookEndpoint

MAY_CHANGE = "campaigns.change_campaign"
OVER = (Campaign.State.FINISHED, Campaign.State.CANCELLED)


@page("campaigns.view_campaign")
def flow(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """The steps of one flow, to read and to change."""
    found = _flow(campaign_id)
    may_change = request.user.has_perm(MAY_CHANGE) and found.state not in OVER  # type: ignore[union-attr]
    if request.method == "POST":
        if not may_change:
            raise PermissionDenied
        draft = fields.posted(request.POST)
        goes = request.POST.get("go", "")
        if goes:
            return _go(request, found, draft, goes)
        done = flow_tree.edit(draft, request.POST.get("do", ""))
        if "save" in request.POST:
            return _save(request, found, draft)
        return _shown(request, found, draft, said=done.said)
    draft, is_kept = kept(request, found)
    if request.GET.get("forget"):
        request.session.pop(_key(found), None)
        return redirect("flow", found.pk)
    return _shown(request, found, draft, is_kept=is_kept)


@page(MAY_CHANGE)
@require_POST
def draft(request: HttpRequest, campaign_id: int) -> JsonResponse:
    """The steps after one edit, for the page's script."""
    edited = fields.posted(request.POST)
    done = flow_tree.edit(edited, request.POST.get("do", ""))
    context = _tree(_flow(campaign_id), edited, touched=request.POST.get("touched", "").split())
    html = render_to_string("campaigns/_flow_tree.html", context, request=request)
    return JsonResponse({"html": html, "said": done.said, "focus": done.focus})


@page(MAY_CHANGE)
@require_POST
def look(request: HttpRequest, campaign_id: int) -> JsonResponse:
    """What the flow in the form comes to; nothing is stored."""
    if request.POST.get("stage") == "estimate":
        return JsonResponse({"html": ""})
    found, edited = _flow(campaign_id), fields.posted(request.POST)
    definition = flow_tree.to_definition(edited)
    told = flow_shown.by_part(definitions.faults(definition), definition)
    summed = _summed(edited, told, _inside(found))
    return JsonResponse(
        {
            "html": render_to_string("campaigns/_flow_look.html", {"summed": summed}),
            "count": summed["count"],
            "passes": {},
            "wrong": {part: [(one, False) for one in said] for part, said in told.items()},
            "is_estimate": False,
        }
    )


def kept(request: HttpRequest, found: Campaign) -> tuple[Draft, bool]:
    """What was typed and not saved yet, or else what is stored; and which of the two."""
    stored = request.session.get(_key(found))
    if isinstance(stored, dict):
        return flow_tree.from_definition(stored["flow"], fresh=stored["fresh"]), True
    return flow_tree.from_definition(definitions.definition_of(found), fresh=_fresh(found)), False


def keep(request: HttpRequest, found: Campaign, edited: Draft) -> None:
    """Remember what is not saved yet, for this person."""
    definition = flow_tree.to_definition(edited)
    request.session[_key(found)] = {"flow": definition, "fresh": edited.fresh}


def forget(request: HttpRequest, found: Campaign) -> None:
    request.session.pop(_key(found), None)


def _flow(campaign_id: int) -> Campaign:
    return get_object_or_404(Campaign, pk=campaign_id, kind=Campaign.Kind.FLOW)


def _key(found: Campaign) -> str:
    return f"flow:{found.pk}"


def _fresh(found: Campaign) -> int:
    """A number that no step of any version had, and no text is kept under."""
    used = [step for (step,) in Variant.objects.filter(campaign=found).values_list("step")]
    for definition in FlowVersion.objects.filter(campaign=found).values_list("definition"):
        used += [one.get("number", 0) for one in definition[0].get("steps", [])]
    return max(used, default=0) + 1


def _go(request: HttpRequest, found: Campaign, edited: Draft, goes: str) -> HttpResponse:
    """Keep what was typed and write a rule or a message on its own page."""
    where, _, part_id = goes.partition(" ")
    keep(request, found, edited)
    at = edited.find(part_id)
    if at is None or where not in ("rule", "message"):
        return redirect("flow", found.pk)
    return redirect(f"flow_{where}", found.pk, at[0].number)


def _save(request: HttpRequest, found: Campaign, edited: Draft) -> HttpResponse:
    definition = flow_tree.to_definition(edited)
    wrong = definitions.faults(definition)
    if wrong:
        return _shown(request, found, edited, wrong=wrong, status=400)
    if found.state not in definitions.EDITABLE:
        keep(request, found, edited)
        return redirect("flow_change", found.pk)
    try:
        definitions.keep(found, definition, user=request.user, now=timezone.now())
    except DomainError as error:
        messages.error(request, str(error))
        return _shown(request, found, edited, status=400)
    forget(request, found)
    messages.success(request, "The flow is saved. Nothing leaves before somebody launches it.")
    return redirect("flow", found.pk)


def _shown(
    request: HttpRequest,
    found: Campaign,
    edited: Draft,
    *,
    said: str = "",
    wrong: list[Fault] | None = None,
    is_kept: bool = False,
    status: int = 200,
) -> HttpResponse:
    definition = flow_tree.to_definition(edited)
    told = flow_shown.by_part(wrong or [], definition)
    present = flow_shown.by_part(definitions.faults(definition), definition)
    inside = _inside(found)
    may_change = request.user.has_perm(MAY_CHANGE) and found.state not in OVER  # type: ignore[union-attr]
    context = {
        "campaign": found,
        "said": said,
        "is_kept": is_kept,
        "may_change": may_change,
        "may_edit_plan": found.state in definitions.EDITABLE,
        "summed": _summed(edited, present, inside),
        "refused": _refused(edited, told),
        **_tree(found, edited, told=told, may_change=may_change),
    }
    return show(
        request,
        "campaigns/flow.html",
        title=str(found),
        lead=_lead(found, inside),
        crumbs=(Link("Flows", reverse("flows")),),
        context=context,
        status=status,
    )


def _tree(
    found: Campaign,
    edited: Draft,
    *,
    told: dict[str, list[str]] | None = None,
    touched: list[str] | None = None,
    may_change: bool = True,
) -> dict[str, Any]:
    """What the fragment of the steps needs; faults are told of the parts that were touched."""
    if touched:
        definition = flow_tree.to_definition(edited)
        every = flow_shown.by_part(definitions.faults(definition), definition)
        told = {part: said for part, said in every.items() if part in touched}
    around = flow_shown.Around(
        choices=flow_shown.Choices(
            segments=list(segment_querysets.in_use().values_list("key", "name").order_by("name")),
            offers=[(str(one.pk), str(one)) for one in Offer.objects.all()],
            endpoints=[(str(one.pk), str(one)) for one in WebhookEndpoint.objects.all()],
        ),
        faults=told or {},
        says=_says(found),
        passes=_passes(found),
        steps=[
            (str(node.number), f"{node.number}: {flow_tree.KINDS[node.kind]}")
            for node, _seq, _owner in edited.walk()
            if node.kind != flow_tree.JUMP
        ],
    )
    head_where = flow_shown.kept_where(edited.head.get("trigger") or {})
    return {
        "flow": found,
        "structure": fields.structure(edited),
        "head": flow_shown.head(edited, around),
        "head_hidden": head_where,
        "head_told": [(one, False) for one in (told or {}).get("entry", ())],
        "steps": flow_shown.shown(edited.steps, around),
        "kinds": list(flow_tree.KINDS.items()),
        "may_change": may_change,
    }


def _says(found: Campaign) -> dict[int, list[Variant]]:
    says: dict[int, list[Variant]] = {}
    for variant in found.variants.filter(weight__gt=0):
        says.setdefault(variant.step, []).append(variant)
    return says


def _passes(found: Campaign) -> dict[int, str]:
    """How many wait at each step, and how many went on from it."""
    if found.launched_at is None:
        return {}
    return {
        one.number: f"{words.number(one.waiting)} waiting · {words.number(one.done)} through"
        for one in reading.steps_with_counts(found)
    }


def _inside(found: Campaign) -> int:
    return Journey.objects.filter(campaign=found, state=Journey.State.WAITING).count()


def _summed(edited: Draft, told: dict[str, list[str]], inside: int) -> dict[str, Any]:
    kinds = Counter(node.kind for node, _seq, _owner in edited.walk())
    faults = sum(len(said) for said in told.values())
    steps = sum(n for kind, n in kinds.items() if kind != flow_tree.JUMP)
    return {
        "count": words.plural(steps, "step"),
        "lines": [
            f"{words.plural(kinds['send'], 'message')} at most to each person",
            f"{words.plural(faults, 'thing')} to mend before it can be saved"
            if faults
            else "Nothing is wrong with it",
            f"{words.plural(inside, 'person', 'people')} inside now",
        ],
        "told": [(part, said) for part, every in told.items() for said in every],
    }


def _refused(edited: Draft, told: dict[str, list[str]]) -> list[tuple[str, str, str]]:
    kinds = {node.id: flow_tree.KINDS[node.kind] for node, _seq, _owner in edited.walk()}
    return [
        (part, kinds.get(part, "Who enters, and when it ends"), said)
        for part, every in told.items()
        for said in every
    ]


def _lead(found: Campaign, inside: int) -> str:
    if found.state in definitions.EDITABLE:
        return "A draft. Nobody enters before somebody launches it."
    if found.state in OVER:
        return "It is over; nobody enters any more."
    state = str(found.get_state_display())
    return f"{state}: {words.plural(inside, 'person is', 'people are')} inside."
