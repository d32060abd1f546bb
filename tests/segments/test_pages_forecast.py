"""The forecast page: the shop first, the interval beside the baseline, and units for stock."""

import csv
import io
from datetime import date, timedelta

import pytest
from django.urls import reverse

from segments.models import ForecastPoint
from tests.makers import make_product, make_staff
from tests.segments.learnt import make_run

pytestmark = pytest.mark.django_db
QUERIES_MOST = 15


@pytest.fixture
def viewer(client):
    client.force_login(make_staff("viewer"))
    return client


def make_points(run, *, weeks: int = 8, kind: str = "shop", subject: str = "", each: float = 10):
    ForecastPoint.objects.bulk_create(
        ForecastPoint(
            run=run, subject_kind=kind, subject=subject, measure=measure,
            week_start=date(2026, 6, 1) + timedelta(weeks=week), expected=each, low=each / 2,
            high=each * 2, baseline=each * 0.8,
        )
        for week in range(weeks)
        for measure in ("orders", "units")
    )  # fmt: skip


@pytest.fixture
def run():
    return make_run(
        "forecast",
        card={"intervals": {"stated": 0.8, "covered": 0.78, "low": 0.7, "high": 0.86, "n": 90}},
        metrics={},
        baseline={},
    )


def test_the_shop_is_told_first_with_its_interval(viewer, run, django_assert_max_num_queries):
    mug = make_product("mug")
    make_points(run)
    make_points(run, kind="category", subject="Kitchen", each=4)
    make_points(run, kind="product", subject=str(mug.pk), each=3)
    with django_assert_max_num_queries(QUERIES_MOST):
        text = viewer.get(reverse("forecast")).content.decode()

    assert "About 80 orders are expected in the next 8 weeks." in text
    assert "80 orders in 8 weeks: up 25% on the seasonal baseline" in text
    assert "80% interval" in text and "78.0%" in text
    assert "Mug" in text
    stock = [words for words in ("6.0", "12", "24", "48") if f">{words}</td>" in text]
    assert stock == ["6.0", "12", "24", "48"]


def test_a_product_is_chosen_by_its_name(viewer, run):
    mug = make_product("mug")
    make_points(run)
    make_points(run, kind="product", subject=str(mug.pk), each=3)
    text = viewer.get(
        reverse("forecast"), {"kind": "product", "subject": str(mug.pk)}
    ).content.decode()

    assert "About 24 units are expected in the next 8 weeks of “Mug”." in text


def test_what_is_not_there_falls_back_to_the_shop(viewer, run):
    make_points(run)
    text = viewer.get(
        reverse("forecast"), {"kind": "product", "subject": "9", "measure": "luck"}
    ).content.decode()

    assert "About 80 orders" in text


def test_the_export_has_every_point(viewer, run):
    make_points(run, weeks=3)
    make_points(run, weeks=3, kind="category", subject="=1+1, Kitchen")
    answer = viewer.get(reverse("forecast_export"))
    rows = list(csv.DictReader(io.StringIO(answer.content.decode())))

    assert "forecast-run-" in answer["Content-Disposition"]
    assert len(rows) == 12
    assert {row["subject"] for row in rows} == {"", "'=1+1, Kitchen"}


def test_a_short_forecast_says_nothing_of_weeks_it_does_not_reach(viewer, run):
    mug = make_product("mug")
    make_points(run, weeks=3)
    make_points(run, weeks=3, kind="product", subject=str(mug.pk), each=3)
    text = viewer.get(reverse("forecast")).content.decode()

    assert ">6.0</td>" in text and ">–</td>" in text


@pytest.mark.parametrize("state", ["live", "fallback", None])
def test_without_points_a_sentence_says_what_is_missing(viewer, state):
    if state:
        make_run("forecast", state, summary="It needs 20 more weeks.", metrics={}, card={})
    answer = viewer.get(reverse("forecast"))

    assert answer.status_code == 200 and b"r-empty" in answer.content
    assert viewer.get(reverse("forecast_export")).status_code == 200
