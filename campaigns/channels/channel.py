"""What every way out of the house has in common: a session that takes messages and says of each
what became of it."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Protocol


class Verdict(Enum):
    ACCEPTED = "accepted"  # the other side has taken it over
    REFUSED = "refused"  # it will never take it
    TRY_LATER = "try_later"  # it certainly did not take it, but may
    NOT_TRIED = "not_tried"  # it was not offered: the connection broke before its turn
    AMBIGUOUS = "ambiguous"  # handed over, and the answer did not reach us
    UNWRITTEN = "unwritten"  # it never came to a channel: its own text failed


class ChannelAway(Exception):
    """The other side cannot be reached at all, or does not let us in."""


@dataclass(frozen=True)
class Outgoing:
    """One finished message.  ``message_id`` is the ledger's; a test message has none."""

    message_id: int | None
    sender: str
    recipient: str  # an address, a number in E.164, or a customer's number, as the channel has it
    data: bytes  # e-mail: RFC 5322, CRLF; SMS: UTF-8 words; push, in-app, webhook: JSON


@dataclass(frozen=True)
class Result:
    message_id: int | None
    verdict: Verdict
    detail: str = ""  # the other side's words
    is_dead_address: bool = False  # it says that nobody will ever be there
    provider_id: str = ""  # the message's name at the other side, for what comes back
    cost: Decimal | None = None  # in the shop's currency, where the other side tells


class Session(Protocol):
    """One open connection."""

    is_open: bool  # false once it broke; then a new session is needed

    def send(self, batch: Sequence[Outgoing]) -> Iterator[Result]:
        """Hand over each message and yield its result as soon as it is known, in their order.

        Whoever stops asking must find nothing handed over that was not told: a session that has
        several on their way at once leaves their results, in their order, in ``late``, and says how
        many in ``at_once``.
        """


class Channel(Protocol):
    def open(self) -> AbstractContextManager[Session]:
        """Connect.  Raises `ChannelAway`."""
