"""Explore: customers by risk and value, by last order and number of orders, by shared segments.

Any cell becomes a segment in one click.  What it selects is what the cell counted.
"""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from rapport.errors import DomainError
from rapport.web import dashboard, words
from rapport.web.dashboard import Empty, Link, Number
from rapport.web.page import page, show
from segments import querysets
from segments.models import LearntApproval, ModelRun, Segment
from segments.recipes.registry import RECIPES
from segments.rules import cells
from segments.services import approvals, exploring, profile
from segments.services import segments as service
from segments.web import features

NEAREST = 6  # segments in the overlap
SHADES = 4
State = ModelRun.State


@dataclass(frozen=True)
class Shown:
    """A field of a table: how many, how much, how dark, and the cell that makes a segment of it."""

    cell: str
    name: str
    n: int
    count: str
    part: str
    worth: str = ""
    shade: int = 0
    is_first: bool = False  # the one that most people come for

    @property
    def may_become(self) -> bool:
        """Whether a segment is offered: of nobody only where somebody is hoped for or feared."""
        return bool(self.cell) and (self.n > 0 or self.is_first)


@page("segments.view_score")
def explore(request: HttpRequest) -> HttpResponse:
    """Risk of leaving × value, counted from the scores of the live models."""
    key = f"explore:{cells.RISK}:{cells.VALUE}"
    found = dashboard.remember(
        key,
        lambda: exploring.matrix(cells.RISK, cells.VALUE, shares=cells.SHARES),
        is_patient=True,
    )
    counted = {(one.band, one.share): one for one in found.cells}
    rows = [
        (label, band, [_shown(band, share, counted, found.n) for share in range(len(cells.VALUES))])
        for band, label in cells.RISKS.items()
    ]
    kinds = [kind for name in (cells.RISK, cells.VALUE) if (kind := _kind_of(name))]
    runs = ModelRun.objects.filter(kind__in=kinds, state__in=(State.LIVE, State.FALLBACK))
    context = {
        "matrix": found,
        "rows": rows if found.n else [],
        "values": _value_labels(found),
        "numbers": _numbers(found, counted) if found.n else (),
        "waiting": _waiting(kinds),
        "thumbs": sorted({features.kind_label(r.kind) for r in runs if r.state == State.FALLBACK}),
        "empty": Empty(
            "Nobody has a score of risk and of value yet. They come with the first training.",
            Link("Go to models", reverse("models")),
        ),
    }
    return show(
        request,
        "segments/explore.html",
        title="Explore",
        lead=_lead(found, counted),
        context=context,
    )


@page("segments.view_segment")
def explore_more(request: HttpRequest) -> HttpResponse:
    """The recency-frequency grid and the overlap: each reads the whole base, so they come later."""
    now = timezone.now()
    bought, counted_at = dashboard.remember(
        "explore:grid",
        lambda: (exploring.grid(days=cells.DAYS, orders=cells.ORDERS, now=now), now),
        is_patient=True,
    )
    among = list(querysets.in_use().filter(members_count__gt=0).order_by("-members_count", "pk"))
    among = among[:NEAREST]
    key = "explore:overlap:" + ",".join(str(one.pk) for one in among)
    shared = dashboard.remember(
        key, lambda: profile.shared([one.pk for one in among]) if among else {}, is_patient=True
    )
    context = {
        "grid": _grid(bought),
        "columns": cells.ORDER_LABELS,
        "buyers": sum(one.n for one in bought),
        "as_of": counted_at,
        "among": among,
        "overlaps": _overlaps(among, shared),
    }
    if request.headers.get("HX-Request"):
        return render(request, "segments/_explore_more.html", context)
    lead = f"{words.plural(context['buyers'], 'customer has', 'customers have')} ordered."  # type: ignore[arg-type]
    crumbs = (Link("Explore", reverse("explore")),)
    title = "Last order, number of orders, overlap"
    return show(
        request, "segments/explore_more.html", title=title, lead=lead, crumbs=crumbs,
        context=context,
    )  # fmt: skip


@page("segments.add_segment")
@require_POST
def make_segment(request: HttpRequest) -> HttpResponse:
    """Make a segment of a cell; where one has the same rule already, lead to that one."""
    asked = request.POST.get("cell", "")
    try:
        cell = cells.read(asked)
    except ValueError:
        messages.error(request, "There is no such cell; nothing was made.")
        return redirect("explore")
    there = querysets.in_use().filter(rule=cell.rule).first()
    if there is not None:
        messages.info(request, f"“{there}” is this cell already.")
        return redirect("segment", there.pk)
    try:
        made = service.create(
            name=cell.name,
            description=cell.description,
            rule=cell.rule,
            user=request.user,
            now=timezone.now(),
        )
    except DomainError as error:
        messages.error(request, f"Nothing was made: {error}")
        return redirect("explore")
    _told(request, made)
    return redirect("segment", made.pk)


def _told(request: HttpRequest, made: Segment) -> None:
    messages.success(
        request, f"“{made}” is a segment now; its members are counted within a minute."
    )
    waiting = [features.kind_label(kind) for kind in approvals.unapproved(made)]
    if waiting:
        messages.warning(
            request,
            f"No campaign may be addressed to it before somebody approves: {', '.join(waiting)}. "
            "That is done under Models.",
        )


def _waiting(kinds: list[str]) -> list[str]:
    """Of these kinds, those that nobody has approved for campaigns."""
    if settings.TARGET_UNAPPROVED_MODELS:
        return []
    approved = set(LearntApproval.objects.values_list("kind", flat=True))
    return [features.kind_label(kind) for kind in kinds if kind not in approved]


def _shown(band: str, share: int, counted: dict[tuple[str, int], Any], n: int) -> Shown:
    found = counted.get((band, share))
    count, total = (found.n, found.total) if found else (0, 0.0)
    most = max((one.n for one in counted.values()), default=0)
    return Shown(
        cell=cells.matrix_cell(band, share),
        name=cells.read(cells.matrix_cell(band, share)).name,
        n=count,
        count=words.number(count),
        part=words.part(count, n) if n else "",
        worth=words.money(total, settings.CURRENCY),
        shade=round(SHADES * count / most) if most else 0,
        is_first=(band, share) == ("high", 0),
    )


def _value_labels(found: exploring.Matrix) -> list[tuple[str, str]]:
    """Each column with where it begins."""
    told = []
    for place, label in enumerate(cells.VALUES):
        if place < len(found.cuts):
            cut = found.cuts[place]
            note = f"from {words.money(cut, settings.CURRENCY)}" if cut is not None else ""
        else:
            note = "the rest"
        told.append((label, note))
    return told


def _lead(found: exploring.Matrix, counted: dict[tuple[str, int], Any]) -> str:
    if not found.n:
        return "No customer has both a risk of leaving and an expected value yet."
    first = counted.get(("high", 0))
    if not first:
        return "Nobody of high value is likely to leave at the moment."
    are = words.plural(first.n, "customer of high value is", "customers of high value are")
    worth = words.money(first.total, settings.CURRENCY)
    return f"{are} likely to leave; {worth} is expected of them in a year."


def _numbers(found: exploring.Matrix, counted: dict[tuple[str, int], Any]) -> tuple[Number, ...]:
    as_of = f"as of {words.clock(found.as_of)}"
    total = sum(one.total for one in counted.values())
    risky = [one for one in counted.values() if one.band == "high"]
    n = sum(one.n for one in risky)
    return (
        Number("With both scores", words.plural(found.n, "customer"), note=as_of),
        Number("Likely to leave", words.number(n), note=f"{words.part(n, found.n)} of them"),
        Number(
            "Expected of those in a year",
            words.money(sum(one.total for one in risky), settings.CURRENCY),
            note="leaving already counted in",
        ),
        Number("Expected of all in a year", words.money(total, settings.CURRENCY), note=as_of),
    )


def _grid(bought: list[exploring.Bought]) -> list[tuple[str, list[Shown]]]:
    found = {(one.days, one.orders): one for one in bought}
    total = sum(one.n for one in bought)
    most = max((one.n for one in bought), default=0)
    rows = []
    for days, label in enumerate(cells.DAY_LABELS):
        row = []
        for often in range(len(cells.ORDER_LABELS)):
            one = found.get((days, often + 1))
            n = one.n if one else 0
            cell = cells.grid_cell(days, often)
            row.append(
                Shown(
                    cell=cell,
                    name=cells.read(cell).name,
                    n=n,
                    count=words.number(n),
                    part=words.part(n, total) if total else "",
                    worth=words.money(one.revenue, settings.CURRENCY) if one else "",
                    shade=round(SHADES * n / most) if most else 0,
                )
            )
        rows.append((label, row))
    return rows


def _overlaps(
    among: list[Segment], shared: dict[tuple[int, int], int]
) -> list[tuple[Segment, list[Shown]]]:
    rows = []
    for one in among:
        size = shared.get((one.pk, one.pk), 0)
        row = []
        for other in among:
            n = shared.get((one.pk, other.pk), 0)
            is_own = one == other
            row.append(
                Shown(
                    cell="" if is_own else cells.both_cell(one.key, other.key),
                    name=f"{one} and {other}",
                    n=n,
                    count=words.number(n),
                    part="" if is_own or not size else words.part(n, size),
                    shade=round(SHADES * n / size) if size else 0,
                )
            )
        rows.append((one, row))
    return rows


def _kind_of(name: str) -> str:
    return next((kind for kind, recipe in RECIPES.items() if name in recipe.names), "")
