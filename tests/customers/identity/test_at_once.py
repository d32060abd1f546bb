"""Several connections decide about the same people at once."""

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from threading import Barrier

import pytest
from django.db import connection, transaction

from customers.models import Customer, Event, Identity, Merge
from customers.services import events, identity
from customers.services.events import NewEvent
from customers.services.identity import Claim
from customers.services.importing.among import again_if_disturbed
from tests.conftest import wait_until
from tests.makers import NOW, make_customer

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(*works):
    """Start these together, each on a connection of its own; returns what they return."""
    gate = Barrier(len(works))

    def run(work):
        try:
            gate.wait(10)
            return work()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(works)) as pool:
        return [done.result(30) for done in [pool.submit(run, work) for work in works]]


def resolve(*claims):
    return identity.resolve(claims, source="shop", now=NOW)


@pytest.mark.parametrize("address", ["c{}@example.com", ""])
def test_two_who_meet_the_same_new_people_create_each_once(address):
    claims = [Claim(f"u{n}", f"b{n}", address.format(n), happened_at=NOW) for n in range(60)]
    shuffled = random.Random(7).sample(claims, len(claims))

    one, other = at_once(lambda: resolve(*claims), lambda: resolve(*shuffled))

    assert dict(zip(claims, one, strict=True)) == dict(zip(shuffled, other, strict=True))
    assert Customer.objects.count() == 60
    assert Identity.objects.count() == (180 if address else 120)


def test_two_who_join_the_same_visitor_join_her_once():
    make_customer("ada")
    resolve(*(Claim(anonymous_id=f"b{n}", happened_at=NOW) for n in range(5)))
    claims = [Claim("ada", f"b{n}", happened_at=NOW) for n in range(5)]

    at_once(lambda: resolve(*claims), lambda: resolve(*reversed(claims)))

    assert Merge.objects.count() == 5
    assert Customer.objects.filter(erased_at=None).count() == 1


def test_who_writes_for_a_visitor_is_waited_for_before_she_is_merged():
    ada = make_customer("ada")
    (visitor,) = resolve(Claim(anonymous_id="b1", happened_at=NOW))

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            assert resolve(Claim(anonymous_id="b1", happened_at=NOW)) == [visitor]

            def identify():
                try:
                    return resolve(Claim("ada", "b1", happened_at=NOW))
                finally:
                    connection.close()

            merging = pool.submit(identify)
            wait_until(somebody_waits, what="the merge")
            told = NewEvent("shop", "m1", visitor, "b1", "Viewed", happened_at=NOW)
            events.record([told], now=NOW)
        assert merging.result(20) == [ada.pk]

    assert Event.objects.get().customer == ada


def somebody_waits():
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return cursor.fetchone()[0] > 0


def test_many_at_once_leave_each_handle_and_fact_with_somebody_who_is_there():
    def worker(seed):
        draw = random.Random(seed)

        def work():
            written = 0
            for step in range(25):
                now = NOW + timedelta(minutes=step)
                given = [
                    Claim(
                        draw.choice(["", "u1", "u2", "u3"]),
                        draw.choice(["", "b1", "b2", "b3", "b4"]),
                        draw.choice(["", "", "a@example.com", "b@example.com"]),
                        happened_at=now,
                    )
                    for _ in range(draw.randint(1, 4))
                ]
                written += again_if_disturbed(partial(tell, given, f"{seed}-{step}", now))
            return written

        return work

    def tell(given, name, now):
        with transaction.atomic():
            found = identity.resolve(given, source="shop", now=now)
            told = [
                NewEvent("shop", f"{name}-{n}", pk, one.anonymous_id, "Viewed", happened_at=now)
                for n, (pk, one) in enumerate(zip(found, given, strict=True))
            ]
            return events.record(told, now=now)

    written = at_once(*(worker(seed) for seed in range(3)))

    alive = set(Customer.objects.filter(erased_at=None).values_list("pk", flat=True))
    assert Event.objects.count() == sum(written)
    owners = Event.objects.exclude(customer=None).values_list("customer_id", flat=True)
    assert set(owners) <= alive
    assert set(Identity.objects.values_list("customer_id", flat=True)) <= alive
