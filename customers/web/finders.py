"""How the search box finds customers and products."""

from django.urls import reverse

from customers import querysets
from rapport.web.search import Hit


def people(words: str, *, limit: int) -> list[Hit]:
    return [
        Hit(str(person), "customer", reverse("customer", args=[person.pk]), note=person.email or "")
        for person in querysets.customers(words=words)[:limit]
    ]


def products(words: str, *, limit: int) -> list[Hit]:
    return [
        Hit(str(product), "product", f"{reverse('products')}?q={product.external_id}")
        for product in querysets.products(words=words)[:limit]
    ]
