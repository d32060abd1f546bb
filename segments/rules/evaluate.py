"""Decide a rule for one customer in plain Python: the oracle that the SQL is held to."""

import hashlib
import re
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, TypeVar

from segments.rules import language as L
from segments.rules import rfm
from segments.rules.person import Event, Line, Order, Person, Scored, Suppression, Word
from segments.rules.values import plain_text

_NUMBER = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
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
    if person.erased_at is not None or not _is_seen(person, as_of):
        return False
    return holds(rule.where, person, as_of)


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
    if isinstance(node, L.Field | L.Orders | L.Events):
        return _compare(found, node.comparison, as_of)
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


def _field(node: L.Field, person: Person, as_of: datetime) -> Any:
    if node.name.startswith(L.TRAIT):
        return _read(person.traits.get(node.name.removeprefix(L.TRAIT)), node.comparison)
    found = person.happened_at if node.name == "happened_at" else person.fields.get(node.name)
    if isinstance(found, date) and not isinstance(found, datetime):
        return found.isoformat()
    return found or None


def _orders(node: L.Orders, person: Person, as_of: datetime) -> Any:
    needs_lines = node.measure == "items" or any(node.filter.lines)
    amounts: list[Decimal] = []
    moments: list[datetime] = []
    items = 0
    for order in _seen(person.orders, as_of, node.window_days):
        lines = [line for line in order.lines if _line_counts(line, node.filter)]
        if not _order_counts(order, node.filter) or (needs_lines and not lines):
            continue
        is_whole = not any(node.filter.lines) and node.measure != "items"
        of_lines = sum((line.amount for line in lines), Decimal(0))
        amounts.append(order.total if is_whole else of_lines)
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


def _order_counts(order: Order, wanted: L.OrderFilter) -> bool:
    return (
        order.kind in wanted.kind
        and order.status in wanted.status
        and _is_one_of(order.source, wanted.source)
        and _is_one_of(order.currency, wanted.currency)
        and _is_one_of(order.coupon, wanted.coupon)
        and wanted.has_coupon in (None, order.coupon != "")
    )


def _line_counts(line: Line, wanted: L.OrderFilter) -> bool:
    return (
        _is_one_of(line.product, wanted.product)
        and _is_one_of(line.category, wanted.category)
        and _is_one_of(line.brand, wanted.brand)
    )


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
            _compare(_read(event.properties.get(one.name), one.comparison), one.comparison, as_of)
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
    return _compare(None if found is None else found.value, comparison, as_of)


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


def _share(node: L.Share, person: Person, as_of: datetime) -> bool:
    drawn = hashlib.sha256(f"{node.salt}:{person.id}".encode()).hexdigest()
    return int(drawn[:8], 16) < int(node.share * 2**32)


def _everybody(node: L.Everybody, person: Person, as_of: datetime) -> bool:
    return True


def _seen(facts: Iterable[Fact], as_of: datetime, window_days: Decimal | None = None) -> list[Fact]:
    seen = [fact for fact in facts if _is_seen(fact, as_of)]
    if window_days is None:
        return seen
    since = as_of - timedelta(days=float(window_days))
    return [fact for fact in seen if fact.happened_at >= since]


def _is_seen(fact: Any, as_of: datetime) -> bool:
    return fact.happened_at <= as_of and fact.recorded_at <= as_of


def _read(found: Any, comparison: L.Comparison) -> Any:
    """A value inside JSON as this comparison reads it; None when it cannot be read so."""
    if comparison.reading == L.PRESENCE:
        return None if found in (None, "") else found
    if found is None or isinstance(found, list | dict):
        return None
    text = plain_text(found)
    if comparison.reading == L.NUMBER:
        return Decimal(text) if _NUMBER.fullmatch(text) else None
    if comparison.reading == L.DAY:
        return text[:10] if _DAY.match(text) else None
    return text or None


def _compare(found: Any, comparison: L.Comparison, as_of: datetime) -> bool:
    twin = L.NEGATED.get(comparison.op)
    if twin:
        positive = L.Comparison(twin, comparison.value, comparison.reading)
        return not _compare(found, positive, as_of)
    if found is None:
        return False
    if comparison.op == "exists":
        return True
    by_reading: dict[str, Callable[[Any, L.Comparison, datetime], bool]] = {
        L.TEXT: _text_compares,
        L.NUMBER: _number_compares,
        L.MOMENT: _moment_compares,
        L.DAY: _day_compares,
    }
    return by_reading[comparison.reading](found, comparison, as_of)


def _text_compares(found: str, comparison: L.Comparison, as_of: datetime) -> bool:
    text, value = L.folded(found), comparison.value
    if comparison.op == "in":
        assert isinstance(value, tuple)
        return text in [L.folded(str(one)) for one in value]
    assert isinstance(value, str | bool)
    wanted = L.folded(plain_text(value))
    if comparison.op == "contains":
        return wanted in text
    return text.startswith(wanted) if comparison.op == "starts_with" else text == wanted


def _number_compares(found: Any, comparison: L.Comparison, as_of: datetime) -> bool:
    is_float = isinstance(found, float)  # scores: PostgreSQL compares them as float8 too

    def number(value: Decimal) -> Any:
        return float(value) if is_float else Fraction(value)

    value: Any = comparison.value
    found = found if is_float else Fraction(found)
    if comparison.op == "between":
        return number(value[0]) <= found <= number(value[1])
    wanted = number(value)
    return {
        "=": found == wanted,
        ">": found > wanted,
        ">=": found >= wanted,
        "<": found < wanted,
        "<=": found <= wanted,
    }[comparison.op]


def _moment_compares(found: datetime, comparison: L.Comparison, as_of: datetime) -> bool:
    value: Any = comparison.value
    if comparison.op == "before":
        return found < _start(value)
    if comparison.op == "since":
        return found >= _start(value)
    if comparison.op == "between":
        return _start(value[0]) <= found < _start(value[1]) + timedelta(days=1)
    length = timedelta(days=float(value))
    return {
        "more_than_days_ago": found < as_of - length,
        "less_than_days_ago": as_of - length <= found <= as_of,
        "in_next_days": as_of < found <= as_of + length,
    }[comparison.op]


def _day_compares(found: str, comparison: L.Comparison, as_of: datetime) -> bool:
    value: Any = comparison.value
    if comparison.op == "before":
        return found < value.isoformat()
    if comparison.op == "since":
        return found >= value.isoformat()
    if comparison.op == "between":
        return value[0].isoformat() <= found <= value[1].isoformat()
    today, length = as_of.astimezone(UTC), timedelta(days=float(value))
    before, after = ((today + sign * length).date().isoformat() for sign in (-1, 1))
    return {
        "more_than_days_ago": found < before,
        "less_than_days_ago": before <= found <= today.date().isoformat(),
        "in_next_days": today.date().isoformat() < found <= after,
    }[comparison.op]


def _start(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)


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
    L.Share: _share,
}
