"""Read the body of a call of the tracking API: JSON, message by message.  Pure."""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from json.scanner import make_scanner
from typing import Any

import msgspec
from msgspec import Raw

BLANKS = (" ", "\t", "\n", "\r")
BLANK = re.compile(r"[ \t\n\r]*")
NEVER_IN_JSON = re.compile(rb"\\u(0000|[dD][89a-fA-F])")  # what PostgreSQL's jsonb may refuse


def _refuse_constant(word: str) -> Any:
    raise ValueError(f"{word} is no JSON number")


def _finite(word: str) -> float:
    found = float(word)
    if math.isinf(found):
        raise ValueError(f"{word[:40]} is too large a number")
    return found


DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite)
SCAN = make_scanner(DECODER)  # type: ignore[arg-type]
PARTS = msgspec.json.Decoder(dict[str, Raw])
ITEMS = msgspec.json.Decoder(list[Raw])
VALUE = msgspec.json.Decoder()


class Unreadable(ValueError):
    """A message, or a whole request, that cannot become facts; ``code`` is for programs."""

    def __init__(self, code: str, reason: str, field: str | None = None) -> None:
        super().__init__(reason)
        self.code, self.reason, self.field = code, reason, field


@dataclass(slots=True)
class Body:
    """The JSON object of a request, and how each message of its batch was spelled."""

    fields: dict[str, Any]  # messages of a batch perhaps as they were spelled: see `value`
    spelled: Sequence[str | Raw]  # of a batch, by place; else the whole
    hidden: str = ""  # a secret that is not to be shown

    def text(self, place: int) -> str:
        """How a message was spelled, to look at."""
        spelled = self.spelled[place]
        text = spelled if isinstance(spelled, str) else bytes(spelled).decode()
        return text.replace(self.hidden, "…") if self.hidden else text


def parse(content: bytes) -> Body:
    """Read the JSON object of a request; raises `Unreadable` for anything else.

    Characters that PostgreSQL cannot store (U+0000, halves of a surrogate pair) become U+FFFD.
    """
    try:
        return _quickly(content)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return _carefully(content)  # says what is wrong, if anything is


def value(item: Any) -> Any:
    """A message of a body, read if it is not yet; raises `Unreadable` where a number has no end."""
    if type(item) is not Raw:
        return item
    try:
        return VALUE.decode(item)
    except msgspec.MsgspecError as error:
        raise Unreadable("refused", f"A value cannot be stored: {error}.") from None


def _quickly(content: bytes) -> Body:
    """Read what is plain JSON, the messages of a batch only so far that they are JSON."""
    if b"\\u" in content and NEVER_IN_JSON.search(content):
        raise ValueError("some characters cannot be stored")
    text = content.decode()
    parts = PARTS.decode(content)
    if "batch" not in parts:
        return Body(VALUE.decode(content), [text])
    spelled = ITEMS.decode(parts.pop("batch"))
    fields: dict[str, Any] = {name: VALUE.decode(part) for name, part in parts.items()}
    return Body({**fields, "batch": spelled}, spelled or [text])


def _carefully(content: bytes) -> Body:
    try:
        text = content.decode("utf-8-sig")
        found, spelled = _read_body(text)
        if NEVER_IN_JSON.search(content):
            found = _storable(found)
    except RecursionError:
        raise Unreadable("invalid_json", "The body is nested too deeply.") from None
    except StopIteration as error:
        raise Unreadable(
            "invalid_json", f"The body is not JSON: expecting a value at character {error.value}."
        ) from None
    except (ValueError, IndexError) as error:
        raise Unreadable("invalid_json", f"The body is not JSON: {error}.") from None
    return Body(found, spelled or [text])


def _read_body(text: str) -> tuple[dict[str, Any], list[str]]:
    """As json.loads, but the messages of a batch one by one: so each has a size for nothing."""
    at = _skip(text, 0)
    if text[at : at + 1] != "{":
        raise ValueError(f"it is {in_words(DECODER.decode(text))}, expecting an object")
    found: dict[str, Any] = {}
    spelled: list[str] = []
    at = _skip(text, at + 1)
    while text[at] != "}":
        key, at = SCAN(text, at)
        at = _skip(text, at)
        if not isinstance(key, str) or text[at] != ":":
            raise ValueError(f"expecting a name and a colon before character {at}")
        at = _skip(text, at + 1)
        if key == "batch" and text[at] == "[":
            found[key], spelled, at = _read_items(text, at)
        else:
            found[key], at = SCAN(text, at)
        at = _skip(text, at)
        if text[at] == ",":
            at = _skip(text, at + 1)
            if text[at] == "}":
                raise ValueError(f"expecting a name at character {at}")
        elif text[at] != "}":
            raise ValueError(f"expecting a comma at character {at}")
    if _skip(text, at + 1) != len(text):
        raise ValueError(f"extra data after character {at}")
    return found, spelled


def _skip(text: str, at: int) -> int:
    """Where the blank from here on ends."""
    if text[at : at + 1] not in BLANKS:
        return at
    found = BLANK.match(text, at)
    assert found is not None
    return found.end()


def _read_items(text: str, at: int) -> tuple[list[Any], list[str], int]:
    found: list[Any] = []
    spelled: list[str] = []
    at = _skip(text, at + 1)
    while text[at] != "]":
        item, end = SCAN(text, at)
        found.append(item)
        spelled.append(text[at:end])
        at = _skip(text, end)
        if text[at] == ",":
            at = _skip(text, at + 1)
            if text[at] == "]":
                raise ValueError(f"expecting a value at character {at}")
        elif text[at] != "]":
            raise ValueError(f"expecting a comma at character {at}")
    return found, spelled, at + 1


def _storable(found: Any) -> Any:
    if isinstance(found, str):
        found = found.replace("\0", "\ufffd")
        return found.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(found, dict):
        return {_storable(key): _storable(value) for key, value in found.items()}
    if isinstance(found, list):
        return [_storable(value) for value in found]
    return found


def in_words(found: Any) -> str:
    """What was found, in words, for a message of refusal."""
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false"}
    if found is None:
        return "missing"
    if found == "":
        return "empty"
    return names.get(type(found), "a number")
