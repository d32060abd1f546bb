"""The groups that the live clustering found: how they differ, who is in them, what to decide."""

from dataclasses import dataclass, field
from datetime import datetime

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from rapport.web import charts, words
from rapport.web.charts import Chart
from rapport.web.dashboard import Empty, Link, Number
from rapport.web.page import page, show
from segments.models import Cluster, ModelRun, Segment
from segments.services import exploring, promotion
from segments.services.exploring import Example
from segments.web import clusters_charts, features
from segments.web.clusters_charts import color_of
from segments.web.forms import AcceptForm, MergeForm, RejectForm, RenameForm

SHOWN_FEATURES = 7  # those farthest from the average; the table has all
EXAMPLES = 4
State = Cluster.State
Form = AcceptForm | RejectForm | RenameForm


@dataclass(frozen=True)
class Card:
    """One cluster with what a person needs to decide on it."""

    cluster: Cluster
    share: float
    color: str
    chart: Chart
    accept: AcceptForm
    rename: RenameForm
    reject: RejectForm
    segment: Segment | None
    examples: list[Example] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        """Whether it waits for a decision."""
        return self.cluster.state == State.PROPOSED

    @property
    def may_merge(self) -> bool:
        return self.cluster.state in (State.PROPOSED, State.ACCEPTED)

    @property
    def may_reconsider(self) -> bool:
        return self.cluster.state in (State.REJECTED, State.MERGED)


@page("segments.view_cluster")
def clusters(request: HttpRequest) -> HttpResponse:
    return explorer(request)


def explorer(
    request: HttpRequest,
    *,
    wrong: dict[int, Form] | None = None,
    merging: MergeForm | None = None,
    status: int = 200,
) -> HttpResponse:
    """The page; ``wrong`` holds what could not be done, by the cluster's id, with its reason."""
    run = promotion.serving(ModelRun.Kind.CLUSTERS)
    rows = (
        list(
            Cluster.objects.filter(run=run).select_related(
                "run", "segment", "decided_by", "merged_into"
            )
        )
        if run
        else []
    )
    may_look = request.user.has_perm("customers.view_customer")  # type: ignore[union-attr]
    people = exploring.examples([one.key for one in rows], most=EXAMPLES) if may_look else {}
    cards = [
        _card(cluster, wrong or {}, people.get(cluster.key, []), as_of=run.as_of)
        for cluster in rows
    ] if run else []  # fmt: skip
    overall = clusters_charts.charts_of(run, rows) if run and rows else []
    context = {
        "run": run,
        "cards": cards,
        "mergeable": [card for card in cards if card.may_merge],
        "merging": merging or MergeForm(clusters=Cluster.objects.none()),
        "chosen": merging.data.getlist("clusters") if merging else [],  # type: ignore[union-attr]
        "overall": overall,
        "charts": [*overall, *(card.chart for card in cards)],
        "numbers": _numbers(run, cards) if run else (),
        "methods": _methods(run) if run else [],
        "limits": run.card.get("limits") or [] if run else [],
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


def _card(
    cluster: Cluster, wrong: dict[int, Form], examples: list[Example], *, as_of: datetime
) -> Card:
    given = wrong.get(cluster.pk)
    initial = {"name": str(cluster)}
    accept = AcceptForm(initial=initial, auto_id=f"id_accept_{cluster.pk}_%s")
    rename = RenameForm(initial=initial, auto_id=f"id_rename_{cluster.pk}_%s")
    reject = RejectForm(auto_id=f"id_reject_{cluster.pk}_%s")
    return Card(
        cluster,
        share=_share(cluster),
        color=color_of(cluster.key),
        chart=_profile(cluster, as_of=as_of),
        accept=given if isinstance(given, AcceptForm) else accept,
        rename=given if isinstance(given, RenameForm) else rename,
        reject=given if isinstance(given, RejectForm) else reject,
        segment=getattr(cluster, "segment", None),
        examples=examples,
    )


def _share(cluster: Cluster) -> float:
    return cluster.size / (cluster.run.n_customers or cluster.size or 1)


def _lead(run: ModelRun | None, cards: list[Card]) -> str:
    if run is not None and not cards:
        return run.summary or "No groups have been found yet."
    if run is None:
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
    return sum(card.cluster.state == State.PROPOSED for card in cards)


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
        base = run.baseline.get("silhouette") or {}
        numbers.append(
            Number(
                "Silhouette",
                features.figure(silhouette["value"]),
                change=features.between(silhouette),
                note=f"{features.figure(base.get('value'))} for shuffled columns",
            )
        )
    inside = sum(card.cluster.size for card in cards)
    if cards and run.n_customers > inside:
        left = run.n_customers - inside
        numbers.append(
            Number("In no group", words.number(left), note=words.part(left, run.n_customers))
        )
    return tuple(numbers)


def _methods(run: ModelRun) -> list[tuple[str, ...]]:
    """Every method that was tried: how it did, and why it was not chosen."""
    rows = run.card.get("methods") or []
    return [
        (
            str(row.get("method", "")),
            words.number(row.get("k")),
            words.number(row.get("silhouette"), 3),
            words.number(row.get("silhouette_of_shuffled"), 3),
            words.number(row.get("stability"), 3),
            words.number(row.get("worth"), 3),
            words.percent(row.get("noise_share")),
            "chosen" if row.get("chosen") else str(row.get("why_not") or "not chosen"),
        )
        for row in rows
    ]


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
