"""A real SMTP server in a thread, which can be told to misbehave."""

import asyncio
import base64
import re
import ssl
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

HANG_UP = "HANG UP"  # an answer that is no answer
CONTENT = "CONTENT"  # the moment after the last dot, before the answer to it

Rule = Callable[[str, str], str | None]  # (verb, its argument) -> answer, or None for the usual


@dataclass
class Received:
    sender: str
    recipient: str
    data: bytes

    def parsed(self) -> EmailMessage:
        return message_from_bytes(self.data, policy=policy.default)  # type: ignore[return-value]


@dataclass
class SmtpServer:
    """``with SmtpServer() as server`` listens on a free port until the end of the block.

    ``rule`` may answer any command itself; ``seconds`` is how long each message takes.
    """

    pipelining: bool = True
    rule: Rule | None = None
    seconds: float = 0.0
    login: tuple[str, ...] = ()  # name and password, when it asks for them
    certificate: Path | None = None  # with its key; then it speaks TLS from the first byte
    received: list[Received] = field(default_factory=list)
    connections: int = 0
    groups: int = 0  # reads that held more than one command

    def __enter__(self) -> "SmtpServer":
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        tls = None
        if self.certificate:
            tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            tls.load_cert_chain(self.certificate)
        start = asyncio.start_server(self._serve, "127.0.0.1", 0, limit=32_000_000, ssl=tls)
        self._server = asyncio.run_coroutine_threadsafe(start, self._loop).result(10)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    def recipients(self) -> Counter[str]:
        return Counter(mail.recipient for mail in self.received)

    async def _stop(self) -> None:
        self._server.close()
        for task in asyncio.all_tasks():
            if task is not asyncio.current_task():
                task.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await _Conversation(self, reader, writer).hold()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


class _HungUp(ConnectionError):
    pass


class _Conversation:
    def __init__(
        self, server: SmtpServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.server, self.reader, self.writer = server, reader, writer
        self.sender: str | None = None
        self.recipients: list[str] = []

    async def hold(self) -> None:
        await self._say(self._answer("CONNECT", "") or "220 test ESMTP")
        while line := await self.reader.readline():
            verb, _space, argument = line.decode().strip().partition(" ")
            verb = verb.upper()
            self.server.groups += bool(self.reader._buffer)  # type: ignore[attr-defined]
            answer = self._answer(verb, argument) or getattr(self, f"_{verb.lower()}")(argument)
            await self._say(answer)
            if verb == "QUIT" or answer.startswith("421"):
                return
            if answer.startswith("354"):
                await self._content()

    def _answer(self, verb: str, argument: str) -> str | None:
        return self.server.rule(verb, argument) if self.server.rule else None

    async def _say(self, answer: str) -> None:
        if answer == HANG_UP:
            raise _HungUp
        self.writer.write(answer.encode() + b"\r\n")
        await self.writer.drain()

    def _ehlo(self, _argument: str) -> str:
        more = "250-PIPELINING\r\n" if self.server.pipelining else ""
        more += "250-AUTH PLAIN\r\n" if self.server.login else ""
        return f"250-test\r\n{more}250 8BITMIME"

    def _auth(self, argument: str) -> str:
        method, _space, given = argument.partition(" ")
        known = base64.b64encode(b"\0%b\0%b" % tuple(map(str.encode, self.server.login))).decode()
        return "235 2.7.0 ok" if (method, given) == ("PLAIN", known) else "535 5.7.8 wrong"

    def _mail(self, argument: str) -> str:
        if self.sender is not None:
            return "503 5.5.1 nested MAIL"
        self.sender, self.recipients = _address(argument), []
        return "250 2.1.0 Ok"

    def _rcpt(self, argument: str) -> str:
        if self.sender is None:
            return "503 5.5.1 MAIL first"
        self.recipients.append(_address(argument))
        return "250 2.1.5 Ok"

    def _data(self, _argument: str) -> str:
        return "354 go on" if self.recipients else "554 5.5.1 no valid recipients"

    def _rset(self, _argument: str) -> str:
        self.sender, self.recipients = None, []
        return "250 2.0.0 Ok"

    def _quit(self, _argument: str) -> str:
        return "221 2.0.0 Bye"

    async def _content(self) -> None:
        data = (await self.reader.readuntil(b"\r\n.\r\n"))[:-3]
        if self.server.seconds:
            await asyncio.sleep(self.server.seconds)
        data = re.sub(rb"(?m)^\.\.", b".", data)
        (recipient,) = self.recipients
        answer = self._answer(CONTENT, recipient)
        if answer is None or answer == HANG_UP:  # taken over, whether the client hears of it or not
            self.server.received.append(Received(self.sender or "", recipient, data))
        self.sender, self.recipients = None, []
        await self._say(answer or "250 2.0.0 Ok: queued")
        if answer and answer.startswith("421"):
            raise _HungUp


def _address(argument: str) -> str:
    return argument.partition("<")[2].partition(">")[0]
