"""Shift what goes on towards the variants that work: Thompson sampling, a mode without a test.

Changes weights of variants alone, from one look to the next; who was drawn stays where chance put
them.
"""

import logging
from datetime import datetime

from django.db import transaction

from campaigns.experiments import checks, thompson
from campaigns.models import Campaign, Variant
from campaigns.services import compared, variant_lifts
from campaigns.services.variant_lifts import StepArms
from rapport.access import audit

log = logging.getLogger(__name__)

CHANGE_LEAST = 0.01  # of a share: less is left as it is


def shift_all(*, now: datetime) -> int:
    """Shift all that runs in this mode; return how many campaigns got new shares."""
    running = Campaign.objects.filter(
        stopping=Campaign.Stopping.THOMPSON,
        state=Campaign.State.SENDING,
        kind__in=compared.GOES_ON,
    )
    return sum(
        bool(shift(pk, now=now)) for pk in running.order_by("pk").values_list("pk", flat=True)
    )


@transaction.atomic
def shift(campaign_id: int, *, now: datetime) -> dict[str, float]:
    """Give each variant the share that is its chance to be the best; return the new shares.

    Only people whose window has closed teach anything, for the quickest to buy are not all who
    buy.  A broadcast draws everybody at once and cannot be shifted.  Safe to repeat.
    """
    campaign = (
        Campaign.objects.select_for_update(skip_locked=True, of=("self",))
        .filter(
            pk=campaign_id,
            stopping=Campaign.Stopping.THOMPSON,
            state=Campaign.State.SENDING,
            kind__in=compared.GOES_ON,
        )
        .first()
    )
    seen = compared.compared(campaign, now=now) if campaign else None
    if campaign is None or seen is None:
        return {}
    changed: dict[str, float] = {}
    for step in variant_lifts.arms_of(campaign, seen):
        changed |= _shift(campaign, step, now=now)
    if changed:
        audit(None, "campaign.shares", f"campaign {campaign.pk}", **changed)
    return changed


def _shift(campaign: Campaign, step: StepArms, *, now: datetime) -> dict[str, float]:
    live = tuple(one for one in step.variants if one.weight > 0)
    drawn = StepArms(step.step, live, step.arms)
    if len(live) < 2 or any(
        (arm := drawn.arm(one.pk)) is None or arm.n < checks.CUSTOMERS_LEAST for one in live
    ):
        return {}
    shares = thompson.shares(variant_lifts.chances_of(campaign, drawn))
    total = sum(one.weight for one in live)
    if all(
        abs(share - one.weight / total) < CHANGE_LEAST
        for one, share in zip(live, shares, strict=True)
    ):
        return {}
    for one, share in zip(live, shares, strict=True):
        Variant.objects.filter(pk=one.pk, weight__gt=0).update(weight=share, changed_at=now)
    return {f"{step.step} {one.name}": share for one, share in zip(live, shares, strict=True)}
