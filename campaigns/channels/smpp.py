"""SMS by SMPP 3.4 over one bound session, through smplib where it is installed.

``smpp://user:password@host:port/?from=SENDER``.  Receipts and what people answer come over the same
session, and later over `listen`: the centre keeps them while nobody is bound.
"""

import hashlib
import logging
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from campaigns.channels.channel import ChannelAway, Outgoing, Result, Verdict
from campaigns.channels.gateway import Address

ANSWER_SECONDS = 30
WINDOW = 10  # messages on their way before the first answer; centres allow about so many
OK, THROTTLED, QUEUE_FULL = 0x00, 0x58, 0x14
BUSY = (THROTTLED, QUEUE_FULL, 0x08)  # 0x08: system error of the centre
BAD_NUMBERS = (0x0B,)  # invalid destination address
INTERNATIONAL, ALPHANUMERIC, ISDN, UNKNOWN = 1, 5, 1, 0
RECEIPT = 0x04  # esm_class of a deliver_sm that is a receipt
# SMPP 3.4, appendix B: states in a receipt.
FATES = {
    "DELIVRD": "delivered", "UNDELIV": "soft_bounce", "EXPIRED": "soft_bounce",
    "REJECTD": "failed", "DELETED": "failed",
}  # fmt: skip

_RECEIPT = re.compile(r"\bid:(\S+).*\bstat:(\w+)", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True)
class Receipt:
    """What the centre says became of a message."""

    provider_id: str
    kind: str
    detail: str


@dataclass(frozen=True)
class Inbound:
    """What somebody sent to us."""

    sender: str
    text: str
    provider_id: str


Heard = Callable[[Receipt | Inbound], str | None]  # what to answer


class SmppChannel:
    """``heard`` is told what comes in."""

    def __init__(self, address: Address, heard: Heard) -> None:
        self.host, _colon, port = address.place.partition(":")
        self.port = int(port or 2775)
        self.user, self._password = address.user, address.password
        self.sender = address.options.get("from", "")
        self.heard = heard

    @contextmanager
    def open(self) -> Iterator["SmppSession"]:
        """Connect and bind.  Raises `ChannelAway`, also where smpplib is not installed."""
        try:
            from smpplib import client, exceptions
        except ImportError:
            raise ChannelAway("SMPP needs the package smpplib: install rapport[sms].") from None
        logging.getLogger("smpplib").setLevel(logging.INFO)  # below, it logs the password
        link = client.Client(
            self.host, self.port, timeout=ANSWER_SECONDS, logger_name="smpplib",
            allow_unknown_opt_params=True,
        )  # fmt: skip
        try:
            link.connect()
            link.bind_transceiver(system_id=self.user, password=self._password)
        except (OSError, exceptions.ConnectionError, exceptions.PDUError) as error:
            link.disconnect()
            raise ChannelAway(f"{self.host}: {type(error).__name__} {error}"[:300]) from None
        session = SmppSession(link, self.sender, self.heard)
        try:
            yield session
        finally:
            session.close()


class SmppSession:
    """A bound session.  Several messages are on their way at once; answers come in any order."""

    def __init__(self, link: Any, sender: str, heard: Heard) -> None:
        self.is_open, self.at_once = True, WINDOW
        self.late: Sequence[Result] = ()
        self._link, self._sender, self._heard = link, sender, heard
        self._answers: dict[int, Any] = {}
        self._replies: list[tuple[str, str]] = []
        link.set_message_sent_handler(self._answered)
        link.set_error_pdu_handler(self._answered)
        link.set_message_received_handler(self._received)

    def send(self, batch: Sequence[Outgoing]) -> Iterator[Result]:
        for start in range(0, len(batch), WINDOW):
            sent = [(one, self._submit(one)) for one in batch[start : start + WINDOW]]
            told = 0
            try:
                for one, numbers in sent:
                    told += 1
                    yield self._result(one, numbers)
            finally:
                self.late = [self._result(one, numbers) for one, numbers in sent[told:]]
        self._reply()

    def listen(self, seconds: float) -> None:
        """Hear what comes in for so long."""
        self._link._socket.settimeout(seconds)
        with self._guarded():
            self._link.read_once(auto_send_enquire_link=True)
        self._reply()

    def close(self) -> None:
        self.is_open = False
        with suppress(Exception):
            self._link.unbind()
        with suppress(Exception):
            self._link.disconnect()

    def _submit(self, one: Outgoing) -> list[int] | None:
        """Hand over each part; their numbers, or None where the line broke before the first."""
        from smpplib import gsm

        parts, coding, kind = gsm.make_parts(one.data.decode())
        numbers: list[int] = []
        with self._guarded():
            for part in parts if self.is_open else ():
                pdu = self._link.send_message(
                    source_addr_ton=INTERNATIONAL if self._is_number() else ALPHANUMERIC,
                    source_addr_npi=ISDN if self._is_number() else UNKNOWN,
                    source_addr=(one.sender or self._sender).removeprefix("+"),
                    dest_addr_ton=INTERNATIONAL,
                    dest_addr_npi=ISDN,
                    destination_addr=one.recipient.removeprefix("+"),
                    short_message=part,
                    data_coding=coding,
                    esm_class=kind,
                    registered_delivery=one.message_id is not None,
                )
                numbers.append(pdu.sequence)
        return numbers or None

    def _result(self, one: Outgoing, numbers: list[int] | None) -> Result:
        if numbers is None:
            return Result(one.message_id, Verdict.NOT_TRIED)
        with self._guarded():
            while self.is_open and not all(number in self._answers for number in numbers):
                self._link.read_once(auto_send_enquire_link=False)
        answers = [self._answers.pop(number, None) for number in numbers]
        if any(answer is None for answer in answers):
            return Result(one.message_id, Verdict.AMBIGUOUS, "Connection lost before the answer.")
        first, bad = answers[0], next((a for a in answers if a.status != OK), None)
        if bad is None:
            name = _text(first.message_id)
            return Result(one.message_id, Verdict.ACCEPTED, provider_id=f"smpp:{name}"[:120])
        words = f"SMPP status 0x{bad.status:02X}"
        if first.status == OK:  # a part of it is on its way
            return Result(one.message_id, Verdict.AMBIGUOUS, words)
        if bad.status in BUSY:
            return Result(one.message_id, Verdict.TRY_LATER, words)
        return Result(one.message_id, Verdict.REFUSED, words, bad.status in BAD_NUMBERS)

    def _answered(self, pdu: Any, **_more: Any) -> None:
        self._answers[pdu.sequence] = pdu

    def _received(self, pdu: Any) -> None:
        sender = _text(pdu.source_addr)
        text = _words(pdu)
        if pdu.esm_class & RECEIPT:
            if found := receipt(text):
                self._heard(found)
            return
        sender = sender if sender.startswith("+") else f"+{sender}"
        # The centre names no message; a repeat of the same PDU has the same number and words.
        digest = hashlib.sha256(f"{sender}\0{text}".encode()).hexdigest()[:20]
        inbound = Inbound(sender, text, f"{pdu.sequence}:{digest}")
        if reply := self._heard(inbound):
            self._replies.append((sender, reply))

    def _reply(self) -> None:
        """Answer what came in; outside the reading of it, which must not be nested."""
        while self._replies and self.is_open:
            to, words = self._replies.pop(0)
            numbers = self._submit(Outgoing(None, "", to, words.encode()))
            self._result(Outgoing(None, "", to, b""), numbers)

    def _is_number(self) -> bool:
        return self._sender.removeprefix("+").isdecimal()

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        from smpplib import exceptions

        try:
            yield
        except TimeoutError:
            self.is_open = False
        except (OSError, exceptions.ConnectionError, exceptions.PDUError):
            self.is_open = False


def receipt(text: str) -> Receipt | None:
    """What a receipt says (SMPP 3.4, appendix B); None where it is none, or says nothing final.

    >>> receipt("id:7a sub:001 dlvrd:001 submit date:2606011200 done date:2606011201 stat:DELIVRD")
    Receipt(provider_id='smpp:7a', kind='delivered', detail='DELIVRD')
    """
    found = _RECEIPT.search(text)
    state = found.group(2).upper()[:7] if found else ""
    if not found or state not in FATES:
        return None
    return Receipt(f"smpp:{found.group(1)}"[:120], FATES[state], state)


def _words(pdu: Any) -> str:
    """The text of a PDU by its data coding: GSM's own letters are close to Latin-1's."""
    data = pdu.short_message or getattr(pdu, "message_payload", None) or b""
    return data.decode("utf-16-be" if pdu.data_coding == 0x08 else "latin-1", "replace")


def _text(data: bytes | str | None) -> str:
    return data.decode("latin-1") if isinstance(data, bytes) else data or ""
