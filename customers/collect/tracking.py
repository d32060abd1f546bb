"""Read messages of the tracking API (the Segment specification) into our words.  Pure.

A message that cannot be meant raises `Unreadable`; a part of one that cannot leaves a fault, and
the rest goes on.  Numbers may be spelled as strings, as many shops send them.
"""

import json
import uuid
from datetime import UTC, datetime, timedelta
from hashlib import md5
from typing import Any

from msgspec import Raw

from customers.collect import bodies, commerce, plain, traits
from customers.collect.bodies import Body, Unreadable, in_words
from customers.collect.messages import (
    EARLIEST,
    HANDLE_MOST,
    MESSAGE_ID_MOST,
    NAME_MOST,
    Message,
    Rejected,
)
from customers.collect.traits import Told

KINDS = ("identify", "track", "page", "screen", "group", "alias")
MESSAGE_BYTES = 32 * 1024
BATCH_MESSAGES = 2_500
PROPERTIES_MOST = 10_000  # values in all, also inside of others
CHECKED_ABOVE = MESSAGE_BYTES // 4  # characters: with fewer no limit of a message can be passed
CAMPAIGN = {"name": "utm_campaign"}  # every other word of a campaign is utm_ and the word


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
    is_plain = is_batch and not reader.context  # which each message would have to be read with
    seen: dict[str, int] = {}
    for place, item in enumerate(items):
        try:
            if place >= BATCH_MESSAGES:
                raise Unreadable(
                    "too_many", f"message {place + 1} of a batch; at most {BATCH_MESSAGES:,}."
                )
            message = None
            if len(body.spelled[place]) > CHECKED_ABOVE:
                item = bodies.value(item)
                _check_size(body.text(place), item)
            elif is_plain:
                message = plain.read(item, place, shift=reader.shift, received_at=received_at)
            if message is None:
                item = bodies.value(item)
                message = reader.read(item, place, kind)
            if message.message_id.startswith("derived-"):  # two that say the same are two
                nth = seen[message.message_id] = seen.get(message.message_id, 0) + 1
                if nth > 1:
                    message.message_id += f"-{nth}"
            messages.append(message)
        except Unreadable as error:
            kept = body.text(place) if type(item) is Raw else item
            rejected.append(Rejected(place, error.code, error.reason, error.field, kept))
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
