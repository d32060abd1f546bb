"""Recency, frequency and monetary value, in both meanings that the field gives them.

BG/NBD and its kin: repeat purchases, day by day, with a clock that starts at the first purchase.
Segmentation: days since the last order, number of orders, money; and their quintiles.
"""

from datetime import datetime

import numpy as np
import pandas as pd

from customers.features.facts import SALE
from customers.features.facts import facts as sorted_facts
from customers.features.feature import Feature
from customers.features.seen import DAY, Seen, divide


def _frequency(seen: Seen) -> np.ndarray:
    return seen.purchase_days - 1


def _recency(seen: Seen) -> np.ndarray:
    return seen.last // DAY - seen.first // DAY


def _age(seen: Seen) -> np.ndarray:
    return seen.as_of // DAY - seen.first // DAY


def _monetary(seen: Seen) -> np.ndarray:
    return divide(seen.gross - seen.first_day_gross, _frequency(seen).astype(float))


FADER_HARDIE = (
    Feature("frequency", "count", "purchase days", "Days with a purchase after the first such day.",
            _frequency, dtype="int32"),
    Feature("recency", "days", "days", "Days from the first to the last purchase day.", _recency),
    Feature("age", "days", "days", "Days from the first purchase day to this day.", _age),
    Feature("monetary", "money", "the shop's currency",
            "Mean amount of a repeat purchase day; missing where nothing was repeated.",
            _monetary, dtype="float64"),
)  # fmt: skip
SEGMENTATION = (
    Feature("days_since_last_order", "days", "days", "Days since the last purchase.",
            lambda seen: (seen.as_of - seen.last) / DAY),
    Feature("orders_total", "count", "orders", "Purchases ever.",
            lambda seen: seen.orders, dtype="int32"),
    Feature("revenue_total", "money", "the shop's currency",
            "Paid for purchases ever, refunds taken off; below 0 if more was given back.",
            lambda seen: seen.gross - seen.documents_since(None), dtype="float64"),
    Feature("mean_order_value", "money", "the shop's currency",
            "Mean amount of a purchase, refunds not taken off.",
            lambda seen: seen.gross / seen.orders, dtype="float64"),
)  # fmt: skip
FEATURES = FADER_HARDIE + SEGMENTATION
