"""Each node of a rule as a condition in SQL."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

from segments.rules import language as L
from segments.rules import rfm
from segments.rules.sources import LINE_AMOUNT, Sources
from segments.rules.sql_comparisons import compare, compare_json, compare_text

ANY_MOMENT = L.Comparison("exists", None, L.PRESENCE)


def condition(node: L.Node, sources: Sources) -> str:
    """SQL that is true or false, never NULL, in brackets where it needs them."""
    return CONDITIONS[type(node)](node, sources)


def _every(node: L.Every, sources: Sources) -> str:
    return "(" + " AND ".join(condition(child, sources) for child in node.of) + ")"


def _some(node: L.Some, sources: Sources) -> str:
    return "(" + " OR ".join(condition(child, sources) for child in node.of) + ")"


def _not(node: L.Not, sources: Sources) -> str:
    return f"(NOT {condition(node.of, sources)})"


def _everybody(node: L.Everybody, sources: Sources) -> str:
    return "TRUE"


def _field(node: L.Field, sources: Sources) -> str:
    if node.name.startswith(L.TRAIT):
        key = sources.bind(node.name.removeprefix(L.TRAIT))
        found = f"(c.traits -> {key}::text)"
        return compare_json(found, node.comparison, sources, is_own=True)
    assert node.name in L.FIELDS
    reading = L.FIELDS[node.name]
    column = f"c.{node.name}"
    if reading == L.TEXT:
        return compare_text(f"NULLIF({column}, '')", node.comparison, sources)
    return compare(column, node.comparison, sources, is_own=True)


def _orders(node: L.Orders, sources: Sources) -> str:
    if node.measure == "average":
        # sum against value × count: exact, where a quotient would be rounded
        total, count = (measured(node, kind, sources) for kind in ("revenue", "count"))
        return compare(total, node.comparison, sources, scale=count)
    column = measured(node, node.measure, sources)
    if node.measure in ("count", "items", "revenue"):
        column = f"coalesce({column}, 0)"
    return compare(column, node.comparison, sources)


def measured(node: L.Orders, measure: str, sources: Sources) -> str:
    """A measure of the orders that this node is about; NULL where there is none."""
    amount = "o.total"
    if node.filter.has_lines and measure in ("revenue", "largest"):
        amount = sources.of_lines(f"sum({LINE_AMOUNT})", node.filter)
    if measure == "items":
        amount = sources.of_lines("sum(l.quantity)", node.filter, " AND p.kind = 'goods'")
    call = {
        "count": "count(*)",
        "items": f"sum({amount})",
        "revenue": f"sum({amount})",
        "largest": f"max({amount})",
        "first": "min(o.happened_at)",
        "last": "max(o.happened_at)",
    }[measure]
    since = sources.since("o", node.window_days)
    wanted = sources.wanted_orders(node.filter)
    orders = sources.orders(node.filter, node.window_days, needs_lines=measure == "items")
    return orders.aggregate(call, wanted, since=since)


def _events(node: L.Events, sources: Sources) -> str:
    column = happened(node, node.measure, sources)
    if node.measure == "count":
        column = f"coalesce({column}, 0)"
    return compare(column, node.comparison, sources)


def happened(node: L.Events | L.Sequence, measure: str, sources: Sources) -> str:
    """The count, or the first or last moment, of the events that this node is about."""
    call = {
        "count": "count(*)",
        "first": "min(e.happened_at)",
        "last": "max(e.happened_at)",
    }[measure]
    parts = [sources.is_named(node.names)]
    parts += [compare_json(held(one, sources), one.comparison, sources) for one in node.properties]
    since = sources.since("e", node.window_days)
    events = sources.events(node.names, node.window_days)
    return events.aggregate(call, " AND ".join(parts), since=since)


def held(one: L.Property, sources: Sources) -> str:
    """What an event holds under the name of a property."""
    return f"(e.properties -> {sources.bind(one.name)}::text)"


def _sequence(node: L.Sequence, sources: Sources) -> str:
    did = happened(node, "last", sources)
    wait = timedelta(minutes=float(node.at_least_minutes_ago))
    parts = [f"coalesce({did} <= {sources.at(-wait)}, FALSE)"]
    afters = []
    if node.unless:
        ends = L.Sequence(node.unless, node.window_days)
        afters.append(happened(ends, "last", sources))
    if node.unless_order:
        afters.append(measured(L.Orders("last", ANY_MOMENT, node.window_days), "last", sources))
    parts += [f"coalesce({after} < {did}, TRUE)" for after in afters]
    return "(" + " AND ".join(parts) + ")"


def _score(node: L.Score, sources: Sources) -> str:
    if node.comparison.op == "band":
        found = sources.score(node.name, "band")
        bands = sources.bind(list(node.comparison.value))  # type: ignore[arg-type]
        return f"coalesce({found} = ANY({bands}), FALSE)"
    found = sources.score(node.name, "value")
    if node.comparison.op == "top_share":
        name, share = sources.bind(node.name), sources.bind(node.comparison.value)
        least = (
            f"(SELECT t.value FROM segments_score t WHERE t.name = {name} ORDER BY t.value DESC"
            f" OFFSET (SELECT greatest(ceil({share} * count(*)) - 1, 0)::bigint"
            f" FROM segments_score t WHERE t.name = {name}) LIMIT 1)"
        )
        return f"coalesce({found} >= {least}, FALSE)"
    return compare(found, node.comparison, sources)


def _cluster(node: L.Cluster, sources: Sources) -> str:
    is_key = L.Comparison("=", Decimal(node.key), L.NUMBER)
    return compare(sources.score("cluster", "value"), is_key, sources)


def _rfm(node: L.Rfm, sources: Sources) -> str:
    return condition(rfm.meaning(node), sources)


def _consent(node: L.Consent, sources: Sources) -> str:
    granted = f"coalesce({sources.consent(node.channel, node.topic)}, FALSE)"
    return granted if node.is_granted else f"(NOT {granted})"


def _reachable(node: L.Reachable, sources: Sources) -> str:
    has_address = f"{sources.address(node.channel)} IS NOT NULL"
    return f"({has_address} AND NOT {_is_suppressed(node.channel, sources)})"


def _suppressed(node: L.Suppressed, sources: Sources) -> str:
    return _is_suppressed(node.channel, sources)


def _is_suppressed(channel: str, sources: Sources) -> str:
    found = sources.suppression(channel)
    return f"({found}.id IS NOT NULL AND {sources.seen(found)})"


def _list(node: L.List, sources: Sources) -> str:
    return f"coalesce({sources.listed(node.key)}, FALSE)"


def _member(node: L.Member, sources: Sources) -> str:
    raise L.RuleError([L.Fault("where", f"segment {node.key!r} was not resolved")])


def _share(node: L.Share, sources: Sources) -> str:
    salted = f"{sources.bind(node.salt + ':')} || c.id::text"
    drawn = f"encode(sha256(convert_to({salted}, 'UTF8')), 'hex')"
    below = sources.bind(share_limit(node))
    return f"(('x' || left({drawn}, 8))::bit(32)::bigint < {below})"


def share_limit(node: L.Share) -> int:
    """Of the first 32 bits of the hash: whoever draws less is in."""
    return int(node.share * 2**32)


CONDITIONS: dict[type, Callable[[Any, Sources], str]] = {
    L.Every: _every,
    L.Some: _some,
    L.Not: _not,
    L.Everybody: _everybody,
    L.Field: _field,
    L.Orders: _orders,
    L.Events: _events,
    L.Sequence: _sequence,
    L.Score: _score,
    L.Cluster: _cluster,
    L.Rfm: _rfm,
    L.Consent: _consent,
    L.Reachable: _reachable,
    L.Suppressed: _suppressed,
    L.Member: _member,
    L.Share: _share,
    L.List: _list,
}
