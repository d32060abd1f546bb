"""One person's way through a flow, had it run in the past."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from campaigns.flows import clock, drawing
from campaigns.flows import steps as S
from campaigns.flows.values import conditions
from segments.rules import comparisons, evaluate
from segments.rules import language as L
from segments.rules.person import Event, Person

STEPS_MOST = 500  # of one journey, circles included

# A person, a send step and a moment give why there would be no message; empty: there would be one.
Reason = Callable[[Person, S.Send, datetime], str]


@dataclass
class Way:
    """Where a journey led."""

    entered_at: datetime
    sends: list[tuple[int, datetime, str]] = field(default_factory=list)  # step, moment, reason
    end: str = "inside"  # finished, step, filtered, ordered, event, split_holdout or inside
    ended_at: datetime | None = None
    last_step: int = 0


def walk(
    flow: S.Flow,
    person: Person,
    entered_at: datetime,
    *,
    until: datetime,
    salt: str,
    shop_zone: str,
    rules: Mapping[int, L.Rule],
    reason: Reason,
) -> Way:
    """Go through the flow as the engine would have, up to ``until``.

    Parameters
    ----------
    person : Person
        All facts there are; those after each moment are passed over.
    rules : mapping of int to Rule
        Of the filters and branches, by step, other segments' rules in place.

    Notes
    -----
    What the messages would have changed is not known, and so not in it: nobody orders more here.
    """
    way = Way(entered_at, last_step=flow.first)
    now, number = entered_at, flow.first
    for _step in range(STEPS_MOST):
        step = flow.step(number)
        if step is None:
            way.end, way.ended_at = "finished", now
            return way
        way.last_step = step.number
        then, ended, ready = _do(step, person, now, salt, shop_zone, rules)
        over = _gone(flow, person, entered_at, min(ready, until))
        if over is not None:
            way.ended_at, way.end = over
            return way
        if ready > until:
            return way
        if isinstance(step, S.Send):
            way.sends.append((step.number, ready, reason(person, step, ready)))
        now = ready
        if ended:
            way.end, way.ended_at = ended, now
            return way
        if then is None:
            way.end, way.ended_at = "finished", now
            return way
        number = then
    return way


def _do(
    step: S.Step,
    person: Person,
    now: datetime,
    salt: str,
    shop_zone: str,
    rules: Mapping[int, L.Rule],
) -> tuple[int | None, str, datetime]:
    """The next step, why the journey ends here, and when this step is over."""
    zone = str(person.fields.get("time_zone") or "")
    if isinstance(step, S.Wait):
        return step.next, "", now + step.length
    if isinstance(step, S.WaitUntil) and step.hears:
        heard = _heard(step, person, now)
        if heard is not None:
            return step.next, "", heard
        return step.on_timeout, "", now + step.timeout
    if isinstance(step, S.WaitUntil):
        due = clock.due_at(now, zone=zone, shop=shop_zone, hour=step.hour, weekdays=step.weekdays)
        return step.next, "", due
    if isinstance(step, S.Send):
        due = clock.due_at(now, zone=zone, shop=shop_zone, hour=step.hour, window=step.window)
        return step.next, "", due
    if isinstance(step, S.Filter):
        holds = evaluate.evaluate(rules[step.number], person, now)
        return (step.next, "", now) if holds else (None, "filtered", now)
    if isinstance(step, S.Branch):
        holds = evaluate.evaluate(rules[step.number], person, now)
        return (step.then if holds else step.otherwise), "", now
    if isinstance(step, S.Split):
        weights = [arm.weight for arm in step.arms]
        place = drawing.arm(
            f"{salt}:split {step.number}", person.id,
            holdout_share=step.holdout_share, weights=weights,
        )  # fmt: skip
        return (step.arms[place].next, "", now) if place >= 0 else (None, "split_holdout", now)
    if isinstance(step, S.Exit):
        return None, "step", now
    return getattr(step, "next", None), "", now  # what it does leaves no trace in a rehearsal


def _gone(
    flow: S.Flow, person: Person, since: datetime, now: datetime
) -> tuple[datetime, str] | None:
    """When and by what the journey had ended by now, if anything ended it."""
    found = []
    if flow.exit_on is not None and flow.exit_on.order:
        found.append((_ordered(person, since, now), "ordered"))
    if flow.exit_on is not None and flow.exit_on.event:
        found.append((_did(person, flow.exit_on.event, (), since, now), "event"))
    return min(((at, reason) for at, reason in found if at is not None), default=None)


def _heard(step: S.WaitUntil, person: Person, since: datetime) -> datetime | None:
    until = since + step.timeout
    if step.order:
        return _ordered(person, since, until)
    return _did(person, step.event, conditions(step.where), since, until)


def _ordered(person: Person, since: datetime, until: datetime) -> datetime | None:
    return min(
        (
            one.happened_at
            for one in person.orders
            if one.kind == "sale" and one.status == "paid" and since < one.happened_at <= until
        ),
        default=None,
    )


def _did(
    person: Person, name: str, asked: Sequence[L.Property], since: datetime, until: datetime
) -> datetime | None:
    return min(
        (
            one.happened_at
            for one in person.events
            if one.name == name and since < one.happened_at <= until and fits(one, asked)
        ),
        default=None,
    )


def fits(event: Event, asked: Sequence[L.Property]) -> bool:
    """Whether an event's properties are as asked."""
    return all(
        comparisons.compare(
            comparisons.read(event.properties.get(one.name), one.comparison),
            one.comparison,
            event.happened_at,
        )
        for one in asked
    )
