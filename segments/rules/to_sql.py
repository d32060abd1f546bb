"""Write rules as one parameterised SQL statement over the tables of facts and scores.

Every fact table is read once however many rules ask: aggregates are grouped per customer with one
``FILTER`` for each distinct (filter, window), and joined to the customers.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from segments.rules import language as L
from segments.rules import rfm
from segments.rules.sources import Sources
from segments.rules.sql_comparisons import compare, compare_json, compare_text


@dataclass(frozen=True)
class Query:
    """SQL for psycopg2 with its named parameters."""

    text: str
    params: dict[str, Any]


def to_sql(rule: L.Rule, as_of: datetime, *, ids: list[int] | None = None) -> Query:
    """The statement that selects the ids of the customers for whom the rule holds.

    Parameters
    ----------
    rule : Rule
        Without `language.Member` nodes: see `parse.resolve`.
    as_of : datetime
        Aware; facts that happened or were recorded after it are not seen.
    ids : list of int, optional
        Ask for these customers only; by default for everybody.

    Returns
    -------
    Query
        One column, ``customer_id``, each customer at most once, in no order.
    """
    sources = Sources(as_of, ids)
    holds = _condition(rule.where, sources)
    text = f"SELECT c.id AS customer_id\n{sources.tables()}\nWHERE {sources.base()} AND {holds}"
    return Query(text, sources.params)


def members(rules: Mapping[int, L.Rule], as_of: datetime, *, ids: list[int] | None = None) -> Query:
    """The statement that evaluates many rules in one pass: rows (segment_id, customer_id)."""
    sources = Sources(as_of, ids)
    verdicts = ", ".join(
        f"CASE WHEN {_condition(rule.where, sources)} THEN {int(key)} END"
        for key, rule in rules.items()
    )
    text = (
        "SELECT s.segment_id, c.id AS customer_id\n"
        f"{sources.tables()}\n"
        f"CROSS JOIN LATERAL unnest(array_remove(ARRAY[{verdicts}]::bigint[], NULL))"
        " AS s(segment_id)\n"
        f"WHERE {sources.base()}"
    )
    return Query(text, sources.params)


def preview(rule: L.Rule, as_of: datetime, *, sample: int = 10) -> Query:
    """One row: base, members, members reachable by e-mail, sample ids, and members by clause.

    ``let_through`` has one number for each part of the outermost group: how many customers this
    part alone lets through.
    """
    sources = Sources(as_of, None)
    holds = _condition(rule.where, sources)
    reachable = _condition(L.Reachable("email"), sources)
    parts = [_condition(part, sources) for part in top_level(rule)]
    counts = ", ".join(f"count(*) FILTER (WHERE {part})" for part in parts)
    text = (
        "SELECT count(*) AS base,"
        f" count(*) FILTER (WHERE {holds}) AS members,"
        f" count(*) FILTER (WHERE {holds} AND {reachable}) AS reachable,"
        f" (array_agg(c.id) FILTER (WHERE {holds}))[1:{int(sample)}] AS sample,"
        f" ARRAY[{counts}]::bigint[] AS let_through\n"
        f"{sources.tables()}\nWHERE {sources.base()}"
    )
    return Query(text, sources.params)


def top_level(rule: L.Rule) -> tuple[L.Node, ...]:
    """The parts of the outermost group, or the one clause there is."""
    return rule.where.of if isinstance(rule.where, L.Every | L.Some) else (rule.where,)


def _condition(node: L.Node, sources: Sources) -> str:
    """SQL that is true or false, never NULL, in brackets where it needs them."""
    return CONDITIONS[type(node)](node, sources)


def _every(node: L.Every, sources: Sources) -> str:
    return "(" + " AND ".join(_condition(child, sources) for child in node.of) + ")"


def _some(node: L.Some, sources: Sources) -> str:
    return "(" + " OR ".join(_condition(child, sources) for child in node.of) + ")"


def _not(node: L.Not, sources: Sources) -> str:
    return f"(NOT {_condition(node.of, sources)})"


def _everybody(node: L.Everybody, sources: Sources) -> str:
    return "TRUE"


def _field(node: L.Field, sources: Sources) -> str:
    if node.name.startswith(L.TRAIT):
        key = sources.bind(node.name.removeprefix(L.TRAIT))
        return compare_json(f"(c.traits -> {key}::text)", node.comparison, sources)
    assert node.name in L.FIELDS
    reading = L.FIELDS[node.name]
    column = f"c.{node.name}"
    if reading == L.TEXT:
        return compare_text(f"NULLIF({column}, '')", node.comparison, sources)
    if reading == L.DAY:
        # as text, for then days of traits and of birth compare in one way
        column = f"to_char({column}, 'YYYY-MM-DD')"
    return compare(column, node.comparison, sources)


def _orders(node: L.Orders, sources: Sources) -> str:
    source = sources.orders(node.filter, needs_lines=node.measure == "items")
    wanted = sources.wanted_orders(node.filter, node.window_days)
    if node.measure == "count":
        column = f"coalesce({source.aggregate('count(*)', wanted)}, 0)"
    elif node.measure == "items":
        column = f"coalesce({source.aggregate('sum(o.items)', wanted)}, 0)"
    elif node.measure == "revenue":
        column = f"coalesce({source.aggregate('sum(o.amount)', wanted)}, 0)"
    elif node.measure == "average":
        # sum against value × count: exact, where a quotient would be rounded
        total = source.aggregate("sum(o.amount)", wanted)
        return compare(total, node.comparison, sources, scale=source.aggregate("count(*)", wanted))
    else:
        kind = {"largest": "max(o.amount)", "first": "min(o.happened_at)"}
        column = source.aggregate(kind.get(node.measure, "max(o.happened_at)"), wanted)
    return compare(column, node.comparison, sources)


def _events(node: L.Events, sources: Sources) -> str:
    wanted = _wanted_events(node.names, node.window_days, node.properties, sources)
    source = sources.events(node.names, node.window_days)
    if node.measure == "count":
        column = f"coalesce({source.aggregate('count(*)', wanted)}, 0)"
    else:
        kind = "min" if node.measure == "first" else "max"
        column = source.aggregate(f"{kind}(e.happened_at)", wanted)
    return compare(column, node.comparison, sources)


def _wanted_events(
    names: tuple[str, ...],
    window_days: Decimal | None,
    properties: tuple[L.Property, ...],
    sources: Sources,
) -> str:
    parts = [f"e.name = ANY({sources.bind(list(names))})"]
    if window_days is not None:
        parts.append(f"e.happened_at >= {sources.bind(sources.ago(window_days))}")
    for one in properties:
        key = sources.bind(one.name)
        parts.append(compare_json(f"(e.properties -> {key}::text)", one.comparison, sources))
    return " AND ".join(parts)


def _sequence(node: L.Sequence, sources: Sources) -> str:
    last = "max(e.happened_at)"
    source = sources.events(node.names, node.window_days)
    did = source.aggregate(
        last, _wanted_events(node.names, node.window_days, node.properties, sources)
    )
    minutes = timedelta(minutes=float(node.at_least_minutes_ago))
    parts = [f"coalesce({did} <= {sources.bind(sources.as_of - minutes)}, FALSE)"]
    if node.unless:
        source = sources.events(node.unless, node.window_days)
        after = source.aggregate(last, _wanted_events(node.unless, node.window_days, (), sources))
        parts.append(f"coalesce({after} < {did}, TRUE)")
    if node.unless_order:
        paid = sources.wanted_orders(L.OrderFilter(), node.window_days)
        after = sources.orders(L.OrderFilter()).aggregate("max(o.happened_at)", paid)
        parts.append(f"coalesce({after} < {did}, TRUE)")
    return "(" + " AND ".join(parts) + ")"


def _score(node: L.Score, sources: Sources) -> str:
    score = sources.score(node.name)
    if node.comparison.op == "band":
        bands = sources.bind(list(node.comparison.value))  # type: ignore[arg-type]
        return f"coalesce({score}.band = ANY({bands}), FALSE)"
    if node.comparison.op == "top_share":
        name, share = sources.bind(node.name), sources.bind(node.comparison.value)
        least = (
            f"(SELECT t.value FROM segments_score t WHERE t.name = {name} ORDER BY t.value DESC"
            f" OFFSET (SELECT greatest(ceil({share} * count(*)) - 1, 0)::bigint"
            f" FROM segments_score t WHERE t.name = {name}) LIMIT 1)"
        )
        return f"coalesce({score}.value >= {least}, FALSE)"
    return compare(f"{score}.value", node.comparison, sources)


def _cluster(node: L.Cluster, sources: Sources) -> str:
    return compare(
        f"{sources.score('cluster')}.value",
        L.Comparison("=", Decimal(node.key), L.NUMBER),
        sources,
    )


def _rfm(node: L.Rfm, sources: Sources) -> str:
    return _condition(rfm.meaning(node), sources)


def _consent(node: L.Consent, sources: Sources) -> str:
    granted = f"coalesce({sources.consent(node.channel, node.topic)}.is_granted, FALSE)"
    return granted if node.is_granted else f"(NOT {granted})"


def _reachable(node: L.Reachable, sources: Sources) -> str:
    found = sources.suppression(node.channel)
    return f"({sources.address(node.channel)} IS NOT NULL AND {found}.id IS NULL)"


def _suppressed(node: L.Suppressed, sources: Sources) -> str:
    return f"({sources.suppression(node.channel)}.id IS NOT NULL)"


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
}
