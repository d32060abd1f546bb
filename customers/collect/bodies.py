"""Read the body of a call of the tracking API: JSON, message by message.  Pure."""

import json
import re
from dataclasses import dataclass
from json.scanner import make_scanner
from typing import Any

BLANKS = (" ", "\t", "\n", "\r")
BLANK = re.compile(r"[ \t\n\r]*")
NEVER_IN_JSON = re.compile(rb"\\u(0000|[dD][89a-fA-F])")  # what PostgreSQL's jsonb may refuse


def _refuse_constant(word: str) -> Any:
    raise ValueError(f"{word} is no JSON number")


DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
SCAN = make_scanner(DECODER)  # type: ignore[arg-type]


class Unreadable(ValueError):
    """A message, or a whole request, that cannot become facts; ``code`` is for programs."""

    def __init__(self, code: str, reason: str, field: str | None = None) -> None:
        super().__init__(reason)
        self.code, self.reason, self.field = code, reason, field


@dataclass(slots=True)
class Body:
    """The JSON object of a request, and how each message of its batch was spelled."""

    fields: dict[str, Any]
    spelled: list[str]  # of a batch, by place; else the whole


def parse(content: bytes) -> Body:
    """Read the JSON object of a request; raises `Unreadable` for anything else.

    Characters that PostgreSQL cannot store (U+0000, halves of a surrogate pair) become U+FFFD.
    """
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
