"""Change what people say of themselves on pages of ours."""

from datetime import datetime

from django.db import transaction

from customers.models import Customer
from customers.services import touches
from customers.signals import customers_changed


@transaction.atomic
def speak(customer_id: int, language: str, *, now: datetime) -> bool:
    """Note the language that a customer wishes to be written to in; return whether that is new."""
    found = Customer.objects.filter(pk=customer_id, erased_at=None).exclude(language=language)
    if not found.update(language=language[:10], changed_at=now):
        return False
    touches.record([customer_id], now)
    transaction.on_commit(
        lambda: customers_changed.send(sender=Customer, customer_ids=[customer_id], cause="edit")
    )
    return True
