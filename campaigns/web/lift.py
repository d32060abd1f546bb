"""Lift in charts and words."""

from collections.abc import Sequence
from datetime import datetime

import plotly.graph_objects as go

from campaigns.services.reports import Report
from rapport.web import charts, words
from rapport.web.charts import Chart


def sentence(found: Sequence[Report]) -> str:
    """How many campaigns changed something, of those that can say."""
    told = [report for report in found if report.verdict in ("more", "fewer", "no_difference")]
    if not found:
        return "No campaign has been measured yet."
    more = sum(report.verdict == "more" for report in told)
    fewer = sum(report.verdict == "fewer" for report in told)
    waiting = len(found) - len(told)
    later = f"; {waiting} cannot say yet" if waiting else ""
    return (
        f"Of {words.plural(len(told), 'campaign that')} can say, {more} caused more orders, "
        f"{fewer} fewer{later}."
    )


def forest(found: Sequence[Report], *, now: datetime) -> Chart | None:
    """The lift of each campaign with its interval, and the line of no difference."""
    measured = [report for report in found if report.lift_orders]
    if not measured:
        return None
    lifts = [(report, report.lift_orders) for report in reversed(measured) if report.lift_orders]
    names = [report.name for report, _lift in lifts]
    points = [lift.difference * 100 for _report, lift in lifts]
    traces = go.Scatter(
        x=points,
        y=[f"{name} #{report.campaign_id}" for name, (report, _) in zip(names, lifts, strict=True)],
        mode="markers",
        marker={"size": 10, "color": charts.BLUE},
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [(lift.high - lift.difference) * 100 for _report, lift in lifts],
            "arrayminus": [(lift.difference - lift.low) * 100 for _report, lift in lifts],
            "color": charts.BLUE,
        },
        hovertemplate="%{y}: %{x:.2f}<extra></extra>",
    )
    height = 120 + 44 * len(lifts)
    figure = charts.figure(traces, x_title="more orders per 100 customers", height_px=height)
    figure.add_vline(x=0, line={"color": charts.GREY, "dash": "dot"})
    figure.update_yaxes(rangemode="normal", automargin=True)
    return Chart(
        key="lift",
        title=sentence(found),
        figure=figure,
        columns=("Campaign", "More orders per 100", "From", "To", "n"),
        rows=[
            (
                report.name,
                words.number(lift.difference * 100, 2),
                words.number(lift.low * 100, 2),
                words.number(lift.high * 100, 2),
                words.number(sum(arm.n for arm in report.arms)),
            )
            for report, lift in lifts
        ],
        note=f"95% intervals, as of {words.clock(now)}",
    )


def one(report: Report) -> Chart | None:
    """The lift of one campaign in orders, on a line with zero."""
    if not report.lift_orders:
        return None
    made = forest([report], now=report.as_of)
    if made is None:
        return None
    made.figure.update_yaxes(showticklabels=False)
    made.figure.update_layout(height=150)
    return Chart(
        key="lift",
        title=_finding(report),
        figure=made.figure,
        columns=made.columns,
        rows=made.rows,
        note=f"Dot: the estimate. Line: 95% interval. {made.note}",
    )


def _finding(report: Report) -> str:
    return {
        "more": "Those written to ordered more",
        "fewer": "Those written to ordered less",
        "no_difference": "No difference can be seen",
    }.get(report.verdict, "Too early to say")
