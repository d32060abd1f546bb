"""How the search box finds segments, and how the list of customers is narrowed to one."""

from django.db.models import QuerySet
from django.urls import reverse

from customers.models import Customer
from rapport.web.search import Hit
from rapport.web.words import plural
from segments import querysets
from segments.models import Membership


def segments(words: str, *, limit: int) -> list[Hit]:
    return [
        Hit(
            one.name,
            "segment",
            reverse("segment", args=[one.pk]),
            note=plural(one.members_count, "member"),
        )
        for one in querysets.in_use().filter(name__icontains=words)[:limit]
    ]


def options() -> list[tuple[int, str]]:
    return list(querysets.in_use().values_list("pk", "name"))


def members(found: QuerySet[Customer], value: str) -> QuerySet[Customer]:
    inside = Membership.objects.filter(segment_id=int(value))
    return found.filter(pk__in=inside.values("customer_id"))
