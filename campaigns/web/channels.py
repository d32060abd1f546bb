"""Texts that came in, and the systems that take webhook messages."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from campaigns.channels import others, webhook
from campaigns.models import Campaign, InboundText, WebhookCall, WebhookReceiver
from campaigns.services import receivers as service
from rapport.errors import DomainError
from rapport.web import keyset
from rapport.web.dashboard import Empty, Link
from rapport.web.page import page, show

CALLS_SHOWN = 50
CHANGE = "campaigns.change_webhookreceiver"


class ReceiverForm(forms.Form):
    url = forms.CharField(
        label="Address", max_length=500, help_text="https://, of the open internet."
    )
    campaign = forms.ModelChoiceField(
        Campaign.objects.filter(channel="webhook"),
        required=False,
        empty_label="All that have none of their own",
        label="For the campaign",
    )


@page("campaigns.view_inboundtext")
def texts(request: HttpRequest) -> HttpResponse:
    """What people texted, and what was understood."""
    found = InboundText.objects.select_related("customer")
    meaning = request.GET.get("meaning", "")
    if meaning in InboundText.Meaning.values:
        found = found.filter(meaning=meaning)
    context = {
        "pages": keyset.page(found, request.GET, by=("-id",)),
        "meaning": meaning,
        "meanings": InboundText.Meaning.choices,
        "empty": Empty(
            "Nobody has texted yet. What people text to your number is shown here.",
            Link("Channels and senders", reverse("senders")),
        ),
    }
    lead = f"{str(keyset.count(found)).capitalize()} texts came in."
    crumbs = [Link("Channels and senders", reverse("senders"))]
    return show(
        request, "campaigns/texts.html", title="Texts", lead=lead, crumbs=crumbs, context=context
    )


@page(CHANGE)
def receivers(request: HttpRequest) -> HttpResponse:
    """Where gateways call us, where webhook messages go, and every try of late."""
    form = ReceiverForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        given, now = form.cleaned_data, timezone.now()
        try:
            service.name(given["url"], campaign=given["campaign"], user=request.user, now=now)
        except DomainError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, "Saved. Send a test before it is needed.")
            return redirect("webhook_receivers")
    rows = WebhookReceiver.objects.select_related("campaign").order_by("campaign_id", "id")
    calls = WebhookCall.objects.select_related("receiver")[:CALLS_SHOWN]
    context = {
        "form": form,
        "rows": [{"receiver": one, "secret": webhook.secret_of(one)} for one in rows],
        "calls": calls,
        "inbound_address": others.inbound_address(),
    }
    return show(
        request,
        "campaigns/receivers.html",
        title="Addresses of channels",
        lead="Where webhook messages go, and where your SMS gateway calls us.",
        crumbs=[Link("Channels and senders", reverse("senders"))],
        context=context,
    )


@page(CHANGE)
@require_POST
def act(request: HttpRequest, receiver_id: int, what: str) -> HttpResponse:
    """Test it, give it a new secret, or remove it."""
    found = get_object_or_404(WebhookReceiver, pk=receiver_id)
    given: dict[str, Any] = {"user": request.user}
    if what == "test":
        wrong = service.test(found, now=timezone.now())
        said = f"It did not take the test: {wrong}" if wrong else "It took the test."
        (messages.error if wrong else messages.success)(request, said)
    elif what == "rotate":
        service.rotate(found, now=timezone.now(), **given)
        messages.success(request, "The new secret signs from now on.")
    elif what == "remove":
        service.remove(found, **given)
    else:
        raise Http404
    return redirect("webhook_receivers")
