"""kill -9 while a message is on its way: nothing is lost, nothing gets a second id."""

import os
import signal
import threading
from datetime import UTC, datetime, timedelta

import pytest

from segments.models import MembershipChange, WebhookDelivery
from segments.services import webhooks
from segments.tasks import tell_webhooks
from tests.conftest import wait_until
from tests.makers import make_customer, make_segment
from tests.segments.receiver import Receiver

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def receiver(settings):
    settings.OUTGOING_ALLOWED_HOSTS = ["127.0.0.1"]
    found = Receiver()
    yield found
    found.stop()


def test_a_worker_killed_while_sending_loses_and_doubles_nothing(start_worker, receiver):
    now = datetime.now(UTC)
    endpoint = webhooks.create(name="Shop", url=receiver.url, user=None, now=now)
    receiver.secret = webhooks.secret_of(endpoint)
    segment, people = make_segment("loyal"), [make_customer(f"c{n}") for n in range(5)]
    rows = [
        MembershipChange(
            segment=segment,
            customer=one,
            kind="entered",
            cause="event",
            happened_at=now,
            rule_version=1,
        )
        for one in people * 50
    ]
    ids = [row.pk for row in MembershipChange.objects.bulk_create(rows)]
    let_go = threading.Event()

    def answer(calls):
        let_go.wait(30)  # the other side thinks, and meanwhile the worker dies
        return 200

    receiver.status = answer
    worker = start_worker(OUTGOING_ALLOWED_HOSTS="127.0.0.1")
    tell_webhooks.apply_async()
    wait_until(lambda: len(receiver.calls) == 3, what="the messages' arrival")
    os.killpg(worker.pid, signal.SIGKILL)
    worker.wait(10)
    let_go.set()

    assert set(WebhookDelivery.objects.values_list("state", flat=True)) == {"sending"}
    longer = timedelta(seconds=webhooks.STUCK_SECONDS + 1)
    WebhookDelivery.objects.update(claimed_at=now - longer)  # time passes

    def ticks_until_told():  # the first may come before PostgreSQL has missed the dead one
        tell_webhooks()
        return not WebhookDelivery.objects.exclude(state="delivered").exists()

    wait_until(ticks_until_told, what="the messages' second arrival")
    assert len(receiver.ids) == 6  # at least once …
    assert len(set(receiver.ids)) == 3  # … each under one id, by which it is known again
    assert sorted(receiver.told()) == sorted(ids)
    assert all(holds for _id, _body, holds in receiver.calls)
