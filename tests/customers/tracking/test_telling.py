"""Who may learn whose segments: everybody has the key of a browser, only the shop its server's."""

import pytest

from customers.models import RejectedMessage
from customers.services import conclusions
from customers.services.tracking import pulse
from tests.customers.tracking.calls import make_key, send, track

pytestmark = pytest.mark.django_db

BROWSER = "a-browser-nobody-can-guess"


@pytest.fixture(autouse=True)
def rich(monkeypatch):
    """Everybody is in one segment."""
    everybody = [lambda customer_ids, now: {pk: ["rich"] for pk in customer_ids}]
    monkeypatch.setattr(conclusions, "_registered", everybody)


@pytest.fixture
def browser(db):
    return make_key()


@pytest.fixture
def server(db):
    return make_key(kind="server")


def test_a_browser_that_names_a_victim_learns_nothing_and_a_server_does(browser, server):
    track(server, "Song Played", userId="victim")

    assert track(browser, "Song Played", userId="victim").json()["segments"] == {}
    assert track(server, "Song Played", userId="victim").json()["segments"] == {"victim": ["rich"]}


def test_a_visitor_whom_nobody_knows_learns_of_herself(browser):
    answer = track(browser, "Song Played", anonymousId=BROWSER)

    assert answer.json()["segments"] == {BROWSER: ["rich"]}


@pytest.mark.parametrize(
    "named",
    [
        {"userId": "victim"},
        {"context": {"traits": {"email": "victim@example.com"}}},
        {"context": {"traits": {"phone": "+33123456789"}}},
    ],
    ids=["userId", "email", "phone"],
)
def test_a_browser_that_names_anybody_learns_of_nobody_in_the_call(browser, named):
    said = {"type": "track", "event": "Song Played", "anonymousId": BROWSER}
    stranger = {**said, "anonymousId": "another-browser-that-is-long"}

    answer = send(browser, "batch", {"batch": [stranger, {**said, **named}]})

    assert (answer.json()["stored"], answer.json()["segments"]) == (2, {})


def test_an_identify_by_address_alone_learns_nothing(browser):
    said = {"anonymousId": BROWSER, "traits": {"email": "victim@example.com"}}

    assert send(browser, "identify", said).json()["segments"] == {}


@pytest.mark.parametrize(
    "known_by",
    [
        {"userId": "u1"},
        {"traits": {"email": "ada@example.com"}},
        {"traits": {"phone": "+33123456"}},
    ],
    ids=["userId", "email", "phone"],
)
def test_the_browser_of_a_known_customer_learns_nothing(browser, server, known_by):
    send(browser, "identify", {"anonymousId": BROWSER, **known_by})

    assert track(browser, "Song Played", anonymousId=BROWSER).json()["segments"] == {}
    assert track(server, "Song Played", anonymousId=BROWSER).json()["segments"] == {
        BROWSER: ["rich"]
    }


def test_an_id_that_can_be_guessed_learns_nothing(browser):
    assert track(browser, "Song Played", anonymousId="a" * 15).json()["segments"] == {}
    assert track(browser, "Song Played", anonymousId="a" * 16).json()["segments"] != {}


def test_the_key_of_a_server_is_neither_kept_nor_shown_with_its_messages(server):
    track(server, "Song Played")
    send(server, "track", {"userId": "u1"})

    assert server.key not in RejectedMessage.objects.get().payload
    shown = [one.payload for _key, one in pulse.live([server])]
    assert len(shown) == 2
    assert server.key not in "".join(shown)
