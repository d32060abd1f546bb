"""The card of a model run in charts and tables: nothing is computed here that was not stored."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import plotly.graph_objects as go
from django.conf import settings

from rapport.web import charts, words
from rapport.web.charts import Chart
from segments.models import ModelRun
from segments.web import features

BASELINE = "baseline"
COEFFICIENTS = 12  # those that matter most; the table has all


def is_better(run: ModelRun) -> bool:
    """Whether the first deciding comparison with the baseline lies surely on the good side."""
    return any(_is_better(row) for row in _deciding(run)[:1])


def against_baselines(serving: Sequence[ModelRun]) -> Chart | None:
    """How much better each serving model is than its baseline, in % of the baseline's figure."""
    rows = [
        (run, row, base)
        for run in serving
        for row in _deciding(run)
        if (base := run.baseline.get(row["metric"], {}).get("value"))
    ]
    if not rows:
        return None
    told = [
        (f"{features.kind_label(run.kind)}: {row['words']}", row, base) for run, row, base in rows
    ]
    shares = [_share(row, base) for _name, row, base in told]
    points = go.Scatter(
        x=[100 * value for value, _low, _high in shares],
        y=[name for name, _row, _base in told],
        mode="markers",
        marker={"size": 10, "color": charts.BLUE},
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [100 * (high - value) for value, _low, high in shares],
            "arrayminus": [100 * (value - low) for value, low, _high in shares],
            "color": charts.BLUE,
        },
        hovertemplate="%{y}: %{x:.1f}%<extra></extra>",
    )
    figure = charts.figure(
        points, x_title="better than the baseline by, in % of it", height_px=110 + 40 * len(told)
    )
    figure.add_vline(x=0, line={"color": charts.GREY, "dash": "dot"})
    figure.update_yaxes(rangemode="normal", autorange="reversed")
    better = sum(_is_better(row) for _name, row, _base in told)
    return Chart(
        key="against-baselines",
        title=f"{better} of {words.plural(len(told), 'comparison')} with a baseline are surely won",
        figure=figure,
        columns=("Model: measure", "Better by", "From", "To", "n"),
        rows=[
            (name, *(words.percent(share, 1) for share in found), words.number(_n(row)))
            for (name, row, _base), found in zip(told, shares, strict=True)
        ],
        note="Dot: the estimate. Line: 95% interval. Customers that were held out.",
    )


def charts_of(run: ModelRun) -> list[Chart]:
    """What the card of this run has to draw."""
    drawn = (_reliability(run), _deciles(run), _choice(run), _coefficients(run))
    return [chart for chart in drawn if chart]


def figures(run: ModelRun) -> list[tuple[str, str, str, str, str, str]]:
    """Each metric with its interval, beside the baseline's."""
    rows = []
    for name, ours in run.metrics.items():
        theirs = run.baseline.get(name) or {}
        rows.append(
            (
                features.METRICS.get(name, name),
                features.figure(ours.get("value")),
                features.between(ours),
                features.figure(theirs.get("value")),
                features.between(theirs) if theirs else words.NOTHING,
                words.number(ours.get("n")),
            )
        )
    return rows


def comparisons(run: ModelRun) -> list[tuple[str, str, str, str]]:
    """What each comparison found, and whether a worse result keeps the run from going live."""
    rows = []
    for row in run.card.get("comparisons", []):
        said = "better" if _is_better(row) else "worse" if row["is_worse"] else "cannot be told"
        rows.append(
            (
                f"{row['words']} against the {row['against']}",
                f"{features.figure(row['difference']['value'])} "
                f"({features.between(row['difference'])})",
                said,
                "yes" if row["decides"] else "no",
            )
        )
    return rows


def facts(run: ModelRun) -> list[tuple[str, str]]:
    """Window, label, split, parameters, versions: what somebody needs to do it again."""
    card = run.card
    window = card.get("window", {})
    found = [
        ("method", run.method),
        ("label", card.get("label", "")),
        ("window", _window(window)),
        ("baseline", card.get("baseline", "")),
        ("how it was judged", _plain(card.get("split", {}))),
        ("after judging", card.get("refitted", "")),
        ("hyper-parameters", _plain(_short(run.params))),
        ("parameters learnt", _plain(card.get("parameters", {}))),
        (
            "customers who changed group",
            words.percent(card["moved_share"]) if "moved_share" in card else "",
        ),
        ("left out", _plain(card.get("left_out", []))),
        ("problems", "; ".join(map(str, card.get("problems", [])))),
        ("checksum of the data", run.data_sha256[:16]),
        ("versions", _plain(run.versions)),
        ("trained", f"{words.clock(run.created_at)}, {_took(run)}"),
        ("started by", str(run.started_by or "Rapport")),
    ]
    return [(name, text) for name, text in found if text]


def _deciding(run: ModelRun) -> list[dict]:
    rows = run.card.get("comparisons", [])
    return [row for row in rows if row["against"] == BASELINE and row["decides"]]


def _is_better(row: dict) -> bool:
    low, high = row["difference"]["low"], row["difference"]["high"]
    if low is None or high is None:
        return False
    return low > 0 if row["higher_is_better"] else high < 0


def _share(row: dict, base: float) -> tuple[float, float, float]:
    """Value, low and high of the difference as a share of the baseline, more being better."""
    found = row["difference"]
    value, low, high = found["value"], found["low"], found["high"]
    low, high = (value if low is None else low), (value if high is None else high)
    if not row["higher_is_better"]:
        value, low, high = -value, -high, -low
    return value / abs(base), low / abs(base), high / abs(base)


def _n(row: dict) -> int | None:
    return row["difference"].get("n")


def _reliability(run: ModelRun) -> Chart | None:
    rows = run.card.get("reliability") or []
    if not rows:
        return None
    expected = [100 * row["expected"] for row in rows]
    observed = [100 * row["observed"] for row in rows]
    diagonal = go.Scatter(
        x=[0, 100], y=[0, 100], mode="lines", hoverinfo="skip",
        line={"color": charts.GREY, "dash": "dot"},
    )  # fmt: skip
    points = go.Scatter(
        x=expected,
        y=observed,
        mode="markers+lines",
        marker={"size": 9, "color": charts.BLUE},
        line={"color": charts.BLUE, "width": 1},
        customdata=[row["n"] for row in rows],
        error_y={
            "type": "data",
            "symmetric": False,
            "array": [100 * (row["observed_high"] - row["observed"]) for row in rows],
            "arrayminus": [100 * (row["observed"] - row["observed_low"]) for row in rows],
            "color": charts.BLUE,
        },
        hovertemplate="said %{x:.0f}%, came true for %{y:.0f}% of %{customdata:,}<extra></extra>",
    )
    figure = charts.figure(
        diagonal,
        points,
        x_title="probability said, %",
        y_title="came true, %",
        height_px=340,
    )
    covered = sum(row["observed_low"] <= row["expected"] <= row["observed_high"] for row in rows)
    return Chart(
        key="reliability",
        title=f"What it says comes true within the error in {covered} of {len(rows)} groups",
        figure=figure,
        columns=("Said", "Came true", "From", "To", "n"),
        rows=[
            (
                words.percent(row["expected"], 1),
                words.percent(row["observed"], 1),
                words.percent(row["observed_low"], 1),
                words.percent(row["observed_high"], 1),
                words.number(row["n"]),
            )
            for row in rows
        ],
        note="Held-out customers in tenths by probability; on the dotted line it would be exact. "
        "95% intervals.",
    )


def _deciles(run: ModelRun) -> Chart | None:
    rows = run.card.get("deciles") or []
    if not rows:
        return None
    places = [str(place) for place in range(1, len(rows) + 1)]
    actual = charts.bars(places, [row["actual"] for row in rows], name="came in", color=charts.SKY)
    expected = go.Scatter(
        x=places,
        y=[row["expected"] for row in rows],
        mode="markers+lines",
        name="expected",
        line={"color": charts.ORANGE, "width": 2},
    )
    figure = charts.figure(
        actual,
        expected,
        x_title="tenths of the customers, by what was expected of them",
        y_title=f"{settings.CURRENCY} a customer",
    )
    figure.update_layout(showlegend=True, legend={"orientation": "h", "y": 1.12})
    figure.update_xaxes(type="category")
    total, hoped = (
        sum(r["actual"] * r["n"] for r in rows),
        sum(r["expected"] * r["n"] for r in rows),
    )
    said = words.change(hoped, total, than="what came in") if total else "more than came in"
    return Chart(
        key="deciles",
        title=f"What was expected in all is {said}",
        figure=figure,
        columns=("Tenth", "Expected", "Came in", "n"),
        rows=[
            (
                place,
                words.money(row["expected"], settings.CURRENCY),
                words.money(row["actual"], settings.CURRENCY),
                words.number(row["n"]),
            )
            for place, row in zip(places, rows, strict=True)
        ],
        note=f"Held-out days; n = {words.number(sum(row['n'] for row in rows))} customers.",
    )


def _choice(run: ModelRun) -> Chart | None:
    """How the number of groups was chosen."""
    rows = [row for row in run.card.get("choice", {}).get("rows", []) if "k" in row]
    if not rows:
        return None
    ks = [row["k"] for row in rows]
    figure = charts.figure(
        charts.line(ks, [row["silhouette"] for row in rows], name="silhouette", color=charts.BLUE),
        charts.line(
            ks, [row["silhouette_of_shuffled"] for row in rows], name="shuffled", color=charts.GREY
        ),
        charts.line(ks, [row["stability"] for row in rows], name="stability", color=charts.GREEN),
        x_title="number of groups",
        y_title="0 to 1",
    )
    figure.update_layout(margin={"r": 80})
    figure.update_xaxes(dtick=1)
    chosen = next((row["k"] for row in rows if row["chosen"]), len(rows))
    return Chart(
        key="choice",
        title=f"{chosen} groups were chosen; {min(ks)} to {max(ks)} were tried",
        figure=figure,
        columns=("Groups", "Silhouette", "Of shuffled columns", "Stability", "Told of 90 days", ""),
        rows=[
            (
                row["k"],
                words.number(row["silhouette"], 3),
                words.number(row["silhouette_of_shuffled"], 3),
                words.number(row["stability"], 3),
                words.number(row.get("worth"), 3),
                "chosen" if row["chosen"] else "",
            )
            for row in rows
        ],
        note="Silhouette: how far apart the groups are. Stability: how much refits agree.",
    )


def _coefficients(run: ModelRun) -> Chart | None:
    rows = run.card.get("coefficients") or []
    rows = [row for row in rows if row.get("log_odds_per_deviation") is not None]
    if not rows:
        return None
    rows = sorted(rows, key=lambda row: -abs(row["log_odds_per_deviation"]))
    shown = rows[:COEFFICIENTS][::-1]
    bars = charts.bars(
        [row["log_odds_per_deviation"] for row in shown],
        [features.label(row["feature"]) for row in shown],
        orientation="h",
        hovertemplate="%{y}: %{x:.2f}<extra></extra>",
    )
    figure = charts.figure(
        bars,
        x_title="log-odds of leaving",
        height_px=90 + 24 * len(shown),
    )
    return Chart(
        key="coefficients",
        title=f"Weighs most: {features.label(rows[0]['feature'])}",
        figure=figure,
        columns=("Feature", "Log-odds a standard deviation"),
        rows=[
            (features.label(row["feature"]), words.number(row["log_odds_per_deviation"], 3))
            for row in rows
        ],
        note="For one standard deviation more. Features that say nearly the same balance one "
        "another: read them together, and as what goes with leaving, not what causes it.",
    )


def _window(window: dict) -> str:
    if not window:
        return ""
    ends = [
        words.day(datetime.fromisoformat(window[end])) for end in ("from", "to") if end in window
    ]
    return f"{' to '.join(ends)}, {words.plural(window.get('days', 0), 'day')}"


def _short(params: dict[str, Any]) -> dict[str, Any]:
    """Without the columns, which are listed as features."""
    return {name: value for name, value in params.items() if name != "columns"}


def _plain(found: Any) -> str:
    if isinstance(found, dict):
        return "; ".join(
            f"{name.replace('_', ' ')} {_plain(value)}" for name, value in found.items()
        )
    if isinstance(found, list):
        return ", ".join(_plain(value) for value in found)
    return words.number(found, 4) if isinstance(found, float) else str(found)


def _took(run: ModelRun) -> str:
    if run.finished_at is None:
        return "not finished"
    return f"in {words.duration((run.finished_at - run.created_at).total_seconds())}"
