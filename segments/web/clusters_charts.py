"""Charts of the groups: how large they are, what sets them apart, where they lie, who moved."""

from collections.abc import Sequence
from textwrap import wrap
from typing import Any

import plotly.graph_objects as go

from rapport.web import charts, words
from rapport.web.charts import Chart
from segments.models import Cluster, ModelRun
from segments.web import features

HEAT_FEATURES = 10  # those that differ most between the groups; the table has all
LABEL = 20  # letters of a name before it breaks
HEAT = [[0.0, charts.BLUE], [0.5, "#f3f4f6"], [1.0, charts.ORANGE]]
HEAT_MOST = 1.5  # standard deviations at which the colour is full


def color_of(key: int) -> str:
    """The colour of a cluster, the same on every page and, for its key lasts, in every run."""
    return charts.PALETTE[key % len(charts.PALETTE)]


def charts_of(run: ModelRun, clusters: Sequence[Cluster]) -> list[Chart]:
    drawn = (
        sizes(run, clusters),
        heat(run, clusters),
        scatter(run, clusters),
        dendrogram(run, clusters),
        flow(run, clusters),
    )
    return [chart for chart in drawn if chart]


def sizes(run: ModelRun, clusters: Sequence[Cluster]) -> Chart | None:
    if not clusters:
        return None
    shown = sorted(clusters, key=lambda one: one.size)
    total = run.n_customers or sum(one.size for one in shown)
    bars = charts.bars(
        [one.size for one in shown],
        [_short(str(one)) for one in shown],
        orientation="h",
        hovertemplate="%{y}: %{x:,} customers<extra></extra>",
    )
    bars.update(marker_color=[color_of(one.key) for one in shown])
    largest = shown[-1]
    return Chart(
        key="sizes",
        title=f"“{largest}” is the largest: {words.part(largest.size, total)} of all",
        figure=charts.figure(bars, x_title="customers", height_px=90 + 38 * len(shown)),
        columns=("Group", "Customers", "Share"),
        rows=[
            (str(one), words.number(one.size), words.part(one.size, total))
            for one in reversed(shown)
        ],
        note=f"n = {words.number(total)}, as of {words.day(run.as_of)}.",
    )


def heat(run: ModelRun, clusters: Sequence[Cluster]) -> Chart | None:
    """Each group's mean beside that of all, feature by feature."""
    spread: dict[str, float] = {}
    for one in clusters:
        for name, row in one.profile.items():
            if row and row.get("z") is not None:
                spread[name] = max(spread.get(name, 0.0), abs(row["z"]))
    if not spread or not clusters:
        return None
    names = sorted(spread, key=lambda name: -spread[name])
    shown = names[:HEAT_FEATURES]
    ordered = sorted(clusters, key=lambda one: one.size)
    figure = charts.figure(
        go.Heatmap(
            x=["<br>".join(wrap(features.label(name), 14)) for name in shown],
            y=[_short(str(one)) for one in ordered],
            z=[[_z(one, name) for name in shown] for one in ordered],
            zmin=-HEAT_MOST,
            zmax=HEAT_MOST,
            colorscale=HEAT,
            showscale=False,
            customdata=[[_both(one, name) for name in shown] for one in ordered],
            text=[[_signed(_z(one, name)) for name in shown] for one in ordered],
            texttemplate="%{text}",
            hovertemplate="%{y}<br>%{x}: %{customdata}<extra></extra>",
            xgap=2,
            ygap=2,
        ),
        height_px=130 + 44 * len(ordered),
    )
    figure.update_xaxes(showgrid=False, tickangle=-45)
    figure.update_yaxes(showgrid=False)
    apart = features.label(names[0])
    return Chart(
        key="heat",
        title=f"The groups differ most in {apart}",
        figure=figure,
        columns=("Group", *(features.label(name) for name in names)),
        rows=[(str(one), *(_both(one, name) for name in names)) for one in reversed(ordered)],
        note="Standard deviations from the mean of all customers: orange more, blue less. The "
        "table has the means.",
    )


def scatter(run: ModelRun, clusters: Sequence[Cluster]) -> Chart | None:
    """The customers on a plane, each in the colour of the group."""
    found = run.card.get("map") or {}
    points = found.get("points") or []
    if len(points) < 2:
        return None
    named = {one.key: str(one) for one in clusters}
    axes = [*(found.get("axes") or []), "", ""][:2]
    explained = [share for share in found.get("explained") or [] if share is not None][:2]
    traces: list[Any] = []
    rows = []
    for key in sorted({point[2] for point in points}, key=lambda key: -1 if key is None else key):
        mine = [point for point in points if point[2] == key]
        is_noise = key is None or key < 0
        name = "in no group" if is_noise else named.get(key, f"group {key}")
        traces.append(
            go.Scatter(
                x=[point[0] for point in mine],
                y=[point[1] for point in mine],
                mode="markers",
                name=_short(name),
                marker={
                    "size": 6,
                    "opacity": 0.65,
                    "color": charts.GREY if is_noise else color_of(key),
                    "symbol": "x" if is_noise else "circle",
                },
                hovertemplate=f"{name}<extra></extra>",
            )
        )
        middle = [sum(point[side] for point in mine) / len(mine) for side in (0, 1)]
        rows.append((name, words.number(len(mine)), *(words.number(at, 2) for at in middle)))
    figure = charts.figure(
        *traces,
        x_title=_axis(axes[0], explained[:1]),
        y_title=_axis(axes[1], explained[1:2]),
        height_px=440,
    )
    figure.update_xaxes(rangemode="normal", zeroline=False)
    figure.update_yaxes(rangemode="normal", zeroline=False)
    legend = {"orientation": "h", "y": 1.02, "yanchor": "bottom"}
    figure.update_layout(showlegend=True, legend=legend, margin={"t": 48})
    said = (
        f"The plane shows {words.percent(sum(explained))} of what differs between customers"
        if len(explained) == 2
        else "Where the groups lie beside one another"
    )
    return Chart(
        key="map",
        title=said,
        figure=figure,
        columns=("Group", "Customers shown", "Middle across", "Middle up"),
        rows=rows,
        note=f"{words.number(len(points))} customers drawn at random. Groups that overlap here may "
        "lie apart in what the plane does not show.",
    )


def dendrogram(run: ModelRun, clusters: Sequence[Cluster]) -> Chart | None:
    """Which groups are nearest: how they would be joined, one after the other."""
    found = run.card.get("dendrogram") or {}
    leaves, merges = found.get("leaves") or [], found.get("merges") or []
    if len(leaves) < 2 or len(merges) != len(leaves) - 1:
        return None
    order = _leaf_order(merges, len(leaves))
    across = {leaf: float(place) for place, leaf in enumerate(order)}
    height = {leaf: 0.0 for leaf in across}
    keys = {place: {leaf.get("key")} for place, leaf in enumerate(leaves)}
    traces = []
    for place, (left, right, at, _n) in enumerate(merges):
        one, other, node = int(left), int(right), len(leaves) + place
        keys[node] = keys[one] | keys[other]
        only = next(iter(keys[node])) if len(keys[node]) == 1 else None
        traces.append(
            go.Scatter(
                x=[across[one], across[one], across[other], across[other]],
                y=[height[one], at, at, height[other]],
                mode="lines",
                line={"color": charts.GREY if only is None else color_of(only), "width": 2},
                hovertemplate=f"joined at {at:.2f}<extra></extra>",
            )
        )
        across[node], height[node] = (across[one] + across[other]) / 2, at
    named = {one.key: str(one) for one in clusters}
    figure = charts.figure(*traces, y_title="distance at which they join", height_px=340)
    few = len(leaves) <= 2 * HEAT_FEATURES
    figure.update_xaxes(
        showgrid=False,
        tickvals=list(range(len(order))) if few else [],
        ticktext=[_leaf(leaves[leaf], named) for leaf in order] if few else [],
    )
    first = max(merges, key=lambda row: row[2])
    return Chart(
        key="dendrogram",
        title=f"The last two branches join at {words.number(first[2], 2)}",
        figure=figure,
        columns=("Joined", "With", "Distance", "Customers"),
        rows=[
            (
                _branch(int(left), leaves, named),
                _branch(int(right), leaves, named),
                words.number(at, 2),
                words.number(n),
            )
            for left, right, at, n in merges
        ],
        note=f"{words.plural(len(leaves), 'bunch', 'bunches')} of customers who buy alike, drawn "
        "from a sample and joined by Ward's method; a branch of one group has its colour.",
    )


def flow(run: ModelRun, clusters: Sequence[Cluster]) -> Chart | None:
    """How many customers went from each group of the run before to each of this one."""
    found = run.card.get("flow") or {}
    moves = [move for move in found.get("moves") or [] if move[2]]
    before, after = found.get("from") or [], found.get("to") or []
    if not moves or not before or not after:
        return None
    named = {one.key: str(one) for one in clusters}
    left = {row["key"]: place for place, row in enumerate(before)}
    right = {row["key"]: len(before) + place for place, row in enumerate(after)}
    moves = [move for move in moves if move[0] in left and move[1] in right]
    total = sum(move[2] for move in moves)
    if not total:
        return None
    changed = sum(n for one, other, n in moves if one != other)
    figure = charts.figure(
        go.Sankey(
            node={
                "label": [_short(_flow_name(row, {})) for row in before]
                + [_short(_flow_name(row, named)) for row in after],
                "color": [_flow_color(row["key"]) for row in [*before, *after]],
                "pad": 18,
                "thickness": 14,
                "line": {"width": 0},
                "hovertemplate": "%{label}: %{value:,} customers<extra></extra>",
            },
            link={
                "source": [left[move[0]] for move in moves],
                "target": [right[move[1]] for move in moves],
                "value": [move[2] for move in moves],
                "color": [_pale(_flow_color(move[0])) for move in moves],
                "hovertemplate": "%{source.label} to %{target.label}: %{value:,}<extra></extra>",
            },
        ),
        height_px=120 + 46 * max(len(before), len(after)),
    )
    figure.update_layout(margin={"l": 8, "r": 8, "t": 8, "b": 8})
    names = {row["key"]: _flow_name(row, {}) for row in before}
    names_after = {row["key"]: _flow_name(row, named) for row in after}
    when = " to ".join(str(one)[:10] for one in found.get("as_of") or [])
    return Chart(
        key="flow",
        title=f"{words.part(changed, total)} of the customers changed group since the run before",
        figure=figure,
        columns=("Before", "Now", "Customers"),
        rows=[
            (names[one], names_after[other], words.number(n))
            for one, other, n in sorted(moves, key=lambda move: -move[2])
        ],
        note=f"n = {words.number(total)} customers known to both" + (f", {when}." if when else "."),
    )


def _leaf_order(merges: Sequence[Sequence[float]], leaves: int) -> list[int]:
    """Leaves from left to right so that no branches cross."""
    order, waiting = [], [leaves + len(merges) - 1]
    while waiting:
        node = waiting.pop()
        if node < leaves:
            order.append(node)
        else:
            left, right = merges[node - leaves][:2]
            waiting += [int(right), int(left)]
    return order


def _leaf(leaf: dict, named: dict[int, str]) -> str:
    key = leaf.get("key")
    name = named.get(key, "") if key is not None else ""
    return "<br>".join([*wrap(name, 12)[:2], f"n = {words.number(leaf.get('n'))}"])


def _branch(node: int, leaves: Sequence[dict], named: dict[int, str]) -> str:
    if node >= len(leaves):
        return f"row {node - len(leaves) + 1}"
    leaf = leaves[node]
    name = named.get(leaf.get("key"), "mixed")  # type: ignore[arg-type]
    return f"{name}, n = {words.number(leaf.get('n'))}"


def _flow_name(row: dict, named: dict[int, str]) -> str:
    key = row["key"]
    if key is None or key < 0:
        return row.get("name") or "in no group"
    return named.get(key) or row.get("name") or f"group {key}"


def _flow_color(key: int | None) -> str:
    return charts.GREY if key is None or key < 0 else color_of(key)


def _pale(color: str) -> str:
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},.35)"


def _axis(said: str, explained: list[float]) -> str:
    share = f" ({words.percent(explained[0])} of the differences)" if explained else ""
    return f"{said}{share}".strip()


def _short(name: str) -> str:
    lines = wrap(name, LABEL)
    return "<br>".join(lines[:2]) + (" …" if len(lines) > 2 else "")


def _z(one: Cluster, name: str) -> float | None:
    row = one.profile.get(name) or {}
    return row.get("z")


def _signed(z: float | None) -> str:
    return "" if z is None else f"{z:+.1f}".replace("-", "−")


def _both(one: Cluster, name: str) -> str:
    row = one.profile.get(name) or {}
    here, everywhere = row.get("mean"), row.get("base_mean")
    return f"{features.written(name, here)} here, {features.written(name, everywhere)} of all"
