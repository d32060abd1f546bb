"""Read the traits of an identify: reserved ones into our fields, the others as they are.  Pure.

A trait is never a consent: whoever may be written to has said so elsewhere.
"""

import re
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import lru_cache
from typing import Any
from zoneinfo import available_timezones

from babel import Locale

EMAIL = re.compile(
    r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])",
    re.ASCII,
)
EMAIL_MOST, LOCAL_MOST = 254, 64
PHONE = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)
LANGUAGE = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*", re.ASCII)
LANGUAGE_MOST = 12
NAME_MOST = 120
FIRST_YEAR = 1900


@dataclass(slots=True)
class Told:
    """What a message says of a person; an empty text is something it does not say."""

    email: str = ""
    phone: str = ""
    first_name: str = ""
    last_name: str = ""
    language: str = ""
    time_zone: str = ""
    country: str = ""
    birth_date: date | None = None
    traits: dict[str, Any] = field(default_factory=dict)
    dropped: list[str] = field(default_factory=list)  # traits that are null: no longer so
    seen_language: str = ""  # of the device: fills what nobody told
    seen_time_zone: str = ""


def read(said: dict[str, Any], context: dict[str, Any]) -> tuple[Told, list[str]]:
    """Sort the traits of an identify; whatever has no field of ours stays a trait.

    Returns
    -------
    Told
    list of str
        Why reserved traits could not be meant; these stay traits as they came.
    """
    told, reasons = Told(), []
    rest = dict(said)
    for name, (attribute, read_one, expected) in RESERVED.items():
        value = rest.get(name)
        if value is None or value == "":
            continue
        found = read_one(value)
        if found is None:
            reasons.append(f"{name} is {str(value)[:80]!r}; expected {expected}.")
        else:
            if not getattr(told, attribute):
                setattr(told, attribute, found)
            rest.pop(name)
    _read_name(told, rest)
    address = rest.get("address")
    if not told.country and isinstance(address, dict) and address.get("country"):
        told.country = country(address["country"]) or ""
        if not told.country:
            reasons.append(
                f"address.country is {str(address['country'])[:80]!r};"
                " expected a country code like FR."
            )
    told.dropped = [name for name, value in rest.items() if value is None]
    told.traits = {name: value for name, value in rest.items() if value is not None}
    told.seen_language = language(context.get("locale")) or ""
    told.seen_time_zone = time_zone(context.get("timezone")) or ""
    return told, reasons


def _read_name(told: Told, rest: dict[str, Any]) -> None:
    whole = rest.get("name")
    if isinstance(whole, str) and whole.strip() and not told.first_name and not told.last_name:
        first, _, last = whole.strip().partition(" ")
        told.first_name, told.last_name = first[:NAME_MOST], last.strip()[:NAME_MOST]
        rest.pop("name")


def email(value: Any) -> str | None:
    """An address in lower case.

    Examples
    --------
    >>> email(" Ada@Example.com ")
    'ada@example.com'
    >>> email("ada@example") is None
    True
    """
    if not isinstance(value, str):
        return None
    found = value.strip().lower()
    fits = len(found) <= EMAIL_MOST and found.find("@") <= LOCAL_MOST
    return found if fits and EMAIL.fullmatch(found) else None


def phone(value: Any) -> str | None:
    """A number with its country, as in E.164; None where the country is not said.

    Examples
    --------
    >>> phone("+33 (1) 23-45-67-89")
    '+33123456789'
    >>> phone("01 23 45 67 89") is None
    True
    """
    if not isinstance(value, str):
        return None
    found = re.sub(r"[ ()./-]", "", value)
    return found if PHONE.fullmatch(found) else None


def language(value: Any) -> str | None:
    if not isinstance(value, str) or len(value) > LANGUAGE_MOST or not LANGUAGE.fullmatch(value):
        return None
    return value.replace("_", "-")


def time_zone(value: Any) -> str | None:
    return value if isinstance(value, str) and value in _zones() else None


def country(value: Any) -> str | None:
    """The code of a country that is told by code or by its English name.

    Examples
    --------
    >>> country("fr"), country("Belgium"), country("Atlantis")
    ('FR', 'BE', None)
    """
    return _countries().get(value.strip().lower()) if isinstance(value, str) else None


def birth_date(value: Any) -> date | None:
    """A day, also where it comes as a moment."""
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value.strip()).date()
    except ValueError:
        return None
    return found if found.year >= FIRST_YEAR else None


def _text(value: Any) -> str | None:
    return value.strip()[:NAME_MOST] or None if isinstance(value, str) else None


@lru_cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


@lru_cache
def _countries() -> dict[str, str]:
    named = {
        str(code): str(name)
        for code, name in Locale("en").territories.items()
        if len(str(code)) == 2 and str(code).isalpha() and code not in NO_COUNTRIES
    }
    codes = {code.lower(): code for code in named}
    return {name.lower(): code for code, name in named.items()} | codes


NO_COUNTRIES = {"AC", "CP", "DG", "EA", "EU", "EZ", "IC", "QO", "TA", "UN", "XA", "XB", "ZZ"}
# Trait, our field, how it is read, and what was expected.  The first that is told counts.
RESERVED: dict[str, tuple[str, Any, str]] = {
    "email": ("email", email, "an e-mail address"),
    "phone": ("phone", phone, "a phone number like +33123456789"),
    "firstName": ("first_name", _text, "a text"),
    "first_name": ("first_name", _text, "a text"),
    "lastName": ("last_name", _text, "a text"),
    "last_name": ("last_name", _text, "a text"),
    "language": ("language", language, "a language like en or pt-BR"),
    "locale": ("language", language, "a language like en or pt-BR"),
    "timezone": ("time_zone", time_zone, "a time zone like Europe/Paris"),
    "birthday": ("birth_date", birth_date, "a date like 1984-05-31"),
    "country": ("country", country, "a country code like FR"),
}
