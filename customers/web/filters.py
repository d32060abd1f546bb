"""The customer list's registry of filters: downstream apps narrow the list without being known.

::

    # segments/web/filters.py
    def members(found: QuerySet[Customer], value: str) -> QuerySet[Customer]:
        inside = Membership.objects.filter(segment_id=value)
        return found.filter(pk__in=inside.values("customer_id"))

    # segments/apps.py, in ready()
    filters.register(Filter(
        key="segment", label="Segment", permission="segments.view_segment",
        options=lambda: list(Segment.objects.values_list("pk", "name")), narrow=members,
    ))

The list is then at ``/customers/?segment=7``, and so is its export.  ``narrow`` gets only values
that ``options`` offers; the options are one query of the page.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest

from customers.models import Customer

Narrow = Callable[[QuerySet[Customer], str], QuerySet[Customer]]


@dataclass(frozen=True)
class Filter:
    """One way to narrow the customer list: a name in its address and the values it takes."""

    key: str
    label: str
    permission: str
    options: Callable[[], list[tuple[Any, str]]]
    narrow: Narrow


@dataclass(frozen=True)
class Choice:
    """A filter as one request sees it."""

    key: str
    label: str
    options: list[tuple[str, str]]
    value: str

    @property
    def chosen(self) -> str:
        return dict(self.options).get(self.value, "")


_filters: dict[str, Filter] = {}


def register(entry: Filter) -> None:
    """Add one filter; registering the same key again replaces it (app reloads)."""
    _filters[entry.key] = entry


def choices(request: HttpRequest) -> list[Choice]:
    """The registered filters this person may use, with what the request asks of each."""
    found = []
    for entry in _filters.values():
        if request.user.has_perm(entry.permission):  # type: ignore[union-attr]
            options = [(str(value), label) for value, label in entry.options()]
            value = request.GET.get(entry.key, "")
            is_known = value in dict(options)
            found.append(Choice(entry.key, entry.label, options, value if is_known else ""))
    return found


def narrowed(found: QuerySet[Customer], chosen: list[Choice]) -> QuerySet[Customer]:
    """The customers that all chosen filters leave."""
    for choice in chosen:
        if choice.value:
            found = _filters[choice.key].narrow(found, choice.value)
    return found
