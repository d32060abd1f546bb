"""Events that programs report are appended once, and their customers are told of."""

from dataclasses import replace

import pytest

from customers.models import Event
from customers.services import events
from customers.services.events import NewEvent
from customers.signals import customers_changed
from tests.makers import NOW, ago, make_customer

pytestmark = pytest.mark.django_db


def seen(message_id, customer_id=None, **given):
    fields = {"source": "web", "anonymous_id": "", "name": "Seen", "properties": {}}
    return NewEvent(
        message_id=message_id, customer_id=customer_id, **{**fields, "happened_at": ago(1), **given}
    )


def test_an_event_is_appended_once():
    ada = make_customer("ada")
    rows = [seen("m2", ada.pk, properties={"page": "/x"}), seen("m1", anonymous_id="cookie")]

    assert events.record(rows, now=NOW) == 2
    assert events.record([*rows, seen("m1")], now=NOW) == 0

    event = Event.objects.get(message_id="m2")
    assert (event.customer, event.properties, event.recorded_at) == (ada, {"page": "/x"}, NOW)
    assert Event.objects.get(message_id="m1").anonymous_id == "cookie"


def test_one_message_id_of_two_sources_is_two_events():
    first = seen("m1")

    assert events.record([first, replace(first, source="app"), first], now=NOW) == 2


def test_no_event_is_no_work(django_assert_num_queries):
    with django_assert_num_queries(0):
        assert events.record([], now=NOW) == 0


def test_customers_with_new_events_are_told_of_once(django_capture_on_commit_callbacks):
    ada, bob = make_customer("ada"), make_customer("bob")
    events.record([seen("m0", bob.pk)], now=NOW)
    rung = []

    def ring(sender, customer_ids, cause, **_):
        rung.append((cause, customer_ids))

    customers_changed.connect(ring)
    with django_capture_on_commit_callbacks(execute=True):
        events.record([seen("m0", bob.pk), seen("m1", ada.pk), seen("m2", ada.pk)], now=NOW)
    customers_changed.disconnect(ring)

    assert rung == [("event", [ada.pk])]
