from contextlib import closing
from datetime import timedelta

import psycopg2
import pytest

from campaigns.models import Campaign, InboxMail, Message
from campaigns.services import delivery
from customers.models import Event, Suppression
from customers.services import consent
from rapport.errors import Conflict
from rapport.models import AuditEntry
from tests.campaigns.ledger import give_coupon, make_sending, states
from tests.campaigns.smtp import CONTENT, HANG_UP, SmtpServer
from tests.conftest import database_url
from tests.makers import NOW, ago, make_cast, make_consent, make_staff

pytestmark = pytest.mark.django_db


@pytest.fixture
def server(settings):
    with SmtpServer() as server:
        settings.EMAIL_URL = server.url
        yield server


def send(campaign: Campaign, now=NOW) -> Campaign:
    delivery.deliver(campaign.pk, now=now)
    campaign.refresh_from_db()
    return campaign


def test_everybody_planned_is_sent_once_and_the_campaign_finishes(server):
    campaign = make_sending(45)

    send(campaign)

    assert states(campaign) == {"sent": 45}
    assert len(server.recipients()) == 45 and set(server.recipients().values()) == {1}
    assert campaign.state == Campaign.State.FINISHED
    assert campaign.finished_at == NOW


def test_delivering_again_sends_nothing_again(server):
    campaign = make_sending(3)

    send(send(campaign))

    assert sum(server.recipients().values()) == 3


def test_without_a_mail_server_mail_goes_to_the_inbox(settings):
    settings.EMAIL_URL = ""
    campaign = make_sending(2)

    send(campaign)

    kept = InboxMail.objects.order_by("message_id").first()
    assert InboxMail.objects.count() == 2
    assert (kept.recipient, kept.subject) == ("c0@example.com", "News for you")
    assert b"the sale" in bytes(kept.raw)


def test_who_may_not_be_written_to_any_more_is_skipped_with_the_reason(server):
    people = make_cast()
    campaign = make_sending(list(people.values()))
    make_consent(people["bob"], False, happened_at=ago(0.001))
    consent.suppress("EVE@example.com", channel="email", reason="manual", source="t", now=NOW)

    send(campaign)

    found = dict(Message.objects.values_list("customer__first_name", "reason"))
    assert found == {"Ada": "", "Bob": "no_consent", "Eve": "suppressed", "Mallory": "no_consent"}
    assert list(server.recipients()) == ["ada@example.com"]


def test_the_erased_and_those_without_an_address_are_skipped(server):
    people = make_cast()
    campaign = make_sending([people["ada"], people["bob"], people["eve"]])
    people["ada"].erased_at = NOW
    people["ada"].save()
    people["bob"].email = None
    people["bob"].save()

    send(campaign)

    assert states(campaign) == {"skipped:erased": 1, "skipped:unreachable": 1, "sent": 1}


def test_an_offer_that_is_over_is_not_sent(server):
    people = make_cast()
    campaign = make_sending([people["ada"], people["bob"]])
    give_coupon(campaign, people["ada"], "LATE", expires_at=ago(0.001))
    give_coupon(campaign, people["bob"], "GOOD")

    send(campaign)

    assert states(campaign) == {"skipped:too_late": 1, "sent": 1}


def test_a_refused_address_fails_and_a_dead_one_is_never_tried_again(server):
    server.rule = lambda verb, words: (
        "550 5.1.1 no such user" if verb == "RCPT" and "c1@" in words else None
    )
    campaign = make_sending(3)

    send(campaign)

    assert states(campaign) == {"sent": 2, "failed:refused": 1}
    assert Message.objects.get(state="failed").detail == "550 5.1.1 no such user"
    assert Suppression.objects.get().reason == "hard_bounce"


def test_a_busy_server_is_tried_later_and_not_for_ever(server):
    server.rule = lambda verb, _: "451 4.3.0 busy" if verb == "RCPT" else None
    campaign = make_sending(1)
    now = NOW

    for tries in range(1, delivery.TRIES_MOST):
        send(campaign, now)
        message = Message.objects.get()
        assert (message.state, message.tries) == ("planned", tries)
        assert message.due_at == now + timedelta(seconds=30 * 2 ** (tries - 1))
        send(campaign, message.due_at - timedelta(seconds=1))
        assert Message.objects.get().tries == tries, "not before it is due"
        now = message.due_at
    send(campaign, now)

    assert states(campaign) == {"failed:tries_exhausted": 1}
    assert campaign.state == Campaign.State.FINISHED


def test_a_lost_answer_leaves_the_message_unknown_and_it_is_never_sent_again(server):
    server.rule = lambda verb, name: (
        HANG_UP if verb == CONTENT and name == "c1@example.com" else None
    )
    campaign = make_sending(4)

    send(send(campaign))

    assert states(campaign) == {"sent": 3, "unknown:connection_lost": 1}
    assert server.recipients()["c1@example.com"] == 1
    assert campaign.state == Campaign.State.FINISHED


def test_a_connection_lost_before_the_content_is_made_good(server):
    closed = []

    def rule(verb: str, words: str) -> str | None:
        if verb == "RCPT" and "c2@" in words and not closed:
            closed.append(words)
            return HANG_UP
        return None

    server.rule = rule
    campaign = make_sending(5)

    send(campaign)
    assert states(campaign) == {"sent": 4, "planned": 1}
    send(campaign, NOW + timedelta(seconds=delivery.BACK_OFF_SECONDS))

    assert states(campaign) == {"sent": 5}
    assert set(server.recipients().values()) == {1}


def test_one_persons_template_error_stops_nobody_else(server):
    people = make_cast()
    people["ada"].traits = {"n": "none"}
    people["bob"].traits = {"n": 2}
    for one in people.values():
        one.save()
    campaign = make_sending(
        [people["ada"], people["bob"]], subject="{{ 4 | divided_by: customer.traits.n }}"
    )

    send(campaign)

    assert states(campaign) == {"failed:render_error": 1, "sent": 1}
    assert server.received[0].parsed()["Subject"] == "2"


def test_a_message_that_does_not_compile_pauses_the_campaign(server):
    campaign = make_sending(2, body="<mjml><mj-body><mj-unknown/></mj-body></mjml>")

    send(campaign)

    assert campaign.state == Campaign.State.PAUSED
    assert "mj-unknown" in campaign.state_reason
    assert states(campaign) == {"planned": 2}


def test_many_failures_in_a_row_pause_the_campaign_and_resuming_goes_on(server):
    server.rule = lambda verb, _: "554 5.7.1 you are blocked" if verb == "MAIL" else None
    campaign = make_sending(100)

    send(campaign)
    assert campaign.state == Campaign.State.PAUSED
    assert "554 5.7.1 you are blocked" in campaign.state_reason
    failed = states(campaign)["failed:refused"]
    assert 50 <= failed < 75

    server.rule = None
    delivery.resume(campaign, user=make_staff("manager"), now=NOW)
    send(campaign)
    assert states(campaign) == {"failed:refused": failed, "sent": 100 - failed}


def test_a_mail_server_that_stays_away_pauses_the_campaign(settings, monkeypatch):
    monkeypatch.setattr(delivery, "AWAY_SECONDS", 0)
    with SmtpServer() as gone:
        settings.EMAIL_URL = gone.url
    campaign = make_sending(3)

    send(campaign)

    assert campaign.state == Campaign.State.PAUSED
    assert "cannot be reached" in campaign.state_reason
    assert states(campaign) == {"planned": 3}


def test_what_was_sent_is_told_to_the_customers_timeline_once(server):
    campaign = make_sending(3)

    send(send(campaign))
    Event.objects.first().delete()
    Campaign.objects.update(state="sending")
    delivery.sweep(now=NOW)

    events = Event.objects.filter(name="Email Sent", source="rapport")
    assert events.count() == 3
    assert events.first().properties["campaign_id"] == campaign.pk


def test_pausing_keeps_what_is_planned_and_leaves_a_trail(server):
    campaign, manager = make_sending(2), make_staff("manager")

    delivery.pause(campaign, user=manager, now=NOW, reason="Wrong code")
    send(campaign)

    assert (campaign.state, campaign.state_reason) == ("paused", "Wrong code")
    assert states(campaign) == {"planned": 2}
    entry = AuditEntry.objects.get(action="campaign.paused")
    assert (entry.actor, entry.details) == ("manager", {"reason": "Wrong code"})


@pytest.mark.django_db(transaction=True)
def test_a_campaign_paused_by_somebody_stops_after_the_group_under_way(server, settings):
    settings.DELIVERY_BATCH_SIZE = 4
    campaign = make_sending(40)

    def rule(verb: str, name: str) -> None:
        if verb == CONTENT and name == "c5@example.com":
            with (
                closing(psycopg2.connect(database_url())) as other,
                other,
                other.cursor() as cursor,
            ):
                cursor.execute("UPDATE campaigns_campaign SET state = 'paused'")

    server.rule = rule

    send(campaign)

    assert states(campaign) == {"sent": 8, "planned": 32}


def test_cancelling_skips_what_has_not_left(server):
    campaign = make_sending(3)
    Message.objects.filter(pk=Message.objects.first().pk).update(state="sent", sent_at=NOW)

    delivery.cancel(campaign, user=None, now=NOW)
    send(campaign)

    assert states(campaign) == {"sent": 1, "skipped:cancelled": 2}
    assert campaign.state == Campaign.State.CANCELLED
    with pytest.raises(Conflict, match="cancelled"):
        delivery.resume(campaign, user=None, now=NOW)
