"""Which way out each channel takes here."""

from collections.abc import Callable
from datetime import datetime
from urllib.parse import parse_qs, urlsplit

from django.conf import settings

from campaigns.channels import esp, others
from campaigns.channels.channel import Channel, ChannelAway
from campaigns.channels.inbox import InboxChannel
from campaigns.channels.several import SeveralChannels, Way
from campaigns.channels.smtp import PORTS, Server, SmtpChannel
from campaigns.models import MailServer
from rapport.sealed import Unsealable


def channel(name: str, clock: Callable[[], datetime]) -> Channel:
    """The way out for messages of a channel.  Raises `ChannelAway` where none is set up."""
    if name == "email":
        return email(clock)
    return others.channel(name, clock)


def email(clock: Callable[[], datetime]) -> Channel:
    """The servers of ``EMAIL_URL`` and of the page, by weight; without any, the inbox page.

    Raises `ChannelAway` where one cannot be understood: its share must not go unseen elsewhere.
    """
    try:
        ways = email_ways()
    except (ValueError, Unsealable) as error:
        raise ChannelAway(str(error)) from error
    return SeveralChannels(ways, clock) if ways else InboxChannel(clock)


def email_ways() -> list[Way]:
    """Every server that may be used for e-mail here."""
    return [
        *(url_way(url) for url in urls()),
        *(server_way(one) for one in MailServer.objects.filter(is_enabled=True)),
    ]


def urls() -> list[str]:
    """The addresses in ``EMAIL_URL``."""
    return settings.EMAIL_URL.split()


def url_way(url: str) -> Way:
    """The server of one address; ``?weight=3`` is its share beside others.

    Raises `ValueError`, in words that repeat no password.
    """
    parts = urlsplit(url)
    weight = parse_qs(parts.query).get("weight", ["1"])[-1]
    if not weight.isdecimal() or int(weight) < 1:
        raise ValueError(f"EMAIL_URL: the weight {weight!r} is not a number from 1 on")
    name = parts.hostname or parts.scheme.removeprefix(esp.SCHEME)
    found: Channel
    if parts.scheme.startswith(esp.SCHEME):
        found = esp.channel(url)
    else:
        found = SmtpChannel(url, own_name=_own_name())
        name = f"{name}:{found.server.port}"
    return Way(f"url:{parts.scheme}:{name}", name, int(weight), found)


def server_way(row: MailServer) -> Way:
    return Way(f"row:{row.pk}", row.name, row.weight, server_channel(row))


def server_channel(row: MailServer) -> Channel:
    """Raises `ValueError` where something is missing."""
    if row.kind != MailServer.Kind.SMTP:
        return esp.EspChannel(
            row.kind, token=row.password, secret=row.login, domain=row.host, region=row.region
        )
    scheme = {"none": "smtp", "starttls": "smtp+tls", "tls": "smtp+ssl"}[row.security]
    port = row.port or PORTS[scheme]
    return SmtpChannel(
        Server(scheme, row.host, port, row.login, row.password), own_name=_own_name()
    )


def _own_name() -> str:
    return urlsplit(settings.SITE_URL).hostname or ""
