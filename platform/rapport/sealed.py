"""Secrets at rest: text that the database, its back-ups and its logs hold only encrypted.

The key is derived from ``SECRET_KEY``; those of ``SECRET_KEY_FALLBACKS`` still open what they have
sealed.  A value that no key opens raises `Unsealable`: silence here would send without a password,
or seal what is sealed already.
"""

import base64
from functools import lru_cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.db import models

from rapport.errors import DomainError

PURPOSE = b"rapport sealed text"


class Unsealable(DomainError):
    """What was sealed with a key that is gone."""

    code = "unsealable"


def seal(text: str) -> str:
    """``text`` so that only this installation reads it; empty stays empty."""
    return _box(*_secrets()).encrypt(text.encode()).decode() if text else ""


def unseal(sealed: str) -> str:
    if not sealed:
        return ""
    try:
        return _box(*_secrets()).decrypt(sealed.encode()).decode()
    except InvalidToken:
        raise Unsealable(
            "A secret was sealed with another SECRET_KEY: enter it anew, or name the old key in "
            "SECRET_KEY_FALLBACKS."
        ) from None


class SealedField(models.TextField):
    """Text that is sealed on its way into the database.  It cannot be searched for."""

    def get_prep_value(self, value: Any) -> Any:
        found = super().get_prep_value(value)
        return found if found is None else seal(found)

    def from_db_value(self, value: Any, _expression: Any, _connection: Any) -> Any:
        return value if value is None else unseal(value)


def _secrets() -> tuple[str, ...]:
    return (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)


@lru_cache(maxsize=8)
def _box(*secrets: str) -> MultiFernet:
    return MultiFernet([Fernet(_key(one)) for one in secrets])


def _key(secret: str) -> bytes:
    derived = HKDF(SHA256(), length=32, salt=None, info=PURPOSE).derive(secret.encode())
    return base64.urlsafe_b64encode(derived)
