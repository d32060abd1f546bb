"""Make orders, products and reviews of what events tell.

An order is known by its source and ``order_id``; everything events say of it comes together in any
order of arrival, and saying it twice changes nothing.  What was told and paid back is kept in the
order's properties under ``tracked``, so that a refund which comes before its order counts too.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from time import monotonic
from typing import Any

from django.db import connection

from customers.collect.commerce import OrderTold, ProductTold, ReviewTold
from customers.services.tracking.rows import as_json
from customers.services.tracking.statements import Statement

SETTLED_SECONDS = 60.0  # so long a product that somebody removed may stay away
SETTLED_MOST = 20_000
_settled: dict[tuple[int, int], tuple[ProductTold, float]] = {}

PRODUCT_TEXTS = ("name", "category", "brand", "currency", "url", "image_url")
KNOWN = Statement(f"""
    SELECT external_id, id, price, {", ".join(PRODUCT_TEXTS)} FROM customers_product
    WHERE source = %s::text AND external_id = ANY(%s::text[])
""")
PRODUCT_ROWS = f"""
    jsonb_to_recordset(%s::jsonb) AS r(external_id text, price numeric, properties jsonb,
        {", ".join(f"{name} text" for name in PRODUCT_TEXTS)})
"""
ADD_PRODUCTS = Statement(f"""
    INSERT INTO customers_product (source, external_id, {", ".join(PRODUCT_TEXTS)}, kind, price,
        is_available, properties, happened_at, recorded_at)
    SELECT %s::text, r.external_id, {", ".join(f"r.{name}" for name in PRODUCT_TEXTS)}, 'goods',
        r.price, true, r.properties, %s::timestamptz, %s::timestamptz
    FROM {PRODUCT_ROWS} ON CONFLICT (source, external_id) DO NOTHING
    RETURNING external_id, id
""")
COMPLETE_PRODUCTS = Statement(f"""
    UPDATE customers_product t SET
        {", ".join(f"{name} = coalesce(nullif(t.{name}, ''), r.{name})" for name in PRODUCT_TEXTS)},
        price = coalesce(t.price, r.price), properties = r.properties || t.properties
    FROM {PRODUCT_ROWS} WHERE t.source = %s::text AND t.external_id = r.external_id
""")
ORDER_ROWS = """
    jsonb_to_recordset(%s::jsonb) AS r(external_id text, customer_id bigint, status text,
        total numeric, discount numeric, currency text, coupon_code text, properties jsonb,
        happened_at timestamptz)
"""
# An order that is there already is locked and read by the same statement, and changed afterwards;
# a new one gets its lines at once.
ADD_ORDERS = Statement(f"""
    WITH stored AS (
        INSERT INTO customers_order AS t (source, external_id, customer_id, kind, status, total,
            discount, currency, coupon_code, country, properties, happened_at, recorded_at)
        SELECT %s::text, r.external_id, r.customer_id, 'sale', r.status, r.total, r.discount,
            r.currency, r.coupon_code, '', r.properties, r.happened_at, %s::timestamptz
        FROM {ORDER_ROWS} ORDER BY r.external_id
        ON CONFLICT (source, external_id) DO UPDATE SET external_id = t.external_id
        RETURNING external_id, id, xmax = 0 AS is_new, customer_id, status, total, discount,
            currency, coupon_code, properties, happened_at
    ), lines AS (
        INSERT INTO customers_orderline (order_id, position, product_id, title, quantity,
            unit_price, discount, happened_at, recorded_at)
        SELECT stored.id, r.position, p.id, r.title, r.quantity, r.unit_price, 0, r.happened_at,
            %s::timestamptz
        FROM jsonb_to_recordset(%s::jsonb) AS r(external_id text, position int, product text,
            title text, quantity int, unit_price numeric, happened_at timestamptz)
        JOIN stored ON stored.external_id = r.external_id AND stored.is_new
        CROSS JOIN LATERAL (
            SELECT id FROM customers_product
            WHERE source = %s::text AND external_id = r.product LIMIT 1
        ) p
        RETURNING order_id
    )
    SELECT (SELECT count(*) FROM lines WHERE order_id = stored.id), * FROM stored
""")
CHANGE_ORDERS = Statement(f"""
    UPDATE customers_order t SET customer_id = r.customer_id, status = r.status, total = r.total,
        discount = r.discount, currency = r.currency, coupon_code = r.coupon_code,
        properties = r.properties, happened_at = r.happened_at
    FROM {ORDER_ROWS} WHERE t.source = %s::text AND t.external_id = r.external_id
        AND (t.customer_id, t.status, t.total, t.discount, t.currency, t.coupon_code, t.properties,
        t.happened_at) IS DISTINCT FROM (r.customer_id, r.status, r.total, r.discount, r.currency,
        r.coupon_code, r.properties, r.happened_at)
""")
DROP_LINES = "DELETE FROM customers_orderline WHERE order_id = ANY(%s)"
ADD_LINES = Statement("""
    INSERT INTO customers_orderline (order_id, position, product_id, title, quantity, unit_price,
        discount, happened_at, recorded_at)
    SELECT r.order_id, r.position, r.product_id, r.title, r.quantity, r.unit_price, 0,
        r.happened_at, %s::timestamptz
    FROM jsonb_to_recordset(%s::jsonb) AS r(order_id bigint, position int, product_id bigint,
        title text, quantity int, unit_price numeric, happened_at timestamptz)
""")
REVIEWS = Statement("""
    INSERT INTO customers_review AS t (source, external_id, customer_id, product_id, rating, title,
        text, happened_at, recorded_at)
    SELECT %s::text, r.external_id, r.customer_id, r.product_id, r.rating, r.title, r.text,
        r.happened_at, %s::timestamptz
    FROM jsonb_to_recordset(%s::jsonb) AS r(external_id text, customer_id bigint,
        product_id bigint, rating int, title text, text text, happened_at timestamptz)
    ORDER BY r.external_id
    ON CONFLICT (source, external_id) DO UPDATE SET
        customer_id = coalesce(EXCLUDED.customer_id, t.customer_id),
        product_id = coalesce(EXCLUDED.product_id, t.product_id),
        rating = coalesce(EXCLUDED.rating, t.rating),
        title = coalesce(nullif(EXCLUDED.title, ''), t.title),
        text = coalesce(nullif(EXCLUDED.text, ''), t.text)
""")


@dataclass
class Order:
    """One order as it is now, and what is being added to it."""

    customer_id: int | None = None
    status: str = "paid"
    total: Decimal = Decimal(0)
    discount: Decimal = Decimal(0)
    currency: str = ""
    coupon_code: str = ""
    properties: dict[str, Any] = field(default_factory=dict)
    happened_at: datetime | None = None

    def add(self, told: OrderTold, customer_id: int | None, message_id: str) -> None:
        """Take in one more event; the same event again changes nothing."""
        tracked = self.properties.get("tracked")
        if tracked is None:
            tracked = self.properties["tracked"] = self._as_imported()
        if self.customer_id is None:
            self.customer_id = customer_id
        self.currency = self.currency or told.currency
        if told.said == "refunded":
            back = None if told.amount is None else str(told.amount)
            tracked.setdefault("refunds", {})[message_id] = back
        elif told.said == "cancelled":
            tracked["is_cancelled"] = True
        else:
            self._tell(told, customer_id, tracked)
        if self.happened_at is None:
            self.happened_at = told.happened_at
        self._settle(tracked)

    def _as_imported(self) -> dict[str, Any]:
        """What is known of an order that came another way."""
        if self.status == "cancelled":
            return {"is_cancelled": True}
        return {"refunds": {"": None}} if self.status == "refunded" else {}

    def _tell(self, told: OrderTold, customer_id: int | None, tracked: dict[str, Any]) -> None:
        """What the shop says the order is; what it said later stands."""
        at = told.happened_at.isoformat()
        if told.said == "completed":
            placed = min(at, tracked.get("placed_at", at))
            tracked["placed_at"] = placed
            self.happened_at = datetime.fromisoformat(placed)
        if at < tracked.get("told_at", ""):
            return
        tracked["told_at"] = at
        if customer_id is not None:
            self.customer_id = customer_id
        if told.amount is not None:
            tracked["revenue"] = str(told.amount)
        if told.discount is not None:
            self.discount = told.discount
        self.currency = told.currency or self.currency
        self.coupon_code = told.coupon_code or self.coupon_code
        self.properties.update(told.properties)
        if told.lines:
            tracked["lines_at"] = at

    def _settle(self, tracked: dict[str, Any]) -> None:
        """Total and status, from all that was told.

        A sale that was given back as a whole keeps its total, which is what its status means.
        """
        revenue = Decimal(tracked.setdefault("revenue", str(self.total)))
        refunds = tracked.get("refunds", {}).values()
        back = sum((Decimal(part) for part in refunds if part is not None), Decimal(0))
        is_whole = any(part is None for part in refunds) or (bool(refunds) and back >= revenue)
        if tracked.get("is_cancelled"):
            self.status, self.total = "cancelled", revenue
        elif is_whole:
            self.status, self.total = "refunded", revenue
        elif tracked.get("placed_at") or tracked.get("told_at") or back:
            self.status, self.total = "paid", revenue - back

    def row(self, external_id: str, currency: str) -> dict[str, Any]:
        return {
            "external_id": external_id,
            "customer_id": self.customer_id,
            "status": self.status,
            "total": self.total,
            "discount": self.discount,
            "currency": self.currency or currency,
            "coupon_code": self.coupon_code,
            "properties": self.properties,
            "happened_at": self.happened_at,
        }


@dataclass(frozen=True, slots=True)
class Saying:
    """What one message says of one order, and whose it is."""

    told: OrderTold
    customer_id: int | None
    message_id: str


def write(
    sayings: Sequence[Saying],
    products: Sequence[ProductTold],
    *,
    source: str,
    key_id: int,
    currency: str,
    now: datetime,
) -> set[int]:
    """Create and change orders with their lines; the customers they are and were of.

    ``products`` are all that these orders tell of, and were written as far as they are not settled.
    """
    if not sayings:
        return set()
    wanted: dict[str, list[Saying]] = {}
    for saying in sayings:
        wanted.setdefault(saying.told.external_id, []).append(saying)
    rows = {key: _merged(Order(), told).row(key, currency) for key, told in wanted.items()}
    lines = {key: _lines(told, rows[key]) for key, told in wanted.items()}
    whole: dict[int, list[dict[str, Any]]] = {}  # by order, lines that have yet to be written
    changed, touched = {}, set()
    with connection.cursor() as cursor:
        told_lines = as_json([line for some in lines.values() for line in some])
        given = [source, now, as_json([*rows.values()]), now, told_lines, source]
        ADD_ORDERS.run(cursor, given)
        for written, key, pk, is_new, *state in cursor.fetchall():
            touched.add(state[0])
            if not is_new:
                known = Order(*state)
                if isinstance(known.properties, str):  # Django leaves jsonb to its own fields
                    known.properties = json.loads(known.properties)
                rows[key] = changed[key] = _merged(known, wanted[key]).row(key, currency)
                touched.add(rows[key]["customer_id"])
                whole[pk] = _lines(wanted[key], rows[key])
            elif written < len(lines[key]):  # a settled product was removed
                whole[pk] = lines[key]
        if changed:
            CHANGE_ORDERS.run(cursor, [as_json([*changed.values()]), source])
    if any(whole.values()):
        ids = write_products(products, source=source, key_id=key_id, now=now)
        _replace_lines(whole, ids, now=now)
    return {pk for pk in touched if pk is not None}


def _merged(order: Order, sayings: Iterable[Saying]) -> Order:
    for saying in sayings:
        order.add(saying.told, saying.customer_id, saying.message_id)
    return order


def _lines(sayings: Sequence[Saying], row: dict[str, Any]) -> list[dict[str, Any]]:
    """Lines come whole: those of the last event that tells any replace all others."""
    with_lines = [saying.told for saying in sayings if saying.told.lines]
    if not with_lines:
        return []
    last = max(with_lines, key=lambda told: told.happened_at)
    if row["properties"]["tracked"].get("lines_at") != last.happened_at.isoformat():
        return []  # told later already
    return [
        {
            "external_id": row["external_id"],
            "position": position,
            "product": line.product_id,
            "title": line.title,
            "quantity": line.quantity,
            "unit_price": line.unit_price,
            "happened_at": last.happened_at,
        }
        for position, line in enumerate(last.lines or (), start=1)
    ]


def _replace_lines(
    whole: dict[int, list[dict[str, Any]]], products: dict[str, int], *, now: datetime
) -> None:
    rows = [
        {**line, "order_id": pk, "product_id": products[line["product"]]}
        for pk, lines in whole.items()
        for line in lines
    ]
    with connection.cursor() as cursor:
        cursor.execute(DROP_LINES, [sorted({row["order_id"] for row in rows})])
        ADD_LINES.run(cursor, [now, as_json(rows)])


def is_settled(product: ProductTold, key_id: int) -> bool:
    """Whether this process saw lately that this very telling adds nothing to the product."""
    found, until = _settled.get((key_id, id(product)), (None, 0.0))
    return found is product and monotonic() < until


def write_products(
    told: Sequence[ProductTold], *, source: str, key_id: int, now: datetime
) -> dict[str, int]:
    """Create the products that nobody has told us of, complete the others, return all their ids."""
    if not told:
        return {}
    wanted: dict[str, dict[str, Any]] = {}
    for product in told:
        row = wanted.setdefault(
            product.external_id,
            {"external_id": product.external_id, "price": None, "properties": {}},
        )
        for name in PRODUCT_TEXTS:
            row[name] = row.get(name) or getattr(product, name)
        row["price"] = product.price if row["price"] is None else row["price"]
        row["properties"] = {**product.properties, **row["properties"]}
    with connection.cursor() as cursor:
        KNOWN.run(cursor, [source, list(wanted)])
        known = {key: (pk, values) for key, pk, *values in cursor.fetchall()}
        ids = {key: pk for key, (pk, _) in known.items()}
        new = [wanted[key] for key in sorted(wanted.keys() - known.keys())]
        if new:
            ADD_PRODUCTS.run(cursor, [source, now, now, as_json(new)])
            ids.update(cursor.fetchall())
            if len(ids) < len(wanted):  # somebody else created one meanwhile
                KNOWN.run(cursor, [source, list(wanted)])
                ids = {key: pk for key, pk, *_ in cursor.fetchall()}
        partial = {
            key: wanted[key]
            for key, (_, values) in sorted(known.items())
            if any(
                not old and wanted[key][name] not in ("", None)
                for name, old in zip(("price", *PRODUCT_TEXTS), values, strict=True)
            )
        }
        if partial:
            COMPLETE_PRODUCTS.run(cursor, [as_json([*partial.values()]), source])
    if len(_settled) > SETTLED_MOST:
        _settled.clear()
    until = monotonic() + SETTLED_SECONDS
    for product in told:  # only what was committed before us: we may yet roll back
        if product.external_id in known and product.external_id not in partial:
            _settled[key_id, id(product)] = product, until
    return ids


def write_reviews(
    told: Sequence[tuple[ReviewTold, int | None, datetime]],
    products: dict[str, int],
    *,
    source: str,
    now: datetime,
) -> None:
    """Create reviews; one that is there already takes what is told anew."""
    if not told:
        return
    rows = {
        review.external_id: {
            "external_id": review.external_id,
            "customer_id": customer_id,
            "product_id": products.get(review.product_id),
            "rating": review.rating,
            "title": review.title,
            "text": review.text,
            "happened_at": happened_at,
        }
        for review, customer_id, happened_at in told
    }
    with connection.cursor() as cursor:
        REVIEWS.run(cursor, [source, now, as_json([*rows.values()])])
