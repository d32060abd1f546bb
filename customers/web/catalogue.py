"""The catalogue: what the shop sells, and how much of it lately."""

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone

from customers import querysets
from customers.models import Product
from rapport.web import dashboard, keyset
from rapport.web.dashboard import Empty, Link
from rapport.web.page import page, show

KINDS = [(kind.value, kind.label) for kind in Product.Kind]
STOCK = [("yes", "on sale"), ("no", "not on sale")]


@page("customers.view_product")
def products(request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    asked = {key: request.GET.get(key, "") for key in ("q", "kind", "available")}
    found = querysets.products(
        words=asked["q"], kind=asked["kind"], is_available=asked["available"]
    )
    pages = keyset.page(found, request.GET, by=("name", "id"))
    ids = [product.pk for product in pages.rows]
    units = dashboard.remember(
        f"units:{hash(tuple(ids))}", lambda: querysets.units_sold(ids, until=now)
    )
    total = keyset.count(found)
    is_narrowed = any(asked.values())
    context = {
        "pages": pages,
        "rows": [(product, units.get(product.pk, 0)) for product in pages.rows],
        "kinds": KINDS,
        "stock": STOCK,
        "asked": asked,
        "days": querysets.UNITS_DAYS,
        "now": now,
        "empty": _empty(is_narrowed),
    }
    noun = "product" if total.n == 1 else "products"
    fits = "fits this" if total.n == 1 else "fit this"
    known = f"in the catalogue; units are those of the last {querysets.UNITS_DAYS} days"
    lead = f"{str(total).capitalize()} {noun} {fits if is_narrowed else known}."
    return show(request, "customers/products.html", title="Catalogue", lead=lead, context=context)


def _empty(is_narrowed: bool) -> Empty:
    if is_narrowed:
        return Empty("No product fits all of this.", Link("Show all", reverse("products")))
    return Empty(
        "Products come in with a file or through the API, or by their number with the first order.",
        Link("Import a file", reverse("import_new")),
    )
