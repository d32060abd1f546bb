"""Calls that come together are written together, and each is told what became of its own."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection

from customers.collect import bodies, tracking
from customers.models import Customer, Event, OrderLine, Product, Touch
from customers.services.tracking import intake
from customers.services.tracking.together import Together
from tests.conftest import wait_until
from tests.customers.tracking.calls import make_key, send
from tests.makers import NOW


def test_who_comes_while_another_writes_is_written_with_all_who_wait():
    goes_on, written = threading.Event(), []

    def write(some):
        written.append(list(some))
        assert goes_on.wait(10)
        return [one * 10 for one in some]

    together = Together(write, most=3)
    with ThreadPoolExecutor(6) as pool:
        first = pool.submit(together.do, 1)
        wait_until(lambda: written)
        others = []
        for number in range(2, 7):
            others.append(pool.submit(together.do, number))
            wait_until(lambda number=number: len(together._waiting) == number - 1)
        goes_on.set()
        done = [first.result(10), *(other.result(10) for other in others)]

    assert written == [[1], [2, 3, 4], [5, 6]]
    assert done == [10, 20, 30, 40, 50, 60]


def test_where_writing_together_fails_each_is_written_alone():
    goes_on, alone = threading.Event(), []

    def write(some):
        if len(some) > 1:
            raise ValueError("not together")
        assert some == [1] or goes_on.is_set()
        goes_on.wait(10)
        alone.extend(some)
        if some == [3]:
            raise ValueError("not even alone")
        return some

    together = Together(write, most=8)
    with ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(together.do, 1)]
        wait_until(lambda: together._is_writing)
        waiting += [pool.submit(together.do, number) for number in (2, 3)]
        wait_until(lambda: len(together._waiting) == 2)
        goes_on.set()

        assert [one.result(10) for one in waiting[:2]] == [1, 2]
        with pytest.raises(ValueError, match="not even alone"):
            waiting[2].result(10)

    assert sorted(alone) == [1, 2, 3]
    assert together.do(4) == 4  # the next is not kept waiting


def call(key, *messages, now=NOW):
    """A call as it is read from its body; each message is an id, and whose it is."""
    batch = [
        {"type": "track", "event": "Song Played", "messageId": name, "userId": who}
        for name, who in messages
    ]
    body = bodies.Body({"batch": batch}, ["{}"] * len(batch))
    read, rejected = tracking.read_request(body, kind="batch", received_at=now, currency="EUR")
    assert not rejected
    return intake._Call(read, key, now)


@pytest.mark.django_db
def test_calls_with_several_keys_are_each_told_what_became_of_their_own():
    shop, other = make_key(), make_key(source="other")
    later = NOW + timedelta(seconds=1)
    calls = [
        call(shop, ("m1", "ada"), ("m2", "bob")),
        call(other, ("m1", "ada")),
        call(shop, ("m2", "bob"), ("m3", "eve"), ("m3", "eve"), now=later),
    ]

    taken = intake._take_some(calls)

    assert [(one.stored, one.repeated) for one in taken] == [(2, 0), (1, 0), (1, 2)]
    assert Event.objects.filter(source="shop").count() == 3
    assert Customer.objects.count() == 4  # an id says nothing beyond its source
    touched = set(Touch.objects.values_list("customer_id", flat=True))
    assert touched == set(Customer.objects.values_list("id", flat=True))


@pytest.mark.django_db
def test_what_is_there_already_touches_nobody():
    key = make_key()
    intake._take_some([call(key, ("m1", "ada"))])
    Touch.objects.all().delete()

    (taken,) = intake._take_some([call(key, ("m1", "ada"))])

    assert (taken.stored, taken.repeated, taken.touched) == (0, 1, set())
    assert not Touch.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_call_over_a_connection_that_was_lost_is_stored():
    key = make_key()
    messages = [{"type": "page", "userId": f"u{n}", "messageId": f"m{n}"} for n in range(12)]
    assert send(key, "batch", {"batch": messages[:6]}).status_code == 200
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        lost = cursor.fetchone()[0]
    with ThreadPoolExecutor(1) as pool:
        pool.submit(_end, lost).result(10)

    answer = send(key, "batch", {"batch": messages})

    assert answer.status_code == 200
    assert answer.json()["stored"] == 6
    assert Event.objects.count() == 12


def _end(backend: int) -> None:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [backend])
    finally:
        connection.close()


@pytest.mark.django_db
def test_the_line_of_a_product_that_was_removed_meanwhile_makes_it_anew():
    key = make_key()

    def order(number: int):
        said = {"order_id": f"o{number}", "products": [{"product_id": "mug", "price": 5}]}
        message = {"type": "track", "event": "Order Completed", "userId": "ada"}
        return {**message, "messageId": f"m{number}", "properties": said}

    for number in range(3):  # the product is settled after two
        assert send(key, "batch", {"batch": [order(number)]}).status_code == 200
    OrderLine.objects.all().delete()
    Product.objects.all().delete()

    assert send(key, "batch", {"batch": [order(3), order(4)]}).status_code == 200

    mug = Product.objects.get()
    assert list(OrderLine.objects.values_list("product_id", "quantity")) == [(mug.pk, 1)] * 2
