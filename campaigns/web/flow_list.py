"""The list of flows, and recipes to start from."""

from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from campaigns.flows.recipes import RECIPES
from campaigns.models import Campaign, Journey
from rapport.web import keyset, words
from rapport.web.dashboard import Empty, Link
from rapport.web.page import page, show


@page("campaigns.view_campaign")
def flows(request: HttpRequest) -> HttpResponse:
    """Every flow with how many are inside, and what to begin a new one with."""
    called = request.GET.get("q", "").strip()
    found = Campaign.objects.filter(kind=Campaign.Kind.FLOW)
    running = found.filter(state=Campaign.State.SENDING).count()
    if called:
        found = found.filter(name__icontains=called)
    pages = keyset.page(found, request.GET, by=("-id",), size=25)
    counted = {
        row["campaign"]: row
        for row in Journey.objects.filter(campaign__in=[one.pk for one in pages.rows])
        .order_by()
        .values("campaign")
        .annotate(entered=Count("pk"), inside=Count("pk", filter=Q(state=Journey.State.WAITING)))
    }
    context = {
        "pages": pages,
        "rows": [(one, counted.get(one.pk)) for one in pages.rows],
        "called": called,
        "recipes": list(RECIPES.values()),
        "empty": Empty(
            "No flow is called that." if called else "No flow yet. Begin with a recipe, or blank.",
            Link("Show all", reverse("flows")) if called else None,
        ),
    }
    lead = (
        f"{words.plural(running, 'flow runs', 'flows run')} now."
        if running
        else "No flow runs at the moment."
    )
    return show(request, "campaigns/flows.html", title="Flows", lead=lead, context=context)
