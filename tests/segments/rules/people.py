"""Random customers whose facts sit on the edges of windows, from a seed."""

import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import count

from customers.models import (
    Consent,
    Customer,
    Event,
    Order,
    OrderLine,
    Product,
    Suppression,
)
from customers.services.consent import address_sha256
from segments.models import CustomerList, ListMember, ModelRun, Score

AS_OF = datetime(2026, 3, 29, 12, 30, tzinfo=UTC)  # the night in which Europe's clocks changed
# The nights in which clocks change: Azores in autumn (their midnight comes twice), Beirut in
# spring (it never comes), Paris in spring, and leap days.
NIGHTS = (
    datetime(2025, 10, 25, 23, 59, 59, tzinfo=UTC),
    datetime(2025, 10, 26, 0, 30, tzinfo=UTC),
    datetime(2026, 3, 28, 21, 30, tzinfo=UTC),
    datetime(2026, 3, 28, 22, 30, tzinfo=UTC),
    datetime(2026, 3, 29, 0, 30, tzinfo=UTC),
    datetime(2026, 2, 28, 12, tzinfo=UTC),
    datetime(2028, 2, 28, 23, tzinfo=UTC),
)
DAYS = (1, 2, 7, 30, 60, 90, 180, 365)
TICK = timedelta(microseconds=1)
NAMES = ("Product Viewed", "Product Added", "Checkout Started", "Order Completed")
# One each side of the date line, two where clocks changed that night, the Azores, where midnight
# comes twice in October, Beirut, where it never comes that day, and three that nobody knows.
ZONES = (
    "",
    "Europe/Paris",
    "Atlantic/Azores",
    "Asia/Beirut",
    "America/New_York",
    "Pacific/Kiritimati",
    "Pacific/Pago_Pago",
    "Australia/Lord_Howe",
    "Mars/Olympus",
    "europe/paris",
    "UTC+3",
)
BIRTHDAYS = (
    None,
    date(2026, 3, 22),
    date(1990, 2, 28),
    date(1988, 2, 29),
    date(2026, 4, 5),
    date(1990, 3, 29),
    date(1970, 10, 25),
)
CATEGORIES = ("Garden", "Kitchen", "garden", "")
BRANDS = ("Acme", "Élan", "")
TOTALS = ("0", "0.0001", "19.99", "20", "33.3333", "100", "-5")
TRAITS = (
    None,
    "",
    "gold",
    "Gold",
    "ÉTÉ",
    "12",
    "12.50",
    "-3",
    "1e3",
    "2026-03-29",
    "2026-02-31",
    "2026-03-22T10:00:00Z",
    "2024-02-29",
    "1999-04-05",
    "0999-03-29",
    12,
    12.5,
    0.1,
    -3,
    10**20,
    True,
    False,
    ["Gold", 12.50, None, ["12"], True, ""],
    [],
    {"plan": "gold"},
)


def moment(draw: random.Random, as_of: datetime = AS_OF) -> datetime:
    """Before, on or after an edge of a window, or of a day."""
    edge = as_of - timedelta(days=draw.choice((0, *DAYS, -1)))
    if draw.random() < 0.2:
        edge = edge.replace(hour=0, minute=0)
    return edge + draw.choice((-TICK, timedelta(), TICK, -timedelta(hours=1)))


def clocks(draw: random.Random) -> dict[str, datetime]:
    happened = moment(draw)
    late = draw.choice((timedelta(), timedelta(), timedelta(days=1), timedelta(days=40)))
    return {"happened_at": happened, "recorded_at": happened + late}


def make_people(n: int, *, seed: int) -> list[int]:
    """Write ``n`` customers with orders, events, consent, scores and suppressions."""
    draw, numbers = random.Random(seed), count(1)
    products = Product.objects.bulk_create(
        Product(
            source="shop",
            external_id=f"p{number}",
            kind=draw.choice(Product.Kind.values[:2]),
            category=draw.choice(CATEGORIES),
            brand=draw.choice(BRANDS),
            happened_at=AS_OF - timedelta(days=500),
            recorded_at=AS_OF - timedelta(days=500),
        )
        for number in range(6)
    )
    people = Customer.objects.bulk_create(_customer(draw, number) for number in range(n))
    orders = Order.objects.bulk_create(
        _order(draw, person, next(numbers)) for person in people for _ in range(draw.randint(0, 6))
    )
    OrderLine.objects.bulk_create(
        _line(draw, order, position, products)
        for order in orders
        for position in range(1, draw.randint(1, 4))
    )
    Event.objects.bulk_create(
        _event(draw, person, next(numbers)) for person in people for _ in range(draw.randint(0, 6))
    )
    Consent.objects.bulk_create(
        (_consent(draw, person) for person in people for _ in range(draw.randint(0, 5))),
        ignore_conflicts=True,
    )
    Suppression.objects.bulk_create(
        Suppression(
            channel="email", address_sha256=address_sha256(p.email), reason="manual", **clocks(draw)
        )
        for p in people
        if p.email and draw.random() < 0.3
    )
    _scores(draw, people)
    _lists(draw, people)
    return [person.pk for person in people]


def _customer(draw: random.Random, number: int) -> Customer:
    known = {} if draw.random() < 0.2 else {"happened_at": AS_OF - timedelta(days=400)}
    if known:
        known["recorded_at"] = known["happened_at"]
    return Customer(
        email=draw.choice((None, f"Person{number}@example.com", f"p{number}@shop.example")),
        first_name=draw.choice(("", "Ada", "ada", "Zoë")),
        country=draw.choice(("", "FR", "BE", "GB")),
        language=draw.choice(("", "en", "fr-BE")),
        time_zone=draw.choice(ZONES),
        birth_date=draw.choice(BIRTHDAYS),
        traits={key: draw.choice(TRAITS) for key in ("plan", "points", "b'c") if draw.random() < 1},
        changed_at=AS_OF,
        erased_at=AS_OF if draw.random() < 0.05 else None,
        **(known or clocks(draw)),
    )


def _order(draw: random.Random, person: Customer, number: int) -> Order:
    return Order(
        source=draw.choice(("shop", "Outlet")),
        external_id=f"o{number}",
        customer=person if draw.random() < 0.9 else None,
        kind=draw.choice(("sale", "sale", "sale", "refund", "adjustment")),
        status=draw.choice(("paid", "paid", "paid", "refunded", "cancelled")),
        total=Decimal(draw.choice(TOTALS)),
        currency=draw.choice(("EUR", "GBP")),
        coupon_code=draw.choice(("", "", "SAVE10", "save10")),
        **clocks(draw),
    )


def _line(draw: random.Random, order: Order, position: int, products: list) -> OrderLine:
    return OrderLine(
        order=order,
        position=position,
        product=draw.choice(products),
        quantity=draw.choice((1, 2, 3, -1)),
        unit_price=Decimal(draw.choice(TOTALS)),
        discount=Decimal(draw.choice(("0", "1.5"))),
        happened_at=order.happened_at,
        recorded_at=order.recorded_at,
    )


def _event(draw: random.Random, person: Customer, number: int) -> Event:
    return Event(
        source="shop",
        message_id=f"e{number}",
        customer=person if draw.random() < 0.9 else None,
        name=draw.choice(NAMES),
        properties={"category": draw.choice(TRAITS)} if draw.random() < 0.7 else {},
        **clocks(draw),
    )


def _consent(draw: random.Random, person: Customer) -> Consent:
    return Consent(
        customer=person,
        channel=draw.choice(("email", "email", "sms")),
        topic=draw.choice(("marketing", "marketing", "news")),
        is_granted=draw.random() < 0.6,
        source=draw.choice(("checkout", "page", "import")),
        happened_at=draw.choice((AS_OF - timedelta(days=7), AS_OF, AS_OF + TICK)),
        recorded_at=AS_OF + draw.choice((-TICK, timedelta(), TICK)),
    )


def _scores(draw: random.Random, people: list[Customer]) -> None:
    run = ModelRun.objects.create(kind="churn_90d", state="live", as_of=AS_OF, created_at=AS_OF)
    Score.objects.bulk_create(
        Score(
            name=name,
            customer=person,
            run=run,
            value=draw.choice((0.0, 0.1, 0.25, 0.7, 0.7, 1.0, 3.0)),
            band=draw.choice(("low", "medium", "high")),
            as_of=draw.choice((AS_OF, AS_OF - TICK, AS_OF + TICK)),
        )
        for person in people
        for name in ("churn_90d", "clv_365d", "cluster")
        if draw.random() < 0.8
    )


def _lists(draw: random.Random, people: list[Customer]) -> None:
    lists = [
        CustomerList(key=key, name=key, created_at=AS_OF, changed_at=AS_OF)
        for key in ("guests", "staff")
    ]
    ListMember.objects.bulk_create(
        ListMember(list=one, customer=person, added_at=moment(draw))
        for one in CustomerList.objects.bulk_create(lists)
        for person in people
        if draw.random() < 0.4
    )
