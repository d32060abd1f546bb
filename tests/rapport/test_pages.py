"""Pages that belong to no app: home, search, jobs, account, and the pages of what went wrong."""

import secrets
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from rapport import runs
from rapport.models import AuditEntry, Run
from rapport.web import charts, dashboard
from rapport.web.charts import Chart
from rapport.web.dashboard import Block, Decision, Empty, Link, Number
from tests.makers import make_cast, make_staff

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


@pytest.fixture
def blocks(monkeypatch):
    """An empty home page to register blocks on."""
    monkeypatch.setattr(dashboard, "_sources", {})
    return dashboard


def text(answer) -> str:
    return answer.content.decode()


def test_home_of_a_new_installation_says_what_to_do_first(viewer, django_assert_max_num_queries):
    with django_assert_max_num_queries(QUERIES_MOST):
        page = text(viewer.get("/"))

    assert "No orders are known yet" in page
    assert reverse("import_new") in page
    assert "plotly.min.js" not in page  # loaded only where there is a chart


def test_home_with_customers_shows_numbers_and_a_chart(viewer, django_assert_max_num_queries):
    make_cast()

    with django_assert_max_num_queries(QUERIES_MOST):
        page = text(viewer.get("/"))

    assert "plotly.min.js" in page
    assert "too few for a percentage" in page  # four customers carry no percentage


def test_home_shows_a_job_while_it_runs(viewer):
    run = runs.create("import", "Import orders from old.csv", total=10)

    page = text(viewer.get("/"))

    assert f'hx-get="/jobs/{run.pk}/progress/"' in page


def test_blocks_come_in_order_with_their_decisions_above(viewer, blocks):
    link = Link("Name them", "/clusters/")
    decided = Block(
        "Groups", columns=("Group",), rows=[("A",)], decisions=(Decision("3 wait", link),)
    )
    counted = Block("Counts", numbers=(Number("Segments", "12"),))
    blocks.register(lambda request, now: decided, key="b", order=2, permission="rapport.view_run")
    blocks.register(lambda request, now: counted, key="a", order=1, permission="rapport.view_run")

    page = text(viewer.get("/"))

    assert "1 thing needs your decision." in page
    assert page.index("3 wait") < page.index("Segments</dt>") < page.index("Groups</h2>")


def test_a_block_without_permission_is_not_even_computed(viewer, blocks):
    blocks.register(lambda request, now: 1 / 0, key="x", order=1, permission="auth.add_user")

    assert viewer.get("/").status_code == 200


def test_a_block_with_nothing_yet_shows_its_button(viewer, blocks):
    block = Block("Segments", empty=Empty("No segment yet.", Link("Make one", "/segments/new/")))
    blocks.register(lambda request, now: block, key="s", order=1, permission="rapport.view_run")

    page = text(viewer.get("/"))

    assert 'href="/segments/new/">Make one</a>' in page


def test_a_chart_cannot_end_its_script(viewer, blocks):
    name = "</script><script>alert(1)</script>"
    figure = charts.figure(charts.bars([name], [1]))
    block = Block("C", charts=(Chart("c", name, figure, ("a",), [(name,)]),))
    blocks.register(lambda request, now: block, key="c", order=1, permission="rapport.view_run")

    assert "<script>alert(1)" not in text(viewer.get("/"))


def test_slow_answers_are_kept_and_quick_ones_are_not(monkeypatch):
    key = f"test-{secrets.token_hex(8)}"
    asked = []

    for name, slow_seconds in (("quick", 60), ("slow", -1)):
        monkeypatch.setattr(dashboard, "SLOW_SECONDS", slow_seconds)
        for _ in range(2):
            dashboard.remember(f"{key}-{name}", lambda name=name: asked.append(name) or "answer")

    assert asked == ["quick", "quick", "slow"]


def test_figures_are_computed_while_the_cache_is_away(settings):
    away = settings.CACHES["default"] | {"LOCATION": "redis://127.0.0.1:1/0"}
    settings.CACHES = {"default": away}

    assert dashboard.remember("test-away", lambda: "answer") == "answer"


def test_the_search_box_finds_customers_and_pages(viewer, django_assert_max_num_queries):
    ada = make_cast()["ada"]

    with django_assert_max_num_queries(QUERIES_MOST):
        page = text(viewer.get("/find/?q=Ada"))

    assert reverse("customer", args=[ada.pk]) in page
    assert reverse("jobs") in text(viewer.get("/find/?q=job"))


def test_an_empty_and_a_fruitless_search_say_so(viewer):
    assert "Type a name" in text(viewer.get("/find/"))
    assert "Nothing is called" in text(viewer.get("/find/?q=nobody-of-that-name"))


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


def test_the_sidebar_shows_only_what_the_role_opens(client):
    client.force_login(make_staff("viewer"))
    viewer = text(client.get("/"))
    client.force_login(make_staff("admin"))
    admin = text(client.get("/"))

    assert reverse("customers") in viewer
    assert reverse("admin:auth_user_changelist") not in viewer
    assert reverse("admin:auth_user_changelist") in admin


def test_refusals_and_missing_pages_speak_plainly(client):
    client.force_login(make_staff("stranger"))
    refused = client.get("/jobs/")
    missing = client.get("/no/such/page/")

    assert refused.status_code == 403
    assert "your role does not open this page" in text(refused)
    assert missing.status_code == 404
    assert "There is nothing at" in text(missing)


def test_a_missing_page_says_nothing_of_the_house_to_strangers(client):
    page = text(client.get("/no/such/page/"))

    assert "Log in" in page
    assert "Customers" not in page


def test_a_broken_page_is_answered_without_the_database(client, rf, django_assert_num_queries):
    from rapport.web import views

    with django_assert_num_queries(0):
        answer = views.failed(rf.get("/"))

    assert answer.status_code == 500
    assert "Something broke on our side" in text(answer)


def test_logging_in_leads_where_one_wanted_to_go(client):
    make_staff("viewer")

    wrong = client.post("/login/", {"username": "viewer", "password": "no"})
    right = client.post(
        "/login/?next=/jobs/",
        {"username": "viewer", "password": "secret-word-7", "next": "/jobs/"},
    )

    assert "correct username and password" in text(wrong)
    assert right["Location"] == "/jobs/"


def test_logging_out_ends_the_session(viewer):
    viewer.post("/logout/")

    assert viewer.get("/").status_code == 302


def test_people_change_their_own_password(viewer):
    answer = viewer.post(
        "/password/",
        {
            "old_password": "secret-word-7",
            "new_password1": "another-word-8",
            "new_password2": "another-word-8",
        },
    )

    assert answer.status_code == 302
    assert viewer.get("/").status_code == 200  # still logged in here
    assert viewer.login(username="viewer", password="another-word-8")


def test_a_run_that_waits_names_the_likely_cause(viewer):
    run = runs.create("import", "Import orders")
    Run.objects.filter(pk=run.pk).update(created_at=timezone.now() - timedelta(hours=1))

    assert "no worker is running" in text(viewer.get(f"/jobs/{run.pk}/"))
