"""Let people out of flows before their end: they ordered, did what ends the flow, were erased, or
the campaign was cancelled.

Every step asks again before it does anything (`reasons`); the looks here only make it soon, so
that what was planned is taken back before its hour.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import transaction

from campaigns.flows import steps as S
from campaigns.flows.language import Flow
from campaigns.models import Campaign, FlowVersion, Journey
from campaigns.services.flows import asking, definitions, ledger

State, Exit = Journey.State, Journey.Exit
AT_ONCE = 2_000


def reasons(
    journeys: Sequence[Journey], flows: dict[int, Flow], *, now: datetime
) -> dict[int, Journey.Exit]:
    """By journey why it is to end now; ``flows`` by the id of their version."""
    known = asking.zones({one.customer_id for one in journeys})
    found = {one.pk: Exit.ERASED for one in journeys if one.customer_id not in known}
    for version_id, flow in flows.items():
        if flow.exit_on is None:
            continue
        mine = [one for one in journeys if one.version_id == version_id and one.pk not in found]
        if flow.exit_on.order:
            ids = asking.ordered(mine, since="caused_at", now=now)
            found |= dict.fromkeys(ids, Exit.ORDERED)
        if flow.exit_on.event:
            did = asking.did(mine, flow.exit_on.event, (), since="caused_at", now=now)
            found |= {pk: Exit.EVENT for pk in did if pk not in found}
    return found


def look(campaign: Campaign, customer_ids: list[int] | None, *, now: datetime) -> int:
    """End or wake the journeys of these customers, or of all, where something they did says so."""
    flows = {
        version.pk: definitions.read(version)
        for version in FlowVersion.objects.filter(campaign=campaign)
    }
    ended = 0
    for journeys in _held(campaign, customer_ids):
        found = reasons(journeys, flows, now=now)
        for reason in sorted(set(found.values())):
            mine = [one for one in journeys if found.get(one.pk) == reason]
            ended += ledger.leave(mine, reason, now=now)
        _wake([one for one in journeys if one.pk not in found], flows, now=now)
    return ended


def sweep(*, now: datetime) -> int:
    """End the journeys of cancelled campaigns; returns how many."""
    ended = 0
    cancelled = Campaign.objects.filter(
        kind__in=definitions.KINDS,
        state=Campaign.State.CANCELLED,
        journeys__state=State.WAITING,
    ).distinct()
    for campaign in cancelled:
        ended += cancel(campaign, now=now)
    return ended


@transaction.atomic
def cancel(campaign: Campaign, *, now: datetime) -> int:
    """End every journey of a cancelled campaign."""
    return sum(
        ledger.leave(journeys, Exit.CANCELLED, now=now) for journeys in _held(campaign, None)
    )


def _held(campaign: Campaign, customer_ids: list[int] | None) -> Any:
    """The open journeys of these customers, locked, some at a time."""
    after = 0
    while True:
        found = Journey.objects.select_for_update(of=("self",)).filter(
            campaign=campaign, state=State.WAITING, pk__gt=after
        )
        if customer_ids is not None:
            found = found.filter(customer__in=customer_ids)
        journeys = list(found.order_by("pk")[:AT_ONCE])
        if journeys:
            yield journeys
        if len(journeys) < AT_ONCE:
            return
        after = journeys[-1].pk


def _wake(journeys: list[Journey], flows: dict[int, Flow], *, now: datetime) -> None:
    """Let those be looked at who did what their step waits for."""
    waiting = [one for one in journeys if one.step_at and (one.waits_for or one.waits_for_order)]
    heard: set[int] = set()
    for version_id, number in {(one.version_id, one.step) for one in waiting}:
        mine = [one for one in waiting if (one.version_id, one.step) == (version_id, number)]
        step = flows[version_id].step(number)
        if isinstance(step, S.WaitUntil):
            heard |= heard_of(step, mine, now=now)
    ledger.wake(heard, now=now)


def heard_of(step: S.WaitUntil, journeys: list[Journey], *, now: datetime) -> set[int]:
    """The journeys whose customers did what this step waits for, since it began to wait."""
    if step.order:
        return asking.ordered(journeys, since="step_at", now=now)
    return set(asking.did(journeys, step.event, step.where, since="step_at", now=now))
