"""The pages of clusters and models: who may, what they say, and that a decision happens once."""

import pytest
from django.urls import reverse

from rapport.models import Run
from segments.models import ModelRun, Segment
from tests.makers import ago, make_staff
from tests.segments.learnt import comparison, make_clusters, make_run

pytestmark = pytest.mark.django_db
QUERIES_MOST = 15


@pytest.fixture
def as_role(client):
    """The client, logged in as somebody of a role."""

    def enter(role: str):
        client.force_login(make_staff(role))
        return client

    return enter


@pytest.fixture
def queued(monkeypatch):
    """What was handed to the workers: the arguments of each task."""
    sent: list[tuple] = []
    monkeypatch.setattr(
        "celery.app.task.Task.apply_async",
        lambda task, arguments, **_: sent.append((task.name, *arguments)),
    )
    return sent


@pytest.mark.parametrize("address", ["clusters", "models"])
def test_an_empty_installation_is_told_what_would_fill_the_page(
    as_role, address, django_assert_max_num_queries
):
    viewer = as_role("viewer")
    with django_assert_max_num_queries(QUERIES_MOST):
        answer = viewer.get(reverse(address))

    assert answer.status_code == 200
    assert b"r-empty" in answer.content


@pytest.mark.parametrize("address", ["clusters", "models"])
def test_a_stranger_sees_no_models(as_role, address):
    assert as_role("stranger").get(reverse(address)).status_code == 403


def test_each_cluster_shows_its_size_share_and_profile(as_role, django_assert_max_num_queries):
    make_clusters()
    viewer = as_role("viewer")
    with django_assert_max_num_queries(QUERIES_MOST):
        text = viewer.get(reverse("clusters")).content.decode()

    assert "3 wait for your decision" in text
    assert "100 customers" in text and "20% of those who have bought" in text
    assert text.count("data-chart=") == 2 + 3  # sizes, heat map, and each
    assert "Accept as a segment" not in text  # a viewer only looks


def test_an_accepted_cluster_becomes_one_segment(
    as_role, queued, django_capture_on_commit_callbacks
):
    cluster = make_clusters()[0]
    analyst = as_role("analyst")
    address = reverse("cluster_accept", args=[cluster.pk])
    for _ in range(2):
        answer = analyst.post(address, {"name": "Regulars", "note": "Keep them"}, follow=True)

    segment = Segment.objects.get(cluster=cluster)
    assert (segment.name, segment.description) == ("Regulars", "Keep them")
    assert "“Regulars”" in answer.content.decode()


def test_a_name_that_is_missing_keeps_the_note(as_role):
    cluster = make_clusters()[0]
    answer = as_role("analyst").post(
        reverse("cluster_accept", args=[cluster.pk]), {"name": "", "note": "Keep them"}
    )

    assert answer.status_code == 400
    assert 'value="Keep them"' in answer.content.decode()
    assert not Segment.objects.filter(cluster=cluster).exists()


def test_a_cluster_of_a_retired_run_is_not_decided_on_any_more(as_role):
    cluster = make_clusters()[0]
    ModelRun.objects.update(state="retired")
    make_clusters()
    answer = as_role("analyst").post(
        reverse("cluster_accept", args=[cluster.pk]), {"name": "Regulars"}
    )

    assert answer.status_code == 400
    assert not Segment.objects.filter(cluster=cluster).exists()


def test_a_cluster_is_put_aside_with_the_reason(as_role):
    cluster = make_clusters()[0]
    as_role("analyst").post(reverse("cluster_reject", args=[cluster.pk]), {"note": "Too mixed"})

    cluster.refresh_from_db()
    assert (cluster.state, cluster.note) == ("rejected", "Too mixed")


@pytest.mark.parametrize("name", ["cluster_accept", "cluster_reject"])
def test_a_viewer_decides_on_no_cluster(as_role, name):
    cluster = make_clusters()[0]
    answer = as_role("viewer").post(reverse(name, args=[cluster.pk]), {"name": "Mine"})

    cluster.refresh_from_db()
    assert (answer.status_code, cluster.state) == (403, "proposed")


def test_models_are_told_beside_their_baselines(as_role, django_assert_max_num_queries):
    make_run()
    make_run("clv_365d", "fallback", metrics={}, baseline={}, card={})
    make_run("churn_90d", "failed", error="ValueError: no", metrics={}, card={}, baseline={})
    viewer = as_role("viewer")
    with django_assert_max_num_queries(QUERIES_MOST):
        text = viewer.get(reverse("models")).content.decode()

    assert "1 of 1 live models do surely better" in text and "1 rule of thumb" in text
    assert "0.800 to 0.820; baseline 0.770" in text
    assert "2 of 2 comparisons with a baseline are surely won" in text
    assert "Retrain" not in text


@pytest.mark.parametrize("state", ModelRun.State.values)
def test_the_card_of_a_run_in_any_state_opens(as_role, state, django_assert_max_num_queries):
    run = make_run(state=state)
    bare = make_run("clv_365d", state, metrics={}, baseline={}, card={}, finished_at=None)
    manager = as_role("manager")
    with django_assert_max_num_queries(QUERIES_MOST):
        answer = manager.get(reverse("model", args=[run.pk]))

    assert answer.status_code == 200
    assert "It knows no seasons." in answer.content.decode()
    assert manager.get(reverse("model", args=[bare.pk])).status_code == 200


def test_retraining_is_one_job_however_often_it_is_asked_for(
    as_role, queued, django_capture_on_commit_callbacks
):
    analyst = as_role("analyst")
    with django_capture_on_commit_callbacks(execute=True):
        first = analyst.post(reverse("models_retrain"), {"kind": "churn_90d"})
        second = analyst.post(reverse("models_retrain"))

    run = Run.objects.get(kind="retrain")
    assert first.url == second.url == reverse("job", args=[run.pk])
    assert queued == [("segments.tasks.retrain", run.pk, ["churn_90d"])]


def test_a_judged_run_is_promoted_by_a_manager_once(as_role, queued):
    live, judged = make_run(), make_run(state="judged")
    manager = as_role("manager")
    for _ in range(2):
        manager.post(reverse("model_promote", args=[judged.pk]))

    live.refresh_from_db()
    judged.refresh_from_db()
    assert (live.state, judged.state) == ("retired", "live")


def test_a_run_that_is_worse_is_refused_and_the_page_says_so(as_role):
    run = make_run(state="judged", card={"comparisons": [comparison("auc", -0.1, is_worse=True)]})
    answer = as_role("manager").post(reverse("model_promote", args=[run.pk]), follow=True)

    run.refresh_from_db()
    assert run.state == "refused"
    assert "may not go live" in answer.content.decode()


def test_a_manager_goes_back_to_the_run_before(as_role):
    before = make_run(state="retired", promoted_at=ago(9))
    live = make_run()
    manager = as_role("manager")
    assert b"Go back to the run before" in manager.get(reverse("model", args=[live.pk])).content
    manager.post(reverse("models_roll_back"), {"kind": "churn_90d"})

    before.refresh_from_db()
    live.refresh_from_db()
    assert (before.state, live.state) == ("live", "retired")


def test_going_back_with_nothing_before_says_so(as_role):
    make_run()
    answer = as_role("manager").post(
        reverse("models_roll_back"), {"kind": "churn_90d"}, follow=True
    )

    assert "nothing to go back to" in answer.content.decode()


def test_an_analyst_retrains_but_does_not_promote(as_role):
    run = make_run(state="judged")
    analyst = as_role("analyst")

    assert analyst.post(reverse("model_promote", args=[run.pk])).status_code == 403
    assert analyst.post(reverse("models_roll_back"), {"kind": "clusters"}).status_code == 403
    assert ModelRun.objects.get().state == "judged"


def test_a_viewer_retrains_nothing(as_role):
    assert as_role("viewer").post(reverse("models_retrain")).status_code == 403
    assert not Run.objects.exists()
