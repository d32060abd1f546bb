"""Write to a share first, look at what came of it, then to the rest with one word.

A share is drawn by a hash, apart from the arms, so the pilot has each arm in its own proportion.
Only it is planned at first.  `scale` has the others planned: everybody of the audience as it is
then who has no message of the campaign yet, so nobody is written to twice.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from campaigns.models import Assignment, Campaign
from campaigns.services import approving, planning, readiness
from rapport.access import audit
from rapport.errors import Conflict

State = Campaign.State
BEFORE = (State.SENDING, State.FINISHED)  # of a pilot that may be followed by the rest


@dataclass(frozen=True)
class PilotReport:
    """How far a campaign with a pilot is."""

    share: float
    people: int  # drawn into the pilot, in both arms
    rest: int  # members of the audience who were not in it and have no message yet
    scaled_at: datetime | None


def report(campaign: Campaign) -> PilotReport | None:
    """None for a campaign without a pilot; a pilot's people are those assigned before the rest."""
    if campaign.pilot_share is None:
        return None
    assigned = Assignment.objects.filter(campaign=campaign)
    if campaign.scaled_at:
        people = assigned.filter(assigned_at__lt=campaign.scaled_at).count()
        return PilotReport(campaign.pilot_share, people, 0, campaign.scaled_at)
    people = assigned.count()
    rest = max(0, approving.size(campaign) - people)
    return PilotReport(campaign.pilot_share, people, rest, None)


def may_scale(campaign: Campaign) -> bool:
    has_waiting = campaign.pilot_share is not None and campaign.scaled_at is None
    return has_waiting and campaign.state in BEFORE


@transaction.atomic
def scale(campaign: Campaign, *, user: Any, now: datetime) -> Campaign:
    """Have the rest planned, once: of two who ask at once one is refused.

    What keeps a campaign from being launched keeps the rest from being written to.
    """
    if campaign.pilot_share is None:
        raise Conflict(f"The campaign {campaign} has no pilot: it went to everybody.")
    faults = readiness.faults(campaign)
    if faults:
        raise planning.LaunchRefused(faults)
    moved = Campaign.objects.filter(
        pk=campaign.pk, pilot_share__isnull=False, scaled_at=None, state__in=BEFORE
    ).update(scaled_at=now, state=State.PLANNING, finished_at=None, changed_at=now, state_reason="")
    campaign.refresh_from_db()
    if not moved:
        if campaign.scaled_at:
            raise Conflict(
                f"The rest of {campaign} was added at {campaign.scaled_at:%Y-%m-%d %H:%M} UTC."
            )
        raise Conflict(
            f"The campaign {campaign} is {campaign.state}, expected {' or '.join(BEFORE)}."
        )
    audit(user, "campaign.scaled", f"campaign {campaign.pk}", pilot_share=campaign.pilot_share)
    planning.call(campaign.pk)
    return campaign
