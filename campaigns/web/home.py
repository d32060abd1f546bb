"""What campaigns tells the home page: what waits, what is leaving, what the last ones changed."""

from datetime import datetime

from django.http import HttpRequest
from django.urls import reverse

from campaigns.models import Approval, Campaign
from campaigns.services import approving, reports
from rapport.web import dashboard, words
from rapport.web.dashboard import Block, Decision, Empty, Link

SHOWN = 4
PAUSED = 10
APPROVALS_SHOWN = 10
State = Campaign.State


def campaigns(request: HttpRequest, *, now: datetime) -> Block:
    found = list(Campaign.objects.order_by("-pk")[:SHOWN])
    if not found:
        return Block(
            "No campaign yet",
            empty=Empty(
                "A campaign takes a segment, a message and a few people left alone to measure it.",
                Link("Write a campaign", reverse("campaign_new")),
            ),
        )
    told = dashboard.remember("campaigns", lambda: [_row(one, now) for one in found])
    return Block(
        "What the last campaigns changed",
        columns=("Campaign", "State", "What may be concluded"),
        rows=[
            (Link(str(one), reverse("campaign", args=[one.pk])), *said)
            for one, said in zip(found, told, strict=False)
        ],
        note=f"as of {words.clock(now)}",
        more=Link("All campaigns", reverse("campaigns")),
        decisions=tuple(_decisions(found)),
        is_wide=True,
    )


def approvals(request: HttpRequest, *, now: datetime) -> Block | None:
    """Campaigns that wait for somebody else's word; one's own questions are not among them."""
    rows = [
        one for one in approving.waiting()[:APPROVALS_SHOWN] if one.asked_by_id != request.user.pk
    ]
    if not rows:
        return None

    def link(one: Approval, text: str) -> Link:
        return Link(text, reverse("campaign_approval", args=[one.campaign_id]))

    waits = "campaign waits" if len(rows) == 1 else "campaigns wait"
    return Block(
        f"{len(rows)} {waits} for approval",
        columns=("Campaign", "People", "Asked by"),
        rows=[
            (link(one, str(one.campaign)), words.number(one.audience), str(one.asked_by or "–"))
            for one in rows
        ],
        decisions=tuple(
            Decision(
                f"{one.campaign} may reach {words.plural(one.audience, 'person', 'people')}",
                link(one, "Approve or refuse"),
            )
            for one in rows
        ),
        note=f"as of {words.clock(now)}",
    )


def _row(campaign: Campaign, now: datetime) -> tuple[str, str]:
    state = str(campaign.get_state_display())
    if campaign.state in (State.DRAFT, State.SCHEDULED):
        return state, "not sent yet"
    return state, reports.concluded(campaign, now=now).sentence


def _decisions(found: list[Campaign]) -> list[Decision]:
    """Every campaign that stands still, however old it is, and the latest drafts."""
    waiting = []
    for campaign in Campaign.objects.filter(state=State.PAUSED).order_by("-changed_at")[:PAUSED]:
        link = reverse("campaign", args=[campaign.pk])
        why = campaign.state_reason or "by a person"
        waiting.append(Decision(f"{campaign} is paused: {why}", Link("Look at it", link)))
    for campaign in found:
        if campaign.state == State.DRAFT:
            launch = reverse("campaign_launch", args=[campaign.pk])
            waiting.append(Decision(f"{campaign} is a draft", Link("Go to launch", launch)))
    return waiting
