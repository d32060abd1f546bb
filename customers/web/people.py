"""The list of customers: found, narrowed, sorted, page by page, and taken away as a file."""

from collections.abc import Iterator, Sequence
from typing import Any

from babel import Locale
from django.db.models import QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils import timezone

from customers import querysets
from customers.models import Customer
from customers.querysets import SORTS, Value
from customers.services import consent
from customers.services.importing import rejects
from customers.web import filters
from rapport import access
from rapport.web import dashboard, keyset, words
from rapport.web.csv_answer import streamed
from rapport.web.dashboard import Empty, Link
from rapport.web.page import page, show
from rapport.web.words import Count

EXPORT_BATCH = 2_000  # customers read at once
COUNTRIES_SHOWN = 60
CONSENT = [("yes", "said yes"), ("no", "no or never asked")]
COLUMNS = (
    "customer", "email", "phone", "first_name", "last_name", "country", "language", "known_since",
    "orders", "value", "currency", "last_order_at", "may_email",
)  # fmt: skip


@page("customers.view_customer")
def customers(request: HttpRequest) -> HttpResponseBase:
    chosen = _chosen(request)
    found = _found(request, chosen)
    ordered, by = querysets.sorted_by(found, request.GET.get("sort", ""))
    pages = keyset.page(ordered, request.GET, by=by)
    ids = [customer.pk for customer in pages.rows]
    values = querysets.values_of(ids)
    allowed = consent.allowed_ids(ids, channel="email", topic="marketing")
    total = dashboard.remember(f"count:{_narrowing(request, chosen)}", lambda: keyset.count(found))
    context = {
        "pages": pages,
        "rows": [_row(customer, values, allowed) for customer in pages.rows],
        "chosen": chosen,
        "chips": _chips(request, chosen),
        "sorts": [(key, label) for key, (label, _by) in SORTS.items()],
        "sort": request.GET.get("sort", "newest"),
        "words": request.GET.get("q", ""),
        "query": _narrowing(request, chosen),
        "empty": _empty(bool(_narrowing(request, chosen))),
    }
    lead = _lead(total, bool(_narrowing(request, chosen)))
    return show(request, "customers/customers.html", title="Customers", lead=lead, context=context)


@page("customers.export_customer")
def export(request: HttpRequest) -> HttpResponseBase:
    """Everybody the list shows, as CSV that no spreadsheet takes for formulas."""
    chosen = _chosen(request)
    found = _found(request, chosen).order_by("id")
    access.audit(
        request.user, "customers.exported", "customers", filters=_narrowing(request, chosen)
    )
    return streamed(_lines(found), name=f"customers-{timezone.localdate():%Y-%m-%d}.csv")


def _chosen(request: HttpRequest) -> list[filters.Choice]:
    """Our own filters and those of other apps, with the values this request asks for."""
    nations = dashboard.remember("countries", querysets.countries, is_patient=True)[
        :COUNTRIES_SHOWN
    ]
    names = [(code, f"{_country(code)} ({words.number(n)})") for code, n in nations]
    own = [("country", "Country", names), ("may_email", "Marketing by e-mail", CONSENT)]
    found = []
    for key, label, options in own:
        asked = request.GET.get(key, "")
        value = asked if asked in dict(options) else ""
        found.append(filters.Choice(key, label, options, value))
    return found + filters.choices(request)


def _found(request: HttpRequest, chosen: list[filters.Choice]) -> QuerySet[Customer]:
    own = {choice.key: choice.value for choice in chosen}
    found = querysets.customers(
        words=request.GET.get("q", ""), country=own["country"], may_email=own["may_email"]
    )
    return filters.narrowed(found, [c for c in chosen if c.key not in ("country", "may_email")])


def _narrowing(request: HttpRequest, chosen: list[filters.Choice]) -> str:
    """The part of the address that says who is shown, without order and place."""
    kept = request.GET.copy()
    asked = {choice.key: choice.value for choice in chosen} | {"q": request.GET.get("q", "")}
    for key in list(kept):
        if not asked.get(key):
            del kept[key]
    return kept.urlencode()


def _chips(request: HttpRequest, chosen: list[filters.Choice]) -> list[Link]:
    """One chip for each thing that narrows the list; its address is the list without it."""
    active = [(c.key, f"{c.label}: {c.chosen}") for c in chosen if c.value]
    if request.GET.get("q", "").strip():
        active.append(("q", f"Begins with: {request.GET['q']}"))
    chips = []
    for key, text in active:
        rest = request.GET.copy()
        rest.pop(key, None)
        rest.pop(keyset.PARAMETER, None)
        chips.append(Link(text, f"?{rest.urlencode()}"))
    return chips


def _lead(total: Count, is_narrowed: bool) -> str:
    if not total.n and not is_narrowed:
        return "Nobody is known yet."
    people, fit, are = ("customer", "fits", "is") if total.n == 1 else ("customers", "fit", "are")
    said = f"{fit} this" if is_narrowed else f"{are} known to the shop"
    return f"{str(total).capitalize()} {people} {said}."


def _empty(is_narrowed: bool) -> Empty:
    if is_narrowed:
        return Empty(
            "Nobody fits all of this. Names, addresses and numbers are found by how they begin.",
            Link("Show all customers", reverse("customers")),
        )
    return Empty(
        "Customers come in with a file, through the API, or with their first order.",
        Link("Import a file", reverse("import_new")),
    )


def _row(customer: Customer, values: dict[int, list[Value]], allowed: set[int]) -> dict[str, Any]:
    bought = values.get(customer.pk, [])
    return {
        "customer": customer,
        "country": _country(customer.country),
        "orders": sum(value.orders for value in bought),
        "value": [words.money(value.amount, value.currency) for value in bought],
        "last_order_at": max((v.last_order_at for v in bought if v.last_order_at), default=None),
        "may_email": customer.pk in allowed,
    }


def _country(code: str) -> str:
    return Locale.parse(words.LOCALE).territories.get(code, code)


def _lines(found: QuerySet[Customer]) -> Iterator[Sequence[str]]:
    yield COLUMNS
    last = 0
    while batch := list(found.filter(pk__gt=last)[:EXPORT_BATCH]):
        last = batch[-1].pk
        ids = [customer.pk for customer in batch]
        values = querysets.values_of(ids)
        allowed = consent.allowed_ids(ids, channel="email", topic="marketing")
        for customer in batch:
            yield [_safe(cell) for cell in _cells(customer, values, allowed)]


def _safe(cell: Any) -> Any:
    return rejects.safe_cell(cell) if isinstance(cell, str) else cell


def _cells(customer: Customer, values: dict[int, list[Value]], allowed: set[int]) -> tuple:
    """One customer; of several currencies the one with the largest sum."""
    bought = values.get(customer.pk, [])
    first = bought[0] if bought else None
    return (
        customer.pk, customer.email or "", customer.phone or "", customer.first_name,
        customer.last_name, customer.country, customer.language,
        customer.happened_at.isoformat(), first.orders if first else 0,
        first.amount if first else 0, first.currency if first else "",
        first.last_order_at.isoformat() if first and first.last_order_at else "",
        "yes" if customer.pk in allowed else "no",
    )  # fmt: skip
