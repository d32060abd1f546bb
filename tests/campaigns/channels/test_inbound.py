from datetime import timedelta

import pytest

from campaigns.messages import keywords
from campaigns.models import InboundText
from campaigns.services import inbound
from campaigns.services.inbound import received
from customers.models import Consent, Event, Suppression
from customers.services import consent
from tests.campaigns.channels.texting import NUMBERS, agree, make_people
from tests.makers import NOW, make_customer


def text(words: str, sender: str = NUMBERS["ada"], *, id: str = "1", now=NOW) -> str | None:
    return received("sms", sender, words, provider="test", provider_id=id, now=now)


def allows(customer, topic: str = "marketing") -> bool:
    return consent.allows(customer.pk, "sms", topic)


@pytest.mark.parametrize(
    "words",
    ["STOP", "stop.", "Stop please", "STOP ALL", "Unsubscribe", "End", "quit", "CANCEL", "opt-out",
     "ARRÊT", "Arret", "stopp", "Abbestellen", "BAJA", "cancella", "afmelden", "Stop texting me"],
)  # fmt: skip
def test_words_that_stop(words):
    assert keywords.meaning(words).kind == keywords.STOP


@pytest.mark.parametrize(
    "words",
    ["", "?", "Cancel my order", "When do you stop selling mugs?", "The end of it", "quit smoking",
     "Is there help for the mug?", "yes please, two", "s t o p i t n o w"],
)  # fmt: skip
def test_words_that_mean_nothing_of_the_kind(words):
    assert keywords.meaning(words).kind == keywords.OTHER


def test_a_shop_may_add_words_of_its_own():
    assert keywords.meaning("Genug!", {keywords.STOP: ["genug"]}).kind == keywords.STOP
    assert keywords.meaning("Genug!").kind == keywords.OTHER


@pytest.mark.django_db
class TestReceived:
    def test_stop_ends_every_topic_of_everybody_with_the_number_in_their_own_words(self):
        people = make_people()
        sister = make_customer("sister", phone=NUMBERS["ada"])
        agree(sister, "sms")
        agree(people["ada"], "sms", "orders")

        reply = text("STOP")

        assert reply and "START" in reply
        assert not allows(people["ada"]) and not allows(people["ada"], "orders")
        assert not allows(sister) and allows(people["bob"])
        proof = Consent.objects.filter(customer=sister).latest("id")
        assert (proof.proof_text, proof.source) == ("Texted: STOP", "sms_stop")
        assert Suppression.objects.get().reason == "unsubscribed"

    def test_a_text_told_twice_counts_once_and_gets_the_same_answer(self):
        people = make_people()

        first = text("STOP")
        text("START", id="2", now=NOW + timedelta(minutes=1))
        again = text("STOP", now=NOW + timedelta(minutes=2))

        assert first == again
        assert allows(people["ada"]), "the repeated STOP came before the START"
        assert InboundText.objects.count() == 2

    def test_start_brings_back_what_stop_took_and_no_more(self):
        people = make_people()
        agree(people["ada"], "sms", "orders")
        consent.record(
            people["ada"].pk, channel="sms", topic="orders", is_granted=False,
            source="preferences", now=NOW,
        )  # fmt: skip
        text("STOP", id="1", now=NOW + timedelta(minutes=1))

        reply = text("Unstop", id="2", now=NOW + timedelta(minutes=2))

        assert reply and "STOP" in reply
        assert allows(people["ada"]) and not allows(people["ada"], "orders")
        assert not Suppression.objects.exists()

    def test_a_yes_starts_again_what_was_stopped_and_is_else_an_answer_like_any(self):
        people = make_people()
        stranger = make_customer("new", phone="+33600000009")

        assert text("Yes!", stranger.phone, id="1") is None
        assert not allows(stranger)
        assert Event.objects.get().properties["text"] == "Yes!"

        text("stop", id="2")
        assert text("YES", id="3", now=NOW + timedelta(minutes=1))
        assert allows(people["ada"])

    def test_start_is_the_yes_of_somebody_who_never_said_anything(self):
        new = make_customer("new", phone="+33600000009")

        text("START", "33600000009")

        assert allows(new)

    def test_help_is_answered_in_their_language_and_not_for_ever(self):
        people = make_people(language="fr")

        replies = [text("aide", id=str(n)) for n in range(5)]

        assert replies[0] and "STOP" in replies[0]
        assert [bool(one) for one in replies] == [True, True, True, False, False]
        assert allows(people["ada"])

    def test_a_second_stop_is_not_answered(self):
        make_people()

        assert text("STOP", id="1") and not text("STOP", id="2")

    def test_other_words_are_an_event_of_the_customer(self):
        people = make_people()

        assert text("Is the mug blue?") is None

        event = Event.objects.get()
        assert (event.name, event.customer_id) == ("SMS Received", people["ada"].pk)
        assert event.properties["text"] == "Is the mug blue?"

    def test_a_number_nobody_knows_can_stop_too(self):
        text("Stop", "+4915100000000")

        assert consent.suppressed(["+4915100000000"], channel="sms")
        assert InboundText.objects.get().customer is None

    def test_who_was_erased_stays_suppressed_whatever_she_texts(self):
        consent.suppress("+33600000001", channel="sms", reason="erased", source="t", now=NOW)

        text("START")

        assert Suppression.objects.get().reason == "erased"

    def test_hostile_texts_are_kept_as_text(self):
        make_people()

        text("<script>\x00'; DROP TABLE" + "x" * 5_000, id="\N{PILE OF POO}" * 300)

        kept = InboundText.objects.get()
        assert len(kept.text) <= inbound.TEXT_MOST and "\x00" not in kept.text
