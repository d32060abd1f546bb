"""Requests to addresses that people typed in: the only door for outgoing HTTP.

A name is resolved first, and the connection goes to the very address that was judged, so that a
name that changes its mind in between (DNS rebinding) leads nowhere new.  Private, loopback,
link-local and other addresses that are not of the open internet are refused; redirects are not
followed; the whole exchange has one deadline, and of the answer only the beginning is read.
"""

import asyncio
import ipaddress
import logging
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from time import monotonic
from urllib.parse import urlsplit

import httpx
from django.conf import settings

from rapport.errors import DomainError

CONNECT_SECONDS = 5.0
TOTAL_SECONDS = 15.0
ANSWER_BYTES_MOST = 64 * 1024
EXCERPT_CHARACTERS = 1_000
AT_ONCE = 20
PORTS = {80, 443}  # and those no system service listens on
PORT_LEAST = 1_024
NAT64 = ipaddress.ip_network("64:ff9b::/96")

logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs addresses, which may hold secrets

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class AddressRefused(DomainError):
    """An address to which nothing is sent; the message says why."""

    code = "address_refused"


@dataclass(frozen=True)
class Request:
    """One request to make."""

    url: str
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    method: str = "POST"


@dataclass(frozen=True)
class Answer:
    """What came back; ``status`` is None where nothing did, and ``error`` says why."""

    status: int | None
    error: str
    excerpt: str
    seconds: float
    retry_after_seconds: int | None = None
    is_refused: bool = False  # by ourselves, for where it would have gone
    is_unsure: bool = False  # it was on its way when the line broke: it may have arrived

    @property
    def is_good(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


@dataclass(frozen=True)
class Target:
    """Where a request goes: the address that was judged, and the name it was asked by."""

    url: str  # with the judged address in place of the name
    host: str
    port: int
    name: str

    @property
    def authority(self) -> str:
        shown = f"[{self.name}]" if ":" in self.name else self.name
        is_usual = self.port == (443 if self.url.startswith("https:") else 80)
        return shown if is_usual else f"{shown}:{self.port}"


def check(url: str) -> None:
    """Refuse, in words, an address to which nothing would be sent; asks the resolver."""
    resolve(url)


def post(request: Request) -> Answer:
    """Send one request and wait for its answer; never raises for what the other side does."""
    return post_all([request])[0]


def post_all(requests: Sequence[Request], *, seconds: float = TOTAL_SECONDS) -> list[Answer]:
    """Send many at once, at most `AT_ONCE` at a time; the answers in the order of the requests."""
    if not requests:
        return []
    with ThreadPoolExecutor(1) as alone:  # whoever calls may have a loop of its own already
        return alone.submit(asyncio.run, _post_all(requests, seconds)).result()


def resolve(url: str) -> Target:
    """The judged address behind ``url``; raises `AddressRefused`.

    Where a name has several addresses all must be good: one bad among them is an attack or a
    mistake, and neither should depend on which comes first.
    """
    scheme, name, port = _parts(url)
    try:
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise AddressRefused(f"The name {name!r} cannot be resolved: {error}.") from None
    addresses = [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
    if not is_listed(name, port):
        _judge(scheme, name, addresses)
    first = str(addresses[0])
    shown = f"[{first}]" if ":" in first else first
    parts = urlsplit(url)
    rest = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(f"{scheme}://{shown}:{port}{rest}", first, port, name)


def is_listed(name: str, port: int) -> bool:
    """Whether the installation allows this host by name, private or not (tests, development)."""
    allowed = {entry.lower() for entry in settings.OUTGOING_ALLOWED_HOSTS}
    return name in allowed or f"{name}:{port}" in allowed


def is_public(address: Address) -> bool:
    """Whether an address is one of the open internet, what it may carry inside included.

    >>> is_public(ipaddress.ip_address("93.184.215.14"))
    True
    >>> is_public(ipaddress.ip_address("::ffff:127.0.0.1"))
    False
    """
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address in NAT64:
            return is_public(ipaddress.IPv4Address(address.packed[12:]))
        tunnelled = [address.sixtofour, *(address.teredo or ())]
        if any(inner is not None and not is_public(inner) for inner in tunnelled):
            return False
    return address.is_global and not (address.is_multicast or address.is_reserved)


def _parts(url: str) -> tuple[str, str, int]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise AddressRefused(f"This is not an address: {error}.") from None
    name = (parts.hostname or "").rstrip(".").lower()
    if parts.scheme not in ("https", "http") or not name:
        raise AddressRefused(
            f"Expected an address such as https://example.com/hook, found {url!r}."
        )
    if parts.username is not None or parts.password is not None:
        raise AddressRefused("The address carries a name or a password; leave them out.")
    port = port if port is not None else 443 if parts.scheme == "https" else 80
    if is_listed(name, port):
        return parts.scheme, name, port
    if parts.scheme != "https":
        raise AddressRefused("Expected https://; over http:// everybody on the way could read it.")
    if port not in PORTS and port < PORT_LEAST:
        raise AddressRefused(f"Port {port} belongs to another service; use 443 or 1024 and above.")
    return parts.scheme, name, port


def _judge(scheme: str, name: str, addresses: Sequence[Address]) -> None:
    bad = sorted({str(one) for one in addresses if not is_public(one)})
    if bad:
        raise AddressRefused(
            f"{name!r} leads to {', '.join(bad)}, which is not an address of the open internet."
        )


async def _post_all(requests: Sequence[Request], seconds: float) -> list[Answer]:
    turn = asyncio.Semaphore(AT_ONCE)
    limits = httpx.Limits(max_connections=AT_ONCE, max_keepalive_connections=0)
    async with httpx.AsyncClient(
        follow_redirects=False, trust_env=False, limits=limits, timeout=httpx.Timeout(seconds)
    ) as client:

        async def one(request: Request) -> Answer:
            async with turn:
                return await _post(client, request, seconds)

        return await asyncio.gather(*(one(request) for request in requests))


async def _post(client: httpx.AsyncClient, request: Request, seconds: float) -> Answer:
    began = monotonic()

    def spent() -> float:
        return round(monotonic() - began, 3)

    try:
        async with asyncio.timeout(seconds):
            target = await asyncio.to_thread(resolve, request.url)
            return await _exchange(client, request, target, began)
    except AddressRefused as refused:
        return Answer(None, str(refused), "", spent(), is_refused=True)
    except TimeoutError:
        return Answer(None, f"No whole answer within {seconds:g} s.", "", spent(), is_unsure=True)
    except httpx.ConnectTimeout:
        return Answer(None, f"No connection within {CONNECT_SECONDS:g} s.", "", spent())
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        is_unsure = not isinstance(error, httpx.ConnectError | httpx.InvalidURL)
        words = f"{type(error).__name__}: {error}"[:500]
        return Answer(None, words, "", spent(), is_unsure=is_unsure)


async def _exchange(
    client: httpx.AsyncClient, request: Request, target: Target, began: float
) -> Answer:
    headers = {**request.headers, "Host": target.authority, "Accept-Encoding": "identity"}
    timeout = httpx.Timeout(TOTAL_SECONDS, connect=CONNECT_SECONDS)
    extensions = {"sni_hostname": target.name, "timeout": timeout.as_dict()}
    async with client.stream(
        request.method, target.url, content=request.body, headers=headers, extensions=extensions
    ) as response:
        body = b""
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) >= ANSWER_BYTES_MOST:
                break
        return Answer(
            status=response.status_code,
            error="" if response.is_success else _words(response),
            excerpt=_excerpt(body),
            seconds=round(monotonic() - began, 3),
            retry_after_seconds=_retry_after(response.headers.get("Retry-After", "")),
        )


def _words(response: httpx.Response) -> str:
    if response.is_redirect:
        where = response.headers.get("Location", "elsewhere")[:200]
        return f"Answered {response.status_code} to {where}; redirects are not followed."
    return f"Answered {response.status_code} {response.reason_phrase}".rstrip()[:200] + "."


def _excerpt(body: bytes) -> str:
    text = body.decode("utf-8", "replace")[:EXCERPT_CHARACTERS]
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def _retry_after(text: str) -> int | None:
    """Seconds that the other side asked for; a date or nonsense counts as nothing."""
    return int(text) if text.isdecimal() and len(text) < 7 else None
