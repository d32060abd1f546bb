"""Pausing, resuming and cancelling act within two seconds, whatever the mail server does."""

import asyncio
import socket
import threading
import time
from contextlib import contextmanager

import pytest
from aiosmtpd.controller import Controller
from django.db import connection
from django.utils import timezone

from campaigns.models import Campaign, Message
from campaigns.services import delivery, planning
from tests.campaigns.ledger import make_sending, states
from tests.conftest import wait_until
from tests.makers import NOW, make_campaign, make_cast, make_segment

pytestmark = pytest.mark.django_db(transaction=True)
ACTS_SECONDS = 2.0


class Slow:
    """Takes each message after so many seconds, and remembers when its content had come."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.came: list[float] = []

    async def handle_DATA(self, server, session, envelope):
        self.came.append(time.monotonic())
        await asyncio.sleep(self.seconds)
        return "250 kept"


@pytest.fixture
def slow(settings):
    kept = Slow()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    controller = Controller(kept, hostname="127.0.0.1", port=port)
    controller.start()
    settings.EMAIL_URL = f"smtp://127.0.0.1:{port}"
    yield kept
    controller.stop()


@contextmanager
def sender(campaign):
    """A worker in a thread of its own, sending until it stops by itself."""

    def work():
        try:
            delivery.deliver(campaign.pk)
        finally:
            connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    yield thread
    thread.join(30)
    assert not thread.is_alive()


@pytest.mark.parametrize("act", [delivery.pause, delivery.cancel])
def test_within_a_group_a_slow_server_gets_nothing_more(slow, act):
    campaign = make_sending(40)
    slow.seconds = 0.02
    with sender(campaign):
        wait_until(lambda: len(slow.came) > 12, what="a group of some size")
        slow.seconds = 0.4  # what was one group is now many seconds
        asked = len(slow.came)
        wait_until(lambda: len(slow.came) > asked, what="a slow message")
        act(Campaign.objects.get(), user=None, now=timezone.now())
        acted = time.monotonic()

    assert all(at - acted < ACTS_SECONDS for at in slow.came)
    found = states(campaign)
    assert found["sent"] == len(slow.came) < 40
    assert found["sent"] + found["planned"] + found["skipped:cancelled"] == 40


def test_a_stalled_server_keeps_nobody_from_resuming(slow, settings):
    campaign = make_sending(6)
    slow.seconds = 3.0
    with sender(campaign):
        wait_until(lambda: slow.came, what="a message in the stall")
        delivery.pause(Campaign.objects.get(), user=None, now=timezone.now())
        slow.seconds = 0.0
        delivery.resume(Campaign.objects.get(), user=None, now=timezone.now())
        resumed = time.monotonic()
        with sender(campaign):
            wait_until(lambda: len(slow.came) > 1, what="a second sender")
            assert slow.came[1] - resumed < ACTS_SECONDS

    assert len(slow.came) == 6
    assert states(campaign) == {"sent": 6}


def test_a_campaign_in_the_middle_of_planning_can_be_paused_and_cancelled(monkeypatch):
    everybody = make_segment("everybody", list(make_cast().values()))
    reached, go_on = threading.Event(), threading.Event()
    really = planning._write_ledger

    def slowly(*args, **given):
        found = really(*args, **given)
        reached.set()
        assert go_on.wait(20)
        return found

    def plan(campaign_id):
        try:
            planning.plan(campaign_id, now=NOW)
        finally:
            connection.close()

    monkeypatch.setattr(planning, "_write_ledger", slowly)
    acts = ((delivery.pause, "paused", True), (delivery.cancel, "cancelled", False))
    for act, state, planned in acts:
        campaign = make_campaign(everybody, name=f"To be {state}", holdout_share=0)
        planning.launch(campaign, user=None, now=NOW)
        reached.clear()
        go_on.clear()
        thread = threading.Thread(target=plan, args=(campaign.pk,))
        thread.start()
        assert reached.wait(20)
        began = time.monotonic()
        act(campaign, user=None, now=NOW)
        assert time.monotonic() - began < ACTS_SECONDS
        go_on.set()
        thread.join(20)
        campaign.refresh_from_db()
        assert campaign.state == state
        assert Message.objects.filter(campaign=campaign).exists() is planned


def test_resuming_before_the_plan_stands_plans_it():
    everybody = make_segment("everybody", list(make_cast().values()))
    campaign = make_campaign(everybody, holdout_share=0)
    planning.launch(campaign, user=None, now=NOW)
    delivery.pause(campaign, user=None, now=NOW)

    delivery.resume(campaign, user=None, now=NOW)
    assert campaign.state == Campaign.State.PLANNING
    planning.plan(campaign.pk, now=NOW)

    campaign.refresh_from_db()
    assert campaign.state == Campaign.State.SENDING


def test_cancelling_very_many_skips_the_rest_a_little_later(monkeypatch):
    monkeypatch.setattr(delivery, "CANCELLED_AT_ONCE", 3)
    campaign = make_sending(10)

    delivery.cancel(campaign, user=None, now=NOW)
    assert states(campaign) == {"skipped:cancelled": 3, "planned": 7}
    delivery.sweep(now=NOW)

    assert states(campaign) == {"skipped:cancelled": 10}
