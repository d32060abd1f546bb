"""Two workers that refresh the same customers at the same time, and workers that are killed.

The last test kills twice in 5 seconds; with ``RAPPORT_LONG=1`` every 10 seconds for 5 minutes.
"""

import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import groupby
from threading import Barrier

import pytest
from django.db import connection, transaction
from django.utils import timezone

from customers.models import Event
from customers.services import events
from customers.services.events import NewEvent
from segments.models import Membership, MembershipChange, Segment
from segments.services import definitions, everybody, membership, mirror, segments, sweeping
from tests import makers
from tests.conftest import ROOT, program_environment
from tests.makers import NOW

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def segment():
    rule = {"version": 1, "where": {"type": "orders", "measure": "count", "op": ">=", "value": 2}}
    return segments.create(name="Two orders", rule=rule, user=None, now=NOW)


def in_threads(works):
    """Run all at once, each with its own connection; the answers in order."""
    start = Barrier(len(works))

    def run(work):
        try:
            start.wait()
            return work()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


def test_every_change_is_written_once(segment):
    cast = makers.make_cast()
    ids = [customer.pk for customer in cast.values()]

    answers = in_threads(
        [lambda: membership.refresh(ids, cause="event", now=NOW)] * 3
        + [lambda: membership.refresh_all(now=NOW, cause="model")]
    )

    assert sum(len(answer) for answer in answers[:3]) + answers[3].entered == (
        MembershipChange.objects.count()
    )
    assert MembershipChange.objects.filter(segment=segment).count() == 2
    assert Membership.objects.filter(segment=segment).count() == 2


def test_who_comes_second_sees_what_came_in_while_it_waited(segment):
    ada = makers.make_customer("ada")
    makers.make_order(ada, days_ago=3)

    def first():
        with transaction.atomic():
            membership.refresh([ada.pk], cause="event", now=NOW)
            makers.make_order(ada, days_ago=2)  # commits with the lock still held

    in_threads([first, lambda: membership.refresh([ada.pk], cause="event", now=NOW)])
    membership.refresh([ada.pk], cause="event", now=NOW)

    assert Membership.objects.filter(segment=segment, customer=ada).exists()
    assert MembershipChange.objects.filter(segment=segment).count() == 1


def test_archiving_while_refreshing_leaves_no_member(segment):
    cast = makers.make_cast()
    ids = [customer.pk for customer in cast.values()]
    works = [lambda: membership.refresh(ids, cause="event", now=NOW)] * 2
    works.append(lambda: segments.archive(segment, user=None, now=NOW))
    works.append(lambda: membership.refresh_all(now=NOW, cause="model"))

    in_threads(works)

    assert Segment.objects.get(pk=segment.pk).state == Segment.State.ARCHIVED
    assert not Membership.objects.filter(segment=segment).exists()


SWEEPER = """
import django, time
django.setup()
from django.utils import timezone
from segments.services import sweeping
sweeping.RING_SECONDS, sweeping.BATCH = 0, 5
print("ready", flush=True)
while True:
    sweeping.sweep(now=timezone.now())
    time.sleep(0.02)
"""
IS_LONG = bool(os.environ.get("RAPPORT_LONG"))
SECONDS, KILL_EVERY = (300, 10) if IS_LONG else (5, 2)
SHORT_DAYS = 0.00001  # 0.9 s


@pytest.fixture
def start_sweeper():
    """Start processes that sweep until they are killed."""
    started = []

    def start():
        command = [sys.executable, "-c", SWEEPER]
        process = subprocess.Popen(
            command, env=program_environment(), cwd=ROOT, stdout=subprocess.PIPE
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait(10)
        process.stdout.close()


def test_killed_sweepers_lose_no_change_and_double_none(start_sweeper, monkeypatch):
    monkeypatch.setattr("segments.tasks.refresh_customers.apply_async", lambda *_, **__: None)
    crowd = [makers.make_customer(f"c{number}") for number in range(40)]
    viewed = {"type": "events", "names": ["Product Viewed"], "op": ">=", "value": 1}
    for number in range(5):
        where = {**viewed, "window_days": SHORT_DAYS * (number + 1)}
        rule = {"version": 1, "where": where if number else viewed}
        segments.create(name=f"Viewed {number}", rule=rule, user=None, now=NOW)
    membership.refresh_all(now=timezone.now(), cause="import")
    draw, written = random.Random(5), 0
    sweepers = [start_sweeper(), start_sweeper()]
    for one in sweepers:
        assert one.stdout.readline() == b"ready\n"

    until, kill_at = time.monotonic() + SECONDS, time.monotonic() + KILL_EVERY
    while time.monotonic() < until:
        now = timezone.now()
        ids = [one.pk for one in draw.sample(crowd, 2)]
        rows = [
            NewEvent("web", f"m{written}-{pk}", pk, "", "Product Viewed", happened_at=now)
            for pk in ids
        ]
        events.record(rows, now=now)
        written += 1
        if time.monotonic() >= kill_at:
            place = draw.randrange(2)
            sweepers[place].send_signal(signal.SIGKILL)
            sweepers[place] = start_sweeper()
            kill_at += KILL_EVERY
        time.sleep(0.05)
    for one in sweepers:
        one.kill()
        one.wait(10)
    later = timezone.now() + timedelta(minutes=1)
    sweeping.sweep(now=later)

    changes = MembershipChange.objects.filter(segment__name__startswith="Viewed")
    rows = changes.order_by("segment_id", "customer_id", "id")
    by_stay = groupby(
        rows.values_list("segment_id", "customer_id", "kind"), key=lambda row: row[:2]
    )
    stays = {stay: [kind for _, _, kind in moves] for stay, moves in by_stay}
    for stay, kinds in stays.items():
        assert kinds == (["entered", "exited"] * len(kinds))[: len(kinds)], stay
    seen = set(Event.objects.values_list("customer_id", flat=True))
    assert len(stays) == 5 * len(seen) and len(seen) > 30
    assert sum(map(len, stays.values())) > 1.5 * len(stays)
    found = definitions.load().readable
    answers = mirror.verdicts({one.segment_id: one.rule for one in found}, later)
    differing = everybody.differences(answers, counts_due=False)
    assert (differing.entered, differing.exited) == ({}, {})
