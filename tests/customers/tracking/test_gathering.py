"""Bells and counts of calls: at once while few come, together while many do, none left out."""

import threading

from customers.services.tracking import gathering, intake, pulse
from customers.services.tracking.gathering import Gathering
from customers.signals import customers_changed
from tests.customers.tracking.calls import make_key
from tests.makers import NOW


def test_few_are_handed_on_at_once_and_many_together(monkeypatch):
    monkeypatch.setattr(gathering, "AT_ONCE_A_SECOND", 3)
    monkeypatch.setattr(gathering, "monotonic", lambda: 100.0)
    done, found = threading.Event(), []

    def hand_on(things):
        found.append(things)
        if len(found) == 4:
            done.set()

    gathered = Gathering(hand_on)
    for n in range(8):
        gathered.add(n)

    assert found == [[0], [1], [2]]
    assert done.wait(10)  # the timer's
    assert found[3] == [3, 4, 5, 6, 7]


def test_bells_that_were_gathered_ring_for_everybody_once():
    heard = []

    def listen(sender, customer_ids, cause, **_):
        heard.append((customer_ids, cause))

    receivers, customers_changed.receivers = customers_changed.receivers, []
    customers_changed.connect(listen)
    try:
        intake._ring([{3, 1}, {2, 3}])
        intake._ring([set(range(1_500))])
    finally:
        customers_changed.disconnect(listen)
        customers_changed.receivers = receivers
        customers_changed.sender_receivers_cache.clear()

    assert heard[0] == ([1, 2, 3], "event")
    assert [len(ids) for ids, _cause in heard] == [3, 1_000, 500]


def test_counts_that_were_gathered_add_up_and_the_last_are_shown(db):
    key = make_key()
    lives = [[pulse.seen(now=NOW, payload=f"{n}-{m}") for m in range(4)] for n in range(4)]

    pulse._write_notes([(key, NOW, live, {"stored": 4, "repeated": 1}) for live in lives])

    day = pulse.days(key, now=NOW)[0]
    assert (day.stored, day.repeated) == (16, 4)
    shown = {one.payload for _key, one in pulse.live([key])}
    assert shown == {f"{n}-{m}" for n in (1, 2, 3) for m in range(4)} - {"1-0", "1-1"}
