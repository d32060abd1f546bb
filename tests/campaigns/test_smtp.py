import shutil
import socket
import subprocess
from collections.abc import Iterator

import pytest
from aiosmtpd.controller import Controller

from campaigns.channels.channel import ChannelAway, Outgoing, Result, Verdict
from campaigns.channels.smtp import SmtpChannel, dot_stuffed
from tests.campaigns.smtp import CONTENT, HANG_UP, SmtpServer


def mails(*names: str) -> list[Outgoing]:
    return [
        Outgoing(number, "shop@example.com", f"{name}@example.com", b"Subject: hi\r\n\r\nhello\r\n")
        for number, name in enumerate(names, 1)
    ]


def send(server: SmtpServer, *names: str) -> list[Result]:
    with SmtpChannel(server.url, own_name="test").open() as session:
        return list(session.send(mails(*names)))


def verdicts(results: list[Result]) -> list[Verdict]:
    return [result.verdict for result in results]


@pytest.fixture(params=[True, False], ids=["pipelined", "one by one"])
def server(request) -> Iterator[SmtpServer]:
    with SmtpServer(pipelining=request.param) as server:
        yield server


def test_each_message_arrives_once_on_one_connection(server):
    results = send(server, "ada", "bob", "eve")

    assert verdicts(results) == [Verdict.ACCEPTED] * 3
    assert [mail.recipient for mail in server.received] == [
        "ada@example.com",
        "bob@example.com",
        "eve@example.com",
    ]
    assert server.received[0].data == b"Subject: hi\r\n\r\nhello\r\n"
    assert server.connections == 1
    assert bool(server.groups) == server.pipelining


def test_a_refused_recipient_stops_nobody_else(server):
    server.rule = refusing("bob", "550 5.1.1 no such user")

    results = send(server, "ada", "bob", "eve")

    assert verdicts(results) == [Verdict.ACCEPTED, Verdict.REFUSED, Verdict.ACCEPTED]
    assert results[1].is_dead_address
    assert results[1].detail == "550 5.1.1 no such user"
    assert set(server.recipients()) == {"ada@example.com", "eve@example.com"}


def test_a_full_mailbox_is_no_dead_address(server):
    server.rule = refusing("bob", "552 5.2.2 mailbox full")

    (result,) = send(server, "bob")

    assert result.verdict is Verdict.REFUSED
    assert not result.is_dead_address


def test_a_greylisted_recipient_may_be_tried_later(server):
    server.rule = refusing("ada", "450 4.2.0 greylisted")

    results = send(server, "ada", "bob")

    assert verdicts(results) == [Verdict.TRY_LATER, Verdict.ACCEPTED]


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [("554 5.7.1 spam", Verdict.REFUSED), ("451 4.3.0 later", Verdict.TRY_LATER)],
)
def test_the_answer_to_the_content_decides(server, answer, verdict):
    server.rule = lambda verb, name: answer if verb == CONTENT and name.startswith("ada") else None

    results = send(server, "ada", "bob")

    assert verdicts(results) == [verdict, Verdict.ACCEPTED]
    assert list(server.recipients()) == ["bob@example.com"]


def test_a_connection_lost_after_the_last_dot_is_ambiguous_for_that_message_alone(server):
    server.rule = lambda verb, name: HANG_UP if verb == CONTENT and name.startswith("bob") else None

    results = send(server, "ada", "bob", "eve")

    assert verdicts(results) == [Verdict.ACCEPTED, Verdict.AMBIGUOUS, Verdict.NOT_TRIED]


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("answer", [HANG_UP, "421 4.3.2 closing"])
def test_a_connection_lost_before_the_content_means_it_was_not_sent(server, verb, answer):
    server.rule = lambda said, _argument: answer if said == verb else None

    results = send(server, "ada", "bob")

    assert verdicts(results) == [Verdict.TRY_LATER, Verdict.NOT_TRIED]
    assert server.received == []


def test_a_server_that_closes_with_its_answer_has_still_answered(server):
    server.rule = lambda verb, _name: "421 4.3.2 not now" if verb == CONTENT else None

    results = send(server, "ada", "bob")

    assert verdicts(results) == [Verdict.TRY_LATER, Verdict.NOT_TRIED]


def test_content_is_never_sent_to_a_server_that_refused_the_recipient_and_asks_for_it(server):
    def rule(verb: str, argument: str) -> str | None:
        return {"RCPT": "550 5.1.1 nobody", "DATA": "354 go on"}.get(verb)

    server.rule = rule

    results = send(server, "ada", "bob")

    assert verdicts(results)[0] in (Verdict.REFUSED, Verdict.TRY_LATER)
    assert server.received == []


def test_lines_of_dots_arrive_as_they_were(server):
    data = b"Subject: x\r\n\r\n.\r\n..a\r\n.b\r\n"
    with SmtpChannel(server.url, own_name="test").open() as session:
        list(session.send([Outgoing(1, "a@example.com", "b@example.com", data)]))

    assert server.received[0].data == data
    assert dot_stuffed(b"no end") == b"no end\r\n.\r\n"


def test_stopping_to_ask_stops_the_sending(server):
    with SmtpChannel(server.url, own_name="test").open() as session:
        next(iter(session.send(mails("ada", "bob", "eve"))))

    assert list(server.recipients()) == ["ada@example.com"]


def test_a_server_that_is_not_there_is_away():
    with SmtpServer() as server:
        url = server.url

    with pytest.raises(ChannelAway, match="127.0.0.1"), SmtpChannel(url, own_name="t").open():
        pass


def test_a_server_that_does_not_let_us_in_is_away():
    def rule(verb: str, _argument: str) -> str | None:
        return "421 4.3.2 full" if verb == "CONNECT" else None

    with SmtpServer(rule=rule) as server, pytest.raises(ChannelAway, match="full"):
        SmtpChannel(server.url, own_name="test").open().__enter__()


def test_a_login_is_taken_from_the_address():
    with SmtpServer(login=("me@shop", "p/w: %")) as server:
        right = server.url.replace("//", "//me%40shop:p%2Fw%3A%20%25@")
        with SmtpChannel(right, own_name="test").open() as session:
            assert verdicts(list(session.send(mails("ada")))) == [Verdict.ACCEPTED]
        with pytest.raises(ChannelAway, match="535"):
            SmtpChannel(right.replace("p%2F", "q%2F"), own_name="test").open().__enter__()


@pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl to make a certificate with")
def test_tls_is_spoken_and_a_stranger_behind_it_is_not_trusted(tmp_path, monkeypatch):
    both = tmp_path / "both.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
    ]
    command += ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(both), "-out", "-"]
    made = subprocess.run(command, check=True, capture_output=True)
    both.write_bytes(both.read_bytes() + made.stdout)
    with SmtpServer(certificate=both) as server:
        url = f"smtp+ssl://localhost:{server.port}"
        with pytest.raises(ChannelAway, match="CERTIFICATE_VERIFY_FAILED"):
            SmtpChannel(url, own_name="test").open().__enter__()
        monkeypatch.setenv("SSL_CERT_FILE", str(both))
        with SmtpChannel(url, own_name="test").open() as session:
            assert verdicts(list(session.send(mails("ada", "bob")))) == [Verdict.ACCEPTED] * 2


@pytest.mark.parametrize("url", ["", "http://mail.example", "smtp://", "smtp+tls://:25"])
def test_an_address_of_no_server_is_refused(url):
    with pytest.raises(ValueError, match="EMAIL_URL"):
        SmtpChannel(url, own_name="test")


def test_another_server_understands_us():
    class Kept:
        def __init__(self) -> None:
            self.contents: list[bytes] = []

        async def handle_DATA(self, server, session, envelope):
            self.contents.append(envelope.content)
            return "250 kept"

    kept = Kept()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    controller = Controller(kept, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        with SmtpChannel(f"smtp://127.0.0.1:{port}", own_name="test").open() as session:
            results = list(session.send(mails("ada", "bob")))
    finally:
        controller.stop()

    assert verdicts(results) == [Verdict.ACCEPTED] * 2
    assert kept.contents == [b"Subject: hi\r\n\r\nhello\r\n"] * 2


def refusing(name: str, answer: str):
    return lambda verb, argument: answer if verb == "RCPT" and name in argument else None
