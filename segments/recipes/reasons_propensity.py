"""How the reasons of propensity are told; how they are made is in `reasons`."""

import numpy as np
import pandas as pd

from segments.recipes.reasons import Family, counted, whole

LONG_AGO_DAYS = 700.0  # what stands for "never" is beyond


def _orders(table: pd.DataFrame) -> np.ndarray:
    days = counted(table["days_since_last_order"], "day", "days")
    times = np.where(
        table["orders_total"] == 1, "once", whole(table["orders_total"]) + " times"
    ).astype(object)
    words = "has ordered " + times + ", last " + days + " ago"
    return np.where(table["orders_total"] > 0, words, "has not ordered yet")


def _rhythm(table: pd.DataFrame) -> np.ndarray:
    usual = "usually comes every " + counted(table["mean_gap_days"].clip(lower=1), "day", "days")
    return np.where(table["mean_gap_days"] < LONG_AGO_DAYS, usual, "has no usual gap yet")


def _lately(table: pd.DataFrame) -> np.ndarray:
    orders = np.where(
        table["orders_90d"] == 0, "no order", counted(table["orders_90d"], "order", "orders")
    )
    return orders.astype(object) + " in the last 90 days"


def _visits(table: pd.DataFrame) -> np.ndarray:
    days = counted(table["days_since_last_visit"], "day", "days")
    words = "visited last " + days + " ago, on " + counted(table["visit_days_30d"], "day", "days")
    seen = table["days_since_last_visit"] < LONG_AGO_DAYS
    return np.where(seen, words + " of the last 30", "has not visited in a year")


def _looked(table: pd.DataFrame) -> np.ndarray:
    views = counted(table["product_views_30d"], "product view", "product views")
    return views + " in the last 30 days, " + whole(table["product_views_7d"]) + " of them in 7"


def _carts(table: pd.DataFrame) -> np.ndarray:
    added = counted(table["cart_adds_30d"], "product", "products")
    left = np.where(
        table["days_since_cart_left"] < LONG_AGO_DAYS,
        "; left a cart " + counted(table["days_since_cart_left"], "day", "days") + " ago",
        "",
    ).astype(object)
    return "put " + added + " in the cart in the last 30 days" + left


def _messages(table: pd.DataFrame) -> np.ndarray:
    opened = counted(table["emails_opened_30d"], "e-mail", "e-mails")
    clicked = counted(table["emails_clicked_30d"], "link", "links")
    return "opened " + opened + " and followed " + clicked + " in the last 30 days"


FAMILIES = (
    Family(
        "orders", ("days_since_last_order", "orders_total", "has_bought", "tenure_days"),
        "orders_total", _orders,
    ),
    Family("rhythm", ("mean_gap_days", "pace_ratio"), "mean_gap_days", _rhythm),
    Family("lately", ("orders_30d", "orders_90d", "orders_365d"), "orders_90d", _lately),
    Family(
        "visits", ("days_since_last_visit", "visit_days_30d"), "days_since_last_visit", _visits
    ),
    Family(
        "views", ("product_views_7d", "product_views_30d", "searches_30d"),
        "product_views_30d", _looked,
    ),
    Family(
        "carts",
        ("cart_adds_7d", "cart_adds_30d", "checkouts_30d", "carts_left_30d",
         "days_since_cart_left"),
        "cart_adds_30d", _carts,
    ),
    Family(
        "messages",
        ("emails_sent_7d", "emails_opened_30d", "emails_clicked_30d", "days_since_last_click"),
        "emails_clicked_30d", _messages,
    ),
)  # fmt: skip
