"""Charts as plotly figures with the same look everywhere, each with a table of its numbers."""

from dataclasses import dataclass, field
from typing import Any

import plotly.graph_objects as go

# Okabe & Ito (2008), safe for colour-blind eyes; red-ish tones only for harm.
BLUE, ORANGE, GREEN, YELLOW = "#0072B2", "#E69F00", "#009E73", "#F0E442"
SKY, VERMILION, PURPLE, GREY = "#56B4E9", "#D55E00", "#CC79A7", "#7F7F7F"
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

    def json(self) -> str:
        return self.figure.to_json()


def figure(*traces: Any, x_title: str = "", y_title: str = "", height_px: int = 280) -> go.Figure:
    """A figure in the house style: no title inside, direct labels, transparent ground."""
    made = go.Figure(data=list(traces))
    made.update_layout(
        template="none",
        height=height_px,
        margin={"l": 56, "r": 16, "t": 12, "b": 44},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": "Inter, sans-serif", "size": 12, "color": GREY},
        colorway=list(PALETTE),
        xaxis={
            "title": {"text": x_title},
            "automargin": True,
            "gridcolor": "rgba(127,127,127,.15)",
        },
        yaxis={
            "title": {"text": y_title},
            "automargin": True,
            "gridcolor": "rgba(127,127,127,.15)",
            "rangemode": "tozero",
        },
        showlegend=False,
        hovermode="closest",
    )
    return made
