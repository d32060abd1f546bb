"""Lift in charts and words."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import plotly.graph_objects as go

from campaigns.experiments.analysis import Difference
from campaigns.services.arms import Lift
from campaigns.services.figures import Report
from campaigns.services.lifts import SegmentLift
from rapport.web import charts, words
from rapport.web.charts import Chart

SCALE = {"conversion": 100, "orders": 100, "revenue": 1, "margin": 1}
UNIT = {
    "conversion": "more customers who order, per 100",
    "orders": "more orders per 100 customers",
    "revenue": "more revenue per customer",
    "margin": "more margin per customer",
}
NAMES = {
    "conversion": "Customers who order, per 100",
    "orders": "Orders per 100",
    "revenue": "Revenue per customer",
    "margin": "Margin per customer",
}
TOLD = ("more", "fewer", "no_difference")


@dataclass(frozen=True)
class Dot:
    """One estimate with its interval on a line with zero."""

    name: str
    value: float
    low: float
    high: float
    n: int
    color: str = charts.BLUE


def sentence(found: Sequence[Report]) -> str:
    """How many campaigns changed something, of those that can say."""
    told = [report for report in found if report.verdict in TOLD]
    if not found:
        return "No campaign has been measured yet."
    more = sum(report.verdict == "more" for report in told)
    fewer = sum(report.verdict == "fewer" for report in told)
    waiting = len(found) - len(told)
    later = f"; {waiting} cannot say yet" if waiting else ""
    return (
        f"Of {words.plural(len(told), 'campaign that')} can say, {more} caused more, "
        f"{fewer} less{later}."
    )


def forest(found: Sequence[Report], *, now: datetime) -> Chart | None:
    """The lift of each campaign in orders with its interval, and the line of no difference."""
    dots = []
    for report in found:
        lift = next((one for one in report.lifts if one.metric == "orders"), None)
        shown = lift and (lift.adjusted if report.is_adjusted else lift.plain)
        if shown:
            n = sum(arm.n for arm in report.arms)
            dots.append(_dot(f"{report.name} #{report.campaign_id}", shown, "orders", n))
    note = f"95% intervals, as of {words.clock(now)}"
    return dotted(
        dots, key="lift", title=sentence(found), unit=UNIT["orders"], of="Campaign", note=note
    )


def one(report: Report) -> Chart | None:
    """The lift of one campaign in what decides, plain and adjusted, on a line with zero."""
    lift = next((each for each in report.lifts if each.metric == report.metric), None)
    if lift is None or not (lift.plain or lift.adjusted):
        return None
    n = sum(arm.n for arm in report.arms)
    dots = [
        _dot(name, each, report.metric, n, decides=is_adjusted == report.is_adjusted)
        for name, each, is_adjusted in (
            ("adjusted", lift.adjusted, True),
            ("plain", lift.plain, False),
        )
        if each
    ]
    return dotted(
        dots,
        key="lift",
        title=_finding(report),
        unit=UNIT[report.metric],
        of="Interval",
        note="Adjusted by earlier purchases, and plain. Dot: the estimate. Line: 95% interval"
        f"{'' if report.standing is None else ' that allows for all looks'}. Blue decides, as was "
        f"said beforehand. As of {words.clock(report.as_of)}",
    )


def of_segment(found: SegmentLift) -> Chart | None:
    """Each campaign's lift among the members, and all combined."""
    dots = []
    for part in found.parts:
        lift = next((each.plain for each in part.lifts if each.metric == "orders"), None)
        if lift:
            name = f"{part.name} #{part.campaign_id}"
            dots.append(_dot(name, lift, "orders", part.treated + part.holdout, decides=False))
    both = found.combined.get("orders")
    if both is None:
        return None
    n = sum(dot.n for dot in dots)
    low, high = both.low * 100, both.high * 100
    dots.append(Dot("All together", both.estimate * 100, low, high, n))
    return dotted(
        dots,
        key="segment-lift",
        title="The blue line weighs all campaigns by their precision",
        unit=UNIT["orders"],
        of="Campaign",
        note=f"95% intervals, as of {words.clock(found.as_of)}",
    )


def of_metrics(
    lifts: Sequence[Lift], *, title: str, n: int, note: str, key: str = "metrics"
) -> Chart | None:
    """The lift in revenue and margin per customer, plain and adjusted."""
    dots = []
    for lift in lifts:
        if lift.metric in ("revenue", "margin"):
            for name, each in (("adjusted", lift.adjusted), ("plain", lift.plain)):
                if each:
                    decides = name == "adjusted"
                    label = f"{lift.metric}, {name}"
                    dots.append(_dot(label, each, lift.metric, n, decides=decides))
    return dotted(dots, key=key, title=title, unit="more per customer", of="Metric", note=note)


def looks(report: Report) -> Chart | None:
    """How the deciding lift and its bounds came along, look by look."""
    if len(report.looks) < 2:
        return None
    scale = SCALE[report.metric]
    at = [look.number for look in report.looks]
    seen = [look.difference * scale for look in report.looks]
    reach = [look.boundary * look.error * scale for look in report.looks]
    low = [value - each for value, each in zip(seen, reach, strict=True)]
    high = [value + each for value, each in zip(seen, reach, strict=True)]
    figure = charts.figure(
        *charts.interval(at, low, high),
        charts.line(at, seen),
        x_title="look",
        y_title=UNIT[report.metric],
    )
    figure.add_hline(y=0, line={"color": charts.GREY, "dash": "dot"})
    figure.update_yaxes(rangemode="normal")
    crossed = report.standing.crossed if report.standing else None
    title = (
        f"At look {crossed.number} the bounds left zero" if crossed else "The bounds include zero"
    )
    return Chart(
        key="looks",
        title=title,
        figure=figure,
        columns=("Look", "Estimate", "From", "To"),
        rows=[
            (number, *(words.number(value, 3) for value in row))
            for number, *row in zip(at, seen, low, high, strict=True)
        ],
        note="The band holds at all looks together.",
    )


def dotted(
    dots: Sequence[Dot], *, key: str, title: str, unit: str, of: str, note: str
) -> Chart | None:
    """Estimates under each other, with their intervals and the line of no difference."""
    if not dots:
        return None
    drawn = list(reversed(dots))
    trace = go.Scatter(
        x=[dot.value for dot in drawn],
        y=[_short(dot.name) for dot in drawn],
        mode="markers",
        marker={"size": 10, "color": [dot.color for dot in drawn]},
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [dot.high - dot.value for dot in drawn],
            "arrayminus": [dot.value - dot.low for dot in drawn],
            "color": charts.GREY if len({dot.color for dot in drawn}) > 1 else charts.BLUE,
        },
        hovertemplate="%{y}: %{x:.2f}<extra></extra>",
    )
    figure = charts.figure(trace, x_title=unit, height_px=110 + 40 * len(drawn))
    figure.add_vline(x=0, line={"color": charts.GREY, "dash": "dot"})
    figure.update_yaxes(rangemode="normal", automargin=True)
    return Chart(
        key=key,
        title=title,
        figure=figure,
        columns=(of, unit.capitalize(), "From", "To", "n"),
        rows=[
            (dot.name, *(words.number(each, 2) for each in (dot.value, dot.low, dot.high)),
             words.number(dot.n))
            for dot in dots
        ],
        note=note,
    )  # fmt: skip


def _dot(name: str, lift: Difference, metric: str, n: int, *, decides: bool = True) -> Dot:
    scale = SCALE[metric]
    color = charts.BLUE if decides else charts.SKY
    return Dot(name, lift.difference * scale, lift.low * scale, lift.high * scale, n, color)


def _short(name: str) -> str:
    """A name that leaves the line its place on a narrow screen; number and all below the table."""
    head, mark, number = name.rpartition(" #")
    if not mark or len(name) <= 26:
        return name
    return f"{head[:18].rstrip()}… #{number}"


def _finding(report: Report) -> str:
    more, less = {
        "conversion": ("ordered more often", "ordered less often"),
        "orders": ("ordered more", "ordered less"),
        "revenue": ("brought more revenue", "brought less revenue"),
        "margin": ("brought more margin", "brought less margin"),
    }[report.metric]
    return {
        "more": f"Those written to {more}",
        "fewer": f"Those written to {less}",
        "no_difference": "No difference can be seen",
    }.get(report.verdict, "Too early to say")
