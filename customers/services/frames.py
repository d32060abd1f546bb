"""Bring facts from PostgreSQL into frames, by COPY, once a run.  Writes nothing."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
from django.db import connection, transaction

from customers.features.facts import KINDS, Facts
from customers.features.facts import facts as sorted_facts
from customers.models import Product
from customers.services import doings, wire
from customers.services.wire import Column

FIRST_ROWS = 1_000  # among them is one that no later correction has touched
CUSTOMERS_BY_INDEX = 10_000  # up to so many the index is quicker than the whole table
EVENTS_DAYS = 800  # a year of snapshots, and what the first of them looks back to

ORDERS = (
    Column("customer_id", "int8send", "f.customer_id"),
    Column("order_id", "int8send", "f.id"),
    Column("placed_at", "timestamptz_send", "f.happened_at"),
    Column("recorded_at", "timestamptz_send", "f.recorded_at"),
    Column("amount", "float8send", "f.total::float8"),
    Column("discount", "float8send", "f.discount::float8"),
    Column(
        "kind",
        "int2send",
        "(CASE WHEN f.kind = 'refund' THEN 1 WHEN f.status = 'refunded' THEN 2 ELSE 0 END)::int2",
    ),
)
LINES = (
    Column("order_id", "int8send", "f.order_id"),
    Column("product_id", "int8send", "f.product_id"),
    Column("quantity", "int4send", "f.quantity"),
    Column("recorded_at", "timestamptz_send", "f.recorded_at"),
    Column("discount", "float8send", "f.discount::float8"),
)

WORDS = {"kind": KINDS}
GROUP_COLUMNS = ("country", "language", "age_band", "gender", "time_zone")
GROUPS = """
    SELECT customer_id, country, language,
        CASE WHEN age IS NULL OR age NOT BETWEEN 0 AND 120 THEN '' WHEN age < 18 THEN 'under 18'
            WHEN age < 25 THEN '18–24' WHEN age < 35 THEN '25–34' WHEN age < 45 THEN '35–44'
            WHEN age < 55 THEN '45–54' WHEN age < 65 THEN '55–64' ELSE '65+' END,
        CASE WHEN said IN ('f', 'female', 'woman', 'w') THEN 'female'
            WHEN said IN ('m', 'male', 'man') THEN 'male'
            WHEN said = '' THEN '' ELSE 'other' END,
        time_zone
    FROM (
        SELECT id AS customer_id, country, language, time_zone, happened_at, recorded_at,
            erased_at,
            extract(year FROM age((%(known_at)s AT TIME ZONE 'UTC')::date, birth_date)) AS age,
            lower(btrim(coalesce(traits->>'gender', traits->>'sex', ''))) AS said
        FROM customers_customer) c
    WHERE happened_at < %(known_at)s AND recorded_at < %(known_at)s AND erased_at IS NULL
"""


def facts(
    *,
    known_at: datetime,
    customer_ids: Sequence[int] | None = None,
    trust_import: bool = True,
    with_events: bool = False,
    events_days: int = EVENTS_DAYS,
) -> Facts:
    """Load and sort all that features are computed from; arguments as of `orders_frame`.

    One load serves every snapshot up to ``known_at``. For everybody, two connections read parts of
    the tables under one snapshot of the database. Inside a transaction, and for given customers,
    all is read on this connection.

    ``with_events`` brings events, reviews and goods along; events of the last ``events_days``
    days, which must reach `LOOK_BACK_DAYS` behind the first snapshot.
    """
    given: dict[str, Any] = {"known_at": known_at, "trust_import": trust_import}
    since = known_at - timedelta(days=events_days)
    if customer_ids is not None or connection.in_atomic_block:
        given["customer_ids"] = customer_ids
        found = sorted_facts(orders_frame(**given)).with_lines(order_lines_frame(**given))
        if not with_events:
            return found
        found = found.with_events(doings.events_frame(**given, since=since), since=since)
        bought = None
        if customer_ids is not None and len(customer_ids) <= CUSTOMERS_BY_INDEX:
            bought = np.unique(found.lines.product).tolist()
        goods = doings.goods_frame(bought)
        return found.with_reviews(doings.reviews_frame(**given)).with_goods(goods)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        read = wire.side_by_side(
            _lines(known_at, trust_import=trust_import),
            _orders(known_at, trust_import=trust_import),
        )
        # Each is let go once it is a frame: of ten million orders it is half a gigabyte.
        found = sorted_facts(wire.frame(read.pop(), WORDS)).with_lines(
            wire.frame(read.pop(), WORDS)
        )
        if with_events:
            reviews = doings.reviews(known_at, trust_import=trust_import)
            events = doings.events(known_at, since=since, trust_import=trust_import)
            read = wire.side_by_side(reviews, events)
            found = found.with_events(wire.frame(read.pop()), since=since)
            found = found.with_reviews(wire.frame(read.pop())).with_goods(doings.goods_frame())
    return found


def orders_frame(
    *, known_at: datetime, customer_ids: Sequence[int] | None = None, trust_import: bool = True
) -> pd.DataFrame:
    """Load what customers bought and gave back, as far as it was known at ``known_at``.

    Guests, cancelled orders and adjustments are left out.

    Parameters
    ----------
    known_at : datetime
        Aware; only facts that happened and were recorded before it.
    customer_ids : sequence of int, optional
        Only these customers; the same query, hence the same numbers.
    trust_import : bool
        Mark orders from before their source was connected as ``is_backfill``: imported later,
        they count as known since they happened (decision 2).

    Returns
    -------
    DataFrame of shape (n_orders, 8), in no particular order
        ``customer_id``, ``order_id``, ``placed_at`` and ``recorded_at`` in UTC, ``amount`` paid,
        ``discount`` already taken off it, ``kind`` (*sale*, *refund*, *refunded*),
        ``is_backfill``.
    """
    query = _orders(known_at, trust_import=trust_import)
    if customer_ids is None:
        return wire.frame(query.copy(), WORDS)
    ids = list(customer_ids)
    if len(ids) > CUSTOMERS_BY_INDEX:
        frame = wire.frame(query.copy(), WORDS)
        return frame[np.isin(frame["customer_id"].to_numpy(), ids)].reset_index(drop=True)
    query.where.append("f.customer_id = ANY(%(ids)s)")
    query.params["ids"] = ids
    return wire.frame(query.copy(by_index=True), WORDS)


def _orders(known_at: datetime, *, trust_import: bool) -> wire.Query:
    trusted, params = _before_connection() if trust_import else ("false", {})
    return wire.Query(
        "customers_order",
        (*ORDERS, Column("is_backfill", "boolsend", f"({trusted})")),
        [
            "f.customer_id IS NOT NULL AND f.kind <> 'adjustment' AND f.status <> 'cancelled'",
            f"f.happened_at < %(known_at)s AND (f.recorded_at < %(known_at)s OR {trusted})",
        ],
        {**params, "known_at": known_at},
    )


def order_lines_frame(
    *, known_at: datetime, customer_ids: Sequence[int] | None = None, trust_import: bool = True
) -> pd.DataFrame:
    """Load the lines of goods that were sold; arguments as of `orders_frame`.

    Returns
    -------
    DataFrame of shape (n_lines, 5), in no particular order
        ``order_id``, ``product_id``, ``quantity`` above 0, ``recorded_at`` in UTC, ``discount`` of
        the whole line. For more than
        ``CUSTOMERS_BY_INDEX`` customers there are lines of others among them, and with
        ``trust_import`` lines recorded later: features look only at what their orders and
        ``as_of`` allow.
    """
    query = _lines(known_at, trust_import=trust_import)
    if customer_ids is None or len(customer_ids) > CUSTOMERS_BY_INDEX:
        return wire.frame(query.copy(), WORDS)
    query.where.append(
        "f.order_id IN (SELECT id FROM customers_order WHERE customer_id = ANY(%(ids)s))"
    )
    query.params["ids"] = list(customer_ids)
    return wire.frame(query.copy(by_index=True), WORDS)


def _lines(known_at: datetime, *, trust_import: bool) -> wire.Query:
    query = wire.Query(
        "customers_orderline",
        LINES,
        ["f.quantity > 0 AND f.happened_at < %(known_at)s"],
        {"known_at": known_at},
    )
    if not trust_import:
        query.where.append("f.recorded_at < %(known_at)s")
    other = list(Product.objects.exclude(kind=Product.Kind.GOODS).values_list("pk", flat=True))
    if other:
        query.where.append("f.product_id <> ALL(%(other)s)")
        query.params["other"] = other
    return query


def groups_frame(known_at: datetime, customer_ids: Sequence[int] | None = None) -> pd.DataFrame:
    """Load which groups customers belong to, for judging models by group; erased ones are not in.

    It says how customers are described now: their country of last year is not kept.

    Parameters
    ----------
    known_at : datetime
        Aware; only customers known before it. Ages are of this day.
    customer_ids : sequence of int, optional
        Only these customers.

    Returns
    -------
    DataFrame of shape (n_customers, 5), indexed by ``customer_id``, ascending
        Categories, empty where unknown: ``country`` (ISO 3166-1), ``language`` (BCP 47),
        ``age_band`` (*under 18*, *18–24* … *65+*), ``gender`` (*female*, *male*, *other*) and
        ``time_zone`` (IANA; empty is the shop's).
    """
    found = wire.text(
        GROUPS,
        {"customer_id": "int64", **dict.fromkeys(GROUP_COLUMNS, "category")},
        known_at=known_at,
        customer_ids=customer_ids,
    )
    return found.set_index("customer_id").sort_index()


def _before_connection() -> tuple[str, dict[str, Any]]:
    """SQL that is true of orders placed before we first heard of their source."""
    with connection.cursor() as cursor:
        # One index probe a source: SELECT DISTINCT would read the whole table.
        cursor.execute(
            """
            WITH RECURSIVE known(source) AS (
                (SELECT source FROM customers_order ORDER BY source LIMIT 1)
                UNION ALL
                SELECT (SELECT source FROM customers_order o WHERE o.source > known.source
                        ORDER BY source LIMIT 1)
                FROM known WHERE known.source IS NOT NULL)
            SELECT source, (
                SELECT min(recorded_at) FROM (
                    SELECT recorded_at FROM customers_order o WHERE o.source = known.source
                    ORDER BY id LIMIT %s) first_rows)
            FROM known WHERE source IS NOT NULL
            """,
            [FIRST_ROWS],
        )
        found = cursor.fetchall()
    if not found:
        return "false", {}
    params: dict[str, Any] = {}
    cases = []
    for number, (source, heard_at) in enumerate(found):
        params |= {f"source{number}": source, f"heard{number}": heard_at}
        cases.append(f"WHEN %(source{number})s THEN %(heard{number})s::timestamptz")
    if len(found) == 1:
        return "f.happened_at < %(heard0)s::timestamptz", params
    return f"f.happened_at < CASE f.source {' '.join(cases)} END", params
