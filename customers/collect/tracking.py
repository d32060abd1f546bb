"""Read messages of the tracking API (the Segment specification) into our words.  Pure.

A message that cannot be meant raises `Unreadable`; a part of one that cannot leaves a fault, and
the rest goes on.  Numbers may be spelled as strings, as many shops send them.
"""

import json
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import md5
from typing import Any

from customers.collect import commerce, traits
from customers.collect.bodies import Body, Unreadable, in_words
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
SAYING = {"campaign", "traits", "page"}  # of a context: what joins the properties, or says who
CAMPAIGN = {"name": "utm_campaign"}  # every other word of a campaign is utm_ and the word


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
    is_batch = kind == "batch"
    if not is_batch:
        items: list[Any] = [fields]
    else:
        found = fields.get("batch")
        if not isinstance(found, list):
            raise Unreadable(
                "no_batch", f"batch is {in_words(found)}; expected a list of messages.", "batch"
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
            message = (reader.plain(item, place) if is_batch else None) or reader.read(
                item, place, kind
            )
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

    def plain(self, item: Any, place: int) -> Message | None:
        """What `read` returns, of a message that is spelled as clients mostly do; else None.

        Most messages are, and this costs a third.
        """
        if type(item) is not dict or self.context:
            return None
        get = item.get
        kind, name, said = get("type"), get("event"), get("properties")
        message_id, told = get("messageId"), get("timestamp")
        user_id, anonymous_id = get("userId", ""), get("anonymousId", "")
        if not (
            type(kind) is type(message_id) is type(told) is type(user_id) is type(anonymous_id)
            is str
            and type(said) is dict
            and get("sentAt") is None
            and 0 < len(message_id) <= MESSAGE_ID_MOST
        ):  # fmt: skip
            return None
        user_id, anonymous_id = user_id.strip(), anonymous_id.strip()
        if not 0 < len(user_id) + len(anonymous_id) <= HANDLE_MOST:
            return None
        context = get("context")
        if context and (type(context) is not dict or not SAYING.isdisjoint(context)):
            return None
        product = None
        if kind == "track":
            if type(name) is not str or not 0 < len(name) <= NAME_MOST or name != name.strip():
                return None
            name = commerce.NAMES_BEFORE.get(name, name)
            if not commerce.is_plain(name, said):
                return None
            product = commerce.product(name, said)
        elif kind == "page" or kind == "screen":
            name = "Page Viewed" if kind == "page" else "Screen Viewed"
            words = {word: get(word) for word in ("name", "category") if get(word)}
            said = {**words, **said} if words else said
        else:
            return None
        try:
            happened_at = datetime.fromisoformat(told)
            if happened_at.tzinfo is not UTC:
                return None
            if self.shift is not None:
                happened_at += self.shift
        except (ValueError, OverflowError):
            return None
        if happened_at < EARLIEST:
            return None
        return Message(
            place=place,
            kind=kind,
            message_id=message_id,
            user_id=user_id,
            anonymous_id=anonymous_id,
            name=name,
            properties=said,
            happened_at=min(happened_at, self.received_at),
            raw=item,
            products=[product] if product is not None else [],
        )

    def read(self, item: Any, place: int, kind: str) -> Message:
        if not isinstance(item, dict):
            raise Unreadable(
                "not_an_object", f"The message is {in_words(item)}; expected a JSON object."
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
                "no_event", f"event is {in_words(name)}; expected the name of an event.", "event"
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
                "wrong_id", f"{name} is {in_words(found)}; expected a text or a number.", name
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
            "not_an_object", f"{name} is {in_words(found)}; expected a JSON object.", name
        )
    return dict(found)


def _take_handles(message: Message, said: Any) -> None:
    """An address in the context tells whose message it is; it changes nothing about the person."""
    if isinstance(said, dict):
        message.email = traits.email(said.get("email")) or ""
        message.phone = traits.phone(said.get("phone")) or ""


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
