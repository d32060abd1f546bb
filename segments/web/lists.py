"""The list of segments: how many are in each, how that moved, and which select nobody."""

from datetime import timedelta

from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone

from rapport.web import charts, dashboard, keyset, words
from rapport.web.charts import Chart
from rapport.web.dashboard import Empty, Link
from rapport.web.page import page, show
from segments import querysets
from segments.models import Segment
from segments.services import clusters, why

CHANGE_DAYS = 7
LARGEST = 10
SORTS = {
    "largest": ("Largest first", ("-members_count", "-id")),
    "name": ("By name", ("name", "id")),
    "newest": ("Newest first", ("-created_at", "-id")),
}
SHOWS = {
    "": ("all", Q()),
    "ours": ("made here", Q(is_ready_made=False)),
    "ready": ("ready-made", Q(is_ready_made=True)),
    "invalid": ("invalid", Q(state=Segment.State.INVALID)),
}


@page("segments.view_segment")
def segments(request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    sort, only, called = (request.GET.get(name, "") for name in ("sort", "show", "q"))
    sort = sort if sort in SORTS else "largest"
    found = _found(only, called)
    pages = keyset.page(found, request.GET, by=SORTS[sort][1])
    since = now - timedelta(days=CHANGE_DAYS)
    moved = dashboard.remember("segments:moved", lambda: querysets.moved_since(since))
    largest = list(querysets.in_use().order_by("-members_count", "pk"))
    chart = _largest(largest) if not (only or called) else None
    context = {
        "pages": pages,
        "rows": [(one, *_moved(moved.get(one.pk)), _sentence(one)) for one in pages.rows],
        "days": CHANGE_DAYS,
        "charts": [chart] if chart else [],
        "sorts": [(key, label) for key, (label, _by) in SORTS.items()],
        "sort": sort,
        "shows": [(key, label) for key, (label, _narrow) in SHOWS.items()],
        "only": only if only in SHOWS else "",
        "words": called,
        "empty": _empty(request, is_narrowed=bool(only or called)),
    }
    lead = _lead(largest)
    return show(request, "segments/segments.html", title="Segments", lead=lead, context=context)


def _found(only: str, called: str) -> QuerySet[Segment]:
    found = querysets.in_use().select_related("cluster").filter(SHOWS.get(only, SHOWS[""])[1])
    if called.strip():
        found = found.filter(Q(name__icontains=called.strip()) | Q(key__icontains=called.strip()))
    return found


def _sentence(segment: Segment) -> str:
    if segment.cluster is not None and segment.rule == clusters.rule(segment.cluster.key):
        return f"Customers in the cluster “{segment.cluster.proposed_name}”."
    return why.sentence(segment)


def _moved(pair: tuple[int, int] | None) -> tuple[str, str]:
    """The net change with its sign, and what it is made of."""
    came, went = pair or (0, 0)
    if not came and not went:
        return "no change", ""
    net = came - went
    sign = "+" if net > 0 else "−" if net < 0 else ""
    return f"{sign}{words.number(abs(net))}", f"{words.number(came)} in, {words.number(went)} out"


def _lead(found: list[Segment]) -> str:
    if not found:
        return "No segment is in use."
    invalid = sum(one.state == Segment.State.INVALID for one in found)
    said = f"{words.plural(len(found), 'segment')} in use"
    if found[0].members_count:
        said += f"; the largest is “{found[0]}” with {words.number(found[0].members_count)}"
    if invalid:
        said += f"; {invalid} cannot be read and {'selects' if invalid == 1 else 'select'} nobody"
    return f"{said}."


def _largest(found: list[Segment]) -> Chart | None:
    shown = [one for one in found if one.members_count][:LARGEST]
    if not shown:
        return None
    bars = charts.bars(
        [one.members_count for one in reversed(shown)],
        [_short(one) for one in reversed(shown)],
        orientation="h",
        text=[words.number(one.members_count) for one in reversed(shown)],
        textposition="auto",
        hovertemplate="%{y}: %{x:,} customers<extra></extra>",
    )
    figure = charts.figure(bars, x_title="customers", height_px=90 + 26 * len(shown))
    when = max((one.refreshed_at for one in shown if one.refreshed_at), default=None)
    return Chart(
        key="largest-segments",
        title=f"“{shown[0]}” is the largest segment",
        figure=figure,
        columns=("Segment", "Members", "As of"),
        rows=[
            (one.name, words.number(one.members_count), words.clock(one.refreshed_at))
            for one in shown
        ],
        note=f"A customer can be in several. As of {words.clock(when)}.",
    )


def _short(segment: Segment, most: int = 28) -> str:
    return segment.name if len(segment.name) <= most else f"{segment.name[: most - 1]}…"


def _empty(request: HttpRequest, *, is_narrowed: bool) -> Empty:
    if is_narrowed:
        return Empty("No segment is like that.", Link("Show all", reverse("segments")))
    may = request.user.has_perm("segments.add_segment")  # type: ignore[union-attr]
    return Empty(
        "No segment is in use. A segment is a rule; whoever it holds for is a member, from the "
        "moment it holds.",
        Link("Build a segment", reverse("segment_new")) if may else None,
    )
