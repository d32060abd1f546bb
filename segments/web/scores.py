"""How the scores of each name are spread over the customers, and how that moved over time."""

from collections.abc import Sequence

from django.db.models import OuterRef, Subquery
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from rapport.web import charts, words
from rapport.web.charts import Chart
from rapport.web.dashboard import Empty, Link, Number
from rapport.web.page import page, show
from segments.models import Cluster, ModelRun, ScoreSummary
from segments.web import features
from segments.web.clusters_charts import color_of

SCORINGS = 60  # the newest; older ones are kept
BANDS = ("low", "medium", "high")
COLORS = {"low": charts.SKY, "medium": charts.BLUE, "high": charts.ORANGE}
FIRST = "churn_90d"
STILL_POINTS = 0.05  # a change that would be written as nothing


@page("segments.view_score")
def scores(request: HttpRequest) -> HttpResponse:
    newest = ScoreSummary.objects.filter(name=OuterRef("name")).order_by("-as_of").values("pk")[:1]
    latest = {
        one.name: one
        for one in ScoreSummary.objects.filter(pk=Subquery(newest)).select_related("run")
    }
    names = sorted(latest, key=lambda name: [*features.SCORES, name].index(name))
    asked = request.GET.get("name", "")
    name = asked if asked in latest else FIRST if FIRST in latest else next(iter(names), "")
    history = list(ScoreSummary.objects.filter(name=name).order_by("-as_of")[:SCORINGS])[::-1]
    now = latest.get(name)
    drawn = [spread(now), bands(name, history, _cluster_names(now))] if now else []
    context = {
        "names": [(one, features.score_label(one)) for one in names],
        "name": name,
        "now": now,
        "is_thumb": now is not None and now.run.state == ModelRun.State.FALLBACK,
        "numbers": _numbers(now) if now else (),
        "charts": [chart for chart in drawn if chart],
        "empty": Empty(
            "Nobody has been scored yet. Scores come with the first training.",
            Link("Go to models", reverse("models")),
        ),
    }
    return show(
        request,
        "segments/scores.html",
        title="Scores",
        lead=_lead(now),
        crumbs=(Link("Models", reverse("models")),),
        context=context,
    )


def spread(now: ScoreSummary) -> Chart | None:
    """How many customers have which value."""
    edges, counts = now.edges, now.counts
    if len(edges) != len(counts) + 1 or not sum(counts):
        return None
    is_share = edges[0] >= 0 and edges[-1] <= 1
    scale = 100 if is_share else 1
    is_open = not is_share and len(counts) > 1 and _is_wide(edges)
    ends = [*edges[:-1], edges[-2] + (edges[-2] - edges[-3])] if is_open else list(edges)
    middles = [scale * (low + high) / 2 for low, high in zip(ends, ends[1:], strict=False)]
    between = [
        f"{features.score_written(now.name, low)} to {features.score_written(now.name, high)}"
        for low, high in zip(edges, edges[1:], strict=False)
    ]
    bars = charts.bars(
        middles,
        counts,
        width=[scale * (high - low) * 0.94 for low, high in zip(ends, ends[1:], strict=False)],
        customdata=between,
        hovertemplate="%{customdata}: %{y:,} customers<extra></extra>",
    )
    title = features.score_label(now.name)
    most = between[max(range(len(counts)), key=lambda at: counts[at])]
    figure = charts.figure(bars, x_title=f"{title}, %" if is_share else title, y_title="customers")
    figure.update_xaxes(nticks=8)
    more = " The last bar holds all above." if is_open else ""
    return Chart(
        key="spread",
        title=f"Most customers lie at {most}",
        figure=figure,
        columns=("Between", "Customers"),
        rows=[(said, words.number(n)) for said, n in zip(between, counts, strict=True)],
        note=f"n = {words.number(now.n)}, as of {words.clock(now.as_of)}.{more}",
    )


def bands(name: str, history: Sequence[ScoreSummary], named: dict[str, str]) -> Chart | None:
    """The share of the customers in each band, scoring by scoring."""
    found = [one for one in history if one.bands and one.n]
    keys = [band for band in BANDS if any(band in one.bands for one in found)]
    keys += sorted({band for one in found for band in one.bands} - {*keys, ""})
    if not found or not keys:
        return None
    moments = [one.as_of for one in found]
    shares = {key: [one.bands.get(key, 0) / one.n for one in found] for key in keys}
    traces = [
        charts.line(
            moments,
            [100 * share for share in shares[key]],
            name=_short(_band(key, named)),
            color=_color(key, named),
            hovertemplate=f"{_band(key, named)}: %{{y:.1f}}%<extra></extra>",
        )
        for key in keys
    ]
    for trace in traces:
        trace.update(mode="lines+markers+text")
    figure = charts.figure(*traces, x_title="scored", y_title="of the customers, %")
    figure.update_layout(margin={"r": 110})
    if len(found) == 1:
        figure.update_xaxes(tickvals=moments, ticktext=[words.day(moments[0])])
    last = found[-1]
    key = max(keys, key=lambda one: last.bands.get(one, 0))
    share = words.part(last.bands.get(key, 0), last.n)
    moved = ""
    if len(found) > 1:
        points = 100 * (shares[key][-1] - shares[key][0])
        since = words.day(moments[0])
        moved = f", {points:+.1f} points since {since}".replace("-", "−")
        if abs(points) < STILL_POINTS:
            moved = f", as on {since}"
    return Chart(
        key="bands",
        title=f"{share} are “{_band(key, named)}”{moved}",
        figure=figure,
        columns=("Scored", *(_band(one, named) for one in keys), "n"),
        rows=[
            (
                words.clock(one.as_of),
                *(words.number(one.bands.get(band, 0)) for band in keys),
                words.number(one.n),
            )
            for one in reversed(found)
        ],
        note=f"{words.plural(len(found), 'scoring')} of everybody; a step may come from a model "
        "that was trained again as well as from customers.",
    )


def _is_wide(edges: Sequence[float]) -> bool:
    """Whether the last bin holds a tail: it is wider than the one before."""
    return (edges[-1] - edges[-2]) > 1.5 * (edges[-2] - edges[-3])


def _cluster_names(now: ScoreSummary | None) -> dict[str, str]:
    if now is None or now.name != "cluster":
        return {}
    return {str(one.key): str(one) for one in Cluster.objects.filter(run=now.run_id)}


def _band(key: str, named: dict[str, str]) -> str:
    return named.get(key) or (f"group {key}" if key.lstrip("-").isdigit() else key)


def _short(name: str) -> str:
    return name if len(name) <= 14 else f"{name[:13]}…"


def _color(key: str, named: dict[str, str]) -> str:
    return COLORS.get(key) or (color_of(int(key)) if key.isdigit() else charts.GREY)


def _lead(now: ScoreSummary | None) -> str:
    if now is None:
        return "Nobody has been scored yet."
    has = words.plural(now.n, "customer has", "customers have")
    label = features.score_label(now.name)
    thumb = ", by a rule of thumb" if now.run.state == ModelRun.State.FALLBACK else ""
    return f"{has} the score “{label}”{thumb}, as of {words.day(now.as_of)}."


def _numbers(now: ScoreSummary) -> tuple[Number, ...]:
    as_of = f"as of {words.clock(now.as_of)}"
    numbers = [Number("Scored", words.plural(now.n, "customer"), note=as_of)]
    if now.mean is not None:
        written = features.score_written(now.name, now.mean)
        numbers.append(Number("Mean", written, note=f"n = {words.number(now.n)}"))
    for band in BANDS:
        if band in now.bands:
            n = now.bands[band]
            numbers.append(
                Number(band.capitalize(), words.number(n), note=words.part(n, now.n) + " of them")
            )
    return tuple(numbers)
