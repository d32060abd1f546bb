"""Settings → Webhooks: who is told of entries and exits, what was told, and telling it again."""

import json
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from rapport import bells
from rapport.errors import DomainError
from rapport.web import keyset, words
from rapport.web.dashboard import Block, Decision, Empty, Link, Number
from rapport.web.page import page, show
from segments import querysets
from segments.models import Segment, WebhookDelivery, WebhookEndpoint
from segments.services import webhooks as service
from segments.tasks import tell_webhooks

VIEW, CHANGE = "segments.view_webhookendpoint", "segments.change_webhookendpoint"
SHOWN = "webhook_secret_shown"  # in the session: the endpoint whose secret the next page shows
STATES = {"": "all", "failed": "failed", "planned": "waiting", "delivered": "delivered"}
KINDS = [("entered", "Somebody enters a segment"), ("exited", "Somebody leaves a segment")]


class EndpointForm(forms.Form):
    """Who is told what, and where."""

    name = forms.CharField(label="Name", max_length=120, help_text="What listens there.")
    url = forms.CharField(
        label="Address",
        max_length=500,
        help_text="It starts with https:// and is reachable from the internet.",
        widget=forms.URLInput(attrs={"placeholder": "https://example.com/hooks/rapport"}),
    )
    kinds = forms.MultipleChoiceField(
        label="It is told when", choices=KINDS, widget=forms.CheckboxSelectMultiple
    )
    which = forms.ChoiceField(
        label="Of which segments",
        choices=[("every", "Every segment, those of the future too"), ("chosen", "Those chosen")],
        widget=forms.RadioSelect,
        initial="every",
    )
    segments = forms.ModelMultipleChoiceField(
        label="Chosen segments",
        queryset=Segment.objects.none(),
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        field: Any = self.fields["segments"]
        field.queryset = querysets.in_use()
        kinds: Any = self.fields["kinds"]
        kinds.choices = [*KINDS, *service.types().items()]

    def given(self) -> dict[str, Any]:
        """What the service takes."""
        found = self.cleaned_data
        return {
            "name": found["name"],
            "url": found["url"].strip(),
            "wants_entered": "entered" in found["kinds"],
            "wants_exited": "exited" in found["kinds"],
            "segments": list(found["segments"]) if found["which"] == "chosen" else None,
            "event_types": [kind for kind in found["kinds"] if kind in service.types()],
        }


@page(VIEW)
def webhooks(request: HttpRequest) -> HttpResponse:
    state = WebhookDelivery.State
    found = WebhookEndpoint.objects.annotate(
        delivered=Count("deliveries", filter=Q(deliveries__state=state.DELIVERED)),
        failed=Count("deliveries", filter=Q(deliveries__state=state.FAILED)),
        waiting=Count("deliveries", filter=Q(deliveries__state__in=(state.PLANNED, state.SENDING))),
    ).order_by("name", "pk")
    may = request.user.has_perm("segments.add_webhookendpoint")  # type: ignore[union-attr]
    add = Link("Add an endpoint", reverse("webhook_new"))
    context = {
        "endpoints": found,
        "add": add if may else None,
        "empty": Empty(
            "Nobody is told yet. A webhook tells another system, within seconds, who entered or "
            "left a segment.",
            add if may else None,
        ),
        "days": service.KEEP_DAYS,
    }
    lead = _lead(list(found))
    return show(request, "segments/webhooks.html", title="Webhooks", lead=lead, context=context)


def _lead(found: list[WebhookEndpoint]) -> str:
    if not found:
        return "No other system is told who enters and leaves segments."
    stopped = sum(one.state == WebhookEndpoint.State.FAILING for one in found)
    said = f"{words.plural(len(found), 'endpoint')} hear who enters and leaves segments"
    if len(found) == 1:
        said = "1 endpoint hears who enters and leaves segments"
    return f"{said}; {stopped} stopped after days of failures." if stopped else f"{said}."


@page("segments.add_webhookendpoint")
def webhook_new(request: HttpRequest) -> HttpResponse:
    form = EndpointForm(request.POST or None, initial={"kinds": ["entered", "exited"]})
    if request.method == "POST" and form.is_valid():
        try:
            endpoint = service.create(**form.given(), user=request.user, now=timezone.now())
        except DomainError as refused:
            form.add_error(None, str(refused))
        else:
            request.session[SHOWN] = endpoint.pk
            return redirect("webhook", endpoint_id=endpoint.pk)
    return _form(request, form, "Add an endpoint", "It hears of every change from now on.")


@page(CHANGE)
def webhook_edit(request: HttpRequest, endpoint_id: int) -> HttpResponse:
    endpoint = get_object_or_404(WebhookEndpoint, pk=endpoint_id)
    wanted = {"entered": endpoint.wants_entered, "exited": endpoint.wants_exited}
    initial = {
        "name": endpoint.name,
        "url": endpoint.url,
        "kinds": [
            *(kind for kind, is_wanted in wanted.items() if is_wanted),
            *endpoint.event_types,
        ],
        "which": "every" if endpoint.wants_every_segment else "chosen",
        "segments": list(endpoint.segments.values_list("pk", flat=True)),
    }
    form = EndpointForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            service.edit(endpoint, **form.given(), user=request.user, now=timezone.now())
        except DomainError as refused:
            form.add_error(None, str(refused))
        else:
            messages.success(request, "Saved. Messages that wait go to the new address.")
            return redirect("webhook", endpoint_id=endpoint.pk)
    lead = "Messages that wait already go to the address that stands here when they leave."
    return _form(request, form, f"Change {endpoint.name}", lead, endpoint)


def _form(
    request: HttpRequest,
    form: EndpointForm,
    title: str,
    lead: str,
    endpoint: WebhookEndpoint | None = None,
) -> HttpResponse:
    crumbs = [Link("Webhooks", reverse("webhooks"))]
    if endpoint is not None:
        crumbs.append(Link(endpoint.name, reverse("webhook", args=[endpoint.pk])))
    return show(
        request,
        "segments/webhook_edit.html",
        title=title,
        lead=lead,
        crumbs=crumbs,
        context={"form": form},
        status=400 if form.is_bound and form.errors else 200,
    )


@page(VIEW)
def webhook(request: HttpRequest, endpoint_id: int) -> HttpResponse:
    """One endpoint: how it does, and every message of the last days."""
    endpoint = get_object_or_404(WebhookEndpoint, pk=endpoint_id)
    state = request.GET.get("state", "")
    found = WebhookDelivery.objects.filter(endpoint=endpoint)
    counts = dict(found.order_by().values_list("state").annotate(n=Count("pk")))
    if state in STATES and state:
        found = found.filter(state=state)
    secret = ""
    if request.session.get(SHOWN) == endpoint.pk and request.user.has_perm(CHANGE):  # type: ignore[union-attr]
        del request.session[SHOWN]
        secret = service.secret_of(endpoint)
    context = {
        "endpoint": endpoint,
        "secret": secret,
        "pages": keyset.page(found, request.GET, by=("-id",)),
        "states": STATES.items(),
        "state": state if state in STATES else "",
        "numbers": _numbers(endpoint, counts),
        "failed": counts.get("failed", 0),
        "chosen": endpoint.segments.order_by("name"),
        "hours": service.ROTATION_HOURS,
        "rotates": _rotates(endpoint, timezone.now()),
    }
    return show(
        request,
        "segments/webhook.html",
        title=endpoint.name,
        lead=_sentence(endpoint),
        crumbs=(Link("Webhooks", reverse("webhooks")),),
        context=context,
    )


def _rotates(endpoint: WebhookEndpoint, now: datetime) -> datetime | None:
    until = endpoint.previous_until
    return until if until is not None and until > now else None


def _sentence(endpoint: WebhookEndpoint) -> str:
    state = WebhookEndpoint.State
    if endpoint.state == state.PAUSED:
        return "It is paused: changes wait, and are told when it goes on."
    if endpoint.state == state.FAILING:
        return "It is stopped, for it failed too long: changes wait until it goes on."
    if endpoint.failing_since:
        since = words.ago(endpoint.failing_since, now=timezone.now())
        return f"The last tries failed, the first of them {since}; they are repeated by themselves."
    if endpoint.last_success_at is None:
        return "Nothing was told yet. Send a test to see whether it listens."
    return f"It listens; the last message arrived {_ago(endpoint.last_success_at)}."


def _ago(moment: datetime) -> str:
    return words.ago(moment, now=timezone.now())


def _numbers(endpoint: WebhookEndpoint, counts: dict[str, int]) -> tuple[Number, ...]:
    waiting = counts.get("planned", 0) + counts.get("sending", 0)
    note = f"of the last {service.KEEP_DAYS} days"
    return (
        Number("Delivered", words.number(counts.get("delivered", 0)), note=note),
        Number("Waiting", words.number(waiting), note="sent or tried again by themselves"),
        Number("Failed", words.number(counts.get("failed", 0)), note="given up after 24 hours"),
    )


@page(VIEW)
def webhook_delivery(request: HttpRequest, endpoint_id: int, delivery_id: int) -> HttpResponse:
    """One message: what was sent, and what was answered to every try."""
    found = WebhookDelivery.objects.select_related("endpoint")
    delivery = get_object_or_404(found, pk=delivery_id, endpoint_id=endpoint_id)
    context = {
        "delivery": delivery,
        "endpoint": delivery.endpoint,
        "tries": delivery.tries.order_by("-id")[:100],
        "payload": json.dumps(delivery.payload, indent=2, ensure_ascii=False)[:20_000],
        "is_over": delivery.state in ("failed", "delivered"),
    }
    crumbs = (
        Link("Webhooks", reverse("webhooks")),
        Link(delivery.endpoint.name, reverse("webhook", args=[endpoint_id])),
    )
    return show(
        request,
        "segments/webhook_delivery.html",
        title=f"Message of {words.clock(delivery.created_at)}",
        lead=_fate(delivery),
        crumbs=crumbs,
        context=context,
    )


def _fate(delivery: WebhookDelivery) -> str:
    what = "A test" if delivery.kind == "test" else words.plural(delivery.n_changes, "change")
    return {
        "planned": f"{what}: waits, and is tried again {_when(delivery.next_attempt_at)}.",
        "sending": f"{what}: is on its way.",
        "delivered": f"{what}: arrived at {words.clock(delivery.delivered_at)}.",
        "failed": f"{what}: given up. {delivery.last_error}",
    }[delivery.state]


def _when(moment: datetime | None) -> str:
    return words.ago(moment, now=timezone.now()) if moment else ""


@page(CHANGE)
@require_POST
def webhook_do(request: HttpRequest, endpoint_id: int, word: str) -> HttpResponse:
    """Test, pause, resume, rotate, replay or delete."""
    endpoint = get_object_or_404(WebhookEndpoint, pk=endpoint_id)
    user, now = request.user, timezone.now()
    if word == "test":
        service.test(endpoint, user=user, now=now)
        bells.enqueue(tell_webhooks)
        messages.success(request, "A test is on its way; its answer shows below in a moment.")
    elif word == "pause":
        service.pause(endpoint, user=user, now=now)
        messages.success(request, "Paused. Changes wait, none is lost.")
    elif word == "resume":
        service.resume(endpoint, user=user, now=now, skips="skips" in request.POST)
        bells.enqueue(tell_webhooks)
        messages.success(request, "It goes on.")
    elif word == "rotate":
        service.rotate(endpoint, user=user, now=now)
        request.session[SHOWN] = endpoint.pk
    elif word == "replay":
        number = service.replay(endpoint, user=user, now=now)
        bells.enqueue(tell_webhooks)
        messages.success(request, f"{words.plural(number, 'message')} will be sent again.")
    elif word == "delete":
        if not user.has_perm("segments.delete_webhookendpoint"):
            return redirect("webhook", endpoint_id=endpoint.pk)
        service.delete(endpoint, user=user)
        messages.success(request, f"{endpoint.name} is removed with its messages.")
        return redirect("webhooks")
    return redirect("webhook", endpoint_id=endpoint.pk)


@page(CHANGE)
@require_POST
def webhook_replay(request: HttpRequest, endpoint_id: int, delivery_id: int) -> HttpResponse:
    """Send one message again, under its own id."""
    endpoint = get_object_or_404(WebhookEndpoint, pk=endpoint_id)
    try:
        service.replay(endpoint, user=request.user, now=timezone.now(), delivery_id=delivery_id)
    except DomainError as refused:
        messages.error(request, str(refused))
    else:
        bells.enqueue(tell_webhooks)
        messages.success(request, "It will be sent again, under the same webhook-id.")
    return redirect("webhook_delivery", endpoint_id=endpoint_id, delivery_id=delivery_id)


def home(request: HttpRequest, *, now: datetime) -> Block | None:
    """Endpoints that were stopped wait for a person."""
    stopped = WebhookEndpoint.objects.filter(state=WebhookEndpoint.State.FAILING)
    waiting = tuple(
        Decision(
            f"Webhook “{one}” is stopped. {one.notice}",
            Link("Look at it", reverse("webhook", args=[one.pk])),
        )
        for one in stopped[:5]
    )
    return Block(title="Webhooks", decisions=waiting) if waiting else None
