"""The customer page's registry: what each app knows of one customer.

Downstream apps add to the story of a customer without customers knowing them::

    # campaigns/web/panels.py
    def messages(request: HttpRequest, customer_id: int, *, now: datetime) -> Panel | None:
        sent = list(Message.objects.of_customer(customer_id)[:20])
        if not sent:
            return None                                  # nothing to say: no panel, no placeholder
        return Panel(title=f"{len(sent)} messages", template="campaigns/_messages.html",
                     context={"sent": sent})

    # campaigns/apps.py, in ready()
    panels.register(messages, key="messages", order=60, permission="campaigns.view_message")
    panels.register_moments(message_moments, key="messages", permission="campaigns.view_message")

* The function runs only for people with the permission.
* The template is a fragment; it sees ``facts`` (the panel's context), ``customer``, ``perms`` and
  ``request``, and stands in a card of its own under the title. ``charts`` adds figures above it.
* ``side`` panels stand in the narrow column (scores, segments), the others under the timeline.
* The page has 15 queries: shell and customers take 11, so a panel has one, at most two.
* Moments join the one timeline: return at most ``limit`` of them, the newest first.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from django.http import HttpRequest

from rapport.web.charts import Chart


@dataclass(frozen=True)
class Panel:
    """One card of a customer's page."""

    title: str
    template: str
    context: dict[str, Any] = field(default_factory=dict)
    charts: tuple[Chart, ...] = ()
    side: bool = False


@dataclass(frozen=True)
class Moment:
    """One line of a customer's timeline."""

    at: datetime
    kind: str  # one word, shown as a chip: order, event, consent, message …
    text: str
    note: str = ""
    url: str = ""


class PanelSource(Protocol):
    def __call__(
        self, request: HttpRequest, customer_id: int, *, now: datetime
    ) -> Panel | None: ...


class MomentSource(Protocol):
    def __call__(self, customer_id: int, *, limit: int) -> list[Moment]: ...


@dataclass(frozen=True)
class _Registered:
    key: str
    order: int
    permission: str
    source: Any


_panels: dict[str, _Registered] = {}
_moments: dict[str, _Registered] = {}


def register(source: PanelSource, *, key: str, order: int, permission: str) -> None:
    """Add one panel; registering the same key again replaces it (app reloads)."""
    _panels[key] = _Registered(key, order, permission, source)


def register_moments(source: MomentSource, *, key: str, permission: str) -> None:
    """Add one kind of thing to the timeline; the same key again replaces it."""
    _moments[key] = _Registered(key, 0, permission, source)


def panels(request: HttpRequest, customer_id: int, *, now: datetime) -> Iterator[Panel]:
    """The panels of one customer that this person may see, in order."""
    for entry in sorted(_panels.values(), key=lambda entry: (entry.order, entry.key)):
        if request.user.has_perm(entry.permission):  # type: ignore[union-attr]
            panel = entry.source(request, customer_id, now=now)
            if panel is not None:
                yield panel


def moments(request: HttpRequest, customer_id: int, *, limit: int) -> list[Moment]:
    """The newest moments of all kinds that this person may see, the newest first."""
    found = [
        moment
        for entry in _moments.values()
        if request.user.has_perm(entry.permission)  # type: ignore[union-attr]
        for moment in entry.source(customer_id, limit=limit)
    ]
    return sorted(found, key=lambda moment: moment.at, reverse=True)[:limit]
