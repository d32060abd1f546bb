"""Lists: campaigns, the ledger of one, and the lift of all."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone

from campaigns.models import Campaign, Message
from campaigns.services import reports
from campaigns.web import lift as lift_figures
from rapport.web import keyset, words
from rapport.web.dashboard import Empty, Link
from rapport.web.page import page, show

LIFT_CAMPAIGNS = 20


@page("campaigns.view_campaign")
def campaigns(request: HttpRequest) -> HttpResponse:
    found = Campaign.objects.prefetch_related("included")
    state = request.GET.get("state", "")
    if state in Campaign.State.values:
        found = found.filter(state=state)
    pages = keyset.page(found, request.GET, by=("-id",), size=25)
    active = Campaign.objects.filter(state__in=["planning", "sending", "paused"]).count()
    lead = (
        f"{words.plural(active, 'campaign is', 'campaigns are')} under way."
        if active
        else "Nothing is being sent at the moment."
    )
    context = {
        "pages": pages,
        "state": state,
        "states": Campaign.State.choices,
        "empty": Empty(
            "No campaign yet. The first one takes a segment, a message and a holdout.",
            Link("Write a campaign", reverse("campaign_new")),
        ),
    }
    return show(request, "campaigns/campaigns.html", title="Campaigns", lead=lead, context=context)


@page("campaigns.view_message")
def messages(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """The ledger: one row a person, with its state and the reason for it."""
    campaign = get_object_or_404(Campaign, pk=campaign_id)
    found = Message.objects.filter(campaign=campaign).select_related("customer", "coupon")
    state, reason = request.GET.get("state", ""), request.GET.get("reason", "")
    if state in Message.State.values:
        found = found.filter(state=state)
    if reason and reason in Message.Reason.values:
        found = found.filter(reason=reason)
    total = keyset.count(found)
    context = {
        "campaign": campaign,
        "pages": keyset.page(found, request.GET, by=("-id",)),
        "state": state,
        "reason": reason,
        "states": Message.State.choices,
        "reasons": [choice for choice in Message.Reason.choices if choice[0]],
        "empty": Empty("No message is like that."),
    }
    lead = f"{str(total).capitalize()} messages of {campaign}, one a person."
    title = f"{campaign}: messages"
    return show(request, "campaigns/messages.html", title=title, lead=lead, context=context)


@page("campaigns.view_campaign")
def lift(request: HttpRequest) -> HttpResponse:
    """What all campaigns changed, each against the people it left alone."""
    now = timezone.now()
    measured = Campaign.objects.filter(assignments__isnull=False).distinct().order_by("-pk")
    found = [reports.report(campaign, now=now) for campaign in measured[:LIFT_CAMPAIGNS]]
    chart = lift_figures.forest(found, now=now)
    context = {
        "reports": found,
        "charts": [chart] if chart else [],
        "empty": Empty(
            "Nothing has been measured yet. Lift appears once a campaign with a holdout was sent.",
            Link("Write a campaign", reverse("campaign_new")),
        ),
    }
    lead = lift_figures.sentence(found)
    return show(request, "campaigns/lift.html", title="Lift", lead=lead, context=context)
