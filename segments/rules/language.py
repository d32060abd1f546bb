"""The words of the rule language: frozen nodes, the fields and operators that fit them.

A rule is stored as JSON, ``{"version": 1, "where": {"type": …}}``, and parsed once (`parse`).
Three readers answer the same question and must agree: `to_sql`, `evaluate` and `explain`.

What all readers hold to:

- A fact is seen as of a moment when ``happened_at <= as_of`` and ``recorded_at <= as_of``.
- A window of N days is ``[as_of - N days, as_of]``, closed at both ends; a day is 24 hours.
- Days of a calendar begin at local midnight: for a customer's own fields and traits in her time
  zone (the shop's where she has none that is known), for all else in the shop's.
- The anniversary of 29 February is 28 February in years without it.
- A clause is true or false, never unknown: on an absent value every comparison is false, save
  ``!=``, ``not_in``, ``not_contains``, ``not_includes`` and ``not_exists``, which are the negations
  of their twins.
- Empty text is absent.  Texts are compared without regard to the case of A to Z.
- Erased customers, and those not yet known as of the moment, are in no segment.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal

VERSION = 1

# How a value is read before it is compared.
TEXT, NUMBER, DAY, MOMENT, PRESENCE = "text", "number", "day", "moment", "presence"
ELEMENT = "element"  # of a list

TEXT_OPS = ("=", "!=", "contains", "not_contains", "starts_with", "in", "not_in")
NUMBER_OPS = ("=", "!=", ">", ">=", "<", "<=", "between")
RELATIVE_OPS = ("more_than_days_ago", "less_than_days_ago", "in_next_days")
ANNIVERSARY_OPS = (
    "anniversary_in_next_days",
    "anniversary_in_last_days",
    "anniversary_in_days",
)
DATE_OPS = ("before", "since", "between", *RELATIVE_OPS, *ANNIVERSARY_OPS)
LIST_OPS = ("includes", "not_includes")
PAST_OPS = ("before", "since", "between", "more_than_days_ago", "less_than_days_ago")
PRESENCE_OPS = ("exists", "not_exists")
NEGATED = {
    "!=": "=",
    "not_in": "in",
    "not_contains": "contains",
    "not_includes": "includes",
    "not_exists": "exists",
}

# Built-in fields of a customer and how each is read; anything else is ``traits.<name>``.
FIELDS = {
    "email": TEXT,
    "phone": TEXT,
    "first_name": TEXT,
    "last_name": TEXT,
    "language": TEXT,
    "time_zone": TEXT,
    "country": TEXT,
    "source": TEXT,
    "birth_date": DAY,
    "happened_at": MOMENT,  # became known to the shop
}
TRAIT = "traits."

NUMBER_MEASURES = ("count", "revenue", "average", "largest", "items")
MOMENT_MEASURES = ("first", "last")
ORDER_MEASURES = (*NUMBER_MEASURES, *MOMENT_MEASURES)
EVENT_MEASURES = ("count", *MOMENT_MEASURES)
ORDER_KINDS = ("sale", "refund", "adjustment")
ORDER_STATUSES = ("paid", "refunded", "cancelled")
CHANNELS = ("email", "sms")  # those with an address that can be suppressed
CONSENT_CHANNELS = ("email", "sms", "push", "in_app")

LAST_DAY = date(9000, 1, 1)  # nothing is foretold for later
SHOP_ZONE = "UTC"  # where nobody says otherwise

Value = (
    str | Decimal | bool | date | tuple[str, ...] | tuple[Decimal, ...] | tuple[date, ...] | None
)


_FOLD = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")


def folded(text: str) -> str:
    """Text as it is compared.  A to Z only: PostgreSQL's "C" collation folds no other letter."""
    return text.translate(_FOLD)


def length(days: Decimal) -> timedelta:
    """So many days of 24 hours."""
    return timedelta(days=float(days))


@dataclass(frozen=True)
class Comparison:
    """An operator and what is compared with, and how the compared value is to be read."""

    op: str
    value: Value
    reading: str  # TEXT, NUMBER, DAY, MOMENT, ELEMENT or PRESENCE
    zone: str = SHOP_ZONE  # of the shop, where days begin; kept only where it matters

    @property
    def positive(self) -> "Comparison | None":
        """The twin of which this is the negation."""
        twin = NEGATED.get(self.op)
        return replace(self, op=twin) if twin else None

    @property
    def has_clock(self) -> bool:
        """Whether time alone can change the answer."""
        return self.op in RELATIVE_OPS or self.op in ANNIVERSARY_OPS

    @property
    def is_any(self) -> bool:
        """Whether of a count it is only asked that it is not 0."""
        return (self.op, self.value) in ((">=", 1), (">", 0), ("!=", 0))

    @property
    def is_none(self) -> bool:
        """Whether of a count it is asked that it is 0."""
        return (self.op, self.value) in (("=", 0), ("<=", 0), ("<", 1))

    @property
    def span_days(self) -> tuple[int, int]:
        """From how many days ahead to how many an anniversary is looked for; 0 is today."""
        assert isinstance(self.value, Decimal)
        days = int(self.value)
        return {
            "anniversary_in_next_days": (0, days),
            "anniversary_in_last_days": (-days, 0),
            "anniversary_in_days": (days, days),
        }[self.op]


@dataclass(frozen=True)
class Every:
    """All of these hold."""

    of: tuple["Node", ...]


@dataclass(frozen=True)
class Some:
    """At least one of these holds."""

    of: tuple["Node", ...]


@dataclass(frozen=True)
class Not:
    """This does not hold."""

    of: "Node"


@dataclass(frozen=True)
class Everybody:
    """Every known customer who is not erased."""


@dataclass(frozen=True)
class Field:
    """A built-in field or a trait of the customer compares so."""

    name: str
    comparison: Comparison


@dataclass(frozen=True)
class OrderFilter:
    """Which orders count.  ``product``, ``category``, ``brand`` and ``price`` look at the lines.

    With one of those four an order counts when it has such a line, and its amount is the sum of
    these lines alone (before any discount on the whole order).  ``price`` is that of one unit,
    ``total`` that of the whole order.
    """

    kind: tuple[str, ...] = ("sale",)
    status: tuple[str, ...] = ("paid",)
    source: tuple[str, ...] = ()
    currency: tuple[str, ...] = ()
    coupon: tuple[str, ...] = ()
    has_coupon: bool | None = None
    product: tuple[str, ...] = ()  # the shop's own product ids
    category: tuple[str, ...] = ()
    brand: tuple[str, ...] = ()
    price: Comparison | None = None
    total: Comparison | None = None

    @property
    def has_lines(self) -> bool:
        """Whether it looks at the lines."""
        return any(self.lines) or self.price is not None

    @property
    def lines(self) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
        return self.product, self.category, self.brand


@dataclass(frozen=True)
class Orders:
    """A measure of the customer's orders compares so.

    ``revenue``, ``average`` and ``largest`` are of amounts; ``items`` counts units of goods;
    ``first`` and ``last`` are moments.  Without an order, count, revenue and items are 0, and
    the others absent.
    """

    measure: str
    comparison: Comparison
    window_days: Decimal | None = None  # None: ever
    filter: OrderFilter = field(default_factory=OrderFilter)

    @property
    def hangs_on_the_last(self) -> bool:
        """Whether nothing changes before the last fact leaves the window.

        So it is with *last*, and with a count that is only asked whether it is 0.
        """
        found = self.comparison
        return self.measure == "last" or (
            self.measure == "count" and (found.is_any or found.is_none)
        )


@dataclass(frozen=True)
class Property:
    """A property of an event compares so."""

    name: str
    comparison: Comparison


@dataclass(frozen=True)
class Events:
    """The number, or the first or last moment, of events of these names compares so."""

    names: tuple[str, ...]
    measure: str
    comparison: Comparison
    window_days: Decimal | None = None
    properties: tuple[Property, ...] = ()

    @property
    def hangs_on_the_last(self) -> bool:
        """Whether nothing changes before the last fact leaves the window.

        So it is with *last*, and with a count that is only asked whether it is 0.
        """
        found = self.comparison
        return self.measure == "last" or (
            self.measure == "count" and (found.is_any or found.is_none)
        )


@dataclass(frozen=True)
class Sequence:
    """The customer did this within the window and, from then on, none of the others.

    The last event of ``names`` in the window counts.  It must be ``at_least_minutes_ago`` old, and
    no event of ``unless``, and with ``unless_order`` no paid sale, may be at or after it.
    """

    names: tuple[str, ...]
    window_days: Decimal
    properties: tuple[Property, ...] = ()
    at_least_minutes_ago: Decimal = Decimal(0)
    unless: tuple[str, ...] = ()
    unless_order: bool = False


@dataclass(frozen=True)
class Score:
    """A score compares so; its ``op`` may also be ``band`` or ``top_share``.

    ``top_share`` 0.1 holds when fewer than a tenth of all customers with this score have a
    greater one; ties are all in.
    """

    name: str
    comparison: Comparison


@dataclass(frozen=True)
class Cluster:
    """The live clustering puts the customer into the cluster of this key."""

    key: int


@dataclass(frozen=True)
class Rfm:
    """The customer is in one of these RFM groups (`rfm.GROUPS`)."""

    groups: tuple[str, ...]


@dataclass(frozen=True)
class Consent:
    """The latest word on this channel and topic is yes; or, negated, it is no or there is none."""

    channel: str
    topic: str
    is_granted: bool


@dataclass(frozen=True)
class Reachable:
    """There is an address on this channel, and it is not suppressed."""

    channel: str


@dataclass(frozen=True)
class Suppressed:
    """There is an address on this channel, and it must not be written to."""

    channel: str


@dataclass(frozen=True)
class Member:
    """The rule of another segment holds; `parse.resolve` puts that rule in place of this node."""

    key: str


@dataclass(frozen=True)
class List:
    """The customer is on the list of this key."""

    key: str


@dataclass(frozen=True)
class Share:
    """A random share of the base, drawn by hash: the same people each time for one salt."""

    share: Decimal
    salt: str


Node = (
    Every
    | Some
    | Not
    | Everybody
    | Field
    | Orders
    | Events
    | Sequence
    | Score
    | Cluster
    | Rfm
    | Consent
    | Reachable
    | Suppressed
    | Member
    | List
    | Share
)


def walk(node: Node) -> Iterator[Node]:
    """The node and all below it, each once, from the top."""
    yield node
    if isinstance(node, Every | Some):
        for child in node.of:
            yield from walk(child)
    elif isinstance(node, Not):
        yield from walk(node.of)


def is_still(node: Node) -> bool:
    """Whether time alone never changes the answer of this leaf, whatever is recorded ahead."""
    if isinstance(node, Field):
        return not node.comparison.has_clock
    return isinstance(node, Everybody | Share)


@dataclass(frozen=True)
class Rule:
    """A parsed definition of a segment."""

    where: Node
    version: int = VERSION


@dataclass(frozen=True)
class Fault:
    """Where a definition is wrong, and why."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class RuleError(ValueError):
    """A definition that cannot be read; ``faults`` has every fault found, with its path."""

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(map(str, faults)))
