"""Charts of a run's card about how it was chosen and what it looks at."""

import plotly.graph_objects as go

from rapport.web import charts, words
from rapport.web.charts import Chart
from segments.models import ModelRun
from segments.web import features

SHOWN = 12  # those that matter most; the table has all


def charts_of(run: ModelRun) -> list[Chart]:
    drawn = (competition(run), uplifts(run), choice(run), importance(run), coefficients(run))
    return [chart for chart in drawn if chart]


def competition(run: ModelRun) -> Chart | None:
    """Every method that was tried on the same later customers, and why one serves."""
    found = run.card.get("competition") or {}
    rows = [row for row in found.get("rows") or [] if row.get("value") is not None]
    if not rows:
        return None
    metric = features.metric_label(found.get("metric", ""))
    chosen = next((row["method"] for row in rows if row.get("chosen")), "none")
    extra = [name for name in ("auc", "brier") if any(row.get(name) is not None for row in rows)]
    return Chart(
        key="competition",
        title=f"{words.plural(len(rows), 'method')} competed; chosen: {chosen}",
        figure=_dots(
            [(row["method"], row["value"], row.get("low"), row.get("high")) for row in rows],
            chosen=chosen,
            x_title=f"{metric}: {features.BETTER.get(found.get('metric', ''), 'as judged')}",
        ),
        columns=("Method", metric, "95% interval", *map(features.metric_label, extra), "Outcome"),
        rows=[
            (
                row["method"],
                features.figure(row["value"]),
                features.between(row),
                *(features.figure(row.get(name)) for name in extra),
                "chosen" if row.get("chosen") else row.get("why_not") or "not chosen",
            )
            for row in rows
        ],
        note="All on the same customers and days, which none of them had seen.",
    )


def uplifts(run: ModelRun) -> Chart | None:
    """The learners of a campaign's effect beside a rule, a response model and chance."""
    rows = (run.card.get("qini") or {}).get("rows") or []
    rows = [row for row in rows if row.get("qini") is not None]
    if not rows:
        return None
    chosen = next((row["method"] for row in rows if row.get("chosen")), "none")
    return Chart(
        key="uplifts",
        title=f"{words.plural(len(rows), 'way')} to choose whom to address; best: {chosen}",
        figure=_dots(
            [(row["method"], row["qini"], row.get("low"), row.get("high")) for row in rows],
            chosen=chosen,
            x_title="Qini coefficient: higher is better, 0 is chance",
        ),
        columns=("Method", "Qini", "95% interval", "Outcome"),
        rows=[
            (
                row["method"],
                features.figure(row["qini"]),
                features.between(row),
                "chosen" if row.get("chosen") else row.get("why_not") or "",
            )
            for row in rows
        ],
        note="Where the intervals overlap, nothing is known to be better than addressing everybody "
        "or nobody.",
    )


def choice(run: ModelRun) -> Chart | None:
    """How the number of groups was chosen."""
    rows = [row for row in (run.card.get("choice") or {}).get("rows", []) if "k" in row]
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
    chosen = next((row["k"] for row in rows if row["chosen"]), None)
    tried = f"{min(ks)} to {max(ks)} were tried"
    return Chart(
        key="choice",
        title=f"{chosen} groups were chosen; {tried}" if chosen else f"None was chosen; {tried}",
        figure=figure,
        columns=("Groups", "Silhouette", "Of shuffled columns", "Stability", "Told of 90 days", ""),
        rows=[
            (
                row["k"],
                words.number(row["silhouette"], 3),
                words.number(row["silhouette_of_shuffled"], 3),
                words.number(row["stability"], 3),
                words.number(row.get("worth"), 3),
                "chosen" if row["chosen"] else row.get("why_not", ""),
            )
            for row in rows
        ],
        note="Silhouette: how far apart the groups are. Stability: how much refits agree.",
    )


def importance(run: ModelRun) -> Chart | None:
    """How much worse the model gets where one feature is shuffled."""
    rows = [row for row in run.card.get("importance") or [] if row.get("value") is not None]
    if not rows:
        return None
    rows = sorted(rows, key=lambda row: -row["value"])
    shown = rows[:SHOWN][::-1]
    bars = charts.bars(
        [row["value"] for row in shown],
        [features.label(row["feature"]) for row in shown],
        orientation="h",
        error_x=_interval(
            [(row["value"], row.get("low"), row.get("high")) for row in shown], color=charts.GREY
        ),
        hovertemplate="%{y}: %{x:.4f}<extra></extra>",
    )
    figure = charts.figure(bars, x_title="loss added when shuffled", height_px=90 + 26 * len(shown))
    return Chart(
        key="importance",
        title=f"Without {features.label(rows[0]['feature'])} it would lose most",
        figure=figure,
        columns=("Feature", "Loss added", "95% interval"),
        rows=[
            (features.label(row["feature"]), words.number(row["value"], 4), features.between(row))
            for row in rows
        ],
        note="Each feature shuffled by itself on held-out customers; those that say nearly the "
        "same share what they weigh. It goes with the answer; it does not cause it.",
    )


def coefficients(run: ModelRun) -> Chart | None:
    rows = run.card.get("coefficients") or []
    rows = [row for row in rows if row.get("log_odds_per_deviation") is not None]
    if not rows:
        return None
    rows = sorted(rows, key=lambda row: -abs(row["log_odds_per_deviation"]))
    shown = rows[:SHOWN][::-1]
    bars = charts.bars(
        [row["log_odds_per_deviation"] for row in shown],
        [features.label(row["feature"]) for row in shown],
        orientation="h",
        hovertemplate="%{y}: %{x:.2f}<extra></extra>",
    )
    what = "leaving" if run.kind.startswith("churn") else "a yes"
    figure = charts.figure(bars, x_title=f"log-odds of {what}", height_px=90 + 24 * len(shown))
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
        f"another: read them together, and as what goes with {what}, not what causes it.",
    )


def _dots(
    rows: list[tuple[str, float, float | None, float | None]], *, chosen: str, x_title: str
) -> go.Figure:
    """An estimate with its interval for each name, the chosen one filled."""
    points = go.Scatter(
        x=[value for _name, value, _low, _high in rows],
        y=[name for name, *_ in rows],
        mode="markers",
        marker={
            "size": 11,
            "color": charts.BLUE,
            "symbol": ["circle" if name == chosen else "circle-open" for name, *_ in rows],
        },
        error_x=_interval([row[1:] for row in rows], color=charts.BLUE),
        hovertemplate="%{y}: %{x:.4f}<extra></extra>",
    )
    figure = charts.figure(points, x_title=x_title, height_px=110 + 36 * len(rows))
    figure.update_xaxes(rangemode="normal", nticks=6)
    figure.update_yaxes(rangemode="normal", autorange="reversed")
    return figure


def _interval(rows: list[tuple[float, float | None, float | None]], *, color: str) -> dict:
    return {
        "type": "data",
        "symmetric": False,
        "array": [0 if high is None else high - value for value, _low, high in rows],
        "arrayminus": [0 if low is None else value - low for value, low, _high in rows],
        "color": color,
    }
