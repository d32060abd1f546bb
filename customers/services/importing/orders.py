"""Merge orders: rows of a file are lines, an order is all the rows with one order id.

A line is known by its position, which is its row's place within the order over the whole file
unless the file has positions.  Without them an order comes whole: lines beyond its last are gone.
"""

from django.db import transaction

from customers.services.importing import people
from customers.services.importing.counts import Counts, update
from customers.services.importing.staging import Stage

TOTAL_MAX = 10_000_000_000  # numeric(14,4)
GATHER = """
    SELECT order_id, min(place) AS place, max(place) AS last_place, count(*) AS rows,
        count(*) FILTER (WHERE NOT is_bad) AS good_rows, count(position) AS positions,
        min(place) FILTER (WHERE NOT is_bad) AS header_place,
        max(customer_id) AS customer_id, max(order_discount) AS discount,
        sum(quantity * unit_price - coalesce(line_discount, 0)) AS goods,
        min(happened_at) AS happened_at, min(recorded_at) AS recorded_at
    FROM {facts} GROUP BY order_id ORDER BY 2
"""
UNKNOWN_PRODUCTS = """
    SELECT d.product_id FROM (SELECT DISTINCT product_id FROM {facts} WHERE NOT is_bad) d
    WHERE d.product_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM customers_product p
        WHERE p.source = %(source)s AND p.external_id = d.product_id)
"""
ADD_PRODUCTS = """
    INSERT INTO customers_product (source, external_id, name, kind, category, brand, currency, url,
        image_url, is_available, properties, happened_at, recorded_at)
    SELECT %(source)s, f.product_id, coalesce({name}, ''), coalesce({kind}, 'goods'), '', '', '',
        '', '', true, '{}', min(f.happened_at), %(now)s
    FROM {facts} f WHERE f.product_id IN (SELECT product_id FROM unknown_products)
    GROUP BY f.product_id
"""
# Corrections of stock come with a price of 0 and a note for a title, so they name no product.
NAME = """
    (array_agg(f.title ORDER BY f.unit_price > 0 DESC, f.happened_at DESC, length(f.title) DESC,
        f.title) FILTER (WHERE f.title IS NOT NULL))[1]
"""
# An order's own fields are those of its first row, its customer the one that any row names.
HEADS = """
    SELECT o.order_id, o.place, o.rows, o.good_rows, i.customer_id, h.kind, h.status, h.currency,
        h.coupon_code, h.country, h.properties, o.discount, o.goods, o.happened_at, o.recorded_at,
        o.positions > 0 AS has_positions, o.positions > 0 OR o.good_rows < o.rows AS is_partial
    FROM {orders} o JOIN {facts} h ON h.place = o.header_place
    LEFT JOIN customers_identity i
        ON i.source = %(source)s AND i.kind = 'external' AND i.value = o.customer_id
    ORDER BY o.place
"""
CHUNK = """
    SELECT h.*, x.id IS NOT NULL AS is_known, x.customer_id AS previous_id,
        coalesce(x.id, nextval('customers_order_id_seq')) AS id
    FROM {heads} h
    LEFT JOIN customers_order x ON x.source = %(source)s AND x.external_id = h.order_id
    WHERE h.place >= %(start)s AND h.place < %(end)s ORDER BY h.place
"""
ADD_ORDERS = """
    INSERT INTO customers_order (id, source, external_id, customer_id, kind, status, total,
        discount, currency, coupon_code, country, properties, happened_at, recorded_at)
    SELECT id, %(source)s, order_id, customer_id, coalesce(kind, 'sale'), coalesce(status, 'paid'),
        goods - coalesce(discount, 0), coalesce(discount, 0), currency, coalesce(coupon_code, ''),
        coalesce(country, ''), coalesce(properties, '{}'), happened_at,
        coalesce(recorded_at, %(now)s)
    FROM chunk_orders WHERE NOT is_known
"""
CHANGE_ORDERS = (
    update(
        "customers_order",
        {
            **{name: f"o.{name}" for name in ("customer_id", "kind", "status", "currency")},
            **{name: f"o.{name}" for name in ("discount", "coupon_code", "country")},
            "properties": "t.properties || o.properties",
            "happened_at": "CASE WHEN o.is_partial THEN least(t.happened_at, o.happened_at)"
            " ELSE o.happened_at END",
            "recorded_at": "o.recorded_at",
            "total": "CASE WHEN o.is_partial THEN (SELECT sum(l.quantity * l.unit_price"
            " - l.discount) FROM customers_orderline l WHERE l.order_id = t.id)"
            " - coalesce(o.discount, t.discount)"
            " ELSE o.goods - coalesce(o.discount, t.discount) END",
        },
        rows="chunk_orders o",
        match="o.is_known AND t.id = o.id",
    )
    + " RETURNING t.id"
)
POSITION = "coalesce(f.position, f.place - o.place + 1)"
LINES = f"""
    INSERT INTO customers_orderline AS t (order_id, position, product_id, title, quantity,
        unit_price, discount, happened_at, recorded_at)
    SELECT o.id, {POSITION}, p.id, coalesce(f.title, ''), f.quantity, f.unit_price,
        coalesce(f.line_discount, 0), f.happened_at, coalesce(f.recorded_at, %(now)s)
    FROM {{facts}} f JOIN chunk_orders o ON o.order_id = f.order_id
    JOIN customers_product p ON p.source = %(source)s AND p.external_id = f.product_id
    {{old}}
    WHERE f.place >= %(start)s AND f.place < %(end)s AND NOT f.is_bad
"""
ADD_LINES = LINES.replace("{old}", "")
# A conflict locks its row, which writes a page: lines that are as they were never come so far.
CHANGE_LINES = (
    LINES.replace(
        "{old}",
        f"LEFT JOIN customers_orderline l ON l.order_id = o.id AND l.position = {POSITION}",
    )
    + """
    AND o.is_known AND (l.id IS NULL
        OR (l.product_id, l.title, l.quantity, l.unit_price, l.discount, l.happened_at)
        IS DISTINCT FROM (p.id, coalesce(f.title, ''), f.quantity, f.unit_price,
        coalesce(f.line_discount, 0), f.happened_at))
    ON CONFLICT (order_id, position) DO UPDATE SET product_id = EXCLUDED.product_id,
        title = EXCLUDED.title, quantity = EXCLUDED.quantity, unit_price = EXCLUDED.unit_price,
        discount = EXCLUDED.discount, happened_at = EXCLUDED.happened_at
    RETURNING order_id, xmax = 0
"""
)
DROP_LINES = """
    DELETE FROM customers_orderline l USING chunk_orders o
    WHERE l.order_id = o.id AND o.is_known AND NOT o.has_positions AND l.position > o.rows
    RETURNING l.order_id
"""


def judge(stage: Stage) -> None:
    """Gather rows into orders; leave out what contradicts itself or does not fit."""
    has_positions = stage.shape.has("position") and stage.rows(
        "SELECT 1 FROM {facts} WHERE position IS NOT NULL LIMIT 1"
    )
    if has_positions:
        stage.leave_out(
            "SELECT place, 'position', '', 'is empty, and other rows of the order have one'"
            " FROM {facts} WHERE position IS NULL AND NOT is_bad AND order_id IN"
            " (SELECT order_id FROM {facts} WHERE position IS NOT NULL)"
        )
        stage.keep_last("order_id", "position")
    _gather(stage)
    left_out = stage.leave_out(
        "SELECT f.place, 'order_id', f.order_id,"
        " 'has a total of ' || round(o.goods) || ', more than 10 digits'"
        " FROM {orders} o JOIN {facts} f USING (order_id)"
        f" WHERE abs(o.goods - coalesce(o.discount, 0)) >= {TOTAL_MAX}"
    )
    if _join_scattered(stage) or left_out:
        stage.analyze("facts")
        _gather(stage)


def _gather(stage: Stage) -> None:
    stage.run("DROP TABLE IF EXISTS {orders}")
    stage.run(f"{stage.table()} {{orders}} AS {GATHER}")
    stage.analyze("orders")


def _join_scattered(stage: Stage) -> int:
    """Move the rows of orders that are not in one run to the end, so that each is in one run."""
    if not stage.rows("SELECT 1 FROM {orders} WHERE last_place - place + 1 <> rows LIMIT 1"):
        return 0
    return stage.run(
        "UPDATE {facts} t SET place = m.place FROM ("
        "SELECT f.place AS old, (SELECT max(place) FROM {facts})"
        " + row_number() OVER (ORDER BY o.place, f.place) AS place"
        " FROM {orders} o JOIN {facts} f USING (order_id)"
        " WHERE o.last_place - o.place + 1 <> o.rows) m WHERE t.place = m.old"
    )


def prepare(stage: Stage) -> None:
    """Create the customers and products that are named here first."""
    people.introduce(
        stage,
        "SELECT customer_id AS ref, min(happened_at) AS happened_at FROM {orders} GROUP BY 1",
    )
    introduce_products(stage, name=NAME, kind="max(f.product_kind)")
    stage.run("DROP TABLE IF EXISTS {heads}")
    stage.run(f"{stage.table()} {{heads}} AS {HEADS}")
    stage.analyze("heads")


def introduce_products(stage: Stage, *, name: str = "NULL", kind: str = "NULL") -> None:
    """Create the products that facts name and nobody has told us of; the rest is SQL for them."""
    with transaction.atomic():
        stage.run("DROP TABLE IF EXISTS unknown_products")
        if stage.run(f"CREATE TEMP TABLE unknown_products AS {UNKNOWN_PRODUCTS}"):
            added = stage.run(ADD_PRODUCTS.replace("{name}", name).replace("{kind}", kind))
            if added > people.ANALYZED_ABOVE:
                stage.run("ANALYZE customers_product (source, external_id)")
        stage.run("DROP TABLE unknown_products")


def merge(stage: Stage, start: int, end: int) -> Counts:
    """Write the orders that begin in this range of places, all of whose rows lie in it."""
    span = {"start": start, "end": end}
    stage.run("DROP TABLE IF EXISTS chunk_orders")
    stage.run(f"CREATE TEMP TABLE chunk_orders AS {CHUNK}", **span)
    stage.run("ANALYZE chunk_orders (order_id)")
    new_orders = stage.run(ADD_ORDERS)
    ((known, rows, new_rows),) = stage.rows(
        "SELECT count(*) FILTER (WHERE is_known), coalesce(sum(good_rows), 0),"
        " coalesce(sum(good_rows) FILTER (WHERE NOT is_known), 0) FROM chunk_orders"
    )
    new_lines = stage.run(f"{ADD_LINES} AND NOT o.is_known" if known else ADD_LINES, **span)
    if new_lines != new_rows:
        raise RuntimeError(f"{new_rows} new lines became {new_lines}: a product is gone meanwhile")
    counts = Counts(rows=int(rows), inserted=new_lines)
    counts.figures = {"orders_new": new_orders, "orders_changed": 0}
    changed = _merge_known(stage, counts, span) if known else set()
    if not stage.touches_many:
        for pair in stage.rows(
            "SELECT DISTINCT customer_id, previous_id FROM chunk_orders"
            " WHERE NOT is_known OR id = ANY(%(changed)s::bigint[])",
            changed=list(changed),
        ):
            counts.touch(pair)
    stage.run("DROP TABLE chunk_orders")
    return counts


def _merge_known(stage: Stage, counts: Counts, span: dict[str, int]) -> set[int]:
    """Bring orders that are there already up to the file; return those that changed."""
    lines = stage.rows(CHANGE_LINES, **span)
    dropped: list[tuple] = []
    if not stage.rows("SELECT 1 FROM {faults} WHERE field = '' LIMIT 1"):
        dropped = stage.rows(DROP_LINES)  # an unreadable row could be the missing line
    orders = {pk for (pk,) in stage.rows(CHANGE_ORDERS)} | {pk for (pk,) in dropped}
    ((rows,),) = stage.rows(
        "SELECT coalesce(sum(good_rows), 0) FROM chunk_orders WHERE id = ANY(%(ids)s::bigint[])",
        ids=list(orders),
    )
    # A row counts as changed where its line was, or the order that it belongs to.
    elsewhere = sum(not is_new and pk not in orders for pk, is_new in lines)
    counts.changed += int(rows) - sum(is_new and pk in orders for pk, is_new in lines) + elsewhere
    counts.inserted += sum(is_new for _, is_new in lines)
    counts.figures["orders_changed"] = len(orders)
    if dropped:
        counts.figures["lines_removed"] = len(dropped)
    return orders | {pk for pk, _ in lines}
