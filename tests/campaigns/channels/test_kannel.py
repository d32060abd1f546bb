from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client

from campaigns.channels import gateway, kannel, others, reports
from campaigns.channels.channel import Outgoing, Verdict
from campaigns.models import InboundText, Message
from campaigns.services import delivery
from customers.services import consent
from tests.campaigns.channels.gateways import HttpServer
from tests.campaigns.channels.texting import NUMBERS, make_people, make_texting
from tests.campaigns.ledger import states
from tests.makers import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def listening():
    with HttpServer() as server:
        yield server


@pytest.fixture
def server(listening, settings):
    settings.SITE_URL = "https://crm.shop.example"
    settings.SMS_URL = f"kannel://tester:p%2Fw@{listening.place}/?from=13013"
    listening.rule, listening.asked = lambda *_: (202, "0: Accepted for delivery"), []
    gateway._rests.clear()
    return listening


def asked(server: HttpServer) -> list[dict[str, str]]:
    sends = [path for _m, path, _h, _b in server.asked if path.startswith("/cgi-bin/sendsms")]
    return [
        {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}
        for path in sends
    ]


def send(text: str) -> tuple:
    with others.sms(lambda: NOW).open() as session:
        (result,) = session.send([Outgoing(7, "", NUMBERS["ada"], text.encode())])
    return result.verdict, result.detail


def test_a_text_is_asked_for_as_kannel_wants_it(server):
    assert send("Hëllo? €5")[0] is Verdict.ACCEPTED

    (said,) = asked(server)
    assert (said["username"], said["password"], said["from"]) == ("tester", "p/w", "13013")
    assert (said["to"], said["text"], said["charset"]) == (NUMBERS["ada"], "Hëllo? €5", "UTF-8")
    assert said["coding"] == kannel.CODING_UCS2 and said["dlr-mask"] == "19"
    assert said["dlr-url"].endswith("?status=%d&said=%A")
    assert reports.message_id("kannel", urlsplit(said["dlr-url"]).path.split("/")[-1]) == 7

    send("Hello")
    assert asked(server)[1]["coding"] == kannel.CODING_GSM


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        ((202, "3: Queued for later delivery"), Verdict.ACCEPTED),
        ((400, "Number is malformed"), Verdict.REFUSED),
        ((403, "Authorization failed for sendsms"), Verdict.NOT_TRIED),
        ((503, "Temporal failure, try again later."), Verdict.TRY_LATER),
        ((500, "?"), Verdict.AMBIGUOUS),
    ],
)
def test_each_answer_has_its_verdict(server, answer, verdict):
    server.rule = lambda _method, path, *_: answer if "sendsms" in path else (404, "")

    assert send("Hi")[0] is verdict


def test_reports_and_answers_come_in_by_signed_addresses_alone(server):
    people = make_people()
    campaign = make_texting(list(people.values()))
    delivery.deliver(campaign.pk, now=NOW)
    client = Client()
    for said, status in zip(sorted(asked(server), key=lambda one: one["to"]), "182", strict=True):
        path = urlsplit(said["dlr-url"]).path
        for _twice in range(2):
            assert client.get(path, {"status": status, "said": "DELIVRD"}).status_code == 200
        assert client.get(f"{path}x", {"status": "2"}).status_code == 404

    found = dict(Message.objects.values_list("customer__first_name", "state"))
    assert found == {"Ada": "delivered", "Bob": "sent", "Eve": "bounced"}

    inbound = urlsplit(reports.inbound_url("kannel")).path
    text = {"from": "33600000002", "to": "13013", "text": "STOP", "id": "abc"}
    assert b"no more messages" in client.get(inbound, text).content
    assert client.get(f"{inbound}x", text).status_code == 404
    assert client.get(inbound.replace("kannel", "twilio"), text).status_code in (404, 405)
    assert not consent.allows(people["bob"].pk, "sms", "marketing")
    assert InboundText.objects.get().provider_id == "abc"


def test_a_gateway_that_is_away_tries_nobody(server, settings, monkeypatch):
    monkeypatch.setattr(delivery, "AWAY_SECONDS", 0)
    settings.SMS_URL = "kannel://tester:secret-word@127.0.0.1:9/?from=13013"
    campaign = make_texting([make_people()["ada"]])

    delivery.deliver(campaign.pk, now=NOW)

    campaign.refresh_from_db()
    assert states(campaign) == {"planned": 1} and campaign.state == "paused"
    assert "Kannel" in campaign.state_reason and "secret-word" not in campaign.state_reason


def test_what_was_on_its_way_when_sending_stops_is_told(server):
    batch = [Outgoing(n, "", f"+3360000{n:04d}", b"Hi") for n in range(30)]
    with others.sms(lambda: NOW).open() as session:
        sending = session.send(batch)
        told = [next(sending) for _ in range(3)]
        sending.close()

    known = [one.message_id for one in [*told, *session.late]]
    assert known == sorted(known) and len(known) == len(asked(server))
    assert {one.verdict for one in session.late} <= {Verdict.ACCEPTED}
