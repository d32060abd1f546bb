"""Take bounces and complaints that come by mail, from a pipe or over HTTP.

Anybody can send us a mail, so a report counts only with proof that its sender had our message: the
bounce address that it was sent to, or a link that only our message carried, both signed.  One that
names a message without proof is believed as far as it does no harm: not delivered, this time.
"""

import logging
import re
from dataclasses import dataclass
from datetime import datetime

from campaigns.messages import bounces, links, reports_read
from campaigns.messages.reports_read import Report
from campaigns.models import Message
from campaigns.services import arrivals, composing
from campaigns.services.arrivals import Arrival
from rapport.errors import DomainError

log = logging.getLogger(__name__)

PROVIDER = "mail"
IGNORED = ("delayed", "not_spam")
LINK = re.compile(r"/m/([a-z])/([A-Za-z0-9_-]{16,4000})")
MESSAGE_KEY = re.compile(r"<rapport-(\d{1,18})@")


class ReportRefused(DomainError):
    code = "report_refused"


@dataclass(frozen=True)
class _Origin:
    """Which message a report is about, and how we know."""

    message_id: int
    is_proven: bool
    sent: bounces.Sent | None = None


def take(raw: bytes, *, now: datetime, envelope_to: str = "") -> list[str]:
    """Record what a mail reports; return what it said of each recipient.

    ``envelope_to`` is the address that it was delivered to, where that is known apart from its
    headers.  Safe to repeat.

    Raises
    ------
    ReportRefused
        For what is no report, or is about no message of ours.  It is kept as rejected.
    """
    try:
        mail = reports_read.read(raw)
        origin = _origin(f"{envelope_to}\n{mail.traces}")
        if origin is None:
            raise reports_read.Unreadable("it names no message of ours")
        if not Message.objects.filter(pk=origin.message_id).exists():
            raise reports_read.Unreadable(f"there is no message {origin.message_id}")
    except reports_read.Unreadable as error:
        reason = f"This mail is no report that can be used: {error}."
        arrivals.reject(reason, provider=PROVIDER, said=_excerpt(raw), now=now)
        raise ReportRefused(reason) from error
    found = [_arrival(one, origin, now=now) for one in mail.reports if one.kind not in IGNORED]
    arrivals.record(found, now=now)
    return [one.kind for one in mail.reports]


def _origin(traces: str) -> _Origin | None:
    key = composing.key()
    sent = bounces.read(key, traces)
    if sent is not None:
        return _Origin(sent.message_id, True, sent)
    for purpose, token in LINK.findall(traces):
        try:
            return _Origin(links.read(key, purpose, token).message_id, True)
        except links.BadToken:
            continue
    named = MESSAGE_KEY.search(traces)
    return _Origin(int(named[1]), False) if named else None


def _arrival(report: Report, origin: _Origin, *, now: datetime) -> Arrival:
    kind, address = report.kind, ""
    if not origin.is_proven and kind != "delivered":
        kind = "soft_bounce"
    if kind == "hard_bounce":
        address = _address(report, origin)
        kind = "hard_bounce" if address else "soft_bounce"
    return Arrival(
        kind,
        report.happened_at or now,
        origin.message_id,
        provider=PROVIDER,
        detail=f"{report.status} {report.words}".strip(),
        address=address,
        channel="email",
    )


def _address(report: Report, origin: _Origin) -> str:
    """The address that nobody is at; empty where we cannot be sure that we wrote to it.

    A report names whom it likes: the last of a chain of forwards, or somebody whom its sender
    wants to silence.
    """
    customers = Message.objects.filter(pk=origin.message_id)
    present = customers.values_list("customer__email", flat=True).first() or ""
    if origin.sent is not None:
        for one in (present, *report.recipients):
            if origin.sent.went_to(one):
                return one
        return ""
    named = [one.lower() for one in report.recipients]
    return present if not named or present.lower() in named else ""


def _excerpt(raw: bytes) -> str:
    """Enough to recognise the mail by; its text may be a person's."""
    head = raw[:20_000].decode("utf-8", "replace")
    found = re.findall(r"^(?:message-id|content-type|date):.*$", head, re.IGNORECASE | re.MULTILINE)
    return " ".join(" ".join(found).split())[:250] or f"{len(raw)} bytes without headers"
