"""Charts as plotly figures with the same look everywhere, each with a table of its numbers."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import plotly.graph_objects as go

# Okabe & Ito (2008), safe for colour-blind eyes; red-ish tones only for harm.
BLUE, ORANGE, GREEN, YELLOW = "#0072B2", "#E69F00", "#009E73", "#F0E442"
SKY, VERMILION, PURPLE, GREY = "#56B4E9", "#D55E00", "#CC79A7", "#7F7F7F"
HEIGHT_PX = 280
PALETTE = (BLUE, ORANGE, GREEN, SKY, PURPLE, YELLOW, VERMILION, GREY)


@dataclass(frozen=True)
class Chart:
    """One figure for a page: its finding as the title, and the table view of the same numbers."""

    key: str  # unique on its page; letters and dashes
    title: str  # the finding, as a sentence
    figure: go.Figure
    columns: tuple[str, ...]
    rows: list[tuple] = field(default_factory=list)
    note: str = ""  # as of when, from how many

    @property
    def height_px(self) -> int:
        """The place to keep free, so that nothing jumps when the figure is drawn."""
        return self.figure.layout.height or HEIGHT_PX

    def json(self) -> str:
        """The figure for the page's script; plotly writes < as an escape, so it cannot end it."""
        return self.figure.to_json()


def figure(
    *traces: Any, x_title: str = "", y_title: str = "", height_px: int = HEIGHT_PX
) -> go.Figure:
    """A figure in the house style: no title inside, direct labels, transparent ground."""
    # Given at once: `update_layout` afterwards takes several times as long.
    layout = go.Layout(
        template="none",
        height=height_px,
        margin={"l": 56, "r": 16, "t": 12, "b": 44},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": "Inter, sans-serif", "size": 12, "color": GREY},
        colorway=list(PALETTE),
        xaxis={
            "title": {"text": x_title, "font": {"size": 12}},
            "automargin": True,
            "gridcolor": "rgba(127,127,127,.15)",
        },
        yaxis={
            "title": {"text": y_title, "font": {"size": 12}},
            "automargin": True,
            "gridcolor": "rgba(127,127,127,.15)",
            "rangemode": "tozero",
        },
        showlegend=False,
        hovermode="closest",
    )
    return go.Figure(data=list(traces), layout=layout)


def bars(x: Sequence, y: Sequence, *, name: str = "", color: str = BLUE, **more: Any) -> go.Bar:
    """Columns from zero; ``customdata`` and ``hovertemplate`` go through ``more``."""
    return go.Bar(x=list(x), y=list(y), name=name, marker={"color": color}, **more)


def line(x: Sequence, y: Sequence, *, name: str = "", color: str = BLUE, **more: Any) -> go.Scatter:
    """A line; with a ``name`` its last point carries it, instead of a legend."""
    labels = [""] * (len(x) - 1) + [f" {name}"] if name and len(x) else None
    return go.Scatter(
        x=list(x),
        y=list(y),
        name=name,
        mode="lines+text" if labels else "lines",
        text=labels,
        textposition="middle right",
        cliponaxis=False,
        line={"color": color, "width": 2},
        **more,
    )


def interval(
    x: Sequence, low: Sequence, high: Sequence, *, color: str = BLUE
) -> tuple[go.Scatter, go.Scatter]:
    """The band between ``low`` and ``high`` around a line of the same colour."""
    edge = {"x": list(x), "mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return (
        go.Scatter(y=list(high), **edge),
        go.Scatter(
            y=list(low), fill="tonexty", fillcolor=f"rgba({red},{green},{blue},.18)", **edge
        ),
    )
