import os
import random
import signal
import time

import pytest

from campaigns.models import Campaign, Message
from customers.models import Event
from tests.campaigns.ledger import make_sending, states
from tests.campaigns.smtp import SmtpServer
from tests.conftest import wait_until

# The full measure: CRASH_MESSAGES=5000 CRASH_KILLS=20.
MESSAGES = int(os.environ.get("CRASH_MESSAGES", "800"))
KILLS = int(os.environ.get("CRASH_KILLS", "2"))
SEED = int(os.environ.get("CRASH_SEED", "7"))
GROUP_MOST = 20
RATE = 600  # messages a second that the server lets through, so that kills meet it at work


def sent() -> int:
    return Message.objects.filter(state="sent").count()


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_worker_killed_at_random_moments_sends_nothing_twice_and_loses_nobody(start_worker):
    chance = random.Random(SEED)
    campaign = make_sending(MESSAGES)
    with SmtpServer(seconds=1 / RATE) as server:
        environment = {"EMAIL_URL": server.url, "DELIVERY_BATCH_SIZE": str(GROUP_MOST)}
        for kill in range(KILLS):
            worker = start_worker(beat=True, **environment)
            # The next kill comes somewhere within this worker's share of the rest.
            goal = sent() + chance.randrange(1, max(2, (MESSAGES - sent()) // (KILLS - kill)))
            wait_until(lambda goal=goal: sent() >= goal, what=f"message {goal}", seconds=60)
            time.sleep(chance.random() / 20)  # not always right after a record
            os.killpg(worker.pid, signal.SIGKILL)
            worker.wait(10)
        start_worker(beat=True, **environment)
        wait_until(
            lambda: Campaign.objects.get().state == Campaign.State.FINISHED,
            what="the end of the campaign",
            seconds=120,
        )

    found, arrived = states(campaign), server.recipients()
    assert set(arrived.values()) == {1}, "nothing arrives twice"
    assert found["sent"] + found["unknown:crashed"] == MESSAGES == sum(found.values())
    assert found["unknown:crashed"] <= KILLS * GROUP_MOST
    recorded = Message.objects.filter(state="sent").values_list("customer__email", flat=True)
    assert set(recorded) <= set(arrived), "what is recorded as sent has arrived"
    assert len(arrived) - found["sent"] <= found["unknown:crashed"]
    assert Event.objects.filter(name="Email Sent").count() == found["sent"]
    print(f"\n{KILLS} kills, {MESSAGES} messages: {dict(found)}, {len(arrived)} arrived")


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_two_workers_share_a_campaign_and_send_nothing_twice(start_worker):
    campaign = make_sending(400)
    with SmtpServer(seconds=0.002) as server:
        for _worker in range(2):
            start_worker(concurrency=2, EMAIL_URL=server.url)
        from campaigns.tasks import deliver

        for _call in range(3):
            deliver.delay(campaign.pk)
        wait_until(lambda: Campaign.objects.get().state == Campaign.State.FINISHED, what="the end")

    assert states(campaign) == {"sent": 400}
    assert set(server.recipients().values()) == {1}
    assert server.connections > 1
