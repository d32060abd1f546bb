"""Run recurring campaigns by the clock: each run writes its ledger for the segments as they are
then.  The only writer of CampaignRun.

The occasion of a run's messages is its number.  A run and its place in the clock are one
transaction: killed, it was not begun; run by two schedulers, it is done once.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError
from django.conf import settings
from django.db import transaction
from django.db.models import Max

from campaigns.models import Campaign, CampaignRun
from campaigns.services import coupons, delivery, planning, readiness

State = Campaign.State
FIELDS_OF_CRON = 5
LOOKED_AHEAD = 50  # ticks shown at most
OFTEN = timedelta(minutes=15)  # no campaign may run more often


def faults(campaign: Campaign) -> list[str]:
    """What keeps this campaign from recurring."""
    if not campaign.recurrence.strip():
        return ["It is to be sent again and again, and does not say when."]
    try:
        first, second = _two(ticks(campaign, after=campaign.created_at))
    except (CronSimError, ValueError) as error:
        return [f"“{campaign.recurrence}” is no repetition of five fields: {error}."]
    except StopIteration:
        return [f"“{campaign.recurrence}” never comes."]
    if second - first < OFTEN:
        return [f"It would run every {second - first}; at most every {OFTEN} is possible."]
    return []


def ticks(campaign: Campaign, *, after: datetime) -> Iterator[datetime]:
    """When the clock asks for a run, from after this moment on, until the campaign ends.

    The five fields are read in the campaign's time zone.  As in Debian's cron, what falls into
    the hour that clocks skip comes right after it, and what falls into a doubled hour comes once.
    Raises `CronSimError` where the fields cannot be read.
    """
    zone = campaign.time_zone or settings.TIME_ZONE
    place = ZoneInfo(zone if zone in available_timezones() else settings.TIME_ZONE)
    if len(campaign.recurrence.split()) != FIELDS_OF_CRON:
        raise CronSimError("minute, hour, day, month and weekday are wanted")
    for tick in CronSim(campaign.recurrence, after.astimezone(place)):
        if campaign.ends_at is not None and tick > campaign.ends_at:
            return
        yield tick


def coming(campaign: Campaign, *, now: datetime, until: datetime) -> list[datetime]:
    """The runs to come, as a calendar shows them; empty where it says none or cannot be read."""
    found: list[datetime] = []
    try:
        for tick in ticks(campaign, after=now):
            if tick > until or len(found) == LOOKED_AHEAD:
                break
            found.append(tick)
    except (CronSimError, ValueError):
        return []
    return found


def run_due(*, now: datetime) -> int:
    """Run what is due; returns how many runs there were.

    Ticks that were missed while nobody looked are made good by one run.  Those of a paused
    campaign are passed over, and said to be.  Past its end a campaign finishes.
    """
    done = 0
    running = Campaign.objects.filter(
        kind=Campaign.Kind.RECURRING, state__in=(State.SENDING, State.PAUSED)
    )
    for pk in running.order_by("priority", "pk").values_list("pk", flat=True):
        done += _run(pk, now=now)
    return done


@transaction.atomic
def _run(campaign_id: int, *, now: datetime) -> int:
    campaign = (
        Campaign.objects.select_for_update(skip_locked=True, of=("self",), no_key=True)
        .select_related("offer")
        .filter(pk=campaign_id, state__in=(State.SENDING, State.PAUSED))
        .first()
    )
    if campaign is None:
        return 0
    last = CampaignRun.objects.filter(campaign=campaign).aggregate(
        number=Max("number"), tick=Max("tick_at")
    )
    tick = _last_missed(campaign, since=last["tick"] or campaign.launched_at or now, now=now)
    if tick is None:
        if campaign.ends_at is not None and campaign.ends_at < now:
            delivery.end(campaign.pk, now=now)
        return 0
    number = (last["number"] or 0) + 1
    run = CampaignRun(campaign=campaign, number=number, tick_at=tick, happened_at=now)
    if campaign.state == State.PAUSED:
        run.is_passed_over = True
        run.save()
        return 0
    wrong = readiness.segment_faults(campaign)
    try:
        if wrong:
            raise coupons.CodesExhausted(" ".join(wrong))
        with transaction.atomic():
            report = planning.plan_run(campaign, occasion=number, now=now)
    except coupons.CodesExhausted as refusal:
        delivery.pause(campaign, user=None, now=now, reason=f"Run {number}: {refusal}"[:300])
        return 0
    run.planned = report.planned
    run.left_out = {**report.skipped, **({"holdout": report.holdout} if report.holdout else {})}
    run.save()
    return 1


def _last_missed(campaign: Campaign, *, since: datetime, now: datetime) -> datetime | None:
    """The last tick after ``since`` that has come; those before it are made good along with it."""
    found = None
    for tick in ticks(campaign, after=since):
        if tick > now:
            break
        found = tick
    return found


def _two(found: Iterator[datetime]) -> tuple[datetime, datetime]:
    first = next(found)
    return first, next(found, first + timedelta(days=366))
