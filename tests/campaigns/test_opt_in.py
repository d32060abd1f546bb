"""Double opt-in: nothing before the button, once, in time, and for the address that was asked."""

import re
from datetime import timedelta
from email import message_from_bytes, policy

import pytest
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from campaigns.models import Campaign, InboxMail, OptIn
from campaigns.services import composing, delivery, opt_in
from campaigns.web import public_words, sign_up
from customers.models import Consent, Customer
from customers.services import consent
from rapport.access import SCOPES
from rapport.errors import NotFound
from rapport.models import ApiKey
from tests.makers import NOW, make_cast

pytestmark = pytest.mark.django_db
WEEK = timedelta(days=7)


@pytest.fixture(autouse=True)
def _nobody_was_too_fast():
    from django.core.cache import cache

    cache.delete("sign_up:127.0.0.1")


def ask(email: str = "new@example.com", *, now=NOW, **given) -> OptIn | None:
    return opt_in.ask(
        email=email,
        **{
            "keys": ["marketing"],
            "source": "checkout",
            "proof_text": "Yes, write to me.",
            "proof_ip": "203.0.113.9",
            "words": public_words.opt_in_mail("en", until=now + WEEK),
            "now": now,
            **given,
        },
    )


def mail_path() -> str:
    """Where the button of the last mail leads, through the count of clicks."""
    campaign = Campaign.objects.get(topic=opt_in.TOPIC)
    delivery.deliver(campaign.pk, now=timezone.now() + timedelta(minutes=1))
    raw = bytes(InboxMail.objects.latest("id").raw)
    text = message_from_bytes(raw, policy=policy.default).get_body(("html",)).get_content()
    tracked = re.search(r'href="http://127.0.0.1:8000(/m/c/[^"]+)"', text)[1]
    return Client().get(tracked)["Location"].removeprefix("http://127.0.0.1:8000")


def agreed(email: str = "new@example.com") -> bool:
    customer = Customer.objects.get(email=email)
    return consent.allows(customer.pk, "email", "marketing")


def test_the_whole_way_from_the_form_to_the_ledger(client):
    page = client.get("/m/signup/").content.decode()
    assert "Hear from us" in page and 'name="topic" value="marketing"' in page
    said = client.post("/m/signup/", {"email": "new@example.com", "topic": "marketing"})
    assert "look into your mailbox" in said.content.decode()
    assert not agreed()

    button = mail_path()
    assert "Please confirm" in client.get(button).content.decode()
    client.head(button)
    assert not agreed()
    done = Client(enforce_csrf_checks=True).post(button).content.decode()

    assert "Thank you" in done and agreed()
    word = Consent.objects.get()
    assert word.source == "double_opt_in" and word.proof_ip == "127.0.0.1"
    for part in ("Hear from us", "News and offers", "from sign_up", "confirmed by the button"):
        assert part in word.proof_text


def test_the_mail_says_who_asked_and_until_when():
    ask()
    mail_path()

    mail = message_from_bytes(bytes(InboxMail.objects.get().raw), policy=policy.default)

    assert mail["Subject"] == "Please confirm: messages from Your shop"
    text = mail.get_body(("plain",)).get_content()
    assert "News and offers" in text and "8 June 2026" in text


def test_the_answer_counts_once(client):
    ask(now=timezone.now())
    button = mail_path()
    client.post(button)
    customer = Customer.objects.get(email="new@example.com")
    consent.record(
        customer.pk,
        channel="email",
        topic="marketing",
        is_granted=False,
        source="unsubscribe",
        now=timezone.now(),
    )

    assert client.post(button).status_code == 200

    assert not agreed()
    assert Consent.objects.filter(is_granted=True).count() == 1


def test_an_old_link_gives_nothing():
    asked = ask()

    assert not opt_in.confirm(asked, now=NOW + WEEK)
    assert opt_in.expire(now=NOW + WEEK) == 1
    assert not agreed()


def test_the_answer_is_for_the_address_that_was_asked():
    asked = ask()
    Customer.objects.update(email="other@example.com")

    assert not opt_in.confirm(OptIn.objects.get(pk=asked.pk), now=NOW)
    assert not Consent.objects.exists()


def test_nobodys_mailbox_is_filled():
    times = [NOW + timedelta(minutes=minutes) for minutes in (0, 1, 9, 11, 22, 60, 600)]

    asked = [ask(now=moment) is not None for moment in times]

    assert asked == [True, False, False, True, True, False, False]


def test_who_agreed_already_is_not_asked():
    make_cast()

    assert ask("ada@example.com") is None
    assert ask("mallory@example.com") is not None


@pytest.mark.parametrize("email", ["", "x", "a b@example.com", "a@b\r\nBcc: c@example.com"])
def test_what_is_no_address_is_refused(client, email):
    answer = client.post("/m/signup/", {"email": email})

    assert answer.status_code == 400 and "does not look like" in answer.content.decode()
    assert not Customer.objects.exists()


def test_the_form_says_the_same_for_the_known_and_for_programs(client):
    make_cast()
    for given in (
        {"email": "ada@example.com"},
        {"email": "stranger@example.com"},
        {"email": "robot@example.com", "website": "https://spam.example"},
    ):
        assert "look into your mailbox" in client.post("/m/signup/", given).content.decode()
    assert not Customer.objects.filter(email="robot@example.com").exists()


def test_one_place_on_the_net_cannot_ask_without_end(client, monkeypatch):
    monkeypatch.setattr(sign_up, "ASKS_A_MINUTE", 2)
    for number in range(2):
        client.post("/m/signup/", {"email": f"n{number}@example.com"})

    assert client.post("/m/signup/", {"email": "n11@example.com"}).status_code == 400
    assert not Customer.objects.filter(email="n11@example.com").exists()


def test_forged_links_find_nothing(client):
    asked = ask()
    good = opt_in.links.write(composing.key(), "i", asked.pk, day=NOW.date())
    other = opt_in.links.write(composing.key(), "u", asked.pk, day=NOW.date())

    for token in (good[:-1], f"{good}A", other, "x"):
        with pytest.raises(NotFound):
            opt_in.find(token)
        assert client.post(f"/m/i/{token}").status_code == 404


def test_a_program_asks_by_api():
    _key, secret = ApiKey.objects.create_key(name="shop", scopes=list(SCOPES))
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Api-Key {secret}")
    given = {
        "email": "new@example.com",
        "source": "checkout",
        "proof_text": "Oui, écrivez-moi.",
        "language": "fr-CA",
    }

    answers = [client.post("/api/v1/opt-ins/", given, format="json") for _twice in range(2)]

    assert [answer.json()["is_asked"] for answer in answers] == [True, False]
    assert OptIn.objects.get().language == "fr"
    assert client.post("/api/v1/opt-ins/", {"email": "x"}, format="json").status_code == 400
