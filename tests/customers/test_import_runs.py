"""One import is one run: its progress, its end, who is told, and how it is taken up again."""

import gzip
import sys

import pytest
from django.db import connection
from django.db.models import Sum

from customers.collect.files import FileRefused
from customers.models import Customer, Event, Order, OrderLine
from customers.services import imports
from customers.services.importing import among, chunks, kinds, orders
from customers.services.importing.staging import Stage
from rapport import runs
from rapport.errors import Conflict
from rapport.models import Run
from tests.customers.importing import csv_file, load, order_rows, triple
from tests.makers import NOW

pytestmark = pytest.mark.django_db(transaction=True)

ROWS = [f"o{n},2026-05-01,c{n % 3},EUR,p{n},1,{n}" for n in range(10)]


def staging_tables() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_class WHERE relname ~ '^import_'")
        return cursor.fetchone()[0]


@pytest.fixture
def failing_chunk(monkeypatch):
    """The third chunk of four fails, once the returned switch is on."""
    monkeypatch.setattr(chunks, "CHUNK_ROWS", 3)
    merge, switch = orders.merge, {"on": True}

    def stumble(stage, start, end):
        counts = merge(stage, start, end)
        if switch["on"] and start == 6:  # rows 2, 3 to 5, 6 to 8, 9 to 11
            raise RuntimeError("out of order")
        return counts

    kind = kinds.Merging(orders.judge, orders.prepare, stumble, table="heads")
    monkeypatch.setitem(kinds.MERGING, "orders", kind)
    return switch


def test_a_run_tells_how_it_went(tmp_path):
    report = load("orders", csv_file(tmp_path, order_rows(*ROWS)))

    run = Run.objects.get()
    assert (run.pk, run.kind, run.state, run.done, run.total) == (
        report.run_id,
        "import",
        "done",
        10,
        10,
    )
    assert run.title == "Import orders of shop from facts.csv"
    assert run.message == "10 read: 10 new, 0 changed, 0 unchanged, 0 rejected."
    assert (run.result["inserted"], run.result["orders_new"]) == (10, 10)
    assert staging_tables() == 0


def test_an_import_that_failed_goes_on_where_it_was(tmp_path, failing_chunk):
    path = csv_file(tmp_path, order_rows(*ROWS))
    with pytest.raises(RuntimeError):
        load("orders", path)
    assert (Run.objects.get().state, OrderLine.objects.count()) == ("failed", 4)
    assert staging_tables() == 0
    failing_chunk["on"] = False

    report = load("orders", path)

    assert triple(report) == (10, 0, 0)
    assert report.figures["resumed_after"] == 4
    assert Run.objects.get().state == "done"
    assert OrderLine.objects.count() == 10


def test_chunks_side_by_side_end_like_one_after_the_other(tmp_path, monkeypatch):
    monkeypatch.setattr(chunks, "CHUNK_ROWS", 2)
    rows = [f"o{n % 17},2026-05-01,c{n % 5},EUR,p{n % 3},1,{n}" for n in range(60)]
    path = csv_file(tmp_path, order_rows(*rows))

    report = load("orders", path)

    assert triple(report) == (60, 0, 0)
    assert report.figures["orders_new"] == Order.objects.count() == 17
    assert Order.objects.aggregate(sum=Sum("total"))["sum"] == sum(range(60))
    assert len(Run.objects.get().checkpoint["done"]) == 1
    assert triple(load("orders", path)) == (0, 0, 60)


def test_a_chunk_that_fails_beside_others_is_all_that_is_left_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(chunks, "CHUNK_ROWS", 1)
    merge, switch = orders.merge, {"on": True}

    def stumble(stage, start, end):
        if switch["on"] and start == 5:
            raise RuntimeError("out of order")
        return merge(stage, start, end)

    kind = kinds.Merging(orders.judge, orders.prepare, stumble, table="heads", is_parallel=True)
    monkeypatch.setitem(kinds.MERGING, "orders", kind)
    path = csv_file(tmp_path, order_rows(*ROWS))
    with pytest.raises(RuntimeError):
        load("orders", path)
    written = OrderLine.objects.count()
    assert 0 < written < 10
    switch["on"] = False

    report = load("orders", path)

    assert (triple(report), report.figures["resumed_after"]) == ((10, 0, 0), written)
    assert OrderLine.objects.count() == 10


def test_another_file_by_the_same_name_starts_at_its_beginning(tmp_path, failing_chunk):
    path = csv_file(tmp_path, order_rows(*ROWS))
    with pytest.raises(RuntimeError):
        load("orders", path)
    failing_chunk["on"] = False
    run = Run.objects.get()
    changed = [row.replace(",1,0", ",1,7") for row in ROWS]
    csv_file(tmp_path, order_rows(*changed))
    Run.objects.update(params={**run.params, "modified": path.stat().st_mtime})

    report = load("orders", path)

    assert report.run_id == run.pk
    assert triple(report) == (6, 1, 3)
    assert Order.objects.get(external_id="o0").total == 7


def test_a_finished_import_is_not_taken_up_again(tmp_path):
    path = csv_file(tmp_path, order_rows(*ROWS))

    assert load("orders", path).run_id != load("orders", path).run_id


def test_a_queued_run_is_used_and_fails_when_the_file_is_refused(tmp_path):
    run = runs.create("import", "Upload")
    load("orders", csv_file(tmp_path, order_rows(*ROWS)), run=run)
    run.refresh_from_db()
    assert run.state == "done"

    run = runs.create("import", "Upload")
    with pytest.raises(FileRefused):
        load("orders", csv_file(tmp_path, "nonsense\n"), run=run)
    run.refresh_from_db()
    assert (run.state, "lacks order_id" in run.error) == ("failed", True)


def test_a_cancelled_import_keeps_what_it_wrote(tmp_path, monkeypatch):
    monkeypatch.setattr(chunks, "CHUNK_ROWS", 3)
    monkeypatch.setattr(runs, "WRITE_EVERY_SECONDS", 0)
    merge = orders.merge

    def cancel(stage, start, end):
        runs.request_cancel(Run.objects.get())
        return merge(stage, start, end)

    kind = kinds.Merging(orders.judge, orders.prepare, cancel, table="heads")
    monkeypatch.setitem(kinds.MERGING, "orders", kind)

    report = load("orders", csv_file(tmp_path, order_rows(*ROWS)))

    assert (Run.objects.get().state, report.inserted) == ("cancelled", 1)
    assert OrderLine.objects.count() == 1
    assert staging_tables() == 0


def test_two_processes_do_not_import_one_file_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(among, "LOCK_WAIT_SECONDS", 0.2)
    path = csv_file(tmp_path, order_rows(*ROWS))
    report = load("orders", path)
    Run.objects.update(state="running")
    other = connection.copy()

    with other.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s, %s)", [among.LOCK, report.run_id])
        with pytest.raises(Conflict, match=f"being imported right now, by run {report.run_id}"):
            load("orders", path)
    other.close()

    assert load("orders", path).run_id == report.run_id  # its owner is gone: taken up


SAME_ORDER = """
    INSERT INTO customers_order (source, external_id, kind, status, total, discount, currency,
        coupon_code, country, properties, happened_at, recorded_at)
    VALUES ('shop', 'o1', 'sale', 'paid', 1, 0, 'EUR', '', '', '{}', now(), now())
"""


def test_a_chunk_that_meets_another_writer_is_tried_again(tmp_path, monkeypatch):
    run, looked = Stage.run, []

    def interfere(stage, text, **params):
        done = run(stage, text, **params)
        if "TABLE chunk_orders AS" in text:
            looked.append(text)
            if len(looked) == 1:  # between our look and our write
                other = connection.copy()
                with other.cursor() as cursor:
                    cursor.execute(SAME_ORDER)
                other.close()
        return done

    monkeypatch.setattr(Stage, "run", interfere)

    report = load("orders", csv_file(tmp_path, order_rows(*ROWS)))

    assert len(looked) == 2
    assert triple(report) == (10, 0, 0)
    assert report.figures["orders_new"] == 9
    assert (Order.objects.count(), OrderLine.objects.count()) == (10, 10)


def test_damage_far_into_a_file_leaves_nothing_behind(tmp_path):
    text = "customer_id,name,happened_at,note\n" + f"ada,Seen,2026-05-01,{'x' * 400}\n" * 30_000
    damaged = gzip.compress(text.encode(), 1)[:-9]

    with pytest.raises(FileRefused, match="damaged gzip"):
        load("events", csv_file(tmp_path, damaged))

    assert not Customer.objects.exists()
    assert not Event.objects.exists()
    assert (Run.objects.get().state, staging_tables()) == ("failed", 0)


def test_tables_of_killed_imports_are_dropped_in_the_end(tmp_path):
    with connection.cursor() as cursor:
        cursor.execute("CREATE UNLOGGED TABLE import_999_raw (place bigint)")
        cursor.execute("CREATE UNLOGGED TABLE import_999_facts (place bigint)")

    load("orders", csv_file(tmp_path, order_rows(*ROWS)))

    assert staging_tables() == 0


def test_standard_input_is_a_file_too(tmp_path, monkeypatch):
    path = csv_file(tmp_path, order_rows(*ROWS), "facts.csv.gz")

    with path.open("rb") as stdin:
        monkeypatch.setattr(sys, "stdin", type("Stdin", (), {"buffer": stdin}))
        report = imports.import_file("orders", "-", source="shop", now=NOW)

    assert report.inserted == 10
    assert Run.objects.get().title == "Import orders of shop from standard input"
