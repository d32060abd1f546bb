"""Every page in a real browser: wide and narrow, light and dark, by keyboard."""

import os
from pathlib import Path

import pytest
from django.urls import reverse

from rapport import runs
from rapport.models import Run
from tests.makers import make_cast, make_event, make_staff
from tests.rapport.test_permissions import addresses

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
CHECK = (Path(__file__).parent / "check_page.js").read_text(encoding="utf-8")
SCREENS = [(1440, False), (390, True)]  # pixels, dark
if os.environ.get("RAPPORT_LONG"):
    SCREENS = [(1440, False), (1440, True), (390, False), (390, True)]
DRAWN = """document.readyState === "complete" && document.documentElement.hasAttribute("x-bind")
    && [...document.querySelectorAll(".r-plot")].every((plot) => plot.layout)"""


@pytest.fixture(autouse=True)
def roles(transactional_db):
    """Another test's flush takes the roles away."""
    from rapport.access import create_roles

    create_roles()


@pytest.fixture
def open_page(chromium, live_server, client):
    """``open_page(address, width)``: a page for an admin that keeps its scripts' errors."""
    client.force_login(make_staff("admin"))
    cookie = {"name": "sessionid", "value": client.cookies["sessionid"].value}
    context = chromium.new_context(reduced_motion="reduce")
    context.add_cookies([{**cookie, "url": live_server.url}])
    page = context.new_page()
    page.faults = []
    page.on("pageerror", lambda error: page.faults.append(f"script: {error}"))

    def go(address: str, width: int = 1440):
        page.set_viewport_size({"width": width, "height": 900})
        page.goto(f"{live_server.url}{address}")
        page.wait_for_function(DRAWN)
        return page

    yield go
    context.close()


def lists(client) -> list[str]:
    """Pages of every app that need no number in their address."""
    found = []
    for route, pattern in addresses():
        if "<" not in route and getattr(pattern.callback, "permission", None):
            answer = client.get(f"/{route}")
            if answer.status_code == 200 and b"r-main" in getattr(answer, "content", b""):
                found.append(f"/{route}")
    return found


def test_every_page_holds_in_every_width_and_colour(open_page, client):
    cast = make_cast()
    make_event(cast["ada"], "Product Viewed", properties={"product_id": "mug"})
    runs.create("import", "Import orders from a file with quite a long name.csv", total=100)
    Run.objects.update(state="running", done=40)
    person = reverse("customer", args=[cast["ada"].pk])
    some = [person, f"{person}erase/", reverse("job", args=[Run.objects.get().pk])]

    faults = {}
    for address in [*lists(client), *some]:
        page = open_page(address)
        for width, is_dark in SCREENS:
            page.set_viewport_size({"width": width, "height": 900})
            page.evaluate("on => document.documentElement.classList.toggle('dark', on)", is_dark)
            found = page.evaluate(CHECK)
            if found:
                faults[f"{address} {width} {'dark' if is_dark else 'light'}"] = found
    faults |= {"scripts": page.faults} if page.faults else {}

    assert not faults, "\n".join(f"{where}: {what}" for where, what in faults.items())


def test_the_check_sees_what_it_is_for(open_page):
    page = open_page("/jobs/")

    page.evaluate(
        """() => document.querySelector("main").insertAdjacentHTML("beforeend",
          `<p style="color:#999;background:#fff">pale</p><input><button></button>
           <h1>two</h1><div style="width:3000px">wide</div>`)"""
    )
    found = " ".join(page.evaluate(CHECK))

    for fault in ("contrast 2.85", "no label", "no name", "2 headings", "scrolls sideways"):
        assert fault in found


def test_the_keyboard_reaches_content_search_and_menu(open_page):
    page = open_page("/", 390)

    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "r-skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "r-main"
    page.keyboard.press("Control+k")
    page.wait_for_function("document.activeElement.id === 'r-search'")
    page.keyboard.type("jobs")
    page.keyboard.press("Enter")
    page.wait_for_url("**/find/?q=jobs")


def test_charts_follow_the_colours_and_are_saved(open_page):
    make_cast()
    page = open_page("/")
    ink = "document.querySelector('.r-plot').layout.font.color"

    light = page.evaluate(ink)
    page.click(".r-user summary")
    page.click("text=Dark")
    page.wait_for_function(f"{ink} !== '{light}'")
    with page.expect_download() as download:
        page.click("text=Save as PNG")

    assert download.value.suggested_filename == "revenue-by-week.png"


def test_a_running_job_fills_its_bar_and_ends_by_itself(open_page):
    run = runs.create("import", "Import orders", total=100)
    Run.objects.filter(pk=run.pk).update(state="running", done=10)
    page = open_page("/jobs/")

    Run.objects.filter(pk=run.pk).update(done=60)
    page.wait_for_selector('[aria-valuenow="60"]')
    Run.objects.filter(pk=run.pk).update(state="done", done=100)
    page.wait_for_selector("text=Nothing is running.")

    assert page.locator(".r-state-done").count() == 1
