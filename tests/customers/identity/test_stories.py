"""Whatever happens in whatever order, nothing is lost, doubled or owned twice.

40 stories; with ``RAPPORT_LONG=1`` 2,000.
"""

import os
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test import override_settings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from customers.models import Consent, Customer, Event, Identity, Merge, Order
from customers.services import events, identity
from customers.services.events import NewEvent
from customers.services.identities import merging
from customers.services.identity import Claim
from rapport.errors import DomainError
from tests.makers import NOW

pytestmark = pytest.mark.django_db
EXAMPLES = 2_000 if os.environ.get("RAPPORT_LONG") else 40
USERS = st.sampled_from(["", "u1", "u2", "u3", "null"])
BROWSERS = st.sampled_from(["", "b1", "b2", "b3"])
ADDRESSES = st.sampled_from(["", "a@example.com", "b@example.com", "c@example.com"])
claims = st.tuples(st.just("claim"), USERS, BROWSERS, ADDRESSES, st.booleans())
steps = st.one_of(
    claims,
    claims,
    st.tuples(st.just("batch"), st.lists(st.tuples(USERS, BROWSERS, ADDRESSES), max_size=4)),
    st.tuples(st.just("alias"), st.sampled_from(["u1", "u2", "b1", "b2"]), USERS),
    st.tuples(st.just("merge"), st.integers(0, 5), st.integers(0, 5)),
    st.tuples(st.just("undo"), st.integers(0, 5)),
    st.tuples(st.just("order"), st.integers(0, 5)),
)


class Story:
    """Plays steps and keeps count of the facts there must be."""

    def __init__(self):
        self.now = NOW
        self.facts = self.words = self.orders = 0

    def play(self, step):
        self.now += timedelta(minutes=1)
        kind, *more = step
        getattr(self, kind)(*more)

    def claim(self, user, browser, address, is_verified):
        claim = Claim(user, browser, address, happened_at=self.now, email_is_verified=is_verified)
        (found,) = identity.resolve([claim], source="shop", now=self.now)
        assert identity.resolve([claim], source="shop", now=self.now) == [found]
        self.record(found, browser)

    def batch(self, batch):
        given = [Claim(*one, happened_at=self.now) for one in batch]
        found = identity.resolve(given, source="shop", now=self.now)
        for one, pk in zip(batch, found, strict=True):
            self.record(pk, one[1])

    def record(self, pk, browser):
        """A message leaves an event and a word of consent."""
        self.facts += 1
        told = NewEvent("shop", f"m{self.facts}", pk, browser, "Viewed", happened_at=self.now)
        assert events.record([told], now=self.now) == 1
        _word, is_new = Consent.objects.get_or_create(
            customer_id=pk or 0,
            channel="email",
            topic="marketing",
            is_granted=True,
            source=f"m{self.facts % 2}",  # few, so that two profiles said the same
            happened_at=NOW,
            defaults={"recorded_at": NOW},
        )
        self.words += is_new

    def alias(self, previous, user):
        identity.alias(previous, user, source="shop", now=self.now)

    def merge(self, one, other):
        pair = [self.some(Customer, one), self.some(Customer, other)]
        if None in pair:
            return
        first, second = pair
        try:
            with transaction.atomic():
                before = state()
                found = identity.merge(first.pk, second.pk, rule="person", now=self.now)
        except DomainError:
            return
        with transaction.atomic():
            identity.undo(found, now=self.now, user=None)
            assert state() == before
            transaction.set_rollback(True)

    def undo(self, nth):
        found = self.some(Merge.objects.filter(undone_at=None), nth)
        if found is not None:
            identity.undo(found, now=self.now, user=None)

    def order(self, nth):
        customer = self.some(Customer.objects.filter(erased_at=None), nth)
        if customer is not None:
            self.orders += 1
            Order.objects.create(
                source="shop",
                external_id=f"o{self.orders}",
                customer=customer,
                total=1,
                currency="EUR",
                happened_at=self.now,
                recorded_at=self.now,
            )

    def some(self, model, nth):
        found = list(getattr(model, "objects", model).order_by("pk"))
        return found[nth % len(found)] if found else None


def state():
    """All that a merge moves."""
    found = {}
    with connection.cursor() as cursor:
        for mover in merging.movers():
            cursor.execute(f"SELECT to_jsonb(t)::text FROM {mover.table} t ORDER BY id")
            found[mover.table] = cursor.fetchall()
        cursor.execute(
            "SELECT (to_jsonb(t) - 'changed_at')::text FROM customers_customer t ORDER BY id"
        )
        found["customers"] = cursor.fetchall()
    return found


@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(story=st.lists(steps, min_size=3, max_size=12), same_email=st.booleans(), shy=st.booleans())
def test_nothing_is_lost_doubled_or_owned_twice(db, story, same_email, shy):
    chosen = {"IDENTITY_MERGE_SAME_EMAIL": same_email, "IDENTITY_ANONYMOUS_PROFILES": not shy}
    with override_settings(**chosen), transaction.atomic():
        told = Story()
        for step in story:
            told.play(step)
        check(told)
        transaction.set_rollback(True)


def check(told):
    alive = set(Customer.objects.filter(erased_at=None).values_list("pk", flat=True))
    merged = Customer.objects.filter(merged_into__isnull=False)
    assert Event.objects.count() == told.facts
    assert Consent.objects.count() == told.words
    assert Order.objects.count() == told.orders
    assert set(Identity.objects.values_list("customer_id", flat=True)) <= alive
    assert set(Order.objects.values_list("customer_id", flat=True)) <= alive
    owners = Event.objects.exclude(customer=None).values_list("customer_id", flat=True)
    assert set(owners) <= alive
    assert set(merged.values_list("merged_into_id", flat=True)) <= alive
    assert merged.count() == Merge.objects.filter(undone_at=None).count()
    handles = list(Identity.objects.values_list("source", "kind", "value"))
    assert len(handles) == len(set(handles))
    addresses = dict(Customer.objects.exclude(email=None).values_list("email", "pk"))
    for kept in Identity.objects.filter(kind="email", value__in=addresses):
        assert kept.customer_id == addresses[kept.value]
