"""Sources: the keys that sites and shops send with, how each is doing, and what just came in."""

import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from customers.models import WriteKey
from customers.services import write_keys
from customers.services.tracking import pulse
from customers.web.forms import WriteKeyForm
from rapport.errors import DomainError
from rapport.web import words
from rapport.web.dashboard import Empty, Link, Number
from rapport.web.page import page, show

REJECTED_SHOWN = 50
REASONS_SHOWN = 5
QUIET_HOURS = 24  # a source that sent before and sends no more for so long is worth a look
CRUMB = ("Sources", "sources")


@dataclass(frozen=True)
class Health:
    """One key and what came with it today."""

    key: WriteKey
    today: pulse.Day
    last_at: datetime | None
    is_quiet: bool

    @property
    def word(self) -> str:
        if not self.key.is_active:
            return "stopped"
        if self.last_at is None:
            return "waiting"
        return "quiet" if self.is_quiet else "sending"


def _health(key: WriteKey, *, now: datetime) -> Health:
    days = pulse.days(key, now=now)
    seen = [day.last_at for day in days if day.last_at] + [key.last_used_at]
    last = max((at for at in seen if at), default=None)
    quiet = last is not None and now - last > timedelta(hours=QUIET_HOURS)
    return Health(key, days[0], last, quiet)


@page("customers.view_writekey")
def sources(request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    found = [_health(key, now=now) for key in WriteKey.objects.order_by("-is_active", "id")]
    empty = Empty(
        "A source is a site, a shop or a program that tells what happens, as it happens. It sends "
        "with a write key of its own.",
        Link("New source", reverse("source_new"))
        if request.user.has_perm("customers.add_writekey")
        else None,
    )
    context = {"found": found, "empty": empty, "now": now}
    return show(
        request, "customers/sources.html", title="Sources", lead=_lead(found, now), context=context
    )


def _lead(found: list[Health], now: datetime) -> str:
    if not found:
        return "No site or shop sends yet what happens there."
    last = max((one.last_at for one in found if one.last_at), default=None)
    if last is None:
        return "Nothing has come in yet: put the key into the site, and send a first message."
    stored = sum(one.today.stored for one in found)
    rejected = sum(one.today.rejected for one in found)
    wrong = f", {words.number(rejected)} could not be stored" if rejected else ""
    return (
        f"{words.plural(stored, 'message')} today{wrong}; the last came {words.ago(last, now=now)}."
    )


@page("customers.add_writekey")
def source_new(request: HttpRequest) -> HttpResponse:
    form = WriteKeyForm(request.POST or None, initial={"source": "shop", "kind": "browser"})
    if request.method == "POST" and form.is_valid():
        try:
            key = write_keys.create(**form.cleaned_data, user=request.user, now=timezone.now())
        except DomainError as error:
            form.add_error("source", str(error))
        else:
            return redirect("source", pk=key.pk)
    return show(
        request,
        "customers/source_new.html",
        title="New source",
        lead="It gets a write key of its own to send with.",
        crumbs=(Link(CRUMB[0], reverse(CRUMB[1])),),
        context={"form": form},
    )


@page("customers.view_writekey")
def source(request: HttpRequest, pk: int) -> HttpResponse:
    key = get_object_or_404(WriteKey, pk=pk)
    now = timezone.now()
    health = _health(key, now=now)
    days = pulse.days(key, now=now)
    may_see = request.user.has_perm("customers.view_rejectedmessage")
    context = {
        "key": key,
        "numbers": _numbers(health, now),
        "days": [((now - timedelta(days=back)).date(), day) for back, day in enumerate(days)],
        "reasons": write_keys.reasons(key, most=REASONS_SHOWN) if may_see else [],
        "rejected": [
            (row, _pretty(row.payload)) for row in write_keys.rejected(key, most=REJECTED_SHOWN)
        ]
        if may_see
        else [],
        "shown_key": key.key
        if not key.is_secret or request.user.has_perm("customers.add_writekey")
        else "(secret)",
        "kept_days": write_keys.REJECTED_KEPT_DAYS,
        "host": settings.SITE_URL,
    }
    said = {
        "stopped": "It is stopped: what it sends is refused.",
        "waiting": "Nothing has come from it yet.",
        "quiet": f"Nothing has come from it for {QUIET_HOURS} hours.",
        "sending": f"It sends; the last message came {words.ago(health.last_at, now=now)}.",
    }
    return show(
        request,
        "customers/source.html",
        title=key.name,
        lead=said[health.word],
        crumbs=(Link(CRUMB[0], reverse(CRUMB[1])),),
        context=context,
    )


def _numbers(health: Health, now: datetime) -> list[Number]:
    today = health.today
    last = words.ago(health.last_at, now=now) if health.last_at else words.NOTHING
    return [
        Number("Last message", last),
        Number("Stored today", words.number(today.stored), note="messages, since midnight UTC"),
        Number("Came again today", words.number(today.repeated), note="were stored already"),
        Number("Rejected today", words.number(today.rejected), note="kept, with the reason"),
        Number(
            "Asked to wait today",
            words.number(today.paced),
            note=f"calls above {settings.TRACKING_CALLS_PER_SECOND:,} a second",
        ),
    ]


@page("customers.change_writekey")
@require_POST
def source_switch(request: HttpRequest, pk: int) -> HttpResponse:
    """Stop a key, or let it send again."""
    key = get_object_or_404(WriteKey, pk=pk)
    is_active = request.POST.get("to") == "active"
    if write_keys.switch(key, is_active=is_active, user=request.user):
        said = "sends again" if is_active else "is stopped: what it sends is refused"
        messages.success(request, f"{key.name} {said}.")
    return redirect("source", pk=key.pk)


@page("customers.view_event")
def live_events(request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    keys = list(WriteKey.objects.all())
    asked = {name: request.GET.get(name, "") for name in ("source", "only", "follow")}
    chosen = [key for key in keys if asked["source"] in ("", str(key.pk))]
    rows = [
        (key, replace(one, payload=_pretty(one.payload)))
        for key, one in pulse.live(chosen)
        if asked["only"] != "rejected" or one.problem
    ]
    empty = Empty(
        "Nothing came in within the last hour."
        if keys
        else "Nothing can come in: there is no source with a write key yet.",
        Link("Sources", reverse("sources")),
    )
    context = {"rows": rows, "keys": keys, "asked": asked, "empty": empty, "now": now}
    lead = (
        f"The last {words.plural(len(rows), 'message')}, the newest first."
        if rows
        else "Messages of sites and shops as they arrive."
    )
    return show(
        request, "customers/live_events.html", title="Live events", lead=lead, context=context
    )


def _pretty(payload: str) -> str:
    """JSON with line breaks; as it came where it is none, or was cut."""
    try:
        return json.dumps(json.loads(payload), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return payload
