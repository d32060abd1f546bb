from urllib.parse import urlsplit

import pytest
from django.utils import timezone

from campaigns.models import InAppMessage, Message, Outcome
from campaigns.services import delivery
from tests.campaigns.channels.texting import agree, make_texting
from tests.campaigns.decide.asking import BROWSER, make_key, make_visitor
from tests.conftest import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
SHOP = """<!doctype html><meta charset="utf-8"><title>Shop</title><h1>Mugs</h1>
<script src="{host}/v1/inbox.js" data-key="{key}"></script>"""


def test_a_visitor_sees_her_message_follows_it_and_closes_it(live_server, chromium, settings):
    settings.SITE_URL = live_server.url
    visitor, key = make_visitor(), make_key()
    agree(visitor, "in_app")
    text = "<p>Hello <b>you</b><img src=x onerror=alert(1)></p>\nhttps://shop.example/sale"
    campaign = make_texting([visitor], "in_app", subject="News <b>", text=text)
    delivery.deliver(campaign.pk, now=timezone.now())
    page = chromium.new_context(viewport={"width": 390, "height": 800}).new_page()
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    shown = SHOP.format(host=live_server.url, key=key.key)
    shop = f"{live_server.url}/shop"  # a page of another site may not load from this machine
    page.route(f"{shop}/**", lambda route: route.fulfill(
        body=shown, content_type="text/html"))  # fmt: skip
    known = f"localStorage.rapport = JSON.stringify({{id: '{BROWSER}'}})"
    page.add_init_script(f"if (location.hash != '#no') {known}")

    page.goto(f"{shop}/#no")
    assert page.locator(".rapport-message").count() == 0, "she has agreed to nothing yet"
    page.goto(f"{shop}/mugs")
    card = page.locator(".rapport-message")
    card.wait_for()

    assert "News <b>" in card.inner_text() and "Hello you" in card.inner_text()
    wait_until(lambda: Outcome.objects.filter(kind="open").exists(), what="the open")
    assert Message.objects.get().state == "delivered" and not dialogs
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= 390
    link = urlsplit(card.locator("a.rapport-more").get_attribute("href"))
    assert link.path.startswith("/m/c/")
    card.get_by_label("Close").click()
    wait_until(lambda: InAppMessage.objects.get().closed_at is not None, what="the close")
    page.reload()
    page.wait_for_load_state("networkidle")
    assert page.locator(".rapport-message").count() == 0
