"""Measure the import of order rows against plain COPY into the same indexed tables.

``python bench/imports.py`` imports 100,000 rows (order lines, three an order), ``--full`` ten
times that.  Everything happens on a database of its own that is gone afterwards.

The limit is psycopg2's COPY of the very rows that the import leaves in the two tables, into copies
of these tables with all their indexes: no check, no merge, no reference to look up.  Limit and
import take turns, and each ratio is that of one turn.  The naive peers write the same lines with
``bulk_create`` and with one ``save()`` a row.
"""

import argparse
import atexit
import csv
import json
import os
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "platform")]

SMALL, FULL = 100_000, 1_000_000
PRODUCTS = 2_000
ROWS_A_CUSTOMER = 10
TURNS = 3
BULK_ROWS, SAVE_ROWS = 20_000, 2_000
NOW = datetime(2026, 6, 1, tzinfo=UTC)
FIRST = datetime(2023, 1, 1, tzinfo=UTC)
SECONDS_OF_HISTORY = 900 * 86_400
TARGET = 0.5
SOURCE = "bench"
TABLES = {"customers_order": "limit_orders", "customers_orderline": "limit_lines"}
ORDER_COLUMNS = [
    "order_id",
    "happened_at",
    "customer_id",
    "status",
    "currency",
    "coupon_code",
    "product_id",
    "title",
    "quantity",
    "unit_price",
    "line_discount",
]
LINE_COLUMNS = "order_id position product_id title quantity unit_price discount happened_at"
LINE_COLUMNS += " recorded_at"


def start(home: str) -> None:
    """Start PostgreSQL in ``home``, as the product does by default, and create the tables."""
    os.environ |= {"RAPPORT_HOME": home, "DJANGO_SETTINGS_MODULE": "rapport.settings"}
    os.environ.pop("DATABASE_URL", None)
    import django
    from django.conf import settings

    settings.SERVICES.hold(postgres=True, valkey=False)
    django.setup()
    from django.core.management import call_command

    from customers.signals import base_changed, customers_changed

    for bell in (base_changed, customers_changed):
        bell.receivers = []  # segments are not what is measured here
    call_command("migrate", verbosity=0)


def write_files(folder: Path, rows: int, *, seed: int = 7) -> dict[str, Path]:
    """Write customers, products and orders as a shop would export them."""
    rng = np.random.default_rng(seed)
    customers = rows // ROWS_A_CUSTOMER
    paths = {kind: folder / f"{kind}.csv" for kind in ("customers", "products", "orders")}
    with paths["customers"].open("w", newline="") as file:
        csv.writer(file).writerows(
            [["external_id", "email"], *([f"c{n}", f"c{n}@example.com"] for n in range(customers))]
        )
    with paths["products"].open("w", newline="") as file:
        csv.writer(file).writerows(
            [["external_id", "name"], *([f"p{n}", f"Product {n}"] for n in range(PRODUCTS))]
        )
    sizes = rng.integers(1, 6, rows)
    sizes = sizes[: np.searchsorted(np.cumsum(sizes), rows) + 1]
    at = np.sort(rng.integers(0, SECONDS_OF_HISTORY, sizes.size))
    who = rng.integers(0, customers, sizes.size)
    what, many = rng.integers(0, PRODUCTS, rows), rng.integers(1, 5, rows)
    with paths["orders"].open("w", newline="") as file:
        write = csv.writer(file).writerow
        write(ORDER_COLUMNS)
        for row, order in enumerate(np.repeat(np.arange(sizes.size), sizes)[:rows]):
            moment = FIRST + timedelta(seconds=int(at[order]))
            number = what[row]
            write(
                [f"order-{order:08d}", f"{moment:%Y-%m-%dT%H:%M:%SZ}", f"c{who[order]}", "paid",
                 "EUR", "", f"p{number}", f"Product {number}", many[row],
                 f"{number % 97}.99", 0]
            )  # fmt: skip
    return paths


class Clock:
    """Seconds, and this process's highest memory, while a block runs."""

    def __enter__(self) -> "Clock":
        self._over = threading.Event()
        self._process = psutil.Process()
        self.peak_bytes = self._process.memory_info().rss
        self._watch = threading.Thread(target=self._look)
        self._watch.start()
        self._since = time.perf_counter()
        return self

    def _look(self) -> None:
        while not self._over.wait(0.02):
            self.peak_bytes = max(self.peak_bytes, self._process.memory_info().rss)

    def __exit__(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self._since
        self._over.set()
        self._watch.join()

    @property
    def peak_mib(self) -> int:
        return round(self.peak_bytes / 2**20)


def clocked(work: Callable[[], object]) -> Clock:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("CHECKPOINT")  # or the one before pays for this one's first pages
    with Clock() as clock:
        work()
    return clock


# --- what is measured -------------------------------------------------------------------------


def load(kind: str, path: Path):
    from customers.services import imports

    return imports.import_file(kind, path, source=SOURCE, now=NOW)


def empty() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE customers_order, customers_orderline RESTART IDENTITY")


def export(folder: Path) -> None:
    """Keep the rows that the import left, and make tables like those it filled."""
    from django.db import connection

    with connection.cursor() as cursor:
        for table, copy in TABLES.items():
            with (folder / copy).open("wb") as file:
                cursor.copy_expert(f"COPY {table} TO STDOUT (FORMAT csv)", file)
            cursor.execute(f"CREATE TABLE {copy} (LIKE {table} INCLUDING ALL)")


def copy_all(folder: Path) -> None:
    """The limit: plain COPY of the same rows into the same tables."""
    from django.db import connection

    with connection.cursor() as cursor:
        for copy in TABLES.values():
            with (folder / copy).open("rb") as file:
                cursor.copy_expert(f"COPY {copy} FROM STDIN (FORMAT csv)", file, 1 << 18)


def empty_limit() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {', '.join(TABLES.values())}")


def peers(rows: int) -> dict[str, Clock]:
    """The same lines by the ORM; each on empty tables, as many as take a second or two."""
    from customers.models import OrderLine

    names = LINE_COLUMNS.split()
    found = list(OrderLine.objects.order_by("id")[:BULK_ROWS].values_list(*names))
    lines = [dict(zip(names, line, strict=True)) for line in found]

    def bulk() -> None:
        OrderLine.objects.bulk_create([OrderLine(**line) for line in lines], batch_size=5_000)

    def save() -> None:
        for line in lines[:SAVE_ROWS]:
            OrderLine(**line).save()

    clocks = {}
    for name, work in (("bulk_create", bulk), ("save", save)):
        empty()
        clocks[name] = clocked(work)
    return clocks


def measure(rows: int, folder: Path) -> dict:
    paths = write_files(folder, rows)
    load("customers", paths["customers"])
    load("products", paths["products"])
    imported, copied, stages = [], [], {}
    for turn in range(TURNS):
        empty()
        reports: list = []
        imported.append(clocked(lambda: reports.append(load("orders", paths["orders"]))))  # noqa: B023
        report = reports[0]
        assert (report.inserted, report.rejected) == (rows, 0), report
        stages = report.figures["stage_seconds"]
        if turn == 0:
            export(folder)
        empty_limit()
        copied.append(clocked(lambda: copy_all(folder)))
    again = clocked(lambda: reports.append(load("orders", paths["orders"])))
    assert (reports[-1].inserted, reports[-1].changed) == (0, 0)
    naive = peers(rows)
    return {
        "rows": rows,
        "imported": sorted(imported, key=lambda clock: clock.seconds)[TURNS // 2],
        "copied": sorted(copied, key=lambda clock: clock.seconds)[TURNS // 2],
        "ratios": [c.seconds / i.seconds for c, i in zip(copied, imported, strict=True)],
        "again": again,
        "stages": stages,
        **naive,
    }


# --- the report -------------------------------------------------------------------------------


def report(found: dict) -> None:
    rows = found["rows"]
    limit = rows / found["copied"].seconds
    naive = BULK_ROWS / found["bulk_create"].seconds
    lines = [
        ("plain COPY of the final rows", found["copied"], rows),
        ("import_file, all checks", found["imported"], rows),
        ("import_file again, 0 changed", found["again"], rows),
        ("bulk_create, lines only", found["bulk_create"], BULK_ROWS),
        ("save(), lines only", found["save"], SAVE_ROWS),
    ]
    print(f"{rows:,} order rows; median of {TURNS} turns")
    print(
        f"{'what':32}{'seconds':>9}{'rows/s':>10}{'peak MiB':>10}{'of limit':>10}{'of naive':>10}"
    )
    for name, clock, count in lines:
        rate = count / clock.seconds
        print(
            f"{name:32}{clock.seconds:9.2f}{rate:10,.0f}{clock.peak_mib:10}"
            f"{rate / limit:10.2f}{rate / naive:10.1f}"
        )
    stages = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in found["stages"].items())
    print(f"stages of the last import: {stages}")
    ratio = statistics.median(found["ratios"])
    turns = ", ".join(f"{each:.2f}" for each in found["ratios"])
    print(f"ratio to the limit, turn by turn: {turns}; median {ratio:.2f}, target {TARGET}")
    print(json.dumps(figures(found, ratio=ratio, naive=naive)))


def figures(found: dict, *, ratio: float, naive: float) -> dict:
    """The same as one JSON object."""
    rate = found["rows"] / found["imported"].seconds
    return {
        "bench": "imports",
        "rows": found["rows"],
        "seconds": round(found["imported"].seconds, 3),
        "rows_per_second": round(rate),
        "peak_mib": found["imported"].peak_mib,
        "limit_seconds": round(found["copied"].seconds, 3),
        "ratio_to_limit": round(ratio, 3),
        "ratios": [round(each, 3) for each in found["ratios"]],
        "target": TARGET,
        "again_seconds": round(found["again"].seconds, 3),
        "ratio_to_bulk_create": round(rate / naive, 2),
        "ratio_to_save": round(rate / (SAVE_ROWS / found["save"].seconds), 1),
        "stage_seconds": found["stages"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help=f"{FULL:,} rows instead of {SMALL:,}")
    given = parser.parse_args()
    home = tempfile.mkdtemp(prefix="rapport-bench-")
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    start(home)  # its servers stop before the folder goes: what is registered last runs first
    folder = Path(home) / "files"
    folder.mkdir()
    try:
        report(measure(FULL if given.full else SMALL, folder))
    finally:
        from django.db import connection

        connection.close()


if __name__ == "__main__":
    main()
