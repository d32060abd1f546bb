"""What a message of the tracking API says, in our words."""

from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from customers.collect.commerce import OrderTold, ProductTold, ReviewTold
from customers.collect.traits import Told

MESSAGE_ID_MOST = 99  # characters: "less than 100"
HANDLE_MOST = 254
NAME_MOST = 120
EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)


class Message(msgspec.Struct):
    """One message in our words; ``place`` is its index in the request."""

    place: int
    kind: str
    message_id: str
    user_id: str
    anonymous_id: str
    name: str  # of the event that it becomes
    properties: dict[str, Any]
    happened_at: datetime
    raw: Any  # as it came: read, or as it was spelled
    email: str = ""  # handles that it names besides, as they were told
    phone: str = ""
    previous_id: str = ""  # of an alias
    told: Told | None = None  # what an identify says of the person
    order: OrderTold | None = None
    products: list[ProductTold] = []
    review: ReviewTold | None = None
    faults: list[tuple[str, str]] = []  # part of it that is lost, and why


class Rejected(NamedTuple):
    """A message of which nothing can be stored."""

    place: int
    code: str
    reason: str
    field: str | None
    raw: Any
