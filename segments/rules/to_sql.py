"""Write rules as one parameterised SQL statement over the tables of facts and scores.

Every fact table is read once however many rules ask: aggregates are grouped per customer with one
``FILTER`` for each distinct (filter, window), and joined to the customers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from segments.rules import language as L
from segments.rules import sql_changes
from segments.rules.sources import Sources
from segments.rules.sql_conditions import condition


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
    sources = Sources(as_of, has_ids=ids is not None)
    where = f"{sources.base()} AND {condition(rule.where, sources)}"
    text = f"SELECT c.id AS customer_id\n{sources.tables()}\nWHERE {where}"
    return _query(text, sources, ids)


def members(rules: Mapping[int, L.Rule], as_of: datetime, *, ids: list[int] | None = None) -> Query:
    """The statement that evaluates many rules in one pass: rows (segment_id, customer_id)."""
    sources = Sources(as_of, has_ids=ids is not None)
    where, found = sources.base(), _segment_ids(rules, sources)
    text = (
        "SELECT s.segment_id, c.id AS customer_id\n"
        f"{sources.tables()}\n"
        f"CROSS JOIN LATERAL unnest({found}) AS s(segment_id)\n"
        f"WHERE {where}"
    )
    return _query(text, sources, ids)


def verdicts(rules: Mapping[int, L.Rule], *, has_ids: bool) -> Query:
    """The statement that says for each customer which rules hold, and until when at least.

    Parameters
    ----------
    rules : mapping of int to Rule
        By segment id; without `language.Member` nodes.
    has_ids : bool
        Ask for the customers of the parameter ``ids`` only, or for everybody.

    Returns
    -------
    Query
        Rows ``(customer_id, segment_ids, due_at)``, one for each customer who is not erased:
        with an empty array when in no segment, or not yet known as of the moment.  ``due_at`` is
        no later than the first moment after ``as_of`` at which any answer could change without a
        new fact; NULL means never.

        The text has the parameters ``as_of`` and, with ``has_ids``, ``ids``; these two are not in
        ``params``, which holds what is constant for these rules.  So it can be prepared once.

    Notes
    -----
    `evaluate.due` makes the same promise for one customer.
    """
    sources = Sources(None, has_ids=has_ids, has_changes=True)
    where, seen, found = sources.asked(), sources.seen("c"), _segment_ids(rules, sources)
    changes = dict.fromkeys(
        moment for rule in rules.values() for moment in sql_changes.changes(rule.where, sources)
    )
    due = f"least({', '.join(changes)})" if changes else "NULL::timestamptz"
    text = (
        "SELECT c.id AS customer_id,"
        f" CASE WHEN {seen} THEN {found} ELSE ARRAY[]::bigint[] END AS segment_ids,"
        f" CASE WHEN {seen} THEN {due} ELSE greatest(c.happened_at, c.recorded_at) END AS due_at\n"
        f"{sources.tables()}\n"
        f"WHERE {where}"
    )
    return _query(text, sources, None)


def preview(rule: L.Rule, as_of: datetime, *, sample: int = 10) -> Query:
    """One row: base, members, members reachable by e-mail, sample ids, and members by clause.

    ``let_through`` has one number for each part of the outermost group: how many customers this
    part alone lets through.
    """
    sources = Sources(as_of, has_ids=False)
    where, holds = sources.base(), condition(rule.where, sources)
    reachable = condition(L.Reachable("email"), sources)
    parts = [condition(part, sources) for part in top_level(rule)]
    counts = ", ".join(f"count(*) FILTER (WHERE {part})" for part in parts)
    text = (
        "SELECT count(*) AS base,"
        f" count(*) FILTER (WHERE {holds}) AS members,"
        f" count(*) FILTER (WHERE {holds} AND {reachable}) AS reachable,"
        f" (array_agg(c.id) FILTER (WHERE {holds}))[1:{int(sample)}] AS sample,"
        f" ARRAY[{counts}]::bigint[] AS let_through\n"
        f"{sources.tables()}\nWHERE {where}"
    )
    return _query(text, sources, None)


def _query(text: str, sources: Sources, ids: list[int] | None) -> Query:
    return Query(text, sources.params if ids is None else {**sources.params, "ids": ids})


def _segment_ids(rules: Mapping[int, L.Rule], sources: Sources) -> str:
    """The ids of the rules that hold, as an array."""
    found = ", ".join(
        f"CASE WHEN {condition(rule.where, sources)} THEN {int(key)} END"
        for key, rule in rules.items()
    )
    return f"array_remove(ARRAY[{found}]::bigint[], NULL)"


def top_level(rule: L.Rule) -> tuple[L.Node, ...]:
    """The parts of the outermost group, or the one clause there is."""
    return rule.where.of if isinstance(rule.where, L.Every | L.Some) else (rule.where,)
