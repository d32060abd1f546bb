"""What failed is sent again because a person says so, and what may have arrived only knowingly."""

import pytest

from campaigns.models import Campaign, Message
from campaigns.services import delivery, planning, retrying
from rapport.errors import Conflict
from rapport.models import AuditEntry
from tests.makers import NOW, make_campaign, make_crowd, make_segment, make_staff

pytestmark = pytest.mark.django_db


@pytest.fixture
def finished():
    """A finished campaign: two were refused, one is unknown, one was sent."""
    campaign = make_campaign(make_segment(members=make_crowd(4)))
    planning.launch(campaign, user=None, now=NOW)
    planning.plan(campaign.pk, now=NOW)
    ids = list(Message.objects.order_by("pk").values_list("pk", flat=True))
    failed = {"state": "failed", "reason": "refused", "detail": "550 No such user", "tries": 1}
    Message.objects.filter(pk__in=ids[:2]).update(**failed, finished_at=NOW)
    Message.objects.filter(pk=ids[2]).update(state="unknown", reason="crashed", finished_at=NOW)
    Message.objects.filter(pk=ids[3]).update(state="sent", sent_at=NOW, finished_at=NOW)
    Campaign.objects.update(state="finished", finished_at=NOW)
    campaign.refresh_from_db()
    return campaign


def states() -> dict[str, int]:
    found: dict[str, int] = {}
    for state in Message.objects.values_list("state", flat=True):
        found[state] = found.get(state, 0) + 1
    return found


def test_failures_are_told_by_reason_with_the_servers_words(finished):
    first, second = retrying.failures(finished)

    assert (first.reason, first.count, first.example) == ("refused", 2, "550 No such user")
    assert (second.reason, second.may_have_arrived) == ("crashed", True)


def test_what_was_refused_is_planned_again_and_the_campaign_runs(finished):
    manager = make_staff("manager")

    planned = retrying.retry(finished, reason="refused", user=manager, now=NOW)

    assert (planned, finished.state) == (2, "sending")
    assert states() == {"planned": 2, "unknown": 1, "sent": 1}
    assert not Message.objects.filter(state="planned").exclude(tries=0, reason="").exists()
    entry = AuditEntry.objects.get(action="campaign.retried")
    assert (entry.actor, entry.details["messages"]) == ("manager", 2)
    delivery.deliver(finished.pk, now=NOW)
    assert states() == {"unknown": 1, "sent": 3}
    assert Campaign.objects.get().state == "finished"


def test_what_may_have_arrived_needs_an_explicit_word(finished):
    with pytest.raises(retrying.RetryRefused, match="may have arrived"):
        retrying.retry(finished, reason="crashed", user=None, now=NOW)
    assert states()["unknown"] == 1

    retrying.retry(
        finished, reason="crashed", user=None, now=NOW, although_it_may_have_arrived=True
    )

    assert "unknown" not in states()


@pytest.mark.parametrize("reason", ["holdout", "no_consent", "", "cancelled"])
def test_other_reasons_are_no_failures(finished, reason):
    with pytest.raises(retrying.RetryRefused):
        retrying.retry(
            finished, reason=reason, user=None, now=NOW, although_it_may_have_arrived=True
        )


def test_the_second_of_two_finds_nothing(finished):
    retrying.retry(finished, reason="refused", user=None, now=NOW)

    with pytest.raises(Conflict, match="nothing left"):
        retrying.retry(finished, reason="refused", user=None, now=NOW)


def test_a_cancelled_campaign_sends_nothing_again(finished):
    Campaign.objects.update(state="cancelled")

    with pytest.raises(Conflict, match="is cancelled"):
        retrying.retry(finished, reason="refused", user=None, now=NOW)


def test_a_paused_campaign_waits_with_what_is_planned_again(finished):
    Campaign.objects.update(state="paused")

    retrying.retry(finished, reason="refused", user=None, now=NOW)

    assert Campaign.objects.get().state == "paused"
    assert states()["planned"] == 2
