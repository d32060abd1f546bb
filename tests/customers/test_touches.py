"""Touches: whoever copies facts can ask whose have changed since, and misses nobody."""

from datetime import timedelta

import pytest
from django.db import connection, transaction

from customers.models import Touch, TouchReader
from customers.services import consent, events, privacy, records, touches
from customers.services.events import NewEvent
from customers.services.identities import merging
from customers.services.importing import chunks
from tests.conftest import wait_until
from tests.customers.importing import csv_file, load, order_rows
from tests.makers import NOW, ago, make_customer

pytestmark = pytest.mark.django_db
LINE = {"product_id": "mug", "quantity": 1, "unit_price": 10}
ORDER = {"happened_at": ago(1), "currency": "EUR", "lines": [LINE]}


def seen(message_id, customer):
    return NewEvent("web", message_id, customer.pk, "", "Seen", {}, happened_at=ago(1))


def touched_by(work) -> set[int | None]:
    last = Touch.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    work()
    return set(Touch.objects.filter(pk__gt=last).values_list("customer_id", flat=True))


def test_each_service_that_changes_facts_touches_whom_it_concerns(tmp_path):
    ada, bob = make_customer("ada"), make_customer("bob")
    both, no = {ada.pk, bob.pk}, {"channel": "email", "topic": "news", "source": "page"}
    moved = {"order_id": "o1", "customer_id": "bob", **ORDER}

    def upsert(kind, row):
        return lambda: records.upsert(kind, [row], source="shop", now=NOW)

    assert touched_by(lambda: events.record([seen("e1", ada)], now=NOW)) == {ada.pk}
    assert touched_by(lambda: events.record([seen("e1", ada)], now=NOW)) == set()  # known already
    assert touched_by(upsert("orders", {**moved, "customer_id": "ada"})) == {ada.pk}
    assert touched_by(upsert("orders", moved)) == both
    assert touched_by(upsert("orders", moved)) == set()
    assert touched_by(upsert("customers", {"external_id": "bob", "country": "BE"})) == {bob.pk}
    word = lambda: consent.record(bob.pk, is_granted=False, now=NOW, **no)  # noqa: E731
    assert touched_by(word) == {bob.pk}
    join = lambda: merging.merge(ada.pk, bob.pk, rule="person", now=NOW)  # noqa: E731
    assert touched_by(join) == both
    assert touched_by(lambda: privacy.erase(ada.pk, user=None, now=NOW)) >= {ada.pk}


@pytest.mark.django_db(transaction=True)
def test_each_chunk_of_an_import_touches_in_its_own_transaction(tmp_path, monkeypatch):
    monkeypatch.setattr(chunks, "CHUNK_ROWS", 4)
    rows = [f"o{n},2026-05-01,c{n % 5},EUR,p,1,{n}" for n in range(20)]

    load("orders", csv_file(tmp_path, order_rows(*rows)))

    found = list(Touch.objects.values_list("customer_id", "xid"))
    assert len({customer for customer, _ in found}) == 5
    assert len({xid for _, xid in found}) >= 5


def test_an_import_of_many_touches_everybody(tmp_path, monkeypatch):
    monkeypatch.setattr("customers.services.importing.counts.RING_EACH_UP_TO", 2)
    rows = [f"o{n},2026-05-01,c{n % 5},EUR,p,1,{n}" for n in range(20)]

    load("orders", csv_file(tmp_path, order_rows(*rows)))

    assert set(Touch.objects.values_list("customer_id", flat=True)) == {None}


@pytest.mark.django_db(transaction=True)
def test_a_reader_is_told_of_what_its_snapshot_did_not_see():
    touches.record([1, 2, 2], NOW)
    snapshot = touches.follow("copy", now=NOW)
    touches.record([2], NOW)
    touches.record([3], NOW)

    assert touches.since(snapshot) == touches.Touched([2, 3], is_everybody=False)
    assert touches.since(snapshot, most=1).is_everybody
    assert touches.among(snapshot, [1, 3]) == [3]
    touches.record_everybody(NOW)
    assert touches.since(snapshot).is_everybody
    assert touches.among(snapshot, [1, 3]) == [1, 3]


@pytest.mark.django_db(transaction=True)
def test_a_transaction_that_fails_touches_nobody():
    snapshot = touches.follow("copy", now=NOW)
    with transaction.atomic():
        touches.record([1], NOW)
        transaction.set_rollback(True)

    assert touches.since(snapshot).customer_ids == []


def trims_one():
    """Not before every transaction that is older has ended, one of another test's database too."""
    wait_until(lambda: touches.trim(now=NOW) == 1, seconds=60)


@pytest.mark.django_db(transaction=True)
def test_touches_are_kept_for_the_reader_who_is_furthest_behind():
    first = touches.follow("first", now=NOW)
    touches.record([1], NOW)
    second = touches.follow("second", now=NOW)
    touches.record([2], NOW)

    assert touches.trim(now=NOW) == 0
    assert touches.is_followed("first", first)
    touches.leave(["first"])
    assert not touches.is_followed("first", first)
    trims_one()
    assert touches.since(second).customer_ids == [2]
    touches.follow("second", now=NOW)
    trims_one()


@pytest.mark.django_db(transaction=True)
def test_a_reader_who_stays_away_finds_out():
    snapshot = touches.follow("copy", now=NOW - timedelta(days=touches.READER_KEPT_DAYS + 1))
    touches.record([1], NOW)

    trims_one()
    assert not TouchReader.objects.exists()
    assert not touches.is_followed("copy", snapshot)


def test_what_is_asked_reads_the_index():
    snapshot = touches.follow("copy", now=NOW)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        given = {"snapshot": snapshot, "most": 10}
        cursor.execute("EXPLAIN " + touches.SINCE, given)
        plan = "\n".join(line for (line,) in cursor.fetchall())

    assert "touch_by_transaction" in plan
