"""Addresses to which a gateway tells the fate of a message; nobody else can have made them."""

from django.conf import settings
from django.core import signing

_SIGNER = "rapport.sms"


def url(provider: str, message_id: int) -> str:
    """Where ``provider`` tells what became of a message."""
    return f"{settings.SITE_URL}/v1/sms/{provider}/status/{_sign(f'{provider}.{message_id:x}')}"


def inbound_url(provider: str) -> str:
    """Where ``provider`` hands over what people answer; set up there once."""
    return f"{settings.SITE_URL}/v1/sms/{provider}/inbound/{_sign(provider)}"


def message_id(provider: str, token: str) -> int | None:
    """The message that a report is about; None for a token that we did not make."""
    named, _dot, number = _read(token).rpartition(".")
    return int(number, 16) if named == provider and number else None


def is_inbound(provider: str, token: str) -> bool:
    return _read(token) == provider


def _sign(value: str) -> str:
    return signing.Signer(salt=_SIGNER, sep="~").sign(value)


def _read(token: str) -> str:
    try:
        return signing.Signer(salt=_SIGNER, sep="~").unsign(token)
    except signing.BadSignature:
        return ""
