"""Decide a rule for one customer in plain Python: the oracle that the SQL is held to."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, TypeVar

from segments.rules import language as L
from segments.rules import rfm
from segments.rules.comparisons import TICK, compare, number_compares, read, turns
from segments.rules.person import Event, Line, Order, Person, Scored, Suppression, Word

Fact = TypeVar("Fact", Order, Event, Word, Suppression)


def evaluate(rule: L.Rule, person: Person, as_of: datetime) -> bool:
    """Whether the customer is in the segment that this rule defines, as of a moment.

    Parameters
    ----------
    rule : Rule
        Without `language.Member` nodes: see `parse.resolve`.
    person : Person
        All facts of one customer; those after ``as_of`` are passed over here.
    as_of : datetime
        Aware.

    Notes
    -----
    Linear in the facts times the clauses: for one customer.  For many, `to_sql`.
    """
    as_of = as_of.astimezone(UTC)  # in other zones Python adds days of the calendar, not of 24 h
    if person.erased_at is not None or not _is_seen(person, as_of):
        return False
    return holds(rule.where, person, as_of)


def due(rule: L.Rule, person: Person, as_of: datetime) -> datetime | None:
    """The earliest moment after ``as_of`` at which time alone could change the answer.

    It may be too early, never too late: until just before it `evaluate` gives the same answer,
    unless a new fact arrives.  None means never.

    Parameters
    ----------
    rule, person, as_of
        As for `evaluate`.  Here facts after ``as_of`` count too: one will be seen at its moment.
    """
    if person.erased_at is not None:
        return None
    if not _is_seen(person, as_of):
        return max(person.happened_at, person.recorded_at)
    return changes_at(rule.where, person, as_of.astimezone(UTC))


def changes_at(node: L.Node, person: Person, as_of: datetime) -> datetime | None:
    """The same of one node, for a customer who can be in a segment at all."""
    return min(_changes(node, person, as_of), default=None)


def holds(node: L.Node, person: Person, as_of: datetime) -> bool:
    """Whether one node is true of a customer who can be in a segment at all."""
    if isinstance(node, L.Every):
        return all(holds(child, person, as_of) for child in node.of)
    if isinstance(node, L.Some):
        return any(holds(child, person, as_of) for child in node.of)
    if isinstance(node, L.Not):
        return not holds(node.of, person, as_of)
    if isinstance(node, L.Rfm):
        return holds(rfm.meaning(node), person, as_of)
    if isinstance(node, L.Member):
        raise L.RuleError([L.Fault("where", f"segment {node.key!r} was not resolved")])
    found = actual(node, person, as_of)
    if isinstance(node, L.Field):
        return compare(found, node.comparison, as_of, time_zone=own_zone(person))
    if isinstance(node, L.Orders | L.Events):
        return compare(found, node.comparison, as_of)
    if isinstance(node, L.Score):
        return _score_holds(found, node.comparison, as_of)
    if isinstance(node, L.Cluster):
        return found is not None and found.value == node.key
    if isinstance(node, L.Consent):
        return (found is True) == node.is_granted
    return bool(found)


def actual(node: L.Node, person: Person, as_of: datetime) -> Any:
    """What a clause looks at, before it is compared; None when absent."""
    return ACTUAL[type(node)](node, person, as_of)


def own_zone(person: Person) -> str:
    """The customer's own time zone; empty where she has none."""
    return str(person.fields.get("time_zone") or "")


def _field(node: L.Field, person: Person, as_of: datetime) -> Any:
    if node.name.startswith(L.TRAIT):
        return read(person.traits.get(node.name.removeprefix(L.TRAIT)), node.comparison)
    if node.name == "happened_at":
        return person.happened_at
    return person.fields.get(node.name) or None


def _orders(node: L.Orders, person: Person, as_of: datetime) -> Any:
    amounts: list[Decimal] = []
    moments: list[datetime] = []
    items = 0
    for order, lines in _counted(node, person, as_of):
        of_lines = sum((line.amount for line in lines), Decimal(0))
        amounts.append(of_lines if node.filter.has_lines else order.total)
        moments.append(order.happened_at)
        items += sum(line.quantity for line in lines if line.kind == "goods")
    if node.measure == "average":
        # exact, as the SQL is: a quotient in decimals would be rounded
        return Fraction(sum(amounts)) / len(amounts) if amounts else None
    return {
        "count": len(amounts),
        "items": items,
        "revenue": sum(amounts, Decimal(0)),
        "largest": max(amounts, default=None),
        "first": min(moments, default=None),
        "last": max(moments, default=None),
    }[node.measure]


def _counted(node: L.Orders, person: Person, as_of: datetime) -> Iterator[tuple[Order, list[Line]]]:
    """The orders that count, each with those of its lines that do."""
    for order in _seen(person.orders, as_of, node.window_days):
        lines = [line for line in order.lines if _line_counts(line, node.filter)]
        if _order_counts(order, node.filter) and (lines or not node.filter.has_lines):
            yield order, lines


def _order_counts(order: Order, wanted: L.OrderFilter) -> bool:
    return (
        order.kind in wanted.kind
        and order.status in wanted.status
        and _is_one_of(order.source, wanted.source)
        and _is_one_of(order.currency, wanted.currency)
        and _is_one_of(order.coupon, wanted.coupon)
        and wanted.has_coupon in (None, order.coupon != "")
        and _is_amount(order.total, wanted.total)
    )


def _line_counts(line: Line, wanted: L.OrderFilter) -> bool:
    return (
        _is_one_of(line.product, wanted.product)
        and _is_one_of(line.category, wanted.category)
        and _is_one_of(line.brand, wanted.brand)
        and _is_amount(line.price, wanted.price)
    )


def _is_amount(found: Decimal, wanted: L.Comparison | None) -> bool:
    return wanted is None or number_compares(found, wanted)


def _is_one_of(found: str, wanted: tuple[str, ...]) -> bool:
    return not wanted or L.folded(found) in {L.folded(one) for one in wanted}


def _events(node: L.Events, person: Person, as_of: datetime) -> Any:
    moments = _moments(person, node.names, node.window_days, as_of, node.properties)
    if node.measure == "count":
        return len(moments)
    return (min if node.measure == "first" else max)(moments, default=None)


def _moments(
    person: Person,
    names: tuple[str, ...],
    window_days: Decimal | None,
    as_of: datetime,
    properties: tuple[L.Property, ...] = (),
) -> list[datetime]:
    return [
        event.happened_at
        for event in _seen(person.events, as_of, window_days)
        if event.name in names
        and all(
            compare(read(event.properties.get(one.name), one.comparison), one.comparison, as_of)
            for one in properties
        )
    ]


def _sequence(node: L.Sequence, person: Person, as_of: datetime) -> datetime | None:
    """The moment from which the customer did nothing more, or None when the clause is false."""
    did = _moments(person, node.names, node.window_days, as_of, node.properties)
    last = max(did, default=None)
    wait = timedelta(minutes=float(node.at_least_minutes_ago))
    if last is None or last > as_of - wait:
        return None
    after = _moments(person, node.unless, node.window_days, as_of)
    if node.unless_order:
        orders = _seen(person.orders, as_of, node.window_days)
        after += [o.happened_at for o in orders if _order_counts(o, L.OrderFilter())]
    return None if any(moment >= last for moment in after) else last


def _score(node: L.Score, person: Person, as_of: datetime) -> Scored | None:
    found = person.scores.get(node.name)
    return found if found is not None and found.as_of <= as_of else None


def _score_holds(found: Scored | None, comparison: L.Comparison, as_of: datetime) -> bool:
    wanted: Any = comparison.value
    if comparison.op == "band":
        return found is not None and found.band in wanted
    if comparison.op == "top_share":
        return found is not None and Fraction(found.above) < Fraction(wanted) * found.total
    return compare(None if found is None else found.value, comparison, as_of)


def _cluster(node: L.Cluster, person: Person, as_of: datetime) -> Scored | None:
    found = person.scores.get("cluster")
    return found if found is not None and found.as_of <= as_of else None


def _consent(node: L.Consent, person: Person, as_of: datetime) -> bool | None:
    words = [
        word
        for word in _seen(person.consents, as_of)
        if word.channel == node.channel and word.topic == node.topic
    ]
    latest = max(words, key=lambda w: (w.happened_at, w.recorded_at, w.id), default=None)
    return None if latest is None else latest.is_granted


def _reachable(node: L.Reachable, person: Person, as_of: datetime) -> bool:
    has_address = bool(person.fields.get("email" if node.channel == "email" else "phone"))
    return has_address and not _is_suppressed(node.channel, person, as_of)


def _suppressed(node: L.Suppressed, person: Person, as_of: datetime) -> bool:
    return _is_suppressed(node.channel, person, as_of)


def _is_suppressed(channel: str, person: Person, as_of: datetime) -> bool:
    return any(one.channel == channel for one in _seen(person.suppressions, as_of))


def _list(node: L.List, person: Person, as_of: datetime) -> bool:
    added_at = person.lists.get(node.key)
    return added_at is not None and added_at <= as_of


def _share(node: L.Share, person: Person, as_of: datetime) -> bool:
    drawn = hashlib.sha256(f"{node.salt}:{person.id}".encode()).hexdigest()
    return int(drawn[:8], 16) < int(node.share * 2**32)


def _everybody(node: L.Everybody, person: Person, as_of: datetime) -> bool:
    return True


def _changes(node: L.Node, person: Person, as_of: datetime) -> Iterator[datetime]:
    """Moments after ``as_of`` at which this node's answer may change."""
    if isinstance(node, L.Every | L.Some):
        # parts that time does not change may settle the answer of the whole group
        settles = isinstance(node, L.Some)
        if any(L.is_still(one) and holds(one, person, as_of) is settles for one in node.of):
            return
        for child in node.of:
            yield from _changes(child, person, as_of)
    elif isinstance(node, L.Not):
        yield from _changes(node.of, person, as_of)
    elif isinstance(node, L.Rfm):
        yield from _changes(rfm.meaning(node), person, as_of)
    else:
        yield from CHANGES.get(type(node), _never)(node, person, as_of)


def _never(node: L.Node, person: Person, as_of: datetime) -> Iterator[datetime]:
    yield from ()


def _field_changes(node: L.Field, person: Person, as_of: datetime) -> Iterator[datetime]:
    found = _field(node, person, as_of)
    if found is not None:
        yield from turns(found, node.comparison, as_of, time_zone=own_zone(person))


def _orders_changes(node: L.Orders, person: Person, as_of: datetime) -> Iterator[datetime]:
    yield from _will_be_seen(person.orders, as_of)
    counted = [o.happened_at for o, _ in _counted(node, person, as_of)]
    yield from _measure_changes(node, counted, _orders(node, person, as_of), as_of)


def _events_changes(node: L.Events, person: Person, as_of: datetime) -> Iterator[datetime]:
    yield from _will_be_seen((e for e in person.events if e.name in node.names), as_of)
    counted = _moments(person, node.names, node.window_days, as_of, node.properties)
    yield from _measure_changes(node, counted, _events(node, person, as_of), as_of)
    yield from _property_changes(node, person, as_of)


def _property_changes(
    node: L.Events | L.Sequence, person: Person, as_of: datetime
) -> Iterator[datetime]:
    """When an event begins or ceases to count because of a date it holds."""
    for one in node.properties:
        for event in _seen(person.events, as_of, node.window_days):
            found = read(event.properties.get(one.name), one.comparison)
            if event.name in node.names and found is not None:
                yield from turns(found, one.comparison, as_of)


def _measure_changes(
    node: L.Orders | L.Events, counted: list[datetime], found: Any, as_of: datetime
) -> Iterator[datetime]:
    if counted and node.window_days is not None:
        edge = max(counted) if node.hangs_on_the_last else min(counted)
        yield edge + L.length(node.window_days) + TICK
    if found is not None:
        yield from turns(found, node.comparison, as_of)


def _sequence_changes(node: L.Sequence, person: Person, as_of: datetime) -> Iterator[datetime]:
    names = (*node.names, *node.unless)
    yield from _will_be_seen((e for e in person.events if e.name in names), as_of)
    if node.unless_order:
        yield from _will_be_seen(person.orders, as_of)
    did = _moments(person, node.names, node.window_days, as_of, node.properties)
    if did:
        ready = max(did) + timedelta(minutes=float(node.at_least_minutes_ago))
        if ready > as_of:
            yield ready
        yield max(did) + L.length(node.window_days) + TICK
    yield from _property_changes(node, person, as_of)


def _score_changes(
    node: L.Score | L.Cluster, person: Person, as_of: datetime
) -> Iterator[datetime]:
    found = person.scores.get(node.name if isinstance(node, L.Score) else "cluster")
    if found is not None and found.as_of > as_of:
        yield found.as_of


def _consent_changes(node: L.Consent, person: Person, as_of: datetime) -> Iterator[datetime]:
    yield from _will_be_seen(person.consents, as_of)


def _suppression_changes(
    node: L.Reachable | L.Suppressed, person: Person, as_of: datetime
) -> Iterator[datetime]:
    yield from _will_be_seen(person.suppressions, as_of)


def _list_changes(node: L.List, person: Person, as_of: datetime) -> Iterator[datetime]:
    added_at = person.lists.get(node.key)
    if added_at is not None and added_at > as_of:
        yield added_at


def _will_be_seen(facts: Iterable[Any], as_of: datetime) -> Iterator[datetime]:
    for fact in facts:
        if not _is_seen(fact, as_of):
            yield max(fact.happened_at, fact.recorded_at)


def _seen(facts: Iterable[Fact], as_of: datetime, window_days: Decimal | None = None) -> list[Fact]:
    seen = [fact for fact in facts if _is_seen(fact, as_of)]
    if window_days is None:
        return seen
    since = as_of - L.length(window_days)
    return [fact for fact in seen if fact.happened_at >= since]


def _is_seen(fact: Any, as_of: datetime) -> bool:
    return fact.happened_at <= as_of and fact.recorded_at <= as_of


ACTUAL: dict[type, Callable[[Any, Person, datetime], Any]] = {
    L.Everybody: _everybody,
    L.Field: _field,
    L.Orders: _orders,
    L.Events: _events,
    L.Sequence: _sequence,
    L.Score: _score,
    L.Cluster: _cluster,
    L.Consent: _consent,
    L.Reachable: _reachable,
    L.Suppressed: _suppressed,
    L.List: _list,
    L.Share: _share,
}

CHANGES: dict[type, Callable[[Any, Person, datetime], Iterator[datetime]]] = {
    L.Field: _field_changes,
    L.Orders: _orders_changes,
    L.Events: _events_changes,
    L.Sequence: _sequence_changes,
    L.Score: _score_changes,
    L.Cluster: _score_changes,
    L.Consent: _consent_changes,
    L.Reachable: _suppression_changes,
    L.Suppressed: _suppression_changes,
    L.List: _list_changes,
}
