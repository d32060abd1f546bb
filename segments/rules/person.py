"""One customer's facts, as the Python reader sees them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any


@dataclass(frozen=True)
class Line:
    """One line of an order; ``amount`` is quantity × unit price less the line's discount."""

    product: str
    category: str
    brand: str
    kind: str
    quantity: int
    amount: Decimal
    price: Decimal = Decimal(0)  # of one unit


@dataclass(frozen=True)
class Order:
    """One order with its lines."""

    kind: str
    status: str
    source: str
    currency: str
    coupon: str
    total: Decimal
    happened_at: datetime
    recorded_at: datetime
    lines: tuple[Line, ...] = ()


@dataclass(frozen=True)
class Event:
    """One event."""

    name: str
    properties: Mapping[str, Any]
    happened_at: datetime
    recorded_at: datetime


@dataclass(frozen=True)
class Word:
    """One entry of the consent ledger."""

    id: int
    channel: str
    topic: str
    is_granted: bool
    happened_at: datetime
    recorded_at: datetime


@dataclass(frozen=True)
class Scored:
    """One score, and where it stands among those of all customers."""

    value: float
    band: str
    as_of: datetime
    above: int = 0  # customers with a greater score
    total: int = 1  # customers with this score


@dataclass(frozen=True)
class Suppression:
    """An address of this customer that must not be written to."""

    channel: str
    happened_at: datetime
    recorded_at: datetime


@dataclass(frozen=True)
class Person:
    """Everything a rule can ask of one customer."""

    id: int
    happened_at: datetime
    recorded_at: datetime
    erased_at: datetime | None = None
    fields: Mapping[str, str | date | datetime | None] = field(default_factory=dict)
    traits: Mapping[str, Any] = field(default_factory=dict)
    orders: tuple[Order, ...] = ()
    events: tuple[Event, ...] = ()
    consents: tuple[Word, ...] = ()
    suppressions: tuple[Suppression, ...] = ()
    scores: Mapping[str, Scored] = field(default_factory=dict)
    lists: Mapping[str, datetime] = field(default_factory=dict)  # key of a list -> added at
