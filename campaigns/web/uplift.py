"""Whom a campaign's message moved: the curve, the learners beside their baselines, the advice."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone

from campaigns.models import Campaign
from campaigns.services import uplift
from rapport.errors import DomainError
from rapport.models import Run
from rapport.web import charts, words
from rapport.web.charts import Chart
from rapport.web.page import page, show
from segments.models import ModelRun

LEARN = "segments.add_modelrun"


@page("campaigns.view_campaign")
def campaign_uplift(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """Show what was learnt from a campaign; asked by POST, learn from it."""
    found = get_object_or_404(Campaign, pk=campaign_id)
    now = timezone.now()
    may_learn = request.user.has_perm(LEARN)  # type: ignore[union-attr]
    if request.method == "POST":
        if not may_learn:
            raise PermissionDenied
        try:
            return redirect("job", uplift.ask(found, user=request.user, now=now).pk)
        except DomainError as error:
            messages.error(request, str(error))
            return redirect("campaign_uplift", found.pk)
    run, obstacle = uplift.newest(found), uplift.obstacle(found, now=now)
    drawn = [_curve(run), _methods(run)] if run else []
    return show(
        request,
        "campaigns/uplift.html",
        title=f"Whom “{found}” moved",
        lead=_lead(run, obstacle),
        context={
            "campaign": found,
            "run": run,
            "charts": [chart for chart in drawn if chart],
            "arms": _arms(run) if run else [],
            "may_learn": may_learn and not obstacle,
            "limits": run.card.get("limits", []) if run else [],
            "is_learning": run is not None and run.state == ModelRun.State.TRAINING,
            "job": Run.objects.filter(kind=uplift.JOB, params__campaign=found.pk).last(),
            "address": reverse("campaign_uplift", args=[found.pk]),
        },
    )


def _lead(run: ModelRun | None, obstacle: str) -> str:
    if run is None:
        return obstacle or "Chance has left some alone, so it can be learnt whom the message moved."
    return str(run.card.get("advice") or run.summary or run.error)


def _curve(run: ModelRun) -> Chart | None:
    """What writing to the first so many would bring, beside a ranking that says nothing."""
    points = (run.card.get("qini") or {}).get("curve") or []
    if len(points) < 2:
        return None
    shares = [100 * share for share, _gain in points]
    gains = [100 * gain for _share, gain in points]
    whole = gains[-1]
    chance = [whole * share / 100 for share in shares]
    figure = charts.figure(
        charts.line(shares, chance, name="at random", color=charts.GREY),
        charts.line(shares, gains, name="by uplift", color=charts.BLUE),
        x_title="customers written to, % by uplift",
        y_title="extra orders per 100 customers",
    )
    figure.update_layout(margin={"r": 90})
    figure.update_yaxes(rangemode="normal")
    return Chart(
        key="qini",
        title="The further the line lies above chance, the better the ranking",
        figure=figure,
        columns=("Written to, %", "Extra orders per 100, by uplift", "At random"),
        rows=[
            (words.number(share, 0), words.number(gain, 2), words.number(even, 2))
            for share, gain, even in zip(shares, gains, chance, strict=True)
        ],
        note=f"n = {words.number(run.n_customers)}; no customer's own order is in their place.",
    )


def _methods(run: ModelRun) -> Chart | None:
    """The Qini coefficient of each way to choose, with its interval."""
    rows = [
        row for row in (run.card.get("qini") or {}).get("rows") or [] if row["qini"] is not None
    ]
    if not rows:
        return None
    rows = sorted(rows, key=lambda row: row["qini"])
    dots: dict[str, Any] = charts.line(
        [1_000 * row["qini"] for row in rows], [row["method"] for row in rows]
    ).to_plotly_json()
    dots |= {
        "mode": "markers",
        "marker": {
            "size": 10,
            "color": [charts.BLUE if row["chosen"] else charts.GREY for row in rows],
        },
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [1_000 * ((row["high"] or row["qini"]) - row["qini"]) for row in rows],
            "arrayminus": [1_000 * (row["qini"] - (row["low"] or row["qini"])) for row in rows],
            "color": charts.GREY,
        },
        "hovertemplate": "%{y}: %{x:.2f}<extra></extra>",
    }
    height = 120 + 36 * len(rows)
    figure = charts.figure(dots, x_title="Qini coefficient, thousandths", height_px=height)
    figure.add_vline(x=0, line={"color": charts.GREY, "dash": "dot"})
    figure.update_yaxes(rangemode="normal", automargin=True)
    chosen = next((row["method"] for row in rows if row["chosen"]), "none")
    return Chart(
        key="methods",
        title=f"Of {len(rows)} ways to choose, {chosen} serves",
        figure=figure,
        columns=("Way to choose", "Qini, thousandths", "From", "To", ""),
        rows=[
            (
                row["method"],
                words.number(1_000 * row["qini"], 2),
                words.NOTHING if row["low"] is None else words.number(1_000 * row["low"], 2),
                words.NOTHING if row["high"] is None else words.number(1_000 * row["high"], 2),
                "serves" if row["chosen"] else "",
            )
            for row in rows[::-1]
        ],
        note="Where intervals overlap, no way is known to be better than another.",
    )


def _arms(run: ModelRun) -> list[tuple[str, str, str, str]]:
    named = {"treated": "Written to", "holdout": "Left alone"}
    return [
        (
            named.get(name, name),
            words.number(arm["n"]),
            words.number(arm["buyers"]),
            words.NOTHING if arm["rate"] is None else words.percent(arm["rate"], 1),
        )
        for name, arm in (run.card.get("arms") or {}).items()
    ]
