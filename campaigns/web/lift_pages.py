"""Results → Lift: campaign by campaign, flows, segments, and all marketing together."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone

from campaigns.models import Campaign
from campaigns.services import compared, lifts, reports
from campaigns.services.figures import Report
from campaigns.web import lift as figures
from rapport.web import dashboard, words
from rapport.web.dashboard import Empty, Link, Number
from rapport.web.page import page, show
from segments.models import Segment

SHOWN = 20
SEE = "campaigns.view_campaign"
VIEWS = (
    ("lift", "Campaigns"),
    ("lift_flows", "Flows and what goes on"),
    ("lift_segments", "Segments"),
    ("lift_all", "All marketing"),
)


@page(SEE)
def campaigns(request: HttpRequest) -> HttpResponse:
    """What each broadcast changed, against the people it left alone."""
    found = _reports(goes_on=False)
    text = "Nothing has been measured yet. Lift appears once a campaign with a holdout was sent."
    return _listed(request, "lift", found, Empty(text, _write()))


@page(SEE)
def flows(request: HttpRequest) -> HttpResponse:
    """What each flow, trigger and recurring campaign changed, by entry."""
    found = _reports(goes_on=True)
    text = "No flow, trigger or recurring campaign has drawn anybody yet."
    return _listed(request, "lift_flows", found, Empty(text, _write()))


@page(SEE)
def segments(request: HttpRequest) -> HttpResponse:
    """What all campaigns together did to the members of one segment."""
    used = Segment.objects.filter(campaigns_including__launched_at__isnull=False)
    chosen = used.distinct().order_by("name")
    asked = request.GET.get("segment", "")
    segment = get_object_or_404(Segment, pk=asked) if asked.isdigit() else chosen.first()
    found = None
    if segment:
        key = f"lift:segment:{segment.pk}"
        found = dashboard.remember(key, lambda: lifts.of_segment(segment, now=timezone.now()))
    chart = figures.of_segment(found) if found else None
    context = {
        "segments": list(chosen),
        "segment": segment,
        "found": found,
        "charts": [chart] if chart else [],
        "combined": _combined(found) if found else [],
        "empty": Empty("No campaign to a segment has been launched yet.", _write()),
    }
    lead = found.sentence if found else "No campaign to a segment has been launched yet."
    return _shown(request, "lift_segments", lead, context)


@page(SEE)
def all_marketing(request: HttpRequest) -> HttpResponse:
    """What marketing as a whole changed, by those it leaves alone altogether."""
    found = overall()
    n = sum(arm.n for arm in (found.treated, found.holdout) if arm)
    note = (
        f"Intervals valid at any time; the adjusted one decides. n = {words.number(n)}, as of "
        f"{words.clock(found.as_of)}"
    )
    chart = figures.of_metrics(found.lifts, title=_overall_title(found), n=n, note=note)
    context = {"found": found, "charts": [chart] if chart else [], "numbers": _numbers(found)}
    return _shown(request, "lift_all", found.sentence, context)


def overall() -> lifts.OverallLift:
    """The lift of all marketing; kept for some minutes where it takes long."""
    found: lifts.OverallLift = dashboard.remember(
        "lift:all", lambda: lifts.of_all_marketing(now=timezone.now())
    )
    return found


def _listed(request: HttpRequest, view: str, found: list[Report], empty: Empty) -> HttpResponse:
    chart = figures.forest(found, now=timezone.now())
    context = {"reports": found, "charts": [chart] if chart else [], "empty": empty}
    return _shown(request, view, figures.sentence(found), context)


def _shown(request: HttpRequest, view: str, lead: str, context: dict[str, Any]) -> HttpResponse:
    tabs = [(reverse(name), title, name == view) for name, title in VIEWS]
    given = {"tabs": tabs, "view": view, **context}
    return show(request, "campaigns/lift.html", title="Lift", lead=lead, context=given)


def _reports(*, goes_on: bool) -> list[Report]:
    measured = Campaign.objects.filter(launched_at__isnull=False).order_by("-pk")
    kinds = compared.GOES_ON
    measured = measured.filter(kind__in=kinds) if goes_on else measured.exclude(kind__in=kinds)
    measured = measured.exclude(kind=Campaign.Kind.TRANSACTIONAL)
    found = [_report(campaign) for campaign in measured[:SHOWN]]
    return [report for report in found if report.verdict != "not_launched"]


def _report(campaign: Campaign) -> Report:
    """A large campaign's report is kept for some minutes."""
    found: Report = dashboard.remember(
        f"lift:{campaign.pk}:{campaign.changed_at:%s}",
        lambda: reports.report(campaign, now=timezone.now()),
    )
    return found


def _combined(found: lifts.SegmentLift) -> list[tuple[str, str, str, str]]:
    rows = []
    for metric, one in found.combined.items():
        scale = figures.SCALE[metric]
        low, high = words.number(one.low * scale, 2), words.number(one.high * scale, 2)
        differ = f"I² {words.percent(one.varying_share)}, p = {one.p_value:.2g}"
        estimate = words.number(one.estimate * scale, 2)
        rows.append((figures.NAMES[metric], estimate, f"{low} to {high}", differ))
    return rows


def _numbers(found: lifts.OverallLift) -> tuple[Number, ...]:
    if found.treated is None or found.holdout is None:
        return ()
    as_of = f"as of {words.clock(found.as_of)}"
    return (
        Number("Reached", words.number(found.treated.n), note=as_of),
        Number("Left alone", words.number(found.holdout.n), note=f"{found.share:.1%} by chance"),
        Number("Since", words.day(found.since), note="known by then, compared from then on"),
    )


def _overall_title(found: lifts.OverallLift) -> str:
    return {
        "more": "Marketing as a whole brings more than it would take to be chance",
        "fewer": "Marketing as a whole costs revenue",
    }.get(found.verdict, "Whether marketing as a whole changes anything is open")


def _write() -> Link:
    return Link("Write a campaign", reverse("campaign_new"))
