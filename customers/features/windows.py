"""How a customer buys lately and over time: orders and revenue in windows, pace and tenure."""

from functools import partial

import numpy as np

from customers.features.feature import Feature
from customers.features.seen import DAY, Seen, divide

WINDOWS_DAYS = (30, 90, 365)


def _orders(seen: Seen, *, days: int) -> np.ndarray:
    return seen.orders_since(days)


def _revenue(seen: Seen, *, days: int) -> np.ndarray:
    return seen.gross_since(days) - seen.documents_since(days)


def _mean_gap(seen: Seen) -> np.ndarray:
    whole = seen.last // DAY - seen.first // DAY
    return divide(whole.astype(float), seen.purchase_days - 1.0)


PACE = (
    Feature("tenure_days", "days", "days", "Days since the first purchase.",
            lambda seen: (seen.as_of - seen.first) / DAY),
    Feature("mean_gap_days", "days", "days",
            "Mean days between purchase days; missing where there is only one.", _mean_gap),
)  # fmt: skip
ORDERS = tuple(
    Feature(f"orders_{days}d", "count", "orders", f"Purchases in the last {days} days.",
            partial(_orders, days=days), window_days=days, dtype="int32")
    for days in WINDOWS_DAYS
)  # fmt: skip
REVENUE = tuple(
    Feature(f"revenue_{days}d", "money", "the shop's currency",
            f"Paid in the last {days} days, refunds of these days taken off.",
            partial(_revenue, days=days), window_days=days, dtype="float64")
    for days in WINDOWS_DAYS
)  # fmt: skip
FEATURES = PACE + ORDERS + REVENUE
