"""Pages beside the editor of a flow: the rule of one step, and what one step says."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone

from campaigns.models import Campaign
from campaigns.services import campaigns
from campaigns.web import flow_fields, flow_tree, flows
from campaigns.web.flow_tree import Draft, Node
from campaigns.web.wording_forms import StepWordings
from rapport.errors import DomainError
from rapport.web.dashboard import Link
from rapport.web.page import page, show
from segments.services import suggest
from segments.web import building
from segments.web.conditions import nodes
from segments.web.conditions.draft import posted

RULED = ("filter", flow_tree.BRANCH)


@page(flows.MAY_CHANGE)
def rule(request: HttpRequest, campaign_id: int, number: int) -> HttpResponse:
    """The conditions of a branch or filter, with the segments' own builder."""
    found, edited, step = _step(request, campaign_id, number, RULED)
    before = step.given.get("rule")
    own = isinstance(before, dict) and not flow_fields.segment_of(before)[0]
    stored = before if own and isinstance(before, dict) else building.FIRST
    draft = posted(request.POST) if request.method == "POST" else nodes.draft_of(stored)
    done = building.edited_as_asked(request, draft)
    written = nodes.write(draft)
    is_saved = "save" in request.POST
    if is_saved and not written.wrong:
        step.given["rule"] = written.rule
        flows.keep(request, found, edited)
        return redirect(f"{reverse('flow', args=[found.pk])}#{step.id}")
    context = {
        "campaign": found,
        "step": step,
        "said": done.said,
        "refused": [building.words_of(one) for one in written.wrong] if is_saved else [],
        "is_refused": is_saved,
        **building.tree_context(request, draft, written.wrong if is_saved else ()),
    }
    return show(
        request,
        "campaigns/flow_rule.html",
        title=f"Who fulfils step {number}",
        lead="It is asked of each person the moment they come to this step.",
        crumbs=_crumbs(found),
        context=context,
        status=400 if is_saved else 200,
    )


@page(flows.MAY_CHANGE)
def message(request: HttpRequest, campaign_id: int, number: int) -> HttpResponse:
    """What one step says: one version, or several to compare."""
    found, edited, step = _step(request, campaign_id, number, ("send",))
    data = request.POST if request.method == "POST" else None
    wordings = StepWordings(found, number, data)
    if data is not None and wordings.is_valid():
        try:
            campaigns.word_step(
                found, number, wordings.rows_given(), user=request.user, now=timezone.now()
            )
        except DomainError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, f"What step {number} says is saved.")
            return redirect(f"{reverse('flow', args=[found.pk])}#{step.id}")
    context: dict[str, Any] = {
        "campaign": found,
        "step": step,
        "wordings": wordings,
        "offer": _offer_before(edited, step) or found.offer_id,
        "languages": suggest.values("language"),
    }
    is_wrong = data is not None
    return show(
        request,
        "campaigns/flow_message.html",
        title=f"What step {number} says",
        lead="One version for everybody, or several, of which chance gives each person one.",
        crumbs=_crumbs(found),
        context=context,
        status=400 if is_wrong else 200,
    )


def _offer_before(edited: Draft, step: Node) -> int | None:
    """The offer that this message carries, from the nearest step before it that gives one."""
    at = edited.find(step.id)
    while at is not None:
        node, listed, owner = at
        for before in reversed(listed[: listed.index(node)]):
            if before.kind == "offer":
                given = before.given.get("offer")
                return given if isinstance(given, int) and given else None
        at = edited.find(owner.id) if owner else None
    return None


def _step(
    request: HttpRequest, campaign_id: int, number: int, kinds: tuple[str, ...]
) -> tuple[Campaign, Draft, Node]:
    found = get_object_or_404(Campaign, pk=campaign_id, kind=Campaign.Kind.FLOW)
    edited, _is_kept = flows.kept(request, found)
    at = edited.find(f"n{number}")
    if at is None or at[0].kind not in kinds:
        raise Http404("There is no such step.")
    return found, edited, at[0]


def _crumbs(found: Campaign) -> tuple[Link, ...]:
    return (
        Link("Flows", reverse("flows")),
        Link(found.name, reverse("flow", args=[found.pk])),
    )
