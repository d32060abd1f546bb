"""The builder in a real browser: the story of a segment, the keyboard, both widths and colours."""

import os
from datetime import timedelta
from pathlib import Path

import pytest
from django.urls import reverse
from django.utils import timezone

from segments.models import Segment
from segments.services import membership, segments, suggest
from tests.makers import make_customer, make_order, make_product
from tests.rapport.test_pages_browser import CHECK, SCREENS, open_page, roles  # noqa: F401

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
BOUGHT = {"type": "orders", "measure": "revenue", "op": "between", "value": [10, 500],
          "filter": {"product": ["mug"], "status": ["paid", "refunded"]}}  # fmt: skip
SEQUENCE = {"type": "sequence", "names": ["Product Added"], "window_days": 7,
            "unless": ["Order Completed"], "unless_order": True}  # fmt: skip
BRACKETS = {"type": "and", "of": [
    {"type": "not", "of": {"type": "rfm", "groups": ["champions", "at_risk"]}},
    {"type": "or", "of": [
        {"type": "field", "field": "birth_date", "op": "anniversary_in_next_days", "value": 7},
        {"type": "field", "field": "traits.tier", "op": "in", "value": ["gold", "silver"]},
    ]},
]}  # fmt: skip
SHOTS = os.environ.get("RAPPORT_SHOTS")  # a folder to look at the pages in


@pytest.fixture
def shop():
    """Five who spent enough lately, of whom one is in Spain, one bought yesterday, one gardens."""
    now = timezone.now()
    mug, spade = make_product("mug"), make_product("spade", category="Garden", name="Spade")
    people = {}
    for name, country in (("ada", "FR"), ("bea", "BE"), ("cid", "ES"), ("dan", "FR"), ("eva", "BE"),
                          ("gus", "FR")):  # fmt: skip
        one = people[name] = make_customer(name, country=country)
        spent = 20 if name == "gus" else 250
        make_order(one, spent, product=mug, happened_at=now - timedelta(days=60))
    make_order(people["dan"], 30, product=mug, happened_at=now - timedelta(days=2))
    make_order(people["eva"], 40, product=spade, happened_at=now - timedelta(days=200))
    suggest.refresh()
    return people


def counted(page, text: str) -> None:
    page.wait_for_function(
        "text => document.getElementById('s-count')?.textContent.trim() === text"
        " && !document.getElementById('s-preview').classList.contains('s-busy')",
        arg=text,
    )


def looked_at(page, name: str) -> list[str]:
    """What the check finds in every width and colour; with RAPPORT_SHOTS set, pictures too."""
    faults = []
    for width, is_dark in SCREENS:
        page.set_viewport_size({"width": width, "height": 900})
        page.evaluate("on => document.documentElement.classList.toggle('dark', on)", is_dark)
        faults += [f"{name} {width} {is_dark}: {one}" for one in page.evaluate(CHECK)]
        if SHOTS:
            shot = Path(SHOTS) / f"{name}-{width}-{'dark' if is_dark else 'light'}.png"
            page.screenshot(path=shot, full_page=True)
    page.set_viewport_size({"width": 1440, "height": 900})
    page.evaluate("document.documentElement.classList.remove('dark')")
    return faults


def test_a_person_builds_a_segment_and_sees_its_members(open_page, shop):  # noqa: F811
    """Spent over 200 in 90 days, not in the last 30, in France or Belgium, never from Garden."""
    page = open_page(reverse("segment_new"))
    counted(page, "5 customers")  # who spent over 200 in 90 days stands there already

    page.fill("#id_name", "Win back France and Belgium")
    page.click("text=Add a condition")
    page.select_option("#n3 select", "orders.bought")
    page.select_option("#n3 [name='n3.op']", "no")
    page.fill("#n3 [name='n3.days']", "30")
    counted(page, "4 customers")

    page.click("text=Add a condition")
    page.select_option("#n4 select", "field.country")
    page.select_option("[name='n4.op']", "in")
    for typed, country in (("fra", "France (FR)"), ("be", "Belgium (BE)")):
        page.locator("input[name='n4.value'][type=text]").press_sequentially(typed)
        only = f"#n4-value-options:not([hidden]) li:only-child >> text={country[-3:-1]}"
        page.wait_for_selector(only)
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        page.wait_for_selector(f"#n4 .s-chip >> text={country}")
    counted(page, "3 customers")

    page.click("text=Add a condition")
    page.select_option("#n5 select", "orders.bought")
    page.select_option("[name='n5.op']", "no")
    page.click("#n5 >> text=Only orders …")
    page.select_option("[name='n5.w0.key']", "category")
    page.locator("input[name='n5.w0.value']").press_sequentially("gar")
    page.click("#n5-w0-value-options li >> text=Garden")
    page.wait_for_selector("#n5 .s-chip >> text=Garden")
    counted(page, "2 customers")

    assert not looked_at(page, "builder")
    assert "of category Garden" in page.inner_text("#s-sentence")
    page.click("text=Create the segment")
    page.wait_for_url("**/segments/*/")
    made = Segment.objects.get(name="Win back France and Belgium")
    membership.refresh_segment(made, cause="edit", now=timezone.now())
    page = open_page(reverse("segment", args=[made.pk]))

    names = page.locator("section[aria-labelledby=s-members] td:first-child").all_inner_texts()
    assert {name.strip() for name in names} == {"Ada", "Bea"}
    assert not looked_at(page, "segment")
    assert not page.faults


@pytest.mark.long
def test_the_keyboard_builds_moves_and_takes_back(open_page, shop):  # noqa: F811
    page = open_page(reverse("segment_new"))
    focused = "document.activeElement.id || document.activeElement.name"

    def waits(wanted: str) -> None:
        page.wait_for_function(f"({focused}) === '{wanted}'")

    page.focus("button[value='add n1']")
    page.keyboard.press("Enter")
    waits("s-n3-subject")
    page.keyboard.type("country")
    waits("s-n3-subject")
    page.wait_for_selector("[name='n3.op']")
    page.focus("#s-n3-handle")
    page.keyboard.press("ArrowUp")
    page.wait_for_selector("#s-tree li:first-child > #n3")
    waits("s-n3-handle")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("fieldset fieldset #n3")
    waits("s-n3-handle")
    page.keyboard.press("ArrowLeft")
    page.wait_for_selector("#n1 > .s-parts > li > #n3")
    page.keyboard.press("Delete")
    page.wait_for_selector("#n3", state="detached")
    waits("s-n2-subject")
    page.keyboard.press("Control+z")
    page.wait_for_selector("#n3")
    page.keyboard.press("Control+z")
    page.wait_for_selector("fieldset fieldset #n3")
    page.keyboard.press("Control+Shift+z")
    page.wait_for_selector("#n1 > .s-parts > li > #n3")

    assert not page.faults


def test_long_rules_reasons_and_comparisons_hold_in_every_width_and_colour(open_page, shop):  # noqa: F811
    now = timezone.now()
    made = [
        segments.create(name=f"Number {at}", rule=rule, user=None, now=now)
        for at, rule in enumerate(
            (
                {"version": 1, "where": {"type": "or", "of": [BOUGHT, SEQUENCE, BRACKETS]}},
                {"version": 1, "where": BRACKETS},
            )
        )
    ]
    pages = {
        "edit": reverse("segment_edit", args=[made[0].pk]),
        "why": f"{reverse('customer_why', args=[shop['ada'].pk])}?segment={made[0].pk}",
        "compare": f"{reverse('segment_compare')}?a={made[0].pk}&b={made[1].pk}",
    }
    faults = []
    for name, address in pages.items():
        page = open_page(address)
        if name == "edit":
            page.wait_for_selector(".s-passes:not(:empty)")
        faults += looked_at(page, name)

    assert not faults and not page.faults
