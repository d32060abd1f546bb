"""Webhooks of three providers, with payloads as their documentation shows them."""

import base64
import hashlib
import hmac
import json
import warnings
from datetime import timedelta
from itertools import permutations

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.utils import timezone

from campaigns.models import Message, Outcome, ProviderEvent
from campaigns.services import arrivals
from customers.models import Suppression
from tests.campaigns.ledger import make_sending
from tests.makers import NOW, make_cast

pytestmark = pytest.mark.django_db
PASSWORD = "rapport:correct-horse"
BASIC = {"HTTP_AUTHORIZATION": "Basic " + base64.b64encode(PASSWORD.encode()).decode()}
MAILGUN_KEY = "key-3ax6xnjp29jd6fds4gc373sgvjxteol0"
SENDGRID_KEY = ec.derive_private_key(7, ec.SECP256R1())
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
STAMP = int((NOW + timedelta(minutes=5)).timestamp())


@pytest.fixture
def sent(settings) -> Message:
    settings.ESP_WEBHOOK_PASSWORDS = [PASSWORD]
    settings.MAILGUN_WEBHOOK_KEY = MAILGUN_KEY
    public = SENDGRID_KEY.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    settings.SENDGRID_WEBHOOK_KEY = base64.b64encode(public).decode()
    make_sending([make_cast()["ada"]])
    Message.objects.update(state="sent", sent_at=NOW, finished_at=NOW)
    return Message.objects.get()


def postmark(message: Message, record: str, **given) -> tuple[str, dict]:
    """https://postmarkapp.com/developer/webhooks/webhooks-overview"""
    moment = (NOW + timedelta(minutes=5)).isoformat()
    base = {
        "RecordType": record,
        "ServerID": 23,
        "MessageStream": "broadcast",
        "MessageID": "00000000-0000-0000-0000-000000000000",
        "Metadata": {"rapport_message_id": str(message.pk)},
        "Tag": "",
    }
    more = {
        "Delivery": {
            "Recipient": "ada@example.com",
            "DeliveredAt": moment,
            "Details": "smtp;250 2.0.0 OK l20si21222",
        },
        "Bounce": {
            "ID": 42,
            "Type": "HardBounce",
            "TypeCode": 1,
            "Name": "Hard bounce",
            "Description": "The server was unable to deliver your message",
            "Details": "smtp;550 5.1.1 The email account that you tried to reach does not exist",
            "Email": "ada@example.com",
            "From": "shop@example.com",
            "BouncedAt": moment,
            "DumpAvailable": True,
            "Inactive": True,
            "CanActivate": True,
            "Subject": "News",
        },
        "SpamComplaint": {
            "ID": 43,
            "Type": "SpamComplaint",
            "TypeCode": 512,
            "Name": "Spam complaint",
            "Details": "",
            "Email": "ada@example.com",
            "From": "shop@example.com",
            "BouncedAt": moment,
            "Subject": "News",
        },
        "Open": {
            "FirstOpen": True,
            "Recipient": "ada@example.com",
            "ReceivedAt": moment,
            "Platform": "Desktop",
            "ReadSeconds": 5,
            "UserAgent": FIREFOX,
            "Geo": {},
        },
    }[record]
    return json.dumps(base | more | given), BASIC


def mailgun(message: Message, event: str, **given) -> tuple[str, dict]:
    """https://documentation.mailgun.com/docs/mailgun/user-manual/events/"""
    token = hashlib.sha256(f"{event}{given}".encode()).hexdigest()[:50]
    signature = hmac.new(MAILGUN_KEY.encode(), f"{STAMP}{token}".encode(), "sha256").hexdigest()
    data = {
        "id": "CPgfbmQMTCKtHW6uIWtuVe",
        "timestamp": STAMP + 0.25,
        "event": event,
        "recipient": "ada@example.com",
        "recipient-domain": "example.com",
        "message": {"headers": {"message-id": "20260601120000.1.ABC@mg.shop.example"}},
        "user-variables": {"rapport_message_id": str(message.pk)},
        "tags": [],
        "flags": {},
    }
    more: dict = {
        "delivered": {"delivery-status": {"code": 250, "message": "OK", "description": ""}},
        "failed": {
            "severity": "permanent",
            "reason": "bounce",
            "delivery-status": {
                "code": 550,
                "enhanced-code": "5.1.1",
                "message": "5.1.1 The email account that you tried to reach does not exist",
                "description": "",
                "attempt-no": 1,
            },
        },
        "complained": {},
        "opened": {"client-info": {"client-name": "Firefox", "user-agent": FIREFOX, "bot": ""}},
    }[event]
    signed = {"timestamp": str(STAMP), "token": token, "signature": signature}
    return json.dumps({"signature": signed, "event-data": data | more | given}), {}


def sendgrid(message: Message, event: str, **given) -> tuple[str, dict]:
    """https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event"""
    base = {
        "email": "ada@example.com",
        "timestamp": STAMP,
        "smtp-id": "<14c5d75ce93.dfd.64b469@ismtpd-555>",
        "event": event,
        "category": [],
        "sg_event_id": f"ID-{event}",
        "sg_message_id": "14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0",
        "rapport_message_id": str(message.pk),
    }
    more = {
        "delivered": {"response": "250 OK"},
        "bounce": {
            "reason": "550 5.1.1 The email account that you tried to reach does not exist",
            "status": "5.1.1",
            "type": "bounce",
            "bounce_classification": "Invalid Address",
        },
        "spamreport": {},
        "open": {"useragent": FIREFOX, "ip": "203.0.113.9", "sg_machine_open": False},
        "deferred": {"response": "400 try again later", "attempt": "5"},
    }[event]
    body = json.dumps([base | more | given])
    return body, sendgrid_headers(body)


def sendgrid_headers(body: str) -> dict:
    stamp = str(STAMP)
    signature = SENDGRID_KEY.sign((stamp + body).encode(), ec.ECDSA(hashes.SHA256()))
    return {
        "HTTP_X_TWILIO_EMAIL_EVENT_WEBHOOK_SIGNATURE": base64.b64encode(signature).decode(),
        "HTTP_X_TWILIO_EMAIL_EVENT_WEBHOOK_TIMESTAMP": stamp,
    }


PROVIDERS = {
    "postmark": (postmark, ["Delivery", "Bounce", "SpamComplaint", "Open"]),
    "mailgun": (mailgun, ["delivered", "failed", "complained", "opened"]),
    "sendgrid": (sendgrid, ["delivered", "bounce", "spamreport", "open"]),
}


def post(client, provider: str, payload: tuple[str, dict]):
    body, headers = payload
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return client.post(f"/v1/returns/{provider}", body, "application/json", **headers)


def end() -> tuple:
    return (
        Message.objects.get().state,
        sorted(Outcome.objects.values_list("kind", "key", "is_machine", "happened_at")),
        list(Suppression.objects.values_list("address_sha256", flat=True)),
    )


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_event_twice_and_in_any_order_leads_to_one_end(client, sent, provider):
    make, events = PROVIDERS[provider]
    ends = set()
    for number, order in enumerate(permutations(events)):
        if number % 11:  # three of the twenty-four orders
            continue
        Outcome.objects.all().delete()
        Suppression.objects.all().delete()
        Message.objects.update(state="sent")
        for event in (*order, *reversed(order)):
            assert post(client, provider, make(sent, event)).status_code == 200
        ends.add(str(end()))

    state, outcomes, suppressed = end()
    assert len(ends) == 1
    assert state == "complained" and len(suppressed) == 1
    assert [(kind, key) for kind, key, _m, _at in outcomes] == [
        ("bounce", "hard"), ("complaint", ""), ("delivered", ""), ("open", "")
    ]  # fmt: skip
    assert not any(is_machine for _k, _key, is_machine, _at in outcomes)


@pytest.mark.parametrize(
    ("provider", "payload", "kind", "key", "suppressed"),
    [
        ("postmark", ("Bounce", {"Type": "SoftBounce", "Details": "552 5.2.2 full"}), "bounce",
         "soft", 0),
        ("postmark", ("Bounce", {"Type": "Transient"}), None, None, 0),
        ("postmark", ("Bounce", {"Type": "Blocked"}), "bounce", "failed", 0),
        ("postmark", ("Bounce", {"Type": "BadEmailAddress"}), "bounce", "hard", 1),
        ("postmark", ("Open", {"UserAgent": "Mozilla/5.0"}), "open", "", 0),
        ("mailgun", ("failed", {"severity": "temporary"}), None, None, 0),
        ("mailgun", ("failed", {"delivery-status": {"enhanced-code": "5.7.1", "message": "spam"}}),
         "bounce", "soft", 0),
        ("sendgrid", ("bounce", {"type": "blocked"}), "bounce", "soft", 0),
        ("sendgrid", ("deferred", {}), None, None, 0),
        ("sendgrid", ("open", {"sg_machine_open": True}), "open", "", 0),
    ],
)  # fmt: skip
def test_what_each_provider_means(client, sent, provider, payload, kind, key, suppressed):
    event, given = payload

    assert post(client, provider, PROVIDERS[provider][0](sent, event, **given)).status_code == 200

    found = Outcome.objects.values_list("kind", "key").first()
    assert found == ((kind, key) if kind else None)
    assert Suppression.objects.count() == suppressed


def test_a_message_is_found_by_its_name_at_the_provider(client, sent):
    Message.objects.update(provider_id="00000000-0000-0000-0000-000000000000")

    post(client, "postmark", postmark(sent, "Delivery", Metadata={}))

    assert Message.objects.get().state == "delivered"


def test_a_report_that_overtakes_the_record_waits(client, sent):
    Message.objects.update(state="sending", sent_at=None, sending_since=NOW)
    post(client, "postmark", postmark(sent, "Delivery"))
    assert Message.objects.get().state == "sending"

    Message.objects.update(state="sent", sent_at=NOW)
    arrivals.place_waiting(now=timezone.now())

    assert Message.objects.get().state == "delivered"


@pytest.mark.parametrize("provider", PROVIDERS)
def test_who_cannot_prove_it_changes_nothing(client, sent, provider):
    make, events = PROVIDERS[provider]
    body, _headers = make(sent, events[1])
    forged = body.replace("ada@example.com", "victim@example.com")
    wrong = {"HTTP_AUTHORIZATION": "Basic " + base64.b64encode(b"rapport:wrong").decode()}
    tries = [("{}", {}), (body, wrong), (forged, sendgrid_headers(body)), ("x", wrong)]
    if provider == "mailgun":
        given = json.loads(body)
        given["signature"]["token"] = "0" * 50
        tries = [("{}", {}), (json.dumps(given), BASIC), ("\xff", BASIC)]

    for one in tries:
        assert post(client, provider, one).status_code == 401, one

    assert end() == ("sent", [], [])
    assert not ProviderEvent.objects.exists()


def test_nothing_is_open_before_a_key_is_set(client, sent, settings):
    settings.ESP_WEBHOOK_PASSWORDS = []
    settings.MAILGUN_WEBHOOK_KEY = settings.SENDGRID_WEBHOOK_KEY = ""

    for provider, (make, events) in PROVIDERS.items():
        assert post(client, provider, make(sent, events[0])).status_code == 401
    assert client.post("/v1/returns/nobody").status_code == 404


def test_what_cannot_be_read_is_kept_as_rejected(client, sent):
    for body in ("[1, 2]", '{"RecordType": "Delivery", "DeliveredAt": 7}', "x"):
        assert post(client, "postmark", (body, BASIC)).status_code == 400

    rejected = ProviderEvent.objects.filter(state="rejected")
    assert rejected.count() == 3
    assert all("cannot be read" in one.reason for one in rejected)


@pytest.mark.parametrize("number", ["-1", "x", "9" * 30, "٣", "0; DROP TABLE"])
def test_a_number_that_is_none_of_ours_finds_nobody(client, sent, number):
    metadata = {"rapport_message_id": number}

    assert post(client, "postmark", postmark(sent, "Bounce", Metadata=metadata)).status_code == 200

    assert end() == ("sent", [], [])
