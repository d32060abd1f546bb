"""One segment: its rule in words, who is in it, who came and went, and why somebody is in."""

from datetime import datetime, timedelta
from urllib.parse import urlencode

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from customers import querysets as people
from rapport.errors import DomainError
from rapport.web import charts, keyset, words
from rapport.web.charts import Chart
from rapport.web.dashboard import Empty, Link, Number
from rapport.web.page import page, show
from segments import querysets
from segments.models import Membership, MembershipChange, Segment
from segments.querysets import Day
from segments.services import segments as service
from segments.services import why
from segments.web import uses

CHART_DAYS = 30
WEEK_DAYS = 7
CHANGES_SHOWN = 20
NAMESAKES_SHOWN = 8
MEMBERS_SHOWN = 25
CAUSES = {
    MembershipChange.Cause.EVENT.value: "something happened",
    MembershipChange.Cause.IMPORT.value: "facts were imported",
    MembershipChange.Cause.CONSENT.value: "consent changed",
    MembershipChange.Cause.CLOCK.value: "time passed",
    MembershipChange.Cause.EDIT.value: "the rule changed",
    MembershipChange.Cause.MODEL.value: "a model was trained",
}


@page("segments.view_segment")
def segment(request: HttpRequest, segment_id: int) -> HttpResponse:
    now = timezone.now()
    found = get_object_or_404(
        Segment.objects.select_related("cluster", "created_by", "run"), pk=segment_id
    )
    days = _since_made(querysets.movement(found, until=now, days=CHART_DAYS), found)
    moves = list(querysets.changes(found, since=now - timedelta(days=1))[: CHANGES_SHOWN + 1])
    chart = _members_chart(found, days)
    called = request.GET.get("q", "").strip()
    is_live = found.state == Segment.State.LIVE
    context = {
        "segment": found,
        "sentence": why.sentence(found),
        "numbers": _numbers(found, days),
        "charts": [chart] if chart else [],
        "pages": keyset.page(
            _searched(found, called), request.GET, by=("-entered_at", "-id"), size=MEMBERS_SHOWN
        ),
        "words": called,
        "query": urlencode({"segment": found.pk, **({"q": called} if called else {})}),
        "uses": uses.uses(request, found),
        "run": found.run if found.live_rule is not None else None,
        "is_counted": found.refreshed_at is not None and found.members_count,
        "moves": [(one, CAUSES.get(one.cause, one.cause)) for one in moves[:CHANGES_SHOWN]],
        "has_more_moves": len(moves) > CHANGES_SHOWN,
        "may_send": is_live and found.members_count,
        "is_archived": found.state == Segment.State.ARCHIVED,
        "empty": _empty(found, called),
        **_asked(request, found, now=now),
    }
    crumbs = (Link("Segments", reverse("segments")),)
    return show(
        request,
        "segments/segment.html",
        title=found.name,
        lead=_lead(found, days),
        crumbs=crumbs,
        context=context,
    )


@page("segments.delete_segment")
@require_POST
def archive(request: HttpRequest, segment_id: int) -> HttpResponse:
    found = get_object_or_404(Segment, pk=segment_id)
    try:
        service.archive(found, user=request.user, now=timezone.now())
    except DomainError as error:
        messages.error(request, f"It stays: {error}.")
        return redirect("segment", found.pk)
    messages.success(request, f"“{found}” is archived. Its history stays.")
    return redirect("segments")


def _searched(segment: Segment, called: str) -> QuerySet[Membership]:
    """Present members, of these whose name, address or number begins so."""
    found = querysets.members(segment)
    return found.filter(customer__in=people.customers(words=called)) if called else found


def _asked(request: HttpRequest, found: Segment, *, now: datetime) -> dict:
    """The answer to "Why is … in?", or the customers who may be meant."""
    called = request.GET.get("customer", "").strip()
    if not called:
        return {"called": ""}
    meant = list(people.customers(words=called)[:NAMESAKES_SHOWN])
    exact = [one for one in meant if called == str(one.pk)] or meant
    if len(exact) != 1:
        return {"called": called, "namesakes": meant}
    reason = why.why(found, exact[0].pk, now=now)
    return {"called": called, "person": exact[0], "why": reason}


def _since_made(days: list[Day], segment: Segment) -> list[Day]:
    """Without the days before anybody was in it, but for one, and none before it was made."""
    first = next((place for place, day in enumerate(days) if day.members or day.exited), len(days))
    return days[max(first - 1, 0) :]


def _lead(segment: Segment, days: list[Day]) -> str:
    if segment.state == Segment.State.ARCHIVED:
        return "Archived: it selects nobody; its history stays."
    if segment.state == Segment.State.INVALID:
        return (
            f"It selects nobody, for its rule cannot be read: {segment.error or 'no reason kept'}"
        )
    if segment.refreshed_at is None:
        return "Nobody has been counted yet; that takes a minute at most."
    people_in = words.plural(segment.members_count, "customer")
    today = days[-1] if days else None
    if today is None or not (today.entered or today.exited):
        return f"{people_in}; nobody entered or left in the last 24 hours."
    return (
        f"{people_in}; {words.number(today.entered)} entered and {words.number(today.exited)} left "
        "in the last 24 hours."
    )


def _numbers(segment: Segment, days: list[Day]) -> tuple[Number, ...]:
    week = days[-WEEK_DAYS:]
    came, went = sum(day.entered for day in week), sum(day.exited for day in week)
    seconds, counted = segment.refresh_seconds, segment.refreshed_at
    took = f", counted in {words.number(seconds, 1)} s" if seconds else ""
    return (
        Number(
            "Members",
            words.number(segment.members_count),
            note=f"as of {words.clock(counted)}{took}" if counted else "not counted yet",
            url=f"{reverse('customers')}?segment={segment.pk}",
        ),
        Number("Entered in 7 days", words.number(came), note="each entry counts"),
        Number("Left in 7 days", words.number(went), note="each exit counts"),
        Number(
            "Rule",
            f"version {segment.rule_version}",
            note=f"changed {words.day(segment.changed_at)}",
        ),
        _proof(segment),
    )


def _proof(segment: Segment) -> Number:
    """What the last nightly rebuild from the facts found against the members there were."""
    if segment.verified_at is None or segment.differences is None:
        return Number("Nightly proof", words.NOTHING, note="not yet: the next night makes it")
    took = f", in {words.number(segment.verified_seconds, 1)} s" if segment.verified_seconds else ""
    note = f"rebuilt from the facts {words.clock(segment.verified_at)}{took}"
    if not segment.differences:
        return Number("Nightly proof", "no difference", note=note, tone="good")
    wrong = words.plural(segment.differences, "difference")
    return Number("Nightly proof", wrong, note=f"{note}; repaired", tone="bad")


def _members_chart(segment: Segment, days: list[Day]) -> Chart | None:
    if len(days) < 2:
        return None
    ends = [timezone.localtime(day.at) for day in days]
    line = charts.line(
        ends,
        [day.members for day in days],
        customdata=[[day.entered, day.exited] for day in days],
        hovertemplate="%{x|%-d %b}: %{y:,} members<br>%{customdata[0]:,} in, "
        "%{customdata[1]:,} out<extra></extra>",
    )
    line.update(mode="lines+markers", line_shape="hv")
    moves = sum(day.entered + day.exited for day in days)
    after = days[-1].members
    return Chart(
        key="members",
        title=f"{words.plural(after, 'member')}{_compared(days)}",
        figure=charts.figure(line, x_title="24 hours to", y_title="members"),
        columns=("24 hours to", "Members", "Entered", "Left"),
        rows=[
            (
                words.clock(day.at),
                words.number(day.members),
                words.number(day.entered),
                words.number(day.exited),
            )
            for day in reversed(days)
        ],
        note=f"n = {words.plural(moves, 'entry or exit', 'entries and exits')}.",
    )


def _compared(days: list[Day]) -> str:
    """How the number stands beside that of a week before, or of the first day there was one."""
    week = days[-1 - WEEK_DAYS :]
    place = next((place for place, day in enumerate(week[:-1]) if day.members), None)
    if place is None:
        return ""
    than = words.plural(len(week) - 1 - place, "day") + " before"
    before, after = week[place].members, week[-1].members
    return f", {words.change(after, before, than=than, n=min(before, after))}"


def _empty(segment: Segment, called: str = "") -> Empty:
    if called:
        everybody = Link("Show all members", f"{reverse('segment', args=[segment.pk])}#members")
        return Empty(f"No member’s name, e-mail or number begins with “{called}”.", everybody)
    if segment.refreshed_at is None:
        return Empty(
            "The rule has not been asked yet. This page shows its members in a minute.",
            Link("Look again", reverse("segment", args=[segment.pk])),
        )
    return Empty("The rule holds for nobody at the moment. Whoever it holds for enters by itself.")
