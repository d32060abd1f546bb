"""Recurring campaigns: each tick once, missed ones made good once, the segment as it is then."""

from datetime import UTC, datetime, timedelta

import pytest

from campaigns.models import CampaignRun, Message
from campaigns.services import delivery, planning, recurring
from campaigns.services.planning import LaunchRefused
from segments.models import Membership
from tests.makers import NOW, make_campaign, make_crowd, make_segment

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture
def weekly():
    """Mondays at nine in Paris, to two people; launched on Monday 1 June at noon."""
    crowd = make_crowd(3)
    segment = make_segment("readers", crowd[:2])
    campaign = make_campaign(
        segment, kind="recurring", recurrence="0 9 * * 1", time_zone="Europe/Paris"
    )
    planning.launch(campaign, user=None, now=NOW)
    return campaign, segment, crowd


def occasions(campaign):
    found = Message.objects.filter(campaign=campaign).order_by("occasion", "customer_id")
    return list(found.values_list("occasion", "customer_id"))


def test_each_run_is_written_once_for_the_segment_as_it_is_then(weekly):
    campaign, segment, crowd = weekly
    monday = datetime(2026, 6, 8, 7, tzinfo=UTC)
    assert recurring.run_due(now=monday - timedelta(minutes=1)) == 0
    assert recurring.run_due(now=monday) == 1
    assert recurring.run_due(now=monday + timedelta(minutes=5)) == 0
    Membership.objects.create(segment=segment, customer=crowd[2], entered_at=monday, rule_version=1)
    Membership.objects.filter(customer=crowd[0]).delete()

    recurring.run_due(now=monday + 7 * DAY)

    ids = [one.pk for one in crowd]
    assert occasions(campaign) == [(1, ids[0]), (1, ids[1]), (2, ids[1]), (2, ids[2])]
    runs = CampaignRun.objects.order_by("number")
    assert [run.tick_at for run in runs] == [monday, monday + 7 * DAY]
    assert [run.planned for run in runs] == [2, 2]


def test_ticks_missed_while_nobody_looked_are_made_good_once(weekly):
    campaign, _segment, _crowd = weekly
    after_a_month = NOW + 30 * DAY

    assert recurring.run_due(now=after_a_month) == 1
    assert recurring.run_due(now=after_a_month) == 0

    run = CampaignRun.objects.get()
    assert run.tick_at == datetime(2026, 6, 29, 7, tzinfo=UTC)
    assert len(occasions(campaign)) == 2


def test_a_paused_campaign_passes_its_ticks_over_and_says_so(weekly):
    campaign, _segment, _crowd = weekly
    delivery.pause(campaign, user=None, now=NOW)
    assert recurring.run_due(now=NOW + 8 * DAY) == 0
    delivery.resume(campaign, user=None, now=NOW + 9 * DAY)

    assert recurring.run_due(now=NOW + 9 * DAY) == 0
    assert recurring.run_due(now=NOW + 15 * DAY) == 1

    assert list(CampaignRun.objects.values_list("number", "is_passed_over")) == [
        (2, False), (1, True),
    ]  # fmt: skip


def test_nothing_runs_after_the_end(weekly):
    campaign, _segment, _crowd = weekly
    campaign.ends_at = NOW + DAY
    campaign.save()

    assert recurring.run_due(now=NOW + 30 * DAY) == 0

    campaign.refresh_from_db()
    assert campaign.state == "finished"


@pytest.mark.parametrize(
    ("night", "utc"),
    [
        ("2026-03-29", ["2026-03-28T01:30", "2026-03-29T01:00", "2026-03-30T00:30"]),  # skipped
        ("2026-10-25", ["2026-10-24T00:30", "2026-10-25T00:30", "2026-10-26T01:30"]),  # doubled
    ],
)
def test_half_past_two_comes_once_a_day_whatever_the_clocks_do(night, utc):
    campaign = make_campaign(kind="recurring", recurrence="30 2 * * *", time_zone="Europe/Paris")
    before = datetime.fromisoformat(f"{night}T12:00+00:00") - 2 * DAY

    ticks = recurring.coming(campaign, now=before, until=before + 3 * DAY)

    assert [one.astimezone(UTC).isoformat()[:16] for one in ticks] == utc


@pytest.mark.parametrize(
    ("text", "said"),
    [("", "does not say when"), ("* * * * *", "It would run every"), ("0 9 31 2 *", "")],
)
def test_a_clock_that_makes_no_sense_is_refused(text, said):
    campaign = make_campaign(make_segment("readers"), kind="recurring")
    campaign.recurrence = text
    campaign.save()

    with pytest.raises(LaunchRefused) as refused:
        planning.launch(campaign, user=None, now=NOW)

    assert said in str(refused.value)
