"""A campaign under way: launch it, stop it, read what it did."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from campaigns.models import Campaign, Message
from campaigns.services import audience, campaigns, delivery, planning, readiness, reports
from campaigns.services.reports import Report
from campaigns.web import lift
from campaigns.web.forms import LaunchForm
from rapport.errors import DomainError
from rapport.web import words
from rapport.web.dashboard import Number
from rapport.web.page import page, show

State = Campaign.State
MOVING = (State.PLANNING, State.SENDING)
MOVES: dict[str, Callable[..., None]] = {
    "pause": delivery.pause,
    "resume": delivery.resume,
    "cancel": delivery.cancel,
}


@page("campaigns.view_campaign")
def campaign(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """How far it is, who was left out and why, and what it changed."""
    found = get_object_or_404(Campaign.objects.select_related("offer"), pk=campaign_id)
    now = timezone.now()
    report = reports.report(found, now=now)
    chart = lift.one(report)
    context = {
        "campaign": found,
        "report": report,
        "charts": [chart] if chart else [],
        "numbers": _numbers(report),
        "reasons": _reasons({**report.reasons, **report.not_sent}),
        "progress": _progress(found),
        "is_moving": found.state in MOVING,
        "may_edit": found.state in campaigns.EDITABLE,
        "can": {
            "pause": found.state in MOVING,
            "resume": found.state == State.PAUSED,
            "cancel": found.state in (*MOVING, State.PAUSED, State.SCHEDULED),
        },
        "included": found.included.all(),
        "excluded": found.excluded.all(),
    }
    return show(
        request,
        "campaigns/campaign.html",
        title=str(found),
        lead=_lead(found, report, now),
        context=context,
    )


@page("campaigns.launch_campaign")
def launch(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """Say in words what will happen to how many, and ask once."""
    found = get_object_or_404(Campaign.objects.select_related("offer"), pk=campaign_id)
    form = LaunchForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        at, now = form.cleaned_data["at"], timezone.now()
        try:
            if at:
                planning.schedule(found, at=at, user=request.user, now=now)
            else:
                planning.launch(found, user=request.user, now=now)
        except DomainError as error:
            form.add_error(None, str(error))
        else:
            return redirect("campaign", found.pk)
    if found.state not in campaigns.EDITABLE:
        return redirect("campaign", found.pk)
    dry = audience.dry_run(found, now=timezone.now())
    context = {
        "campaign": found,
        "form": form,
        "dry": dry,
        "reasons": _reasons(dry.skipped),
        "faults": readiness.faults(found),
    }
    lead = (
        f"{words.plural(dry.planned, 'person', 'people')} will be written to, and "
        f"{words.number(dry.holdout)} chosen by chance will be left alone to measure."
    )
    title = f"Launch {found}"
    return show(request, "campaigns/launch.html", title=title, lead=lead, context=context)


@page("campaigns.launch_campaign")
@require_POST
def move(request: HttpRequest, campaign_id: int) -> HttpResponse:
    found = get_object_or_404(Campaign, pk=campaign_id)
    act = MOVES.get(request.POST.get("move", ""))
    try:
        if act is None:
            raise DomainError("A campaign can be paused, resumed or cancelled.")
        reason = request.POST.get("reason", "")
        act(found, user=request.user, now=timezone.now(), reason=reason)
    except DomainError as error:
        messages.error(request, str(error))
    return redirect("campaign", found.pk)


def _lead(found: Campaign, report: Report, now: datetime) -> str:
    if found.state == State.DRAFT:
        return "A draft. Nothing leaves before somebody launches it."
    if found.state == State.SCHEDULED:
        when = words.ago(found.scheduled_at, now=now) if found.scheduled_at else "soon"
        return f"It leaves {when}, {words.clock(found.scheduled_at)}."
    if found.state in MOVING:
        return "It is leaving. You can pause it at any moment; nothing is lost or sent twice."
    if found.state in (State.PAUSED, State.CANCELLED):
        return f"{found.get_state_display()}: {found.state_reason or 'by a person'}."
    left = report.reasons.get("holdout", 0)
    return (
        f"It went to {words.plural(report.funnel.sent, 'person', 'people')}; "
        f"{words.number(left)} were left alone to measure what it changed."
    )


def _numbers(report: Report) -> tuple[Number, ...]:
    funnel, people = report.funnel, report.funnel.sent
    if not report.audience:
        return ()
    left = report.reasons.get("holdout", 0)
    as_of = f"as of {words.clock(report.as_of)}"
    return (
        Number("Audience", words.number(report.audience), note=as_of),
        Number("Sent", words.number(people), note=f"of {words.number(funnel.planned)} planned"),
        Number("Left alone", words.number(left), note="by chance, to measure"),
        Number(
            "Opened by people",
            words.part(funnel.opened, people) if people else words.NOTHING,
            note=f"n = {words.number(people)}; machines apart: {funnel.opened_by_machines:,}",
        ),
        Number(
            "Orders after it",
            words.number(funnel.attributed_orders),
            change=words.money(funnel.attributed_revenue, report.currency),
            note=f"within {report.window_days} days; not what it caused",
        ),
    )


def _reasons(counts: dict[str, int]) -> list[tuple[str, str, int]]:
    """Key, words and people of each reason, the most frequent first."""
    labels = dict(Message.Reason.choices)
    ordered = sorted(counts.items(), key=lambda pair: -pair[1])
    return [(key, str(labels.get(key, key)), n) for key, n in ordered if n]


def _progress(found: Campaign) -> dict[str, Any] | None:
    if found.state not in (*MOVING, State.PAUSED):
        return None
    states = Message.objects.filter(campaign=found).exclude(state=Message.State.SKIPPED)
    counts = dict(states.values_list("state").annotate(n=Count("pk")))
    total = sum(counts.values())
    waiting = counts.get(Message.State.PLANNED, 0) + counts.get(Message.State.SENDING, 0)
    return {"done": total - waiting, "total": total, "share": (total - waiting) / (total or 1)}
