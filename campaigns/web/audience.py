"""Before a launch: what would happen, who must approve it, and the rules that hold for all."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from campaigns import judging
from campaigns.models import Approval, Campaign, Message
from campaigns.services import approving, audience, pilots, policy, readiness
from campaigns.services.audience import AudienceReport
from campaigns.web.rules_forms import LABELS, RulesForm
from rapport.errors import DomainError
from rapport.models import AuditEntry
from rapport.web import charts, words
from rapport.web.charts import Chart
from rapport.web.dashboard import Link, Number
from rapport.web.page import page, show

MAY_CHANGE = "campaigns.change_sendingpolicy"
CHANGES_SHOWN = 10


@page("campaigns.view_campaign")
def sending_rules(request: HttpRequest) -> HttpResponse:
    """Quiet hours, caps, the global holdout, approval and costs."""
    found = judging.policy()
    may_change = request.user.has_perm(MAY_CHANGE)
    form = RulesForm(request.POST if request.method == "POST" else None, policy=found)
    if request.method == "POST":
        if not may_change:
            raise PermissionDenied(f"This needs the permission {MAY_CHANGE}.")
        if form.is_valid() and _save(request, form):
            return redirect("sending_rules")
    context = {
        "form": form,
        "policy": found,
        "may_change": may_change,
        "currency": settings.CURRENCY,
        "changes": AuditEntry.objects.filter(action="sending_rules.changed").order_by("-pk")[
            :CHANGES_SHOWN
        ],
    }
    return show(
        request,
        "campaigns/sending_rules.html",
        title="Sending rules",
        lead=_rules_lead(found),
        context=context,
        status=400 if form.errors else 200,
    )


def _save(request: HttpRequest, form: RulesForm) -> bool:
    try:
        version = form.cleaned_data["version"]
        policy.change(user=request.user, now=timezone.now(), version=version, **form.rules())
    except DomainError as error:
        form.add_error(None, str(error))
        return False
    messages.success(request, "Saved. The rules hold for every message from now on.")
    return True


@page("campaigns.view_campaign")
def dry_run(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """Who would hear of it, who not and why; when it will be done and what it costs."""
    found = get_object_or_404(Campaign.objects.select_related("offer"), pk=campaign_id)
    now = timezone.now()
    report = audience.dry_run(found, now=now)
    chart = _leaving(report)
    reason = request.GET.get("reason")
    may_see = request.user.has_perm("customers.view_customer")
    asked = reason if may_see and (not reason or reason in Message.Reason.values) else None
    context = {
        "campaign": found,
        "report": report,
        "numbers": _numbers(report),
        "charts": [chart] if chart else [],
        "reasons": _reasons(report),
        "rates": [(LABELS[key], rate) for key, rate in report.rates.items()],
        "unknown": [LABELS[key] for key in report.cost.unknown] if report.cost else [],
        "asked": dict(Message.Reason.choices).get(asked, "") if asked else "",
        "people": None if asked is None else audience.people(found, reason=asked, now=now),
        "faults": readiness.faults(found),
    }
    lead = f"{words.plural(report.planned, 'person', 'people')} would be written to"
    lead += f", all of it gone by {words.clock(report.done_at)}." if report.done_at else "."
    return show(
        request,
        "campaigns/dry_run.html",
        title=f"What {found} would do",
        lead=lead,
        crumbs=_crumbs(found),
        context=context,
    )


@page("campaigns.view_campaign")
def approval(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """What a second person decides, and what was decided before."""
    found = get_object_or_404(Campaign.objects.select_related("offer"), pk=campaign_id)
    rows = list(Approval.objects.filter(campaign=found).select_related("asked_by", "decided_by"))
    waiting = next((one for one in rows if one.verdict == Approval.Verdict.WAITING), None)
    is_stale = waiting and waiting.content_sha256 != approving.content_sha256(found)
    is_own = waiting is not None and waiting.asked_by_id == request.user.pk
    standing = approving.standing(found)
    context = {
        "campaign": found,
        "rows": rows,
        "waiting": waiting,
        "is_stale": is_stale,
        "is_own": is_own,
        "may_decide": waiting and request.user.has_perm("campaigns.launch_campaign") and not is_own,
        "may_ask": request.user.has_perm("campaigns.change_campaign")
        and not standing
        and (not waiting or is_stale),
        "size": approving.size(found),
        "included": found.included.all(),
        "excluded": found.excluded.all(),
    }
    return show(
        request,
        "campaigns/approval.html",
        title=f"Approval of {found}",
        lead=_approval_lead(found, standing, waiting),
        crumbs=_crumbs(found),
        context=context,
    )


@page("campaigns.change_campaign")
@require_POST
def approval_ask(request: HttpRequest, campaign_id: int) -> HttpResponse:
    found = get_object_or_404(Campaign, pk=campaign_id)
    try:
        approving.ask(found, user=request.user, now=timezone.now())
    except DomainError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, "Asked. Whoever may launch campaigns sees it on the home page.")
    return redirect("campaign_approval", found.pk)


@page("campaigns.launch_campaign")
@require_POST
def approval_decide(request: HttpRequest, campaign_id: int, approval_id: int) -> HttpResponse:
    found = get_object_or_404(Approval, pk=approval_id, campaign_id=campaign_id)
    try:
        approving.decide(
            found,
            is_approved=request.POST.get("verdict") == "approve",
            user=request.user,
            now=timezone.now(),
            note=request.POST.get("note", ""),
        )
    except DomainError as error:
        messages.error(request, str(error))
    return redirect("campaign_approval", campaign_id)


@page("campaigns.launch_campaign")
@require_POST
def scale(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """Write to the rest after a pilot."""
    found = get_object_or_404(Campaign, pk=campaign_id)
    try:
        pilots.scale(found, user=request.user, now=timezone.now())
    except DomainError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, "The rest is being planned; nobody of the pilot gets it twice.")
    return redirect("campaign", found.pk)


def _crumbs(found: Campaign) -> list[Link]:
    return [
        Link("Campaigns", reverse("campaigns")),
        Link(str(found), reverse("campaign", args=[found.pk])),
    ]


def _rules_lead(found: Any) -> str:
    quiet = [LABELS[key] for key in found.quiet_hours]
    said = f"Quiet hours hold for {', '.join(quiet)}" if quiet else "There are no quiet hours"
    caps = words.plural(len(found.caps), "cap") if found.caps else "no cap"
    share = words.percent(found.holdout_share) if found.holdout_share else "nobody"
    return f"{said}; {caps}; {share} is left alone by all marketing."


def _approval_lead(found: Campaign, standing: Approval | None, waiting: Approval | None) -> str:
    if standing:
        return f"{standing.decided_by or 'Somebody'} approved it as it is now."
    if waiting:
        return f"{waiting.asked_by or 'Somebody'} asks whether it may go out."
    if approving.is_needed(found):
        return "It reaches so many people that somebody else must approve it."
    return "It reaches too few people to need an approval."


def _numbers(report: AudienceReport) -> tuple[Number, ...]:
    as_of = f"as of {words.clock(report.as_of)}"
    found = [
        Number("Would be written to", words.number(report.planned), note=as_of),
        Number("Left alone", words.number(report.holdout), note="by chance, to measure"),
        Number("Cannot be written to", words.number(sum(report.skipped.values())), note=as_of),
    ]
    if report.later:
        found.append(Number("After the pilot", words.number(report.later), note="not before"))
    if report.cost:
        cost = report.cost
        note = "messages and offer" if cost.offer is not None else "messages"
        found.append(Number("Costs about", words.money(cost.total, cost.currency), note=note))
    return tuple(found)


def _reasons(report: AudienceReport) -> list[tuple[str, str, int]]:
    labels = dict(Message.Reason.choices)
    ordered = sorted(report.skipped.items(), key=lambda pair: -pair[1])
    return [(key, str(labels[key]), n) for key, n in ordered if n]


def _leaving(report: AudienceReport) -> Chart | None:
    """Messages by the hour from which they may leave; nothing where all leave at once."""
    hours: dict[str, int] = {}
    for one in report.leaving:
        label = words.clock(one.from_hour)
        hours[label] = hours.get(label, 0) + one.messages
    if len(hours) < 2:
        return None
    most = max(hours, key=lambda label: hours[label])
    return Chart(
        key="leaving",
        title=f"Most messages, {words.number(hours[most])}, may leave from {most}",
        figure=charts.figure(
            charts.bars(list(hours), list(hours.values())),
            x_title=f"from this hour on, {settings.TIME_ZONE}",
            y_title="messages",
        ),
        columns=("From", "Messages"),
        rows=list(hours.items()),
        note=f"n = {words.number(report.planned)}, as of {words.clock(report.as_of)}",
    )
