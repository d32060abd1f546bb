"""E-mail through the HTTP service of a provider, by django-anymail, on a kept connection.

A service may take a message and its answer may not reach us; it knows no idempotency keys.  So what
ends without an answer is ambiguous, is never sent again by itself, and nothing below us retries.
"""

import importlib
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from typing import Any
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

import requests
from anymail.exceptions import AnymailError, AnymailRecipientsRefused
from django.core.mail import EmailMultiAlternatives

from campaigns.channels.channel import ChannelAway, Outgoing, Result, Verdict

SCHEME = "anymail+"
CONNECT_SECONDS, ANSWER_SECONDS = 10, 60
# Not taken, by the words of RFC 6585 and RFC 9110; other answers above 499 leave it open.
TRY_LATER_STATUSES = (429, 503)
# What the service writes itself.
OWN_HEADERS = {"from", "to", "subject", "date", "message-id", "mime-version"}
MESSAGE_KEY = "rapport_message_id"  # in the metadata that comes back with the service's events


@dataclass(frozen=True)
class Provider:
    """How django-anymail names the settings of one provider."""

    key: str = "api_key"
    secret: str = ""
    domain: str = ""
    regions: tuple[tuple[str, str], ...] = ()  # (name, API address)


PROVIDERS: dict[str, Provider] = {
    "postmark": Provider("server_token"),
    "mailgun": Provider(domain="sender_domain", regions=(("eu", "https://api.eu.mailgun.net/v3"),)),
    "sendgrid": Provider(regions=(("eu", "https://api.eu.sendgrid.com/v3/"),)),
    "brevo": Provider(),
    "mailjet": Provider(secret="secret_key"),
    "resend": Provider(),
    "sparkpost": Provider(regions=(("eu", "https://api.eu.sparkpost.com/api/v1"),)),
    "mailersend": Provider("api_token"),
    "mandrill": Provider(),
}


class EspChannel:
    """The service of one provider."""

    def __init__(
        self,
        provider: str,
        *,
        token: str,
        secret: str = "",
        domain: str = "",
        region: str = "",
        api_url: str = "",
    ) -> None:
        known = PROVIDERS.get(provider)
        if known is None:
            raise ValueError(f"EMAIL_URL names a provider that is none of {', '.join(PROVIDERS)}")
        if not token:
            raise ValueError(f"{provider} needs its token")
        if known.domain and not domain:
            raise ValueError(f"{provider} needs the domain it sends for")
        if region and region not in dict(known.regions):
            raise ValueError(f"{provider} has no region {region!r}")
        self.provider = provider
        self.api_url = api_url or dict(known.regions).get(region, "")
        given = {known.key: token, known.secret: secret, known.domain: domain}
        self._given = {name: value for name, value in given.items() if name and value}
        if self.api_url:
            self._given["api_url"] = self.api_url

    @contextmanager
    def open(self) -> Iterator["EspSession"]:
        module = importlib.import_module(f"anymail.backends.{self.provider}")
        backend = module.EmailBackend(
            **self._given,
            timeout=(CONNECT_SECONDS, ANSWER_SECONDS),
            ignore_unsupported_features=True,
        )
        _check_answers(backend.api_url)
        backend.open()
        backend.session.max_redirects = 0
        try:
            yield EspSession(backend)
        finally:
            backend.close()


class EspSession:
    """A connection that is kept between messages; each is one request."""

    def __init__(self, backend: Any) -> None:
        self.is_open = True
        self._backend = backend

    def send(self, batch: Sequence[Outgoing]) -> Iterator[Result]:
        for mail in batch:
            if self.is_open:
                yield self._send(mail)
            else:
                yield Result(mail.message_id, Verdict.NOT_TRIED)

    def _send(self, mail: Outgoing) -> Result:
        message = django_message(mail)
        try:
            self._backend._send(message)
        except AnymailRecipientsRefused:
            return Result(mail.message_id, Verdict.REFUSED, _refusal(message))
        except AnymailError as error:
            return self._failed(mail, error)
        except requests.RequestException as error:
            return Result(mail.message_id, Verdict.AMBIGUOUS, _said(error))
        status = message.anymail_status  # type: ignore[attr-defined]
        provider_id = status.message_id if isinstance(status.message_id, str) else ""
        words = ", ".join(sorted(status.status or ()))
        return Result(mail.message_id, Verdict.ACCEPTED, words, provider_id=provider_id or "")

    def _failed(self, mail: Outgoing, error: AnymailError) -> Result:
        cause, code = error.__cause__, error.status_code
        if isinstance(cause, requests.ConnectTimeout) or _never_connected(cause):
            self.is_open = False
            return Result(mail.message_id, Verdict.NOT_TRIED, _said(cause))
        if isinstance(cause, requests.RequestException) or code is None or 200 <= code < 300:
            return Result(mail.message_id, Verdict.AMBIGUOUS, _said(cause or error))
        said = f"{code} {_body(error)}"[:300]
        if code in TRY_LATER_STATUSES or code in (401, 403):  # a wrong token refuses everybody
            return Result(mail.message_id, Verdict.TRY_LATER, said)
        verdict = Verdict.REFUSED if 400 <= code < 500 else Verdict.AMBIGUOUS
        return Result(mail.message_id, verdict, said)


def channel(url: str) -> EspChannel:
    """Read ``anymail+postmark://token@`` or ``anymail+mailgun://key@mg.shop.example?region=eu``."""
    parts = urlsplit(url)
    asked = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    return EspChannel(
        parts.scheme.removeprefix(SCHEME),
        token=unquote(parts.username or ""),
        secret=unquote(parts.password or ""),
        domain=parts.hostname or "",
        region=asked.get("region", ""),
        api_url=asked.get("api_url", ""),
    )


def django_message(mail: Outgoing) -> EmailMultiAlternatives:
    """Our finished message as the pieces that services take."""
    parsed: EmailMessage = BytesParser(policy=policy.default).parsebytes(mail.data)  # type: ignore[assignment]
    text, html = parsed.get_body(("plain",)), parsed.get_body(("html",))
    headers = {
        name: str(value)
        for name, value in parsed.items()
        if name.lower() not in OWN_HEADERS and not name.lower().startswith("content-")
    }
    message = EmailMultiAlternatives(
        subject=str(parsed["Subject"] or ""),
        body=_content(text),
        from_email=str(parsed["From"] or mail.sender),
        to=[mail.recipient],
        headers=headers,
    )
    if html is not None:
        message.attach_alternative(_content(html), "text/html")
    if mail.message_id is not None:
        message.metadata = {MESSAGE_KEY: str(mail.message_id)}  # type: ignore[attr-defined]
    return message


def _content(part: Any) -> str:
    return part.get_content() if part is not None else ""


def _check_answers(api_url: str) -> None:
    """Raise `ChannelAway` when nobody is at the service's address."""
    parts: SplitResult = urlsplit(api_url)
    if requests.utils.get_environ_proxies(api_url):
        return
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((parts.hostname or "", port), CONNECT_SECONDS).close()
    except OSError as error:
        raise ChannelAway(f"{parts.hostname}: {error}"[:300]) from error


def _never_connected(cause: BaseException | None) -> bool:
    """Whether the request failed before there was a connection to send it on."""
    if not isinstance(cause, requests.ConnectionError) or not cause.args:
        return False
    reason = getattr(cause.args[0], "reason", None)
    return type(reason).__name__ in ("NewConnectionError", "NameResolutionError")


def _refusal(message: Any) -> str:
    status = message.anymail_status
    words = ", ".join(sorted(status.status or ()))
    return f"{words}: {_answer_text(status.esp_response)}"[:300]


def _body(error: AnymailError) -> str:
    return _answer_text(error.response) or str(error.args[0] if error.args else "")


def _answer_text(response: Any) -> str:
    return " ".join(getattr(response, "text", "").split())[:250]


def _said(error: BaseException | None) -> str:
    return f"{type(error).__name__}: {error}"[:300]
