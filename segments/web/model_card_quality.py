"""Charts of a run's card about what came true: calibration, months, tenths of the customers."""

import plotly.graph_objects as go
from django.conf import settings

from rapport.web import charts, words
from rapport.web.charts import Chart
from segments.models import ModelRun


def charts_of(run: ModelRun) -> list[Chart]:
    drawn = (reliability(run), months(run), deciles(run), qini(run))
    return [chart for chart in drawn if chart]


def reliability(run: ModelRun) -> Chart | None:
    """What was said beside what came true, and whether the probabilities were put right."""
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
        mode="markers",
        marker={"size": 9, "color": charts.BLUE},
        customdata=[row["n"] for row in rows],
        error_y={
            "type": "data",
            "symmetric": False,
            "array": [
                100 * row["observed_high"] - o for row, o in zip(rows, observed, strict=True)
            ],
            "arrayminus": [
                o - 100 * row["observed_low"] for row, o in zip(rows, observed, strict=True)
            ],
            "color": charts.BLUE,
        },
        hovertemplate="said %{x:.0f}%, came true for %{y:.0f}% of %{customdata:,}<extra></extra>",
    )
    figure = charts.figure(
        diagonal, points, x_title="probability said, %", y_title="came true, %", height_px=340
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
        note=f"{_calibrated(run)}Held-out customers in tenths by probability; on the dotted line "
        "it would be exact. 95% intervals.",
    )


def _calibrated(run: ModelRun) -> str:
    found = run.card.get("calibration") or {}
    decision = str(found.get("decision") or "")
    if not decision:
        return ""
    before, after = found.get("before"), found.get("after")
    changed = ""
    if before is not None and after is not None:
        changed = f" (error {words.number(before, 4)} before, {words.number(after, 4)} after)"
    return f"{decision[0].upper()}{decision[1:].rstrip('.')}{changed}. "


def months(run: ModelRun) -> Chart | None:
    """Expected beside observed, month by month: where a season makes the model wrong."""
    rows = run.card.get("months") or []
    if len(rows) < 2:
        return None
    is_share = all(0 <= row[side] <= 1 for row in rows for side in ("expected", "observed"))
    scale = 100 if is_share else 1
    names = [row["month"] for row in rows]
    is_above = rows[-1]["expected"] >= rows[-1]["observed"]
    places = ("top right", "bottom right") if is_above else ("bottom right", "top right")
    figure = charts.figure(
        charts.line(names, [scale * row["expected"] for row in rows], name="expected",
                    color=charts.ORANGE),
        charts.line(names, [scale * row["observed"] for row in rows], name="observed",
                    color=charts.BLUE),
        x_title="month",
        y_title="of the customers, %" if is_share else "a customer",
    )  # fmt: skip
    for trace, place in zip(figure.data, places, strict=True):
        trace.textposition = place  # so that the two words never lie on one another
    figure.update_layout(margin={"r": 80})
    figure.update_xaxes(type="category", nticks=8)
    worst = max(rows, key=lambda row: abs(row["expected"] - row["observed"]))
    apart = abs(worst["expected"] - worst["observed"])
    written = f"{words.number(100 * apart, 1)} points" if is_share else words.number(apart, 2)
    return Chart(
        key="months",
        title=f"Expected and observed are at most {written} apart, in {worst['month']}",
        figure=figure,
        columns=("Month", "Expected", "Observed", "n"),
        rows=[
            (
                row["month"],
                *(
                    words.percent(row[side], 1) if is_share else words.number(row[side], 2)
                    for side in ("expected", "observed")
                ),
                words.number(row.get("n")),
            )
            for row in rows
        ],
        note="What was foretold in a month beside what its customers did then.",
    )


def deciles(run: ModelRun) -> Chart | None:
    """Ten equal groups by what was expected of them: what they were and what they did."""
    rows = [dict(row, observed=_observed(row)) for row in run.card.get("deciles") or []]
    rows = [row for row in rows if row["observed"] is not None and row.get("expected") is not None]
    if not rows:
        return None
    is_money = run.kind.startswith("clv")
    scale = 1 if is_money else 100
    places = [str(row.get("decile", place)) for place, row in enumerate(rows, 1)]
    actual = charts.bars(
        places, [scale * row["observed"] for row in rows], name="came true", color=charts.SKY
    )
    expected = go.Scatter(
        x=places,
        y=[scale * row["expected"] for row in rows],
        mode="markers+lines",
        name="expected",
        line={"color": charts.ORANGE, "width": 2},
    )
    figure = charts.figure(
        actual,
        expected,
        x_title="tenths, by what was expected",
        y_title=f"{settings.CURRENCY} a customer" if is_money else "came true, %",
    )
    figure.update_layout(showlegend=True, legend={"orientation": "h", "y": 1.12})
    figure.update_xaxes(type="category")

    def written(value: float) -> str:
        return words.money(value, settings.CURRENCY) if is_money else words.percent(value, 1)

    lifts = ("Lift",) if any("lift" in row for row in rows) else ()
    return Chart(
        key="deciles",
        title=_deciles_title(rows),
        figure=figure,
        columns=("Tenth", "Expected", "Came true", *lifts, "n"),
        rows=[
            (
                place,
                written(row["expected"]),
                written(row["observed"]),
                *((words.number(row.get("lift"), 2),) if lifts else ()),
                words.number(row["n"]),
            )
            for place, row in zip(places, rows, strict=True)
        ],
        note=f"Held-out days; n = {words.number(sum(row['n'] for row in rows))} customers.",
    )


def _observed(row: dict) -> float | None:
    return row.get("observed", row.get("actual"))


def _deciles_title(rows: list[dict]) -> str:
    top = max(rows, key=lambda row: row["expected"])
    if top.get("lift") is not None:
        return f"The first tenth holds {words.number(top['lift'], 2)} times the average"
    total = sum(row["observed"] * row["n"] for row in rows)
    hoped = sum(row["expected"] * row["n"] for row in rows)
    said = words.change(hoped, total, than="what came in") if total else "more than came in"
    return f"What was expected in all is {said}"


def qini(run: ModelRun) -> Chart | None:
    """What addressing the most moved first gains over addressing anybody."""
    found = run.card.get("qini") or {}
    curve = found.get("curve") or []
    if len(curve) < 2:
        return None
    shares, gains = [100 * share for share, _ in curve], [gain for _, gain in curve]
    # Both end in the same point, so a legend tells them apart.
    ours = charts.line(shares, gains, color=charts.BLUE)
    any_ = charts.line([0, 100], [0, gains[-1]], color=charts.GREY)
    ours.update(name="this order")
    any_.update(name="any order", line_dash="dot")
    figure = charts.figure(
        ours, any_, x_title="addressed, % of the customers", y_title="orders gained"
    )
    figure.update_layout(showlegend=True, legend={"orientation": "h", "y": 1.12})
    return Chart(
        key="qini",
        title=str(run.card.get("advice") or "What addressing the most moved first would gain"),
        figure=figure,
        columns=("Addressed", "Gained"),
        rows=[(words.percent(share), words.number(gain, 2)) for share, gain in curve],
        note="From the arms of the past campaign; the dotted line takes customers in any order.",
    )
