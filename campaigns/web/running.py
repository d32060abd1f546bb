"""A campaign under way: launch it, stop it, read what it did."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from campaigns.models import Campaign, Message
from campaigns.services import (
    approving,
    audience,
    campaigns,
    checking,
    delivery,
    pilots,
    planning,
    readiness,
    recurring,
    reports,
    retrying,
)
from campaigns.services.audience import AudienceReport
from campaigns.services.figures import Report
from campaigns.services.flows import definitions, reading, rehearsal
from campaigns.web import progress, repeating, report_parts
from campaigns.web.forms import LaunchForm
from rapport.errors import DomainError
from rapport.web import words
from rapport.web.dashboard import Link, Number
from rapport.web.page import page, show

State = Campaign.State
Kind = Campaign.Kind
ONGOING = (Kind.FLOW, Kind.TRIGGERED, Kind.TRANSACTIONAL)
RUNS_SHOWN = 10
LOOKED_AHEAD_DAYS = 370
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
    is_flow = found.kind == Kind.FLOW
    context = {
        "campaign": found,
        "report": report,
        **report_parts.context(report),
        "numbers": _numbers(report),
        "reasons": _reasons({**report.reasons, **report.not_sent}),
        "progress": progress.progress(found, now=now),
        "failures": retrying.failures(found) if report.not_sent else [],
        "pilot": pilots.report(found) if found.launched_at else None,
        "may_scale": pilots.may_scale(found),
        "steps": reading.steps_with_counts(found) if is_flow and found.launched_at else [],
        "totals": reading.totals(found) if is_flow and found.launched_at else None,
        "runs": found.runs.all()[:RUNS_SHOWN] if found.kind == Kind.RECURRING else [],
        "repeats": repeating.words(found.recurrence) if found.recurrence else "",
        "next_at": _next_at(found, now),
        "approval": _approval(found),
        # what goes on for months is not asked for anew every two seconds
        "is_moving": found.state in progress.MOVING and found.kind == Kind.BROADCAST,
        "may_edit": found.state in campaigns.EDITABLE,
        "can": {
            "pause": found.state in progress.MOVING,
            "resume": found.state == State.PAUSED,
            "cancel": found.state in (*progress.MOVING, State.PAUSED, State.SCHEDULED),
        },
        "included": found.included.all(),
        "excluded": found.excluded.all(),
    }
    return show(
        request,
        "campaigns/campaign.html",
        title=str(found),
        lead=_lead(found, report, now),
        crumbs=(Link("Campaigns", reverse("campaigns")),),
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
    now = timezone.now()
    goes_on = found.kind in ONGOING
    dry = None if goes_on else audience.dry_run(found, now=now)
    context = {
        "campaign": found,
        "form": form,
        "dry": dry,
        "reasons": _reasons(dry.skipped) if dry else [],
        "faults": readiness.faults(found),
        "approval": _approval(found),
        "checks": checking.check(found, now) if found.kind == Kind.BROADCAST else [],
        "rehearsal": _rehearsal(found, now),
        "repeats": repeating.words(found.recurrence) if found.recurrence else "",
    }
    title = f"Launch {found}"
    return show(
        request,
        "campaigns/launch.html",
        title=title,
        lead=_launch_lead(found, dry),
        crumbs=_crumbs(found),
        context=context,
    )


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


@page("campaigns.launch_campaign")
@require_POST
def retry(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """Send again what failed for one reason; what may have arrived, only when that is said."""
    found = get_object_or_404(Campaign, pk=campaign_id)
    try:
        planned = retrying.retry(
            found,
            reason=request.POST.get("reason", ""),
            user=request.user,
            now=timezone.now(),
            although_it_may_have_arrived=request.POST.get("knowing") == "yes",
        )
    except DomainError as error:
        messages.error(request, str(error))
    else:
        said = words.plural(planned, "message is", "messages are")
        messages.success(request, f"{said} planned again.")
    return redirect("campaign", found.pk)


def _launch_lead(found: Campaign, dry: AudienceReport | None) -> str:
    if found.kind == Kind.TRANSACTIONAL:
        return "From then on your shop may send it through the API."
    if dry is None:
        return "From then on whoever fulfils its beginning enters, until somebody ends it."
    people = words.plural(dry.planned, "person", "people")
    left = f"{words.number(dry.holdout)} chosen by chance will be left alone to measure"
    if found.kind == Kind.RECURRING:
        return f"Run now, it would write to {people}, and {left}."
    return f"{people} will be written to, and {left}."


def _rehearsal(found: Campaign, now: datetime) -> rehearsal.Rehearsal | None:
    """Had this flow run last month; nothing where its steps are not sound yet."""
    if found.kind not in definitions.KINDS:
        return None
    try:
        return rehearsal.rehearse(found, now=now)
    except (DomainError, ValueError):
        return None  # the faults say why


def _approval(found: Campaign) -> dict[str, Any] | None:
    """Where a second person's word stands, while it matters."""
    if found.state not in campaigns.EDITABLE or not approving.is_needed(found):
        return None
    return {"standing": approving.standing(found), "faults": approving.faults(found)}


def _next_at(found: Campaign, now: datetime) -> datetime | None:
    if found.kind != Kind.RECURRING or found.state in (State.FINISHED, State.CANCELLED):
        return None
    coming = recurring.coming(found, now=now, until=now + timedelta(days=LOOKED_AHEAD_DAYS))
    return coming[0] if coming else None


def _crumbs(found: Campaign) -> tuple[Link, ...]:
    return (
        Link("Campaigns", reverse("campaigns")),
        Link(found.name, reverse("campaign", args=[found.pk])),
    )


def _lead(found: Campaign, report: Report, now: datetime) -> str:
    if found.state == State.DRAFT:
        return "A draft. Nothing leaves before somebody launches it."
    if found.state == State.SCHEDULED:
        when = words.ago(found.scheduled_at, now=now) if found.scheduled_at else "soon"
        return f"It leaves {when}, {words.clock(found.scheduled_at)}."
    if found.state in progress.MOVING and found.kind == Kind.BROADCAST:
        return "It is leaving. You can pause it at any moment; nothing is lost or sent twice."
    if found.state in progress.MOVING:
        return "It runs until somebody ends it. You can pause it at any moment; nothing is lost."
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
        Number("Sent", words.number(people), note=_of_planned(funnel.planned, people)),
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


def _of_planned(planned: int, sent: int) -> str:
    """Of a campaign that goes on, only those are compared whose own window is over."""
    return f"of {words.number(planned)} planned" if planned >= sent else "so far"


def _reasons(counts: dict[str, int]) -> list[tuple[str, str, int]]:
    """Key, words and people of each reason, the most frequent first."""
    labels = dict(Message.Reason.choices)
    ordered = sorted(counts.items(), key=lambda pair: -pair[1])
    return [(key, str(labels.get(key, key)), n) for key, n in ordered if n]
