"""Change a flow that runs, and say beforehand what becomes of the people inside.

For the editor's page: `consequences` to show, then `change` to do it.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Count

from campaigns.flows import words
from campaigns.flows.language import Flow
from campaigns.models import Campaign, FlowVersion, Journey
from campaigns.services.flows import definitions, ledger
from rapport.access import audit
from rapport.errors import Conflict, DomainError

STAY, MOVE = "stay_on_version", "move"
RUNNING = (Campaign.State.SENDING, Campaign.State.PAUSED)
AT_ONCE = 1_000


class ChangeRefused(DomainError):
    """A way of treating the people inside that there is not."""

    code = "change_refused"


@dataclass(frozen=True)
class Consequences:
    """What a change would do, counted now; people may move meanwhile."""

    inside: int
    stay: int  # go on by the version they are in
    move: int  # go on by the new one, at the step of the same number
    restart_step: int  # of these, at a step that is of another kind now: they begin it anew
    leave: int  # their step is not in the new version: they leave
    leave_by_step: dict[int, int] = field(default_factory=dict)
    sentences: tuple[str, ...] = ()


def consequences(campaign: Campaign, definition: Any, *, people_inside: str = STAY) -> Consequences:
    """What `change` would do to how many people; `definitions.FlowRefused` names every fault."""
    return _consequences(campaign, definitions.check(definition), people_inside)


@transaction.atomic
def change(
    campaign: Campaign,
    definition: Any,
    *,
    user: Any,
    now: datetime,
    people_inside: str = STAY,
    note: str = "",
) -> Consequences:
    """Let people in by a new version from now on; those inside stay on theirs, or move.

    Who moves and stands at a step that is not there any more leaves, and what was planned is taken
    back.  All in one transaction: a worker on a batch is waited for, and then sees the change.
    """
    flow = definitions.check(definition)
    held = Campaign.objects.select_for_update(no_key=True).get(pk=campaign.pk)
    if held.kind != Campaign.Kind.FLOW or held.state not in RUNNING:
        raise Conflict(f"The campaign {held} is {held.state}: only a running flow is changed so.")
    found = _consequences(held, flow, people_inside)
    before = definitions.current(held)
    number = before.number + 1 if before else 1
    version = definitions.write(held, flow, user=user, now=now, number=number, note=note)
    campaign.trigger = held.trigger
    if people_inside == MOVE:
        _move(held, version, flow, now=now)
    audit(
        user,
        "flow.changed",
        f"campaign {held.pk}",
        version=number,
        people_inside=people_inside,
        moved=found.move,
        left=found.leave,
    )
    return found


def _consequences(campaign: Campaign, flow: Flow, people_inside: str) -> Consequences:
    if people_inside not in (STAY, MOVE):
        raise ChangeRefused(f"People inside can {STAY} or {MOVE}, found {people_inside}.")
    inside = Journey.objects.filter(campaign=campaign, state=Journey.State.WAITING).order_by()
    counts = list(inside.values_list("version", "step").annotate(n=Count("id")))
    total = sum(n for _version, _step, n in counts)
    if people_inside == STAY:
        said = [f"{total} people inside go on by the version they entered."] if total else []
        return Consequences(total, total, 0, 0, 0, sentences=tuple(said))
    flows = _flows(campaign)
    leave: dict[int, int] = {}
    restart = 0
    for version_id, number, n in counts:
        new = flow.step(number)
        if new is None:
            leave[number] = leave.get(number, 0) + n
        elif new.kind != getattr(flows[version_id].step(number), "kind", None):
            restart += n
    leaving = sum(leave.values())
    return Consequences(
        total,
        0,
        total - leaving,
        restart,
        leaving,
        leave,
        _sentences(total - leaving, restart, leave, campaign),
    )


def _sentences(
    move: int, restart: int, leave: dict[int, int], campaign: Campaign
) -> tuple[str, ...]:
    version = definitions.current(campaign)
    old = definitions.read(version) if version else None
    said = [f"{move} people inside go on by the new version, each at the step they are at."]
    if restart:
        said.append(f"{restart} of them begin their step anew, for it is of another kind now.")
    for number, n in sorted(leave.items()):
        step = old.step(number) if old else None
        name = f" ({words.TITLES[step.kind]}: {words.step(step)})" if step else ""
        said.append(f"{n} people leave: step {number}{name} is not in the new version.")
    return tuple(said)


def _move(campaign: Campaign, version: FlowVersion, flow: Flow, *, now: datetime) -> None:
    flows, after = _flows(campaign), 0
    while True:
        found = Journey.objects.select_for_update(of=("self",)).filter(
            campaign=campaign, state=Journey.State.WAITING, pk__gt=after
        )
        journeys = list(found.order_by("pk")[:AT_ONCE])
        if not journeys:
            return
        after = journeys[-1].pk
        gone = [one for one in journeys if flow.step(one.step) is None]
        ledger.leave(gone, Journey.Exit.CHANGED, now=now)
        log = ledger.Log(now)
        for one in journeys:
            new = flow.step(one.step)
            if new is None:
                continue
            if new != flows[one.version_id].step(one.step):
                one.due_at = now  # a changed wait counts from when it began
                one.waits_for = getattr(new, "event", "") if one.step_at else ""
                one.waits_for_order = bool(getattr(new, "order", False) and one.step_at)
            if new.kind != getattr(flows[one.version_id].step(one.step), "kind", None):
                one.step_at, one.waits_for, one.waits_for_order = None, "", False
            one.version = version
            log.say(one, ledger.What.MOVED, version.number)
        log.write()


def _flows(campaign: Campaign) -> dict[int, Flow]:
    rows = FlowVersion.objects.filter(campaign=campaign)
    return {row.pk: definitions.read(row) for row in rows}
