import pytest

from campaigns.channels import chosen, esp
from campaigns.channels.channel import ChannelAway, Outgoing, Verdict
from campaigns.models import Campaign, Message
from campaigns.services import delivery
from tests.campaigns.esp_services import HANG_UP, TOKEN, Service
from tests.campaigns.ledger import make_sending, states
from tests.makers import NOW

DATA = (
    b"From: =?utf-8?q?The_sh=C3=B6p?= <shop@example.com>\r\nTo: ada@example.com\r\n"
    b"Subject: =?utf-8?q?For_you=2C_Ad=C3=A4?=\r\nMessage-ID: <rapport-7@example.com>\r\n"
    b"Date: Mon, 01 Jun 2026 12:00:00 +0000\r\nMIME-Version: 1.0\r\n"
    b"List-Unsubscribe: <https://shop.example/m/u/x>\r\n"
    b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
    b'Content-Type: multipart/alternative; boundary="b"\r\n\r\n'
    b"--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nHello\r\n"
    b"--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>Hello</p>\r\n--b--\r\n"
)


@pytest.fixture
def service():
    with Service() as service:
        yield service


def postmark(service: Service, token: str = TOKEN) -> str:
    return f"anymail+postmark://{token}@?api_url={service.url}"


def mail(number: int | None = 7) -> Outgoing:
    return Outgoing(number, "shop@example.com", "ada@example.com", DATA)


def send(url: str, *mails: Outgoing) -> list:
    with esp.channel(url).open() as session:
        return list(session.send(mails or (mail(),)))


def test_postmark_takes_what_we_wrote_and_names_it(service):
    (result,) = send(postmark(service))

    taken = service.taken[0]
    assert result.verdict is Verdict.ACCEPTED
    assert result.provider_id == "b7bc2f4a-e38e-4336-af7d-000000000000"
    assert taken["To"] == "ada@example.com"
    assert (taken["Subject"], taken["TextBody"].strip()) == ("For you, Adä", "Hello")
    assert taken["HtmlBody"].strip() == "<p>Hello</p>"
    assert "The shöp" in taken["From"] and "shop@example.com" in taken["From"]
    headers = {one["Name"].lower(): one["Value"] for one in taken["Headers"]}
    assert headers == {
        "list-unsubscribe": "<https://shop.example/m/u/x>",
        "list-unsubscribe-post": "List-Unsubscribe=One-Click",
    }
    assert taken["Metadata"] == {esp.MESSAGE_KEY: "7"}


def test_mailgun_takes_it_too(service):
    url = f"anymail+mailgun://{TOKEN}@mg.shop.example?api_url={service.url}/v3"

    (result,) = send(url)

    assert (result.verdict, result.provider_id) == (Verdict.ACCEPTED, "<0.mail@mg.shop.example>")
    taken = service.taken[0]
    assert (taken["to"], taken["subject"]) == ("ada@example.com", "For you, Adä")
    assert taken["h:List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert taken[f"v:{esp.MESSAGE_KEY}"] == "7"


def test_the_connection_is_kept(service):
    results = send(postmark(service), *[mail(number) for number in range(5)])

    assert [one.verdict for one in results] == [Verdict.ACCEPTED] * 5
    assert service.connections == 1


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (429, Verdict.TRY_LATER),
        (503, Verdict.TRY_LATER),
        (401, Verdict.TRY_LATER),  # a wrong token is the house's fault, not the recipient's
        (422, Verdict.REFUSED),
        (413, Verdict.REFUSED),
        (500, Verdict.AMBIGUOUS),
        (502, Verdict.AMBIGUOUS),
        (HANG_UP, Verdict.AMBIGUOUS),
    ],
)
def test_each_answer_says_what_became_of_the_message(service, status, verdict):
    service.answers = [status]

    (result, after) = send(postmark(service), mail(1), mail(2))

    assert result.verdict is verdict, result
    assert TOKEN not in result.detail
    assert after.verdict is Verdict.ACCEPTED


def test_a_recipient_the_provider_knows_to_be_dead_is_refused(service):
    service.inactive = {"ada@example.com"}

    (result,) = send(postmark(service))

    assert result.verdict is Verdict.REFUSED
    assert "inactive" in result.detail


def test_an_answer_that_does_not_come_in_time_leaves_it_open(service, monkeypatch):
    monkeypatch.setattr(esp, "ANSWER_SECONDS", 0.1)
    service.seconds = 0.5

    (result,) = send(postmark(service))

    assert result.verdict is Verdict.AMBIGUOUS


def test_a_service_that_is_not_there_is_away():
    with Service() as gone:
        url = postmark(gone)

    with pytest.raises(ChannelAway, match="127.0.0.1"):
        send(url)


def test_a_service_that_goes_away_in_between_has_taken_nothing_more(service):
    with esp.channel(postmark(service)).open() as session:
        assert next(iter(session.send([mail(1)]))).verdict is Verdict.ACCEPTED
        session._backend.api_url = "http://127.0.0.1:9/"
        results = list(session.send([mail(2), mail(3)]))

    assert [one.verdict for one in results] == [Verdict.NOT_TRIED] * 2
    assert not session.is_open


@pytest.mark.parametrize(
    "url",
    [
        "anymail+nobody://token@",
        "anymail+postmark://",
        "anymail+mailgun://token@",
        "anymail+mailgun://token@mg.example?region=moon",
    ],
)
def test_an_address_that_lacks_something_is_refused_without_its_token(url):
    with pytest.raises(ValueError) as refusal:
        chosen.url_way(url)

    assert "token@" not in str(refusal.value)


@pytest.mark.django_db
def test_a_campaign_through_a_provider_is_sent_once_and_what_is_open_never_again(service, settings):
    settings.EMAIL_URL = postmark(service)
    service.answers = [200, HANG_UP, 200, 200]
    campaign = make_sending(4)

    delivery.deliver(campaign.pk, now=NOW)
    delivery.deliver(campaign.pk, now=NOW)

    assert states(campaign) == {"sent": 3, "unknown:connection_lost": 1}
    assert len(service.taken) == 4, "the one that is open was taken, and not sent again"
    assert Message.objects.filter(state="sent").exclude(provider_id="").count() == 3
    campaign.refresh_from_db()
    assert campaign.state == Campaign.State.FINISHED
