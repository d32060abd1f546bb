"""What goes out when, and to how many.  Writes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import Count, Max, Q
from django.db.models.functions import TruncDate

from campaigns.models import Campaign, CampaignRun, Message
from campaigns.services import approving, recurring

LATELY_DAYS = 14  # of what goes on: its rate is theirs
Kind, State = Campaign.Kind, Campaign.State
ONGOING = (Kind.FLOW, Kind.TRIGGERED, Kind.TRANSACTIONAL)
RUNNING = (State.PLANNING, State.SENDING)


@dataclass(frozen=True)
class Entry:
    """One campaign on one day."""

    day: date
    at: datetime | None  # None: over the day
    campaign_id: int
    name: str
    kind: str
    people: int | None  # None where nothing says how many
    is_over: bool  # it has left already
    note: str = ""


@dataclass(frozen=True)
class GoesOn:
    """What runs without a date: its messages of a day, lately."""

    campaign_id: int
    name: str
    kind: str
    per_day: float
    days: int  # over which that was counted


def entries(*, since: datetime, until: datetime, now: datetime) -> list[Entry]:
    """Everything with a date in this window, by its moment."""
    found = [
        *_scheduled(since, until),
        *_left(since, until),
        *_runs(since, until),
        *_runs_to_come(max(since, now), until),
        *_planned(max(since, now), until),
    ]
    return sorted(found, key=lambda one: (one.day, one.at is None, one.at or now, one.name))


def goes_on(*, now: datetime) -> list[GoesOn]:
    """Flows and what is triggered or asked for, while they run."""
    since = now - timedelta(days=LATELY_DAYS)
    lately = Count("messages", filter=Q(messages__sent_at__gte=since))
    found = Campaign.objects.filter(kind__in=ONGOING, state__in=RUNNING).annotate(n=lately)
    rows = []
    for one in found.order_by("-n", "pk"):
        age = (now - (one.launched_at or since)) / timedelta(days=1)
        days = max(1, min(LATELY_DAYS, round(age)))
        rows.append(GoesOn(one.pk, one.name, one.kind, one.n / days, days))
    return rows


def _scheduled(since: datetime, until: datetime) -> list[Entry]:
    found = Campaign.objects.filter(
        state=State.SCHEDULED, scheduled_at__gte=since, scheduled_at__lt=until
    )
    return [
        _entry(one, one.scheduled_at, _expected(one), is_over=False, note="scheduled")
        for one in found
    ]


def _expected(campaign: Campaign) -> int | None:
    """Who is in its segments now; of the sample or the pilot alone where there is one."""
    if campaign.kind in ONGOING:
        return None
    share = (campaign.sampled_share or 1.0) * (campaign.pilot_share or 1.0)
    return round(approving.size(campaign) * share * (1 - campaign.holdout_share))


def _left(since: datetime, until: datetime) -> list[Entry]:
    found = list(
        Campaign.objects.filter(
            kind=Kind.BROADCAST, launched_at__gte=since, launched_at__lt=until
        ).exclude(state__in=(State.DRAFT, State.SCHEDULED))
    )
    sent = dict(
        Message.objects.filter(campaign__in=[one.pk for one in found], sent_at__isnull=False)
        .order_by()
        .values_list("campaign")
        .annotate(n=Count("pk"))
    )
    return [_entry(one, one.launched_at, sent.get(one.pk, 0), is_over=True) for one in found]


def _runs(since: datetime, until: datetime) -> list[Entry]:
    found = CampaignRun.objects.filter(happened_at__gte=since, happened_at__lt=until)
    return [
        _entry(
            run.campaign,
            run.happened_at,
            run.planned,
            is_over=True,
            note="passed over: paused" if run.is_passed_over else f"run {run.number}",
        )
        for run in found.select_related("campaign")
    ]


def _runs_to_come(since: datetime, until: datetime) -> list[Entry]:
    found = Campaign.objects.filter(kind=Kind.RECURRING, state__in=RUNNING)
    last = dict(
        CampaignRun.objects.filter(campaign__in=found, is_passed_over=False)
        .order_by()
        .values_list("campaign")
        .annotate(n=Max("number"))
    )
    planned = {
        run.campaign_id: run.planned
        for run in CampaignRun.objects.filter(campaign__in=last, number__in=set(last.values()))
        if last[run.campaign_id] == run.number
    }
    return [
        _entry(one, tick, planned.get(one.pk, _expected(one)), is_over=False, note="again")
        for one in found
        for tick in recurring.coming(one, now=since, until=until)
    ]


def _planned(since: datetime, until: datetime) -> list[Entry]:
    """What waits in the ledger for its hour, by day."""
    running: Sequence[int] = list(
        Campaign.objects.filter(state__in=RUNNING).values_list("pk", flat=True)
    )
    day = TruncDate("due_at", tzinfo=ZoneInfo(settings.TIME_ZONE))
    found = (
        Message.objects.filter(
            campaign__in=running, state=Message.State.PLANNED, due_at__gt=since, due_at__lt=until
        )
        .order_by()
        .values_list("campaign", day)
        .annotate(n=Count("pk"))
    )
    known = Campaign.objects.in_bulk([row[0] for row in found])
    return [
        Entry(day, None, pk, known[pk].name, known[pk].kind, n, False, "waits for its hour")
        for pk, day, n in found
    ]


def _entry(
    campaign: Campaign, at: datetime | None, people: int | None, *, is_over: bool, note: str = ""
) -> Entry:
    assert at is not None
    day = at.astimezone(ZoneInfo(settings.TIME_ZONE)).date()
    return Entry(day, at, campaign.pk, campaign.name, campaign.kind, people, is_over, note)
