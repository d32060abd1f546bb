"""The address that a message bounces to: one for each message, which only we can have written.

``bounce+<token>@domain``.  Mail servers may change the case of what stands before the @, so the
token is base32 in lower case: signature, a fingerprint of the recipient, the message's number.
With the fingerprint we know, without keeping addresses, whether it was still this one that bounced.
"""

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass

PREFIX = "bounce+"
SIGNATURE_BYTES, FINGERPRINT_BYTES = 10, 4
TOKEN = re.compile(r"bounce\+([a-z2-7]{20,48})@", re.IGNORECASE)


@dataclass(frozen=True)
class Sent:
    """What a bounce address says."""

    message_id: int
    fingerprint: bytes

    def went_to(self, address: str) -> bool:
        """Whether the message was sent to this address."""
        return bool(address.strip()) and self.fingerprint == fingerprint(address)


def write(key: bytes, message_id: int, address: str, domain: str) -> str:
    """The envelope sender of one message.

    Examples
    --------
    >>> sender = write(b"secret", 7, "ada@example.com", "bounces.shop.example")
    >>> read(b"secret", sender.upper()).went_to("Ada@example.com")
    True
    """
    number = message_id.to_bytes(max(1, (message_id.bit_length() + 7) // 8), "big")
    payload = fingerprint(address) + number
    token = base64.b32encode(_sign(key, payload) + payload).decode().rstrip("=").lower()
    return f"{PREFIX}{token}@{domain}"


def read(key: bytes, text: str) -> Sent | None:
    """What the first bounce address in a text says; None where we made none of it."""
    for match in TOKEN.finditer(text[:10_000]):
        token = match[1].upper()
        try:
            packed = base64.b32decode(token + "=" * (-len(token) % 8))
        except binascii.Error:
            continue
        signature, payload = packed[:SIGNATURE_BYTES], packed[SIGNATURE_BYTES:]
        if len(payload) > FINGERPRINT_BYTES and hmac.compare_digest(signature, _sign(key, payload)):
            number = int.from_bytes(payload[FINGERPRINT_BYTES:], "big")
            return Sent(number, payload[:FINGERPRINT_BYTES])
    return None


def fingerprint(address: str) -> bytes:
    return hashlib.sha256(address.strip().lower().encode()).digest()[:FINGERPRINT_BYTES]


def _sign(key: bytes, payload: bytes) -> bytes:
    own = hmac.digest(key, b"rapport bounce address", "sha256")
    return hmac.digest(own, payload, "sha256")[:SIGNATURE_BYTES]
