"""Workers at once, and a worker killed: nobody is lost, nothing is done twice."""

import os
import signal
import threading

import pytest
from django.db import close_old_connections, connection

from campaigns.models import Journey, JourneyStep, Message
from campaigns.services.flows import advancing, effects, entering, ledger
from tests.campaigns.flows.stories import DAY, MINUTE, does, make_flow
from tests.makers import NOW, make_crowd

pytestmark = pytest.mark.django_db(transaction=True)
PEOPLE = int(os.environ.get("RAPPORT_LONG") or 0) * 3_000 or 50
KILLS = 40 if os.environ.get("RAPPORT_LONG") else 4
STEPS = (
    {"number": 1, "kind": "send", "next": 2},
    {"number": 2, "kind": "update_trait", "trait": "met", "value": True, "next": 3},
    {"number": 3, "kind": "wait", "days": 1, "next": 4},
    {"number": 4, "kind": "send", "next": None},
)


def killed_at(batch, now):
    """A worker that takes people on in small batches, and is killed in the middle of one."""
    child = os.fork()
    if child:
        _pid, status = os.waitpid(child, 0)
        assert os.WTERMSIG(status) == signal.SIGKILL
        return
    ours = connection.connection  # kept, for letting go of it would end the parent's session
    connection.connection = None
    write, batches = ledger.Log.write, []

    def write_and_die(log):
        write(log)
        batches.append(ours)
        if len(batches) == batch:  # its rows are written, and not committed
            os.kill(os.getpid(), signal.SIGKILL)

    ledger.Log.write = write_and_die
    try:
        entering.sweep(now=now)
        advancing.advance(now=now, most=17)
    finally:
        os.kill(os.getpid(), signal.SIGKILL)


def at_once(work, workers=3):
    """Run this in several threads, each with a connection of its own."""
    wrong: list[BaseException] = []

    def one():
        try:
            close_old_connections()
            work()
        except BaseException as error:
            wrong.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=one) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not wrong


def check(flow, *, step):
    """Everybody is in once, and had each message and each move once."""
    journeys = Journey.objects.filter(campaign=flow)
    assert journeys.count() == PEOPLE == journeys.values("customer").distinct().count()
    assert set(journeys.values_list("step", flat=True)) == {step}
    log = JourneyStep.objects.filter(journey__campaign=flow)
    assert log.count() == log.values("journey", "step", "what").distinct().count()
    sends = 1 if step == 3 else 2
    assert Message.objects.filter(campaign=flow, state="planned").count() == PEOPLE * sends


def people_do(name="signed_up"):
    for one in make_crowd(PEOPLE):
        does(one, name, NOW + MINUTE)


def test_several_workers_share_the_people_out():
    flow = make_flow(*STEPS)
    people_do()
    at_once(lambda: entering.sweep(now=NOW + 2 * MINUTE))
    at_once(lambda: advancing.advance(now=NOW + 2 * MINUTE, most=10))
    check(flow, step=3)

    at_once(lambda: advancing.advance(now=NOW + 2 * DAY, most=10))

    check(flow, step=4)
    assert set(Journey.objects.values_list("state", flat=True)) == {"done"}


def test_a_worker_killed_at_any_batch_loses_nobody_and_doubles_nothing():
    flow = make_flow(*STEPS)
    people_do()
    for kill in range(1, KILLS + 1):
        killed_at(kill % 9 + 1, NOW + (2 * MINUTE if kill % 2 else 2 * DAY))

    for days in (2, 4):  # those whom the last of the killed let in wait another day
        entering.sweep(now=NOW + days * DAY)
        advancing.advance(now=NOW + days * DAY)

    check(flow, step=4)


def test_a_batch_that_fails_half_way_leaves_no_trace(monkeypatch):
    flow = make_flow(*STEPS)
    people_do()
    entering.sweep(now=NOW + 2 * MINUTE)

    def fails(*_given):
        raise RuntimeError("the machine is on fire")

    with monkeypatch.context() as broken:
        broken.setitem(effects.EFFECTS, effects.S.UpdateTrait, fails)
        assert advancing.advance(now=NOW + 2 * MINUTE) == 0
    assert not Message.objects.exists()

    advancing.advance(now=NOW + 2 * MINUTE)

    check(flow, step=3)
