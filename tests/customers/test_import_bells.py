"""Whom an import concerns is told once it is committed."""

from contextlib import contextmanager

import pytest

from customers.models import Identity, Order
from customers.services.importing import chunks, kinds, orders
from customers.signals import base_changed, customers_changed
from tests.customers.importing import csv_file, load, order_rows
from tests.makers import make_customer

pytestmark = pytest.mark.django_db(transaction=True)

ROWS = [f"o{n},2026-05-01,c{n % 3},EUR,p{n},1,{n}" for n in range(10)]


@contextmanager
def bells():
    """What was rung inside the block."""
    rung: list = []

    def one(sender, customer_ids, cause, **_):
        rung.append((cause, customer_ids))

    def all_(sender, cause, **_):
        rung.append((cause, "all"))

    customers_changed.connect(one)
    base_changed.connect(all_)
    yield rung
    customers_changed.disconnect(one)
    base_changed.disconnect(all_)


def test_those_who_changed_are_told_by_id_once_it_is_committed(tmp_path):
    ada = make_customer("c0")
    path = csv_file(tmp_path, order_rows(*ROWS))

    with bells() as rung:
        load("orders", path)

    ids = sorted(Identity.objects.values_list("customer_id", flat=True))
    assert rung == [("import", ids)]
    assert ada.pk in ids

    with bells() as rung:
        load("orders", path)
    assert rung == []


def test_many_are_told_as_all(tmp_path, monkeypatch):
    monkeypatch.setattr("customers.services.importing.counts.RING_EACH_UP_TO", 2)

    with bells() as rung:
        load("orders", csv_file(tmp_path, order_rows(*ROWS)))

    assert rung == [("import", "all")]


def test_an_order_that_moves_to_another_customer_concerns_both(tmp_path):
    ada, bob = make_customer("ada"), make_customer("bob")
    load("orders", csv_file(tmp_path, order_rows("o1,2026-05-01,ada,EUR,mug,1,5")))

    with bells() as rung:
        load("orders", csv_file(tmp_path, order_rows("o1,2026-05-01,bob,EUR,mug,1,5")))

    assert rung == [("import", [ada.pk, bob.pk])]
    assert Order.objects.get().customer == bob


def test_an_import_that_is_taken_up_tells_all(tmp_path, monkeypatch):
    monkeypatch.setattr(chunks, "CHUNK_ROWS", 3)
    merge, switch = orders.merge, {"on": True}

    def stumble(stage, start, end):
        if switch["on"] and start == 6:
            raise RuntimeError("out of order")
        return merge(stage, start, end)

    kind = kinds.Merging(orders.judge, orders.prepare, stumble, table="heads")
    monkeypatch.setitem(kinds.MERGING, "orders", kind)
    path = csv_file(tmp_path, order_rows(*ROWS))

    with bells() as rung, pytest.raises(RuntimeError):
        load("orders", path)
    assert [cause for cause, _ in rung] == ["import"]  # what was written is told of at once
    switch["on"] = False

    # A process that was killed told nobody, and only it knew whom.
    with bells() as rung:
        load("orders", path)
    assert rung == [("import", "all")]
