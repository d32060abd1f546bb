"""Read messages spelled as clients mostly do, at a quarter of what care costs.  Pure."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Raw

from customers.collect import commerce
from customers.collect.messages import EARLIEST, HANDLE_MOST, MESSAGE_ID_MOST, NAME_MOST, Message


class Context(msgspec.Struct):
    """A context that says nothing of what joins the properties, or of who it is."""

    campaign: None = None
    traits: None = None
    page: None = None


class Plain(msgspec.Struct, rename="camel"):
    """A message as clients mostly spell it; of what else it says nothing is asked."""

    type: Literal["track", "page", "screen"]
    message_id: Annotated[str, Meta(min_length=1, max_length=MESSAGE_ID_MOST)]
    timestamp: str
    properties: dict[str, Any]
    user_id: str = ""
    anonymous_id: str = ""
    event: Annotated[str, Meta(max_length=NAME_MOST)] = ""
    name: Any = None
    category: Any = None
    context: Context | None = None
    sent_at: None = None


DECODER = msgspec.json.Decoder(Plain)


def read(
    item: Any, place: int, *, shift: timedelta | None, received_at: datetime
) -> Message | None:
    """What a careful reader says of the message, if it is plain; else None.

    ``shift`` is how far the sender's clock is behind ours.
    """
    if type(item) is not Raw:
        return None
    try:
        told = DECODER.decode(item)
        happened_at = datetime.fromisoformat(told.timestamp)
        if happened_at.tzinfo is not UTC:
            return None
        if shift is not None:
            happened_at += shift
    except (msgspec.MsgspecError, ValueError, OverflowError):
        return None
    if happened_at < EARLIEST:
        return None
    user_id, anonymous_id = told.user_id.strip(), told.anonymous_id.strip()
    if not 0 < len(user_id) + len(anonymous_id) <= HANDLE_MOST:
        return None
    said, products = told.properties, []
    if told.type == "track":
        name = commerce.NAMES_BEFORE.get(told.event, told.event)
        if not name or name != name.strip() or not commerce.is_plain(name, said):
            return None
        product = commerce.product(name, said)
        if product is not None:
            products.append(product)
    else:
        name = "Page Viewed" if told.type == "page" else "Screen Viewed"
        for word, text in (("name", told.name), ("category", told.category)):
            if text:
                said.setdefault(word, text)
    return Message(
        place,
        told.type,
        told.message_id,
        user_id,
        anonymous_id,
        name,
        said,
        happened_at if happened_at < received_at else received_at,
        item,
        products=products,
    )
