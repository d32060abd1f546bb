"""The groups that the live clustering found: look at them, name them or put them aside."""

from dataclasses import dataclass
from datetime import datetime

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from rapport.errors import DomainError
from rapport.web import charts, words
from rapport.web.charts import Chart
from rapport.web.dashboard import Empty, Link, Number
from rapport.web.page import page, show
from segments.models import Cluster, ModelRun, Segment
from segments.services import clusters as service
from segments.services import promotion
from segments.web import features
from segments.web.forms import AcceptForm, RejectForm

SHOWN_FEATURES = 7  # those farthest from the average; the table has all


@dataclass(frozen=True)
class Card:
    """One cluster with what a person needs to decide on it."""

    cluster: Cluster
    share: float
    color: str
    chart: Chart
    accept: AcceptForm
    reject: RejectForm
    segment: Segment | None


@page("segments.view_cluster")
def clusters(request: HttpRequest) -> HttpResponse:
    return _clusters(request)


@page("segments.change_cluster")
@require_POST
def accept(request: HttpRequest, cluster_id: int) -> HttpResponse:
    """Make a segment of a cluster, under a name that a person gives it."""
    found = get_object_or_404(Cluster, pk=cluster_id)
    form = AcceptForm(request.POST, auto_id=f"id_accept_{found.pk}_%s")
    if form.is_valid():
        now = timezone.now()
        try:
            segment = service.accept(found, **form.cleaned_data, user=request.user, now=now)
        except DomainError as error:
            form.add_error(None, str(error))
        else:
            messages.success(
                request,
                f"“{segment}” is a segment now; its members are counted within a minute.",
            )
            return redirect("clusters")
    return _clusters(request, wrong={found.pk: form}, status=400)


@page("segments.change_cluster")
@require_POST
def reject(request: HttpRequest, cluster_id: int) -> HttpResponse:
    """Put a cluster aside."""
    found = get_object_or_404(Cluster, pk=cluster_id)
    form = RejectForm(request.POST, auto_id=f"id_reject_{found.pk}_%s")
    if form.is_valid():
        note = form.cleaned_data["note"]
        try:
            service.reject(found, note=note, user=request.user, now=timezone.now())
        except DomainError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, f"“{found}” is put aside. Nobody is in a segment by it.")
            return redirect("clusters")
    return _clusters(request, wrong={found.pk: form}, status=400)


def color_of(key: int) -> str:
    """The colour of a cluster, the same on every page and, for its key lasts, in every run."""
    return charts.PALETTE[key % len(charts.PALETTE)]


def _clusters(
    request: HttpRequest,
    *,
    wrong: dict[int, AcceptForm | RejectForm] | None = None,
    status: int = 200,
) -> HttpResponse:
    run = promotion.serving(ModelRun.Kind.CLUSTERS)
    rows = (
        Cluster.objects.filter(run=run).select_related("run", "segment", "decided_by")
        if run
        else ()
    )
    cards = [_card(cluster, wrong or {}, as_of=run.as_of) for cluster in rows] if run else []
    context = {
        "run": run,
        "cards": cards,
        "charts": [card.chart for card in cards],
        "numbers": _numbers(run, cards) if run else (),
        "empty": Empty(
            "No groups yet. Training looks for customers who buy alike; it needs some months of "
            "orders.",
            Link("Go to models", reverse("models")),
        ),
    }
    return show(
        request,
        "segments/clusters.html",
        title="Clusters",
        lead=_lead(run, cards),
        context=context,
        status=status,
    )


def _card(cluster: Cluster, wrong: dict[int, AcceptForm | RejectForm], *, as_of: datetime) -> Card:
    given = wrong.get(cluster.pk)
    accepting = given if isinstance(given, AcceptForm) else None
    rejecting = given if isinstance(given, RejectForm) else None
    initial = {"name": cluster.proposed_name}
    name = f"id_accept_{cluster.pk}_%s"
    return Card(
        cluster,
        share=_share(cluster),
        color=color_of(cluster.key),
        chart=_profile(cluster, as_of=as_of),
        accept=accepting or AcceptForm(initial=initial, auto_id=name),
        reject=rejecting or RejectForm(auto_id=f"id_reject_{cluster.pk}_%s"),
        segment=getattr(cluster, "segment", None),
    )


def _share(cluster: Cluster) -> float:
    return cluster.size / (cluster.run.n_customers or cluster.size or 1)


def _lead(run: ModelRun | None, cards: list[Card]) -> str:
    if not cards or run is None:
        return "No groups have been found yet."
    waiting = _waiting(cards)
    found = (
        f"{words.plural(len(cards), 'group')} among {words.plural(run.n_customers, 'customer')} "
        "who have bought"
    )
    if not waiting:
        return f"{found}; all are decided on."
    return f"{found}; {words.plural(waiting, 'waits', 'wait')} for your decision."


def _waiting(cards: list[Card]) -> int:
    return sum(card.cluster.state == Cluster.State.PROPOSED for card in cards)


def _numbers(run: ModelRun, cards: list[Card]) -> tuple[Number, ...]:
    stability, silhouette = run.metrics.get("stability"), run.metrics.get("silhouette")
    as_of = f"n = {words.number(run.n_customers)}, as of {words.day(run.as_of)}"
    numbers = [
        Number("Groups", words.number(len(cards)), note=as_of),
        Number("Waiting for a decision", words.number(_waiting(cards))),
    ]
    if stability:
        numbers.append(
            Number(
                "Refits agree",
                features.figure(stability["value"]),
                change=features.between(stability),
                note="1 is always the same groups",
            )
        )
    if silhouette:
        base = run.baseline.get("silhouette", {})
        numbers.append(
            Number(
                "Silhouette",
                features.figure(silhouette["value"]),
                change=features.between(silhouette),
                note=f"{features.figure(base.get('value'))} for shuffled columns",
            )
        )
    return tuple(numbers)


def _profile(cluster: Cluster, *, as_of: datetime) -> Chart:
    """How far the group's mean is from that of all customers, feature by feature."""
    rows = [
        (name, one) for name, one in cluster.profile.items() if one and one.get("z") is not None
    ]
    rows.sort(key=lambda row: -abs(row[1]["z"]))
    shown = rows[:SHOWN_FEATURES][::-1]
    bars = charts.bars(
        [one["z"] for _name, one in shown],
        [features.label(name) for name, _one in shown],
        color=color_of(cluster.key),
        orientation="h",
        customdata=[_both(name, one) for name, one in shown],
        hovertemplate="%{y}: %{customdata}<extra></extra>",
    )
    bars.update(marker_line={"color": charts.GREY, "width": 1})
    figure = charts.figure(
        bars, x_title="standard deviations apart", height_px=90 + 24 * len(shown)
    )
    figure.update_xaxes(zeroline=True, zerolinecolor=charts.GREY, range=_range(shown))
    return Chart(
        key=f"cluster-{cluster.pk}",
        title=cluster.proposed_name,
        figure=figure,
        columns=("Feature", "Mean here", "Mean of all", "Standard deviations apart"),
        rows=[
            (
                features.label(name),
                features.written(name, one.get("mean")),
                features.written(name, one.get("base_mean")),
                words.number(one["z"], 2),
            )
            for name, one in rows
        ],
        note=f"n = {words.number(cluster.size)}, as of {words.day(as_of)}; beside all customers.",
    )


def _both(name: str, one: dict) -> str:
    here, everywhere = one.get("mean"), one.get("base_mean")
    return f"{features.written(name, here)} here, {features.written(name, everywhere)} of all"


def _range(shown: list[tuple[str, dict]]) -> tuple[float, float]:
    """The same on both sides, and never so narrow that small differences look large."""
    most = max([1.5, *(abs(one["z"]) * 1.1 for _name, one in shown)])
    return -most, most
