"""Mail servers set up on the page.  The only writer of `MailServer`.

Passwords go in and never come out again: not to a page, a log, the trail or an answer of the API.
"""

from datetime import datetime
from typing import Any

from django.db import transaction

from campaigns.channels import chosen
from campaigns.channels.channel import ChannelAway
from campaigns.models import MailServer
from rapport.access import audit
from rapport.errors import DomainError
from rapport.sealed import Unsealable

Kind = MailServer.Kind
FIELDS = ("name", "kind", "host", "port", "security", "login", "region", "weight", "is_enabled")


class WrongServer(DomainError):
    """A server that could not be used as it is described."""

    code = "wrong_server"


@transaction.atomic
def create(*, user: Any, now: datetime, password: str = "", **fields: Any) -> MailServer:
    server = MailServer(**fields, password=password, created_at=now, changed_at=now)
    _check(server)
    server.save(force_insert=True)
    audit(user, "mail_server.created", f"mail server {server.pk}", **_told(server))
    return server


@transaction.atomic
def edit(
    server: MailServer, *, user: Any, now: datetime, password: str = "", **fields: Any
) -> MailServer:
    """Change a server; an empty password leaves the one that is stored."""
    # The password must not follow to a host of somebody else's choice.
    before = (server.host, server.kind, server.port, server.security)
    for name, value in fields.items():
        setattr(server, name, value)
    moves = before != (server.host, server.kind, server.port, server.security)
    if not password and _is_lost(server):
        raise WrongServer("The stored password cannot be opened any more: enter it again.")
    if moves and not password and server.password:
        raise WrongServer("With another host, port or security enter the password again.")
    if password:
        server.password = password
    server.changed_at = now
    _check(server)
    server.save(force_update=True)
    told = {**_told(server), "password_changed": bool(password)}
    audit(user, "mail_server.changed", f"mail server {server.pk}", **told)
    return server


@transaction.atomic
def delete(server: MailServer, *, user: Any, now: datetime) -> None:
    pk, told = server.pk, _told(server)
    server.delete()
    audit(user, "mail_server.deleted", f"mail server {pk}", **told)


def test(server: MailServer) -> str:
    """Connect, greet and log in as a sender would; the reason why not, empty when all is well."""
    try:
        with chosen.server_channel(server).open():
            return ""
    except (ChannelAway, ValueError, DomainError) as error:
        return str(error)


def _is_lost(server: MailServer) -> bool:
    try:
        return server.password is None
    except Unsealable:
        return True


def _check(server: MailServer) -> None:
    faults = []
    others = MailServer.objects.filter(name=server.name).exclude(pk=server.pk)
    if not server.name.strip() or others.exists():
        faults.append("A server needs a name that no other has.")
    if server.weight < 1:
        faults.append("The weight is a whole number from 1 on.")
    if server.port is not None and not 1 <= server.port <= 65_535:
        faults.append("The port is a number from 1 to 65535.")
    if any(character.isspace() or character in "/@?#" for character in server.host):
        faults.append("The host is a name such as smtp.example.com, without address or port.")
    if server.kind == Kind.SMTP and not server.host:
        faults.append("An SMTP server needs its host.")
    if server.kind == Kind.SMTP and server.login and server.security == "none":
        faults.append("A password is not sent without TLS: choose STARTTLS or TLS.")
    if not faults:
        try:
            chosen.server_channel(server)
        except ValueError as error:
            faults.append(f"{error}.")
    if faults:
        raise WrongServer(" ".join(faults))


def _told(server: MailServer) -> dict[str, Any]:
    return {name: getattr(server, name) for name in FIELDS}
