"""How a customer buys lately: orders and revenue in windows, and whether they grow or shrink."""

from functools import partial

import numpy as np

from customers.features.feature import Feature
from customers.features.seen import DAY, Seen, divide

WINDOWS_DAYS = (30, 90, 365)
TREND_DAYS = 120  # the last 30 of them against the 90 before


def _orders(seen: Seen, *, days: int) -> np.ndarray:
    return seen.orders_since(days)


def _revenue(seen: Seen, *, days: int) -> np.ndarray:
    return seen.gross_since(days) - seen.documents_since(days)


def trend(lately: np.ndarray, before: np.ndarray, usual: np.ndarray | float = 1.0) -> np.ndarray:
    """The last 30 days against a month of the 90 before, with one usual added to both.

    Examples
    --------
    >>> trend(np.array([0, 3, 0]), np.array([0, 9, 9])).tolist()
    [1.0, 1.0, 0.25]
    """
    return divide(lately + usual, before / 3 + usual)


def _orders_trend(seen: Seen) -> np.ndarray:
    lately = seen.orders_since(30)
    return trend(lately, seen.orders_since(TREND_DAYS) - lately)


def _revenue_trend(seen: Seen) -> np.ndarray:
    lately = seen.gross_since(30)
    return trend(lately, seen.gross_since(TREND_DAYS) - lately, seen.gross / seen.orders)


TENURE = (
    Feature("tenure_days", "days", "days", "Days since the first purchase.",
            lambda seen: (seen.as_of - seen.first) / DAY),
)  # fmt: skip
ORDERS = tuple(
    Feature(f"orders_{days}d", "count", "orders", f"Purchases in the last {days} days.",
            partial(_orders, days=days), window_days=days, dtype="int32")
    for days in WINDOWS_DAYS
)  # fmt: skip
REVENUE = tuple(
    Feature(f"revenue_{days}d", "money", "the shop's currency",
            f"Paid in the last {days} days, refunds of these days taken off.",
            partial(_revenue, days=days), window_days=days, dtype="float64", without=0.0)
    for days in WINDOWS_DAYS
)  # fmt: skip
TRENDS = (
    Feature("orders_trend", "ratio", "1 is unchanged",
            "Purchases of the last 30 days against a third of those of the 90 before, one added to "
            "both.", _orders_trend, window_days=TREND_DAYS, without=1.0),
    Feature("revenue_trend", "ratio", "1 is unchanged",
            "Paid in the last 30 days against a third of the 90 before, one usual purchase added "
            "to both; missing where all was free.", _revenue_trend, window_days=TREND_DAYS),
)  # fmt: skip
FEATURES = TENURE + ORDERS + REVENUE + TRENDS
