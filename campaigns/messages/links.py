"""Links that only we can have written: open pixels, tracked links, unsubscribing.

A token is base64url of *payload* and *signature*.  The payload is the purpose (one letter), the day
it was made, the message and, for a tracked link, its number and the address itself; so a link keeps
working after its campaign was edited or removed, and nothing leads to an address that we did not
sign.  The signature is HMAC-SHA256, cut to `SIGNATURE_BYTES`; each purpose signs with a key of its
own, so that no token can serve for another purpose.
"""

import base64
import binascii
import functools
import hashlib
import hmac
from dataclasses import dataclass
from datetime import date, timedelta

OPEN, CLICK, UNSUBSCRIBE = "o", "c", "u"
PREFERENCES = "p"
OPT_IN = "i"  # the number is that of the question, not of a message
PURPOSES = (OPEN, CLICK, UNSUBSCRIBE, PREFERENCES, OPT_IN)
SIGNATURE_BYTES = 12  # 96 bits: a guess a second for a year finds none
ADDRESS_MOST = 2_000  # characters; what mail programs and proxies carry without cutting
TOKEN_MOST = 4_000
FIRST_DAY = date(2020, 1, 1)


class BadToken(ValueError):
    """A token that we did not make, that was changed, or whose time is over."""


@dataclass(frozen=True)
class Token:
    """What a link says.

    Attributes
    ----------
    message_id : int
        The message that carried it.
    day : date
        When it was made.
    number : int
        Of the link in its message, from 1; 0 where there is only one.
    address : str
        Where a tracked link leads, else empty.
    """

    message_id: int
    day: date
    number: int = 0
    address: str = ""


def write(
    key: bytes, purpose: str, message_id: int, *, day: date, number: int = 0, address: str = ""
) -> str:
    """The signed token of one link.

    Parameters
    ----------
    key : bytes
        The installation's secret.
    purpose : str
        One of `PURPOSES`.
    message_id, number : int
        From 0.
    day : date
        The day of the message, not before `FIRST_DAY`.
    address : str
        Up to `ADDRESS_MOST` characters.

    Raises
    ------
    ValueError
        For a purpose, number or address out of range.

    Examples
    --------
    >>> token = write(b"secret", CLICK, 7, day=date(2026, 6, 1), number=2, address="https://a.b/")
    >>> read(b"secret", CLICK, token).address
    'https://a.b/'
    """
    days = (day - FIRST_DAY).days
    if purpose not in PURPOSES or min(days, message_id, number) < 0 or len(address) > ADDRESS_MOST:
        raise ValueError(f"no link can be made of {purpose!r}, {message_id}, {number}, {day}")
    payload = f"{days:x}.{message_id:x}.{number:x}.{address}".encode()
    return _spelled(_sign(key, purpose, payload) + payload)


def read(
    key: bytes,
    purpose: str,
    token: str,
    *,
    today: date | None = None,
    most_days: int | None = None,
) -> Token:
    """What a token says, if we made it for this ``purpose``.

    Parameters
    ----------
    today, most_days
        With both, tokens older than ``most_days`` are refused.

    Raises
    ------
    BadToken
        For everything else; the message never says why, which would help a forger.
    """
    if len(token) > TOKEN_MOST:
        raise BadToken("not one of our links")
    try:
        packed = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        signature, payload = packed[:SIGNATURE_BYTES], packed[SIGNATURE_BYTES:]
        # Base64 leaves bits of the last letter unread: a token has one spelling only.
        is_ours = hmac.compare_digest(signature, _sign(key, purpose, payload))
        if not is_ours or _spelled(packed) != token:
            raise BadToken("not one of our links")
        days, message_id, number, address = payload.decode().split(".", 3)
        found = Token(
            int(message_id, 16), FIRST_DAY + timedelta(days=int(days, 16)), int(number, 16), address
        )
    except (binascii.Error, ValueError, OverflowError) as error:
        raise BadToken("not one of our links") from error
    if today is not None and most_days is not None and (today - found.day).days > most_days:
        raise BadToken("not one of our links")
    return found


def _spelled(packed: bytes) -> str:
    return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()


def _sign(key: bytes, purpose: str, payload: bytes) -> bytes:
    signer = _signer(key, purpose).copy()
    signer.update(payload)
    return signer.digest()[:SIGNATURE_BYTES]


@functools.lru_cache(maxsize=16)
def _signer(key: bytes, purpose: str) -> "hmac.HMAC":
    """Keyed once and copied for each token, which halves its cost."""
    own = hmac.digest(key, f"rapport link {purpose}".encode(), "sha256")
    return hmac.new(own, digestmod=hashlib.sha256)
