"""Flows: which run, what they are made of, and recipes to start from."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse

from campaigns.models import Campaign
from rapport.web import keyset
from rapport.web.dashboard import Empty, Link
from rapport.web.page import page, show


@page("campaigns.view_campaign")
def flows(request: HttpRequest) -> HttpResponse:
    found = Campaign.objects.filter(kind=Campaign.Kind.FLOW).prefetch_related("included")
    context = {
        "pages": keyset.page(found, request.GET, by=("-id",), size=25),
        "empty": Empty(
            "No flow yet. A flow waits, branches and writes by itself.",
            Link("Write a flow", reverse("campaign_new") + "?kind=flow"),
        ),
    }
    lead = "What goes on by itself, step by step, for each person."
    return show(request, "campaigns/flows.html", title="Flows", lead=lead, context=context)


@page("campaigns.view_campaign")
def flow(request: HttpRequest, campaign_id: int) -> HttpResponse:
    found = get_object_or_404(Campaign, pk=campaign_id, kind=Campaign.Kind.FLOW)
    return redirect("campaign_edit", found.pk)
