"""The block editor in a real browser: written by keyboard, seen as a customer, at every width."""

import os
from pathlib import Path

import pytest
from django.urls import reverse

from campaigns.models import Template
from tests.makers import make_cast, make_product
from tests.rapport.test_pages_browser import CHECK, SCREENS, open_page, roles

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
__all__ = ["open_page", "roles"]
SHOTS = os.environ.get("RAPPORT_SHOTS", "")


def test_a_message_is_written_in_blocks_by_keyboard_and_seen_as_a_customer(open_page):
    make_cast()
    make_product("mug")
    page = open_page(reverse("template_new"))
    blocks = page.locator("[data-blocks-list] > .b-list > ol > .b-block")
    frame = page.locator("[data-look-frame]")

    page.fill("#id_name", "Spring")
    page.fill("[data-look-as]", "ada@example.com")
    page.wait_for_function("document.querySelector('[data-look-frame]').srcdoc.includes('Ada')")
    assert blocks.count() == 4

    # Add, write, complete a value, move and undo, without the mouse.
    page.locator(".b-add > summary").focus()
    page.keyboard.press("Enter")
    page.locator(".b-kinds button", has_text="Text").focus()
    page.keyboard.press("Enter")
    page.locator(".b-rich").focus()
    page.keyboard.type("Dear {{ first")
    page.wait_for_selector("#b-offer li:has-text('have none'), #b-offer li:has-text('everybody')")
    page.keyboard.press("Enter")
    page.keyboard.type(", look")
    page.wait_for_function(
        "document.querySelector('[data-look-frame]').srcdoc.includes('Dear Ada, look')"
    )
    assert "Ada" in page.locator("[data-look-said]").inner_text()
    blocks.nth(3).locator("[data-up]").first.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    assert "Dear" in blocks.nth(1).locator(".b-summary").first.inner_text()
    page.keyboard.press("Control+z")
    assert "Dear" in blocks.nth(2).locator(".b-summary").first.inner_text()
    page.keyboard.press("Control+Shift+z")
    assert "Dear" in blocks.nth(1).locator(".b-summary").first.inner_text()
    page.get_by_label("Delete: Coupon").click()
    assert blocks.count() == 4

    faults = {}
    page.get_by_label("Dark mode").check()
    for width, is_dark in SCREENS:
        page.set_viewport_size({"width": width, "height": 900})
        page.evaluate("on => document.documentElement.classList.toggle('dark', on)", is_dark)
        if found := page.evaluate(CHECK):
            faults[f"{width} {'dark' if is_dark else 'light'}"] = found
        if SHOTS:
            name = f"editor-{width}-{'dark' if is_dark else 'light'}.png"
            page.screenshot(path=Path(SHOTS) / name, full_page=True)
    assert not faults and not page.faults, f"{faults} {page.faults}"
    page.get_by_label("Plain text").check()
    assert "Dear Ada, look" in page.locator("[data-look-text]").inner_text()
    assert frame.get_attribute("sandbox") == ""

    page.once("dialog", lambda dialog: dialog.accept("fr"))
    page.select_option("[data-language]", "+")
    page.get_by_role("button", name="Translate the blocks").click()
    blocks.nth(1).locator(".b-title").click()
    page.locator(".b-rich").fill("Bonjour")
    page.wait_for_function(
        "document.querySelector('[data-look-text]').textContent.includes('Bonjour')"
    )

    page.get_by_role("button", name="Save the template").click()
    page.wait_for_selector("text=The template is saved")
    template = Template.objects.get(name="Spring")
    assert "Bonjour" in template.translations["fr"]["blocks"]["blocks"][1]["html"]
    kept = template.blocks["blocks"]
    assert [one["kind"] for one in kept] == ["text", "text", "button", "text"]
    assert "{{ customer.first_name }}, look" in kept[1]["html"]
