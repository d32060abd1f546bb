"""What providers say of messages: in any order, any number of times, to the same end."""

from datetime import timedelta
from itertools import permutations

import pytest

from campaigns.models import Message, Outcome, ProviderEvent
from campaigns.services import arrivals, outcomes
from campaigns.services.arrivals import Arrival
from customers.models import Consent, Customer, Event, Suppression
from customers.services import consent
from tests.campaigns.ledger import make_sending
from tests.makers import NOW, make_cast, make_crowd

pytestmark = pytest.mark.django_db
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


@pytest.fixture
def sent() -> Message:
    """Ada's message, sent; its provider calls it m-1."""
    make_sending([make_cast()["ada"]])
    Message.objects.update(
        state="sent", sent_at=NOW, finished_at=NOW, sending_since=NOW, provider_id="m-1"
    )
    return Message.objects.get()


def arrival(kind: str, minutes: int = 1, **given) -> Arrival:
    about = {"provider": "esp", "provider_id": "m-1", **given}
    return Arrival(kind, NOW + minutes * MINUTE, **about)


def end() -> tuple:
    """All that is left of what came: two ways that lead here are the same."""
    return (
        Message.objects.get().state,
        Message.objects.get().detail,
        sorted(Outcome.objects.values_list("kind", "key", "happened_at")),
        sorted(Suppression.objects.values_list("channel", "address_sha256")),
        consent.allows(Message.objects.get().customer_id, "email", "marketing"),
        sorted(Event.objects.values_list("name", flat=True)),
    )


@pytest.mark.parametrize(
    ("said", "state"),
    [
        (["delivered"], "delivered"),
        (["soft_bounce"], "bounced"),
        (["failed"], "bounced"),
        (["hard_bounce", "delivered"], "bounced"),
        (["delivered", "hard_bounce"], "bounced"),
        (["complaint", "delivered"], "complained"),
        (["open"], "sent"),
        (["complaint", "hard_bounce", "open"], "complained"),
    ],
)
def test_a_state_moves_forward_alone(sent, said, state):
    for kind in said:
        arrivals.record([arrival(kind)], now=NOW + DAY)

    assert Message.objects.get().state == state


def test_every_order_and_repeats_lead_to_the_same_end(sent):
    given = [
        arrival("delivered", 1, event_id="1"),
        arrival("hard_bounce", 3, event_id="3", detail="550 5.1.1 no such user"),
        arrival("complaint", 4, event_id="4"),
    ]
    ends = set()
    for order in permutations(given):
        for table in (Outcome, Suppression, Event):
            table.objects.all().delete()
        Consent.objects.filter(is_granted=False).delete()
        Message.objects.update(state="sent", detail="")
        for one in (*order, *order):
            arrivals.record([one], now=NOW + DAY)
        ends.add(str(end()))

    assert len(ends) == 1
    assert "complained" in ends.pop()
    assert not ProviderEvent.objects.exists()


def test_a_repeat_tells_nothing_new(sent):
    assert arrivals.record([arrival("delivered"), arrival("delivered")], now=NOW + DAY) == 1
    assert arrivals.record([arrival("delivered")], now=NOW + DAY) == 0


def test_an_address_that_does_not_exist_is_suppressed_a_full_mailbox_is_not(sent):
    arrivals.record([arrival("soft_bounce", detail="mailbox full")], now=NOW + DAY)
    assert not Suppression.objects.exists()

    arrivals.record([arrival("hard_bounce", detail="no such user")], now=NOW + DAY)

    assert Suppression.objects.get().reason == "hard_bounce"
    assert consent.suppressed(["ada@example.com"], channel="email")
    assert Message.objects.get().state == "bounced"
    assert consent.allows(sent.customer_id, "email", "marketing")
    told = Event.objects.filter(name="Email Bounced").order_by("id")
    assert [event.properties["bounce"] for event in told] == ["soft", "hard"]


def test_a_complaint_told_again_does_not_take_back_a_newer_yes(sent):
    arrivals.record([arrival("complaint")], now=NOW + MINUTE)
    assert not consent.allows(sent.customer_id, "email", "marketing")
    consent.record(
        sent.customer_id,
        channel="email",
        topic="marketing",
        is_granted=True,
        source="shop",
        now=NOW + DAY,
    )

    for kind in ("complaint", "unsubscribe"):
        arrivals.record([arrival(kind)], now=NOW + 2 * DAY)

    assert consent.allows(sent.customer_id, "email", "marketing")


def test_what_was_unknown_did_leave_when_somebody_answers_for_it(sent):
    Message.objects.update(state="unknown", reason="crashed", sent_at=None, finished_at=None)

    arrivals.record([arrival("delivered", 5)], now=NOW + DAY)

    message = Message.objects.get()
    assert (message.state, message.reason, message.sent_at) == ("delivered", "", NOW)


@pytest.mark.parametrize("state", ["skipped", "failed"])
def test_what_certainly_did_not_leave_stays_so(sent, state):
    Message.objects.update(state=state, reason="refused", sent_at=None)

    arrivals.record([arrival("delivered")], now=NOW + DAY)

    assert Message.objects.get().state == state
    assert not Outcome.objects.exists() and not ProviderEvent.objects.exists()


def test_a_word_that_comes_before_its_message_waits_for_it(sent):
    Message.objects.update(state="sending", sent_at=None, provider_id="")
    for _twice in range(2):
        arrivals.record([arrival("hard_bounce", address="old@example.com")], now=NOW + MINUTE)
    assert arrivals.place_waiting(now=NOW + MINUTE) == 0
    assert ProviderEvent.objects.get().state == "waiting"

    Message.objects.update(state="sent", sent_at=NOW, provider_id="m-1")

    assert arrivals.place_waiting(now=NOW + 2 * MINUTE) == 1
    assert Message.objects.get().state == "bounced"
    assert not ProviderEvent.objects.exists()
    assert consent.suppressed(["old@example.com"], channel="email")


def test_a_word_for_nobody_is_given_up_shown_and_forgotten():
    arrivals.record([arrival("delivered")], now=NOW)

    arrivals.place_waiting(now=NOW + 4 * DAY)

    assert "No message" in ProviderEvent.objects.get(state="rejected").reason
    assert arrivals.forget_old(now=NOW + 40 * DAY) == 1


def test_short_numbers_of_two_providers_are_kept_apart(sent):
    Message.objects.update(provider_id="kannel:17")

    arrivals.record([arrival("delivered", provider="smpp", provider_id="17")], now=NOW + DAY)
    assert Message.objects.get().state == "sent"
    arrivals.record([arrival("delivered", provider="kannel", provider_id="17")], now=NOW + DAY)

    assert Message.objects.get().state == "delivered"


def test_of_the_erased_nothing_is_kept(sent):
    Customer.objects.filter(pk=sent.customer_id).update(erased_at=NOW)

    arrivals.record(
        [arrival("complaint", detail="ada@example.com", address="ada@example.com")], now=NOW + DAY
    )

    assert not Outcome.objects.exists() and not Suppression.objects.exists()
    assert Message.objects.get().detail == ""


def test_many_arrive_in_few_statements(django_assert_max_num_queries):
    make_sending(make_crowd(100))
    Message.objects.update(state="sent", sent_at=NOW)
    given = [
        Arrival(kind, NOW + MINUTE, message_id=pk)
        for pk in Message.objects.values_list("pk", flat=True)
        for kind in ("delivered", "hard_bounce", "open")
    ]

    with django_assert_max_num_queries(25):
        assert arrivals.record(given, now=NOW + DAY) == 300

    assert Suppression.objects.count() == 100


def test_a_moment_to_come_is_taken_for_now(sent):
    arrivals.record([arrival("open", 600)], now=NOW + MINUTE)

    assert Outcome.objects.get().happened_at == NOW + MINUTE


def test_a_kind_that_nobody_knows_is_a_fault_of_the_caller(sent):
    with pytest.raises(ValueError, match="expected one of delivered"):
        arrivals.record([arrival("lost")], now=NOW)


def test_unsubscribing_on_the_page_and_at_the_provider_is_one_outcome(sent):
    outcomes.unsubscribed(sent.pk, now=NOW + MINUTE, how="page")
    arrivals.record([arrival("unsubscribe", 2)], now=NOW + DAY)

    assert Outcome.objects.filter(kind="unsubscribe").count() == 1
