"""The segment page's registry: what uses a segment, without segments knowing who does.

::

    # campaigns/web/uses.py
    def campaigns(segment_id: int) -> list[Use]:
        found = Campaign.objects.filter(included=segment_id)[:20]
        return [Use(one.name, "campaign", reverse("campaign", args=[one.pk])) for one in found]

    # campaigns/apps.py, in ready()
    uses.register(own.campaigns, key="campaigns", permission="campaigns.view_campaign")

A source is one query of the page.
"""

from collections.abc import Callable
from dataclasses import dataclass

from django.http import HttpRequest
from django.urls import reverse

from segments import querysets
from segments.models import Segment
from segments.rules import language, parse
from segments.services import definitions


@dataclass(frozen=True)
class Use:
    """One thing that reads the segment: what it is called, what it is and how it stands."""

    name: str
    kind: str
    url: str
    note: str = ""


Source = Callable[[int], list[Use]]
_sources: dict[str, tuple[str, Source]] = {}


def register(source: Source, *, key: str, permission: str) -> None:
    """Add one source; registering the same key again replaces it (app reloads)."""
    _sources[key] = (permission, source)


def uses(request: HttpRequest, segment: Segment) -> list[Use]:
    """Everything this person may see that uses the segment: other segments first."""
    found = _segments(segment)
    for permission, source in _sources.values():
        if request.user.has_perm(permission):  # type: ignore[union-attr]
            found += source(segment.pk)
    return found


def _segments(segment: Segment) -> list[Use]:
    found = []
    for one in querysets.in_use().exclude(pk=segment.pk).only("pk", "name", "rule"):
        try:
            names = definitions.mentioned(parse.parse(one.rule))
        except language.RuleError:
            continue
        if segment.key in names:
            found.append(Use(one.name, "segment", reverse("segment", args=[one.pk])))
    return found
