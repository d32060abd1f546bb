"""Forecast: what the next weeks will bring, by shop, category and product, and for stock."""

import csv
import io
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from django.db.models import Max, QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from customers.models import Product
from customers.services.importing import rejects
from rapport.web import charts, words
from rapport.web.charts import Chart
from rapport.web.dashboard import Empty, Link, Number
from rapport.web.page import page, show
from segments.models import ForecastPoint, ModelRun
from segments.services import promotion
from segments.web import features

Subject, Measure = ForecastPoint.Subject, ForecastPoint.Measure
STOCK_WEEKS = (2, 4, 8)
PRODUCTS_SHOWN = 50  # those of which most is expected; the export has all
SUBJECTS_SHOWN = 200  # to choose from
COLUMNS = (
    "subject_kind",
    "subject",
    "measure",
    "week_start",
    "expected",
    "low",
    "high",
    "baseline",
)


@dataclass(frozen=True)
class Asked:
    """What the page shows: one subject and one measure of it."""

    kind: str
    subject: str
    measure: str


@dataclass(frozen=True)
class Stock:
    """How many units of one product the next weeks want."""

    product: str
    name: str
    expected: tuple[str, ...]  # for each of `STOCK_WEEKS`
    high: str  # of the last of them, by adding up the weeks' upper ends


@page("segments.view_modelrun")
def forecast(request: HttpRequest) -> HttpResponse:
    run = promotion.serving(ModelRun.Kind.FORECAST)
    points = ForecastPoint.objects.filter(run=run) if run else ForecastPoint.objects.none()
    subjects = _subjects(points)
    asked = _asked(request, subjects)
    names = _names([subject for kind, subject in subjects if kind == Subject.PRODUCT])
    rows = list(
        points.filter(
            subject_kind=asked.kind, subject=asked.subject, measure=asked.measure
        ).order_by("week_start")
    )
    called = _called(asked.kind, asked.subject, names)
    chart = weeks(run, rows, called, asked.measure) if run else None
    context = {
        "run": run,
        "rows": rows,
        "asked": asked,
        "kinds": [kind for kind in Subject if any(one == kind for one, _subject in subjects)],
        "options": [
            (subject, _called(kind, subject, names))
            for kind, subject in subjects
            if kind == asked.kind and subject
        ][:SUBJECTS_SHOWN],
        "measures": Measure.choices,
        "numbers": _numbers(run, rows, asked) if run and rows else (),
        "charts": [chart] if chart else [],
        "stock": _stock(points, names) if rows else [],
        "stock_weeks": STOCK_WEEKS,
        "empty": _empty(run),
    }
    return show(
        request,
        "segments/forecast.html",
        title="Forecast",
        lead=_lead(run, rows, called, asked.measure),
        context=context,
    )


@page("segments.view_modelrun")
def forecast_export(request: HttpRequest) -> HttpResponse:
    """Every point of the run that serves, as CSV."""
    run = promotion.serving(ModelRun.Kind.FORECAST)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    if run:
        for row in ForecastPoint.objects.filter(run=run).values_list(*COLUMNS).iterator():
            writer.writerow([rejects.safe_cell(x) if isinstance(x, str) else x for x in row])
    answer = HttpResponse(text.getvalue(), content_type="text/csv; charset=utf-8")
    name = f"forecast-run-{run.pk}.csv" if run else "forecast.csv"
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def weeks(run: ModelRun, rows: Sequence[ForecastPoint], called: str, measure: str) -> Chart | None:
    """Expected week by week with its interval, and the seasonal baseline beside it."""
    if not rows:
        return None
    days = [one.week_start for one in rows]
    band = charts.interval(days, [one.low for one in rows], [one.high for one in rows])
    expected = charts.line(
        days,
        [one.expected for one in rows],
        name="expected",
        customdata=[[one.low, one.high] for one in rows],
        hovertemplate="week of %{x|%-d %b}: %{y:,.1f} (%{customdata[0]:,.1f} to "
        "%{customdata[1]:,.1f})<extra></extra>",
    )
    baseline = charts.line(
        days, [one.baseline for one in rows], name="baseline", color=charts.GREY,
        hovertemplate="baseline: %{y:,.1f}<extra></extra>",
    )  # fmt: skip
    baseline.update(line_dash="dot")
    expected.update(mode="lines+markers+text")
    if abs(rows[-1].expected - rows[-1].baseline) < 0.15 * max(rows[-1].high, 1):
        baseline.update(textposition="bottom right")
        expected.update(textposition="top right")
    figure = charts.figure(
        *band, baseline, expected, x_title="week from", y_title=measure, height_px=340
    )
    figure.update_layout(margin={"r": 80})
    figure.update_xaxes(nticks=6)
    total = sum(one.expected for one in rows)
    usual = sum(one.baseline for one in rows)
    said = words.change(total, usual, than="the seasonal baseline") if usual else "no baseline"
    return Chart(
        key="weeks",
        title=f"{_round(total)} {measure} in {words.plural(len(rows), 'week')}: {said}",
        figure=figure,
        columns=("Week from", "Expected", "From", "To", "Seasonal baseline"),
        rows=[
            (
                words.day(one.week_start),
                *(words.number(x, 1) for x in (one.expected, one.low, one.high, one.baseline)),
            )
            for one in rows
        ],
        note=f"{called}; band: {_stated(run)} interval. As of {words.clock(run.as_of)}.",
    )


def _subjects(points: QuerySet[ForecastPoint]) -> list[tuple[str, str]]:
    """What there are points of: the shop first, then that of which most is expected."""
    found = (
        points.values("subject_kind", "subject")
        .annotate(most=Sum("expected"), weeks=Max("week_start"))
        .order_by("-most")
    )
    rank = {Subject.SHOP: 0, Subject.CATEGORY: 1, Subject.PRODUCT: 2}
    rows = [(one["subject_kind"], one["subject"]) for one in found]
    return sorted(rows, key=lambda row: rank.get(row[0], 3))  # type: ignore[call-overload]


def _asked(request: HttpRequest, subjects: Sequence[tuple[str, str]]) -> Asked:
    kind, subject = request.GET.get("kind", ""), request.GET.get("subject", "")
    if (kind, subject) not in subjects:
        of_kind = [one for one in subjects if one[0] == kind]
        kind, subject = (of_kind or list(subjects) or [(Subject.SHOP.value, "")])[0]
    measure = request.GET.get("measure", "")
    if measure not in Measure.values:
        measure = Measure.ORDERS if kind == Subject.SHOP else Measure.UNITS
    return Asked(str(kind), subject, str(measure))


def _names(subjects: Sequence[str]) -> dict[str, str]:
    """What products are called, by their id as the points have it."""
    ids = [int(one) for one in subjects if one.isdecimal() and len(one) < 19]
    found = Product.objects.filter(pk__in=ids).values_list("pk", "name", "external_id")
    return {str(pk): name or external_id for pk, name, external_id in found}


def _called(kind: str, subject: str, names: dict[str, str]) -> str:
    if kind == Subject.SHOP:
        return "The whole shop"
    if kind == Subject.CATEGORY:
        return subject or "Without a category"
    return names.get(subject, f"Product {subject}")


def _stock(points: QuerySet[ForecastPoint], names: dict[str, str]) -> list[Stock]:
    """Units of each product that the next weeks want, the most first."""
    found: dict[str, list[tuple[date, float, float]]] = defaultdict(list)
    rows = points.filter(subject_kind=Subject.PRODUCT, measure=Measure.UNITS)
    for subject, week, expected, high in rows.values_list(
        "subject", "week_start", "expected", "high"
    ):
        found[subject].append((week, expected, high))
    ranked = sorted(found.items(), key=lambda row: -sum(one[1] for one in row[1]))
    stock = []
    for subject, mine in ranked[:PRODUCTS_SHOWN]:
        mine.sort()
        stock.append(
            Stock(
                product=subject,
                name=_called(Subject.PRODUCT, subject, names),
                expected=tuple(_over(mine, weeks, 1) for weeks in STOCK_WEEKS),
                high=_over(mine, STOCK_WEEKS[-1], 2),
            )
        )
    return stock


def _over(mine: Sequence[tuple[date, float, float]], weeks: int, column: int) -> str:
    """The sum of the first weeks; nothing where the forecast does not reach so far."""
    if len(mine) < weeks:
        return words.NOTHING
    return _round(sum(float(row[column]) for row in mine[:weeks]))  # type: ignore[arg-type]


def _round(value: float) -> str:
    return words.number(value, 0 if value >= 10 else 1)


def _stated(run: ModelRun) -> str:
    stated = (run.card.get("intervals") or {}).get("stated") or run.card.get("stated")
    return words.percent(stated) if stated else "the stated"


def _numbers(run: ModelRun, rows: Sequence[ForecastPoint], asked: Asked) -> tuple[Number, ...]:
    as_of = f"as of {words.day(run.as_of)}"
    first = rows[0]
    numbers = [
        Number(
            "Next week",
            f"{_round(first.expected)} {asked.measure}",
            change=f"{_round(first.low)} to {_round(first.high)}",
            note=f"week from {words.day(first.week_start)}",
        )
    ]
    for reach in STOCK_WEEKS[1:]:
        if len(rows) >= reach:
            total = sum(one.expected for one in rows[:reach])
            numbers.append(
                Number(f"In {reach} weeks", f"{_round(total)} {asked.measure}", note=as_of)
            )
    cover = run.card.get("intervals") or {}
    if cover.get("covered") is not None:
        numbers.append(
            Number(
                "Intervals held",
                words.percent(cover["covered"], 1),
                change=features.between(cover),
                note=f"stated {words.percent(cover.get('stated'))}, n = "
                f"{words.number(cover.get('n'))}",
            )
        )
    return tuple(numbers)


def _lead(run: ModelRun | None, rows: Sequence[ForecastPoint], called: str, measure: str) -> str:
    if run is None or not rows:
        return run.summary if run and run.summary else "Nothing has been forecast yet."
    total = sum(one.expected for one in rows)
    reach = words.plural(len(rows), "week")
    said = f"About {_round(total)} {measure} are expected in the next {reach}"
    of = "" if called == "The whole shop" else f" of “{called}”"
    thumb = ", by a rule of thumb" if run.state == ModelRun.State.FALLBACK else ""
    return f"{said}{of}{thumb}."


def _empty(run: ModelRun | None) -> Empty:
    text = (
        "The forecast has no weeks to show: there are too few orders to foretell the next."
        if run
        else "Nothing has been forecast yet. A forecast needs some months of orders."
    )
    return Empty(text, Link("Go to models", reverse("models")))
