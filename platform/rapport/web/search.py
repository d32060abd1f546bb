"""The search box's registry: each app says how its things are found by name.

::

    # segments/web/finders.py
    def segments(words: str, *, limit: int) -> list[Hit]:
        found = Segment.objects.filter(name__icontains=words)[:limit]
        return [Hit(s.name, "segment", reverse("segment", args=[s.pk])) for s in found]

    # segments/apps.py, in ready()
    search.register(segments, key="segments", permission="segments.view_segment")
"""

from dataclasses import dataclass
from typing import Protocol

from django.http import HttpRequest

EACH = 8  # hits of one kind


@dataclass(frozen=True)
class Hit:
    """One thing found, and where it is."""

    title: str
    kind: str  # customer, segment, campaign, page
    url: str
    note: str = ""


class Finder(Protocol):
    def __call__(self, words: str, *, limit: int) -> list[Hit]: ...


_finders: dict[str, tuple[str, Finder]] = {}


def register(finder: Finder, *, key: str, permission: str) -> None:
    """Add one kind of thing; registering the same key again replaces it (app reloads)."""
    _finders[key] = (permission, finder)


def hits(request: HttpRequest, words: str) -> list[Hit]:
    """What this person may see and ``words`` may mean."""
    words = words.strip()
    if not words:
        return []
    return [
        hit
        for permission, finder in _finders.values()
        if request.user.has_perm(permission)  # type: ignore[union-attr]
        for hit in finder(words, limit=EACH)
    ]
