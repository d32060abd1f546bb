"""Sending rules, a dry run and an approval in a real browser, at every width and colour."""

import pytest
from django.urls import reverse

from campaigns.services import approving, policy
from customers.models import Customer
from tests.makers import NOW, make_campaign, make_crowd, make_segment, make_staff
from tests.rapport.test_pages_browser import CHECK, SCREENS, open_page, roles

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
__all__ = ["open_page", "roles"]


def test_the_pages_hold_at_every_width(open_page):
    policy.change(
        user=None, now=NOW, approval_above=20, costs={"email": "0.001"},
        caps=[{"channel": "", "most": 3, "days": 7}, {"channel": "sms", "most": 1, "days": 30}],
    )  # fmt: skip
    crowd = make_crowd(40)
    for place, zone in enumerate(("Pacific/Kiritimati", "America/New_York")):
        ids = [one.pk for one in crowd[place * 10 : place * 10 + 10]]
        Customer.objects.filter(pk__in=ids).update(time_zone=zone)
    campaign = make_campaign(
        make_segment(members=crowd, members_count=40), name="Spring is here for everybody",
        holdout_share=0.2, timing="local_hour", local_hour=9, pilot_share=0.7,
    )  # fmt: skip
    approving.ask(campaign, user=make_staff("marketer"), now=NOW)

    faults = {}
    for address in (
        reverse("sending_rules"),
        reverse("campaign_dry_run", args=[campaign.pk]) + "?reason=holdout",
        reverse("campaign_approval", args=[campaign.pk]),
    ):
        page = open_page(address)
        for width, is_dark in SCREENS:
            page.set_viewport_size({"width": width, "height": 900})
            page.evaluate("on => document.documentElement.classList.toggle('dark', on)", is_dark)
            if found := page.evaluate(CHECK):
                faults[f"{address} {width} {'dark' if is_dark else 'light'}"] = found
    assert not faults and not page.faults, f"{faults} {page.faults}"

    page.fill("#note", "Good words.")
    page.click("text=Approve for 40 people")
    page.wait_for_selector("text=approved it as it is now")
