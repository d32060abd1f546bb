"""What marketing as a whole changed, for the home page."""

from datetime import datetime

from django.http import HttpRequest
from django.urls import reverse

from campaigns.services import lifts
from rapport.web import dashboard, words
from rapport.web.dashboard import Block, Link, Number

TITLES = {
    "more": "Marketing earned revenue",
    "fewer": "Marketing cost revenue",
}


def marketing(request: HttpRequest, *, now: datetime) -> Block | None:
    """The lift of the global holdout; nothing where no share is left alone altogether."""
    found: lifts.OverallLift = dashboard.remember(
        "lift:all", lambda: lifts.of_all_marketing(now=now)
    )
    if found.since is None:
        return None
    numbers = []
    for one in found.lifts:
        if one.metric in ("revenue", "margin") and one.adjusted:
            low, high = (
                words.money(each, found.currency) for each in (one.adjusted.low, one.adjusted.high)
            )
            numbers.append(
                Number(
                    f"{one.metric.capitalize()} a customer",
                    words.money(one.adjusted.difference, found.currency),
                    note=f"{low} to {high}, as of {words.clock(found.as_of)}",
                )
            )
    return Block(
        TITLES.get(found.verdict, "What marketing changed is open"),
        numbers=tuple(numbers),
        note=found.sentence,
        more=Link("Lift of all marketing", reverse("lift_all")),
    )
