"""How scores are spread, and how their bands moved from scoring to scoring."""

import pytest
from django.urls import reverse

from segments.models import ScoreSummary
from tests.makers import ago, make_staff
from tests.segments.learnt import make_clusters, make_run

pytestmark = pytest.mark.django_db
QUERIES_MOST = 15


@pytest.fixture
def viewer(client):
    client.force_login(make_staff("viewer"))
    return client


def make_summary(name: str, *, run, days_ago: float = 0, **given):
    fields = {
        "n": 100,
        "mean": 0.4,
        "bands": {"low": 60, "medium": 30, "high": 10},
        "edges": [0, 0.5, 1],
        "counts": [70, 30],
    }
    return ScoreSummary.objects.create(
        name=name, run=run, as_of=ago(days_ago), **{**fields, **given}
    )


def text_of(viewer, name: str) -> str:
    return viewer.get(reverse("scores"), {"name": name}).content.decode()


def test_bands_are_followed_from_scoring_to_scoring(viewer, django_assert_max_num_queries):
    run = make_run()
    make_summary("churn_90d", run=run, days_ago=7, bands={"low": 70, "medium": 25, "high": 5})
    make_summary("churn_90d", run=run)
    with django_assert_max_num_queries(QUERIES_MOST):
        text = text_of(viewer, "churn_90d")

    assert "100 customers have the score “Risk of leaving”" in text
    assert "60% are “low”, −10.0 points since 25 May 2026" in text
    assert "Most customers lie at 0% to 50%" in text


def test_a_tail_is_one_last_bar_that_says_so(viewer):
    run = make_run("clv_365d", "fallback", summary="Too little to learn from.")
    make_summary("clv_365d", run=run, bands={}, edges=[0, 10, 20, 900], counts=[50, 40, 10])
    text = text_of(viewer, "clv_365d")

    assert "€20.00 to €900.00" in text and "The last bar holds all above." in text
    assert "by a rule of thumb" in text and "Too little to learn from." in text


def test_groups_carry_their_names(viewer):
    run = make_clusters()[0].run
    make_summary("cluster", run=run, mean=None, bands={"0": 60, "1": 40}, edges=[], counts=[])

    assert "60% are “Group 0”" in text_of(viewer, "cluster")


@pytest.mark.parametrize(
    "given",
    [
        {"n": 0, "mean": None, "bands": {}, "edges": [], "counts": []},
        {"edges": [1.0, 1.0], "counts": [100]},
        {"n": 1, "bands": {"": 1}, "edges": [0, 5], "counts": [1]},
    ],
)
def test_little_to_show_is_still_a_page(viewer, given):
    make_summary("clv_365d", run=make_run("clv_365d"), **given)

    assert viewer.get(reverse("scores")).status_code == 200
