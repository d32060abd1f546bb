"""Real commits without emptying every table afterwards, which takes half a second a test.

Import ``transactional_db`` from here into a module of tests to have it instead of pytest-django's.
"""

from collections.abc import Iterator

import pytest

from customers.models import Consent, Customer, Event, Identity, Order, OrderLine, Suppression
from rapport.models import AuditEntry, Run
from segments.models import (
    CustomerList,
    ListMember,
    Membership,
    MembershipChange,
    Recheck,
    Segment,
    WebhookAttempt,
    WebhookDelivery,
    WebhookEndpoint,
)

WRITTEN = (
    WebhookAttempt,
    WebhookDelivery,
    WebhookEndpoint,
    ListMember,
    CustomerList,
    MembershipChange,
    Membership,
    Recheck,
    OrderLine,
    Order,
    Event,
    Consent,
    Suppression,
    Identity,
    Customer,
    Run,
    AuditEntry,
)


@pytest.fixture
def transactional_db(django_db_setup, django_db_blocker) -> Iterator[None]:
    """Let a test commit; what such tests write is removed, ready-made segments and roles stay."""
    with django_db_blocker.unblock():
        try:
            yield
        finally:
            for model in WRITTEN:
                model.objects.all().delete()
            Segment.objects.filter(is_ready_made=False).delete()
