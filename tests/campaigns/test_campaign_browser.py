"""A win-back flow in a real browser, from the recipe to its report, by two people."""

import os
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from campaigns.models import Campaign, Coupon, Journey, Message
from campaigns.services import delivery, planning, policy
from campaigns.services.flows import advancing, entering
from tests.makers import make_crowd, make_customer, make_segment, make_staff
from tests.rapport.test_pages_browser import CHECK, DRAWN, open_page, roles  # noqa: F401

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
SCREENS = [(1440, False), (390, True), (390, False)]  # pixels, dark
SHOTS = os.environ.get("RAPPORT_SHOTS")  # a folder to look at the pages in
PEOPLE = 12
WAIT_MS = 15_000


@pytest.fixture
def shop():
    """A dozen people who agreed to hear of us, in one segment; many enough to need an approval."""
    people = make_crowd(PEOPLE)
    rule = {"version": 1, "where": {"type": "everybody"}}
    segment = make_segment("quiet", people, rule=rule, members_count=PEOPLE)
    make_customer("ada")  # the newest, as whom previews are shown unasked
    policy.change(user=None, now=timezone.now(), approval_above=PEOPLE - 5)
    return segment


@pytest.fixture
def second_page(chromium, live_server):
    """The browser of the person who approves."""
    client = Client()
    client.force_login(make_staff("manager"))
    context = chromium.new_context(reduced_motion="reduce")
    cookie = {"name": "sessionid", "value": client.cookies["sessionid"].value}
    context.add_cookies([{**cookie, "url": live_server.url}])
    context.set_default_timeout(WAIT_MS)
    yield context.new_page()
    context.close()


def looked_at(page, name: str) -> list[str]:
    """What the check finds in every width and colour; with RAPPORT_SHOTS set, pictures too."""
    page.wait_for_function(DRAWN)
    faults = []
    for width, is_dark in SCREENS:
        page.set_viewport_size({"width": width, "height": 900})
        page.evaluate("on => document.documentElement.classList.toggle('dark', on)", is_dark)
        faults += [f"{name} {width} {is_dark}: {one}" for one in page.evaluate(CHECK)]
        if SHOTS:
            shade = "dark" if is_dark else "light"
            page.screenshot(path=Path(SHOTS) / f"{name}-{width}-{shade}.png", full_page=True)
    page.set_viewport_size({"width": 1440, "height": 900})
    return faults


def test_a_win_back_flow_from_the_recipe_to_its_report(open_page, second_page, shop):  # noqa: F811
    page = open_page(reverse("flows"))
    page.set_default_timeout(WAIT_MS)
    faults = looked_at(page, "flows")
    page.click("button[value=win_back]")
    page.wait_for_url("**/flows/*/")
    campaign = Campaign.objects.get()
    page.select_option("[name='entry.segment']", "quiet")
    page.check("[name='entry.present']")
    page.wait_for_function(
        "document.getElementById('s-preview').innerText.includes('Nothing is wrong with it')"
    )
    faults += looked_at(page, "flow")
    page.click("text=Save the flow")
    page.wait_for_selector("text=The flow is saved")

    # The words of the version with a code, as three people get them.
    page.click("#n3 button[name=go]")
    page.wait_for_url("**/steps/3/message/")
    for customer in shop.memberships.select_related("customer")[:3]:
        page.fill("#r-as", customer.customer.email)
        page.wait_for_function(
            "text => document.getElementById('r-preview-said').textContent.includes(text)",
            arg=f"As {customer.customer} would get it",
        )
        assert "YOUR-CODE" in page.get_attribute("#r-preview", "srcdoc") or "YOUR-CODE" in (
            page.text_content("#r-preview-text") or ""
        )
    faults += looked_at(page, "flow-message")
    page.click("text=Save what it says")
    page.wait_for_url("**/flows/*/#n3")

    # It needs a second person, who asked may not be.
    page.click("text=Go to launch")
    page.wait_for_selector("text=Had it run in the last 30 days")
    assert page.is_disabled("text=Start the flow")
    faults += looked_at(page, "launch")
    page.click("text=Ask for approval")
    page.click("text=Ask for approval")
    page.wait_for_selector("text=You asked, so somebody else decides")
    home = page.url.partition("/campaigns/")[0]
    second_page.goto(f"{home}{reverse('campaign_approval', args=[campaign.pk])}")
    second_page.click("text=Approve for")
    second_page.wait_for_selector("text=approved it as it is now")

    page.goto(f"{home}{reverse('campaign_launch', args=[campaign.pk])}")
    page.click("text=Start the flow")
    page.wait_for_url("**/campaigns/*/")
    run(campaign)
    page.reload()
    page.wait_for_selector(f"h2:has-text('{journeys()} people inside')")
    page.click("button[value=pause]")
    page.wait_for_selector("text=Paused: by a person")
    page.click("button[value=resume]")
    page.wait_for_selector("text=It runs until somebody ends it")
    run(campaign)
    page.reload()

    sent = Message.objects.filter(state="sent")
    assert 0 < sent.count() == journeys()
    codes = set(Coupon.objects.values_list("code", flat=True))
    assert len(codes) == sent.filter(step=3).count() == sent.exclude(coupon=None).count()
    report = page.inner_text("main")
    assert "What may be concluded" in report
    assert "1: Split" in report
    faults += looked_at(page, "running")
    for name in ("campaigns", "calendar"):
        page.goto(f"{home}{reverse(name)}")
        faults += looked_at(page, name)
    page.goto(f"{home}{reverse('flow', args=[campaign.pk])}")
    assert "waiting" in page.inner_text("#n5")
    assert not page.faults
    assert not faults, "\n".join(faults)


def run(campaign: Campaign) -> None:
    """What the workers do meanwhile."""
    now = timezone.now()
    planning.plan(campaign.pk, now=now)
    entering.sweep(now=now)
    advancing.advance(now=now)
    delivery.deliver(campaign.pk, now=timezone.now())


def journeys() -> int:
    return Journey.objects.filter(state="waiting").count()
