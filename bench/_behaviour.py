"""Events, reviews and sorted goods for the databases that benchmarks fill."""

import numpy as np
from _events import fill_events
from features import word

EVENTS_EACH = 20  # of a customer
REVIEWED_SHARE = 0.3
CATEGORIES, BRANDS = 12, 40
# What events are called, and which part of all has each name.
NAMES = {
    "Product Viewed": 0.45, "Page Viewed": 0.15, "Product Added": 0.08, "Checkout Started": 0.04,
    "Products Searched": 0.05, "Email Sent": 0.15, "Email Opened": 0.05, "Email Link Clicked": 0.02,
    "Cart Viewed": 0.01,  # no feature asks for it
}  # fmt: skip


def fill_behaviour(customers: int) -> None:
    """Events of every name that features ask for, reviews, and goods in categories."""
    from django.db import connection

    def properties(_rng: np.random.Generator, n: int) -> np.ndarray:
        return word('\x01{"product_id": "p1", "category": "Garden"}', n)

    fill_events(customers, customers * EVENTS_EACH, names=NAMES, properties=properties)
    with connection.cursor() as cursor:
        cursor.execute(REVIEWS, [REVIEWED_SHARE * customers])
        cursor.execute(GOODS, [CATEGORIES, BRANDS])
        cursor.execute("VACUUM (ANALYZE) customers_event, customers_review, customers_product")


REVIEWS = """
    INSERT INTO customers_review (source, external_id, customer_id, rating, title, text,
        happened_at, recorded_at)
    SELECT 'shop', 'r' || o.id, o.customer_id, 1 + o.id %% 5, '', '',
        o.happened_at + interval '5 days', o.happened_at + interval '6 days'
    FROM customers_order o WHERE o.kind = 'sale' ORDER BY o.id LIMIT %s::bigint
"""
GOODS = """
    UPDATE customers_product SET category = 'c' || id %% %s, brand = 'b' || id %% %s
"""
