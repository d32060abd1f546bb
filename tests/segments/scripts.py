"""Random scripts of what customers do, for stories that are told three times.

A script is a list of steps; each lets time pass and then writes one fact of one customer, or only
looks who is in which segment.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

from hypothesis import strategies as st

from customers.models import Consent, Customer, Event, Order, OrderLine, Product, Suppression
from customers.services.consent import address_sha256
from segments.models import CustomerList, ListMember, ModelRun, Score
from tests.segments.rules.people import DAYS, NAMES, TICK

START = datetime(2026, 3, 20, 9, tzinfo=UTC)  # clocks change nine days later
TIMES = (
    timedelta(seconds=1),
    timedelta(hours=1),
    timedelta(hours=12),
    *(timedelta(days=n) for n in DAYS),
    *(timedelta(days=n) + TICK for n in DAYS[:5]),
)
# Facts are recorded at once, save those that are told of late, or ahead of their time.
LATE = (*(timedelta(),) * 6, timedelta(days=3), timedelta(days=40), -timedelta(days=2))
_numbers = count(1)


@dataclass(frozen=True)
class Step:
    """Time passes, then somebody does something; without ``kind`` one only looks."""

    away: timedelta
    who: int
    kind: str
    choice: int
    late: timedelta


def steps(customers: int) -> st.SearchStrategy[list[Step]]:
    """Scripts for so many customers; each ends with a look."""
    one = st.builds(
        Step,
        away=st.sampled_from(TIMES),
        who=st.integers(0, customers - 1),
        kind=st.sampled_from((*FACTS, *COMMON, "")),
        choice=st.integers(0, 11),
        late=st.sampled_from(LATE),
    )
    last = st.builds(
        Step, st.sampled_from(TIMES), st.just(0), st.just(""), st.just(0), st.just(timedelta())
    )
    several = st.lists(one, min_size=2, max_size=9)
    return st.tuples(several, last).map(lambda found: [*found[0], found[1]])


class Stage:
    """The customers, products and lists that all scripts are about."""

    def __init__(self, customers: int) -> None:
        before = START - timedelta(days=500)
        clocks = {"happened_at": before, "recorded_at": before}
        self.customers = Customer.objects.bulk_create(
            Customer(email=f"p{n}@shop.example", country="FR", changed_at=before, **clocks)
            for n in range(customers)
        )
        self.products = Product.objects.bulk_create(
            Product(source="shop", external_id=f"p{n}", category=category, brand=brand, **clocks)
            for n, (category, brand) in enumerate(
                (("Garden", "Acme"), ("Kitchen", "Acme"), ("garden", "Élan"))
            )
        )
        self.lists = CustomerList.objects.bulk_create(
            CustomerList(key=key, name=key, created_at=before, changed_at=before)
            for key in ("guests", "staff")
        )
        self.run = ModelRun.objects.create(
            kind="churn_90d", state="live", as_of=before, created_at=before
        )

    def write(self, step: Step, now: datetime) -> list[int]:
        """Write the fact; whom it touches."""
        customer = self.customers[step.who]
        touched = FACTS[step.kind](self, customer, step.choice, _clocks(step.late, now))
        return [customer.pk] if touched is None else touched


def _clocks(late: timedelta, now: datetime) -> dict[str, datetime]:
    return {"happened_at": now - late, "recorded_at": now}


def _order(stage: Stage, customer: Customer, choice: int, clocks: dict[str, Any]) -> None:
    order = Order.objects.create(
        source="shop",
        external_id=f"s{next(_numbers)}",
        customer=customer,
        kind="refund" if choice == 11 else "sale",
        status="cancelled" if choice == 10 else "paid",
        total=Decimal((20, 100, "33.3333")[choice % 3]),
        currency="EUR",
        coupon_code="SAVE10" if choice % 4 == 0 else "",
        **clocks,
    )
    OrderLine.objects.create(
        order=order,
        position=1,
        product=stage.products[choice % 3],
        quantity=1 + choice % 2,
        unit_price=order.total,
        **clocks,
    )


def _cancel(stage: Stage, customer: Customer, choice: int, clocks: dict[str, Any]) -> None:
    last = Order.objects.filter(customer=customer).order_by("-happened_at", "-id").first()
    if last:
        Order.objects.filter(pk=last.pk).update(status="refunded")


def _event(stage: Stage, customer: Customer, choice: int, clocks: dict[str, Any]) -> None:
    held: tuple[Any, ...] = ("gold", 12, ["gold", 12.5], "2026-03-29", None, "2024-02-29")
    Event.objects.create(
        source="shop",
        message_id=f"s{next(_numbers)}",
        customer=customer,
        name=NAMES[choice % 4],
        properties={"category": held[choice % 6]},
        **clocks,
    )


def _consent(stage: Stage, customer: Customer, choice: int, clocks: dict[str, Any]) -> None:
    Consent.objects.get_or_create(
        customer=customer,
        channel=("email", "sms")[choice % 2],
        topic=("marketing", "news")[choice % 4 // 3],
        is_granted=choice < 6,
        source="page",
        **clocks,
    )


def _suppress(stage: Stage, customer: Customer, choice: int, clocks: dict[str, Any]) -> None:
    digest = address_sha256(customer.email)
    there = Suppression.objects.filter(channel="email", address_sha256=digest)
    if not there.delete()[0]:
        Suppression.objects.create(
            channel="email", address_sha256=digest, reason="manual", **clocks
        )


def _change(stage: Stage, customer: Customer, choice: int, clocks: dict[str, Any]) -> None:
    values: tuple[Any, ...] = ("gold", 12, ["Gold", 12], "2026-03-29", "2024-02-29", None)
    zones = ("", "Europe/Paris", "Asia/Beirut", "Mars/Olympus")
    born = (None, date(1988, 2, 29), date(1990, 3, 29), date(1970, 4, 5))
    Customer.objects.filter(pk=customer.pk).update(
        traits={"plan": values[choice % 6], "points": values[-choice % 6]},
        time_zone=zones[choice % 4],
        birth_date=born[choice // 3],
    )


def _list(stage: Stage, customer: Customer, choice: int, clocks: dict[str, Any]) -> None:
    one = stage.lists[choice % 2]
    if not ListMember.objects.filter(list=one, customer=customer).delete()[0]:
        ListMember.objects.create(list=one, customer=customer, added_at=clocks["recorded_at"])


def _scores(stage: Stage, customer: Customer, choice: int, clocks: dict[str, Any]) -> list[int]:
    """All at once, as a scoring does."""
    Score.objects.all().delete()
    Score.objects.bulk_create(
        Score(
            name=name,
            customer=one,
            run=stage.run,
            value=((one.pk + choice) % 4) / 4,
            band=("low", "high")[choice % 2],
            as_of=clocks["recorded_at"],
        )
        for one in stage.customers
        for name in ("churn_90d", "clv_365d", "cluster")
    )
    return [one.pk for one in stage.customers]


Write = Callable[[Stage, Customer, int, dict[str, Any]], list[int] | None]
FACTS: dict[str, Write] = {
    "order": _order,
    "cancel": _cancel,
    "event": _event,
    "consent": _consent,
    "suppress": _suppress,
    "change": _change,
    "list": _list,
    "scores": _scores,
}
COMMON = ("order", "order", "event", "event")
