"""What is learnt, as a program reads it and decides on it."""

import pytest
from django.utils import timezone

from segments.models import (
    Cluster,
    DriftCheck,
    ForecastPoint,
    LearntApproval,
    Score,
    ScoreChange,
    ScoreSummary,
    Segment,
)
from tests.makers import NOW, ago, make_crowd, make_customer
from tests.segments.learnt import make_clusters, make_run

pytestmark = pytest.mark.django_db


def post(client, path: str, **body):
    return client.post(f"/api/v1/{path}", body, format="json")


def get(client, path: str, **query):
    return client.get(f"/api/v1/{path}", query).json()


@pytest.fixture
def quiet(monkeypatch):
    """Nothing is handed to workers."""
    monkeypatch.setattr("celery.app.task.Task.apply_async", lambda *_, **__: None)


def test_a_judged_run_is_promoted_and_gone_back_from(program, quiet):
    before, judged = make_run(promoted_at=ago(3)), make_run(state="judged")
    client = program("models:promote")

    assert post(client, f"model-runs/{judged.pk}/promote/").json()["state"] == "live"
    answer = post(client, "model-runs/roll-back/", kind="churn_90d").json()
    assert (answer["id"], answer["state"]) == (before.pk, "live")
    assert post(client, "model-runs/roll-back/", kind="churn_90d").status_code == 409


def test_a_program_approves_a_kind_and_takes_it_back(program):
    client = program("models:promote", "models:read")
    made = post(client, "model-approvals/", kind="churn_90d", note="Read")

    assert made.status_code == 201 and made.json()["note"] == "Read"
    assert [one["kind"] for one in get(client, "model-approvals/")["results"]] == ["churn_90d"]
    assert client.delete("/api/v1/model-approvals/churn_90d/").status_code == 204
    assert not LearntApproval.objects.exists()
    assert client.delete("/api/v1/model-approvals/luck/").status_code == 400


def test_drift_spreads_and_forecasts_are_read_page_by_page(program):
    run, old = make_run("forecast"), make_run("forecast", "retired")
    DriftCheck.objects.create(run=run, kind="feature", name="age", checked_at=NOW, is_alarm=True)
    DriftCheck.objects.create(run=run, kind="score", name="age", checked_at=NOW)
    ScoreSummary.objects.create(name="churn_90d", run=run, as_of=NOW, n=4, bands={"low": 4})
    for one in (run, old):
        ForecastPoint.objects.create(
            run=one, subject_kind="shop", measure="orders", week_start=NOW.date(), expected=1,
            low=0, high=2, baseline=1,
        )  # fmt: skip
    client = program("models:read", "scores:read")

    assert len(get(client, "drift-checks/")["results"]) == 2
    assert [one["kind"] for one in get(client, "drift-checks/", is_alarm="true")["results"]] == [
        "feature"
    ]
    assert get(client, "score-summaries/", name="churn_90d")["results"][0]["bands"] == {"low": 4}
    assert [one["run_id"] for one in get(client, "forecast-points/")["results"]] == [run.pk]
    asked = get(client, "forecast-points/", run_id=old.pk)["results"]
    assert [one["run_id"] for one in asked] == [old.pk]


def test_scores_of_a_customer_come_with_reasons_and_history(program):
    ada, run = make_customer("ada"), make_run(state="fallback")
    Score.objects.create(
        name="churn_90d", customer=ada, run=run, value=0.7, low=0.6, high=0.8, band="high",
        reasons=[{"words": "has not ordered for 41 days"}], as_of=NOW,
    )  # fmt: skip
    ScoreChange.objects.create(
        name="churn_90d", customer=ada, run=run, band_before="low", band_after="high",
        happened_at=NOW,
    )  # fmt: skip
    client = program("scores:read")
    found = get(client, f"customers/{ada.pk}/scores/")

    score = found["scores"][0]
    assert (score["low"], score["high"], score["is_rule_of_thumb"]) == (0.6, 0.8, True)
    assert score["reasons"][0]["words"] == "has not ordered for 41 days"
    assert found["changes"][0]["band_before"] == "low"
    assert client.get("/api/v1/customers/999999/scores/").status_code == 404


def test_every_decision_on_a_cluster_can_be_made_by_a_program(program, quiet):
    one, other, third = make_clusters()
    client = program("segments:write", "models:read")

    assert post(client, f"clusters/{one.pk}/accept/", name="Regulars").status_code == 201
    assert post(client, f"clusters/{one.pk}/rename/", name="Faithful").json()["name"] == "Faithful"
    assert Segment.objects.get(cluster=one).name == "Faithful"
    merged = post(client, "clusters/merge/", clusters=[one.pk, other.pk], name="Both")
    assert merged.status_code == 201 and merged.json()["name"] == "Both"
    assert post(client, f"clusters/{other.pk}/reconsider/").json()["state"] == "proposed"
    assert post(client, f"clusters/{third.pk}/reject/", note="Mixed").json()["state"] == "rejected"
    assert post(client, f"clusters/{third.pk}/reconsider/").json()["state"] == "proposed"
    assert post(client, f"clusters/{third.pk}/split/").status_code >= 400  # its model is no model
    states = {one["id"]: one["state"] for one in get(client, "clusters/")["results"]}
    assert states == {one.pk: "accepted", other.pk: "proposed", third.pk: "proposed"}


def test_a_merge_of_what_is_not_there_says_which(program):
    one = make_clusters()[0]
    answer = post(program(), "clusters/merge/", clusters=[one.pk, 999_999], name="Both")

    assert answer.status_code == 404 and "999999" in answer.json()["errors"][0]["detail"]
    assert Cluster.objects.filter(state="proposed").count() == 3


def test_a_cell_of_the_matrix_becomes_a_segment_once(program):
    churn, clv, now = make_run(), make_run("clv_365d"), timezone.now()
    for place, one in enumerate(make_crowd(10, consent=False)):
        for name, run, value in (("churn_90d", churn, 0.9), ("worth_365d", clv, 10.0 * place)):
            Score.objects.create(
                name=name, customer=one, run=run, value=value, as_of=now,
                band="high" if name == "churn_90d" else "",
            )  # fmt: skip
    client = program()
    found = get(client, "matrix/")
    first = found["cells"][0]

    assert (found["n"], found["cuts"]) == (10, [80.0, 50.0])
    assert sum(one["n"] for one in found["cells"]) == 10
    assert {one["cell"]: one["expected"] for one in found["cells"]}["matrix:high:0"] == 170.0
    made = post(client, "matrix/", cell=first["cell"])
    again = post(client, "matrix/", cell=first["cell"])
    assert (made.status_code, again.status_code) == (201, 200)
    assert made.json()["rule"] == first["rule"] == again.json()["rule"]
    assert post(client, "matrix/", cell="matrix:none:7").status_code == 400


@pytest.mark.parametrize(
    ("scope", "method", "path"),
    [
        ("models:write", "post", "model-runs/1/promote/"),
        ("models:write", "post", "model-runs/roll-back/"),
        ("models:write", "post", "model-approvals/"),
        ("models:read", "delete", "model-approvals/churn_90d/"),
        ("segments:read", "post", "clusters/merge/"),
        ("models:write", "post", "clusters/1/accept/"),
        ("models:read", "get", "score-summaries/"),
        ("scores:read", "post", "matrix/"),
        ("customers:read", "get", "customers/1/scores/"),
        ("scores:read", "get", "forecast-points/"),
    ],
)
def test_each_call_needs_its_scope(program, scope, method, path):
    assert getattr(program(scope), method)(f"/api/v1/{path}").status_code == 403
