"""What SMS gateways over HTTP have in common: kept connections, several requests at once, and a
rest where the other side asks for one.
"""

import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Protocol
from urllib.parse import parse_qsl, unquote, urlsplit

import httpx

from campaigns.channels.channel import ChannelAway, Outgoing, Result, Verdict

AT_ONCE = 8
CONNECT_SECONDS, ANSWER_SECONDS = 10.0, 30.0
REST_SECONDS_MOST = 45.0
LOCKED_OUT_SECONDS = 90.0  # longer than delivery waits: a wrong password pauses the campaign

logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs addresses, which hold passwords

_rests: dict[str, tuple[float, str]] = {}  # by address: until when, and why


@dataclass(frozen=True)
class Address:
    """What ``SMS_URL`` says.  Its parts keep their case, unlike those of an ordinary URL."""

    scheme: str
    user: str
    password: str
    place: str  # after the @: a sender, or host and port
    options: dict[str, str]


def address(url: str) -> Address:
    """Read an address like ``twilio://sid:token@+15005550006`` or ``kannel://user:pass@host:13013``.

    >>> address("twilio://AC1:s%2Ft@MGabc").place
    'MGabc'
    """
    parts = urlsplit(url)
    credentials, _at, place = parts.netloc.rpartition("@")
    user, _colon, password = credentials.partition(":")
    if not place or not user:
        raise ValueError(
            "SMS_URL needs a user, a password and a place, as scheme://user:pass@place"
        )
    return Address(
        parts.scheme, unquote(user), unquote(password), unquote(place), dict(parse_qsl(parts.query))
    )


@dataclass(frozen=True)
class Rest:
    """The gateway took nothing and wants to be left alone for a while."""

    seconds: float
    why: str
    is_tried: bool = True  # false: the message need not count the try


class Gateway(Protocol):
    """One gateway's way of asking and answering; knows no ledger."""

    name: str
    base: str  # an address that answers anything at all while the gateway is there

    def ask(self, client: httpx.Client, outgoing: Outgoing) -> httpx.Response: ...

    def judge(self, outgoing: Outgoing, response: httpx.Response) -> Result | Rest: ...


class GatewayChannel:
    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway

    @contextmanager
    def open(self) -> Iterator["GatewaySession"]:
        """One look at the gateway; after a *rest* not before its time."""
        until, why = _rests.get(self.gateway.base, (0.0, ""))
        if monotonic() < until:
            raise ChannelAway(why)
        limits = httpx.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE)
        timeout = httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS)
        with httpx.Client(limits=limits, timeout=timeout) as client:
            try:
                client.get(self.gateway.base)
            except httpx.HTTPError as error:
                raise ChannelAway(f"{self.gateway.name}: {type(error).__name__}") from None
            yield GatewaySession(self.gateway, client)


class GatewaySession:
    def __init__(self, gateway: Gateway, client: httpx.Client) -> None:
        self.is_open, self.at_once = True, AT_ONCE
        self.late: Sequence[Result] = ()
        self._gateway, self._client = gateway, client

    def send(self, batch: Sequence[Outgoing]) -> Iterator[Result]:
        self.late = ()
        with ThreadPoolExecutor(min(AT_ONCE, len(batch) or 1)) as pool:
            asked = [pool.submit(self._one, one) for one in batch]
            told = 0
            try:
                for one in asked:
                    told += 1
                    yield one.result()
            finally:
                self.late = [one.result() for one in asked[told:] if not one.cancel()]

    def _one(self, outgoing: Outgoing) -> Result:
        if not self.is_open:
            return Result(outgoing.message_id, Verdict.NOT_TRIED)
        try:
            response = self._gateway.ask(self._client, outgoing)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            return self._rest(outgoing, Rest(1, type(error).__name__, is_tried=False))
        except httpx.HTTPError as error:
            # The words of an error may repeat the address, and with it a password.
            return Result(
                outgoing.message_id, Verdict.AMBIGUOUS, f"No answer: {type(error).__name__}"
            )
        judged = self._gateway.judge(outgoing, response)
        return self._rest(outgoing, judged) if isinstance(judged, Rest) else judged

    def _rest(self, outgoing: Outgoing, rest: Rest) -> Result:
        self.is_open = False
        why = f"{self._gateway.name}: {rest.why}"
        _rests[self._gateway.base] = monotonic() + rest.seconds, why
        verdict = Verdict.TRY_LATER if rest.is_tried else Verdict.NOT_TRIED
        return Result(outgoing.message_id, verdict, why[:300])


def retry_after(response: httpx.Response, usual: float) -> float:
    """Seconds that a gateway asks for, within reason."""
    said = response.headers.get("Retry-After", "")
    seconds = float(said) if said.isdecimal() and len(said) < 7 else usual
    return min(max(seconds, 1.0), REST_SECONDS_MOST)
