"""The script in a real browser, on a shop's page of another origin."""

import re

import pytest
from django.utils import timezone

from campaigns.services import decide
from customers.models import Customer, Event, Identity
from rapport import access
from segments.services import membership
from tests.campaigns.decide.asking import add, make_key, make_slot
from tests.conftest import wait_until
from tests.makers import make_customer, make_segment
from tests.snippet.shop import PAGE, shop

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
__all__ = ["shop"]
CALLED_ADA = {
    "version": 1,
    "where": {"type": "field", "field": "first_name", "op": "=", "value": "Ada"},
}
FILLED = "document.querySelector('[data-rapport-slot]').innerText.trim() !== 'Own words'"


@pytest.fixture(autouse=True)
def roles(transactional_db):
    access.create_roles()


@pytest.fixture
def key(transactional_db):
    return make_key()


@pytest.fixture
def visit(chromium, live_server, shop, key):
    """``visit(options, body)``: the shop's page, with what it sent and what it warned of."""
    opened = []

    def go(options="consent: true", body="", early="", path="/mugs?colour=blue", init="", at=None):
        start = f'rapport.push(["load", "{key.key}", {{ {options} }}]); {early}'
        shop.page = PAGE.format(early=start, host=live_server.url, body=body)
        context = at.context if at else chromium.new_context()
        context.set_default_timeout(10_000)
        page = at or context.new_page()
        if init:
            context.add_init_script(init)
        if not at:
            opened.append(context)
            page.sent, page.told, page.failed = [], [], []
            page.on("request", lambda one: page.sent.append(one) if is_ours(one.url) else None)
            page.on("console", lambda one: page.told.append(one.text))
            page.on("pageerror", lambda one: page.failed.append(str(one)))
        page.goto(shop.url + path)
        page.wait_for_function("!Array.isArray(window.rapport)")
        return page

    def is_ours(url):
        return url.startswith(live_server.url) and not url.endswith(".js")

    yield go
    for context in opened:
        context.close()


def events(name: str) -> list[Event]:
    return list(Event.objects.filter(name=name).order_by("id"))


def arrived(name: str, count: int = 1) -> list[Event]:
    wait_until(lambda: len(events(name)) >= count, seconds=10, what=f"{count} × {name}")
    found = events(name)
    assert len(found) == count
    return found


def browser_id(page) -> str:
    return page.evaluate("JSON.parse(localStorage.rapport).id")


def test_page_views_and_clicks_arrive_also_within_one_page(visit):
    page = visit()
    (first,) = arrived("Page Viewed")
    assert first.properties["path"] == "/mugs"
    assert first.properties["search"] == "?colour=blue"
    assert first.properties["title"] == "Mugs"
    assert first.anonymous_id == browser_id(page)

    page.evaluate("history.replaceState({}, '', location.href)")
    page.evaluate("history.pushState({}, '', '/cups'); document.title = 'Cups'")
    second = arrived("Page Viewed", 2)[1]
    assert (second.properties["path"], second.properties["title"]) == ("/cups", "Cups")
    page.evaluate("history.back()")
    assert arrived("Page Viewed", 3)[2].properties["path"] == "/mugs"

    page.evaluate("document.addEventListener('click', (event) => event.preventDefault())")
    page.click("#blue")
    (click,) = arrived("Product Clicked")
    assert click.properties["product_id"] == "mug-blue"
    assert click.properties["url"].endswith("/mugs/blue")
    posts = [one for one in page.sent if one.method == "POST"]
    assert all("text/plain" in one.headers["content-type"] for one in posts)
    assert not [one for one in page.sent if one.method == "OPTIONS"]
    assert not page.failed and not page.told


def test_identify_joins_the_browser_to_its_customer_and_reset_parts_them(visit):
    page = visit()
    arrived("Page Viewed")
    page.evaluate("rapport.identify('u-7', { email: 'ada@example.com', firstName: 'Ada' })")
    wait_until(lambda: Customer.objects.filter(email="ada@example.com").exists(), what="Ada")
    ada = Customer.objects.get(email="ada@example.com")
    before = browser_id(page)
    handles = {(one.kind, one.value) for one in Identity.objects.filter(customer=ada)}
    assert handles >= {("external", "u-7"), ("anonymous", before)}

    page.evaluate("rapport.track('Wish Made', { what: 'tea' })")
    (wish,) = arrived("Wish Made")
    assert (wish.customer_id, wish.properties) == (ada.pk, {"what": "tea"})
    page.evaluate("rapport.reset(); rapport.track('Stranger Came')")
    (other,) = arrived("Stranger Came")
    assert other.customer_id != ada.pk
    assert browser_id(page) not in (before, "")


def test_before_consent_nothing_is_kept_read_or_sent(visit):
    page = visit(
        "",
        init="""
        const real = localStorage; window.touched = 0;
        Object.defineProperty(window, "localStorage", { get() { touched++; return real; } });
    """,
    )
    page.wait_for_function("document.readyState === 'complete'")
    page.evaluate("rapport.track('Early Bird'); rapport.identify('u-7'); rapport.page('Again')")
    page.evaluate("new Promise((done) => setTimeout(done, 700))")  # longer than it waits to send

    assert not page.sent
    assert page.context.cookies() == []
    kept = "[window.touched, localStorage.length, sessionStorage.length]"
    assert page.evaluate(kept) == [0, 0, 0]
    assert page.inner_text("[data-rapport-slot]") == "Own words"

    page.evaluate("rapport.consent(true)")
    (early,) = arrived("Early Bird")
    assert early.properties == {}
    arrived("Page Viewed", 2)
    assert page.evaluate("Object.keys(localStorage)") == ["rapport"]

    page.evaluate("rapport.consent(false); rapport.track('Too Late')")
    sent = len(page.sent)
    page.evaluate("new Promise((done) => setTimeout(done, 700))")
    assert page.evaluate("localStorage.length") == 0
    assert len(page.sent) == sent
    assert not events("Too Late")


@pytest.mark.parametrize(
    ("options", "init"),
    [
        ("consent: true", "'globalPrivacyControl', {value: true}"),
        ("consent: true", "'doNotTrack', {value: '1'}"),
        ("consent: false", "'mine', {value: 1}"),
    ],
)
def test_who_wants_not_to_be_followed_is_not(visit, options, init):
    init = f"Object.defineProperty(navigator, {init})"
    page = visit(options, init=init, early="rapport.push(['track', 'Early Bird'])")
    page.evaluate("rapport.track('Another')")
    page.evaluate("new Promise((done) => setTimeout(done, 500))")

    assert not page.sent
    assert page.evaluate("localStorage.length") == 0
    assert not page.failed and not page.told


def test_what_is_dropped_before_consent_does_not_come_later(visit):
    page = visit("drop: true", early="rapport.push(['track', 'Early Bird'])")
    page.evaluate("rapport.consent(true); rapport.track('Then')")

    arrived("Then")
    assert not events("Early Bird")


def test_what_was_not_sent_yet_goes_with_a_beacon_on_leaving(visit, shop):
    page = visit(
        init="""const was = navigator.sendBeacon.bind(navigator);
        navigator.sendBeacon = (...given) => (sessionStorage.beacons = was(...given))"""
    )
    arrived("Page Viewed")
    page.evaluate("rapport.track('Last Words')")
    page.goto(f"{shop.url}/elsewhere")

    arrived("Last Words")
    assert page.evaluate("sessionStorage.beacons") == "true"


def test_a_member_sees_her_slot_and_others_the_fallback(visit, key):
    page = visit()
    arrived("Page Viewed")
    (her,) = Customer.objects.all()
    her.first_name = "Ada"
    her.save()
    vip, hero = make_segment("vip", [her], rule=CALLED_ADA), make_slot()
    gold = add(hero, "<p>For {{ customer.first_name }}</p>", segment=vip, priority=1)
    plain = add(hero, "<p>For all</p>", priority=2)

    page = visit(at=page)
    page.wait_for_function(FILLED)
    assert page.inner_html("[data-rapport-slot]") == "<p>For Ada</p>"
    (view,) = arrived("Slot Viewed")
    assert view.customer_id == her.pk
    assert view.properties["content"] == view.properties["matched"] == gold.pk

    Customer.objects.update(first_name="Eve")
    membership.refresh([her.pk], cause="edit", now=timezone.now())
    page.evaluate("rapport.fill()")
    page.wait_for_function("document.querySelector('[data-rapport-slot]').innerText === 'For all'")
    assert arrived("Slot Viewed", 2)[1].properties["content"] == plain.pk

    stranger = visit()
    stranger.wait_for_function(FILLED)
    assert stranger.inner_text("[data-rapport-slot]") == "For all"


def test_a_known_customer_is_greeted_once_the_shop_vouched_for_her(visit, key):
    ada = make_customer("ada")
    add(
        make_slot(),
        "Hi {{ customer.first_name }}",
        segment=make_segment("vip", [ada], rule=CALLED_ADA),
    )

    page = visit(early="rapport.push(['identify', 'ada'])")
    wait_until(lambda: Identity.objects.filter(kind="anonymous", customer=ada).exists(), what="it")
    page.evaluate("new Promise((done) => setTimeout(done, 300))")
    assert page.inner_text("[data-rapport-slot]") == "Own words"  # anybody can say: I am Ada

    page.evaluate(f"rapport.identify('ada', {{}}, '{decide.sign(key, 'ada')}')")
    page.wait_for_function(FILLED)
    assert page.inner_text("[data-rapport-slot]") == "Hi Ada"
    again = visit(at=page)
    again.wait_for_function(FILLED)
    assert again.inner_text("[data-rapport-slot]") == "Hi Ada"
    again.evaluate("rapport.reset()")
    again.wait_for_function(f"!({FILLED})")


def test_hostile_traits_and_contents_do_nothing(visit):
    page = visit()
    arrived("Page Viewed")
    (her,) = Customer.objects.all()
    attack = "\"><img src=x onerror='window.hacked=1'><script>window.hacked=1</script>"
    her.first_name, her.traits = attack[:120], {"link": "javascript:window.hacked=1"}
    her.save()
    add(
        make_slot(),
        "<p title='{{ customer.first_name }}'>{{ customer.first_name }}</p>"
        "<a id='go' href='{{ customer.traits.link }}'>Go</a><img src=x onerror=window.hacked=1>"
        "<script>window.hacked=1</script><svg onload=window.hacked=1></svg>"
        "<iframe srcdoc='<script>parent.hacked=1</script>'></iframe>",
    )

    page = visit(at=page)
    page.wait_for_function(FILLED)
    page.click("[data-rapport-slot] a")

    assert "onerror" in page.inner_text("[data-rapport-slot]")  # as words
    assert page.evaluate("window.hacked") is None
    assert page.locator("[data-rapport-slot] :is(script, iframe, svg, #go)").count() == 0
    assert not re.search(r" on\w+=", page.inner_html("[data-rapport-slot] a"))


def test_without_rapport_the_page_stays_as_it_is_and_says_so_once(visit):
    page = visit(
        "consent: true, host: 'http://127.0.0.1:9', timeout: 300",
        body="<script>window.mine = 1</script>",
    )
    page.evaluate("for (let i = 0; i < 5; i++) rapport.track('Lost'); rapport.fill()")
    page.evaluate("rapport.track(() => {}, { self: window })")
    page.wait_for_function("document.readyState === 'complete'")
    page.evaluate("new Promise((done) => setTimeout(done, 700))")

    assert page.inner_text("[data-rapport-slot]") == "Own words"
    assert page.evaluate("window.mine") == 1
    assert not page.failed
    assert len([one for one in page.told if one.startswith("rapport")]) == 1


def test_a_late_answer_is_not_waited_for(visit):
    add(make_slot(), "<p>Late</p>")
    page = visit("consent: true, timeout: 1")
    page.evaluate("new Promise((done) => setTimeout(done, 400))")

    assert page.inner_text("[data-rapport-slot]") == "Own words"
    assert not page.failed


def test_what_stands_below_does_not_jump(visit):
    add(make_slot(), "<b>x</b>")
    tall = "<style>[data-rapport-slot] p { height: 200px; margin: 0 }</style>"
    watch = """window.shift = 0; new PerformanceObserver((list) => list.getEntries().forEach(
        (one) => window.shift += one.value)).observe({type: 'layout-shift', buffered: true})"""
    page = visit(body=tall, init=watch)
    page.wait_for_function(FILLED)
    page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done, 50)))")

    assert page.evaluate("document.querySelector('#below').getBoundingClientRect().top") > 200
    assert page.evaluate("window.shift") == 0


def test_nothing_breaks_where_storage_is_forbidden(visit):
    page = visit(
        init="""Object.defineProperty(window, 'localStorage',
        { get() { throw new DOMException('no', 'SecurityError') } })"""
    )
    page.evaluate("rapport.track('Anyway')")

    arrived("Anyway")
    assert not page.failed
