"""What a customer buys and on which terms: variety, basket, discounts, refunds."""

from functools import partial

import numpy as np

from customers.features.feature import Feature
from customers.features.seen import Seen, divide

WINDOWS_DAYS = (90, 365)


def _discount_share(seen: Seen) -> np.ndarray:
    return divide(seen.discount, seen.gross + seen.discount)


def _discount_share_since(seen: Seen, *, days: int) -> np.ndarray:
    discount = seen.discount_since(days)
    return divide(discount, seen.gross_since(days) + discount)


def _refund_share(seen: Seen) -> np.ndarray:
    share = divide(seen.paid_back, seen.gross + seen.refunded_gross)
    return np.clip(share, 0, 1)  # documents may give back more than this shop's records show


def _refund_share_since(seen: Seen, *, days: int) -> np.ndarray:
    paid = seen.gross_since(days) + seen.refunded_gross_since(days)
    return np.clip(divide(seen.paid_back_since(days), paid), 0, 1)


BASKETS = (
    Feature("distinct_products", "count", "products", "Different goods bought ever.",
            lambda seen: seen.distinct_products, dtype="int32"),
    Feature("basket_size", "count", "units an order", "Mean units of goods in a purchase.",
            lambda seen: seen.units / seen.orders),
    Feature("discount_share", "share", "share of 1",
            "Part of the full price that discounts took off; missing where all was free.",
            _discount_share),
    Feature("discounted_orders_share", "share", "share of 1",
            "Part of the purchases of which a discount took something off.",
            lambda seen: seen.discounted_orders / seen.orders),
    Feature("refund_share", "share", "share of 1",
            "Part of what was paid ever that was given back; missing where all was free.",
            _refund_share),
)  # fmt: skip
LATELY = tuple(
    Feature(f"{name}_{days}d", "share", "share of 1", meaning.format(days=days),
            partial(compute, days=days), window_days=days)
    for name, meaning, compute in (
        ("discount_share",
         "Part of the full price that discounts took off in the last {days} days; missing where "
         "nothing was paid in them.", _discount_share_since),
        ("refund_share",
         "What was given back in the last {days} days over what was paid in them, at most 1; "
         "missing where nothing was paid in them.", _refund_share_since),
    )
    for days in WINDOWS_DAYS
)  # fmt: skip
FEATURES = BASKETS + LATELY
