"""How a campaign will be judged, and how many people that takes: settled before it is launched."""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone

from campaigns.models import Campaign, Measuring
from campaigns.services import calculator, measuring
from campaigns.web import lift
from rapport.errors import DomainError
from rapport.web import words
from rapport.web.page import page, show

CHANGE = "campaigns.change_campaign"


class MeasuringForm(forms.Form):
    is_adjusted = forms.BooleanField(
        required=False,
        label="The lift adjusted by earlier purchases decides",
        help_text="Shorter intervals where people differ in how much they usually buy.",
    )
    looks = forms.IntegerField(
        min_value=1,
        max_value=measuring.LOOKS_MOST,
        label="Planned looks",
        help_text="Of a test that is looked at several times.",
    )
    spending = forms.ChoiceField(choices=Measuring.Spending, label="Error spent at early looks")
    customers_planned = forms.IntegerField(
        min_value=1,
        required=False,
        label="Customers planned",
        help_text="Of what goes on: it is concluded when so many have had their window.",
    )
    unsubscribe_rate_most = forms.FloatField(
        min_value=0.0001, max_value=0.9999, label="Unsubscribes, at most (share of what is sent)"
    )
    complaint_rate_most = forms.FloatField(
        min_value=0.0001, max_value=0.9999, label="Complaints, at most"
    )
    bounce_rate_most = forms.FloatField(
        min_value=0.0001, max_value=0.9999, label="Bounces, at most"
    )


@page("campaigns.view_campaign")
def campaign_measuring(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """What was settled; asked by POST, settle it."""
    campaign = get_object_or_404(Campaign, pk=campaign_id)
    settled = measuring.of(campaign)
    may = campaign.state in measuring.EDITABLE and request.user.has_perm(CHANGE)  # type: ignore[union-attr]
    form = MeasuringForm(
        request.POST or None,
        initial={name: getattr(settled, name) for name in measuring.FIELDS},
    )
    if request.method == "POST":
        if not request.user.has_perm(CHANGE):  # type: ignore[union-attr]
            raise PermissionDenied
        if form.is_valid():
            try:
                measuring.decide(
                    campaign, user=request.user, now=timezone.now(), **form.cleaned_data
                )
            except DomainError as error:
                form.add_error(None, str(error))
            else:
                messages.success(request, "Settled how this campaign will be judged.")
                return redirect("campaign_measuring", campaign.pk)
    if not may:
        for field in form.fields.values():
            field.disabled = True
    context = {"campaign": campaign, "form": form, "may": may, **_plan(campaign)}
    return show(
        request,
        "campaigns/measuring.html",
        title=f"How “{campaign}” is judged",
        lead=context["plan"].sentence,
        context=context,
    )


@page("campaigns.view_campaign")
def campaign_calculator(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """The calculator alone, as a part of another page; ``holdout_share`` and ``metric`` try out."""
    campaign = get_object_or_404(Campaign, pk=campaign_id)
    context = _plan(
        campaign,
        holdout_share=_share(request.GET.get("holdout_share", "")),
        metric=request.GET.get("metric", ""),
    )
    return render(request, "campaigns/_calculator.html", context)


def _plan(
    campaign: Campaign, *, holdout_share: float | None = None, metric: str = ""
) -> dict[str, Any]:
    chosen = metric if metric in Campaign.Metric.values else ""
    found = calculator.plan(
        campaign, now=timezone.now(), holdout_share=holdout_share, metric=chosen
    )
    scale = lift.SCALE[found.metric]
    rows = [
        (
            f"{words.percent(need.effect_share)} ({words.number(need.effect * scale, 3)})",
            words.NOTHING if need.customers is None else words.number(need.customers),
            words.NOTHING
            if need.customers_adjusted is None
            else words.number(need.customers_adjusted),
            "yes" if need.customers and need.customers <= found.audience else "no",
        )
        for need in found.needs
    ]
    return {
        "plan": found,
        "plan_rows": rows,
        "plan_metric": lift.NAMES[found.metric],
        "plan_usual": words.number(found.usual.mean * scale, 3),
    }


def _share(text: str) -> float | None:
    try:
        found = float(text)
    except ValueError:
        return None
    return found if 0 <= found <= 0.9 else None
