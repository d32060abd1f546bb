"""Bounces and complaints that come by mail."""

import io
from email import message_from_bytes, policy

import pytest
from django.core.management import call_command

from campaigns.messages import bounces, reports_read
from campaigns.models import Message, Outcome, ProviderEvent
from campaigns.services import composing, mail_reports
from customers.models import Customer, Suppression
from customers.services import consent
from tests.campaigns import reported
from tests.campaigns.ledger import make_sending
from tests.makers import NOW, make_cast

PLAIN = {
    "to": "shop@example.com",
    "recipient": "ada@example.com",
    "original": "Subject: News\n\nHello\n",
    "action": "failed",
    "status": "5.1.1",
    "words": "550 5.1.1 <ada@example.com>: Recipient address rejected: User unknown",
    "sender": "shop@example.com",
    "kind": "abuse",
}


def mail(template: str, **given: str) -> bytes:
    return template.format(**{**PLAIN, **given}).encode()


@pytest.mark.parametrize(
    ("template", "given", "kind", "status"),
    [
        (reported.POSTFIX, {}, "hard_bounce", "5.1.1"),
        (reported.POSTFIX, {"action": "delayed", "status": "4.4.1"}, "delayed", "4.4.1"),
        (reported.POSTFIX, {"action": "relayed", "status": "2.0.0", "words": "250 ok"},
         "delivered", "2.0.0"),
        (reported.POSTFIX, {"status": "5.2.2", "words": "552 mailbox full"}, "soft_bounce",
         "5.2.2"),
        (reported.POSTFIX, {"status": "5.7.1", "words": "554 5.7.1 rejected as spam"},
         "soft_bounce", "5.7.1"),
        (reported.POSTFIX, {"status": "5.0.0", "words": "550 5.1.1 no such user"}, "hard_bounce",
         "5.1.1"),
        (reported.POSTFIX, {"status": "5.0.0", "words": "550 blocked by policy: user unknown"},
         "soft_bounce", "5.0.0"),
        (reported.POSTFIX, {"status": "4.2.2", "words": "452 4.2.2 over quota"}, "soft_bounce",
         "4.2.2"),
        (reported.EXCHANGE, {}, "hard_bounce", "5.1.10"),
        (reported.QMAIL, {}, "hard_bounce", "5.1.1"),
        (reported.EXIM, {}, "hard_bounce", "5.0.0"),
        (reported.SENDMAIL, {}, "hard_bounce", "5.0.0"),
        (reported.FULL, {}, "soft_bounce", "5.2.2"),
        (reported.ARF, {}, "complaint", ""),
        (reported.ARF, {"kind": "opt-out"}, "unsubscribe", ""),
        (reported.ARF, {"kind": "not-spam"}, "not_spam", ""),
    ],
)  # fmt: skip
def test_each_server_is_understood(template, given, kind, status):
    (report,) = reports_read.read(mail(template, **given)).reports

    assert (report.kind, report.status) == (kind, status)
    assert report.recipients == ("ada@example.com",)
    assert report.happened_at is not None


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x00\xff\xfe",
        b"no mail at all",
        mail(reported.ABSENT),
        b"From: ada@example.com\nSubject: hello\n\nDelivery has failed, she said.\n",
        mail(reported.POSTFIX).replace(b"Final-Recipient", b"X-Final").replace(
            b"Original-Recipient", b"X-Original").replace(b"Action", b"X-Action"),
        mail(reported.ARF).replace(b"Feedback-Type", b"X-Type"),
        b"Content-Type: multipart/report; report-type=delivery-status; boundary=B\n\n--B\n"
        b"Content-Type: message/delivery-status\n\n\n--B--\n",
    ],
)  # fmt: skip
def test_what_is_no_report_is_refused(raw):
    with pytest.raises(reports_read.Unreadable):
        reports_read.read(raw)


def test_a_bounce_address_is_ours_and_of_one_message_and_address():
    key = b"secret"
    sender = bounces.write(key, 2**40, "Ada@example.com", "b.example")
    local = sender.partition("@")[0]

    found = bounces.read(key, f"To: {sender.upper()}")

    assert len(local) <= 64 and local == local.lower()
    assert found.message_id == 2**40
    assert found.went_to("ada@EXAMPLE.com") and not found.went_to("bob@example.com")
    assert bounces.read(b"another", sender) is None
    changed = sender.replace(local[-1], "a" if local[-1] != "a" else "b")
    assert bounces.read(key, changed) is None
    assert bounces.read(key, "bounce+aaaaaaaaaaaaaaaaaaaaaaaaa@b.example") is None


@pytest.fixture
def sent(settings, db) -> tuple[Message, str, str]:
    """Ada's message, where it bounces to, and its headers."""
    settings.BOUNCE_DOMAIN = "bounces.shop.example"
    make_sending([make_cast()["ada"]])
    Message.objects.update(state="sent", sent_at=NOW, finished_at=NOW)
    message = Message.objects.get()
    written = composing.Composer(message.campaign).write(
        message.pk, composing.person(message.customer_id), now=NOW
    )
    head = written.data.partition(b"\r\n\r\n")[0].decode().replace("\r\n", "\n")
    plain = "\n".join(line for line in head.split("\n") if not line.startswith("Content-Type"))
    return message, written.sender, f"{plain}\n\nHello\n"


def take(raw: bytes, **given) -> list[str]:
    return mail_reports.take(raw, now=NOW, **given)


@pytest.mark.parametrize(
    "template", [reported.POSTFIX, reported.EXCHANGE, reported.QMAIL, reported.EXIM]
)
@pytest.mark.parametrize("proof", ["address", "headers"])
def test_a_bounce_finds_its_message_and_stops_the_address(sent, template, proof):
    message, sender, headers = sent
    given = {"to": sender} if proof == "address" else {"original": headers}

    for _twice in range(2):
        assert take(mail(template, **given)) == ["hard_bounce"]

    assert Message.objects.get().state == "bounced"
    assert consent.suppressed(["ada@example.com"], channel="email")
    assert Outcome.objects.count() == 1


def test_a_complaint_ends_consent(sent):
    message, _sender, headers = sent

    take(mail(reported.ARF, original=headers, recipient="redacted@example.com"))

    assert Message.objects.get().state == "complained"
    assert not consent.allows(message.customer_id, "email", "marketing")


def test_a_report_with_the_bounce_address_in_its_envelope_alone(sent):
    assert take(mail(reported.FULL), envelope_to=sent[1]) == ["soft_bounce"]

    assert Message.objects.get().state == "bounced"
    assert not Suppression.objects.exists()


@pytest.mark.parametrize("template", [reported.POSTFIX, reported.ARF, reported.QMAIL])
def test_a_forger_who_guesses_a_number_silences_nobody(sent, template):
    message, _sender, _headers = sent
    original = f"Message-ID: <rapport-{message.pk}@shop.example>\nSubject: News\n\nHello\n"

    take(mail(template, original=original))

    assert not Suppression.objects.exists()
    assert consent.allows(message.customer_id, "email", "marketing")


@pytest.mark.parametrize("proof", ["address", "headers"])
def test_who_has_a_message_of_ours_cannot_silence_somebody_else(sent, proof):
    _message, sender, headers = sent
    given = {"to": sender} if proof == "address" else {"original": headers}

    take(mail(reported.POSTFIX, recipient="victim@example.com", **given))

    assert not consent.suppressed(["victim@example.com"], channel="email")


def test_of_an_address_changed_meanwhile_the_old_one_is_stopped(sent):
    Customer.objects.filter(email="ada@example.com").update(email="new@example.com")

    take(mail(reported.POSTFIX, to=sent[1]))

    assert consent.suppressed(["ada@example.com"], channel="email")
    assert not consent.suppressed(["new@example.com"], channel="email")


def test_a_delay_is_not_the_end(sent):
    assert take(mail(reported.POSTFIX, to=sent[1], action="delayed")) == ["delayed"]

    assert Message.objects.get().state == "sent"


def test_what_is_no_report_is_kept_as_rejected_and_named(sent, monkeypatch):
    for raw in (b"junk", mail(reported.ABSENT, to=sent[1]), mail(reported.POSTFIX)):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(raw)))
        said = io.StringIO()
        call_command("mail_report", stderr=said)
        assert "no report that can be used" in said.getvalue()

    assert ProviderEvent.objects.filter(state="rejected").count() == 3
    assert Message.objects.get().state == "sent"


def test_the_pipe_of_a_mail_server_reports(sent, monkeypatch):
    raw = mail(reported.POSTFIX)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(raw)))
    said = io.StringIO()

    call_command("mail_report", to=sent[1], stdout=said)

    assert said.getvalue().strip() == "hard_bounce"
    assert Message.objects.get().state == "bounced"


def test_reports_come_over_http_with_the_key_alone(client, sent, settings):
    raw, where = mail(reported.POSTFIX, to=sent[1]), "/v1/returns/mail"
    assert client.post(where, raw, "message/rfc822").status_code == 401
    settings.MAIL_REPORT_KEY = "write-only"
    wrong = {"HTTP_AUTHORIZATION": "Bearer wrong"}
    right = {"HTTP_AUTHORIZATION": "Bearer write-only"}
    assert client.post(where, raw, "message/rfc822", **wrong).status_code == 401
    assert client.post(where, b"junk", "message/rfc822", **right).status_code == 400
    assert client.post(where, {"other": "x"}, **right).status_code == 400
    assert Message.objects.get().state == "sent"

    answer = client.post(where, {"body-mime": raw.decode()}, **right)

    assert answer.json() == {"said": ["hard_bounce"]}
    assert Message.objects.get().state == "bounced"


def test_without_a_domain_messages_bounce_to_their_sender(settings, sent):
    settings.BOUNCE_DOMAIN = ""
    message = sent[0]
    composer = composing.Composer(message.campaign)

    written = composer.write(message.pk, composing.person(message.customer_id), now=NOW)

    parsed = message_from_bytes(written.data, policy=policy.default)
    assert written.sender == "shop@example.com" == parsed["From"].addresses[0].addr_spec
    assert sent[1].endswith("@bounces.shop.example")
