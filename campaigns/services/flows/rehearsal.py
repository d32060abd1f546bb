"""Had this flow run over the last days: who would have come in, and what they would have got.

People are drawn at random, at most `PEOPLE_MOST`, and the numbers scaled up; each goes through the
flow by the facts known at each moment.  Reads facts, writes none.
"""

from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection

from campaigns.experiments.assignment import is_holdout
from campaigns.flows import rehearse as R
from campaigns.flows import steps as S
from campaigns.flows import values, words
from campaigns.flows.language import Flow
from campaigns.models import Campaign, Variant
from campaigns.services.flows import definitions
from campaigns.services.flows.entering import Last, may_come
from segments.models import Segment
from segments.rules import evaluate
from segments.rules import language as L
from segments.rules.person import Person
from segments.services import definitions as segment_rules
from segments.services import people

DAYS_MOST = 92
PEOPLE_MOST = 400
TURNS_MOST = 400  # entries and exits of one person that are replayed

CHANGED = """
    SELECT customer_id, happened_at FROM segments_membershipchange
    WHERE segment_id = %s AND kind = %s AND happened_at >= %s AND happened_at < %s"""
DONE = """
    SELECT customer_id, happened_at FROM customers_event
    WHERE name = %s AND customer_id IS NOT NULL AND happened_at >= %s AND happened_at < %s"""
DRAWN = """
    WITH found AS ({found}), person AS (SELECT DISTINCT customer_id FROM found)
    SELECT (SELECT count(*) FROM person), f.customer_id, f.happened_at
    FROM found f JOIN (
        SELECT customer_id FROM person ORDER BY hashint8(customer_id), customer_id LIMIT %s
    ) drawn USING (customer_id)
    ORDER BY f.happened_at"""
BASE = """
    SELECT (SELECT count(*) FROM customers_customer WHERE erased_at IS NULL), id
    FROM customers_customer WHERE erased_at IS NULL ORDER BY hashint8(id), id LIMIT %s"""


@dataclass(frozen=True)
class StepOutlook:
    """One step, had the flow run: people, scaled up from those drawn."""

    number: int
    title: str
    sentence: str
    messages: int  # of a send step
    left_out: dict[str, int]  # without a message there, by reason
    inside: int  # would be at it today


@dataclass(frozen=True)
class Rehearsal:
    """What a flow would have done."""

    since: datetime
    as_of: datetime
    entries: int  # journeys, those left alone not among them
    people: int  # who would have come in at least once
    left_alone: int  # journeys of those drawn to be left alone
    messages: int
    exits: dict[str, int]  # journeys by how they ended; "inside": under way today
    steps: tuple[StepOutlook, ...]
    drawn: int  # people looked at
    of: int  # people they were drawn from
    notes: tuple[str, ...]  # what the numbers do not know


def rehearse(campaign: Campaign, *, days: int = 30, now: datetime) -> Rehearsal:
    """Let the flow run over the last ``days`` on what was known then.

    `definitions.FlowRefused` where it is not sound.  Takes about a second for each hundred people
    drawn with a long history.
    """
    flow = definitions.check(definitions.definition_of(campaign))
    since = now - timedelta(days=min(days, DAYS_MOST))
    of, moments, notes = _set_off(flow.trigger, since, now)
    loaded = [_without_clock(one) for one in people.load(list(moments))]
    rules = _rules(flow)
    channels = _channels(campaign, flow)
    ways: list[R.Way] = []
    who: set[int] = set()
    left_alone = 0
    for person in loaded:
        alone = is_holdout(campaign.salt, person.id, holdout_share=campaign.holdout_share)
        mine = moments[person.id]
        found = _journeys(campaign, flow, person, mine, now, rules, channels, alone=alone)
        left_alone += len(found) if alone else 0
        if found and not alone:
            ways += found
            who.add(person.id)
    factor = of / len(moments) if moments else 0.0
    return _summed(
        campaign, flow, ways, factor,
        since=since, now=now, who=len(who), left_alone=left_alone, drawn=len(moments), of=of,
        notes=tuple(notes),
    )  # fmt: skip


def _set_off(
    trigger: S.Trigger, since: datetime, now: datetime
) -> tuple[int, dict[int, list[datetime]], list[str]]:
    """How many people it would have set off, and the moments of those drawn among them."""
    notes = ["What the messages would have changed is not in it.", "Scores are those of today."]
    if trigger.on == S.EVENT:
        if trigger.where:
            notes.append("Conditions on the event are asked of the people drawn.")
        of, found = _drawn(DONE, [trigger.event, since, now])
        return of, found, notes
    segment = Segment.objects.get(key=trigger.segment)
    kind = "entered" if trigger.on == S.ENTERED else "exited"
    if segment.created_at <= since:
        of, found = _drawn(CHANGED, [segment.pk, kind, since, now])
        return of, found, notes
    notes.append(
        f"The segment {segment.name} is younger than this: its rule was replayed for the people "
        "drawn."
    )
    return *_replayed(segment, kind, since, now), notes


def _drawn(found: str, params: list[Any]) -> tuple[int, dict[int, list[datetime]]]:
    moments: dict[int, list[datetime]] = {}
    of = 0
    with connection.cursor() as cursor:
        cursor.execute(DRAWN.format(found=found), [*params, PEOPLE_MOST])
        for count, customer_id, happened_at in cursor:
            of = count
            moments.setdefault(customer_id, []).append(happened_at)
    return of, moments


def _replayed(
    segment: Segment, kind: str, since: datetime, now: datetime
) -> tuple[int, dict[int, list[datetime]]]:
    """When each of the people drawn from everybody would have entered or left, by the rule."""
    rule = segment_rules.check(segment.rule, key=segment.key)
    with connection.cursor() as cursor:
        cursor.execute(BASE, [PEOPLE_MOST])
        rows = cursor.fetchall()
    moments: dict[int, list[datetime]] = {}
    for person in map(_without_clock, people.load([pk for _n, pk in rows])):
        moments[person.id] = _turns(rule, person, kind, since, now)
    return (rows[0][0] if rows else 0), moments


def _turns(
    rule: L.Rule, person: Person, kind: str, since: datetime, now: datetime
) -> list[datetime]:
    """Walk from one moment at which the answer may change to the next."""
    found: list[datetime] = []
    at, inside = since, evaluate.evaluate(rule, person, since)
    for _turn in range(TURNS_MOST):
        due = evaluate.due(rule, person, at)
        if due is None or due >= now:
            break
        at = max(due, at + timedelta(seconds=1))
        if evaluate.evaluate(rule, person, at) is not inside:
            inside = not inside
            if inside is (kind == "entered"):
                found.append(at)
    return found


def _journeys(
    campaign: Campaign,
    flow: Flow,
    person: Person,
    moments: list[datetime],
    now: datetime,
    rules: dict[int, L.Rule],
    channels: dict[int, str],
    *,
    alone: bool,
) -> list[R.Way]:
    """Every journey of one person, one after the other by the rule of re-entry."""
    last: Last | None = None
    found: list[R.Way] = []
    asked = values.conditions(flow.trigger.where, zone=settings.TIME_ZONE)
    wanted = {
        event.happened_at
        for event in person.events
        if event.name == flow.trigger.event and R.fits(event, asked)
    }
    for moment in sorted(moments):
        if flow.trigger.on == S.EVENT and moment not in wanted:
            continue
        if not may_come(flow.reentry, last, moment):
            continue
        way = R.Way(moment, end="holdout", ended_at=moment) if alone else R.walk(
            flow, person, moment,
            until=now, salt=campaign.salt, shop_zone=settings.TIME_ZONE, rules=rules,
            reason=lambda who, step, at: _reason(campaign, channels[step.number], who, at),
        )  # fmt: skip
        found.append(way)
        state = "waiting" if way.ended_at is None else "done"
        last = Last(len(found), state, moment, way.ended_at)
    return found


def _reason(campaign: Campaign, channel: str, person: Person, at: datetime) -> str:
    """Why there would have been no message then, as far as facts of then tell."""
    if channel in L.CHANNELS:
        address = person.fields.get("email" if channel == "email" else "phone")
        if not address:
            return "unreachable"
        if evaluate.holds(L.Suppressed(channel), person, at):
            return "suppressed"
    if channel not in L.CONSENT_CHANNELS:
        return ""
    agreed = evaluate.holds(L.Consent(channel, campaign.topic, True), person, at)
    return "" if agreed else "no_consent"


def _rules(flow: Flow) -> dict[int, L.Rule]:
    return {
        step.number: segment_rules.check(step.rule)
        for step in flow.steps
        if isinstance(step, S.Filter | S.Branch)
    }


def _channels(campaign: Campaign, flow: Flow) -> dict[int, str]:
    """By send step the channel of its message; of several variants that of the first."""
    variants = Variant.objects.filter(campaign=campaign).exclude(channel="").order_by("-id")
    named = dict(variants.values_list("step", "channel"))
    return {
        step.number: step.channel or named.get(step.number, "") or campaign.channel
        for step in flow.sends
    }


def _without_clock(person: Person) -> Person:
    """Scores have no past: today's stand for all days."""
    early = datetime(1970, 1, 1, tzinfo=UTC)
    scores = {name: replace(score, as_of=early) for name, score in person.scores.items()}
    return replace(person, scores=scores)


def _summed(
    campaign: Campaign,
    flow: Flow,
    ways: list[R.Way],
    factor: float,
    *,
    since: datetime,
    now: datetime,
    who: int,
    left_alone: int,
    drawn: int,
    of: int,
    notes: tuple[str, ...],
) -> Rehearsal:
    sent: Counter[int] = Counter()
    out: dict[int, Counter[str]] = {}
    inside: Counter[int] = Counter()
    for way in ways:
        for number, _at, reason in way.sends:
            if reason:
                out.setdefault(number, Counter())[reason] += 1
            else:
                sent[number] += 1
        if way.ended_at is None:
            inside[way.last_step] += 1

    def scaled(n: float) -> int:
        return round(n * factor)

    return Rehearsal(
        since=since,
        as_of=now,
        entries=scaled(len(ways)),
        people=scaled(who),
        left_alone=scaled(left_alone),
        messages=scaled(sum(sent.values())),
        exits={key: scaled(n) for key, n in Counter(way.end for way in ways).items()},
        steps=tuple(
            StepOutlook(
                step.number,
                words.TITLES[step.kind],
                words.step(step),
                scaled(sent[step.number]),
                {key: scaled(n) for key, n in out.get(step.number, {}).items()},
                scaled(inside[step.number]),
            )
            for step in flow.steps
        ),
        drawn=drawn,
        of=of,
        notes=notes,
    )
