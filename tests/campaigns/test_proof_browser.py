"""The pages of lift, report and measuring in a real browser: every width and colour."""

import os
from datetime import timedelta

import pytest
from django.urls import reverse

from campaigns.models import Message, SendingPolicy, Variant
from campaigns.services import planning
from segments.models import MembershipChange
from tests.campaigns.test_reports import arm, buy
from tests.makers import NOW, ago, make_campaign, make_crowd, make_segment
from tests.rapport.test_pages_browser import CHECK, SCREENS, open_page, roles

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
__all__ = ["open_page", "roles"]
SHOTS = os.environ.get("RAPPORT_SHOTS", "")  # a folder, to look at the pages


def test_lift_report_and_measuring_hold_at_every_width(open_page):
    crowd = make_crowd(700)
    segment = make_segment("Keen on mugs", crowd)
    MembershipChange.objects.bulk_create(
        MembershipChange(
            segment=segment, customer=one, kind="entered", cause="import", happened_at=ago(5),
            rule_version=1,
        )
        for one in crowd
    )  # fmt: skip
    campaign = make_campaign(segment, holdout_share=0.3, name="A reason to come back in spring")
    for name in "AB":
        Variant.objects.create(campaign=campaign, name=name, created_at=NOW, changed_at=NOW)
    planning.launch(campaign, user=None, now=NOW)
    planning.plan(campaign.pk, now=NOW)
    Message.objects.filter(campaign=campaign, state="planned").update(state="sent", sent_at=NOW)
    buy([one.pk for one in crowd[::5]], days=-20)
    buy(arm(campaign, "treated")[::3], totals=30)
    buy(arm(campaign, "holdout")[::8], totals=30)
    draft = make_campaign(segment, holdout_share=0.3, name="Summer")
    SendingPolicy.objects.create(
        pk=1, holdout_share=0.1, holdout_salt="g", holdout_since=NOW - timedelta(hours=1),
        changed_at=NOW,
    )  # fmt: skip

    faults = {}
    for address in (
        reverse("campaign", args=[campaign.pk]),
        reverse("lift"),
        reverse("lift_flows"),
        reverse("lift_segments"),
        reverse("lift_all"),
        reverse("campaign_measuring", args=[draft.pk]),
    ):
        page = open_page(address)
        assert page.locator("h1").count() == 1
        for width, is_dark in SCREENS:
            page.set_viewport_size({"width": width, "height": 900})
            page.evaluate("on => document.documentElement.classList.toggle('dark', on)", is_dark)
            if found := page.evaluate(CHECK):
                faults[f"{address} {width} {'dark' if is_dark else 'light'}"] = found
            if SHOTS and not is_dark:
                name = address.strip("/").replace("/", "-")
                page.screenshot(path=f"{SHOTS}/{name}-{width}.png", full_page=True)
    assert not faults and not page.faults, f"{faults} {page.faults}"

    page.fill("#id_looks", "3")
    page.get_by_role("button", name="Settle it").click()
    page.wait_for_selector("text=Settled how this campaign will be judged")
    draft.refresh_from_db()
    assert draft.measuring.looks == 3
