"""The public file of a British wholesaler, whole, damaged, and with the process killed half-way.

Its figures were counted by other means: 541,909 lines, 25,900 invoices, 4,372 customers and a sum
of 9,747,747.934.
"""

import csv
import gzip
import io
import os
import signal
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from django.db.models import Count, F, Sum

from customers.models import Customer, Order, OrderLine, Product
from customers.services import imports
from rapport.models import Run
from tests.conftest import ROOT, program_environment, wait_until
from tests.customers.importing import rejects, triple
from tests.makers import NOW

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.shared_data,
    pytest.mark.slow,
    pytest.mark.xdist_group("online_retail"),
]
TOTAL = Decimal("9747747.934")
IS_LONG = os.environ.get("RAPPORT_LONG") == "1"


@pytest.fixture
def retail(shared_data) -> Path:
    return shared_data / "online_retail" / "online_retail.csv.gz"


def load(path: Path, **given):
    return imports.import_file(
        "orders", path, source="uci", now=NOW, preset="online-retail", **given
    )


def check_all_is_there() -> None:
    assert OrderLine.objects.count() == 541_909
    assert Order.objects.count() == 25_900
    assert Customer.objects.count() == 4_372
    line_sum = OrderLine.objects.aggregate(sum=Sum(F("quantity") * F("unit_price")))["sum"]
    assert line_sum == Order.objects.aggregate(sum=Sum("total"))["sum"] == TOTAL
    assert OrderLine.objects.filter(order__customer=None).count() == 135_080
    assert Order.objects.filter(kind="adjustment").count() == 3


def test_the_whole_file_lands_exactly_and_only_once(retail):
    first = load(retail)

    assert (first.read, first.rejected, triple(first)) == (541_909, 0, (541_909, 0, 0))
    check_all_is_there()
    refunds = Order.objects.filter(kind="refund")
    assert refunds.count() == refunds.filter(external_id__startswith="C").count() == 3_836
    whole = OrderLine.objects.values("order").annotate(n=Count("pk"), last=F("order_id"))
    assert sum(row["n"] for row in whole) == 541_909
    assert not OrderLine.objects.filter(position=0).exists()
    postage = Product.objects.get(external_id="POST")
    assert (postage.kind, postage.name) == ("service", "POSTAGE")
    assert Product.objects.get(external_id="BANK CHARGES").kind == "adjustment"
    assert Product.objects.exclude(kind="goods").count() == 17
    ireland = Order.objects.filter(properties__country="EIRE")
    assert set(ireland.values_list("country", flat=True)) == {"IE"}
    assert Order.objects.filter(country="", properties__country="Unspecified").exists()

    second = load(retail)

    assert triple(second) == (0, 0, 541_909)
    assert second.figures["orders_changed"] == 0
    check_all_is_there()


def damaged(lines: list[bytes], rng: np.random.Generator) -> dict[int, str]:
    """Damage one line in a hundred in ten ways; row number → word of the reason expected."""
    fields = ["invoice", "code", "title", "quantity", "date", "price", "customer", "country"]

    def put(line: bytes, name: str, value: str) -> bytes:
        cells = next(csv.reader([line.decode()]))
        cells[fields.index(name)] = value
        out = io.StringIO()
        csv.writer(out, lineterminator="").writerow(cells)
        return out.getvalue().encode()

    ways = [
        (lambda line: line.rpartition(b",")[0], "has 7 columns"),
        (lambda line: line + b",", "has 9 columns"),
        (lambda line: put(line, "quantity", "six"), "whole number"),
        (lambda line: put(line, "price", "1,5"), "is not a number"),
        (lambda line: put(line, "date", "2011-02-30 08:26:00"), "is not a time"),
        (lambda line: put(line, "invoice", ""), "is empty"),
        (lambda line: put(line, "code", ""), "is empty"),
        (lambda line: line.replace(b",", b",\xff", 1), "not UTF-8"),
        (lambda line: line.replace(b",", b',"', 1), "quote"),
        (lambda line: line.replace(b",", b",\x00", 1), "NUL"),
    ]
    chosen = rng.choice(len(lines), len(lines) // 100, replace=False)
    expected = {}
    for n, place in enumerate(chosen):
        if b'"' in lines[place]:  # a quote added there may close: another kind of damage
            continue
        spoil, word = ways[n % len(ways)]
        lines[place] = spoil(lines[place])
        expected[int(place) + 2] = word
    return expected


@pytest.mark.long
def test_a_damaged_copy_loads_the_rest_and_names_each_bad_row(retail, tmp_path):
    header, *lines = gzip.decompress(retail.read_bytes()).rstrip(b"\n").split(b"\n")
    expected = damaged(lines, np.random.default_rng(3))
    path = tmp_path / "damaged.csv"
    path.write_bytes(b"\n".join([header, *lines]))

    report = load(path, reject_path=tmp_path / "bad.csv")

    assert len(expected) > 5_000
    named = {row: reason for row, _, _, reason in rejects(report)}
    assert named.keys() == expected.keys()
    assert not [row for row, word in expected.items() if word not in named[row]]
    assert report.rejected == len(expected)
    assert report.inserted == 541_909 - len(expected) == OrderLine.objects.count()
    line_sum = OrderLine.objects.aggregate(sum=Sum(F("quantity") * F("unit_price")))["sum"]
    assert Order.objects.aggregate(sum=Sum("total"))["sum"] == line_sum

    load(retail)  # the whole copy mends it

    check_all_is_there()


@pytest.mark.long
@pytest.mark.parametrize("done", [0, 200_000] if IS_LONG else [200_000])
def test_killed_in_the_middle_it_goes_on_and_ends_the_same(retail, done):
    words = [sys.executable, "manage.py", "import_data", "orders", str(retail)]
    words += ["--source", "uci", "--preset", "online-retail"]
    with subprocess.Popen(words, cwd=ROOT, env=program_environment()) as process:
        stage = "read" if done == 0 else "write"
        wait_until(
            lambda: (
                process.poll() is not None
                or Run.objects.filter(stage=stage, done__gte=done).exists()
            ),
            seconds=120,
            what=f"{done} rows",
        )
        os.kill(process.pid, signal.SIGKILL)
    assert Run.objects.get().state == "running"
    assert OrderLine.objects.count() < 541_909

    again = subprocess.run(
        words, cwd=ROOT, env=program_environment(), capture_output=True, text=True, check=True
    )

    assert "541,909 rows read: 541,909 new, 0 changed, 0 unchanged, 0 rejected." in again.stdout
    assert ("Resumed after" in again.stdout) == (done > 0)
    assert Run.objects.get().state == "done"
    check_all_is_there()
