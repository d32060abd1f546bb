"""What comes back of a running campaign may pause it."""

import pytest
from django.core.cache import cache
from django.test import Client

from campaigns.models import Campaign, Message
from campaigns.services import delivery, pace
from tests.campaigns.ledger import make_sending
from tests.makers import NOW, ago, make_staff

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def judged_at_once():
    cache.clear()


def came_back(campaign: Campaign, state: str, count: int, *, sent: int) -> None:
    """Of ``sent`` messages ``count`` came back; the others are still planned."""
    ids = list(
        campaign.messages.filter(state="planned").order_by("pk").values_list("pk", flat=True)
    )
    Message.objects.filter(pk__in=ids[:sent]).update(state="sent", sent_at=NOW, finished_at=NOW)
    Message.objects.filter(pk__in=ids[:count]).update(state=state)


@pytest.mark.parametrize(
    ("state", "count", "words"),
    [("bounced", 26, "26 of 250 messages came back"), ("complained", 5, "5 of 250 recipients")],
)
def test_too_many_bounces_or_complaints_pause_and_say_why_at_home(state, count, words):
    campaign = make_sending(260, name="Old list")
    came_back(campaign, state, count, sent=250)

    report = delivery.sweep(now=NOW)

    campaign.refresh_from_db()
    assert (report.paused, campaign.state) == (1, Campaign.State.PAUSED)
    assert words in campaign.state_reason
    client = Client()
    client.force_login(make_staff("manager"))
    for number in range(4):
        make_sending(0, name=f"Newer {number}")
    assert words in client.get("/").content.decode()


@pytest.mark.parametrize(("state", "count"), [("bounced", 24), ("complained", 4)])
def test_a_few_do_not(state, count):
    campaign = make_sending(60)
    came_back(campaign, state, count, sent=50)

    assert delivery.sweep(now=NOW).paused == 0


def test_after_a_person_resumed_only_what_comes_back_of_later_messages_counts():
    campaign = make_sending(400)
    came_back(campaign, "bounced", 30, sent=100)
    delivery.sweep(now=NOW)
    campaign.refresh_from_db()

    delivery.resume(campaign, user=None, now=NOW)
    Message.objects.filter(sent_at=NOW).update(sent_at=ago(0.01))
    cache.clear()
    assert delivery.sweep(now=NOW).paused == 0
    came_back(campaign, "bounced", 30, sent=100)
    cache.clear()
    assert delivery.sweep(now=NOW).paused == 1


def test_transactional_messages_go_on_whatever_comes_back():
    campaign = make_sending(60, kind=Campaign.Kind.TRANSACTIONAL)
    came_back(campaign, "bounced", 50, sent=50)

    assert delivery.sweep(now=NOW).paused == 0


def test_the_share_that_is_too_much_is_stated_by_its_limits():
    assert pace.returned(1_000, bounced=100, complained=3) == ""
    assert "undeliverable" in pace.returned(1_000, bounced=101, complained=0)
    assert pace.returned(2_000, bounced=0, complained=6) == ""
    assert "spam" in pace.returned(2_000, bounced=0, complained=7)
