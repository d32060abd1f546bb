"""What flows have done and where everybody is, for pages and the API.  Writes nothing.

For the pages: `steps_with_counts`, `totals`, `why` and `logs`.
"""

from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Count

from campaigns.experiments.assignment import is_holdout
from campaigns.flows import steps as S
from campaigns.flows import words
from campaigns.flows.language import Flow
from campaigns.models import Campaign, FlowVersion, Journey, JourneyStep
from campaigns.services.flows import definitions
from customers.models import Customer
from segments.models import Membership, MembershipChange

State = Journey.State


@dataclass(frozen=True)
class StepCount:
    """One step with how many people it has seen; people, not times."""

    number: int
    kind: str
    title: str
    sentence: str
    ways: tuple[int | None, ...]  # numbers of the next steps; None: the end
    waiting: int  # at it now
    done: int  # went on from it, left or ended there
    log: dict[str, int] = field(default_factory=dict)  # by what happened: `JourneyStep.What`
    skipped: dict[str, int] = field(default_factory=dict)  # sends without a message, by reason
    arms: dict[str, int] = field(default_factory=dict)  # of a split or branch, by arm
    is_gone: bool = False  # people are at it, and the newest version has it no more


@dataclass(frozen=True)
class Totals:
    """A flow in numbers of journeys."""

    entered: int  # without those left alone from the entry on
    inside: int
    done: int
    exited: dict[str, int]  # by reason
    left_alone: dict[str, int]  # by reason
    versions: dict[int, int]  # people inside, by number of version


@dataclass(frozen=True)
class Why:
    """Why somebody is, or is not, in a flow: sentences, the weightiest first."""

    is_inside: bool
    sentences: tuple[str, ...]
    journeys: tuple[dict[str, Any], ...] = ()


def steps_with_counts(campaign: Campaign) -> list[StepCount]:
    """Every step of the newest version with the people waiting at it and those it is done with.

    Steps that only an older version has follow where people are still at them.  Two queries,
    whatever the number of people.
    """
    version = definitions.current(campaign)
    if version is None:
        return []
    flow = definitions.read(version)
    waiting = _waiting(campaign)
    happened = _happened(campaign)
    known = {one.number for one in flow.steps}
    gone = [number for number in sorted(waiting) if number not in known]
    return [_counted(one.number, one, waiting, happened[one.number]) for one in flow.steps] + [
        _counted(number, None, waiting, happened[number]) for number in gone
    ]


def totals(campaign: Campaign) -> Totals:
    """How many came in, are inside, went to the end, left and were left alone."""
    found = (
        Journey.objects.filter(campaign=campaign)
        .values_list("state", "exit_reason", "version__number")
        .annotate(n=Count("id"))
    )
    by_state: Counter[str] = Counter()
    exited: Counter[str] = Counter()
    left_alone: Counter[str] = Counter()
    versions: Counter[int] = Counter()
    for state, reason, number, n in found:
        by_state[state] += n
        if state == State.EXITED:
            exited[reason] += n
        elif state == State.HOLDOUT:
            left_alone[reason] += n
        elif state == State.WAITING:
            versions[number] += n
    entered = sum(by_state.values()) - sum(left_alone.values())
    return Totals(
        entered + left_alone[Journey.Exit.SPLIT_HOLDOUT],
        by_state[State.WAITING],
        by_state[State.DONE],
        dict(exited),
        dict(left_alone),
        dict(versions),
    )


def versions(campaign: Campaign) -> list[FlowVersion]:
    """All versions, the newest first."""
    return list(FlowVersion.objects.filter(campaign=campaign).select_related("created_by"))


def logs(journey_ids: Collection[int]) -> list[dict[str, Any]]:
    """What happened on these journeys, in order."""
    found = JourneyStep.objects.filter(journey__in=journey_ids).order_by("id")
    return [
        dict(row) for row in found.values("journey_id", "step", "what", "detail", "happened_at")
    ]


def why(campaign: Campaign, customer_id: int, *, now: datetime) -> Why:
    """Why somebody is in this flow, was in it, or never was."""
    found = list(
        Journey.objects.filter(campaign=campaign, customer=customer_id)
        .select_related("version")
        .order_by("-number")
    )
    journeys = tuple(_as_row(one) for one in found)
    if found and found[0].state == State.WAITING:
        return Why(True, (_inside_words(found[0]),), journeys)
    said = [_over_words(found[0])] if found else []
    return Why(False, (*said, *_why_not(campaign, customer_id, found, now=now)), journeys)


def _why_not(
    campaign: Campaign, customer_id: int, found: list[Journey], *, now: datetime
) -> list[str]:
    customer = Customer.objects.filter(pk=customer_id).first()
    if customer is None or customer.erased_at is not None:
        return ["There is no such customer any more."]
    said = []
    if campaign.launched_at is None:
        said.append("The flow was not launched yet.")
    elif campaign.state not in (Campaign.State.SENDING, Campaign.State.PAUSED):
        said.append(f"The flow is {campaign.state}: nobody enters.")
    elif campaign.ends_at is not None and now >= campaign.ends_at:
        said.append(f"The flow takes nobody in since {campaign.ends_at:%Y-%m-%d %H:%M} UTC.")
    said += _outside_audience(campaign, customer_id)
    version = definitions.current(campaign)
    if version is None:
        return [*said, "The flow has no steps yet."]
    flow = definitions.read(version)
    if found and flow.reentry.after_days is None:
        said.append("Nobody enters this flow twice.")
    elif found and flow.reentry.after_days:
        said.append(f"Who was in may come again after {flow.reentry.after_days:g} days.")
    if not found:
        said += _not_set_off(campaign, flow, customer_id)
    if is_holdout(campaign.salt, customer_id, holdout_share=campaign.holdout_share):
        said.append("Chance draws this person to be left alone, to measure.")
    return said


def _outside_audience(campaign: Campaign, customer_id: int) -> list[str]:
    inside = set(
        Membership.objects.filter(customer=customer_id).values_list("segment_id", flat=True)
    )
    said = []
    included = list(campaign.included.all())
    if included and not inside & {one.pk for one in included}:
        names = ", ".join(one.name for one in included)
        said.append(f"Not in the audience: {names}.")
    said += [f"Excluded by {one.name}." for one in campaign.excluded.all() if one.pk in inside]
    return said


def _not_set_off(campaign: Campaign, flow: Flow, customer_id: int) -> list[str]:
    """Whether the trigger's segment was entered, and when, beside the launch."""
    trigger = flow.trigger
    if trigger.on == S.EVENT:
        return [f"Has not done “{trigger.event}” since the launch."]
    kind = "entered" if trigger.on == S.ENTERED else "exited"
    verb = "entered" if kind == "entered" else "left"
    last = (
        MembershipChange.objects.filter(
            segment__key=trigger.segment, customer=customer_id, kind=kind
        )
        .order_by("-happened_at")
        .first()
    )
    if last is None:
        return [f"Never {verb} the segment “{trigger.segment}”."]
    when = f"{last.happened_at:%Y-%m-%d %H:%M} UTC"
    if campaign.launched_at is None or last.happened_at < campaign.launched_at:
        return [f"Last {verb} the segment “{trigger.segment}” at {when}, before the launch."]
    return [f"Last {verb} the segment “{trigger.segment}” at {when}."]


def _inside_words(journey: Journey) -> str:
    until = f"{journey.due_at:%Y-%m-%d %H:%M} UTC" if journey.due_at else "now"
    step = definitions.read(journey.version).step(journey.step)
    at = f"“{words.TITLES[step.kind]}: {words.step(step)}”" if step else "a step that is gone"
    return f"Inside since {journey.entered_at:%Y-%m-%d %H:%M} UTC, at {at}; it goes on at {until}."


def _over_words(journey: Journey) -> str:
    when = f"{journey.exited_at:%Y-%m-%d %H:%M} UTC"
    return f"Was in; over at {when}: {journey.get_exit_reason_display()}."


def _as_row(journey: Journey) -> dict[str, Any]:
    names = ("id", "number", "state", "step", "cause", "entered_at", "due_at", "exited_at",
             "exit_reason")  # fmt: skip
    return {name: getattr(journey, name) for name in names}


def _waiting(campaign: Campaign) -> dict[int, int]:
    found = Journey.objects.filter(campaign=campaign, state=State.WAITING).order_by()
    return dict(found.values_list("step").annotate(n=Count("id")))


def _happened(campaign: Campaign) -> dict[int, list[tuple[str, str, int]]]:
    """By step: what happened, its detail where that is a word of a few, and to how many."""
    found = (
        JourneyStep.objects.filter(journey__campaign=campaign)
        .exclude(what__in=(JourneyStep.What.WAITED, JourneyStep.What.ENTERED))
        .order_by()
        .values_list("step", "what", "detail")
        .annotate(n=Count("journey", distinct=True))
    )
    by_step: dict[int, list[tuple[str, str, int]]] = defaultdict(list)
    for step, what, detail, n in found:
        by_step[step].append((what, detail, n))
    return by_step


GOES_ON = {
    "went_on", "heard", "timed_out", "planned", "skipped", "passed", "branched", "split",
    "offered", "told", "trait", "left", "left_alone",
}  # fmt: skip


def _counted(
    number: int,
    step: S.Step | None,
    waiting: dict[int, int],
    happened: list[tuple[str, str, int]],
) -> StepCount:
    by_what: Counter[str] = Counter()
    skipped: Counter[str] = Counter()
    arms: Counter[str] = Counter()
    for what, detail, n in happened:
        by_what[what] += n
        if what == "skipped":
            skipped[detail] += n
        elif what in ("split", "branched"):
            arms[detail] += n
    return StepCount(
        number=number,
        kind=step.kind if step else "",
        title=words.TITLES[step.kind] if step else f"Step {number}",
        sentence=words.step(step) if step else "Not in the flow any more",
        ways=step.ways if step else (),
        waiting=waiting.get(number, 0),
        done=sum(n for what, n in by_what.items() if what in GOES_ON),
        log=dict(by_what),
        skipped=dict(skipped),
        arms=dict(arms),
        is_gone=step is None,
    )
