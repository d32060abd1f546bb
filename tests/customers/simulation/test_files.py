"""Files are the same bytes each time, and the import takes every row and no truth."""

import gzip
import io
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db.models import Sum

from customers.models import Consent, Customer, Event, Order, OrderLine, Product, Review
from customers.services import simulate
from customers.simulation.plan import BEHAVIOURS
from rapport.models import Run
from tests.customers.simulation.conftest import UNTIL, plan_of

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_the_same_plan_writes_the_same_bytes(tmp_path):
    plan = plan_of(400, chunk_customers=150)

    for name in ("one", "two"):
        simulate.write(plan, tmp_path / name)

    assert bytes_of(tmp_path / "one") == bytes_of(tmp_path / "two")
    assert set(bytes_of(tmp_path / "one")) == {
        *simulate.FILE_NAMES.values(),
        simulate.TRUTH_ARRAYS,
        simulate.TRUTH_PARAMS,
    }


def test_the_counts_told_are_the_lines_written(tmp_path):
    rows = simulate.write(plan_of(400, chunk_customers=150), tmp_path)

    for kind, count in rows.items():
        lines = gzip.decompress((tmp_path / simulate.FILE_NAMES[kind]).read_bytes()).count(b"\n")
        assert lines - 1 == count > 0


def test_the_truth_is_read_back_as_it_was_written(tmp_path):
    plan = plan_of(400, chunk_customers=150)
    simulate.write(plan, tmp_path)

    truth = simulate.load_truth(tmp_path)

    assert truth.plan == plan
    assert truth.external_id[0] == "C00000001" and truth.size == 400
    assert (np.diff(truth.number) == 1).all()


def test_files_of_a_broken_write_do_not_appear(tmp_path):
    def stop(by):
        raise RuntimeError("pulled the plug")

    with pytest.raises(RuntimeError, match="plug"):
        simulate.write(plan_of(50), tmp_path, advance=stop)

    assert not [path for path in tmp_path.iterdir() if path.suffix == ".gz"]


@pytest.mark.long
def test_memory_does_not_grow_with_the_number_of_chunks(tmp_path):
    def peak(chunks):
        tracemalloc.start()
        try:
            simulate.write(plan_of(500 * chunks, chunk_customers=500), tmp_path)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(1)  # fills caches
    few, many = peak(2), peak(10)

    # Eight chunks more may cost their truth, some 250 bytes a customer while it is stored.
    assert many < 1.2 * few + 8 * 500 * 250


@pytest.fixture
def loaded(db, tmp_path):
    plan = plan_of(600, chunk_customers=250)
    return plan, simulate.simulate(plan, source="demo", now=NOW, folder=tmp_path)


def test_the_import_takes_every_simulated_row(loaded):
    _, done = loaded

    assert {kind: report.rejected for kind, report in done.imported.items()} == dict.fromkeys(
        done.rows, 0
    )
    assert Customer.objects.count() == done.rows["customers"] == 600
    assert Product.objects.count() == done.rows["products"]
    assert OrderLine.objects.count() == done.rows["orders"]
    assert Event.objects.count() == done.rows["events"]
    assert Review.objects.count() == done.rows["reviews"]
    assert Consent.objects.count() == done.rows["consent"]
    assert Run.objects.get(pk=done.run_id).state == Run.State.DONE


def test_orders_arrive_with_their_totals_and_customers(loaded):
    plan, done = loaded
    truth = simulate.load_truth(done.folder)

    sales = Order.objects.filter(kind="sale", customer__isnull=False)
    completed = Event.objects.filter(name="Order Completed")

    assert sales.count() == truth.orders.sum()
    keys = [event.properties["order_id"] for event in completed]
    found = Order.objects.filter(external_id__in=keys).aggregate(Sum("total"))["total__sum"]
    assert float(found) == pytest.approx(sum(event.properties["total"] for event in completed))
    assert Order.objects.filter(happened_at__gte=plan.until).count() == 0
    assert Order.objects.filter(customer=None).exists()


def test_loading_it_again_changes_nothing(loaded):
    plan, done = loaded

    again = simulate.simulate(plan, source="demo", now=NOW, folder=done.folder)

    assert {(r.inserted, r.changed) for r in again.imported.values()} == {(0, 0)}


def test_the_truth_enters_no_table(loaded):
    names = [each.name for each in BEHAVIOURS]
    for model in apps.get_app_config("customers").get_models():
        for row in model.objects.values():
            told = " ".join(map(str, row.values()))
            assert not [name for name in names if name in told], model
    assert set(Customer.objects.values_list("traits", flat=True)[0]) == {"acquired_by", "device"}


def test_the_command_says_what_it_did_and_where_the_truth_is(db, tmp_path):
    out = io.StringIO()

    call_command(
        *("simulate", "--customers", "60", "--seed", "3", "--until", "2026-03-01"),
        *("--out", str(tmp_path), "--verbosity", "0"),
        stdout=out,
    )

    assert Customer.objects.count() == 60
    assert str(tmp_path) in out.getvalue() and "60 new" in out.getvalue()
    assert simulate.load_truth(tmp_path).plan.until == UNTIL


def test_the_command_refuses_nonsense_in_words(db):
    with pytest.raises(CommandError, match="customers is 0"):
        call_command("simulate", "--customers", "0", "--seed", "1")
