"""Read messages of the tracking API (the Segment specification) into our words.  Pure.

A message that cannot be meant raises `Unreadable`; a part of one that cannot leaves a fault, and
the rest goes on.  Numbers may be spelled as strings, as many shops send them.
"""

import json
import re
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import md5
from typing import Any

from customers.collect import commerce, traits
from customers.collect.commerce import OrderTold, ProductTold, ReviewTold
from customers.collect.traits import Told

KINDS = ("identify", "track", "page", "screen", "group", "alias")
MESSAGE_BYTES = 32 * 1024
BATCH_MESSAGES = 2_500
MESSAGE_ID_MOST = 99  # characters: "less than 100"
HANDLE_MOST = 254
NAME_MOST = 120
PROPERTIES_MOST = 10_000  # values in all, also inside of others
CHECKED_ABOVE = MESSAGE_BYTES // 4  # characters: with fewer no limit of a message can be passed
EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
CAMPAIGN = {"name": "utm_campaign"}  # every other word of a campaign is utm_ and the word
WHITESPACE = re.compile(r"[ \t\n\r]*")
NEVER_IN_JSON = re.compile(rb"\\u(0000|[dD][89a-fA-F])")  # what PostgreSQL's jsonb may refuse


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


class Unreadable(ValueError):
    """A message, or a whole request, that cannot become facts; ``code`` is for programs."""

    def __init__(self, code: str, reason: str, field: str | None = None) -> None:
        super().__init__(reason)
        self.code, self.reason, self.field = code, reason, field


@dataclass(slots=True)
class Message:
    """One message in our words; ``place`` is its index in the request."""

    place: int
    kind: str
    message_id: str
    user_id: str
    anonymous_id: str
    name: str  # of the event that it becomes
    properties: dict[str, Any]
    happened_at: datetime
    raw: dict[str, Any]
    email: str = ""  # handles that it names besides, as they were told
    phone: str = ""
    previous_id: str = ""  # of an alias
    told: Told | None = None  # what an identify says of the person
    order: OrderTold | None = None
    products: list[ProductTold] = field(default_factory=list)
    review: ReviewTold | None = None
    faults: list[tuple[str, str]] = field(default_factory=list)  # part of it that is lost, why


@dataclass(slots=True)
class Rejected:
    """A message of which nothing can be stored."""

    place: int
    code: str
    reason: str
    field: str | None
    raw: Any


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
    scan, skip = DECODER.scan_once, WHITESPACE.match
    at = skip(text).end()
    if text[at : at + 1] != "{":
        found = DECODER.decode(text)
        raise ValueError(f"it is {_name(found)}, expecting an object")
    found, spelled = {}, []
    at = skip(text, at + 1).end()
    while text[at] != "}":
        key, at = scan(text, at)
        at = skip(text, at).end()
        if not isinstance(key, str) or text[at] != ":":
            raise ValueError(f"expecting a name and a colon before character {at}")
        at = skip(text, at + 1).end()
        if key == "batch" and text[at] == "[":
            found[key], spelled, at = _read_items(text, at)
        else:
            found[key], at = scan(text, at)
        at = skip(text, at).end()
        if text[at] == ",":
            at = skip(text, at + 1).end()
            if text[at] == "}":
                raise ValueError(f"expecting a name at character {at}")
        elif text[at] != "}":
            raise ValueError(f"expecting a comma at character {at}")
    if skip(text, at + 1).end() != len(text):
        raise ValueError(f"extra data after character {at}")
    return found, spelled


def _read_items(text: str, at: int) -> tuple[list[Any], list[str], int]:
    scan, skip = DECODER.scan_once, WHITESPACE.match
    found, spelled = [], []
    at = skip(text, at + 1).end()
    while text[at] != "]":
        item, end = scan(text, at)
        found.append(item)
        spelled.append(text[at:end])
        at = skip(text, end).end()
        if text[at] == ",":
            at = skip(text, at + 1).end()
            if text[at] == "]":
                raise ValueError(f"expecting a value at character {at}")
        elif text[at] != "]":
            raise ValueError(f"expecting a comma at character {at}")
    return found, spelled, at + 1


def read_request(
    body: Body, *, kind: str, received_at: datetime, currency: str
) -> tuple[list[Message], list[Rejected]]:
    """Read all messages of one request.

    Parameters
    ----------
    body : Body
        What `parse` returned.
    kind : str
        One of `KINDS`, or "batch": ``batch`` is then a list of messages with a ``type``.
    received_at : datetime
        Corrects clocks that go wrong: a message happened ``sentAt - timestamp`` before it.
    currency : str
        Of orders that name none.

    Raises
    ------
    Unreadable
        If the request as a whole cannot be meant.
    """
    fields = body.fields
    reader = _Reader(fields, received_at, currency)
    if kind != "batch":
        items: list[Any] = [fields]
    else:
        found = fields.get("batch")
        if not isinstance(found, list):
            raise Unreadable(
                "no_batch", f"batch is {_name(found)}; expected a list of messages.", "batch"
            )
        items = found
        reader.take_common(fields)
    messages, rejected = [], []
    seen: dict[str, int] = {}
    for place, item in enumerate(items):
        try:
            if place >= BATCH_MESSAGES:
                raise Unreadable(
                    "too_many", f"message {place + 1} of a batch; at most {BATCH_MESSAGES:,}."
                )
            if len(body.spelled[place]) > CHECKED_ABOVE:
                _check_size(body.spelled[place], item)
            message = reader.read(item, place, kind)
            if message.message_id.startswith("derived-"):  # two that say the same are two
                nth = seen[message.message_id] = seen.get(message.message_id, 0) + 1
                if nth > 1:
                    message.message_id += f"-{nth}"
            messages.append(message)
        except Unreadable as error:
            rejected.append(Rejected(place, error.code, error.reason, error.field, item))
        except RecursionError:
            rejected.append(
                Rejected(place, "too_deep", "The message is nested too deeply.", None, item)
            )
    return messages, rejected


class _Reader:
    """Reads the messages of one request, which share a moment of sending and a context."""

    def __init__(self, body: dict[str, Any], received_at: datetime, currency: str) -> None:
        self.received_at, self.currency = received_at, currency
        self.context: dict[str, Any] = {}
        self.shift = self._shift(body.get("sentAt"))

    def take_common(self, body: dict[str, Any]) -> None:
        """Context of a batch, which each message may say otherwise."""
        if isinstance(body.get("context"), dict):
            self.context = body["context"]

    def _shift(self, sent_at: Any) -> timedelta | None:
        """How far the sender's clock, and the way here, are behind ours."""
        sent = moment(sent_at)
        return None if sent is None else self.received_at - sent

    def read(self, item: Any, place: int, kind: str) -> Message:
        if not isinstance(item, dict):
            raise Unreadable(
                "not_an_object", f"The message is {_name(item)}; expected a JSON object."
            )
        if kind == "batch":
            kind = item.get("type", "")
            if kind not in KINDS:
                raise Unreadable(
                    "unknown_type", f"type is {kind!r}; expected one of {', '.join(KINDS)}.", "type"
                )
        context = item.get("context")
        if not isinstance(context, dict):
            context = self.context
        elif self.context:
            context = {**self.context, **context}
        message = Message(
            place=place,
            kind=kind,
            message_id=self._message_id(item),
            user_id=_handle(item, "userId"),
            anonymous_id=_handle(item, "anonymousId"),
            name="",
            properties={},
            happened_at=self._happened_at(item),
            raw=item,
        )
        if not message.user_id and not message.anonymous_id:
            raise Unreadable(
                "no_user_anon_id", "Neither userId nor anonymousId has a value; expected one."
            )
        _READ[kind](self, message, item, context)
        campaign = context.get("campaign")
        if isinstance(campaign, dict):
            for word, value in campaign.items():
                if value not in (None, ""):
                    message.properties.setdefault(CAMPAIGN.get(word, f"utm_{word}"), value)
        return message

    def _message_id(self, item: dict[str, Any]) -> str:
        found = item.get("messageId")
        if found is None or found == "":
            if not item.get("timestamp"):
                return str(uuid.uuid4())
            # Sent again it is the same message: its moment and words are.
            said = {key: value for key, value in item.items() if key not in ("sentAt", "writeKey")}
            text = json.dumps(said, sort_keys=True, default=str)
            return "derived-" + md5(text.encode(), usedforsecurity=False).hexdigest()
        if not isinstance(found, str):
            found = str(found)
        if len(found) > MESSAGE_ID_MOST:
            raise Unreadable(
                "message_id_too_long",
                f"messageId has {len(found)} characters; at most {MESSAGE_ID_MOST}.",
                "messageId",
            )
        return found

    def _happened_at(self, item: dict[str, Any]) -> datetime:
        told = item.get("timestamp")
        if told is None or told == "":
            return self.received_at
        found = moment(told)
        if found is None:
            raise Unreadable(
                "wrong_timestamp",
                f"timestamp is {str(told)[:60]!r}; expected a time like 2026-01-31T18:30:00Z.",
                "timestamp",
            )
        shift = self.shift
        if "sentAt" in item and item["sentAt"] is not None:
            shift = self._shift(item["sentAt"])
        if shift is not None:
            try:
                found += shift
            except OverflowError:
                found = EARLIEST - timedelta(days=1)
        if found < EARLIEST:
            raise Unreadable(
                "wrong_timestamp", f"timestamp is {told!r}; expected one since 1900.", "timestamp"
            )
        # Nothing that we were told has yet to happen; without sentAt a clock cannot be corrected.
        return found if found < self.received_at else self.received_at

    # --- one method a kind --------------------------------------------------------------------

    def track(self, message: Message, item: dict[str, Any], context: dict[str, Any]) -> None:
        name = item.get("event")
        if not isinstance(name, str) or not name.strip():
            raise Unreadable(
                "no_event", f"event is {_name(name)}; expected the name of an event.", "event"
            )
        name = name.strip()
        if len(name) > NAME_MOST:
            raise Unreadable(
                "event_too_long",
                f"event has {len(name)} characters; at most {NAME_MOST}.",
                "event",
            )
        message.name = commerce.NAMES_BEFORE.get(name, name)
        message.properties = _object(item, "properties")
        _take_handles(message, context.get("traits"))
        commerce.read(message, currency=self.currency)

    def page(self, message: Message, item: dict[str, Any], context: dict[str, Any]) -> None:
        message.name = "Page Viewed" if message.kind == "page" else "Screen Viewed"
        message.properties = _object(item, "properties")
        for word in ("name", "category"):
            if item.get(word):
                message.properties.setdefault(word, item[word])
        page = context.get("page")
        if message.kind == "page" and isinstance(page, dict):
            for word in ("url", "path", "title", "referrer", "search"):
                if page.get(word):
                    message.properties.setdefault(word, page[word])
        _take_handles(message, context.get("traits"))

    def identify(self, message: Message, item: dict[str, Any], context: dict[str, Any]) -> None:
        said = _object(item, "traits")
        before = context.get("traits")
        if isinstance(before, dict):
            said = {**before, **said}
        message.name = "Identified"
        message.properties = {"traits": sorted(said)} if said else {}
        message.told, reasons = traits.read(said, context)
        message.faults = [("trait", reason) for reason in reasons]
        message.email, message.phone = message.told.email, message.told.phone

    def group(self, message: Message, item: dict[str, Any], _context: dict[str, Any]) -> None:
        group_id = _handle(item, "groupId")
        if not group_id:
            raise Unreadable("no_group_id", "groupId has no value; expected one.", "groupId")
        message.name = "Group Joined"
        message.properties = {"group_id": group_id}
        said = _object(item, "traits")
        if said:
            message.properties["traits"] = said
        message.told = Told(traits={"group_id": group_id})

    def alias(self, message: Message, item: dict[str, Any], _context: dict[str, Any]) -> None:
        message.previous_id = _handle(item, "previousId")
        if not message.previous_id:
            raise Unreadable(
                "no_previous_id", "previousId has no value; expected one.", "previousId"
            )
        if not message.user_id:
            raise Unreadable("no_user_id", "userId has no value; expected one.", "userId")
        message.name = "Aliased"
        message.properties = {"previous_id": message.previous_id}


_READ = {
    "track": _Reader.track,
    "page": _Reader.page,
    "screen": _Reader.page,
    "identify": _Reader.identify,
    "group": _Reader.group,
    "alias": _Reader.alias,
}


def moment(told: Any) -> datetime | None:
    """A time as programs write it, in UTC; None where it is none.

    Examples
    --------
    >>> moment("2026-01-31T18:30:00+01:00").isoformat()
    '2026-01-31T17:30:00+00:00'
    >>> moment("2026-01-31")
    datetime.datetime(2026, 1, 31, 0, 0, tzinfo=datetime.timezone.utc)
    >>> moment("yesterday") is None
    True
    """
    if not isinstance(told, str):
        return None
    try:
        found = datetime.fromisoformat(told)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _handle(item: dict[str, Any], name: str) -> str:
    found = item.get(name)
    if found is None:
        return ""
    if not isinstance(found, str):
        if isinstance(found, bool) or not isinstance(found, int | float):
            raise Unreadable(
                "wrong_id", f"{name} is {_name(found)}; expected a text or a number.", name
            )
        found = str(found)
    found = found.strip()
    if len(found) > HANDLE_MOST:
        raise Unreadable(
            "id_too_long", f"{name} has {len(found)} characters; at most {HANDLE_MOST}.", name
        )
    return found


def _object(item: dict[str, Any], name: str) -> dict[str, Any]:
    found = item.get(name)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise Unreadable(
            "not_an_object", f"{name} is {_name(found)}; expected a JSON object.", name
        )
    return dict(found)


def _take_handles(message: Message, said: Any) -> None:
    """An address in the context tells whose message it is; it changes nothing about the person."""
    if isinstance(said, dict):
        message.email = traits.email(said.get("email")) or ""
        message.phone = traits.phone(said.get("phone")) or ""


def _storable(found: Any) -> Any:
    if isinstance(found, str):
        found = found.replace("\0", "\ufffd")
        return found.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(found, dict):
        return {_storable(key): _storable(value) for key, value in found.items()}
    if isinstance(found, list):
        return [_storable(value) for value in found]
    return found


def _check_size(spelled: str, item: Any) -> None:
    size = len(spelled) if spelled.isascii() else len(spelled.encode())
    if size > MESSAGE_BYTES:
        raise Unreadable(
            "message_too_large", f"The message has {size:,} bytes; at most {MESSAGE_BYTES:,}."
        )
    said = item.get("properties") or item.get("traits") if isinstance(item, dict) else None
    found = _count(said)
    if found > PROPERTIES_MOST:
        raise Unreadable(
            "too_many_properties", f"{found:,} properties; at most {PROPERTIES_MOST:,}."
        )


def _count(found: Any) -> int:
    if isinstance(found, dict):
        return sum(_count(value) for value in found.values())
    if isinstance(found, list):
        return sum(_count(value) for value in found)
    return 1


def _name(found: Any) -> str:
    """What was found, in words, for a message of refusal."""
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false"}
    if found is None:
        return "missing"
    if found == "":
        return "empty"
    return names.get(type(found), "a number")
