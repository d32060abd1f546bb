"""Write a campaign: the form, its preview as a chosen customer, a test to oneself."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from campaigns.messages import starter, starter_blocks
from campaigns.models import Campaign, Offer
from campaigns.services import audience, campaigns, previews
from campaigns.services import sizing as sizing_service
from campaigns.services.plans import CampaignRefused
from campaigns.services.sizing import Sizing
from campaigns.web.campaign_form import PERCENT, CampaignForm, values_of
from campaigns.web.content_json import read_json
from campaigns.web.viewers import viewer
from campaigns.web.wording_forms import Wordings
from rapport.errors import DomainError
from rapport.web import words
from rapport.web.dashboard import Link
from rapport.web.page import page, show
from segments.services import suggest

PEOPLE_SHOWN = 8
ID_DIGITS_MOST = 10
BLANK = {
    "subject": starter.SUBJECT,
    "preheader": starter.PREHEADER,
    "blocks": starter_blocks.BLOCKS,
    "body": "",
    "holdout_percent": 10,
    "attribution_days": 7,
}


@page("campaigns.add_campaign")
def new(request: HttpRequest) -> HttpResponse:
    """A campaign of any kind; a flow goes on to its steps."""
    kind = request.GET.get("kind", "")
    first = {**BLANK, "included": request.GET.getlist("segment")}
    if kind in Campaign.Kind.values:
        first["kind"] = kind
    form, wordings = _posted(request, None, first)
    if request.method == "POST" and form.is_valid() and wordings.is_valid():
        given = {**form.fields_given(), **wordings.fields_given()}
        try:
            made = campaigns.create(**given, user=request.user, now=timezone.now())
        except CampaignRefused as refusal:
            form.take(refusal)
        except DomainError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, "The draft is saved. Look at it as a customer, then launch.")
            return redirect("campaign_edit", made.pk)
    return _form(request, form, wordings, None)


@page("campaigns.change_campaign")
def edit(request: HttpRequest, campaign_id: int) -> HttpResponse:
    campaign = get_object_or_404(Campaign, pk=campaign_id)
    if campaign.state not in campaigns.EDITABLE:
        messages.warning(request, "It has been launched, so it cannot be changed any more.")
        return redirect("campaign", campaign.pk)
    form, wordings = _posted(request, campaign, values_of(campaign))
    if request.method == "POST" and form.is_valid() and wordings.is_valid():
        given = {**form.fields_given(), **wordings.fields_given()}
        given |= _kept_trigger(campaign, given.get("trigger"))
        try:
            campaigns.edit(campaign, **given, user=request.user, now=timezone.now())
        except CampaignRefused as refusal:
            form.take(refusal)
        except DomainError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, "Saved.")
            return redirect("campaign_edit", campaign.pk)
    return _form(request, form, wordings, campaign)


@page("campaigns.view_campaign")
def sizing(request: HttpRequest) -> JsonResponse:
    """What an experiment with these people could show, in words."""
    asked = request.GET
    found = sizing_service.sizing(
        included=_ids(asked.getlist("included")),
        excluded=_ids(asked.getlist("excluded")),
        holdout_share=_share(asked.get("holdout_percent", ""), 0.0),
        sampled_share=_share(asked.get("sampled_percent", ""), 1.0),
        days=int(days) if (days := asked.get("attribution_days", "")[:3]).isdecimal() else 7,
        metric=asked.get("metric", ""),
        now=timezone.now(),
    )
    return JsonResponse({"text": _sizing_words(found, asked.get("metric", ""))})


@page("campaigns.view_campaign")
@require_POST
def draft_preview(request: HttpRequest) -> JsonResponse:
    """The message as one customer would get it, from what stands in the form, saved or not."""
    customer = viewer(request.POST.get("as", ""))
    if customer is None:
        return JsonResponse({"error": "No customer is like that. Try a name or an address."})
    version = request.POST.get("version", "")  # of an A/B test, or a language

    def typed(name: str) -> str:
        own = request.POST.get(f"{version}-{name}", "") if version else ""
        return own or request.POST.get(name, "")

    has_own = bool(version and request.POST.get(f"{version}-body"))
    try:
        blocks = None if has_own else read_json(request.POST.get("blocks", ""))
    except ValueError as error:
        return JsonResponse({"error": str(error)})
    campaign = Campaign(
        name=request.POST.get("name") or "Preview",
        subject=typed("subject"),
        preheader=typed("preheader"),
        body=typed("body"),
        blocks=blocks,
        sender_name=request.POST.get("sender_name", ""),
        salt="preview",
    )
    campaign.offer = Offer.objects.filter(pk__in=_ids([typed("offer")])).first()
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


def _posted(
    request: HttpRequest, campaign: Campaign | None, first: dict[str, Any]
) -> tuple[CampaignForm, Wordings]:
    data = request.POST if request.method == "POST" else None
    return CampaignForm(data, initial=first), Wordings(campaign, data)


def _kept_trigger(campaign: Campaign, trigger: dict[str, Any] | None) -> dict[str, Any]:
    """What the form does not show of a trigger stays while it is about the same."""
    before = campaign.trigger or {}
    names = ("on", "segment", "event")
    if trigger is None or any(before.get(name) != trigger.get(name) for name in names):
        return {}
    return {"trigger": {**before, **trigger}}


def _form(
    request: HttpRequest, form: CampaignForm, wordings: Wordings, campaign: Campaign | None
) -> HttpResponse:
    is_wrong = bool(form.errors) or (request.method == "POST" and not wordings.is_valid())
    context: dict[str, Any] = {
        "form": form,
        "wordings": wordings,
        "campaign": campaign,
        "is_wrong": is_wrong,
        "events": suggest.values("event"),
        "languages": suggest.values("language"),
    }
    if campaign:
        context["people"] = audience.people(campaign, limit=PEOPLE_SHOWN)
        if campaign.included.exists():
            context["dry"] = audience.dry_run(campaign, now=timezone.now())
    return show(
        request,
        "campaigns/edit.html",
        title=str(campaign) if campaign else "New campaign",
        lead="A draft. Nothing leaves before somebody launches it.",
        crumbs=(Link("Campaigns", reverse("campaigns")),),
        context=context,
        status=400 if is_wrong else 200,
    )


def _ids(found: list[str]) -> list[int]:
    return [int(one) for one in found if one.isdecimal() and len(one) < ID_DIGITS_MOST]


def _share(percent: str, usual: float) -> float:
    try:
        return min(1.0, max(0.0, float(percent) / PERCENT))
    except ValueError:
        return usual


def _sizing_words(found: Sizing, metric: str) -> str:
    people = words.plural(found.n, "person", "people")
    if found.smallest is None:
        return (
            f"{people}, of whom {words.number(found.holdout)} would be left alone: too few to "
            f"show anything. At least {sizing_service.ARM_LEAST} are needed on each side."
        )
    what = {
        Campaign.Metric.CONVERSION: "share of customers who order",
        Campaign.Metric.ORDERS: "orders per customer",
    }.get(metric, "revenue per customer")  # type: ignore[call-overload]
    text = (
        f"With {people} and {words.number(found.holdout)} left alone, a true change of "
        f"{words.number(found.smallest, 4)} in the {what} would usually be seen"
    )
    if found.relative is not None:
        before = words.number(found.mean, 4)
        text += f": {words.percent(found.relative)} of the {before} of the last {found.days} days"
    if found.needed:
        text += f". To see a change of 10% it takes about {words.number(found.needed)} people"
    return f"{text}."
