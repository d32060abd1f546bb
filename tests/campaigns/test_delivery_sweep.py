from datetime import timedelta

import psycopg2
import pytest
from django.conf import settings

from campaigns.models import Campaign, Message
from campaigns.services import delivery, senders
from tests.campaigns.ledger import make_sending, states
from tests.campaigns.smtp import SmtpServer
from tests.conftest import database_url
from tests.makers import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def elsewhere():
    """A connection of somebody else: another worker's."""
    other = psycopg2.connect(database_url())
    yield other
    other.close()


def hold_slot(other, campaign: Campaign, number: int) -> None:
    with other.cursor() as cursor:
        key = f"rapport sender {campaign.pk} {number}"
        cursor.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [key])


def leave_in_flight(campaign: Campaign, count: int, *, slot: int = 0) -> None:
    ids = Message.objects.filter(campaign=campaign).order_by("pk").values_list("pk")[:count]
    Message.objects.filter(pk__in=ids).update(
        state="sending", sending_since=NOW, claimed_by=f"{slot}:gone:1:ab"
    )


def test_what_a_dead_sender_was_handing_over_becomes_unknown():
    campaign = make_sending(5)
    leave_in_flight(campaign, 2)

    report = delivery.sweep(now=NOW)

    assert report.crashed == 2
    assert states(campaign) == {"unknown:crashed": 2, "planned": 3}


def test_a_living_senders_messages_are_left_alone(elsewhere):
    campaign = make_sending(5)
    leave_in_flight(campaign, 2, slot=1)
    hold_slot(elsewhere, campaign, 1)

    assert delivery.sweep(now=NOW).crashed == 0
    elsewhere.cursor().execute("SELECT pg_advisory_unlock_all()")  # as when its connection ends
    assert delivery.sweep(now=NOW).crashed == 2


def test_a_claim_so_old_that_nobody_can_be_alive_is_given_up(elsewhere):
    campaign = make_sending(5)
    leave_in_flight(campaign, 2)
    hold_slot(elsewhere, campaign, 0)
    old = NOW + timedelta(seconds=settings.DELIVERY_STUCK_SECONDS)

    assert delivery.sweep(now=old).crashed == 0
    assert delivery.sweep(now=old + timedelta(seconds=1)).crashed == 2


def test_the_next_sender_goes_on_without_what_the_last_one_left(settings):
    campaign = make_sending(5)
    leave_in_flight(campaign, 2)

    with SmtpServer() as server:
        settings.EMAIL_URL = server.url
        delivery.deliver(campaign.pk, now=NOW)

    assert states(campaign) == {"unknown:crashed": 2, "sent": 3}
    assert Campaign.objects.get().state == Campaign.State.FINISHED


def test_two_senders_take_two_slots_and_a_fifth_takes_none(elsewhere):
    campaign = make_sending(1)
    hold_slot(elsewhere, campaign, 0)

    with senders.slot(campaign.pk) as name:
        assert senders.number(name) == 1
        assert senders.taken(campaign.pk) == 2
    for number in range(1, senders.SENDERS_MOST):
        hold_slot(elsewhere, campaign, number)

    with senders.slot(campaign.pk) as name:
        assert name is None
    assert delivery.deliver(campaign.pk, now=NOW) == 0


def test_a_campaign_with_nothing_left_is_finished():
    campaign = make_sending(1)
    Message.objects.update(state="skipped", reason="no_consent")

    assert delivery.sweep(now=NOW).finished == 1
    campaign.refresh_from_db()
    assert (campaign.state, campaign.finished_at) == (Campaign.State.FINISHED, NOW)


@pytest.mark.parametrize("in_flight", [0, 2])
def test_a_campaign_with_something_under_way_or_due_later_is_not_finished(elsewhere, in_flight):
    campaign = make_sending(2)
    leave_in_flight(campaign, in_flight)
    hold_slot(elsewhere, campaign, 0)
    Message.objects.filter(state="planned").update(due_at=NOW + timedelta(hours=1))

    report = delivery.sweep(now=NOW)

    assert (report.finished, report.called, report.crashed) == (0, 0, 0)
    assert Campaign.objects.get().state == Campaign.State.SENDING


def test_a_campaign_without_a_sender_gets_one_called_and_one_with_a_sender_does_not(elsewhere):
    campaign = make_sending(3)

    assert delivery.sweep(now=NOW).called == 1
    hold_slot(elsewhere, campaign, 0)
    assert delivery.sweep(now=NOW).called == 0


def test_what_came_back_to_a_cancelled_campaign_is_skipped():
    campaign = make_sending(2)
    Campaign.objects.update(state=Campaign.State.CANCELLED)

    assert delivery.sweep(now=NOW).cancelled == 2
    assert states(campaign) == {"skipped:cancelled": 2}


def test_a_sender_given_up_too_early_still_says_what_became_of_its_messages():
    campaign = make_sending(2)
    leave_in_flight(campaign, 2)
    mine, theirs = Message.objects.order_by("pk")
    delivery.sweep(now=NOW)

    sent = (mine.pk, "sent", "", "250 Ok", 1, None, "", None)
    not_mine = (theirs.pk, "sent", "", "250 Ok", 1, None, "", None)
    delivery._write([sent], mine.claimed_by, now=NOW)
    delivery._write([not_mine], "1:somebody:2:cd", now=NOW)

    assert states(campaign) == {"sent": 1, "unknown:crashed": 1}
