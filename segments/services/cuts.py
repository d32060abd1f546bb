"""Where the top share of a score begins: one number for everybody, read once a scoring.

A rule like "the tenth with the greatest value" would else count all scores each time one customer
is asked about.  Scores of one name are only ever written all together, with one new moment.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from django.db import connection

from segments.rules import language as L
from segments.services.definitions import Definitions

# As `top_share` says: the smallest value that fewer than this share of all are above.
CUT = """SELECT t.value FROM segments_score t WHERE t.name = %(name)s ORDER BY t.value DESC
OFFSET (SELECT greatest(ceil(%(share)s * count(*)) - 1, 0)::bigint
    FROM segments_score t WHERE t.name = %(name)s) LIMIT 1"""
SCORED = """SELECT ARRAY(
    SELECT (SELECT s.as_of FROM segments_score s WHERE s.name = n ORDER BY s.value DESC LIMIT 1)
    FROM unnest(%s::text[]) n)"""


@dataclass(frozen=True)
class _Applied:
    """What this process used last."""

    found: Definitions
    names: tuple[str, ...]
    scored: tuple[datetime | None, ...]
    definitions: Definitions


_last: _Applied | None = None


def names() -> tuple[str, ...]:
    """The scores whose top share the definitions ask for that this process used last."""
    return _last.names if _last else ()


def applied(found: Definitions, scored: tuple[datetime | None, ...] | None) -> Definitions:
    """The same definitions with a number in place of each top share.

    ``scored`` is when each of `names` was written, None when that was not read along; as long as
    they are the same, so is what is returned.
    """
    global _last
    wanted = _last.names if _last and _last.found is found else _names(found)
    if scored is None or _last is None or _last.found is not found:
        with connection.cursor() as cursor:
            cursor.execute(SCORED, [list(wanted)])
            scored = tuple(cursor.fetchone()[0])
    if _last is None or _last.found is not found or _last.scored != scored:
        cuts: dict[tuple[str, Decimal], L.Node] = {}
        readable = tuple(
            replace(one, rule=replace(one.rule, where=_cut(one.rule.where, cuts)))
            for one in found.readable
        )
        _last = _Applied(found, wanted, scored, replace(found, readable=readable))
    return _last.definitions


def _names(found: Definitions) -> tuple[str, ...]:
    nodes = (node for one in found.readable for node in L.walk(one.rule.where))
    return tuple(sorted({node.name for node in nodes if _is_top_share(node)}))  # type: ignore[union-attr]


def _is_top_share(node: L.Node) -> bool:
    return isinstance(node, L.Score) and node.comparison.op == "top_share"


def _cut(node: L.Node, cuts: dict[tuple[str, Decimal], L.Node]) -> L.Node:
    if isinstance(node, L.Every | L.Some):
        return replace(node, of=tuple(_cut(child, cuts) for child in node.of))
    if isinstance(node, L.Not):
        return L.Not(_cut(node.of, cuts))
    if not (isinstance(node, L.Score) and _is_top_share(node)):
        return node
    share = node.comparison.value
    assert isinstance(share, Decimal)
    if (node.name, share) not in cuts:
        with connection.cursor() as cursor:
            cursor.execute(CUT, {"name": node.name, "share": share})
            row = cursor.fetchone()
        cuts[node.name, share] = (
            replace(node, comparison=L.Comparison(">=", Decimal(repr(row[0])), L.NUMBER))
            if row
            else L.Not(L.Everybody())
        )
    return cuts[node.name, share]
