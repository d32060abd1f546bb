"""Typed reading of environment variables: a value that cannot be meant is refused by name."""

import os
import re
from pathlib import Path
from urllib.parse import unquote

from django.core.exceptions import ImproperlyConfigured

TRUE = {"1", "true", "yes", "on"}
FALSE = {"0", "false", "no", "off"}


def text(name: str, default: str = "") -> str:
    """The variable, or the content of the file that ``NAME_FILE`` names (container secrets)."""
    path = os.environ.get(f"{name}_FILE")
    if path:
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ImproperlyConfigured(f"{name}_FILE={path!r} cannot be read: {error}") from error
    return os.environ.get(name, default)


def boolean(name: str, default: bool) -> bool:
    found = text(name, "true" if default else "false").strip().lower()
    if found in TRUE:
        return True
    if found in FALSE:
        return False
    expected = ", ".join(sorted(TRUE | FALSE))
    raise ImproperlyConfigured(f"{name}={found!r} is not one of {expected}")


def integer(name: str, default: int, *, least: int, most: int) -> int:
    found = text(name, str(default))
    try:
        number = int(found)
    except ValueError:
        raise ImproperlyConfigured(f"{name}={found!r} is not a whole number") from None
    if not least <= number <= most:
        raise ImproperlyConfigured(f"{name}={number} is not between {least} and {most}")
    return number


def number(name: str, default: float, *, least: float, most: float) -> float:
    found = text(name, str(default))
    try:
        read = float(found)
    except ValueError:
        raise ImproperlyConfigured(f"{name}={found!r} is not a number") from None
    if not least <= read <= most:
        raise ImproperlyConfigured(f"{name}={found!r} must be {least} to {most}")
    return read


def choice(name: str, default: str, options: tuple[str, ...]) -> str:
    found = text(name, default)
    if found not in options:
        raise ImproperlyConfigured(f"{name}={found!r} is not one of {', '.join(options)}")
    return found


def names(name: str, default: str = "") -> list[str]:
    return [part.strip() for part in text(name, default).split(",") if part.strip()]


def patterns(name: str, default: str = "") -> list[str]:
    """Regular expressions, separated by commas; one that cannot be read is refused."""
    found = names(name, default)
    for pattern in found:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ImproperlyConfigured(
                f"{name}: {pattern!r} is not a regular expression: {error}"
            ) from None
    return found


def url(name: str, default: str, schemes: tuple[str, ...]) -> str:
    found = text(name, default)
    if found and found.split("://")[0] not in schemes:
        # The value may hold a password, so only its scheme is repeated.
        scheme = found.split("://")[0] if "://" in found else "none"
        expected = ", ".join(f"{known}://" for known in schemes)
        raise ImproperlyConfigured(f"{name} has scheme {scheme!r}; expected one of {expected}")
    return found


def urls(name: str, schemes: tuple[str, ...]) -> str:
    """Addresses with a space between them; a scheme that ends in ``+`` stands for all such."""
    found = text(name).split()
    for one in found:
        # The value may hold a password, so only its scheme is repeated.
        scheme = one.split("://")[0] if "://" in one else "none"
        if not any(
            scheme.startswith(known) if known.endswith("+") else scheme == known
            for known in schemes
        ):
            expected = ", ".join(f"{known}://" for known in schemes)
            raise ImproperlyConfigured(f"{name} has scheme {scheme!r}; expected one of {expected}")
    return " ".join(found)


def database(address: str) -> dict:
    """Django's DATABASES entry of a ``postgres://`` address; a socket folder is percent-encoded."""
    import environ

    found = environ.Env.db_url_config(address)
    found["HOST"] = unquote(found.get("HOST") or "")
    found["ENGINE"] = "django.db.backends.postgresql"
    if not found.get("NAME"):
        raise ImproperlyConfigured("DATABASE_URL names no database; expected postgres://…/NAME")
    return found
