"""E-mail by SMTP on one kept connection, pipelined where the server offers it (RFC 2920).

Pipelining sends the content of one message and the envelope of the next in one group, so a message
costs one round trip instead of four.  RFC 2920, section 3.1, allows it: DATA ends a group, and the
content may be the first thing in the next.
"""

import re
import smtplib
import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import zip_longest
from urllib.parse import unquote, urlsplit

from campaigns.channels.channel import ChannelAway, Outgoing, Result, Verdict

CONNECT_SECONDS = 10
ANSWER_SECONDS = 60  # RFC 5321 would wait for minutes; a worker cannot
PORTS = {"smtp": 25, "smtp+tls": 587, "smtp+ssl": 465}
ANSWER_LINE_MOST, ANSWER_LINES_MOST = 8_192, 100
# RFC 3463 and 7505: no such mailbox, mailbox moved, and a domain that takes no mail.
DEAD_ADDRESS = ("5.1.1", "5.1.6", "5.1.10")

_ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")


@dataclass(frozen=True)
class Server:
    """Where a mail server is, and who we are there."""

    scheme: str
    host: str
    port: int
    user: str = ""
    password: str = field(default="", repr=False)


def server(url: str) -> Server:
    """Read an address like ``smtp+tls://user:password@host:port``.

    >>> server("smtp+tls://me%40shop:p%2Fw@mail.example")
    Server(scheme='smtp+tls', host='mail.example', port=587, user='me@shop')
    """
    parts = urlsplit(url)
    if parts.scheme not in PORTS or not parts.hostname:
        raise ValueError(f"EMAIL_URL needs one of {', '.join(PORTS)} and a host")
    return Server(
        parts.scheme,
        parts.hostname,
        parts.port or PORTS[parts.scheme],
        unquote(parts.username or ""),
        unquote(parts.password or ""),
    )


class SmtpChannel:
    """One mail server, or the address of one.  ``own_name`` is what we call ourselves in EHLO."""

    def __init__(self, to: str | Server, *, own_name: str) -> None:
        self.server = server(to) if isinstance(to, str) else to
        self.own_name = own_name

    @contextmanager
    def open(self) -> Iterator["SmtpSession"]:
        try:
            link = self._connect()
        except (OSError, smtplib.SMTPException) as error:
            raise ChannelAway(f"{self.server.host}: {error}"[:300]) from error
        session = SmtpSession(link)
        try:
            yield session
        finally:
            session.close()

    def _connect(self) -> smtplib.SMTP:
        to, tls = self.server, ssl.create_default_context()
        given: dict = {"local_hostname": self.own_name, "timeout": CONNECT_SECONDS}
        if to.scheme == "smtp+ssl":
            link: smtplib.SMTP = smtplib.SMTP_SSL(to.host, to.port, context=tls, **given)
        else:
            link = smtplib.SMTP(to.host, to.port, **given)
        try:
            link.ehlo_or_helo_if_needed()
            if to.scheme == "smtp+tls":
                link.starttls(context=tls)
                link.ehlo()
            if to.user:
                link.login(to.user, to.password)
            assert link.sock is not None
            link.sock.settimeout(ANSWER_SECONDS)
            link.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except BaseException:
            link.close()
            raise
        return link


class _Broken(Exception):
    """The connection is of no use any more; the words say why."""


class SmtpSession:
    """A connection after its greeting."""

    def __init__(self, link: smtplib.SMTP) -> None:
        assert link.sock is not None and link.file is not None
        self.is_open = True
        self._link, self._socket = link, link.sock
        # smtplib has read the greeting through this; its own reader costs four times as much.
        self._file = link.file
        self._pipelines = link.has_extn("pipelining")
        self._must_reset = False  # a refused recipient leaves the server inside a transaction
        self._expected = 0  # answers to commands that are on their way

    def send(self, batch: Sequence[Outgoing]) -> Iterator[Result]:
        """Whoever stops asking stops the sending, and with it the connection: what it has
        announced must never be taken for the envelope of another message.
        """
        try:
            yield from self._send(batch)
        finally:
            if self._expected:
                self.close()

    def _send(self, batch: Sequence[Outgoing]) -> Iterator[Result]:
        for mail, following in zip_longest(batch, batch[1:]):
            if not self.is_open:
                yield Result(mail.message_id, Verdict.NOT_TRIED)
                continue
            try:
                refusal = self._announce(mail)
            except _Broken as error:
                self.close()
                yield Result(mail.message_id, Verdict.TRY_LATER, str(error))
                continue
            yield refusal or self._hand_over(mail, following)

    def close(self) -> None:
        """Say goodbye if nothing is open between us, else just hang up."""
        if self.is_open and not self._expected:
            with suppress(OSError, smtplib.SMTPException):
                self._socket.settimeout(CONNECT_SECONDS)
                self._link.quit()
        self.is_open = False
        self._link.close()

    # --- the envelope -------------------------------------------------------------------------

    def _announce(self, mail: Outgoing) -> Result | None:
        """Offer the envelope of ``mail``; None when its content may follow."""
        if not self._expected:
            commands = self._envelope(mail)
            if self._pipelines:
                self._write(b"".join(commands))
                self._expected = len(commands)
            else:
                return self._ask_each(mail, commands)
        answers = [self._answer() for _ in range(self._expected)][-3:]
        self._expected = 0
        wrong = next((answer for answer in answers[:2] if answer[0] // 100 != 2), None)
        if wrong is None and answers[2][0] == 354:
            return None
        if answers[2][0] == 354:
            # The server waits for content that has no recipient: only hanging up sends nothing.
            self._expected = 1
            self.close()
        self._must_reset = True
        return _refusal(mail, wrong or answers[2])

    def _ask_each(self, mail: Outgoing, commands: list[bytes]) -> Result | None:
        for command in commands:
            self._write(command)
            code, words = self._answer()
            if code // 100 != 2 and code != 354:
                self._must_reset = True
                return _refusal(mail, (code, words))
        return None

    def _envelope(self, mail: Outgoing) -> list[bytes]:
        commands = [
            f"MAIL FROM:<{mail.sender}>\r\n".encode("ascii"),
            f"RCPT TO:<{mail.recipient}>\r\n".encode("ascii"),
            b"DATA\r\n",
        ]
        if self._must_reset:
            self._must_reset = False
            commands.insert(0, b"RSET\r\n")
        return commands

    # --- the content --------------------------------------------------------------------------

    def _hand_over(self, mail: Outgoing, following: Outgoing | None) -> Result:
        content = dot_stuffed(mail.data)
        ahead = self._envelope(following) if self._pipelines and following else []
        written = 0
        try:
            # In one piece: a small one behind a large one would wait for the other side's kernel.
            part = memoryview(b"".join((content, *ahead)))
            while written < len(part):
                written += self._socket.send(part[written:])
        except OSError as error:
            self._hang_up()
            # Without its last dot the server cannot have taken the message.
            whole = written >= len(content)
            verdict = Verdict.AMBIGUOUS if whole else Verdict.TRY_LATER
            return Result(mail.message_id, verdict, f"Connection lost: {error}"[:300])
        try:
            code, words = self._read()
        except OSError as error:
            self._hang_up()
            return Result(mail.message_id, Verdict.AMBIGUOUS, f"No answer: {error}"[:300])
        self._expected = len(ahead)
        if code == 421 or not 200 <= code < 600 or code // 100 == 3:
            self._hang_up()
        return _judged(mail, code, words)

    def _hang_up(self) -> None:
        self.is_open = False
        self._link.close()

    # --- the line -----------------------------------------------------------------------------

    def _write(self, commands: bytes) -> None:
        try:
            self._socket.sendall(commands)
        except OSError as error:
            raise _Broken(f"Connection lost: {error}"[:300]) from error

    def _read(self) -> tuple[int, bytes]:
        """The next answer: its code, 0 for what is none, and its words."""
        said: list[bytes] = []
        while True:
            line = self._file.readline(ANSWER_LINE_MOST)
            if not line.endswith(b"\n") or len(said) > ANSWER_LINES_MOST:
                raise ConnectionError("the server closed the connection within an answer")
            said.append(line[4:].strip())
            if line[3:4] != b"-":
                code = line[:3]
                return (int(code) if code.isdigit() else 0), b" ".join(said)

    def _answer(self) -> tuple[int, bytes]:
        try:
            code, words = self._read()
        except OSError as error:
            raise _Broken(f"Connection lost: {error}"[:300]) from error
        if code == 421 or not 200 <= code < 600:
            raise _Broken(_words(code, words))
        return code, words


def dot_stuffed(data: bytes) -> bytes:
    r"""``data`` as content of an SMTP transaction, its end included.

    >>> dot_stuffed(b".a\r\n.\r\nb")
    b'..a\r\n..\r\nb\r\n.\r\n'
    """
    stuffed = data.replace(b"\r\n.", b"\r\n..")
    if data.startswith(b"."):
        stuffed = b"." + stuffed
    return stuffed + (b".\r\n" if stuffed.endswith(b"\r\n") else b"\r\n.\r\n")


def _refusal(mail: Outgoing, answer: tuple[int, bytes]) -> Result:
    code, words = answer
    if code // 100 == 2:  # a DATA that is answered like a RCPT: not to be trusted
        return Result(mail.message_id, Verdict.TRY_LATER, _words(code, words))
    return _judged(mail, code, words)


def _judged(mail: Outgoing, code: int, words: bytes) -> Result:
    """What an answer says about the message that it answers."""
    said = _words(code, words)
    if code // 100 == 2:
        return Result(mail.message_id, Verdict.ACCEPTED, said)
    if code // 100 == 4:
        return Result(mail.message_id, Verdict.TRY_LATER, said)
    if code // 100 == 5:
        enhanced = _ENHANCED.search(said)
        is_dead = bool(enhanced) and enhanced.group() in DEAD_ADDRESS  # type: ignore[union-attr]
        return Result(mail.message_id, Verdict.REFUSED, said, is_dead)
    return Result(mail.message_id, Verdict.AMBIGUOUS, said)


def _words(code: int, words: bytes) -> str:
    return f"{code} {words.decode('utf-8', 'replace')}".replace("\n", " ")[:300]
