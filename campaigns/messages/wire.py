"""The bytes of a message as they travel: RFC 5322 headers, two MIME parts, CRLF.

The fixed parts of a campaign are encoded once.  Quoted-printable allows a soft line break anywhere,
so each place that differs from person to person stands between two of them and is encoded alone.
"""

import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from typing import Any

from campaigns.messages.render import Compiled, Slots
from campaigns.messages.sandbox import Link

# "=_" cannot occur in quoted-printable, so no part can hold its own end.
BOUNDARY = b"=_rapport_alternative"
SOFT_BREAK = b"=\r\n"
HEADER_ASCII_MOST = 900  # octets; a line may have 998
ENCODED_WORD_BYTES = 42  # of UTF-8 in one encoded word, which may have 75 characters

LINE_MOST = 75  # octets before a soft break

_CLEAN = re.compile(r"[!-<>-~]+(?: [!-<>-~]+)*")  # printable ASCII but "=", spaces inside alone
_PLAIN_HEADER = re.compile(r"[\x20-\x7e]*")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]*")
_LOCAL_PART = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}")
_DOMAIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


class AddressError(ValueError):
    """An address that no mail can be written to."""


@dataclass(frozen=True)
class Personal:
    """What the headers of one message need beyond its texts.

    Attributes
    ----------
    recipient : str
        The bare address.
    message_key : str
        The same for ever for one message: the left half of its Message-ID.
    unsubscribe_url : str
        Empty where there is nothing to unsubscribe from, as in a test.
    """

    recipient: str
    message_key: str
    date: datetime
    unsubscribe_url: str = ""


class Form:
    """A compiled campaign as bytes with places to fill in.

    Parameters
    ----------
    compiled : Compiled
    sender_name : str
        May hold any characters.
    sender_email : str
    """

    def __init__(self, compiled: Compiled, *, sender_name: str, sender_email: str) -> None:
        self.compiled = compiled
        self.sender_email = address(sender_email)
        self._domain = self.sender_email.rpartition("@")[2]
        self._from = f"From: {mailbox(sender_name, self.sender_email)}\r\n"
        self._text = _encoded(compiled.text)
        self._html = _encoded(compiled.html)

    def write(self, person: Personal, values: Mapping[str, Any], link: Link | None = None) -> bytes:
        """The whole message of one person.

        Raises
        ------
        RenderError
            When the template fails on these values.
        AddressError
            When the recipient is no address.
        """
        headers = self._headers(person, self.compiled.subject_line(values))
        parts = [headers, _PART_HEADERS % (BOUNDARY, b"plain")]
        _interleave(parts, self._text, self.compiled.text.fill(values, link))
        parts.append(b"\r\n" + _PART_HEADERS % (BOUNDARY, b"html"))
        _interleave(parts, self._html, self.compiled.html.fill(values, link))
        parts.append(b"\r\n--%b--\r\n" % BOUNDARY)
        return b"".join(parts)

    def _headers(self, person: Personal, subject: str) -> bytes:
        lines = [
            self._from,
            f"To: {address(person.recipient)}\r\n",
            f"Subject: {header_text(subject, taken=9)}\r\n",
            f"Date: {format_datetime(person.date)}\r\n",
            f"Message-ID: <{person.message_key}@{self._domain}>\r\n",
        ]
        if person.unsubscribe_url:
            lines += [
                f"List-Unsubscribe: <{person.unsubscribe_url}>\r\n",
                "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n",  # RFC 8058
            ]
        lines += [
            "MIME-Version: 1.0\r\n",
            f'Content-Type: multipart/alternative; boundary="{BOUNDARY.decode()}"\r\n\r\n',
        ]
        return "".join(lines).encode("ascii")


_PART_HEADERS = (
    b"--%b\r\nContent-Type: text/%b; charset=utf-8\r\n"
    b"Content-Transfer-Encoding: quoted-printable\r\n\r\n"
)


def address(written: str) -> str:
    """A bare address in ASCII, its domain in IDNA.

    Raises
    ------
    AddressError
        Also for a local part beyond ASCII, which few servers take.

    Examples
    --------
    >>> address("ada@bücher.example")
    'ada@xn--bcher-kva.example'
    """
    local, _at, domain = written.strip().rpartition("@")
    try:
        domain = domain if domain.isascii() else domain.encode("idna").decode()
    except UnicodeError:
        domain = ""
    if not _LOCAL_PART.fullmatch(local) or not _DOMAIN.fullmatch(domain) or ".." in written:
        raise AddressError(f"{written[:80]!r} is not an address that mail can be written to")
    return f"{local}@{domain}"


def mailbox(name: str, email: str) -> str:
    """``Name <address>`` for a header.

    >>> mailbox("Ada, Shop", "a@b.c"), mailbox("Café", "a@b.c")
    ('"Ada, Shop" <a@b.c>', '=?utf-8?b?Q2Fmw6k=?= <a@b.c>')
    """
    name = " ".join(name.split())
    if not name:
        return email
    if not _PLAIN_HEADER.fullmatch(name) or "=?" in name:
        return f"{header_text(name, taken=6)} <{email}>"
    if _ATOMS.fullmatch(name):
        return f"{name} <{email}>"
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}" <{email}>'


def header_text(text: str, *, taken: int = 0) -> str:
    """Unstructured header text, in encoded words (RFC 2047) where it is not plain.

    Parameters
    ----------
    taken : int
        Columns that the header's name takes on the first line.
    """
    if _PLAIN_HEADER.fullmatch(text) and "=?" not in text and len(text) <= HEADER_ASCII_MOST:
        return text
    words, word = [], b""
    room = ENCODED_WORD_BYTES - taken
    for letter in text:
        # Lone surrogates reach us from JSON and have no UTF-8.
        encoded = letter.encode("utf-8", "replace")
        if len(word) + len(encoded) > room:
            words.append(word)
            word, room = b"", ENCODED_WORD_BYTES
        word += encoded
    words.append(word)
    spelled = (binascii.b2a_base64(word, newline=False).decode() for word in words)
    return "\r\n ".join(f"=?utf-8?b?{word}?=" for word in spelled)


def _encoded(slots: Slots) -> tuple[bytes, ...]:
    """The fixed parts, each but the last ending in a soft line break."""
    *most, last = [_quoted(part) for part in slots.fixed]
    return (*(part + SOFT_BREAK for part in most), last)


def _interleave(parts: list[bytes], fixed: tuple[bytes, ...], filled: list[str]) -> None:
    parts.append(fixed[0])
    for value, after in zip(filled, fixed[1:], strict=True):
        if value:
            parts += (_quoted(value), SOFT_BREAK)
        parts.append(after)


def _quoted(text: str) -> bytes:
    if _CLEAN.fullmatch(text):  # most values: nothing to encode, only lines to break
        data = text.encode("ascii")
        if len(data) <= LINE_MOST:
            return data
        return SOFT_BREAK.join(data[at : at + LINE_MOST] for at in range(0, len(data), LINE_MOST))
    data = text.replace("\r\n", "\n").replace("\r", "\n").encode("utf-8", "replace")
    return binascii.b2a_qp(data, istext=True).replace(b"\n", b"\r\n")
