"""Pages that belong to no app: home, search, account, and the pages of what went wrong."""

import secrets

import pytest
from django.urls import reverse

from rapport import runs
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
