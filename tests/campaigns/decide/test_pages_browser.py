"""The pages of the website in a real browser: every width and colour, and the live preview."""

import pytest
from django.urls import reverse

from tests.campaigns.decide.asking import add, make_key, make_slot
from tests.makers import ago, make_cast, make_event, make_segment
from tests.rapport.test_pages_browser import CHECK, SCREENS, open_page, roles

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
__all__ = ["open_page", "roles"]


def test_the_pages_hold_and_the_preview_follows_the_typing(open_page):
    slot, cast = make_slot("hero", name="Top of the home page", holdout_share=0.1), make_cast()
    vip = make_segment("vip", [cast["ada"]])
    gold = add(slot, "<p>Hi {{ customer.first_name }}</p>", name="For VIPs", segment=vip)
    add(slot, name="For everybody", priority=200, ends_at=ago(-30))
    make_event(cast["ada"], "Slot Viewed", properties={"slot": "hero", "content": gold.pk})
    make_key()

    faults = {}
    for address in (
        reverse("website"),
        reverse("slot", args=[slot.pk]),
        reverse("slot_content", args=[gold.pk]),
    ):
        page = open_page(address)
        for width, is_dark in SCREENS:
            page.set_viewport_size({"width": width, "height": 900})
            page.evaluate("on => document.documentElement.classList.toggle('dark', on)", is_dark)
            if found := page.evaluate(CHECK):
                faults[f"{address} {width} {'dark' if is_dark else 'light'}"] = found
    assert not faults and not page.faults, f"{faults} {page.faults}"

    said = page.locator("#r-preview-said")
    page.fill("#r-as", "ada@example.com")
    page.fill("#id_body", "<b>Dear {{ customer.first_name }}</b><script>x()</script>")
    page.wait_for_function("document.querySelector('#r-preview').srcdoc.includes('Dear Ada')")
    assert "Taken out: <script>" in said.inner_text()
    page.fill("#id_body", "{{ nobody }}")
    page.wait_for_function(
        "document.querySelector('#r-preview-said').innerText.includes('Unknown variable')"
    )
