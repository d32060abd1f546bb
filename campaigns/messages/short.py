"""Codes of short links: few letters that only we can have written.

A code is base64url of *signature* and *payload*; the payload is the number of the address and of
the message that carries it.  The address itself stands in our table, so no code leads anywhere that
we did not store, whoever made it up.
"""

import base64
import binascii
import functools
import hashlib
import hmac

SIGNATURE_BYTES = 6  # 48 bits: a thousand guesses a second find one code in 4,000 years
CODE_MOST = 40  # characters


class BadCode(ValueError):
    """A code that we did not make, or that was changed."""


def write(key: bytes, link_id: int, message_id: int) -> str:
    """The code under which a message carries an address.

    >>> read(b"secret", write(b"secret", 3, 1_000_000))
    (3, 1000000)
    >>> len(write(b"secret", 3, 1_000_000))
    14
    """
    payload = _number(link_id) + _number(message_id)
    return _spelled(_sign(key, payload) + payload)


def read(key: bytes, code: str) -> tuple[int, int]:
    """The numbers of the address and of the message.

    Raises
    ------
    BadCode
        For everything that `write` did not make; it never says why.
    """
    if len(code) > CODE_MOST:
        raise BadCode("not one of our links")
    try:
        packed = base64.b64decode(code + "=" * (-len(code) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadCode("not one of our links") from error
    signature, payload = packed[:SIGNATURE_BYTES], packed[SIGNATURE_BYTES:]
    # Base64 leaves bits of the last letter unread: a code has one spelling only.
    is_ours = hmac.compare_digest(signature, _sign(key, payload)) and _spelled(packed) == code
    numbers = _numbers(payload)
    if not is_ours or len(numbers) != 2:
        raise BadCode("not one of our links")
    return numbers[0], numbers[1]


def _number(number: int) -> bytes:
    """Seven bits a byte, the lowest first; the last has its high bit clear."""
    if number < 0:
        raise ValueError(f"no code can be made of {number}")
    made = bytearray()
    while number > 0x7F:
        made.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*made, number])


def _numbers(payload: bytes) -> list[int]:
    found, number, shift = [], 0, 0
    for byte in payload:
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            found.append(number)
            number = shift = 0
    return found


def _spelled(packed: bytes) -> str:
    return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()


def _sign(key: bytes, payload: bytes) -> bytes:
    return hmac.digest(_own_key(key), payload, hashlib.sha256)[:SIGNATURE_BYTES]


@functools.lru_cache(maxsize=4)
def _own_key(key: bytes) -> bytes:
    return hmac.digest(key, b"rapport short link", "sha256")
