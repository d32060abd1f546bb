"""What a run's card says of groups of people, of what has drifted since, and of stability."""

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from rapport.web import charts, words
from rapport.web.charts import Chart
from segments.models import DriftCheck, ModelRun
from segments.web import features

GROUPS = {"age_band": "age", "country": "country", "language": "language", "gender": "gender"}
SHOWN = 12  # those that stand out most; the table has all


def groups(run: ModelRun) -> Chart | None:
    """What was expected of each group of people beside what they did; those that stand out."""
    rows = [row for row in (run.card.get("groups") or {}).get("rows") or [] if _is_whole(row)]
    if not rows:
        return None
    shown = sorted(rows, key=lambda row: (not row.get("is_warning"), -row["n"]))[:SHOWN][::-1]
    is_share = all(0 <= row[side] <= 1 for row in shown for side in ("expected", "observed"))
    scale = 100 if is_share else 1
    observed = go.Scatter(
        x=[scale * row["observed"] for row in shown],
        y=[_group(row) for row in shown],
        mode="markers",
        name="came true",
        marker={"size": 10, "color": charts.BLUE},
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [scale * _side(row, "high", 1) for row in shown],
            "arrayminus": [scale * _side(row, "low", -1) for row in shown],
            "color": charts.BLUE,
        },
        customdata=[row["n"] for row in shown],
        hovertemplate="%{y}: %{x:.1f}, n = %{customdata:,}<extra></extra>",
    )
    expected = go.Scatter(
        x=[scale * row["expected"] for row in shown],
        y=[_group(row) for row in shown],
        mode="markers",
        name="expected",
        marker={"size": 10, "color": charts.ORANGE, "symbol": "diamond"},
        hovertemplate="%{y}: %{x:.1f} expected<extra></extra>",
    )
    figure = charts.figure(
        observed,
        expected,
        x_title="of the customers, %" if is_share else "a customer",
        height_px=130 + 26 * len(shown),
    )
    figure.update_layout(
        showlegend=True, legend={"orientation": "h", "y": 1.05, "yanchor": "bottom"}
    )
    figure.update_layout(margin={"t": 36})
    figure.update_xaxes(nticks=6, rangemode="tozero")
    figure.update_yaxes(rangemode="normal")
    warned = sum(bool(row.get("is_warning")) for row in rows)
    return Chart(
        key="groups",
        title=f"{warned} of {words.plural(len(rows), 'group')} stand out"
        if warned
        else f"None of {words.plural(len(rows), 'group')} of people stands out",
        figure=figure,
        columns=("Group", "n", "Selected", "Expected", "Came true", "95% interval", "Error", ""),
        rows=[
            (
                _group(row),
                words.number(row.get("n")),
                words.percent(row.get("selected_share"), 1),
                features.figure(row["expected"]),
                features.figure(row["observed"]),
                features.between(row),
                features.figure(row.get("error")),
                "stands out" if row.get("is_warning") else "",
            )
            for row in rows
        ],
        note="Groups that are known and large enough. Line: 95% interval of what came true.",
    )


def drift(checks: Sequence[DriftCheck]) -> Chart | None:
    """How far each feature, score and metric has moved, beside what chance alone would do."""
    rows = [one for one in checks if one.statistic is not None and one.threshold]
    if not rows:
        return None
    shares = [(one, one.statistic / one.threshold) for one in rows]  # type: ignore[operator]
    shown = sorted(shares, key=lambda row: (row[0].is_alarm, row[1]))[-SHOWN:]
    bars = charts.bars(
        [share for _one, share in shown],
        [drift_label(one) for one, _share in shown],
        orientation="h",
        hovertemplate="%{y}: %{x:.2f} of what chance allows<extra></extra>",
    )
    bars.update(marker_color=[
        charts.VERMILION if one.is_alarm else charts.BLUE for one, _share in shown
    ])  # fmt: skip
    figure = charts.figure(
        bars,
        x_title="times the alarm's threshold",
        height_px=100 + 26 * len(shown),
    )
    figure.add_vline(x=1, line={"color": charts.GREY, "dash": "dot"})
    alarms = [one for one, _share in shares if one.is_alarm]
    return Chart(
        key="drift",
        title=f"{drift_label(alarms[0])} has moved away"
        + (f", and {len(alarms) - 1} more" if len(alarms) > 1 else "")
        if alarms
        else "Nothing has moved further than chance would",
        figure=figure,
        columns=("What", "Statistic", "Threshold", "n then", "n now", "In words"),
        rows=[
            (
                drift_label(one),
                features.figure(one.statistic),
                features.figure(one.threshold),
                words.number(one.n_reference),
                words.number(one.n_now),
                one.words,
            )
            for one, _share in sorted(shares, key=lambda row: (not row[0].is_alarm, -row[1]))
        ],
        note=f"Checked {words.clock(rows[0].checked_at)}; right of the dotted line is an alarm. "
        "The threshold comes from what samples of this size do without any drift.",
    )


def drift_label(one: DriftCheck) -> str:
    if one.kind == DriftCheck.Kind.SCORE:
        return f"score: {features.score_label(one.name)}"
    if one.kind == DriftCheck.Kind.QUALITY:
        return f"quality: {features.metric_label(one.name)}"
    return features.label(one.name)


def warnings(run: ModelRun) -> list[str]:
    return [str(one) for one in (run.card.get("groups") or {}).get("warnings") or []]


def steadiness(run: ModelRun) -> list[tuple[str, str]]:
    """Stability, the cover of intervals and the horizon, in words and numbers."""
    card = run.card
    found = [(name.replace("_", " "), _plain(one)) for name, one in _items(card.get("stability"))]
    cover = card.get("intervals") or {}
    if cover.get("covered") is not None:
        between = features.between(cover)
        found.append(
            (
                "intervals",
                f"stated to hold {words.percent(cover.get('stated'))} of the customers; held "
                f"{words.percent(cover['covered'], 1)} ({between}), n = "
                f"{words.number(cover.get('n'))}",
            )
        )
    horizon = card.get("horizon") or {}
    if horizon:
        days = horizon.get("days")
        said = horizon.get("words") or (words.plural(days, "day") if days else "")
        found.append(("horizon", str(said)))
    return found


def _items(found: Any) -> list[tuple[str, Any]]:
    return list(found.items()) if isinstance(found, dict) else []


def _plain(found: Any) -> str:
    if isinstance(found, dict) and "value" in found:
        return f"{features.figure(found['value'])} ({features.between(found)})"
    if isinstance(found, dict):
        return "; ".join(f"{name.replace('_', ' ')} {_plain(one)}" for name, one in found.items())
    if isinstance(found, list):
        return ", ".join(_plain(one) for one in found)
    return words.number(found, 3) if isinstance(found, float) else str(found)


def _group(row: dict) -> str:
    group = GROUPS.get(row["group"], str(row["group"]).replace("_", " "))
    return f"{group} {row['value'] or 'unknown'}"


def _side(row: dict, end: str, sign: int) -> float:
    return 0.0 if row.get(end) is None else max(0.0, sign * (row[end] - row["observed"]))


def _is_whole(row: dict) -> bool:
    return row.get("expected") is not None and row.get("observed") is not None
