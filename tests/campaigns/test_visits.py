"""People and programs that load pictures and follow links are told apart."""

import re
from datetime import timedelta
from email import message_from_bytes, policy

import pytest
from django.utils import timezone

from campaigns.messages.visits import Visit, bursts, is_machine_click, is_machine_open
from campaigns.models import LinkVisit, Message, Outcome
from campaigns.services import arrivals, composing, visits
from campaigns.services.arrivals import Arrival
from customers.models import Event
from customers.services import consent
from tests.campaigns.ledger import make_sending
from tests.makers import NOW, make_cast

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Mobile/15E148"
)
GMAIL = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
GMAIL_AHEAD = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/42.0.2311.135 Safari/537.36 Edge/12.246 Mozilla/5.0"
)
YAHOO = "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html"
SECOND, DAY = timedelta(seconds=1), timedelta(days=1)


@pytest.mark.parametrize(
    ("is_machine", "visit"),
    [
        (False, Visit(agent=FIREFOX, seconds=60)),
        (False, Visit(agent=IPHONE, seconds=3)),
        (False, Visit(agent=GMAIL, seconds=60)),
        (False, Visit(agent=YAHOO, seconds=3600)),
        (True, Visit(agent=GMAIL, seconds=5)),  # fetched ahead, at the delivery
        (True, Visit(agent=YAHOO, seconds=1)),
        (True, Visit(agent=GMAIL_AHEAD, seconds=3600)),
        (True, Visit(agent="Mozilla/5.0", seconds=3600)),  # Apple's privacy protection
        (True, Visit(agent="", seconds=3600)),
        (True, Visit(agent=FIREFOX, seconds=0.5)),
        (True, Visit(agent=FIREFOX, seconds=None)),  # before it left
        (True, Visit(method="HEAD", agent=FIREFOX, seconds=60)),
        (True, Visit(agent=FIREFOX, seconds=60, purpose="prefetch;prerender")),
        (True, Visit(agent=FIREFOX, seconds=60, purpose=" Preview")),
        (True, Visit(agent="Barracuda Sentinel (EE)", seconds=60)),
        (True, Visit(agent="Microsoft Office/16.0 (Windows NT 10.0)", seconds=60)),
        (True, Visit(agent="Slackbot-LinkExpanding 1.0", seconds=60)),
    ],
)
def test_opens_of_people_and_of_programs(is_machine, visit):
    assert is_machine_open(visit) is is_machine


@pytest.mark.parametrize(
    ("is_machine", "visit"),
    [
        (False, Visit(agent=FIREFOX, seconds=20)),
        (False, Visit(agent=IPHONE, seconds=20, is_delivered=True)),
        (True, Visit(agent=FIREFOX, seconds=1)),
        (True, Visit(agent=FIREFOX, seconds=None)),
        (True, Visit(agent=FIREFOX, seconds=20, is_delivered=False)),
        (True, Visit(method="HEAD", agent=FIREFOX, seconds=20)),
        (True, Visit(agent="python-requests/2.32", seconds=20)),
        (True, Visit(agent="Mozilla/5.0 (compatible; Proofpoint URL Defense)", seconds=20)),
        (True, Visit(agent="WhatsApp/2.23", seconds=20)),
    ],
)
def test_clicks_of_people_and_of_programs(is_machine, visit):
    assert is_machine_click(visit) is is_machine


@pytest.mark.parametrize(
    ("followed", "scans"),
    [
        ([], []),
        ([("1", 0)], [False]),
        ([("1", 0), ("1", 0.5)], [False, False]),  # a double click
        ([("1", 0), ("2", 0.5)], [True, True]),
        ([("2", 0.5), ("1", 0)], [True, True]),
        ([("1", 0), ("2", 1.5), ("3", 3), ("1", 4)], [True] * 4),
        ([("1", 0), ("2", 30)], [False, False]),  # a reader
        ([("1", 0), ("unsubscribe", 1), ("1", 40)], [True, True, False]),
    ],
)
def test_links_followed_together_are_a_scan(followed, scans):
    assert bursts(followed) == scans


@pytest.fixture
def sent(db) -> Message:
    make_sending([make_cast()["ada"]])
    Message.objects.update(state="sent", sent_at=NOW)
    return Message.objects.get()


def follow(message: Message, link: str, seconds: float, agent: str = FIREFOX) -> None:
    visits.followed(
        message.pk,
        Visit(agent=agent),
        url=f"https://x.example/{link}",
        key=link,
        now=NOW + seconds * SECOND,
    )


def clicks() -> list[tuple[str, bool]]:
    return sorted(Outcome.objects.filter(kind="click").values_list("key", "is_machine"))


def test_a_person_who_comes_after_the_scanner_is_a_person(sent):
    for number, link in enumerate("123"):
        follow(sent, link, 10 + number)
    assert visits.settle(now=NOW + 20 * SECOND) == 3
    follow(sent, "2", 600)
    visits.settle(now=NOW + 700 * SECOND)

    assert clicks() == [("1", True), ("2", False), ("2", True), ("3", True)]
    told = Event.objects.get(name="Email Link Clicked")
    assert told.properties["link_id"] == "2"


def test_a_click_is_judged_when_its_message_is_quiet(sent):
    follow(sent, "1", 60)

    assert visits.settle(now=NOW + 61 * SECOND) == 0
    assert visits.settle(now=NOW + 66 * SECOND) == 1
    assert visits.settle(now=NOW + 70 * SECOND) == 0

    assert clicks() == [("1", False)]
    assert Outcome.objects.get().happened_at == NOW + 60 * SECOND


def test_nobody_keeps_a_visit_from_being_judged_by_visiting_on(sent):
    for seconds in range(10, 80, 4):
        follow(sent, "1", seconds)

    assert visits.settle(now=NOW + 79 * SECOND) > 0


def test_a_click_before_the_delivery_was_not_hers(sent):
    follow(sent, "1", 10)
    arrivals.record([Arrival("delivered", NOW + 14 * SECOND, sent.pk)], now=NOW + 15 * SECOND)

    visits.settle(now=NOW + 20 * SECOND)

    assert clicks() == [("1", True)]


def test_asking_often_keeps_one_row_a_second(sent):
    for _again in range(50):
        follow(sent, "1", 60)

    assert LinkVisit.objects.count() == 1


def test_a_program_that_says_so_is_counted_at_once_and_apart(sent):
    follow(sent, "1", 60, agent="curl/8")

    assert clicks() == [("1", True)]
    assert not LinkVisit.objects.exists() and not Event.objects.filter(source="rapport").exists()


def test_a_scanner_that_follows_every_link_of_a_real_message_does_nothing_to_its_reader(
    client, sent
):
    person = composing.person(sent.customer_id)
    mail = composing.Composer(sent.campaign).write(sent.pk, person, now=timezone.now())
    message = message_from_bytes(mail.data, policy=policy.default)
    html = message.get_body(("html",)).get_content()
    links = {*re.findall(r'(?:href|src|action)="http://127.0.0.1:8000(/m/[^"]+)"', html)}
    links.add(re.search(r"<http://127.0.0.1:8000(/m/[^>]+)>", message["List-Unsubscribe"])[1])

    for link in sorted(links):
        for ask in (client.head, client.get):
            answer = ask(link, HTTP_USER_AGENT=FIREFOX)
            for action in re.findall(r'action="([^"]*)"', answer.content.decode("latin-1")):
                client.get(action or link, {"List-Unsubscribe": "One-Click"})
        client.get(f"{link}?List-Unsubscribe=One-Click", HTTP_USER_AGENT=FIREFOX)
    visits.settle(now=timezone.now() + DAY)

    assert len(links) >= 3
    assert consent.allows(sent.customer_id, "email", "marketing")
    assert not Outcome.objects.filter(kind="click", is_machine=False).exists()
    assert not Outcome.objects.filter(kind="unsubscribe").exists()
