"""Where the top share of a score begins: one number for everybody, read once a scoring.

A rule like "the tenth with the greatest value" would else count all scores each time one customer
is asked about, and one customer's new score would move others in and out whom nobody asks about.
So the number is that of the last scoring of everybody (`summaries.cut`), for all who ask.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal

from django.db import connection

from segments.rules import language as L
from segments.services import statements, summaries
from segments.services.definitions import Definition, Definitions

SCORED = f"SELECT ARRAY(SELECT {statements.SCORING} FROM unnest(%s::text[]) asked (score))"


@dataclass(frozen=True)
class _Applied:
    """What this process used last."""

    found: Definitions
    names: tuple[str, ...]
    scored: tuple[str | None, ...]
    definitions: Definitions


_last: _Applied | None = None


def names() -> tuple[str, ...]:
    """The scores whose top share the definitions ask for that this process used last."""
    return _last.names if _last else ()


def applied(found: Definitions, scored: tuple[str | None, ...] | None) -> Definitions:
    """The same definitions with a number in place of each top share.

    ``scored`` is which scoring each of `names` is of, None when that was not read along; as long as
    they are the same, so is what is returned.
    """
    global _last
    wanted = _last.names if _last and _last.found is found else _names(found)
    if scored is None or _last is None or _last.found is not found:
        with connection.cursor() as cursor:
            cursor.execute(SCORED, [list(wanted)])
            scored = tuple(cursor.fetchone()[0])
    if _last is None or _last.found is not found or _last.scored != scored:
        readable = tuple(placed(found.readable))
        _last = _Applied(found, wanted, scored, replace(found, readable=readable))
    return _last.definitions


def placed(readable: Iterable[Definition]) -> list[Definition]:
    """The same definitions with today's number in place of each top share."""
    cuts: dict[tuple[str, Decimal], L.Node] = {}
    return [
        replace(one, rule=replace(one.rule, where=_cut(one.rule.where, cuts))) for one in readable
    ]


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
        least = summaries.cut(node.name, share)
        cuts[node.name, share] = (
            replace(node, comparison=L.Comparison(">=", Decimal(repr(least)), L.NUMBER))
            if least is not None
            else L.Not(L.Everybody())
        )
    return cuts[node.name, share]
