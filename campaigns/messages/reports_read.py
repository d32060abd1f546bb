"""Read what mail servers and mailbox providers report by mail: bounces and complaints.

Bounces as in RFC 3464, and in the words of servers that do not keep to it (qmail, Exim, old
Exchange and sendmail); complaints as in RFC 5965 (ARF).  Whoever can send a mail can send us a
report: what is read here is what is said, not what is so.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import Message
from email.utils import parsedate_to_datetime

SIZE_MOST = 10_000_000  # bytes; a report returns at most a message
RECIPIENTS_MOST = 50
TEXT_MOST = 100_000  # characters of a body that are looked through

# RFC 3463: nobody is there, or there is no such place.
_DEAD = re.compile(r"^5\.(1\.([0-3]|6|10)|2\.1|4\.4)$")
_ALIVE = re.compile(r"^5\.([2367]\.|1\.[4578]|4\.|5\.[1-6])")
VAGUE = ("5.1.0", "5.2.1", "5.4.4")  # also said of what is only refused
_NOBODY = re.compile(
    r"user (is )?unknown|unknown (user|recipient|address|mailbox|account|local)|"
    r"no such (user|recipient|mailbox|address|person|account)|"
    r"does(n't| not) (exist|have an account)|"
    r"(recipient|address|user|mailbox|account)( address)? (was )?not (be )?found|"
    r"invalid (recipient|mailbox|user|address)|no mailbox (here )?by that name|"
    r"recipient address rejected: (undeliverable|user)|not a valid (mailbox|recipient|user)|"
    r"account (has been |is )?(disabled|closed|deleted|inactive)|"
    r"mailbox (is )?(disabled|inactive|unavailable)|recipnotfound|"
    r"(host|domain)( name)?( was)? not found|no such domain",
    re.IGNORECASE,
)
_REFUSED = re.compile(
    r"spam|block(ed|list)|black ?list|policy|reputation|dmarc|dkim|\bspf\b|rate limit|too many|"
    r"over ?quota|mailbox (is )?full|quota exceeded|insufficient storage|try again|temporar",
    re.IGNORECASE,
)
_STATUS = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.])")
_REPLY = re.compile(r"(?<![\d.])([45]\d\d)[ -]")
_ADDRESS = r"[^\s<>\"(),:;@]{1,64}@[A-Za-z0-9.-]{1,253}"
_IN_WORDS = (
    re.compile(rf"^<({_ADDRESS})>:\s*$", re.MULTILINE),  # qmail
    re.compile(rf"^\s*<?({_ADDRESS})>?\s*(?:\(.*\))?$", re.MULTILINE),  # Exim, sendmail
    re.compile(rf"^\s*({_ADDRESS}) on \d", re.MULTILINE),  # Exchange 5.5
    re.compile(rf"<({_ADDRESS})>"),
)
_COPY_BELOW = re.compile(
    r"^-+ ?(below this line is a copy of the message|this is a copy of (the|your) message.*|"
    r"original message|unsent message below|returned message|message header follows).*$|"
    r"^original message headers:.*$",
    re.IGNORECASE | re.MULTILINE,
)
_FAILED = re.compile(
    r"undeliver|delivery (has )?(failed|failure|status|notification)|returned mail|"
    r"mail(?: delivery)? fail|failure notice|message not delivered|nicht zugestellt|"
    r"non remis|non distribu",
    re.IGNORECASE,
)
_DAEMON = re.compile(r"mailer-daemon|postmaster|mail delivery (sub)?system", re.IGNORECASE)


class Unreadable(ValueError):
    """No report that we understand; the words say what was found."""


@dataclass(frozen=True)
class Report:
    """What is said of one recipient.

    Attributes
    ----------
    kind : str
        ``hard_bounce`` (nobody is there), ``soft_bounce`` (not delivered, for another reason),
        ``delayed``, ``delivered``, ``complaint``, ``unsubscribe`` or ``not_spam``.
    recipients : tuple of str
        Its address, as far as it is told: the final one, and the one first written to.
    status : str
        RFC 3463, such as 5.1.1; empty where none is told.
    words : str
        The other server's, in one line.
    happened_at : datetime, optional
    """

    kind: str
    recipients: tuple[str, ...] = ()
    status: str = ""
    words: str = ""
    happened_at: datetime | None = None


@dataclass(frozen=True)
class Mail:
    """One report by mail.

    Attributes
    ----------
    reports : list of Report
    traces : str
        Everything that may name our message: where the report was sent to, and the headers of what
        it returns.
    """

    reports: list[Report]
    traces: str


def read(raw: bytes) -> Mail:
    """Understand a mail that reports on others.

    Raises
    ------
    Unreadable
        For anything else: a reply, a note of absence, a newsletter, no mail at all.
    """
    if len(raw) > SIZE_MOST:
        raise Unreadable(f"{len(raw)} bytes, at most {SIZE_MOST} are read")
    mail = message_from_bytes(raw, policy=policy.compat32)
    if not mail.keys():
        raise Unreadable("no mail: it has no headers")
    kind = str(mail.get_param("report-type") or "").lower()
    parts = {part.get_content_type(): part for part in reversed(list(mail.walk()))}
    traces = "\n".join([_headers(mail), *map(_headers, _returned(mail))])
    if "message/feedback-report" in parts:
        return Mail([_complaint(parts["message/feedback-report"])], _with_fields(parts, traces))
    if "message/delivery-status" in parts:
        return Mail(_bounces(parts["message/delivery-status"]), traces)
    if kind == "disposition-notification" or "message/disposition-notification" in parts:
        raise Unreadable("a read receipt")
    return _in_words(mail, traces)


def is_dead(status: str, words: str) -> bool:
    """Whether these say that nobody will ever be at the address.

    Examples
    --------
    >>> is_dead("5.1.1", ""), is_dead("5.2.2", "mailbox full"), is_dead("5.7.1", "user unknown")
    (True, False, False)
    >>> is_dead("5.0.0", "550 user unknown"), is_dead("4.1.1", "user unknown")
    (True, False)
    """
    if status.startswith(("2.", "4.")):
        return False
    if _DEAD.match(status):
        return status not in VAGUE or not _REFUSED.search(words)
    if _ALIVE.match(status):
        return False
    return bool(_NOBODY.search(words)) and not _REFUSED.search(words)


def _bounces(part: Message) -> list[Report]:
    blocks = _inner(part)
    if not blocks:
        raise Unreadable("a delivery status without fields")
    shared = blocks[0]
    found = [_bounce(block, shared) for block in blocks[: RECIPIENTS_MOST + 1] if _of_one(block)]
    if not found:
        raise Unreadable("a delivery status that names no recipient")
    return found


def _of_one(block: Message) -> bool:
    return bool(block.get("Final-Recipient") or block.get("Original-Recipient") or block["Action"])


def _bounce(block: Message, shared: Message) -> Report:
    words = _line(block.get("Diagnostic-Code", "") or block.get("Status", ""))
    action = _line(block.get("Action", "")).lower().split(" ")[0]
    told = _STATUS.search(_line(block.get("Status", "")))
    status = told[1] if told else ""
    # Some say only 5.0.0 and put what they know into the diagnostic.
    inner = _STATUS.search(words)
    if inner and (not status or status.endswith(".0.0")):
        status = inner[1]
    addresses = (_address(block.get(f"{one}-Recipient", "")) for one in ("Final", "Original"))
    moment = _moment(
        block.get("Last-Attempt-Date") or shared.get("Last-Attempt-Date") or shared["Arrival-Date"]
    )
    return Report(
        _kind(action, status, words),
        tuple(dict.fromkeys(filter(None, addresses))),
        status,
        words,
        moment,
    )


def _kind(action: str, status: str, words: str) -> str:
    if action == "delayed" or (not action and status.startswith("4.")):
        return "delayed"
    if action in ("delivered", "relayed", "expanded"):
        return "delivered"
    return "hard_bounce" if is_dead(status, words) else "soft_bounce"


def _complaint(part: Message) -> Report:
    fields = _fields(part)
    said = _line(fields.get("Feedback-Type", "")).lower()
    if not said:
        raise Unreadable("a feedback report without its type")
    kind = {"not-spam": "not_spam", "opt-out": "unsubscribe", "opt-out-list": "unsubscribe"}
    moment = _moment(fields.get("Arrival-Date") or fields.get("Received-Date"))
    found = _address(fields.get("Original-Rcpt-To", ""))
    return Report(kind.get(said, "complaint"), (found,) if found else (), "", said, moment)


def _with_fields(parts: dict[str, Message], traces: str) -> str:
    fields = _fields(parts["message/feedback-report"])
    sender = _line(fields.get("Original-Mail-From", ""))
    return f"{traces}\nOriginal-Mail-From: {sender}"


def _fields(part: Message) -> Message:
    inner = _inner(part)
    return inner[0] if inner else part


def _in_words(mail: Message, traces: str) -> Mail:
    """A bounce in prose, by a server that keeps to no standard."""
    said_of = [str(mail.get(name, "")) for name in ("From", "Subject")]
    is_daemon = bool(_DAEMON.search(said_of[0])) or _line(mail.get("Return-Path", "")) == "<>"
    failed = [_address(one) for one in str(mail.get("X-Failed-Recipients", "")).split(",")]
    text = _text(mail)
    if "auto-replied" in str(mail.get("Auto-Submitted", "")).lower() and not any(failed):
        raise Unreadable("an automatic reply")
    if not any(failed) and not (is_daemon and _FAILED.search(f"{said_of[1]} {text[:2_000]}")):
        raise Unreadable("no report: a mail of somebody")
    copy = _COPY_BELOW.search(text)
    words, returned = (text[: copy.start()], text[copy.end() :]) if copy else (text, "")
    found = [one for one in failed if one] or _named(words)
    status = _STATUS.search(words)
    code = _REPLY.search(words)
    told = status[1] if status else f"{code[1][0]}.0.0" if code else ""
    short = _line(words[-1_500:])
    is_late = re.search(r"will (be retried|keep trying|continue)|delayed|warning", short, re.I)
    kind = "delayed" if is_late and not told.startswith("5") else _kind("failed", told, words)
    moment = _moment(mail.get("Date"))
    reports = [Report(kind, (one,), told, short, moment) for one in found[:RECIPIENTS_MOST]]
    return Mail(
        reports or [Report(kind, (), told, short, moment)], f"{traces}\n{returned[:20_000]}"
    )


def _named(words: str) -> list[str]:
    for pattern in _IN_WORDS:
        found = [one for one in pattern.findall(words) if not _DAEMON.search(one)]
        if found:
            return list(dict.fromkeys(found))
    return []


def _returned(mail: Message) -> list[Message]:
    """The messages that a report returns, or their headers alone."""
    found: list[Message] = []
    for part in mail.walk():
        if part.get_content_type() == "message/rfc822":
            found += _inner(part)[:1]
        elif part.get_content_type() == "text/rfc822-headers":
            found.append(message_from_bytes(_bytes(part)))
    return found


def _inner(part: Message) -> list[Message]:
    payload = part.get_payload()
    return [one for one in payload if isinstance(one, Message)] if isinstance(payload, list) else []


def _bytes(part: Message) -> bytes:
    body = part.get_payload(decode=True)
    return body if isinstance(body, bytes) else b""


def _headers(mail: Message) -> str:
    names = (
        "To", "Delivered-To", "X-Original-To", "X-Envelope-To", "Envelope-To", "Return-Path",
        "X-Return-Path", "Sender", "Message-ID", "In-Reply-To", "References", "List-Unsubscribe",
    )  # fmt: skip
    return "\n".join(f"{name}: {_line(one)}" for name in names for one in mail.get_all(name, []))


def _text(mail: Message) -> str:
    for part in mail.walk():
        if part.get_content_type() == "text/plain":
            return _bytes(part)[:TEXT_MOST].decode("utf-8", "replace").replace("\r\n", "\n")
    return ""


def _address(field: object) -> str:
    """The address in ``rfc822; ada@example.com``; x400 and the like have none."""
    found = re.search(_ADDRESS, _line(field))
    return found[0][:254] if found else ""


def _line(field: object) -> str:
    return " ".join(str(field).split())[:2_000]


def _moment(field: object) -> datetime | None:
    try:
        found = parsedate_to_datetime(_line(field))
    except (TypeError, ValueError, IndexError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
