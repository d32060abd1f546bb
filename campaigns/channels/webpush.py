"""Notifications to browsers: RFC 8030 over the guarded door, encrypted by RFC 8291, and signed by
RFC 8292 (VAPID).  Marks the subscriptions that are gone.
"""

import base64
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import lru_cache
from urllib.parse import urlsplit

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from campaigns.channels.channel import Outgoing, Result, Verdict
from campaigns.models import PushSubscription
from rapport import outgoing as door

CURVE = ec.SECP256R1()
RECORD_SIZE = 4_096  # of RFC 8188; the services take one record
DATA_MOST = 3_993  # bytes of a message, so that one record holds it
WAIT_SECONDS = 2 * 86_400  # so long the service waits for a browser that is off
TOKEN_HOURS = 12  # RFC 8292 allows 24
GONE = (404, 410)


class PushChannel:
    """``contact`` is whom the push services write to when something is wrong (RFC 8292)."""

    def __init__(self, private_key: str, *, contact: str, clock: Callable[[], datetime]) -> None:
        self._keys, self._contact, self._clock = key_pair(private_key), contact, clock

    @contextmanager
    def open(self) -> Iterator["PushSession"]:
        yield PushSession(self._keys, self._contact, self._clock)


class PushSession:
    is_open, at_once = True, door.AT_ONCE
    late: Sequence[Result] = ()

    def __init__(
        self, keys: ec.EllipticCurvePrivateKey, contact: str, clock: Callable[[], datetime]
    ) -> None:
        self._keys, self._contact, self._clock = keys, contact, clock

    def send(self, batch: Sequence[Outgoing]) -> Iterator[Result]:
        """To every browser of each customer; one that takes it is enough."""
        for start in range(0, len(batch), door.AT_ONCE):
            results, told = self._sent(batch[start : start + door.AT_ONCE]), 0
            try:
                for result in results:
                    told += 1
                    yield result
            finally:
                self.late = results[told:]

    def _sent(self, batch: Sequence[Outgoing]) -> list[Result]:
        now = self._clock()
        owners = {int(one.recipient) for one in batch}
        found = PushSubscription.objects.filter(customer__in=owners, gone_at=None).order_by("id")
        browsers: dict[int, list[PushSubscription]] = {}
        for browser in found:
            browsers.setdefault(browser.customer_id, []).append(browser)
        pairs = [(one, b) for one in batch for b in browsers.get(int(one.recipient), [])]
        answers = door.post_all([self._request(browser, one.data, now) for one, browser in pairs])
        told = list(zip(pairs, answers, strict=True))
        gone = [browser.pk for (_one, browser), answer in told if answer.status in GONE]
        if gone:
            PushSubscription.objects.filter(pk__in=gone, gone_at=None).update(gone_at=now)
        return [
            _judged(one, [answer for (other, _b), answer in told if other is one]) for one in batch
        ]

    def _request(self, browser: PushSubscription, data: bytes, now: datetime) -> door.Request:
        body = encrypted(data, public=unspelt(browser.p256dh), secret=unspelt(browser.auth))
        headers = {
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            "TTL": str(WAIT_SECONDS),
            "Urgency": "normal",
            "Authorization": authorization(
                self._keys, browser.endpoint, contact=self._contact, now=now
            ),
        }
        return door.Request(browser.endpoint, body, headers)


def _judged(one: Outgoing, answers: list[door.Answer]) -> Result:
    if not answers:
        return Result(one.message_id, Verdict.REFUSED, "She has no browser that shows messages.")
    if any(answer.is_good for answer in answers):
        return Result(one.message_id, Verdict.ACCEPTED)
    words = " ".join(dict.fromkeys(answer.error for answer in answers))[:300]
    if any(answer.is_unsure for answer in answers):
        return Result(one.message_id, Verdict.AMBIGUOUS, words)
    again = any(
        answer.status is None or answer.status == 429 or answer.status >= 500
        for answer in answers
        if not answer.is_refused
    )
    return Result(one.message_id, Verdict.TRY_LATER if again else Verdict.REFUSED, words)


def new_key() -> str:
    """A private key for ``VAPID_PRIVATE_KEY``: 32 bytes in base64url."""
    number = ec.generate_private_key(CURVE).private_numbers().private_value
    return spelt(number.to_bytes(32, "big"))


@lru_cache(maxsize=4)
def key_pair(private_key: str) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(unspelt(private_key), "big"), CURVE)


def public_key(keys: ec.EllipticCurvePrivateKey) -> bytes:
    """The uncompressed point: what a browser needs to subscribe."""
    return keys.public_key().public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    )


def authorization(
    keys: ec.EllipticCurvePrivateKey, endpoint: str, *, contact: str, now: datetime
) -> str:
    """The header that tells a push service who sends (RFC 8292, section 3)."""
    parts = urlsplit(endpoint)
    # One token for all browsers of a service; it changes with the hour, not with the message.
    hour = now.replace(minute=0, second=0, microsecond=0)
    return _authorization(keys, f"{parts.scheme}://{parts.netloc}", contact, hour)


@lru_cache(maxsize=256)
def _authorization(
    keys: ec.EllipticCurvePrivateKey, audience: str, contact: str, hour: datetime
) -> str:
    expires = int((hour + timedelta(hours=TOKEN_HOURS)).timestamp())
    claims = {"aud": audience, "exp": expires, "sub": contact}
    text = ".".join(
        spelt(json.dumps(part, separators=(",", ":")).encode())
        for part in ({"typ": "JWT", "alg": "ES256"}, claims)
    )
    r, s = decode_dss_signature(keys.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
    token = f"{text}.{spelt(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"
    return f"vapid t={token}, k={spelt(public_key(keys))}"


def encrypted(
    data: bytes,
    *,
    public: bytes,
    secret: bytes,
    salt: bytes | None = None,
    own: ec.EllipticCurvePrivateKey | None = None,
) -> bytes:
    """What only that browser can read (RFC 8291), as one record of RFC 8188.

    Parameters
    ----------
    data : bytes
        Up to `DATA_MOST`.
    public, secret : bytes
        The subscription's ``p256dh`` and ``auth``.
    salt, own
        Fresh for each message; given in tests alone.

    Raises
    ------
    ValueError
        For a key that is no point of the curve, and for too much data.
    """
    if len(data) > DATA_MOST:
        raise ValueError(f"the notification has {len(data):,} bytes; at most {DATA_MOST:,}")
    salt = salt or os.urandom(16)
    own = own or ec.generate_private_key(CURVE)
    theirs = ec.EllipticCurvePublicKey.from_encoded_point(CURVE, public)
    ours = public_key(own)
    shared = own.exchange(ec.ECDH(), theirs)
    material = _derived(shared, 32, salt=secret, info=b"WebPush: info\0" + public + ours)
    key = _derived(material, 16, salt=salt, info=b"Content-Encoding: aes128gcm\0")
    nonce = _derived(material, 12, salt=salt, info=b"Content-Encoding: nonce\0")
    sealed = AESGCM(key).encrypt(nonce, data + b"\x02", None)
    return salt + RECORD_SIZE.to_bytes(4, "big") + bytes([len(ours)]) + ours + sealed


def _derived(material: bytes, length: int, *, salt: bytes, info: bytes) -> bytes:
    return HKDF(hashes.SHA256(), length, salt, info).derive(material)


def spelt(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unspelt(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def check_point(public: bytes) -> None:
    """Raises `ValueError` for what is no point of the curve."""
    ec.EllipticCurvePublicKey.from_encoded_point(CURVE, public)
