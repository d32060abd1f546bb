"""Write a campaign: the form, its preview as a chosen customer, a test to oneself."""

from typing import Any

from django.contrib import messages
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from campaigns.messages import starter
from campaigns.models import Campaign
from campaigns.services import audience, campaigns, previews
from campaigns.web.forms import CampaignForm, values_of
from customers.models import Customer
from rapport.errors import DomainError
from rapport.web.page import page, show

PEOPLE_SHOWN = 8
BLANK = {
    "subject": starter.SUBJECT,
    "preheader": starter.PREHEADER,
    "body": starter.BODY,
    "holdout_percent": 10,
    "attribution_days": 7,
}


@page("campaigns.add_campaign")
def new(request: HttpRequest) -> HttpResponse:
    form = CampaignForm(
        request.POST or None, initial={**BLANK, "included": request.GET.getlist("segment")}
    )
    if request.method == "POST" and form.is_valid():
        try:
            made = campaigns.create(**form.fields_given(), user=request.user, now=timezone.now())
        except DomainError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, "The draft is saved. Look at it as a customer, then launch.")
            return redirect("campaign_edit", made.pk)
    return _form(request, form, None)


@page("campaigns.change_campaign")
def edit(request: HttpRequest, campaign_id: int) -> HttpResponse:
    campaign = get_object_or_404(Campaign, pk=campaign_id)
    if campaign.state not in campaigns.EDITABLE:
        messages.warning(request, "It has been launched, so it cannot be changed any more.")
        return redirect("campaign", campaign.pk)
    form = CampaignForm(request.POST or None, initial=values_of(campaign))
    if request.method == "POST" and form.is_valid():
        try:
            campaigns.edit(campaign, **form.fields_given(), user=request.user, now=timezone.now())
        except DomainError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, "Saved.")
            return redirect("campaign_edit", campaign.pk)
    return _form(request, form, campaign)


@page("campaigns.view_campaign")
@require_POST
def draft_preview(request: HttpRequest) -> JsonResponse:
    """The message as one customer would get it, from what stands in the form, saved or not."""
    customer = viewer(request.POST.get("as", ""))
    if customer is None:
        return JsonResponse({"error": "No customer is like that. Try a name or an address."})
    campaign = Campaign(
        name=request.POST.get("name") or "Preview",
        subject=request.POST.get("subject", ""),
        preheader=request.POST.get("preheader", ""),
        body=request.POST.get("body", ""),
        sender_name=request.POST.get("sender_name", ""),
        salt="preview",
    )
    offer = request.POST.get("offer", "")
    campaign.offer_id = int(offer) if offer.isdigit() else None
    try:
        made = previews.preview(campaign, customer.pk, now=timezone.now())
    except (DomainError, ValueError) as error:
        return JsonResponse({"error": str(error)})
    return JsonResponse(
        {"as": str(customer), "subject": made.subject, "html": made.html, "text": made.text}
    )


@page("campaigns.change_campaign")
@require_POST
def test(request: HttpRequest, campaign_id: int) -> HttpResponse:
    campaign = get_object_or_404(Campaign, pk=campaign_id)
    address = request.POST.get("address", "").strip() or request.user.email
    customer = viewer(request.POST.get("as", ""))
    try:
        if not address or customer is None:
            raise DomainError("A test needs an address and a customer to show it as.")
        previews.test_send(campaign, address, customer.pk, now=timezone.now())
        messages.success(request, f"The test went to {address}, as {customer} would get it.")
    except (DomainError, ValueError) as error:
        messages.error(request, str(error))
    return redirect("campaign_edit", campaign.pk)


@page("campaigns.add_campaign")
@require_POST
def copy(request: HttpRequest, campaign_id: int) -> HttpResponse:
    campaign = get_object_or_404(Campaign, pk=campaign_id)
    made = campaigns.duplicate(campaign, user=request.user, now=timezone.now())
    return redirect("campaign_edit", made.pk)


@page("campaigns.delete_campaign")
@require_POST
def delete(request: HttpRequest, campaign_id: int) -> HttpResponse:
    campaign = get_object_or_404(Campaign, pk=campaign_id)
    try:
        campaigns.delete(campaign, user=request.user)
    except DomainError as error:
        messages.error(request, str(error))
        return redirect("campaign", campaign.pk)
    messages.success(request, f"{campaign} is deleted.")
    return redirect("campaigns")


def _form(request: HttpRequest, form: CampaignForm, campaign: Campaign | None) -> HttpResponse:
    context: dict[str, Any] = {"form": form, "campaign": campaign}
    if campaign:
        context["people"] = audience.people(campaign, limit=PEOPLE_SHOWN)
        context["dry"] = audience.dry_run(campaign, now=timezone.now())
    return show(
        request,
        "campaigns/edit.html",
        title=str(campaign) if campaign else "New campaign",
        lead="A draft. Nothing leaves before somebody launches it.",
        context=context,
        status=400 if form.errors else 200,
    )


def viewer(words: str) -> Customer | None:
    """The customer meant by a number, an address or a name; with no words, the newest."""
    known = Customer.objects.filter(erased_at=None)
    words = words.strip()
    if words.isdigit():
        return known.filter(pk=int(words)).first()
    if "@" in words:
        return known.filter(email__iexact=words).first()
    if words:
        first, _space, last = words.partition(" ")
        named = Q(first_name__istartswith=first)
        named = (
            named & Q(last_name__istartswith=last)
            if last
            else named | Q(last_name__istartswith=first)
        )
        return known.filter(named).order_by("-pk").first()
    return known.exclude(email=None).order_by("-pk").first()
