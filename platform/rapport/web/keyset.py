"""Long lists page by page, as fast on the last page as on the first: no OFFSET, no total."""

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.core.serializers.json import DjangoJSONEncoder
from django.db import DataError
from django.db.models import Model, Q, QuerySet
from django.http import QueryDict

from rapport.web.words import ABOUT_OVER, Count

SIZE = 50
PARAMETER = "at"


@dataclass(frozen=True)
class Page:
    """Some rows of a list, and the query strings of its neighbours (empty: there is none)."""

    rows: list[Any]
    next: str
    previous: str


def page(queryset: QuerySet, params: QueryDict, *, by: tuple[str, ...], size: int = SIZE) -> Page:
    """The rows at the place that ``params`` names, ordered ``by`` names of one direction.

    The last name must be unique and none may be null. A place that cannot be read is the start.
    """
    place = _place(params.get(PARAMETER, ""), len(by))
    try:
        return _page(queryset, params, place, by=by, size=size)
    except (ValidationError, ValueError, TypeError, DataError):
        return _page(queryset, params, None, by=by, size=size)


def count(queryset: QuerySet) -> Count:
    """How many rows there are; over `ABOUT_OVER` the planner's estimate, which costs nothing."""
    n = queryset.order_by()[: ABOUT_OVER + 1].count()
    if n <= ABOUT_OVER:
        return Count(n)
    plan = json.loads(queryset.order_by().explain(format="json"))
    return Count(max(n, int(plan[0]["Plan"]["Plan Rows"])), is_estimate=True)


def _page(
    queryset: QuerySet, params: QueryDict, place: list | None, *, by: tuple[str, ...], size: int
) -> Page:
    backwards = place is not None and place[0] == "before"
    order = tuple(_turned(name) for name in by) if backwards else by
    found = queryset.order_by(*order)
    if place is not None:
        found = found.filter(_beyond(order, place[1:]))
    rows = list(found[: size + 1])
    is_more, rows = len(rows) > size, rows[:size]
    if backwards:
        rows.reverse()
    has_next = bool(rows) and (is_more or backwards)
    has_previous = bool(rows) and (is_more if backwards else place is not None)
    return Page(
        rows,
        next=_address(params, ["after", *_values(rows[-1], by)]) if has_next else "",
        previous=_address(params, ["before", *_values(rows[0], by)]) if has_previous else "",
    )


def _beyond(order: tuple[str, ...], values: list) -> Q:
    """Rows after the given values: (a, b) > (x, y), spelt so that an index on a helps."""
    first = order[0]
    word = "lte" if first.startswith("-") else "gte"
    beyond = Q()
    for depth, name in enumerate(order):
        equal = {other.lstrip("-"): values[i] for i, other in enumerate(order[:depth])}
        strict = "lt" if name.startswith("-") else "gt"
        beyond |= Q(**equal, **{f"{name.lstrip('-')}__{strict}": values[depth]})
    return Q(**{f"{first.lstrip('-')}__{word}": values[0]}) & beyond


def _values(row: Model, by: tuple[str, ...]) -> list:
    return [getattr(row, name.lstrip("-")) for name in by]


def _turned(name: str) -> str:
    return name[1:] if name.startswith("-") else f"-{name}"


def _place(text: str, width: int) -> list | None:
    """``["after" | "before", value, …]`` from an address, or None where it says nothing."""
    try:
        place = json.loads(base64.urlsafe_b64decode(text.encode()))
    except (binascii.Error, ValueError):
        return None
    is_place = isinstance(place, list) and len(place) == width + 1
    is_place = is_place and place[0] in ("after", "before")
    is_plain = is_place and all(isinstance(value, str | int | float) for value in place[1:])
    return place if is_plain else None


def _address(params: QueryDict, place: list) -> str:
    words = params.copy()
    text = json.dumps(place, cls=DjangoJSONEncoder, separators=(",", ":"))
    words[PARAMETER] = base64.urlsafe_b64encode(text.encode()).decode()
    return words.urlencode()
