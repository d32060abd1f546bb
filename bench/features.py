"""Measure the way from PostgreSQL to the feature table, in seconds and in memory.

``python bench/features.py`` takes 100,000 customers and 1,000,000 orders; ``--full`` ten times
that. Everything happens on a database of its own that is gone afterwards.

The limit is the same COPY thrown away unread: what PostgreSQL can deliver. "features" are twenty
of orders; the naive peers count eight of these: pandas after read_sql, and one GROUP BY in SQL.
"catalogue" is every feature there is, with the events, reviews and goods that they stand on.
"""

import argparse
import atexit
import io
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "platform")]

SMALL, FULL = 100_000, 1_000_000
ORDERS_EACH = 10
AS_OF = datetime(2026, 6, 1, tzinfo=UTC)
DAY = 86_400_000_000
POSTGRES_AS_OF = (AS_OF - datetime(2000, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
HISTORY_DAYS = 1_095
PRODUCTS = 1_000
BLOCK = 500_000  # rows of one COPY
TOUCHED = 100
TARGET_SECONDS, TARGET_MIB = 10, 2_048  # at the full size

# The features that a figure has been kept of since the first of them.
TWENTY = (
    "frequency", "recency", "age", "monetary", "days_since_last_order", "orders_total",
    "revenue_total", "mean_order_value", "tenure_days", "mean_gap_days", "orders_30d", "orders_90d",
    "orders_365d", "revenue_30d", "revenue_90d", "revenue_365d", "distinct_products",
    "basket_size", "discount_share", "refund_share",
)  # fmt: skip

PEER_ROWS = """
    SELECT o.id, o.customer_id, o.happened_at, o.total, l.product_id
    FROM customers_order o JOIN customers_orderline l ON l.order_id = o.id
    WHERE o.kind = 'sale' AND o.status = 'paid'
"""
PEER_GROUPS = """
    SELECT customer_id, min(happened_at) AS first, max(happened_at) AS last,
           count(DISTINCT id) AS orders, sum(total) AS revenue, avg(total) AS mean,
           count(DISTINCT date_trunc('day', happened_at)) AS days,
           count(DISTINCT product_id) AS products,
           count(*) FILTER (WHERE happened_at >= %(since)s) AS lately
    FROM ({rows}) rows GROUP BY customer_id
"""


def start(home: str):
    """Start PostgreSQL in ``home``, as the product does by default, and create the tables."""
    os.environ |= {"RAPPORT_HOME": home, "DJANGO_SETTINGS_MODULE": "rapport.settings"}
    os.environ.pop("DATABASE_URL", None)
    import django
    from django.conf import settings

    settings.SERVICES.hold(postgres=True, valkey=False)
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    return settings.SERVICES


# --- data, as PostgreSQL's binary COPY wants it -------------------------------------------------


def binary(columns: dict[str, np.ndarray]) -> bytes:
    """Rows in COPY's binary form; every value of a column has the same width."""
    n = len(next(iter(columns.values())))
    fields: list[tuple] = [("count", ">i2")]
    for name, values in columns.items():
        fields += [
            (f"{name} width", ">i4"),
            (name, values.dtype.newbyteorder(">"), values.shape[1:]),
        ]
    rows = np.empty(n, dtype=fields)
    rows["count"] = len(columns)
    for name, values in columns.items():
        rows[f"{name} width"] = values.dtype.itemsize * int(np.prod(values.shape[1:]))
        rows[name] = values
    return b"PGCOPY\n\xff\r\n\0" + bytes(8) + rows.tobytes() + b"\xff\xff"


def numeric(cents: np.ndarray) -> np.ndarray:
    """``numeric(14, 4)`` below 10,000: header, whole part, ten-thousandths."""
    wire = np.zeros((cents.size, 6), dtype="i2")
    wire[:, 0], wire[:, 3] = 2, 4
    wire[:, 4], wire[:, 5] = cents // 100, cents % 100 * 100
    return wire


def word(text: str, n: int) -> np.ndarray:
    return np.full(n, text.encode(), dtype=f"S{len(text)}")


def numbered(prefix: str, numbers: np.ndarray) -> np.ndarray:
    digits = numbers[:, None] // 10 ** np.arange(8, -1, -1) % 10 + ord("0")
    letters = np.broadcast_to(np.frombuffer(prefix.encode(), "u1"), (numbers.size, len(prefix)))
    return np.hstack([letters, digits.astype("u1")]).view(f"S{len(prefix) + 9}")[:, 0]


def fill(customers: int, orders: int, *, seed: int = 7) -> None:
    """Write customers, products, orders in order of time, and one line each."""
    from django.db import connection

    from customers.models import Order, OrderLine

    rng = np.random.default_rng(seed)
    weight = rng.gamma(0.8, size=customers) + 0.05
    share = np.cumsum(weight / weight.sum())
    step = HISTORY_DAYS * DAY / orders
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO customers_product (source, external_id, name, kind, category, brand,"
            " price, currency, url, image_url, is_available, properties, happened_at, recorded_at)"
            " SELECT 'shop', 'p' || i, 'p' || i, 'goods', '', '', 10, 'EUR', '', '', true, '{}',"
            " now(), now() FROM generate_series(1, %s) i",
            [PRODUCTS],
        )
        # Indexes are built after the rows: that is not what is measured here.
        cursor.execute("SET maintenance_work_mem = '512MB'")
        with connection.schema_editor() as editor:
            for model in (Order, OrderLine):
                for constraint in model._meta.constraints:
                    editor.remove_constraint(model, constraint)
                for index in model._meta.indexes:
                    editor.remove_index(model, index)
        for first in range(0, orders, BLOCK):
            n = min(BLOCK, orders - first)
            ids = np.arange(first + 1, first + n + 1, dtype="i8")
            since = ((ids - rng.random(n)) * step).astype("i8")
            placed = POSTGRES_AS_OF - HISTORY_DAYS * DAY + since
            customer = np.minimum(np.searchsorted(share, rng.random(n)), customers - 1) + 1
            cents = np.minimum(rng.gamma(2, 2_500, n), 999_999).astype("i8") + 100
            _copy_orders(cursor, ids, customer, cents, placed, rng)
            _copy_lines(cursor, ids, cents, placed, rng)
        with connection.schema_editor() as editor:
            for model in (Order, OrderLine):
                for constraint in model._meta.constraints:
                    editor.add_constraint(model, constraint)
                for index in model._meta.indexes:
                    editor.add_index(model, index)
        cursor.execute("VACUUM (ANALYZE) customers_order, customers_orderline, customers_product")


def _copy_orders(cursor, ids, customer, cents, placed, rng) -> None:
    n = ids.size
    refund = rng.random(n) < 0.03
    paid = numeric(cents)
    paid[refund, 2] = 0x4000  # numeric's minus sign
    kind = np.where(refund, b"refund", b"sale")
    for wanted in (True, False):  # one COPY a width of ``kind``
        rows = refund == wanted
        columns = {
            "id": ids[rows],
            "source": word("shop", rows.sum()),
            "external_id": numbered("o", ids[rows]),
            "customer_id": customer[rows].astype("i8"),
            "kind": kind[rows].astype("S6" if wanted else "S4"),
            "status": word("paid", rows.sum()),
            "total": paid[rows],
            "discount": numeric(np.where(rng.random(rows.sum()) < 0.2, cents[rows] // 10, 0)),
            "currency": word("EUR", rows.sum()),
            "coupon_code": np.empty((rows.sum(), 0), "i1"),
            "country": word("FR", rows.sum()),
            "properties": word("\x01{}", rows.sum()),
            "happened_at": placed[rows],
            "recorded_at": placed[rows] + 60_000_000,
        }
        _copy(cursor, "customers_order", columns)


def _copy_lines(cursor, ids, cents, placed, rng) -> None:
    n = ids.size
    columns = {
        "id": ids,
        "order_id": ids,
        "position": np.ones(n, "i4"),
        "product_id": rng.integers(1, PRODUCTS + 1, n),
        "title": np.empty((n, 0), "i1"),
        "quantity": rng.integers(1, 4, n).astype("i4"),
        "unit_price": numeric(cents),
        "discount": numeric(np.zeros(n, "i8")),
        "happened_at": placed,
        "recorded_at": placed + 60_000_000,
    }
    _copy(cursor, "customers_orderline", columns)


def _copy(cursor, table: str, columns: dict[str, np.ndarray]) -> None:
    names = ", ".join(columns)
    cursor.copy_expert(
        f"COPY {table} ({names}) FROM STDIN (FORMAT binary)", io.BytesIO(binary(columns)), 1 << 20
    )


# --- what is measured, each in a process of its own ----------------------------------------------


def limit() -> dict:
    """The rows that features need, thrown away where they arrive."""
    from customers.services import frames, wire

    class Discard:
        def __init__(self, columns, *, expected):
            self.bytes = 0

        def write(self, data):
            self.bytes += len(data)

        def columns(self):
            return {}

    setattr(wire, "RecordReceiver", Discard)  # noqa: B010
    for table, columns in (("order", frames.ORDERS), ("orderline", frames.LINES)):
        wire.Query(f"customers_{table}", columns, ["true"], {}).copy()
    return {}


def features() -> dict:
    return _computed(names=TWENTY)


def of_orders() -> dict:
    return _computed(names=None)


def catalogue() -> dict:
    return _computed(names=None, with_events=True)


def _computed(*, names, with_events: bool = False) -> dict:
    from customers.features import table
    from customers.services import frames

    began = time.perf_counter()
    facts = frames.facts(known_at=AS_OF, with_events=with_events)
    loaded = time.perf_counter()
    found = table.features(facts, AS_OF, names=names)
    computed = time.perf_counter()
    stages = {"load and sort": loaded - began, "compute": computed - loaded}
    return {"rows": len(found), "columns": found.shape[1], "stages": stages}


def snapshots() -> dict:
    """Twelve months of snapshots from one load; only they are timed."""
    return _snapshots(12, names=TWENTY)


def snapshots_of_all() -> dict:
    """Eight snapshots of the whole catalogue, as a training might ask for."""
    return _snapshots(8, names=None, with_events=True)


def _snapshots(count: int, *, names, with_events: bool = False) -> dict:
    from customers.features import table
    from customers.services import frames

    facts = frames.facts(known_at=AS_OF, with_events=with_events)
    began = time.perf_counter()
    for month in range(count):
        table.features(facts, AS_OF - timedelta(days=30 * month), names=names)
    return {"seconds": time.perf_counter() - began}


def touched() -> dict:
    return _touched(names=TWENTY)


def touched_of_all() -> dict:
    return _touched(names=None, with_events=True)


def _touched(*, names, with_events: bool = False) -> dict:
    """A hundred customers, as after an event; the second call, for the first one plans."""
    from customers.features import table
    from customers.services import frames

    for first in (1, 1 + TOUCHED):
        began = time.perf_counter()
        ids = list(range(first, first + TOUCHED))
        facts = frames.facts(known_at=AS_OF, customer_ids=ids, with_events=with_events)
        table.features(facts, AS_OF, names=names)
        took = time.perf_counter() - began
    return {"seconds": took}


def pandas_peer() -> dict:
    from django.db import connection

    connection.ensure_connection()
    warnings.simplefilter("ignore", UserWarning)  # read_sql prefers SQLAlchemy
    rows = pd.read_sql(PEER_ROWS, connection.connection)
    rows["total"] = rows["total"].astype(float)
    rows["day"] = rows["happened_at"].dt.normalize()
    lately = rows[rows["happened_at"] >= AS_OF - timedelta(days=90)]
    by_customer = rows.groupby("customer_id")
    named = {
        "first": ("happened_at", "min"),
        "last": ("happened_at", "max"),
        "orders": ("id", "nunique"),
        "revenue": ("total", "sum"),
        "mean": ("total", "mean"),
        "days": ("day", "nunique"),
        "products": ("product_id", "nunique"),
    }
    table = by_customer.agg(**named)
    table["lately"] = lately.groupby("customer_id").size()
    return {"rows": len(table)}


def sql_peer() -> dict:
    from django.db import connection

    with connection.cursor() as cursor:
        query = PEER_GROUPS.format(rows=PEER_ROWS)
        cursor.execute(f"CREATE TEMP TABLE found AS {query}", {"since": AS_OF - timedelta(days=90)})
    return {}


MEASURES = {
    "COPY thrown away": limit,
    "features": features,
    "all of orders": of_orders,
    "catalogue": catalogue,
    "12 snapshots": snapshots,
    "8 snapshots of all": snapshots_of_all,
    f"{TOUCHED} customers": touched,
    f"{TOUCHED} customers, all": touched_of_all,
    "SQL GROUP BY": sql_peer,
    "read_sql + groupby": pandas_peer,
}


def measure(name: str) -> None:
    """Run one measure in this process and print its figures."""
    import django

    django.setup()
    began = time.perf_counter()
    found = MEASURES[name]()
    found.setdefault("seconds", time.perf_counter() - began)
    found["peak_mib"] = peak_mib()
    print(json.dumps(found))


def peak_mib() -> int:
    """Most memory this process ever held."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would count the parent, from before our program replaced it
        line = next(row for row in status.read_text().splitlines() if row.startswith("VmHWM"))
        return int(line.split()[1]) // 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 2**20  # bytes on macOS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help=f"{FULL:,} customers")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        measure(given.measure)
        return
    from _behaviour import EVENTS_EACH, fill_behaviour

    customers = FULL if given.full else SMALL
    home = tempfile.mkdtemp(prefix="rapport-bench-")
    services = start(home)
    try:
        began = time.perf_counter()
        fill(customers, customers * ORDERS_EACH)
        fill_behaviour(customers)
        print(f"filled in {time.perf_counter() - began:.0f} s", file=sys.stderr)
        found = {}
        for name in MEASURES:
            command = [sys.executable, __file__, "--measure", name]
            found[name] = json.loads(subprocess.check_output(command).splitlines()[-1])
    finally:
        services.stop()
        atexit.unregister(services._release)  # its folder goes
        for folder in (home, services.home, services.run):
            shutil.rmtree(folder, ignore_errors=True)
    show(customers, EVENTS_EACH, found)


def show(customers: int, events_each: int, found: dict[str, dict]) -> None:
    floor, ours = found["COPY thrown away"]["seconds"], found["features"]["seconds"]
    print(f"{customers:,} customers, {customers * ORDERS_EACH:,} orders with a line each,")
    print(f"{customers * events_each:,} events; order features stand on the orders alone")
    header = f"{'what':<22}{'seconds':>9}{'customers/s':>13}{'peak MiB':>10}{'x limit':>9}"
    print(header + f"{'x features':>12}")
    for name, figures in found.items():
        took, n = figures["seconds"], TOUCHED if name.startswith(str(TOUCHED)) else customers
        n *= int(name.split()[0]) if "snapshots" in name else 1
        ratios = ("", "") if n != customers else (f"{took / floor:.2f}", f"{took / ours:.1f}")
        row = f"{name:<22}{took:>9.2f}{n / took:>13,.0f}{figures['peak_mib']:>10}"
        print(f"{row}{ratios[0]:>9}{ratios[1]:>12}")
    for name in ("features", "all of orders", "catalogue"):
        for stage, took in found[name]["stages"].items():
            print(f"  of {name}, {found[name]['columns']} columns: {stage:<14}{took:>7.2f} s")
    print(f"target at full size: {TARGET_SECONDS} s, {TARGET_MIB} MiB")
    print(json.dumps({"customers": customers, "orders": customers * ORDERS_EACH, **found}))


if __name__ == "__main__":
    main()
