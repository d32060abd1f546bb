"""Take the looks that a stopping rule of several looks allows.  The only writer of Look.

What a page shows in between is no look: nothing is concluded from it.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef

from campaigns.experiments import checks, sequential, stopping
from campaigns.experiments.analysis import Difference
from campaigns.experiments.stopping import Taken
from campaigns.models import Assignment, Campaign, Look, Variant
from campaigns.services import compared, variant_lifts
from campaigns.services.compared import Compared

log = logging.getLogger(__name__)

EVERY = timedelta(days=1)  # under the always-valid rule
KEPT_DAYS = 400  # a campaign is looked at no longer than this after its launch


@dataclass(frozen=True)
class Comparison:
    """Two arms that a rule is applied to."""

    variant_id: int | None  # beside the first of its step; None: treated beside holdout
    sizes: tuple[int, int]
    found: Difference
    alpha: float

    def information(self, *, goes_on: bool) -> float:
        """In a broadcast everybody is there and orders add up, so that the variance grows as
        information does; where people keep coming, it goes by how many there are.
        """
        one, two = self.sizes
        return 1 / (1 / one + 1 / two) if goes_on else self.found.error**2


def take_all(*, now: datetime) -> int:
    """Take the looks that are due at all running comparisons; return how many were taken.

    Safe in two schedulers at once: each campaign's row is locked meanwhile.
    """
    running = Campaign.objects.filter(
        stopping__in=compared.LOOKED_AT, launched_at__gte=now - timedelta(days=KEPT_DAYS)
    )
    drawn = Assignment.objects.filter(campaign=OuterRef("pk"))
    looks = 0
    for pk in running.filter(Exists(drawn)).order_by("pk").values_list("pk", flat=True):
        looks += len(take(pk, now=now))
    return looks


@transaction.atomic
def take(campaign_id: int, *, now: datetime) -> list[Look]:
    """Look at each comparison of a campaign whose look is due; return what was written.

    Too few buyers, or arms of the wrong sizes: no look is taken and no error spent.
    """
    campaign = (
        Campaign.objects.select_for_update(skip_locked=True, of=("self",))
        .filter(pk=campaign_id, stopping__in=compared.LOOKED_AT)
        .first()
    )
    if campaign is None:
        return []
    seen = compared.compared(campaign, now=now)
    if seen is None:
        return []
    looks = [
        _look(campaign, seen, comparison, now=now) for comparison in _comparisons(campaign, seen)
    ]
    return Look.objects.bulk_create([look for look in looks if look is not None])


def _comparisons(campaign: Campaign, seen: Compared) -> list[Comparison]:
    found = []
    main = seen.deciding(campaign.metric)
    if main is not None and not checks.findings(seen.arms):
        found.append(
            Comparison(None, (seen.arms.treated, seen.arms.holdout), main, sequential.ALPHA)
        )
    for step in variant_lifts.arms_of(campaign, seen):
        first = step.first
        if first is None:
            continue
        others = [arm for arm in step.arms if arm is not first and arm.variant_id is not None]
        for arm in others:
            lift = variant_lifts.lift(arm, first, campaign.metric, seen.measuring.is_adjusted)
            if lift is not None and variant_lifts.is_readable(arm, first):
                alpha = sequential.ALPHA / len(others)
                found.append(Comparison(arm.variant_id, (arm.n, first.n), lift, alpha))
    return found


def _look(
    campaign: Campaign, seen: Compared, comparison: Comparison, *, now: datetime
) -> Look | None:
    earlier = compared.looks_at(campaign, comparison.variant_id)
    taken = [compared.as_taken(look) for look in earlier]
    made = _due(campaign, seen, comparison, taken, earlier[-1].looked_at if earlier else None, now)
    if made is None:
        return None
    return Look(
        campaign=campaign,
        variant=Variant(pk=comparison.variant_id) if comparison.variant_id else None,
        looked_at=now,
        customers=sum(comparison.sizes),
        number=made.number,
        information=made.information,
        share=made.share,
        spent=made.spent,
        difference=made.difference,
        error=made.error,
        boundary=made.boundary,
    )


def _due(
    campaign: Campaign,
    seen: Compared,
    comparison: Comparison,
    taken: Sequence[Taken],
    last_at: datetime | None,
    now: datetime,
) -> Taken | None:
    timing, error = seen.timing, comparison.found.normal_error
    if not error > 0 or timing.share <= 0:
        return None
    information = comparison.information(goes_on=timing.goes_on)
    if campaign.stopping == Campaign.Stopping.SEQUENTIAL:
        number = stopping.due(timing.share, looks=seen.measuring.looks, taken=taken)
        if number is None or any(look.is_crossed for look in taken):
            return None
        return stopping.sequential_look(
            number=number,
            share=timing.share,
            information=information,
            difference=comparison.found.difference,
            error=error,
            taken=taken,
            spending=seen.measuring.spending,
            alpha=comparison.alpha,
        )
    closed = timing.period.end if not timing.goes_on else None
    final_due = closed is not None and now >= closed and (last_at is None or last_at < closed)
    over = closed is not None and now >= closed
    if not final_due and (over or (last_at is not None and now - last_at < EVERY)):
        return None
    return stopping.always_valid_look(
        information=information,
        share=timing.share,
        difference=comparison.found.difference,
        error=error,
        taken=taken,
        alpha=comparison.alpha,
    )
