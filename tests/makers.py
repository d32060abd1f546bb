"""The cast: Ada buys often, Bob bought once, Eve has left, Mallory said no; and the staff."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

from django.contrib.auth.models import Group, User

from campaigns.models import Campaign
from campaigns.services import campaigns
from customers.models import Consent, Customer, Event, Identity, Order, OrderLine, Product
from segments.models import Membership, Segment

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
FIRST_OF_A_CROWD = 1_000_000  # far above what a sequence reaches in a test
_numbers = count(1)


def ago(days: float = 0, **more: float) -> datetime:
    return NOW - timedelta(days=days, **more)


def make_customer(name: str = "ada", **given: Any) -> Customer:
    since = given.pop("happened_at", ago(400))
    fields = {
        "source": "shop",
        "email": f"{name}@example.com",
        "first_name": name.title(),
        "country": "FR",
        "language": "en",
        "happened_at": since,
        "recorded_at": since,
        "changed_at": since,
    }
    customer = Customer.objects.create(**{**fields, **given})
    Identity.objects.create(
        customer=customer, kind=Identity.Kind.EXTERNAL, source="shop", value=name, recorded_at=since
    )
    return customer


def make_product(external_id: str = "mug", **given: Any) -> Product:
    fields = {
        "source": "shop",
        "name": external_id.title(),
        "category": "Kitchen",
        "price": Decimal("10"),
        "currency": "EUR",
        "happened_at": ago(500),
        "recorded_at": ago(500),
    }
    product, _ = Product.objects.get_or_create(
        source="shop", external_id=external_id, defaults={**fields, **given}
    )
    return product


def make_order(
    customer: Customer | None, total: float = 20, *, days_ago: float = 1, **given: Any
) -> Order:
    moment = given.pop("happened_at", ago(days_ago))
    product = given.pop("product", None) or make_product()
    fields = {
        "source": "shop",
        "external_id": f"o{next(_numbers)}",
        "total": Decimal(str(total)),
        "currency": "EUR",
        "happened_at": moment,
        "recorded_at": moment,
    }
    order = Order.objects.create(customer=customer, **{**fields, **given})
    OrderLine.objects.create(
        order=order,
        position=1,
        product=product,
        quantity=1,
        unit_price=order.total,
        happened_at=order.happened_at,
        recorded_at=order.recorded_at,
    )
    return order


def make_event(
    customer: Customer | None, name: str = "Product Viewed", *, days_ago: float = 1, **given: Any
) -> Event:
    moment = given.pop("happened_at", ago(days_ago))
    fields = {
        "source": "shop",
        "message_id": f"e{next(_numbers)}",
        "happened_at": moment,
        "recorded_at": moment,
    }
    return Event.objects.create(customer=customer, name=name, **{**fields, **given})


def make_consent(customer: Customer, is_granted: bool = True, **given: Any) -> Consent:
    fields = {
        "channel": "email",
        "topic": "marketing",
        "source": "checkout",
        "proof_text": "Yes, send me news and offers.",
        "happened_at": ago(300),
        "recorded_at": ago(300),
    }
    return Consent.objects.create(customer=customer, is_granted=is_granted, **{**fields, **given})


def make_segment(name: str = "everybody", members: Any = (), **given: Any) -> Segment:
    """A live segment with these members, as a refresh would have left it."""
    fields = {
        "key": name,
        "rule": {"version": 1, "where": {"all": []}},
        "refreshed_at": ago(0.1),
        "created_at": ago(10),
        "changed_at": ago(10),
    }
    segment = Segment.objects.create(name=name, **{**fields, **given})
    Membership.objects.bulk_create(
        Membership(segment=segment, customer=one, entered_at=ago(1), rule_version=1)
        for one in members
    )
    return segment


def make_campaign(*included: Segment, **given: Any) -> Campaign:
    """A draft to the members of these segments; without a holdout unless one is asked for."""
    fields = {"name": "Spring", "holdout_share": 0.0, "included": included, **given}
    campaign = campaigns.create(user=None, now=NOW, **fields)
    campaign.salt = "spring"  # with a crowd's own ids, the same draw in every run
    campaign.save(update_fields=["salt"])
    return campaign


def make_crowd(size: int, *, first: int = 0, consent: bool = True) -> list[Customer]:
    """Many customers at once, with consent unless told otherwise."""
    crowd = Customer.objects.bulk_create(
        Customer(
            pk=FIRST_OF_A_CROWD + number,
            email=f"c{number}@example.com",
            happened_at=ago(400),
            recorded_at=ago(400),
            changed_at=ago(400),
        )
        for number in range(first, first + size)
    )
    if consent:
        Consent.objects.bulk_create(
            Consent(
                customer=one,
                channel="email",
                is_granted=True,
                source="checkout",
                happened_at=ago(300),
                recorded_at=ago(300),
            )
            for one in crowd
        )
    return crowd


def make_staff(role: str) -> User:
    """A person in one role; "stranger" has no role at all."""
    person = User.objects.create_user(role, f"{role}@staff.example.com", "secret-word-7")
    if role != "stranger":
        person.groups.add(Group.objects.get(name=role))
    person.is_staff = role == "admin"
    person.save(update_fields=["is_staff"])
    return person


def make_cast() -> dict[str, Customer]:
    """Ada buys often, Bob bought once, Eve has left, Mallory never said yes."""
    ada, bob, eve, mallory = (make_customer(name) for name in ("ada", "bob", "eve", "mallory"))
    for days in (5, 20, 40, 80, 150):
        make_order(ada, 60, days_ago=days)
    make_order(bob, 25, days_ago=30)
    for days in (300, 320, 350):
        make_order(eve, 45, days_ago=days)
    make_order(mallory, 80, days_ago=10)
    for customer in (ada, bob, eve):
        make_consent(customer)
    return {"ada": ada, "bob": bob, "eve": eve, "mallory": mallory}
