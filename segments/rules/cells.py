"""The cells of the tables to explore, each with the rule of the segment that it becomes.

A cell is written as words with colons between, so that a form and the API can name it:
``matrix:high:0``, ``grid:1:2``, ``both:loyal:lapsed``.
"""

from dataclasses import dataclass
from typing import Any

from segments.rules import rfm

# What she brings at her own pace: expected revenue counts leaving, and who is likely to leave would
# never be worth much.
RISK, VALUE = "churn_90d", "worth_365d"
RISKS = {"high": "Likely to leave", "medium": "May leave", "low": "Likely to stay"}
SHARES = (0.2, 0.5)  # the fifth with the greatest values; the half without that fifth
VALUES = ("High value", "Middle value", "Low value")
DAYS = (rfm.RECENT_DAYS, rfm.ATTENTION_DAYS, rfm.LOST_DAYS)
ORDERS = (1, 2, rfm.OFTEN_ORDERS)
DAY_LABELS = (
    f"within {DAYS[0]} days",
    f"{DAYS[0]} to {DAYS[1]} days ago",
    f"{DAYS[1]} to {DAYS[2]} days ago",
    f"over {DAYS[2]} days ago",
)
ORDER_LABELS = ("1 order", f"2 to {ORDERS[2] - 1} orders", f"{ORDERS[2]} orders or more")


@dataclass(frozen=True)
class Cell:
    """What a cell is called, and whom it selects."""

    name: str
    description: str
    rule: dict[str, Any]


def matrix_cell(band: str, share: int) -> str:
    return f"matrix:{band}:{share}"


def grid_cell(days: int, orders: int) -> str:
    return f"grid:{days}:{orders}"


def both_cell(one: str, other: str) -> str:
    return f"both:{one}:{other}"


def read(cell: str) -> Cell:
    """The cell of these words.

    Raises
    ------
    ValueError
        There is no such cell.
    """
    kind, _, rest = cell.partition(":")
    one, _, other = rest.partition(":")
    if kind == "matrix" and one in RISKS and other in _places(VALUES):
        return _of_matrix(one, int(other))
    if kind == "grid" and one in _places(DAY_LABELS) and other in _places(ORDER_LABELS):
        return _of_grid(int(one), int(other))
    if kind == "both" and one and other and one != other:
        first, second = sorted((one, other))
        where = [{"type": "segment", "key": first}, {"type": "segment", "key": second}]
        return Cell(f"{one} and {other}", "In both segments.", _rule(where))
    raise ValueError(f"{cell!r} is no cell")


def _places(labels: tuple[str, ...]) -> set[str]:
    return {str(place) for place in range(len(labels))}


def _of_matrix(band: str, share: int) -> Cell:
    where: list[dict[str, Any]] = [_scored(RISK, "band", [band])]
    if share < len(SHARES):
        where.append(_scored(VALUE, "top_share", SHARES[share]))
    else:
        where.append({"type": "score", "name": VALUE, "op": "exists"})
    if share:
        where.append({"type": "not", "of": _scored(VALUE, "top_share", SHARES[share - 1])})
    name = f"{VALUES[share]}, {RISKS[band][0].lower()}{RISKS[band][1:]}"
    return Cell(name, "A cell of risk and value, by the scores of the live models.", _rule(where))


def _of_grid(days: int, orders: int) -> Cell:
    where = [_orders("count", ">=", ORDERS[orders])]
    if orders + 1 < len(ORDERS):
        where.append(_orders("count", "<", ORDERS[orders + 1]))
    if days:
        where.append(_orders("last", "more_than_days_ago", DAYS[days - 1]))
    if days < len(DAYS):
        where.append(_orders("last", "less_than_days_ago", DAYS[days]))
    name = f"{ORDER_LABELS[orders]}, the last {DAY_LABELS[days]}"
    return Cell(name, "A cell of last order and number of orders.", _rule(where))


def _rule(where: list[dict[str, Any]]) -> dict[str, Any]:
    return {"version": 1, "where": {"type": "and", "of": where}}


def _scored(name: str, op: str, value: Any) -> dict[str, Any]:
    return {"type": "score", "name": name, "op": op, "value": value}


def _orders(measure: str, op: str, value: Any) -> dict[str, Any]:
    return {"type": "orders", "measure": measure, "op": op, "value": value}
