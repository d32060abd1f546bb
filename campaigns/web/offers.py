"""Offers: what is given."""

from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone

from campaigns.models import Offer
from campaigns.services import offers as service
from campaigns.web.forms import OfferForm
from rapport.errors import DomainError
from rapport.web.dashboard import Empty, Link
from rapport.web.page import page, show


@page("campaigns.view_offer")
def offers(request: HttpRequest) -> HttpResponse:
    found = Offer.objects.annotate(
        given=Count("coupons"), redeemed=Count("coupons", filter=~Q(coupons__redeemed_at=None))
    ).order_by("-pk")[:200]
    context = {
        "offers": found,
        "empty": Empty(
            "No offer yet. A campaign can carry one, with a code of their own for everybody.",
            Link("Make an offer", reverse("offer_new")),
        ),
    }
    lead = "What campaigns can give, and how much of it was used."
    return show(request, "campaigns/offers.html", title="Offers", lead=lead, context=context)


@page("campaigns.add_offer")
def new(request: HttpRequest) -> HttpResponse:
    form = OfferForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            service.create(**form.fields_given(), user=request.user, now=timezone.now())
        except DomainError as error:
            form.add_error(None, str(error))
        else:
            return redirect("offers")
    return show(
        request,
        "campaigns/offer.html",
        title="New offer",
        lead="Everybody who is written to gets a code of their own.",
        context={"form": form},
    )
