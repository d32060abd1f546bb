"""Pages of running and past jobs."""

from datetime import timedelta

import pytest
from django.utils import timezone

from rapport import runs
from rapport.models import AuditEntry, Run
from tests.makers import make_staff

pytestmark = pytest.mark.django_db
QUERIES_MOST = 15


@pytest.fixture
def viewer(client):
    client.force_login(make_staff("viewer"))
    return client


@pytest.fixture
def analyst(client):
    client.force_login(make_staff("analyst"))
    return client


def text(answer) -> str:
    return answer.content.decode()


def test_jobs_of_a_new_installation_say_what_will_be_here(viewer):
    assert "No job has run yet" in text(viewer.get("/jobs/"))


def test_jobs_are_listed_and_narrowed(viewer, django_assert_max_num_queries):
    for kind in ("import", "retrain"):
        for number in range(60):
            run = runs.create(kind, f"{kind} number {number}")
            runs.request_cancel(run)

    with django_assert_max_num_queries(QUERIES_MOST):
        page = text(viewer.get("/jobs/?kind=retrain"))

    assert "retrain number 59" in page
    assert "import number" not in page
    assert 'rel="next"' in page


def test_a_failed_job_shows_its_error(viewer):
    run = runs.create("import", "Import orders")
    with pytest.raises(ZeroDivisionError), runs.running(run):
        1 / 0

    page = text(viewer.get(f"/jobs/{run.pk}/"))

    assert "ZeroDivisionError: division by zero" in page
    assert "It failed" in page


def test_a_job_shows_figures_of_every_shape(viewer):
    params = {"dry_run": True, "mapping": {"Qty": "quantity", "colour": ""}, "kinds": ["a", "b"]}
    run = runs.create("import", "Import orders", params=params)
    Run.objects.filter(pk=run.pk).update(result={"read": 1234, "seconds": 1.5, "nothing": None})

    facts = dict(viewer.get(f"/jobs/{run.pk}/").context["params"])

    assert facts == {"dry run": "yes", "mapping": "Qty: quantity", "kinds": "a, b"}
    figures = dict(viewer.get(f"/jobs/{run.pk}/").context["figures"])
    assert figures == {"read": "1,234", "seconds": "1.5"}


def test_the_bar_asks_again_only_while_the_job_lives(viewer):
    run = runs.create("import", "Import orders", total=200)
    Run.objects.filter(pk=run.pk).update(state="running", done=50, started_at=timezone.now())

    alive = viewer.get(f"/jobs/{run.pk}/progress/")
    Run.objects.filter(pk=run.pk).update(state="done")
    over = viewer.get(f"/jobs/{run.pk}/progress/")

    assert 'aria-valuenow="25"' in text(alive)
    assert "every 2s" in text(alive)
    assert "HX-Refresh" not in alive
    assert "every 2s" not in text(over)
    assert over["HX-Refresh"] == "true"  # the page around it tells the end


def test_an_analyst_stops_a_job_and_it_is_on_record(analyst):
    run = runs.create("import", "Import orders")

    analyst.post(f"/jobs/{run.pk}/cancel/")

    run.refresh_from_db()
    assert run.state == Run.State.CANCELLED
    assert AuditEntry.objects.filter(action="job.cancelled", actor="analyst").exists()


def test_a_viewer_sees_no_button_to_stop_a_job(viewer):
    run = runs.create("import", "Import orders")

    assert "Stop" not in text(viewer.get(f"/jobs/{run.pk}/")).split("<main")[1]
    assert viewer.post(f"/jobs/{run.pk}/cancel/").status_code == 403


def test_a_job_that_is_over_is_not_stopped_again(analyst):
    run = runs.create("import", "Import orders")
    Run.objects.filter(pk=run.pk).update(state="done", finished_at=timezone.now())

    page = text(analyst.post(f"/jobs/{run.pk}/cancel/", follow=True))

    assert "was over already" in page
    run.refresh_from_db()
    assert not run.cancel_requested


def test_stopping_a_job_needs_a_post(analyst):
    run = runs.create("import", "Import orders")

    assert analyst.get(f"/jobs/{run.pk}/cancel/").status_code == 405


def test_a_run_that_waits_names_the_likely_cause(viewer):
    run = runs.create("import", "Import orders")
    Run.objects.filter(pk=run.pk).update(created_at=timezone.now() - timedelta(hours=1))

    assert "no worker is running" in text(viewer.get(f"/jobs/{run.pk}/"))
