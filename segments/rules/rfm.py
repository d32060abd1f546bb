"""The six RFM groups, by fixed cuts: what a customer's last order and number of orders say.

Every buyer is in exactly one group; who never bought is in none.  Fixed cuts, unlike quintiles,
can be read for one customer alone and do not move when others buy.

>>> [group.name for group in GROUPS]
['Champions', 'Loyal', 'Recent', 'Needs attention', 'At risk', 'Inactive']
"""

from dataclasses import dataclass
from decimal import Decimal

from segments.rules.language import (
    MOMENT,
    NUMBER,
    Comparison,
    Every,
    Node,
    Orders,
    Rfm,
    Some,
)

RECENT_DAYS = 60
ATTENTION_DAYS = 180
LOST_DAYS = 365
OFTEN_ORDERS = 4


@dataclass(frozen=True)
class Cell:
    """Orders from ``least`` to ``most``; the last one after ``from_days`` and up to ``to_days``."""

    least: int
    most: int | None
    from_days: int | None  # the last order is longer ago than this
    to_days: int | None  # and not longer ago than this


@dataclass(frozen=True)
class Group:
    """One RFM group and the cells of the recency-frequency grid it covers."""

    key: str
    name: str
    meaning: str
    cells: tuple[Cell, ...]


GROUPS = (
    Group(
        "champions",
        "Champions",
        f"{OFTEN_ORDERS} orders or more, the last within {RECENT_DAYS} days",
        (Cell(OFTEN_ORDERS, None, None, RECENT_DAYS),),
    ),
    Group(
        "loyal",
        "Loyal",
        f"2 to {OFTEN_ORDERS - 1} orders, the last within {RECENT_DAYS} days",
        (Cell(2, OFTEN_ORDERS - 1, None, RECENT_DAYS),),
    ),
    Group(
        "recent",
        "Recent",
        f"one order, within {RECENT_DAYS} days",
        (Cell(1, 1, None, RECENT_DAYS),),
    ),
    Group(
        "needs_attention",
        "Needs attention",
        f"the last order {RECENT_DAYS} to {ATTENTION_DAYS} days ago",
        (Cell(1, None, RECENT_DAYS, ATTENTION_DAYS),),
    ),
    Group(
        "at_risk",
        "At risk",
        f"2 orders or more, the last {ATTENTION_DAYS} to {LOST_DAYS} days ago",
        (Cell(2, None, ATTENTION_DAYS, LOST_DAYS),),
    ),
    Group(
        "inactive",
        "Inactive",
        f"the last order more than {LOST_DAYS} days ago, "
        f"or the only one more than {ATTENTION_DAYS} days ago",
        (Cell(1, 1, ATTENTION_DAYS, LOST_DAYS), Cell(1, None, LOST_DAYS, None)),
    ),
)
BY_KEY = {group.key: group for group in GROUPS}


def meaning(node: Rfm) -> Node:
    """The same in order counts and moments, which every reader knows."""
    return Some(tuple(_cell(cell) for key in node.groups for cell in BY_KEY[key].cells))


def _cell(cell: Cell) -> Node:
    parts = [Orders("count", Comparison(">=", Decimal(cell.least), NUMBER))]
    if cell.most is not None:
        parts.append(Orders("count", Comparison("<=", Decimal(cell.most), NUMBER)))
    if cell.from_days is not None:
        ago = Comparison("more_than_days_ago", Decimal(cell.from_days), MOMENT)
        parts.append(Orders("last", ago))
    if cell.to_days is not None:
        ago = Comparison("less_than_days_ago", Decimal(cell.to_days), MOMENT)
        parts.append(Orders("last", ago))
    return Every(tuple(parts))
