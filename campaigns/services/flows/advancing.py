"""Take people from step to step.

A batch of due journeys is claimed, done and moved in one transaction: killed at any moment, it was
not begun.  Workers pass over what another holds.  Before a step does anything it is asked whether
the person is still to be inside.
"""

import logging
from datetime import datetime
from time import monotonic

from django.db import transaction
from django.db.models import Exists, OuterRef

from campaigns.flows.language import Flow
from campaigns.models import Campaign, FlowVersion, Journey
from campaigns.services import delivery
from campaigns.services.flows import definitions, leaving, ledger
from campaigns.services.flows.effects import EFFECTS, Work
from rapport.errors import Conflict, DomainError

BATCH = 500  # journeys of one transaction: about a tenth of a second
RUN_SECONDS = 20  # then the worker is free for something else

State, Exit = Journey.State, Journey.Exit
log = logging.getLogger(__name__)


def advance(*, now: datetime, seconds: float = RUN_SECONDS, most: int = BATCH) -> int:
    """Do what is due in all running flows; returns how many journeys moved.

    Safe in any number of workers.  A flow whose step cannot be done is paused with the reason,
    and the others go on.
    """
    until, moved = monotonic() + seconds, 0
    for campaign_id in _with_due(now=now):
        while monotonic() < until:
            n = advance_one(campaign_id, now=now, most=most)
            moved += n
            if n < most:
                break
    return moved


def advance_one(campaign_id: int, *, now: datetime, most: int = BATCH) -> int:
    """One batch of one flow; returns how many journeys it took up."""
    try:
        return _batch(campaign_id, now=now, most=most)
    except DomainError as error:
        log.warning("flow %s stops: %s", campaign_id, error)
        _pause(campaign_id, str(error), now=now)
    except Exception:
        log.exception("flow %s could not be advanced", campaign_id)
    return 0


@transaction.atomic
def _batch(campaign_id: int, *, now: datetime, most: int) -> int:
    campaign = Campaign.objects.filter(pk=campaign_id, state=Campaign.State.SENDING).first()
    if campaign is None:
        return 0
    due = Journey.objects.filter(campaign=campaign, state=State.WAITING, due_at__lte=now)
    held = due.select_for_update(skip_locked=True, of=("self",)).order_by("due_at", "pk")
    journeys = list(held[:most])
    if not journeys:
        return 0
    flows = _flows({one.version_id for one in journeys})
    work = Work(campaign, now, ledger.Log(now))
    gone = leaving.reasons(journeys, flows, now=now)
    for one in journeys:
        if one.pk in gone:
            work.leave(one, gone[one.pk])
    _walk(work, [one for one in journeys if one.pk not in gone], flows)
    work.log.write()
    ledger.revoke(campaign.pk, list(gone), now=now)
    return len(journeys)


def _walk(work: Work, journeys: list[Journey], flows: dict[int, Flow]) -> None:
    """Step by step until everybody waits or is out; no circle is without a wait."""
    while journeys:
        groups: dict[tuple[int, int], list[Journey]] = {}
        for one in journeys:
            groups.setdefault((one.version_id, one.step), []).append(one)
        for (version_id, number), mine in sorted(groups.items()):
            step = flows[version_id].step(number)
            if step is None:
                for one in mine:
                    work.leave(one, Exit.CHANGED)
            else:
                EFFECTS[type(step)](work, step, mine)
        journeys, work.moving = work.moving, []


def _flows(version_ids: set[int]) -> dict[int, Flow]:
    versions = FlowVersion.objects.filter(pk__in=version_ids)
    return {one.pk: definitions.read(one) for one in versions}


def _with_due(*, now: datetime) -> list[int]:
    due = Journey.objects.filter(campaign=OuterRef("pk"), state=State.WAITING, due_at__lte=now)
    running = Campaign.objects.filter(kind__in=definitions.KINDS, state=Campaign.State.SENDING)
    return list(running.filter(Exists(due)).order_by("priority", "pk").values_list("pk", flat=True))


def _pause(campaign_id: int, reason: str, *, now: datetime) -> None:
    campaign = Campaign.objects.get(pk=campaign_id)
    try:
        delivery.pause(
            campaign, user=None, now=now, reason=f"A step cannot be done: {reason}"[:300]
        )
    except Conflict:
        log.info("flow %s was stopped by somebody else", campaign_id)
