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
from segments.rules.sql_comparisons import json_day
from segments.rules.sql_conditions import happened, measured


def changes(node: L.Node, sources: Sources) -> Iterator[str]:
    """All moments at which the answer of this node may change, as of an open moment."""
    if isinstance(node, L.Every | L.Some):
        for child in node.of:
            yield from changes(child, sources)
    elif isinstance(node, L.Not):
        yield from changes(node.of, sources)
    elif isinstance(node, L.Rfm):
        yield from changes(rfm.meaning(node), sources)
    else:
        yield from CHANGES[type(node)](node, sources)


def _never(node: L.Node, sources: Sources) -> Iterator[str]:
    yield from ()


def _field(node: L.Field, sources: Sources) -> Iterator[str]:
    op = node.comparison.op
    if op not in L.RELATIVE_OPS:
        return
    days: Any = node.comparison.value
    if node.comparison.reading == L.MOMENT:
        yield _of_moment(f"c.{node.name}", op, days, sources)
        return
    day = f"c.{node.name}"
    if node.name.startswith(L.TRAIT):
        day = json_day(f"(c.traits -> {sources.bind(node.name.removeprefix(L.TRAIT))}::text)")
    yield _of_day(day, op, int(days), sources)


def _orders(node: L.Orders, sources: Sources) -> Iterator[str]:
    table = sources.orders(node.filter, node.window_days)
    yield sources.seen_next(table, "o")
    if node.window_days is not None:
        edge = "last" if node.hangs_on_the_last else "first"
        yield _left(measured(node, edge, sources), node.window_days)
    if node.comparison.op in L.RELATIVE_OPS:
        found = measured(node, node.measure, sources)
        yield _of_moment(found, node.comparison.op, node.comparison.value, sources)


def _events(node: L.Events, sources: Sources) -> Iterator[str]:
    table = sources.events(node.names, node.window_days)
    yield sources.seen_next(table, "e")
    if node.window_days is not None:
        edge = "last" if node.hangs_on_the_last else "first"
        yield _left(happened(node, edge, sources), node.window_days)
    if node.comparison.op in L.RELATIVE_OPS:
        found = happened(node, node.measure, sources)
        yield _of_moment(found, node.comparison.op, node.comparison.value, sources)


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


def _of_moment(moment: str, op: str, days: Any, sources: Sources) -> str:
    """When a moment that is not ahead leaves, or one that is ahead enters or arrives."""
    away = L.length(days)
    if op == "in_next_days":
        return (
            f"CASE WHEN {moment} > {sources.at(away)} THEN {moment} - {span(away)}"
            f" WHEN {moment} > {sources.at()} THEN {moment} END"
        )
    return (
        f"CASE WHEN {moment} > {sources.at()} THEN {moment}"
        f" WHEN {moment} >= {sources.at(-away)} THEN {moment} + {span(away + TICK)} END"
    )


def _of_day(day: str, op: str, days: int, sources: Sources) -> str:
    """The midnight of the first day after today on which the comparison turns."""
    today = sources.today()
    turns = {
        "more_than_days_ago": [f"{day} + {days + 1}"],
        "less_than_days_ago": [day, f"{day} + {days + 1}"],
        "in_next_days": [f"{day} - {days}", day],
    }[op]
    next_one = ", ".join(f"CASE WHEN {turn} > {today} THEN {turn} END" for turn in turns)
    return sources.midnight(f"least({next_one})")


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
