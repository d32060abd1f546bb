"""What a customer buys and on which terms: variety, basket, discounts, refunds."""

import numpy as np

from customers.features.feature import Feature
from customers.features.seen import Seen, divide


def _discount_share(seen: Seen) -> np.ndarray:
    return divide(seen.discount, seen.gross + seen.discount)


def _refund_share(seen: Seen) -> np.ndarray:
    share = divide(seen.paid_back, seen.gross + seen.refunded_gross)
    return np.clip(share, 0, 1)  # documents may give back more than this shop's records show


FEATURES = (
    Feature("distinct_products", "count", "products", "Different goods bought ever.",
            lambda seen: seen.distinct_products, dtype="int32"),
    Feature("basket_size", "count", "units an order", "Mean units of goods in a purchase.",
            lambda seen: seen.units / seen.orders),
    Feature("discount_share", "share", "share of 1",
            "Part of the full price that discounts took off; missing where all was free.",
            _discount_share),
    Feature("refund_share", "share", "share of 1",
            "Part of what was paid ever that was given back; missing where all was free.",
            _refund_share),
)  # fmt: skip
