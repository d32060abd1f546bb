"""Decide orders, events and sequences for everybody at once, over columns of sorted facts.

The third exact reader beside `to_sql` and `evaluate`: the same meaning to the last microsecond and
cent, in whole numbers alone.  What it cannot say (`can_say`), its caller asks of PostgreSQL.
"""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from segments.rules import language as L
from segments.rules import rfm
from segments.rules.comparisons import compare, read

UNITS = 10_000  # amounts are whole numbers of 1/10,000, as the tables keep them
NEVER = np.iinfo(np.int64).max
MOST = 2**62  # of all amounts of one customer together: no sum can then leave 64 bits
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)

Ints = np.ndarray  # of int64 unless said otherwise
Bools = np.ndarray
LineFilter = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]

# What this reader knows of each node: a field it does not know, once set, is PostgreSQL's.
_KNOWN = {
    L.Orders: ("measure", "comparison", "window_days", "filter"),
    L.OrderFilter: (
        "kind", "status", "source", "currency", "coupon", "has_coupon",
        "product", "category", "brand", "price", "total",
    ),
    L.Events: ("names", "measure", "comparison", "window_days", "properties"),
    L.Sequence: (
        "names", "window_days", "at_least_minutes_ago", "unless", "unless_order", "properties",
    ),
    L.Comparison: ("op", "value", "reading", "zone"),
}  # fmt: skip
_OPS = {
    L.NUMBER: ("=", "!=", ">", ">=", "<", "<=", "between"),
    L.MOMENT: ("before", "since", "between", "more_than_days_ago", "less_than_days_ago"),
}
_MEASURES = {
    L.Orders: ("count", "revenue", "average", "largest", "items", "first", "last"),
    L.Events: ("count", "first", "last"),
}


@dataclass(frozen=True)
class Facts:
    """Orders with their lines, and events, of many customers.

    Moments are microseconds since 1970 in UTC, amounts 1/10,000.  The facts of customer ``i`` lie
    from ``…_from[i]`` to before ``…_from[i + 1]``, in order of ``…_at``; lines lie so by order.
    Codes point into the dictionaries at the end, whose texts are folded, save event names.
    """

    ids: Ints  # of the customers, ascending
    orders_from: Ints
    order_at: Ints
    order_recorded: Ints
    order_total: Ints
    order_sort: Ints  # codes of `order_sorts`
    order_coupon: Ints  # codes of `coupons`
    lines_from: Ints
    line_product: Ints  # codes of `product_ids`
    line_quantity: Ints
    line_price: Ints  # of one unit
    line_amount: Ints
    events_from: Ints
    event_at: Ints
    event_recorded: Ints
    event_name: Ints  # codes of `event_names`
    order_sorts: Sequence[tuple[str, str, str, str]]  # kind, status, source, currency
    coupons: Sequence[str]
    event_names: Sequence[tuple[str, ...]]  # with the JSON of each property kept, empty for none
    properties: tuple[str, ...]  # the names of those kept
    product_ids: Ints
    latest: int  # no fact happened or was recorded after this moment

    def part(self, start: int, end: int) -> "Facts":
        """The facts of the customers in these places; views, nothing is copied."""
        orders, order_span = _cut(self.orders_from, start, end)
        lines, line_span = _cut(self.lines_from, order_span.start, order_span.stop)
        events, event_span = _cut(self.events_from, start, end)
        return replace(
            self,
            ids=self.ids[start:end],
            orders_from=orders,
            lines_from=lines,
            events_from=events,
            **{name: getattr(self, name)[order_span] for name in ORDER_COLUMNS},
            **{name: getattr(self, name)[line_span] for name in LINE_COLUMNS},
            **{name: getattr(self, name)[event_span] for name in EVENT_COLUMNS},
        )

    def picked(self, places: Ints) -> "Facts":
        """The facts of the customers in these ascending places, copied."""
        orders, order_places = _gathered(self.orders_from, places)
        lines, line_places = _gathered(self.lines_from, order_places)
        events, event_places = _gathered(self.events_from, places)
        return replace(
            self,
            ids=self.ids[places],
            orders_from=orders,
            lines_from=lines,
            events_from=events,
            **{name: getattr(self, name)[order_places] for name in ORDER_COLUMNS},
            **{name: getattr(self, name)[line_places] for name in LINE_COLUMNS},
            **{name: getattr(self, name)[event_places] for name in EVENT_COLUMNS},
        )


ORDER_COLUMNS = ("order_at", "order_recorded", "order_total", "order_sort", "order_coupon")
LINE_COLUMNS = ("line_product", "line_quantity", "line_price", "line_amount")
EVENT_COLUMNS = ("event_at", "event_recorded", "event_name")


@dataclass(frozen=True)
class Products:
    """What is known of `Facts.product_ids` as of now: whether each is goods, or passes a filter."""

    is_goods: Bools
    passes: Mapping[LineFilter, Bools]


def can_say(node: L.Node, properties: Collection[str] = ()) -> bool:
    """Whether `Reading` answers this leaf by itself, over facts that keep these properties."""
    if isinstance(node, L.Events | L.Sequence) and any(
        one.name not in properties or one.comparison.has_clock for one in node.properties
    ):
        return False
    if isinstance(node, L.Orders | L.Events):
        comparison = node.comparison
        return (
            _is_known(node)
            and _is_known(comparison)
            and node.measure in _MEASURES[type(node)]
            and comparison.op in _OPS.get(comparison.reading, ())
            and (isinstance(node, L.Events) or _can_filter(node.filter))
        )
    return isinstance(node, L.Sequence) and _is_known(node)


def _can_filter(wanted: L.OrderFilter) -> bool:
    amounts = (wanted.price, wanted.total)
    return _is_known(wanted) and all(a is None or a.op in _OPS[L.NUMBER] for a in amounts)


def leaves(node: L.Node, properties: Collection[str] = ()) -> list[L.Node]:
    """All leaves this reader answers, below a node; RFM groups are written out."""
    if isinstance(node, L.Rfm):
        node = rfm.meaning(node)
    if isinstance(node, L.Every | L.Some):
        return [leaf for child in node.of for leaf in leaves(child, properties)]
    if isinstance(node, L.Not):
        return leaves(node.of, properties)
    return [node] if can_say(node, properties) else []


def asked_properties(node: L.Node) -> Iterator[str]:
    """The names of the properties of events that a rule asks about."""
    if isinstance(node, L.Every | L.Some):
        for child in node.of:
            yield from asked_properties(child)
    elif isinstance(node, L.Not):
        yield from asked_properties(node.of)
    elif isinstance(node, L.Events | L.Sequence):
        yield from (one.name for one in node.properties)


def line_filters(nodes: Iterable[L.Node]) -> set[LineFilter]:
    """Which products must be known of, for these nodes."""
    return {
        leaf.filter.lines
        for node in nodes
        for leaf in leaves(node)
        if isinstance(leaf, L.Orders) and any(leaf.filter.lines)
    }


def micros(moment: datetime) -> int:
    """Microseconds since 1970.

    >>> micros(datetime(1970, 1, 1, 0, 0, 1, 5, tzinfo=UTC))
    1000005
    """
    return (moment - _EPOCH) // _TICK


class Reading:
    """The facts as of one moment; masks and sums are shared between the clauses that need them.

    Parameters
    ----------
    facts : Facts
    as_of : datetime
        Aware; facts that happened or were recorded after it are not seen.
    products : Products
        Must know every line filter that is asked for.

    Notes
    -----
    Linear in the facts for each distinct filter and window, about 2 ns a fact.  Ask for parts of
    a large base (`Facts.part`), so that what is in between stays in the processor's cache.
    """

    def __init__(self, facts: Facts, as_of: datetime, products: Products) -> None:
        if as_of.tzinfo is None:
            raise ValueError("as_of needs a time zone")
        self.facts, self.products, self.now = facts, products, micros(as_of)
        self.as_of, self.size = as_of, facts.ids.size
        self._kept: dict[tuple, Any] = {}

    def holds(self, node: L.Node, others: Callable[[L.Node], Bools | None]) -> Bools:
        """For whom a node is true; ``others`` answers nodes first, and all that we cannot say."""
        found = others(node)
        if found is not None:
            return found
        if isinstance(node, L.Every):
            return np.logical_and.reduce([self.holds(child, others) for child in node.of])
        if isinstance(node, L.Some):
            return np.logical_or.reduce([self.holds(child, others) for child in node.of])
        if isinstance(node, L.Not):
            return ~self.holds(node.of, others)
        if isinstance(node, L.Rfm):
            return self.holds(rfm.meaning(node), others)
        if isinstance(node, L.Everybody):
            return np.ones(self.size, bool)
        return self.leaf(node)[0]

    def due(self, nodes: Iterable[L.Node], others: Callable[[L.Node], Bools | None]) -> Ints:
        """The next moment at which any of our leaves below these nodes may answer otherwise.

        Without a new fact; perhaps too early, never too late; `NEVER` where time changes nothing,
        or what time does not change settles the answer of a group.  ``others`` as in `holds`; the
        moments of what it answers are its own affair.
        """
        return self._earliest([self._due(node, others) for node in nodes])

    def _due(self, node: L.Node, others: Callable[[L.Node], Bools | None]) -> Ints:
        if others(node) is not None or isinstance(node, L.Everybody):
            return self._never()
        if isinstance(node, L.Not):
            return self._due(node.of, others)
        if isinstance(node, L.Rfm):
            return self._due(rfm.meaning(node), others)
        if not isinstance(node, L.Every | L.Some):
            return self.leaf(node)[1]
        due = self._earliest([self._due(child, others) for child in node.of])
        still = [self.holds(child, others) for child in node.of if L.is_still(child)]
        if still:
            is_some = isinstance(node, L.Some)
            settled = np.logical_or.reduce(still) if is_some else ~np.logical_and.reduce(still)
            due[settled] = NEVER
        return due

    def leaf(self, node: L.Node) -> tuple[Bools, Ints]:
        """For whom a leaf is true, and when time alone next changes that."""
        is_ours = can_say(node, self.facts.properties)
        if not (isinstance(node, L.Orders | L.Events | L.Sequence) and is_ours):
            raise ValueError(f"columns cannot say {node!r:.200}")
        if ("leaf", node) not in self._kept:
            if isinstance(node, L.Sequence):
                holds, due = self._sequence(node)
                kinds = ["event", "order"] if node.unless_order else ["event"]
            else:
                holds, due = self._measured(node)
                kinds = ["order" if isinstance(node, L.Orders) else "event"]
            self._kept["leaf", node] = holds, self._earliest([due, *map(self._unseen, kinds)])
        found: tuple[Bools, Ints] = self._kept["leaf", node]
        return found

    # --- leaves -------------------------------------------------------------------------------

    def _measured(self, node: L.Orders | L.Events) -> tuple[Bools, Ints]:
        chosen = self._orders(node) if isinstance(node, L.Orders) else self._events(node)
        due = self._never()
        if node.window_days is not None:
            edge = chosen.last if node.hangs_on_the_last else chosen.first
            due = _later(edge, _micros_of(node.window_days) + 1)
        if node.comparison.reading == L.MOMENT:
            found = chosen.first if node.measure == "first" else chosen.last
            length = _relative(node.comparison)
            if length is not None:
                turns = _later(found, length + 1)
                due = np.minimum(due, np.where(turns > self.now, turns, NEVER))
            low, high = self._moments(node.comparison)
            return self._within(found, low, high, found != NEVER, node.comparison), due
        if node.measure == "average":
            assert isinstance(node, L.Orders)
            lows, highs = _average_bounds(node.comparison, int(chosen.count.max(initial=0)))
            found, is_there = chosen.sum(self._amounts(node)), chosen.count > 0
            lows, highs = lows[chosen.count], highs[chosen.count]
            return self._within(found, lows, highs, is_there, node.comparison), due
        is_there = np.ones(self.size, bool)
        if node.measure == "count":
            found = chosen.count
        elif node.measure == "largest":
            found, is_there = chosen.greatest(self._amounts(node)), chosen.count > 0
        else:
            found = chosen.sum(self._amounts(node))
        scale = UNITS if node.measure in ("revenue", "largest") else 1
        low, high = _bounds(node.comparison, scale)
        return self._within(found, low, high, is_there, node.comparison), due

    def _sequence(self, node: L.Sequence) -> tuple[Bools, Ints]:
        did = self._named(node.names, node.window_days, node.properties).last
        is_there = did != NEVER
        wait = _micros(timedelta(minutes=float(node.at_least_minutes_ago)))
        holds = is_there & (did <= self.now - wait)
        after = []
        if node.unless:
            after.append(self._named(node.unless, node.window_days).last)
        if node.unless_order:
            after.append(self._filtered(L.OrderFilter(), node.window_days, False).last)
        for last in after:
            holds &= (last == NEVER) | (last < did)
        ripe = _later(did, wait)
        due = np.where(ripe > self.now, ripe, NEVER)
        return holds, np.minimum(due, _later(did, _micros_of(node.window_days) + 1))

    def _within(
        self, found: Ints, low: Any, high: Any, is_there: Bools, comparison: L.Comparison
    ) -> Bools:
        """Whether each number is there and from low to high; or not, for a negation."""
        holds = is_there & (found >= low) & (found <= high)
        return ~holds if comparison.op in L.NEGATED else holds

    def _moments(self, comparison: L.Comparison) -> tuple[int, int]:
        value: Any = comparison.value
        zone = ZoneInfo(comparison.zone)
        if comparison.op == "before":
            return -NEVER, _start(value, zone) - 1
        if comparison.op == "since":
            return _start(value, zone), NEVER
        if comparison.op == "between":
            return _start(value[0], zone), _start(value[1] + timedelta(days=1), zone) - 1
        edge = self.now - _micros_of(value)
        return (-NEVER, edge - 1) if comparison.op == "more_than_days_ago" else (edge, self.now)

    # --- which facts count --------------------------------------------------------------------

    def _orders(self, node: L.Orders) -> "_Chosen":
        needs_lines = node.measure == "items" or node.filter.has_lines
        return self._filtered(node.filter, node.window_days, needs_lines)

    def _filtered(
        self, wanted: L.OrderFilter, window_days: Decimal | None, needs_lines: bool
    ) -> "_Chosen":
        key = ("orders", wanted, window_days, needs_lines)
        if key not in self._kept:
            facts = self.facts
            mask = self._seen("order", window_days) & self._order_mask(wanted)
            if needs_lines:
                mask &= self._of_lines(wanted)[0] > 0
            self._kept[key] = _Chosen(mask, facts.orders_from, facts.order_at)
        found: _Chosen = self._kept[key]
        return found

    def _order_mask(self, wanted: L.OrderFilter) -> Bools:
        """Which orders pass what is asked of the order itself, windows apart."""
        key = ("order", replace(wanted, product=(), category=(), brand=(), price=None))
        if key not in self._kept:
            facts = self.facts
            columns = (wanted.kind, wanted.status, _folded(wanted.source), _folded(wanted.currency))
            passes = [
                all(not values or one in values for one, values in zip(sort, columns, strict=True))
                for sort in facts.order_sorts
            ]
            mask = np.array(passes, bool)[facts.order_sort]
            if wanted.has_coupon is not None:
                has = np.array([coupon != "" for coupon in facts.coupons], bool)
                mask &= has[facts.order_coupon] == wanted.has_coupon
            if wanted.coupon:
                coupons = set(_folded(wanted.coupon))
                mask &= np.array([c in coupons for c in facts.coupons], bool)[facts.order_coupon]
            if wanted.total is not None:
                mask &= _compares(facts.order_total, wanted.total)
            self._kept[key] = mask
        found: Bools = self._kept[key]
        return found

    def _of_lines(self, wanted: L.OrderFilter) -> tuple[Ints, Ints, Ints]:
        """For each order, of its lines that pass: how many, their amount, and units of goods."""
        key = ("lines", wanted.lines, wanted.price)
        if key not in self._kept:
            facts = self.facts
            mask = np.ones(facts.line_product.size, bool)
            if any(wanted.lines):
                mask = self.products.passes[wanted.lines][facts.line_product]
            if wanted.price is not None:
                mask &= _compares(facts.line_price, wanted.price)
            goods = mask & self.products.is_goods[facts.line_product]
            self._kept[key] = (
                _sums(mask, facts.lines_from),
                _sums(facts.line_amount * mask, facts.lines_from),
                _sums(facts.line_quantity * goods.astype(np.int64), facts.lines_from),
            )
        found: tuple[Ints, Ints, Ints] = self._kept[key]
        return found

    def _amounts(self, node: L.Orders | L.Events) -> Ints:
        """For each order, what is added up."""
        assert isinstance(node, L.Orders)
        if node.measure == "items":
            return self._of_lines(node.filter)[2]
        return self._of_lines(node.filter)[1] if node.filter.has_lines else (self.facts.order_total)

    def _events(self, node: L.Events) -> "_Chosen":
        return self._named(node.names, node.window_days, node.properties)

    def _named(
        self,
        names: tuple[str, ...],
        window_days: Decimal | None,
        properties: tuple[L.Property, ...] = (),
    ) -> "_Chosen":
        key = ("events", frozenset(names), window_days, properties)
        if key not in self._kept:
            facts, is_wanted = self.facts, self._wanted(names, properties)
            mask = is_wanted[facts.event_name] & self._seen("event", window_days)
            self._kept[key] = _Chosen(mask, facts.events_from, facts.event_at)
        found: _Chosen = self._kept[key]
        return found

    def _wanted(self, names: tuple[str, ...], properties: tuple[L.Property, ...]) -> Bools:
        """Which codes are of these names and hold such properties."""
        asked = [(1 + self.facts.properties.index(one.name), one.comparison) for one in properties]

        def passes(texts: tuple[str, ...]) -> bool:
            return texts[0] in names and all(
                compare(read(_json(texts[place]), comparison), comparison, self.as_of)
                for place, comparison in asked
            )

        return np.array([passes(texts) for texts in self.facts.event_names], bool)

    def _seen(self, kind: str, window_days: Decimal | None) -> Bools:
        key = ("seen", kind, window_days)
        if key not in self._kept:
            at = getattr(self.facts, f"{kind}_at")
            mask = np.ones(at.size, bool)
            if window_days is not None:
                mask = at >= self.now - _micros_of(window_days)
            if self.facts.latest > self.now:
                mask &= at <= self.now
                mask &= getattr(self.facts, f"{kind}_recorded") <= self.now
            self._kept[key] = mask
        found: Bools = self._kept[key]
        return found

    def _unseen(self, kind: str) -> Ints:
        """When the next fact of a kind that is there already will be seen."""
        key = ("unseen", kind)
        if key not in self._kept:
            found, facts = self._never(), self.facts
            if facts.latest > self.now:
                at, recorded = getattr(facts, f"{kind}_at"), getattr(facts, f"{kind}_recorded")
                seen_at = np.maximum(at, recorded)
                places = np.flatnonzero(seen_at > self.now)
                starts = getattr(facts, f"{kind}s_from")
                whose = np.searchsorted(starts, places, side="right") - 1
                np.minimum.at(found, whose, seen_at[places])
            self._kept[key] = found
        found_kept: Ints = self._kept[key]
        return found_kept

    def _earliest(self, moments: Sequence[Ints]) -> Ints:
        return np.minimum.reduce([self._never(), *moments])

    def _never(self) -> Ints:
        return np.full(self.size, NEVER)


class _Chosen:
    """The facts of one kind that count, by customer."""

    def __init__(self, mask: Bools, starts: Ints, at: Ints) -> None:
        self.places = np.flatnonzero(mask)
        upto = np.empty(mask.size + 1, np.int64)
        upto[0] = 0
        np.cumsum(mask, out=upto[1:])
        self.upto = upto[starts]
        self.count = np.diff(self.upto)
        self._at = at

    @property
    def first(self) -> Ints:
        """The first moment of each customer, `NEVER` where there is none."""
        return self._moment(self.upto[:-1])

    @property
    def last(self) -> Ints:
        return self._moment(self.upto[1:] - 1)

    def sum(self, amounts: Ints) -> Ints:
        upto = np.empty(self.places.size + 1, np.int64)
        upto[0] = 0
        np.cumsum(amounts[self.places], out=upto[1:])
        return np.diff(upto[self.upto])

    def greatest(self, amounts: Ints) -> Ints:
        """The greatest amount; 0 where there is none."""
        found = np.zeros(self.count.size, np.int64)
        some = self.count > 0
        if self.places.size:
            starts = self.upto[:-1][some]
            found[some] = np.maximum.reduceat(amounts[self.places], starts)
        return found

    def _moment(self, ends: Ints) -> Ints:
        found = np.full(self.count.size, NEVER)
        some = self.count > 0
        found[some] = self._at[self.places[ends[some]]]
        return found


def _json(text: str) -> Any:
    return json.loads(text, parse_float=Decimal, parse_int=Decimal) if text else None


def _is_known(node: Any) -> bool:
    """Whether every field that this reader does not know of is as it is when left out."""
    known = _KNOWN[type(node)]
    return all(one.name in known or getattr(node, one.name) == one.default for one in fields(node))


def _bounds(comparison: L.Comparison, scale: int) -> tuple[int, int]:
    """The whole numbers from low to high for which the comparison, or what it negates, holds."""
    op, low, high = _positive(comparison)
    return _range(op, low * scale, high * scale)


def _compares(amounts: Ints, comparison: L.Comparison) -> Bools:
    low, high = _bounds(comparison, UNITS)
    within = (amounts >= low) & (amounts <= high)
    return ~within if comparison.op in L.NEGATED else within


def _average_bounds(comparison: L.Comparison, most: int) -> tuple[Ints, Ints]:
    """The same for a sum against value × count, for each count from 0 to ``most``."""
    op, low, high = _positive(comparison)
    bounds = [_range(op, low * UNITS * count, high * UNITS * count) for count in range(most + 1)]
    return np.array([b[0] for b in bounds], np.int64), np.array([b[1] for b in bounds], np.int64)


def _positive(comparison: L.Comparison) -> tuple[str, Fraction, Fraction]:
    """The operator, or the one it negates, and what it compares with: the lower and the higher."""
    op, value = L.NEGATED.get(comparison.op, comparison.op), comparison.value
    given: Any = value if op == "between" else (value, value)
    return op, Fraction(given[0]), Fraction(given[1])


def _range(op: str, low: Fraction, high: Fraction) -> tuple[int, int]:
    found = {
        "=": (ceil(low), floor(low)),  # empty unless it is whole
        ">": (floor(low) + 1, NEVER),
        ">=": (ceil(low), NEVER),
        "<": (-NEVER, ceil(low) - 1),
        "<=": (-NEVER, floor(low)),
        "between": (ceil(low), floor(high)),
    }[op]
    return max(min(found[0], NEVER), -NEVER), max(min(found[1], NEVER), -NEVER)


def _relative(comparison: L.Comparison) -> int | None:
    """After how long a moment turns from the one answer to the other, if it ever does."""
    if comparison.op not in L.RELATIVE_OPS:
        return None
    assert isinstance(comparison.value, Decimal)
    return _micros_of(comparison.value)


def _later(moments: Ints, by: int) -> Ints:
    return np.where(moments == NEVER, NEVER, moments + by)


def _micros_of(days: Decimal) -> int:
    return _micros(timedelta(days=float(days)))


def _micros(length: timedelta) -> int:
    return length // _TICK


def _start(day: date, zone: ZoneInfo) -> int:
    """When a day begins in the shop."""
    return micros(datetime.combine(day, time(), tzinfo=zone))


def _folded(texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(map(L.folded, texts))


def _sums(values: np.ndarray, starts: Ints) -> Ints:
    """The sum of each slice; slices may be empty."""
    upto = np.empty(values.size + 1, np.int64)
    upto[0] = 0
    np.cumsum(values, out=upto[1:])
    return np.diff(upto[starts])


def _cut(starts: Ints, start: int, end: int) -> tuple[Ints, slice]:
    cut = starts[start : end + 1]
    first, last = int(cut[0]), int(cut[-1])
    return cut - first, slice(first, last)


def _gathered(starts: Ints, places: Ints) -> tuple[Ints, Ints]:
    """Where the slices in these places begin once they are put together, and what is in them."""
    lengths = starts[places + 1] - starts[places]
    found = np.empty(places.size + 1, np.int64)
    found[0] = 0
    np.cumsum(lengths, out=found[1:])
    inside = np.arange(found[-1]) - np.repeat(found[:-1], lengths)
    return found, np.repeat(starts[places], lengths) + inside
