"""Choose products for each of many people: bought together, and liked in her favourite category.

Reads rows, writes none.  What is popular is the same for everybody and kept for an hour; what she
has bought already is left out.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.core.cache import cache
from django.db import connection

from campaigns.services import documents
from customers.models import Product

PICKED_MOST = 12
CANDIDATES = 40  # of each product and category, before what she has is taken out
ORDERS_LOOKED_AT = 500  # the latest with a product: what it was bought with of late
RECENT = timedelta(days=180)
KEPT_SECONDS = 3_600

Picks = dict[str, list[dict[str, str]]]

# What each of these people bought: the last thing, the category bought most often, and all of it.
BOUGHT = """
    SELECT o.customer_id,
        (array_agg(p.id ORDER BY o.happened_at DESC, l.position))[1] AS last,
        mode() WITHIN GROUP (ORDER BY p.category) FILTER (WHERE p.category <> '') AS category,
        array_agg(DISTINCT p.id) AS has
    FROM customers_order o
    JOIN customers_orderline l ON l.order_id = o.id AND l.quantity > 0
    JOIN customers_product p ON p.id = l.product_id AND p.kind = 'goods'
    WHERE o.customer_id = ANY(%s) AND o.kind = 'sale' AND o.recorded_at <= %s
    GROUP BY o.customer_id"""
TOGETHER = """
    SELECT w.id, array(
        SELECT other.product_id
        FROM (SELECT order_id FROM customers_orderline WHERE product_id = w.id
            ORDER BY happened_at DESC LIMIT %s) one
        JOIN customers_orderline other
            ON other.order_id = one.order_id AND other.product_id <> w.id AND other.quantity > 0
        JOIN customers_product p
            ON p.id = other.product_id AND p.kind = 'goods' AND p.is_available
        GROUP BY other.product_id ORDER BY count(*) DESC, other.product_id LIMIT %s)
    FROM unnest(%s::bigint[]) AS w(id)"""
POPULAR = """
    SELECT w.category, array(
        SELECT p.id FROM customers_product p
        JOIN customers_orderline l
            ON l.product_id = p.id AND l.quantity > 0 AND l.happened_at > %s
        WHERE p.category = w.category AND p.kind = 'goods' AND p.is_available
        GROUP BY p.id ORDER BY count(*) DESC, p.id LIMIT %s)
    FROM unnest(%s::text[]) AS w(category)"""


def picks(customer_ids: Iterable[int], *, now: datetime) -> dict[int, Picks]:
    """The products picked for each of these people, as templates see them: ``picks.bought_with``
    and ``picks.favourite``.  Who has bought nothing gets none.
    """
    with connection.cursor() as cursor:
        cursor.execute(BOUGHT, [list(customer_ids), now])
        bought = cursor.fetchall()
    together = _known("together", {row[1] for row in bought}, TOGETHER, [ORDERS_LOOKED_AT])
    popular = _known("popular", {row[2] for row in bought if row[2]}, POPULAR, [now - RECENT])
    wanted = {
        customer_id: {
            "bought_with": _without(together.get(last, []), has),
            "favourite": _without(popular.get(category, []), has),
        }
        for customer_id, last, category, has in bought
    }
    shown = _items({pk for lists in wanted.values() for ids in lists.values() for pk in ids})
    return {
        customer_id: {name: [shown[pk] for pk in ids if pk in shown] for name, ids in lists.items()}
        for customer_id, lists in wanted.items()
    }


def _known(kind: str, names: set, statement: str, before: list[Any]) -> dict[Any, list[int]]:
    """The candidates of each name, from the cache or else from the facts."""
    keys = {f"picks:{kind}:{_key(name)}": name for name in names}
    found = {keys[key]: ids for key, ids in cache.get_many(keys).items()}
    if missing := [name for name in names if name not in found]:
        with connection.cursor() as cursor:
            cursor.execute(statement, [*before, CANDIDATES, missing])
            new = dict(cursor.fetchall())
        cache.set_many({f"picks:{kind}:{_key(name)}": new[name] for name in new}, KEPT_SECONDS)
        found |= new
    return found


def _key(name: Any) -> str:
    """A name that a cache takes: a category may hold anything."""
    return str(name).encode().hex()


def _without(candidates: list[int], has: list[int]) -> list[int]:
    owned = set(has)
    return [pk for pk in candidates if pk not in owned][:PICKED_MOST]


def _items(ids: set[int]) -> dict[int, dict[str, str]]:
    found = Product.objects.filter(pk__in=ids, is_available=True) if ids else ()
    return {one.pk: documents.item(one) for one in found}
