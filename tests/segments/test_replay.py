"""A real shop's year told again in order of time: real time and a full rebuild never differ.

Every fiftieth customer of the public Online Retail file, swept every second simulated day;
``RAPPORT_LONG=1`` takes all customers and sweeps every hour.
"""

import os
import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from django.db import connection

from customers.collect.online_retail import COUNTRIES
from segments.models import Membership, Segment
from segments.rules.columns import NEVER
from segments.services import definitions, everybody, membership, mirror, segments, sweeping

IS_LONG = bool(os.environ.get("RAPPORT_LONG"))
EVERY = 1 if IS_LONG else 50  # customers
STEP = timedelta(hours=1) if IS_LONG else timedelta(days=2)
MOMENTS = 12
CATEGORIES = ("Garden", "Kitchen", "Paper", "Toys")

COUNT = {"type": "orders", "measure": "count", "op": ">=", "value": 2}
GARDEN = {"filter": {"category": ["Garden"]}}
VIEWED = {"type": "events", "names": ["Product Viewed"], "op": ">=", "value": 1}
RULES: list[dict] = [
    {**COUNT, "window_days": 7},
    {**COUNT, "op": "between", "value": [1, 2], "window_days": 45},
    {"type": "orders", "measure": "revenue", "op": ">", "value": 500, "window_days": 90},
    {"type": "orders", "measure": "average", "op": "<", "value": 200, "window_days": 120},
    {"type": "orders", "measure": "last", "op": "more_than_days_ago", "value": 20},
    {**COUNT, "value": 1, "window_days": 60, **GARDEN},
    {"type": "and", "of": [VIEWED, {"type": "not", "of": {**COUNT, "value": 1, **GARDEN}}]},
    {
        "type": "sequence",
        "names": ["Product Added"],
        "window_days": 3,
        "at_least_minutes_ago": 60,
        "unless_order": True,
    },
]


def story(folder) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The orders in order of time, and their lines; categories are invented from the codes."""
    rows = pd.read_csv(
        folder / "online_retail" / "online_retail.csv.gz",
        dtype={"InvoiceNo": str, "StockCode": str},
        parse_dates=["InvoiceDate"],
    ).dropna(subset=["CustomerID"])
    rows["CustomerID"] = rows["CustomerID"].astype(int)
    rows = rows[(rows["CustomerID"] % EVERY == 0) & (rows["UnitPrice"] > 0)]
    rows["amount"] = (rows["Quantity"] * rows["UnitPrice"]).round(2)
    rows["product"] = [sum(code.encode()) % len(CATEGORIES) for code in rows["StockCode"]]
    lines = rows.groupby(["InvoiceNo", "product"])["amount"].sum().round(2).reset_index()
    orders = rows.groupby("InvoiceNo").agg(
        at=("InvoiceDate", "min"), customer=("CustomerID", "first"), country=("Country", "first")
    )
    orders["total"] = lines.groupby("InvoiceNo")["amount"].sum().round(2)
    return orders.sort_values(["at", "customer"]).reset_index(), lines


def write_people(orders: pd.DataFrame) -> None:
    """Customers become known with their first order; products were always there."""
    first = orders.groupby("customer").agg(at=("at", "min"), country=("country", "first"))
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO customers_customer (id, source, email, first_name, last_name, language,"
            " time_zone, country, traits, happened_at, recorded_at, changed_at)"
            " SELECT id, 'shop', id || '@example.com', '', '', 'en', '', country, '{}', at, at, at"
            " FROM unnest(%s::bigint[], %s::text[], %s::timestamptz[]) c (id, country, at)",
            [
                first.index.tolist(),
                [COUNTRIES.get(one, "") for one in first["country"]],
                [one.replace(tzinfo=UTC) for one in first["at"].dt.to_pydatetime()],
            ],
        )
        cursor.execute(
            "INSERT INTO customers_product (id, source, external_id, name, kind, category, brand,"
            " price, currency, url, image_url, is_available, properties, happened_at, recorded_at)"
            " SELECT n, 'shop', n, category, 'goods', category, '', 1, 'GBP', '', '', true, '{}',"
            " '2000-01-01', '2000-01-01'"
            " FROM unnest(%s::text[]) WITH ORDINALITY p (category, n)",
            [list(CATEGORIES)],
        )


def write(chunk: pd.DataFrame, lines: dict[str, list[tuple]], at: datetime) -> None:
    """The orders of one minute with their lines, and a cart or a look that came with them."""
    with connection.cursor() as cursor:
        for row in chunk.itertuples():
            kind = "refund" if row.InvoiceNo.startswith("C") else "sale"
            cursor.execute(
                "WITH made AS (INSERT INTO customers_order (source, external_id, customer_id, kind,"
                " status, total, discount, currency, coupon_code, country, properties,"
                " happened_at, recorded_at) VALUES ('shop', %s, %s, %s, 'paid', %s, 0, 'GBP', '',"
                " '', '{}', %s, %s) RETURNING id)"
                " INSERT INTO customers_orderline (order_id, position, product_id, title, quantity,"
                " unit_price, discount, happened_at, recorded_at)"
                " SELECT made.id, l.n, l.product, '', 1, l.amount, 0, %s, %s"
                " FROM made, unnest(%s::int[], %s::numeric[])"
                " WITH ORDINALITY l (product, amount, n)",
                [
                    row.InvoiceNo, row.customer, kind, row.total, at, at, at, at,
                    [1 + product for product, _ in lines[row.InvoiceNo]],
                    [amount for _, amount in lines[row.InvoiceNo]],
                ],
            )  # fmt: skip
            name = ("Product Added", "Product Viewed", "Page Viewed")[int(row.total * 100) % 3]
            cursor.execute(
                "INSERT INTO customers_event (source, message_id, customer_id, anonymous_id, name,"
                " properties, happened_at, recorded_at)"
                " VALUES ('web', %s, %s, '', %s, '{}', %s, %s)",
                [row.InvoiceNo, row.customer, name, at + timedelta(seconds=1), at],
            )


def minutes(orders: pd.DataFrame) -> Iterator[tuple[datetime, pd.DataFrame]]:
    for at, chunk in orders.groupby("at", sort=True):
        yield at.to_pydatetime().replace(tzinfo=UTC), chunk  # type: ignore[attr-defined]


def check(now: datetime) -> int:
    """Hold the stored memberships against a rebuild at this moment; returns how many there are."""
    readable = definitions.load().readable
    found = mirror.verdicts({one.segment_id: one.rule for one in readable}, now)
    differing = everybody.differences(found, counts_due=True)
    keys = {one.segment_id: one.key for one in readable}
    assert {keys[pk]: ids.tolist() for pk, ids in differing.entered.items()} == {}, now
    assert {keys[pk]: ids.tolist() for pk, ids in differing.exited.items()} == {}, now
    moment = np.datetime64(now.replace(tzinfo=None), "us").astype(np.int64)
    known = np.isin(differing.late, found.customer_ids[found.due > moment])
    assert not (known & (differing.late_due != NEVER)).any()
    return Membership.objects.count()


@pytest.mark.django_db(transaction=IS_LONG)  # uncommitted, dead rows would pile up for a year
def test_a_year_in_real_time_equals_a_rebuild_at_any_moment(shared_data, capsys):
    orders, found = story(shared_data)
    lines: dict[str, list[tuple]] = {}
    for invoice, product, amount in found.itertuples(index=False):
        lines.setdefault(invoice, []).append((product, amount))
    write_people(orders)
    start = orders["at"].min().to_pydatetime().replace(tzinfo=UTC) - STEP
    end = orders["at"].max().to_pydatetime().replace(tzinfo=UTC)
    for number, where in enumerate(RULES):
        rule = {"version": 1, "where": where}
        segments.create(name=f"Story {number}", rule=rule, user=None, now=start)
    assert Segment.objects.filter(state="live").count() == 20
    membership.refresh_all(now=start, cause="import")
    draw = random.Random(2011)
    moments = sorted(start + draw.random() * (end - start) for _ in range(MOMENTS - 1))
    moments.append(end + timedelta(days=30))

    steps = range(1, (end + timedelta(days=31) - start) // STEP)
    ticks = sorted([*moments, *(start + STEP * step for step in steps)], reverse=True)
    began, sizes = time.monotonic(), []

    def run_clock(until: datetime) -> None:
        while ticks and ticks[-1] <= until:
            now = ticks.pop()
            sweeping.sweep(now=now)
            if now in moments:
                sizes.append(check(now))

    for at, chunk in minutes(orders):
        run_clock(at - timedelta(microseconds=1))
        write(chunk, lines, at)
        membership.refresh(chunk["customer"].tolist(), cause="event", now=at)
    run_clock(end + timedelta(days=31))

    took = time.monotonic() - began
    assert len(sizes) == MOMENTS and min(sizes[1:]) > 0
    speed = (end + timedelta(days=31) - start).total_seconds() / took
    with capsys.disabled():
        print(f"\n{len(orders):,} orders in {took:.1f} s, {speed:,.0f} × real time, {sizes}")
    if IS_LONG:
        assert speed >= 10_000
