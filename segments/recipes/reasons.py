"""Why a customer has this score: what was observed, and how much each observation adds.

Features that say nearly the same are one reason, for their separate coefficients balance one
another and read as nonsense.  All texts are built column by column; none is built customer by
customer.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from segments.estimators.calibrated import CORRECTION
from segments.estimators.logistic import START
from segments.estimators.seasonal import SEASON

MOVES = {  # what moves a score beside the features
    CORRECTION: "corrected by what came true of such forecasts",
    SEASON: "what this season brought a year ago",
}
TOP = 4  # reasons told apart; the rest is one more


@dataclass(frozen=True)
class Family:
    """Features that are one reason, and how it is told."""

    name: str
    columns: tuple[str, ...]
    shown: str  # the feature whose value stands for the family
    words: Callable[[pd.DataFrame], np.ndarray]


def whole(values: pd.Series) -> np.ndarray:
    """Rounded whole numbers as texts."""
    return np.rint(values.fillna(0).to_numpy(float)).astype(np.int64).astype(str).astype(object)


def counted(values: pd.Series, one: str, many: str) -> np.ndarray:
    texts = whole(values)
    return texts + np.where(texts == "1", f" {one}", f" {many}").astype(object)


def _recency(table: pd.DataFrame) -> np.ndarray:
    words = "has not ordered for " + counted(table["days_since_last_order"], "day", "days")
    usual = "; usually comes every " + counted(table["mean_gap_days"].clip(lower=1), "day", "days")
    return np.where(table["mean_gap_days"].notna(), words + usual, words)


def _rhythm(table: pd.DataFrame) -> np.ndarray:
    times = np.where(table["orders_total"] == 1, "once", whole(table["orders_total"]) + " times")
    orders = "has ordered " + times.astype(object)
    return orders + " in " + counted(table["tenure_days"].clip(lower=1), "day", "days")


def _lately(table: pd.DataFrame) -> np.ndarray:
    orders = np.where(
        table["orders_90d"] == 0, "no order", counted(table["orders_90d"], "order", "orders")
    )
    return orders.astype(object) + " in the last 90 days"


def _spend(table: pd.DataFrame) -> np.ndarray:
    return "spends " + whole(table["mean_order_value"]) + " an order on average"


def _variety(table: pd.DataFrame) -> np.ndarray:
    return "has bought " + counted(table["distinct_products"], "product", "different products")


def _discounts(table: pd.DataFrame) -> np.ndarray:
    return "got " + whole(100 * table["discount_share"]) + " % off the full prices"


def _refunds(table: pd.DataFrame) -> np.ndarray:
    return "got " + whole(100 * table["refund_share"]) + " % of the money back"


FAMILIES = (
    Family(
        "recency", ("days_since_last_order", "pace_ratio", "mean_gap_days"),
        "days_since_last_order", _recency,
    ),
    Family(
        "rhythm",
        ("orders_total", "frequency", "tenure_days", "orders_per_month", "bought_once",
         "orders_365d"),
        "orders_total", _rhythm,
    ),
    Family(
        "lately", ("orders_30d", "orders_90d", "revenue_30d", "revenue_90d"),
        "orders_90d", _lately,
    ),
    Family(
        "spend", ("revenue_total", "mean_order_value", "revenue_365d"), "mean_order_value", _spend
    ),
    Family("variety", ("distinct_products", "basket_size"), "distinct_products", _variety),
    Family("discounts", ("discount_share",), "discount_share", _discounts),
    Family("refunds", ("refund_share",), "refund_share", _refunds),
)  # fmt: skip


def of(estimator: Any, table: pd.DataFrame, families: Sequence[Family] = FAMILIES) -> pd.Series:
    """The reasons of each customer as JSON texts, the strongest first.

    Contributions are to the log-odds and add up to them, but for rounding: ``start`` is where a
    customer average in everything stands, and ``other`` all that is not told apart. They are
    exact for every estimator that has ``contributions``; any other has none but the recency.

    Parameters
    ----------
    estimator : estimator of a probability
    table : DataFrame indexed by customer
        As the estimator reads it, a few customers or all.
    families : sequence of Family
        Each of the estimator's columns is in one.
    """
    if not hasattr(estimator, "contributions"):
        return of_recency(table, estimator.column)
    parts = estimator.contributions(table, {one.name: one.columns for one in families})
    sums = parts[[family.name for family in families]].to_numpy()
    order = np.argsort(-np.abs(sums), axis=1, kind="stable")
    texts = np.column_stack(
        [
            text(family.name, table[family.shown], sums[:, place], family.words(table))
            for place, family in enumerate(families)
        ]
    )
    told = np.take_along_axis(texts, order[:, :TOP], axis=1)
    rows = "[" + told[:, 0]
    for place in range(1, told.shape[1]):
        rows = rows + ", " + told[:, place]
    if len(families) > TOP:
        other = np.take_along_axis(sums, order[:, TOP:], axis=1).sum(axis=1)
        rows = rows + ", " + text("other", None, other, "everything else taken together")
    for name, words in MOVES.items():
        if name in parts:
            rows = rows + ", " + text(name, None, parts[name].to_numpy(), words)
    start = text(START, None, parts[START].to_numpy(), "where an average customer stands")
    return pd.Series(rows + ", " + start + "]", index=table.index, dtype=object)


def of_value(predicted: pd.DataFrame, table: pd.DataFrame) -> pd.Series:
    """The two factors of each customer's expected value, as JSON texts."""
    orders = text("orders", predicted["orders"], predicted["orders"], _rhythm(table))
    spend = text("spend", predicted["spend"], predicted["spend"], _spend(table))
    return pd.Series("[" + orders + ", " + spend + "]", index=table.index, dtype=object)


def text(
    name: str,
    value: pd.Series | None,
    contribution: np.ndarray | pd.Series,
    words: np.ndarray | str,
) -> np.ndarray:
    """JSON objects, one a customer.  The words hold neither quotes nor backslashes."""
    shown = "null" if value is None else _number(np.asarray(value, dtype=float))
    added = _number(np.asarray(contribution, dtype=float))
    head = f'{{"feature": "{name}", "value": '
    return head + shown + ', "contribution": ' + added + ', "words": "' + words + '"}'


def _number(values: np.ndarray) -> np.ndarray:
    texts = np.char.mod("%.4f", np.nan_to_num(values)).astype(object)
    return np.where(np.isfinite(values), texts, "null")


def of_recency(table: pd.DataFrame, column: str = "days_since_last_order") -> pd.Series:
    """The one reason that a rule of thumb has, as JSON texts."""
    if column == "days_since_last_order":
        words = _recency(table)
    else:
        words = "was last seen " + counted(table[column], "day", "days") + " ago"
    unknown = np.full(len(table), np.nan)
    rows = "[" + text("recency", table[column], unknown, words) + "]"
    return pd.Series(rows, index=table.index, dtype=object)
