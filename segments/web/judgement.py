"""How a run stands beside its baseline and beside the live run, as pages tell it."""

from collections.abc import Sequence

import plotly.graph_objects as go

from rapport.web import charts, words
from rapport.web.charts import Chart
from segments.models import ModelRun
from segments.web import features

BASELINE = "baseline"


def is_better(run: ModelRun) -> bool:
    """Whether the first deciding comparison with the baseline lies surely on the good side."""
    return any(_is_better(row) for row in _deciding(run)[:1])


def against_baselines(serving: Sequence[ModelRun]) -> Chart | None:
    """How much better each serving model is than its baseline, in % of the baseline's figure."""
    rows = [
        (run, row, base)
        for run in serving
        for row in _deciding(run)
        if (base := (run.baseline.get(row["metric"]) or {}).get("value"))
        and row["difference"]["value"] is not None
    ]
    if not rows:
        return None
    told = [(f"{features.run_label(run)}: {row['words']}", row, base) for run, row, base in rows]
    shares = [_share(row, base) for _name, row, base in told]
    points = go.Scatter(
        x=[100 * value for value, _low, _high in shares],
        y=[_broken(name) for name, _row, _base in told],
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
        points, x_title="better than the baseline by, in % of it", height_px=110 + 44 * len(told)
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


def figures(run: ModelRun) -> list[tuple[str, str, str, str, str, str]]:
    """Each metric with its interval, beside the baseline's."""
    rows = []
    for name, ours in run.metrics.items():
        theirs = run.baseline.get(name) or {}
        rows.append(
            (
                features.metric_label(name),
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


def _broken(name: str) -> str:
    """On two lines, for a narrow screen."""
    label, _, measure = name.rpartition(": ")
    return f"{label}:<br>{measure}" if label else measure


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
