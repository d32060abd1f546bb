"""Hand out and erase what is known about one person, over all apps that registered."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F, Q

from customers.models import (
    Customer,
    Event,
    Identity,
    Merge,
    MovedRows,
    Order,
    OrderLine,
    RefusedClaim,
    Review,
)
from customers.services import consent, touches
from customers.services.identities import merging
from customers.signals import customers_changed
from rapport import privacy
from rapport.access import audit
from rapport.errors import NotFound

EMPTIED: dict[str, Any] = {
    "email": None,
    "phone": None,
    "first_name": "",
    "last_name": "",
    "language": "",
    "time_zone": "",
    "country": "",
    "birth_date": None,
    "traits": {},
}


@dataclass(frozen=True)
class Certificate:
    """What was erased, when and by whom; it names no person."""

    customer_id: int
    erased_at: datetime
    erased_by: str
    rows: dict[str, int] = field(default_factory=dict)  # kind of data -> rows removed or emptied
    note: str = (
        "Orders were kept without any link to a person, for bookkeeping. The addresses are kept "
        "only as a fingerprint, so that nobody writes to them again. Backups expire on their own "
        "schedule."
    )


def export(customer_id: int) -> dict[str, Any]:
    """Everything that is known about one customer, by kind of data.

    A merged id stands for its survivor, and what still lies under merged ids comes along.
    """
    if not Customer.objects.filter(pk=customer_id).exists():
        raise NotFound(f"There is no customer {customer_id}.")
    customer_id = merging.surviving(customer_id)
    found = {kind.name: kind.export(customer_id) for kind in privacy.kinds()}
    merged = [
        {"customer_id": pk, **{kind.name: kind.export(pk) for kind in privacy.kinds()}}
        for pk in merging.merged_ids(customer_id)
    ]
    return {**found, "merged_profiles": merged} if merged else found


def erase(customer_id: int, *, user: Any, now: datetime) -> Certificate:
    """Erase one customer, in all apps or not at all.

    Downstream apps go first, while the customer's address can still be read.  A merged id stands
    for its survivor, and all profiles that became part of her are erased with her.  Safe to repeat:
    the second certificate counts nothing.
    """
    with transaction.atomic():
        customer_id = merging.surviving(customer_id)
        customer = Customer.objects.select_for_update().filter(pk=customer_id).first()
        if customer is None:
            raise NotFound(f"There is no customer {customer_id}.")
        ids = [customer_id, *merging.merged_ids(customer_id)]
        _suppress_addresses(ids, now=now)
        rows = {"consent": sum(consent.forget(pk, now=now) for pk in ids)}
        for kind in reversed(privacy.kinds()):
            rows[kind.name] = rows.get(kind.name, 0) + sum(kind.erase(pk) for pk in ids)
        Customer.objects.filter(pk=customer_id, erased_at=None).update(
            erased_at=now, changed_at=now
        )
        touches.record([customer_id], now)
        audit(user, "customer.erased", f"customer {customer_id}", rows=rows)
        transaction.on_commit(
            lambda: customers_changed.send(
                sender=Customer, customer_ids=[customer_id], cause="edit"
            )
        )
    return Certificate(
        customer_id=customer_id,
        erased_at=customer.erased_at or now,
        erased_by=str(user) if user is not None else "rapport",
        rows=rows,
    )


def _suppress_addresses(customer_ids: list[int], *, now: datetime) -> None:
    """Keep all addresses that are handles from being written to; the row's own `consent` keeps."""
    channels = {Identity.Kind.EMAIL: "email", Identity.Kind.PHONE: "sms"}
    handles = Identity.objects.filter(customer_id__in=customer_ids, kind__in=channels)
    for kind, value in handles.values_list("kind", "value"):
        channel = channels[Identity.Kind(kind)]
        consent.suppress(value, channel=channel, reason="erased", source="erasure", now=now)


def export_person(customer_id: int) -> dict[str, Any]:
    found: dict[str, Any] = dict(Customer.objects.filter(pk=customer_id).values().first() or {})
    identities = Identity.objects.filter(customer_id=customer_id)
    return {**found, "identities": list(identities.values("kind", "source", "value"))}


def erase_person(customer_id: int) -> int:
    """Empty the row, which stays so that nothing that counted it changes, and drop the handles."""
    handles = Identity.objects.filter(customer_id=customer_id).delete()[0]
    left = Customer.objects.filter(pk=customer_id)
    is_merged = Q(merged_into__isnull=False) & ~Q(**EMPTIED)
    return handles + left.filter(Q(erased_at=None) | is_merged).update(**EMPTIED)


def export_orders(customer_id: int) -> list[dict]:
    orders = list(Order.objects.filter(customer_id=customer_id).order_by("happened_at").values())
    lines = OrderLine.objects.filter(order__customer_id=customer_id).select_related("product")
    by_order: dict[int, list[dict]] = {}
    for line in lines.order_by("order_id", "position"):
        by_order.setdefault(line.order_id, []).append(
            {
                "position": line.position,
                "product": str(line.product),
                "quantity": line.quantity,
                "unit_price": line.unit_price,
                "discount": line.discount,
            }
        )
    return [{**order, "lines": by_order.get(order["id"], [])} for order in orders]


def erase_orders(customer_id: int) -> int:
    """Cut the link: the sale stays in the books, the buyer does not."""
    return Order.objects.filter(customer_id=customer_id).update(
        customer_id=None, properties={}, coupon_code=""
    )


def export_events(customer_id: int) -> list[Any]:
    return list(Event.objects.filter(customer_id=customer_id).order_by("happened_at").values())


def erase_events(customer_id: int) -> int:
    return Event.objects.filter(customer_id=customer_id).delete()[0]


def export_reviews(customer_id: int) -> list[Any]:
    return list(Review.objects.filter(customer_id=customer_id).order_by("happened_at").values())


def erase_reviews(customer_id: int) -> int:
    """The stars stay with the product; the words and the author go."""
    return Review.objects.filter(customer_id=customer_id).update(
        customer_id=None, title="", text=""
    )


def _merges_of(customer_id: int) -> Any:
    return Merge.objects.filter(Q(survivor_id=customer_id) | Q(merged_id=customer_id))


def _refusals_of(customer_id: int) -> Any:
    return RefusedClaim.objects.filter(Q(customer_id=customer_id) | Q(holder_id=customer_id))


def export_merges(customer_id: int) -> dict[str, list[Any]]:
    """Which profiles were found to be this one, and which handles were refused."""
    merges = _merges_of(customer_id).order_by("merged_at", "id")
    columns = ("survivor_id", "merged_id", "rule", "reason", "moved", "fields", "merged_at")
    refused = _refusals_of(customer_id).order_by("first_at", "id")
    return {
        "merges": list(merges.values(*columns, "undone_at")),
        "refused": list(refused.values("kind", "source", "value", "reason", "first_at", "last_at")),
    }


def erase_merges(customer_id: int) -> int:
    """Empty the log, whose ids still lead to whoever is left, and drop what was refused.

    What is erased cannot be taken apart again, so the lists of moved rows go as well.
    """
    merges = _merges_of(customer_id).filter(Q(forgotten_at=None) | ~Q(reason=""))
    rows = MovedRows.objects.filter(merge__in=merges).delete()[0]
    rows += merges.update(fields={}, reason="", forgotten_at=F("merged_at"))
    return rows + _refusals_of(customer_id).delete()[0]
