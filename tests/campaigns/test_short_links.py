from datetime import timedelta

import pytest

from campaigns.messages import short
from campaigns.models import Message, Outcome, ShortLink
from campaigns.services import privacy, short_links
from rapport.errors import NotFound
from tests.campaigns.ledger import make_sending
from tests.makers import NOW

PERSON = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) Safari/604.1"
SALE, OWN = "https://shop.example/sale", "https://shop.example/for/ada"


@pytest.fixture
def messages(db):
    campaign = make_sending(2)
    return list(Message.objects.filter(campaign=campaign).order_by("id"))


def code_of(message, address=SALE, *, fixed=(SALE,)) -> str:
    made = short_links.Shortener(fixed, now=NOW).link(message.pk)(1, address)
    return made.rpartition("/")[2]


def follow(client, code, agent=PERSON):
    return client.get(f"/m/s/{code}", headers={"User-Agent": agent})


def test_a_short_link_leads_on_and_counts_once(client, messages):
    code = code_of(messages[0])

    answers = [follow(client, code), follow(client, code)]

    assert [one["Location"] for one in answers] == [SALE, SALE]
    assert len(code) <= 16
    clicked = Outcome.objects.get()
    assert (clicked.message_id, clicked.url, clicked.is_machine) == (messages[0].pk, SALE, False)


def test_a_scanner_is_counted_as_a_machine(client, messages):
    follow(client, code_of(messages[0]), agent="Twitterbot/1.0")

    assert Outcome.objects.get().is_machine


def test_an_address_of_everybody_is_kept_once_and_one_of_a_person_with_the_message(messages):
    for message in messages:
        code_of(message)
        code_of(message)
        code_of(message, OWN)

    assert ShortLink.objects.filter(message=None).count() == 1
    assert ShortLink.objects.exclude(message=None).count() == 2


@pytest.mark.parametrize("spoil", ["flip", "cut", "longer", "again", "long", "words"])
def test_a_forged_code_leads_nowhere_and_counts_nothing(client, messages, spoil):
    code = code_of(messages[0])
    last = "A" if code[-1] != "A" else "B"
    forged = {
        "flip": ("B" if code[0] != "B" else "C") + code[1:],
        "cut": code[:-2],
        "longer": code + "AA",
        "again": code[:-1] + last,
        "long": code * 20,
        "words": "sale",
    }[spoil]

    assert follow(client, forged).status_code == 404
    assert Outcome.objects.count() == 0


def test_a_persons_address_answers_to_its_own_message_alone(client, messages):
    ours, theirs = messages
    link_id, _message = short.read(short_links._key(), code_of(ours, OWN))
    code = short.write(short_links._key(), link_id, theirs.pk)

    assert follow(client, code).status_code == 404, "even if we had signed it"


def test_an_old_link_and_one_of_a_message_that_is_gone_lead_nowhere(client, messages):
    code = code_of(messages[0])
    with pytest.raises(NotFound):
        short_links.find(code, now=NOW + timedelta(days=731))

    messages[0].delete()
    assert follow(client, code).status_code == 404


def test_nothing_but_the_web_is_shortened(messages):
    link = short_links.Shortener((), now=NOW).link(messages[0].pk)

    assert link(1, "tel:+4912345") == "tel:+4912345"
    assert link(1, "https://shop.example/" + "a" * 3_000).endswith("aaa")
    assert ShortLink.objects.count() == 0


def test_the_addresses_of_a_person_are_handed_out_and_erased(messages):
    message = messages[0]
    code_of(message, OWN)

    assert [one["links"] for one in privacy.export_messages(message.customer_id)] == [[OWN]]
    privacy.erase_messages(message.customer_id)
    assert not ShortLink.objects.exclude(message=None).exists()
