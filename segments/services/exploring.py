"""Count customers by what is known and concluded about them, for pages to look at.  Writes nothing.

Each cell is counted by the very comparison that the rule of its segment makes, so that a segment
made of a cell has the members that the cell counted.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import connection

from segments.services import summaries

EXAMPLES = """SELECT k.key, c.id, c.first_name, c.last_name, c.email, s.reasons
FROM unnest(%(keys)s::float8[]) k(key) CROSS JOIN LATERAL (
    SELECT t.customer_id, t.reasons FROM segments_score t
    JOIN customers_customer p ON p.id = t.customer_id AND p.erased_at IS NULL
    WHERE t.name = 'cluster' AND t.value = k.key LIMIT %(most)s
) s JOIN customers_customer c ON c.id = s.customer_id ORDER BY k.key, c.id"""
# Rows: the band of the one score; columns: the first share of the other whose cut is reached.
MATRIX = """SELECT a.band, CASE {cases} ELSE {rest} END, count(*), sum(b.value), max(a.as_of)
FROM segments_score a JOIN segments_score b ON b.customer_id = a.customer_id AND b.name = %(other)s
JOIN customers_customer c ON c.id = a.customer_id AND c.erased_at IS NULL
WHERE a.name = %(name)s GROUP BY 1, 2"""
# Orders as a rule counts them that says no more of which: sales that were paid.
GRID = """SELECT width_bucket(days, %(days)s::float8[]), width_bucket(orders, %(orders)s::float8[]),
    count(*), sum(revenue)
FROM (
    SELECT count(*)::float8 AS orders, sum(o.total)::float8 AS revenue,
        (extract(epoch FROM %(now)s - max(o.happened_at)) / 86400)::float8 AS days
    FROM customers_order o JOIN customers_customer c ON c.id = o.customer_id
    WHERE c.erased_at IS NULL AND o.kind = 'sale' AND o.status = 'paid'
        AND o.happened_at <= %(now)s AND o.recorded_at <= %(now)s
    GROUP BY o.customer_id
) f GROUP BY 1, 2"""


@dataclass(frozen=True)
class Example:
    """One customer of a cluster, to look at."""

    customer_id: int
    name: str
    words: str = ""  # why this one is in it, where the model says so


@dataclass(frozen=True)
class Cell:
    """Customers with one band of a score and one share of another; ``total`` sums the other."""

    band: str
    share: int  # place in the shares asked for; their number: in none of them
    n: int
    total: float


@dataclass(frozen=True)
class Bought:
    """Buyers in one field of the recency-frequency grid; ``revenue`` sums all their orders."""

    days: int  # place among the edges in days: 0 is before the first
    orders: int
    n: int
    revenue: float


@dataclass(frozen=True)
class Matrix:
    cells: tuple[Cell, ...]
    cuts: tuple[float | None, ...]  # where each share begins
    as_of: datetime | None

    @property
    def n(self) -> int:
        return sum(cell.n for cell in self.cells)


def examples(keys: Collection[int], *, most: int) -> dict[int, list[Example]]:
    """A few customers of each cluster, by its key."""
    found: dict[int, list[Example]] = {key: [] for key in keys}
    with connection.cursor() as cursor:
        cursor.execute(EXAMPLES, {"keys": [float(key) for key in keys], "most": most})
        for key, customer_id, first, last, email, reasons in cursor.fetchall():
            name = f"{first} {last}".strip() or email or f"customer {customer_id}"
            found[int(key)].append(Example(customer_id, name, _first_words(reasons)))
    return found


def matrix(name: str, other: str, *, shares: Sequence[float]) -> Matrix:
    """Customers by the band of the score ``name`` and by the top shares of the score ``other``.

    ``shares`` ascend: 0.2 is the fifth with the greatest values, 0.5 the half without that fifth.
    """
    with connection.cursor() as cursor:
        cuts = [summaries.cut(other, Decimal(str(share))) for share in shares]
        cases = " ".join(
            f"WHEN b.value >= %(cut{at})s THEN {at}"
            for at, cut in enumerate(cuts)
            if cut is not None
        )
        if not cases:
            return Matrix((), tuple(cuts), None)
        given: dict[str, Any] = {f"cut{at}": cut for at, cut in enumerate(cuts)}
        text = MATRIX.format(cases=cases, rest=len(cuts))
        cursor.execute(text, {**given, "name": name, "other": other})
        rows = cursor.fetchall()
    cells = tuple(Cell(band, at, n, float(total or 0)) for band, at, n, total, _as_of in rows)
    return Matrix(cells, tuple(cuts), max((row[4] for row in rows), default=None))


def grid(*, days: Sequence[float], orders: Sequence[float], now: datetime) -> list[Bought]:
    """Buyers by how long ago they ordered last and how often they have ordered.

    A field begins at its edge, included.  One pass over all orders.
    """
    with connection.cursor() as cursor:
        cursor.execute(GRID, {"days": list(days), "orders": list(orders), "now": now})
        return [Bought(at, often, n, float(sum_ or 0)) for at, often, n, sum_ in cursor.fetchall()]


def _first_words(reasons: Any) -> str:
    if not isinstance(reasons, list):
        return ""
    return next((str(one["words"]) for one in reasons if one.get("words")), "")
