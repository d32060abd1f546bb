"""A closer look at segments: what sets members apart, whom segments share, two side by side.

Each takes about a second on a large base, so the page of a segment asks for it once it stands.
"""

from collections.abc import Sequence
from datetime import datetime
from textwrap import wrap
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone

from rapport.web import charts, dashboard, words
from rapport.web.charts import Chart
from rapport.web.dashboard import Empty, Link, Number
from rapport.web.page import page, show
from segments import querysets
from segments.models import Segment
from segments.services import profile, why
from segments.services.profile import Apart, Difference
from segments.web import features

SHOWN_FEATURES = 8
NEAREST = 5  # segments in the matrix besides the one itself
LABEL = 16  # letters of a label before it breaks, for a narrow screen
SMALL = 0.2  # a standardised difference below it is hardly one


@page("segments.view_segment")
def closer(request: HttpRequest, segment_id: int) -> HttpResponse:
    """What sets members apart, and the overlaps: a fragment for the segment's page, or a page."""
    found = get_object_or_404(Segment, pk=segment_id)
    now = timezone.now()
    key = f"closer:{found.pk}:{found.rule_version}"
    apart, near, shared = dashboard.remember(key, lambda: _looked(found, now), is_patient=True)
    among = [found, *near]
    chart = apart_chart(apart, f"Members of “{found}”", "the base") if apart.n else None
    context = {
        "segment": found,
        "charts": [chart] if chart else [],
        "apart": apart,
        "among": among,
        "matrix": _matrix(among, shared),
    }
    if request.headers.get("HX-Request"):
        return render(request, "segments/_closer.html", context)
    crumbs = (Link("Segments", reverse("segments")), Link(found.name, _address(found)))
    title, lead = f"A closer look at “{found}”", _apart_words(apart, "the base")
    return show(
        request, "segments/closer.html", title=title, lead=lead, crumbs=crumbs, context=context
    )


@page("segments.view_segment")
def compare(request: HttpRequest) -> HttpResponse:
    """Two segments side by side: sizes, overlap, what differs, and both sentences."""
    now = timezone.now()
    options = list(querysets.in_use().order_by("name", "pk"))
    one, other = (_chosen(options, request.GET.get(name, "")) for name in ("a", "b"))
    context: dict[str, Any] = {"options": options, "one": one, "other": other}
    lead = "Choose two segments to see whom they share and what sets them apart."
    if one is not None and other is not None and one != other:
        found, lead = _side_by_side(one, other, now=now)
        context |= found
    elif one is not None and one == other:
        lead = "That is one segment twice: choose another to compare it with."
    elif len(options) < 2:
        context["empty"] = Empty(
            "It takes two segments to compare.", Link("Build a segment", reverse("segment_new"))
        )
    crumbs = (Link("Segments", reverse("segments")),)
    title = "Compare two segments"
    return show(
        request, "segments/compare.html", title=title, lead=lead, crumbs=crumbs, context=context
    )


def _looked(segment: Segment, now: datetime) -> tuple[Apart, list[Segment], dict]:
    near = profile.nearest(segment, most=NEAREST)
    return (
        profile.from_base(segment, now=now),
        near,
        profile.shared([segment.pk, *(one.pk for one in near)]),
    )


def _chosen(options: Sequence[Segment], asked: str) -> Segment | None:
    return next((one for one in options if str(one.pk) == asked), None)


def _side_by_side(one: Segment, other: Segment, *, now: datetime) -> tuple[dict[str, Any], str]:
    key = f"compare:{one.pk}:{one.rule_version}:{other.pk}:{other.rule_version}"
    shared, apart = dashboard.remember(
        key,
        lambda: (
            profile.shared([one.pk, other.pk]),
            profile.between(one, other, now=now),
        ),
        is_patient=True,
    )
    both = shared[one.pk, other.pk]
    sizes = shared[one.pk, one.pk], shared[other.pk, other.pk]
    either = sum(sizes) - both
    numbers = (
        Number(f"Only in “{one}”", words.number(sizes[0] - both), note=_of(one, sizes[0])),
        Number("In both", words.number(both), note=f"{words.part(both, either)} of all in either"
               if either else "nobody is in either"),
        Number(f"Only in “{other}”", words.number(sizes[1] - both), note=_of(other, sizes[1])),
    )  # fmt: skip
    found = {
        "numbers": numbers,
        "apart": apart,
        "charts": [apart_chart(apart, f"“{one}”", f"“{other}”")] if apart.differences else [],
        "sides": [(one, why.sentence(one)), (other, why.sentence(other))],
        "as_of": apart.as_of,
    }
    lead = f"{words.plural(both, 'customer is', 'customers are')} in both of {words.number(either)}"
    return found, f"{lead} in either. {_apart_words(apart, f'“{other}”')}"


def _of(segment: Segment, n: int) -> str:
    return f"of {words.plural(n, 'member')}, as of {words.clock(segment.refreshed_at)}"


def _apart_words(apart: Apart, beside: str) -> str:
    if not apart.differences:
        return "Too few of them have ordered to say what sets them apart."
    first = apart.differences[0]
    if abs(first.standardised) < SMALL:
        return f"Nothing we compute sets them clearly apart from {beside}."
    name = features.label(first.name)
    more = "more" if first.standardised > 0 else "less"
    return f"What differs most from {beside} is {name}: {_pair(first)}, {more} on average."


def _pair(one: Difference) -> str:
    mean, other = features.written(one.name, one.mean), features.written(one.name, one.other_mean)
    return f"{mean} against {other}"


def apart_chart(apart: Apart, who: str, beside: str) -> Chart | None:
    """The features that differ most, as bars from zero: to the right where these have more."""
    shown = apart.differences[:SHOWN_FEATURES]
    if not shown:
        return None
    turned = list(reversed(shown))
    bars = charts.bars(
        [one.standardised for one in turned],
        ["<br>".join(wrap(features.label(one.name), LABEL)) for one in turned],
        orientation="h",
        text=[_pair(one) for one in turned],
        textposition="inside",
        insidetextanchor="end",
        hovertemplate="%{y}: %{text}<extra></extra>",
    )
    figure = charts.figure(bars, x_title="standardised difference", height_px=100 + 34 * len(shown))
    figure.layout.xaxis.nticks = 5
    figure.layout.uniformtext = {"mode": "hide", "minsize": 9}  # where it does not fit
    n = f"n = {words.plural(apart.buyers, 'buyer')} of {words.number(apart.n)} looked at, beside"
    return Chart(
        key="apart",
        title=_title(shown[0], who, beside),
        figure=figure,
        columns=("Feature", who.strip("“”"), beside.strip("“”"), "Standardised difference", "n"),
        rows=[
            (
                features.label(one.name),
                features.written(one.name, one.mean),
                features.written(one.name, one.other_mean),
                words.number(one.standardised, 2),
                f"{words.number(one.n)} and {words.number(one.other_n)}",
            )
            for one in apart.differences
        ],
        note=f"{n} {words.number(apart.other_buyers)} of {words.number(apart.other_n)}; features "
        f"are of those who have ordered. As of {words.clock(apart.as_of)}.",
    )


def _title(first: Difference, who: str, beside: str) -> str:
    if abs(first.standardised) < SMALL:
        return f"{who} hardly differ from {beside}"
    return f"{who} differ from {beside} most in {features.label(first.name)}"


def _matrix(
    among: Sequence[Segment], shared: dict[tuple[int, int], int]
) -> list[tuple[Segment, list[tuple[str, str, int]]]]:
    """For each row's segment: how many of it are in each column's, in words, and how dark."""
    rows = []
    for one in among:
        size = shared.get((one.pk, one.pk), 0)
        cells = []
        for other in among:
            both = shared.get((one.pk, other.pk), 0)
            share = both / size if size else 0.0
            told = words.part(both, size) if size and one != other else ""
            cells.append((words.number(both), told, round(4 * share)))
        rows.append((one, cells))
    return rows


def _address(segment: Segment) -> str:
    return reverse("segment", args=[segment.pk])
