"""The preference centre: each word with its proof, a pause, a language, and nothing by GET."""

from datetime import date, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from campaigns.messages import links
from campaigns.models import ConsentTopic, Message, Outcome, Pause
from campaigns.services import composing, preferences, topics
from campaigns.services.preferences import Proof
from customers.models import Consent, Customer
from customers.services import consent
from tests.campaigns.ledger import make_sending
from tests.makers import NOW, make_cast, make_staff

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture
def sent() -> Message:
    make_sending([make_cast()["ada"]])
    Message.objects.update(state="sent", sent_at=NOW)
    topics.create(
        user=None,
        now=NOW,
        key="marketing",
        name="News and offers",
        description="Once a week.",
        translations={"fr": {"name": "Nouveautés", "description": "Une fois par semaine."}},
        channels=["email", "sms"],
        position=1,
    )
    topics.create(user=None, now=NOW, key="surveys", name="Surveys", channels=["email"])
    return Message.objects.select_related("customer").get()


def address(message: Message) -> str:
    token = links.write(composing.key(), "p", message.pk, day=date(2026, 6, 1))
    return f"/m/p/{token}"


def agreed(message: Message) -> set[tuple[str, str]]:
    pairs = [("email", "marketing"), ("email", "surveys"), ("sms", "marketing")]
    return {pair for pair in pairs if consent.allows(message.customer_id, *pair)}


SHOWN = ["email:marketing", "email:surveys"]


def test_looking_shows_what_is_agreed_and_changes_nothing(client, sent):
    page = client.get(address(sent)).content.decode()

    assert 'value="email:marketing" checked' in page
    assert 'value="email:surveys">' in page
    assert "sms:marketing" not in page  # she has no number
    assert "a***@example.com" in page and "ada@" not in page
    assert Consent.objects.count() == 3 and not Outcome.objects.exists()


def test_saving_records_what_changed_each_with_what_stood_beside_it(sent):
    client = Client(enforce_csrf_checks=True)

    page = client.post(
        address(sent), {"act": "save", "shown": SHOWN, "wish": ["email:surveys"]}
    ).content.decode()

    assert "Saved" in page and agreed(sent) == {("email", "surveys")}
    no, yes = Consent.objects.filter(source="preference_centre").order_by("is_granted")
    assert "News and offers – By e-mail" in no.proof_text and "Once a week." in no.proof_text
    assert yes.proof_text.startswith("Ticked in the preference centre: “Surveys")
    assert yes.proof_ip == "127.0.0.1" and yes.proof_url.endswith("/m/p/")
    assert Outcome.objects.get().kind == "unsubscribe"


def test_saving_twice_says_it_once(client, sent):
    for _again in range(2):
        client.post(address(sent), {"shown": SHOWN, "wish": ["email:surveys"]})

    assert Consent.objects.filter(source="preference_centre").count() == 2


def test_only_what_was_shown_can_be_changed(client, sent):
    given = {
        "shown": ["email:secret", "fax:marketing", "email:surveys"],
        "wish": ["email:secret", "fax:marketing", "sms:marketing"],
    }

    client.post(address(sent), given)

    assert agreed(sent) == {("email", "marketing")}
    assert not Consent.objects.filter(topic="secret").exists()


def test_a_topic_that_nobody_offers_any_more_can_be_left(client, sent):
    ConsentTopic.objects.filter(key="marketing").delete()

    page = client.get(address(sent)).content.decode()
    client.post(address(sent), {"shown": SHOWN})

    assert 'value="email:marketing" checked' in page
    assert agreed(sent) == set()


def test_leaving_everything_is_one_button(client, sent):
    client.post(address(sent), {"shown": SHOWN, "wish": SHOWN})
    client.post(address(sent), {"act": "all"})

    assert agreed(sent) == set()


def test_a_pause_holds_everything_back_and_then_goes_on(client, sent):
    page = client.post(address(sent), {"act": "pause", "days": "30"}).content.decode()

    assert "You hear nothing until" in page and "checked" in page
    assert agreed(sent) == set()
    until = Pause.objects.get().until
    assert preferences.end_pauses(now=until - DAY) == 0
    assert preferences.end_pauses(now=until) == 1
    assert preferences.end_pauses(now=until) == 0
    assert agreed(sent) == {("email", "marketing")}
    assert "pause" in Consent.objects.get(source="pause_over").proof_text


def test_who_leaves_during_a_pause_has_left(client, sent):
    client.post(address(sent), {"act": "pause", "days": "30"})
    client.post(address(sent), {"act": "all"})

    preferences.end_pauses(now=Pause.objects.get().until + DAY)

    assert agreed(sent) == set()


def test_saving_a_paused_page_unchanged_keeps_the_pause(client, sent):
    client.post(address(sent), {"act": "pause", "days": "14"})
    client.post(address(sent), {"shown": SHOWN, "wish": ["email:marketing"]})

    assert agreed(sent) == set() and Pause.objects.get().ended_at is None


def test_a_pause_can_be_ended_and_made_longer(sent):
    customer = sent.customer
    for days in (14, 90):
        preferences.pause(customer.pk, days=days, proof=Proof(), now=NOW)
    assert Pause.objects.get(ended_at=None).until == NOW + 90 * DAY

    assert preferences.resume(customer.pk, now=NOW + DAY) == 1
    assert preferences.resume(customer.pk, now=NOW + DAY) == 0

    assert agreed(sent) == {("email", "marketing")}


@pytest.mark.parametrize("days", ["", "7", "-1", "x", "1e9", "٣٠"])
def test_a_pause_of_another_length_is_none(client, sent, days):
    client.post(address(sent), {"act": "pause", "days": days})

    assert not Pause.objects.exists()


@pytest.mark.parametrize(
    ("own", "browser", "said"),
    [
        ("fr-CA", "de", "Nouveautés"),
        ("de", "", "Speichern"),
        ("", "da;q=0.4, de;q=0.8, fr", "Nouveautés"),
        ("ja", "ja", "News and offers"),
    ],
)
def test_the_page_speaks_the_persons_language(client, sent, own, browser, said):
    Customer.objects.filter(pk=sent.customer_id).update(language=own)

    page = client.get(address(sent), HTTP_ACCEPT_LANGUAGE=browser).content.decode()

    assert said in page
    unsubscribe = links.write(composing.key(), "u", sent.pk, day=date(2026, 6, 1))
    assert client.get(f"/m/u/{unsubscribe}").status_code == 200


def test_a_language_can_be_chosen(client, sent):
    page = client.post(
        address(sent), {"shown": SHOWN, "wish": SHOWN, "language": "de"}
    ).content.decode()

    assert Customer.objects.get(pk=sent.customer_id).language == "de"
    assert "Wovon möchten Sie hören?" in page
    client.post(address(sent), {"language": "<script>"})
    assert Customer.objects.get(pk=sent.customer_id).language == "de"


def test_forged_tokens_and_the_erased_find_nothing(client, sent):
    mine = address(sent)
    other = links.write(composing.key(), "u", sent.pk, day=date(2026, 6, 1))
    for forged in (f"{mine}A", mine[:-1], f"/m/p/{other}", "/m/p/x"):
        assert client.get(forged).status_code == 404
        assert client.post(forged, {"act": "all"}).status_code == 404
    Customer.objects.filter(pk=sent.customer_id).update(erased_at=timezone.now())
    assert client.get(mine).status_code == 404
    assert agreed(sent) == {("email", "marketing")}


def test_the_unsubscribe_page_leads_here(client, sent):
    token = links.write(composing.key(), "u", sent.pk, day=date(2026, 6, 1))

    page = client.get(f"/m/u/{token}").content.decode()

    assert address(sent) in page


def test_topics_are_made_changed_and_deleted_on_their_page(client):
    client.force_login(make_staff("marketer"))
    given = {
        "key": "tips",
        "name": "<b>Tips</b>",
        "channels": ["email"],
        "position": "5",
        "is_offered": "on",
        "name_fr": "Conseils",
    }

    assert client.post("/settings/topics/new/", given).status_code == 302
    topic = ConsentTopic.objects.get()
    assert topic.translations == {"fr": {"name": "Conseils", "description": ""}}
    assert "&lt;b&gt;Tips" in client.get("/settings/topics/").content.decode()
    assert client.post("/settings/topics/new/", given).status_code == 400
    client.post(f"/settings/topics/{topic.pk}/", {**given, "key": "other", "name": "Hints"})
    topic.refresh_from_db()
    assert (topic.key, topic.name) == ("tips", "Hints")
    client.post(f"/settings/topics/{topic.pk}/delete/")
    assert not ConsentTopic.objects.exists()
