"""Begin a flow from a recipe, and change one that runs."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from campaigns.models import Campaign
from campaigns.services.flows import changing, recipes
from campaigns.web import flow_tree, flows
from rapport.errors import DomainError
from rapport.web.dashboard import Link
from rapport.web.page import page, show

LABELS = {
    changing.STAY: "They go on by the version they entered",
    changing.MOVE: "They go on by the new version",
}
NOTE_MOST = 300


@page("campaigns.add_campaign")
@require_POST
def start(request: HttpRequest) -> HttpResponse:
    """A draft with the steps, words and segment of a recipe."""
    try:
        made = recipes.create(request.POST.get("recipe", ""), user=request.user, now=timezone.now())
    except DomainError as error:
        messages.error(request, str(error))
        return redirect("flows")
    messages.success(request, "A draft of the recipe. Change what you like; nothing leaves yet.")
    return redirect("flow", made.pk)


@page("campaigns.launch_campaign")
def change(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """Say what becomes of the people inside a running flow, and ask once."""
    found = get_object_or_404(Campaign, pk=campaign_id, kind=Campaign.Kind.FLOW)
    draft, is_kept = flows.kept(request, found)
    if not is_kept:
        messages.info(request, "Nothing was changed.")
        return redirect("flow", found.pk)
    definition = flow_tree.to_definition(draft)
    try:
        if request.method == "POST":
            return _change(request, found, definition)
        ways = [
            (key, label, changing.consequences(found, definition, people_inside=key))
            for key, label in LABELS.items()
        ]
    except DomainError as error:
        messages.error(request, str(error))
        return redirect("flow", found.pk)
    return show(
        request,
        "campaigns/flow_change.html",
        title=f"Change {found}",
        lead=f"What happens to the {ways[0][2].inside:,} people inside?",
        crumbs=(
            Link("Flows", reverse("flows")),
            Link(found.name, reverse("flow", args=[found.pk])),
        ),
        context={"campaign": found, "ways": ways, "stay": changing.STAY, "note_most": NOTE_MOST},
    )


def _change(request: HttpRequest, found: Campaign, definition: flow_tree.Json) -> HttpResponse:
    done = changing.change(
        found,
        definition,
        user=request.user,
        now=timezone.now(),
        people_inside=request.POST.get("people_inside", changing.STAY),
        note=request.POST.get("note", "").strip()[:NOTE_MOST],
    )
    flows.forget(request, found)
    messages.success(request, " ".join(["The flow is changed.", *done.sentences]))
    return redirect("flow", found.pk)
