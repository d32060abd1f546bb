"""What pages read: customers found and narrowed, what they are worth, what happened, what is sold.

Nothing here writes. Revenue means one thing everywhere: paid sales less refunds, in one currency.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import Count, Exists, F, Max, OuterRef, Prefetch, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Lower

from customers.models import Consent, Customer, Identity, Order, OrderLine, Product
from customers.services import consent

WEEKS = 26
UNITS_DAYS = 90
SORTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "newest": ("Newest first", ("-happened_at", "-id")),
    "oldest": ("Oldest first", ("happened_at", "id")),
    "email": ("E-mail, A to Z", ("email_lower", "id")),
}
PAID = Q(kind__in=[Order.Kind.SALE, Order.Kind.REFUND], status=Order.Status.PAID)


@dataclass(frozen=True)
class Value:
    """What one customer has bought so far, in one currency."""

    customer_id: int
    currency: str
    orders: int  # paid sales
    amount: Decimal  # paid, less what was paid back
    last_order_at: datetime | None


@dataclass(frozen=True)
class Day:
    """Paid orders of one currency in the 24 hours that ended ``days_ago`` days before ``until``."""

    currency: str
    days_ago: int
    orders: int
    revenue: float


@dataclass(frozen=True)
class Happening:
    """One line of a customer's story."""

    kind: str  # order, event, consent, review
    row_id: int
    happened_at: datetime
    words: str  # number and state of the order, name of the event, channel and topic, title
    figure: Decimal | None  # total, rating, 1 for yes
    currency: str
    detail: Any  # properties of an event


# --- customers --------------------------------------------------------------------------------


def customers(*, words: str = "", country: str = "", may_email: str = "") -> QuerySet[Customer]:
    """Customers whose name, address or number begins so, from there, with or without consent."""
    found = Customer.objects.filter(erased_at=None)
    if words.strip():
        found = found.filter(pk__in=_called(words.strip().lower()))
    if country:
        found = found.filter(country=country.upper())
    if may_email == "yes":
        found = found.alias(may=_latest_word()).filter(may=True)
    elif may_email == "no":
        found = found.alias(may=_latest_word()).filter(Q(may=False) | Q(may=None))
    return found


def sorted_by(found: QuerySet[Customer], sort: str) -> tuple[QuerySet[Customer], tuple[str, ...]]:
    """The customers with the names to order them by; without an address none is sorted by it."""
    by = SORTS.get(sort, SORTS["newest"])[1]
    if "email_lower" in by:
        found = found.exclude(email=None).annotate(email_lower=Lower("email"))
    return found, by


def _called(words: str) -> QuerySet:
    """Ids of customers called so; each branch has an index, so the base is never read through."""
    people = Customer.objects.alias(first=Lower("first_name"), last=Lower("last_name"))
    first, _, last = words.partition(" ")
    if last:
        named = people.filter(first__startswith=first, last__startswith=last.strip()).values("pk")
        return named.union(people.filter(last__startswith=words).values("pk"))
    handles = Identity.objects.values("customer_id")
    branches = [
        people.filter(last__startswith=words).values("pk"),
        Customer.objects.alias(address=Lower("email")).filter(address=words).values("pk"),
        handles.filter(value__startswith=words),
        handles.filter(value=words.upper()),  # shops write their numbers like K-1042
    ]
    if words.isdecimal() and len(words) < 19:
        branches.append(Customer.objects.filter(pk=int(words)).values("pk"))
    return people.filter(first__startswith=words).values("pk").union(*branches)


def _latest_word(channel: str = "email", topic: str = "marketing") -> Subquery:
    said = Consent.objects.filter(customer=OuterRef("pk"), channel=channel, topic=topic)
    latest = said.order_by("-happened_at", "-recorded_at", "-id")
    return Subquery(latest.values("is_granted")[:1])


def reachable_count() -> int:
    """How many have said yes to marketing by e-mail and are not erased."""
    text, params = consent.allowed_sql("email", "marketing")
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM ({text}) allowed", params)
        return cursor.fetchone()[0]


def countries() -> list[tuple[str, int]]:
    """Countries with their customers, the largest first."""
    known = Customer.objects.filter(erased_at=None).exclude(country="").values("country")
    return list(known.annotate(n=Count("id")).order_by("-n", "country").values_list("country", "n"))


def values_of(customer_ids: Iterable[int]) -> dict[int, list[Value]]:
    """What each of these customers has bought, one entry a currency, the largest first."""
    orders = Order.objects.filter(PAID, customer_id__in=list(customer_ids))
    rows = (
        orders.values("customer_id", "currency")
        .annotate(
            n=Count("id", filter=Q(kind=Order.Kind.SALE)),
            amount=Sum("total"),
            last=Max("happened_at", filter=Q(kind=Order.Kind.SALE)),
        )
        .order_by("customer_id", "-amount")
    )
    found: dict[int, list[Value]] = {}
    for row in rows:
        value = Value(row["customer_id"], row["currency"], row["n"], row["amount"], row["last"])
        found.setdefault(value.customer_id, []).append(value)
    return found


# --- one customer -----------------------------------------------------------------------------

STORY = """
    (SELECT 'order', id, happened_at, external_id || ' ' || kind || ' ' || status, total,
            currency, NULL::jsonb
     FROM customers_order WHERE customer_id = %(id)s ORDER BY happened_at DESC LIMIT %(limit)s)
    UNION ALL
    (SELECT 'event', id, happened_at, name, NULL, '', properties
     FROM customers_event WHERE customer_id = %(id)s ORDER BY happened_at DESC LIMIT %(limit)s)
    UNION ALL
    (SELECT 'consent', id, happened_at, channel || ' ' || topic, is_granted::int, source, NULL
     FROM customers_consent WHERE customer_id = %(id)s ORDER BY happened_at DESC LIMIT %(limit)s)
    UNION ALL
    (SELECT 'review', id, happened_at, title, rating, '', jsonb_build_object('text', text)
     FROM customers_review WHERE customer_id = %(id)s ORDER BY happened_at DESC LIMIT %(limit)s)
    ORDER BY 3 DESC, 1, 2 DESC LIMIT %(limit)s
"""


def story(customer_id: int, *, limit: int) -> list[Happening]:
    """The newest orders, events, consents and reviews of one customer, in one query."""
    with connection.cursor() as cursor:
        cursor.execute(STORY, {"id": customer_id, "limit": limit})
        return [
            Happening(kind, row_id, at, words, figure, currency, _object(detail))
            for kind, row_id, at, words, figure, currency, detail in cursor
        ]


def _object(value: Any) -> Any:
    """A jsonb of a raw cursor, which Django leaves as text."""
    return json.loads(value) if isinstance(value, str) else value


def orders_of(customer_id: int, *, limit: int) -> QuerySet[Order]:
    """The newest orders of one customer with their lines and products (two queries)."""
    lines = OrderLine.objects.select_related("product").order_by("position")
    orders = Order.objects.filter(customer_id=customer_id).order_by("-happened_at", "-id")
    return orders.prefetch_related(Prefetch("lines", lines))[:limit]


# --- the shop ---------------------------------------------------------------------------------

DAYS = """
    SELECT currency, floor(extract(epoch FROM %(until)s - happened_at) / 86400)::int AS days_ago,
           count(*) FILTER (WHERE kind = 'sale'), sum(total)::float8
    FROM customers_order
    WHERE happened_at > %(since)s AND happened_at <= %(until)s
      AND kind IN ('sale', 'refund') AND status = 'paid'
    GROUP BY 1, 2
"""


def sales_by_day(*, until: datetime, days: int = 7 * WEEKS) -> list[Day]:
    """Paid orders in windows of 24 hours that end at ``until``; days without any are left out."""
    with connection.cursor() as cursor:
        cursor.execute(DAYS, {"since": until - timedelta(days=days), "until": until})
        return [Day(*row) for row in cursor]


def last_order_at(*, until: datetime) -> datetime | None:
    """When the newest paid order came in, where history has ended (an old export, a quiet shop)."""
    orders = Order.objects.filter(PAID, happened_at__lte=until)
    return orders.aggregate(last=Max("happened_at"))["last"]


def products(*, words: str = "", kind: str = "", is_available: str = "") -> QuerySet[Product]:
    """Products that have these words in their name or number, of a kind, on sale or not."""
    found = Product.objects.all()
    if words := words.strip():
        found = found.filter(Q(name__icontains=words) | Q(external_id__istartswith=words))
    if kind in Product.Kind.values:
        found = found.filter(kind=kind)
    if is_available in ("yes", "no"):
        found = found.filter(is_available=is_available == "yes")
    return found


def units_sold(product_ids: Iterable[int], *, until: datetime) -> dict[int, int]:
    """Units of each product in paid orders of the last `UNITS_DAYS`, less what came back."""
    lines = OrderLine.objects.filter(
        product_id__in=list(product_ids),
        happened_at__gt=until - timedelta(days=UNITS_DAYS),
        happened_at__lte=until,
    )
    is_paid = Exists(Order.objects.filter(PAID, pk=OuterRef("order_id")))
    rows = lines.filter(is_paid).values("product_id").annotate(units=Sum(F("quantity")))
    return dict(rows.values_list("product_id", "units"))
