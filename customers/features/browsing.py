"""What a customer looks at: visits, views, searches, carts and what is left in them."""

from functools import partial

import numpy as np

from customers.features.feature import Feature
from customers.features.seen import DAY, divide
from customers.features.watched import LOOK_BACK_DAYS, Watched
from customers.features.windows import TREND_DAYS, trend

VISITS = ("page_viewed", "product_viewed", "added_to_cart", "checkout_started", "searched")
CARTS = ("added_to_cart", "checkout_started")
CART_DAYS = 30


def _count(watched: Watched, *, names: tuple[str, ...], days: int) -> np.ndarray:
    return watched.count(*names, days=days)


def _visit_days(watched: Watched, *, days: int) -> np.ndarray:
    customer, placed = watched.rows(*VISITS)
    lately = placed >= watched.as_of - days * DAY
    return watched.distinct_days(customer[lately], placed[lately])


def _views_per_order(watched: Watched) -> np.ndarray:
    orders = watched.of_buyers(watched.seen.orders_since(90), 0)
    return divide(watched.count("product_viewed", days=90).astype(float), orders.astype(float))


def _views_trend(watched: Watched) -> np.ndarray:
    lately = watched.count("product_viewed", days=30)
    before = watched.count("product_viewed", days=TREND_DAYS - 30, before_days=30)
    return trend(lately, before)


def _days_since_cart_left(watched: Watched) -> np.ndarray:
    cart = watched.last(*CARTS)
    bought = watched.of_buyers(watched.seen.last, np.iinfo(np.int64).min)
    return np.where(cart > bought, (watched.as_of - cart) / DAY, np.nan)


def _carts_left(watched: Watched) -> np.ndarray:
    customer, placed = watched.rows(*CARTS)
    lately = placed >= watched.as_of - CART_DAYS * DAY
    customer, placed = customer[lately], placed[lately]
    left = ~watched.is_followed(customer, placed, within=DAY)
    return watched.distinct_days(customer[left], placed[left])


def _of(name: str, unit: str, meaning: str, *names: str, days: int) -> Feature:
    return Feature(
        f"{name}_{days}d", "count", unit, f"{meaning} in the last {days} days.",
        partial(_count, names=names, days=days), window_days=days, dtype="int32", ground="events",
    )  # fmt: skip


COUNTS = (
    _of("page_views", "pages", "Pages and screens looked at", "page_viewed", days=30),
    *(_of("product_views", "views", "Views of products", "product_viewed", days=days)
      for days in (7, 30, 90)),
    *(_of("cart_adds", "products", "Products put in the cart", "added_to_cart", days=days)
      for days in (7, 30)),
    _of("checkouts", "checkouts", "Checkouts begun", "checkout_started", days=30),
    _of("searches", "searches", "Searches for products", "searched", days=30),
)  # fmt: skip
FEATURES = (
    *COUNTS,
    *(Feature(f"visit_days_{days}d", "count", "days",
              f"Days (UTC) of the last {days} with a view, a search, a cart or a checkout.",
              partial(_visit_days, days=days), window_days=days, dtype="int32", ground="events")
      for days in (30, 90)),
    Feature("days_since_last_visit", "days", "days",
            "Days since the last view, search, cart or checkout; missing where there was none in a "
            "year.", lambda watched: watched.days_since(*VISITS), window_days=LOOK_BACK_DAYS,
            ground="events"),
    Feature("views_trend", "ratio", "1 is unchanged",
            "Views of products in the last 30 days against a third of those of the 90 before, one "
            "added to both.", _views_trend, window_days=TREND_DAYS, ground="events"),
    Feature("views_per_order_90d", "ratio", "views an order",
            "Views of products over purchases in the last 90 days; missing without a purchase in "
            "them.", _views_per_order, window_days=90, ground="events"),
    Feature(f"carts_left_{CART_DAYS}d", "count", "days",
            f"Days (UTC) of the last {CART_DAYS} with a cart or checkout that no purchase followed "
            "within 24 hours.", _carts_left, window_days=CART_DAYS, dtype="int32",
            ground="events"),
    Feature("days_since_cart_left", "days", "days",
            "Days since the last cart or checkout, where no purchase followed it; missing else, "
            "and where it is more than a year ago.", _days_since_cart_left,
            window_days=LOOK_BACK_DAYS, ground="events"),
)  # fmt: skip
