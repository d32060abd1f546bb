"""The moments, in SQL, at which time alone may change what a rule answers.

Each may be too early, never too late: whoever is asked then is only asked once more than needed.
NULL means never.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

from segments.rules import language as L
from segments.rules import rfm
from segments.rules.comparisons import TICK
from segments.rules.sources import Sources, span
from segments.rules.sql_comparisons import anniversaries, json_day, local_day, today_in
from segments.rules.sql_conditions import condition, happened, held, measured


def changes(node: L.Node, sources: Sources) -> Iterator[str]:
    """All moments at which the answer of this node may change, as of an open moment."""
    if isinstance(node, L.Every | L.Some):
        yield from _group(node, sources)
    elif isinstance(node, L.Not):
        yield from changes(node.of, sources)
    elif isinstance(node, L.Rfm):
        yield from changes(rfm.meaning(node), sources)
    else:
        yield from CHANGES[type(node)](node, sources)


def _group(node: L.Every | L.Some, sources: Sources) -> Iterator[str]:
    """None as long as parts that time does not change settle the answer of the whole group."""
    still = [condition(child, sources) for child in node.of if L.is_still(child)]
    moving = [moment for child in node.of for moment in changes(child, sources)]
    if not still or not moving:
        yield from moving
        return
    opens = " AND ".join(still) if isinstance(node, L.Every) else f"NOT ({' OR '.join(still)})"
    yield f"CASE WHEN {opens} THEN least({', '.join(dict.fromkeys(moving))}) END"


def _never(node: L.Node, sources: Sources) -> Iterator[str]:
    yield from ()


def _field(node: L.Field, sources: Sources) -> Iterator[str]:
    if not node.comparison.has_clock:
        return
    column = f"c.{node.name}"
    if node.name.startswith(L.TRAIT):
        column = json_day(f"(c.traits -> {sources.bind(node.name.removeprefix(L.TRAIT))}::text)")
    yield turn(column, node.comparison, sources, is_own=True)


def _orders(node: L.Orders, sources: Sources) -> Iterator[str]:
    table = sources.orders(node.filter, node.window_days)
    yield sources.seen_next(table, "o")
    if node.window_days is not None:
        edge = "last" if node.hangs_on_the_last else "first"
        yield _left(measured(node, edge, sources), node.window_days)
    if node.comparison.has_clock:
        yield turn(measured(node, node.measure, sources), node.comparison, sources)


def _events(node: L.Events, sources: Sources) -> Iterator[str]:
    table = sources.events(node.names, node.window_days)
    yield sources.seen_next(table, "e")
    if node.window_days is not None:
        edge = "last" if node.hangs_on_the_last else "first"
        yield _left(happened(node, edge, sources), node.window_days)
    if node.comparison.has_clock:
        yield turn(happened(node, node.measure, sources), node.comparison, sources)
    yield from _properties(node, sources)


def _properties(node: L.Events | L.Sequence, sources: Sources) -> Iterator[str]:
    """When an event begins or ceases to count because of a date it holds."""
    for one in node.properties:
        if one.comparison.has_clock:
            table = sources.events(node.names, node.window_days)
            turning = turn(json_day(held(one, sources)), one.comparison, sources)
            yield table.aggregate(f"min({turning})", sources.is_named(node.names))


def _left(moment: str, window_days: Decimal) -> str:
    return f"{moment} + {span(L.length(window_days) + TICK)}"


def _sequence(node: L.Sequence, sources: Sources) -> Iterator[str]:
    yield sources.seen_next(sources.events((*node.names, *node.unless), node.window_days), "e")
    if node.unless_order:
        yield sources.seen_next(sources.orders(L.OrderFilter(), node.window_days), "o")
    last = happened(node, "last", sources)
    wait = timedelta(minutes=float(node.at_least_minutes_ago))
    yield f"CASE WHEN {last} > {sources.at(-wait)} THEN {last} + {span(wait)} END"
    yield _left(last, node.window_days)
    yield from _properties(node, sources)


def _score(node: L.Score, sources: Sources) -> Iterator[str]:
    yield sources.next_score(node.name)


def _cluster(node: L.Cluster, sources: Sources) -> Iterator[str]:
    yield sources.next_score("cluster")


def _consent(node: L.Consent, sources: Sources) -> Iterator[str]:
    yield sources.next_consent()


def _suppression(node: L.Reachable | L.Suppressed, sources: Sources) -> Iterator[str]:
    found = sources.suppression(node.channel)
    yield (
        f"CASE WHEN NOT ({sources.seen(found)})"
        f" THEN greatest({found}.happened_at, {found}.recorded_at) END"
    )


def _list(node: L.List, sources: Sources) -> Iterator[str]:
    yield sources.next_listed(node.key)


def turn(column: str, comparison: L.Comparison, sources: Sources, *, is_own: bool = False) -> str:
    """The first moment at which time alone turns a comparison with a moment or a day."""
    if comparison.reading == L.MOMENT and comparison.op in L.RELATIVE_OPS:
        return _of_moment(column, comparison, sources)
    zone = sources.zone(comparison.zone, is_own=is_own)
    day, today = local_day(column, comparison, zone), today_in(zone, sources)
    return _midnight(_turning_day(day, today, comparison), zone)


def _of_moment(moment: str, comparison: L.Comparison, sources: Sources) -> str:
    away = L.length(comparison.value)  # type: ignore[arg-type]
    if comparison.op == "in_next_days":
        return (
            f"CASE WHEN {moment} > {sources.at(away)} THEN {moment} - {span(away)}"
            f" WHEN {moment} > {sources.at()} THEN {moment} END"
        )
    return (
        f"CASE WHEN {moment} > {sources.at()} THEN {moment}"
        f" WHEN {moment} >= {sources.at(-away)} THEN {moment} + {span(away + TICK)} END"
    )


def _turning_day(day: str, today: str, comparison: L.Comparison) -> str:
    """The first day after today on which the comparison turns."""
    days = f"SELECT {day} AS day, {today} AS today"
    if comparison.op in L.ANNIVERSARY_OPS:
        low, high = comparison.span_days
        days, away = f"SELECT a.day, a.today FROM {anniversaries(day, today)}", (-high, 1 - low)
    else:
        asked = int(comparison.value)  # type: ignore[arg-type]
        away = {
            "more_than_days_ago": (asked + 1, asked + 1),
            "less_than_days_ago": (0, asked + 1),
            "in_next_days": (-asked, 0),
        }[comparison.op]
    turns = f"(VALUES (b.day + ({away[0]})), (b.day + ({away[1]}))) t(day)"
    return (
        f"(SELECT min(t.day) FROM ({days}) b, LATERAL {turns}"
        f" WHERE t.day > b.today AND t.day < '{L.LAST_DAY}')"
    )


def _midnight(day: str, zone: str) -> str:
    """When a day begins: where midnight comes twice the first, where it is left out what follows.

    PostgreSQL takes the second of two, one hour later.
    """
    begins = f"((b.day)::timestamp AT TIME ZONE {zone})"
    before = f"({begins} - interval '1 hour')"
    return (
        f"(SELECT CASE WHEN ({before} AT TIME ZONE {zone})::date >= b.day"
        f" THEN {before} ELSE {begins} END FROM (SELECT {day} AS day) b)"
    )


CHANGES: dict[type, Callable[[Any, Sources], Iterator[str]]] = {
    L.Everybody: _never,
    L.Field: _field,
    L.Orders: _orders,
    L.Events: _events,
    L.Sequence: _sequence,
    L.Score: _score,
    L.Cluster: _cluster,
    L.Consent: _consent,
    L.Reachable: _suppression,
    L.Suppressed: _suppression,
    L.List: _list,
    L.Share: _never,
    L.Member: _never,
}
