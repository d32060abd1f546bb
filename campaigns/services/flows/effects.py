"""What each kind of step does to the journeys that stand at it, all of them at once."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.conf import settings

from campaigns.flows import clock, drawing
from campaigns.flows import steps as S
from campaigns.models import Campaign, Journey, JourneyStep, Variant
from campaigns.services import planning
from campaigns.services.flows import asking, leaving
from campaigns.services.flows.ledger import Exit, Log, State, What
from customers.services import traits
from segments.services import webhooks


@dataclass
class Work:
    """Some journeys of one campaign on their way, inside one transaction that holds them."""

    campaign: Campaign
    now: datetime
    log: Log
    moving: list[Journey] = field(default_factory=list)  # those that are at a new step

    def go(
        self, journey: Journey, way: int | None, what: JourneyStep.What, detail: Any = ""
    ) -> None:
        """Say what happened at this step, and be at the next, or at the end."""
        self.log.say(journey, what, detail)
        journey.step_at, journey.waits_for, journey.waits_for_order = None, "", False
        if way is None:
            self.log.end(journey, State.DONE, Exit.FINISHED)
            return
        journey.step, journey.due_at = way, self.now
        self.moving.append(journey)

    def wait(self, journey: Journey, until: datetime) -> None:
        """Stay at this step until then."""
        journey.step_at, journey.due_at = self.now, until
        self.log.say(journey, What.WAITED, until.isoformat(timespec="minutes"))

    def leave(self, journey: Journey, reason: Journey.Exit) -> None:
        self.log.end(journey, State.EXITED, reason)


def send(work: Work, step: S.Send, journeys: list[Journey]) -> None:
    """Plan a message for each, at the hour the step asks for."""
    now_due = _at_their_hour(work, step, journeys)
    if not now_due:
        return
    variants = list(
        Variant.objects.filter(campaign=work.campaign, step=step.number, weight__gt=0).order_by(
            "id"
        )
    )
    wanted = [_wanted(work, step, one, variants) for one in now_due]
    reasons = planning.plan_people(work.campaign, wanted, now=work.now)
    for one in now_due:
        reason = reasons.get((one.customer_id, one.pk, step.number), "")
        work.go(one, step.next, What.SKIPPED if reason else What.PLANNED, reason)


def wait(work: Work, step: S.Wait, journeys: list[Journey]) -> None:
    """Stand still for so long; a wait that was changed meanwhile counts from when it began."""
    for one in journeys:
        until = (one.step_at or work.now) + step.length
        if one.step_at is None:
            work.wait(one, until)
        elif until > work.now:
            _stay(work, one, until)
        else:
            work.go(one, step.next, What.WENT_ON)


def wait_until(work: Work, step: S.WaitUntil, journeys: list[Journey]) -> None:
    if step.hears:
        _wait_for(work, step, journeys)
        return
    zones = asking.zones({one.customer_id for one in journeys})
    for one in journeys:
        due = clock.due_at(
            work.now,
            zone=zones.get(one.customer_id, ""),
            shop=settings.TIME_ZONE,
            hour=step.hour,
            weekdays=step.weekdays,
        )
        if one.step_at is None and due > work.now:
            work.wait(one, due)
        else:  # a little late is not tomorrow
            work.go(one, step.next, What.WENT_ON)


def filter_(work: Work, step: S.Filter, journeys: list[Journey]) -> None:
    inside = asking.holds(step.rule, [one.customer_id for one in journeys], now=work.now)
    for one in journeys:
        if one.customer_id in inside:
            work.go(one, step.next, What.PASSED)
        else:
            work.leave(one, Exit.FILTERED)


def branch(work: Work, step: S.Branch, journeys: list[Journey]) -> None:
    inside = asking.holds(step.rule, [one.customer_id for one in journeys], now=work.now)
    for one in journeys:
        is_in = one.customer_id in inside
        way = step.then if is_in else step.otherwise
        work.go(one, way, What.BRANCHED, "then" if is_in else "else")


def split(work: Work, step: S.Split, journeys: list[Journey]) -> None:
    weights = [arm.weight for arm in step.arms]
    salt = f"{work.campaign.salt}:split {step.number}"
    for one in journeys:
        place = drawing.arm(
            salt, one.customer_id, holdout_share=step.holdout_share, weights=weights
        )
        if place < 0:
            work.log.end(one, State.HOLDOUT, Exit.SPLIT_HOLDOUT)
        else:
            work.go(one, step.arms[place].next, What.SPLIT, step.arms[place].name)


def offer(work: Work, step: S.GiveOffer, journeys: list[Journey]) -> None:
    for one in journeys:
        one.offer_id = step.offer or None
        work.go(one, step.next, What.OFFERED, step.offer or "")


def webhook(work: Work, step: S.Webhook, journeys: list[Journey]) -> None:
    """Plan a signed message each; delivery, retries and refusals are those of all webhooks."""
    facts = {
        one.customer_id: {
            "id": one.pk,
            "kind": "flow_step",
            "flow": {"id": work.campaign.pk, "name": work.campaign.name, "step": step.number},
            "event": one.data,
            "happened_at": work.now.isoformat(),
        }
        for one in journeys
    }
    is_told = webhooks.tell_endpoint(step.endpoint, "flows.step", facts, now=work.now)
    for one in journeys:
        work.go(one, step.next, What.TOLD, "" if is_told else "the endpoint is gone")


def update_trait(work: Work, step: S.UpdateTrait, journeys: list[Journey]) -> None:
    told = {one.customer_id: {step.trait: step.value} for one in journeys}
    traits.write(told, now=work.now)
    for one in journeys:
        work.go(one, step.next, What.TRAIT, step.trait)


def exit_(work: Work, step: S.Exit, journeys: list[Journey]) -> None:
    for one in journeys:
        work.leave(one, Exit.STEP)


def _wait_for(work: Work, step: S.WaitUntil, journeys: list[Journey]) -> None:
    begun = [one for one in journeys if one.step_at is not None]
    heard = leaving.heard_of(step, begun, now=work.now)
    for one in journeys:
        until = (one.step_at or work.now) + step.timeout
        if one.step_at is None:
            one.waits_for, one.waits_for_order = step.event, step.order
            work.wait(one, until)
        elif one.pk in heard:
            work.go(one, step.next, What.HEARD)
        elif until <= work.now:
            work.go(one, step.on_timeout, What.TIMED_OUT)
        else:
            _stay(work, one, until)


def _stay(work: Work, journey: Journey, until: datetime) -> None:
    journey.due_at = until
    work.log.moved[journey.pk] = journey


def _at_their_hour(work: Work, step: S.Send, journeys: list[Journey]) -> list[Journey]:
    """Those whose hour it is; the others wait for theirs."""
    if step.hour is None and step.window is None:
        return journeys
    zones = asking.zones({one.customer_id for one in journeys})
    now_due = []
    for one in journeys:
        due = clock.due_at(
            work.now,
            zone=zones.get(one.customer_id, ""),
            shop=settings.TIME_ZONE,
            hour=step.hour,
            window=step.window,
        )
        if due <= work.now or (one.step_at is not None and step.window is None):
            now_due.append(one)
        else:
            work.wait(one, due)
    return now_due


def _wanted(work: Work, step: S.Send, journey: Journey, variants: list[Variant]) -> planning.Wanted:
    drawn = None
    if variants:
        # A step 0 is a triggered campaign's message, drawn like the variants of a broadcast.
        salt = f"{work.campaign.salt}:variant" + (f" {step.number}" if step.number else "")
        weights = [one.weight for one in variants]
        drawn = variants[drawing.place(salt, journey.customer_id, weights=weights)]
    return planning.Wanted(
        journey.customer_id,
        occasion=journey.pk,
        step=step.number,
        variant_id=drawn.pk if drawn else None,
        channel=step.channel or (drawn.channel if drawn else ""),
        due_at=work.now,
        data=journey.data,
        offer_id=journey.offer_id,
    )


Effect = Callable[[Work, Any, list[Journey]], None]
EFFECTS: dict[type[S.Step], Effect] = {
    S.Send: send,
    S.Wait: wait,
    S.WaitUntil: wait_until,
    S.Filter: filter_,
    S.Branch: branch,
    S.Split: split,
    S.GiveOffer: offer,
    S.Webhook: webhook,
    S.UpdateTrait: update_trait,
    S.Exit: exit_,
}
