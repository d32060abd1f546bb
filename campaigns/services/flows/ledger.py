"""Write journeys and what happens on them.  The only writer of Journey and JourneyStep,
but for erasure.

    (entry) --> waiting --step by step--> done | exited(reason) | holdout(split)
    (entry) --> holdout                   drawn to be left alone
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection

from campaigns.models import Journey, JourneyStep, Message

State, Exit, What = Journey.State, Journey.Exit, JourneyStep.What
DETAIL_MOST = 120
MOVED = {
    "version_id": "bigint", "step": "int", "state": "text", "step_at": "timestamptz",
    "due_at": "timestamptz", "waits_for": "text", "waits_for_order": "boolean",
    "offer_id": "bigint", "exited_at": "timestamptz", "exit_reason": "text",
}  # fmt: skip

# One statement of arrays: a CASE for each row and column takes ten times as long to write.
MOVE = f"""
    UPDATE campaigns_journey j SET {", ".join(f"{name} = v.{name}" for name in MOVED)}
    FROM unnest(%s::bigint[], {", ".join(f"%s::{kind}[]" for kind in MOVED.values())})
        AS v(id, {", ".join(MOVED)})
    WHERE j.id = v.id"""
# What was planned for somebody who left, and has not been taken up.
REVOKE = f"""
    UPDATE campaigns_message
    SET state = 'skipped', reason = '{Message.Reason.LEFT_FLOW}', finished_at = %s
    WHERE campaign_id = %s AND occasion = ANY(%s::bigint[]) AND state = 'planned'"""
WAKE = """
    UPDATE campaigns_journey SET due_at = %s
    WHERE id = ANY(%s::bigint[]) AND state = 'waiting' AND due_at > %s"""


@dataclass
class Log:
    """What is to be written of a few journeys, in one go."""

    now: datetime
    rows: list[JourneyStep] = field(default_factory=list)
    moved: dict[int, Journey] = field(default_factory=dict)

    def say(self, journey: Journey, what: JourneyStep.What, detail: Any = "") -> None:
        self.rows.append(
            JourneyStep(
                journey=journey,
                step=journey.step,
                what=what,
                detail=str(detail)[:DETAIL_MOST],
                happened_at=self.now,
            )
        )
        self.moved[journey.pk] = journey

    def end(self, journey: Journey, state: Journey.State, reason: Journey.Exit) -> None:
        """A journey is over."""
        journey.state, journey.exit_reason, journey.exited_at = state, reason, self.now
        journey.due_at, journey.waits_for, journey.waits_for_order = None, "", False
        what = {State.DONE: What.DONE, State.HOLDOUT: What.LEFT_ALONE}.get(state, What.LEFT)
        self.say(journey, what, "" if state == State.DONE else reason.value)

    def write(self) -> None:
        """Inside the transaction that holds the journeys."""
        if self.moved:
            found = [self.moved[pk] for pk in sorted(self.moved)]
            columns = [[getattr(one, name) for one in found] for name in ("id", *MOVED)]
            with connection.cursor() as cursor:
                cursor.execute(MOVE, columns)
        JourneyStep.objects.bulk_create(self.rows, batch_size=2_000)
        self.rows, self.moved = [], {}


def open_all(journeys: Sequence[Journey], *, now: datetime) -> list[Journey]:
    """Write new journeys with the first line of their log."""
    made = Journey.objects.bulk_create(journeys, batch_size=1_000)
    rows = []
    for one in made:
        rows.append(_line(one, What.ENTERED, one.cause, now))
        if one.state == State.HOLDOUT:
            rows.append(_line(one, What.LEFT_ALONE, one.exit_reason, now))
    JourneyStep.objects.bulk_create(rows, batch_size=2_000)
    return made


def leave(journeys: Iterable[Journey], reason: Journey.Exit, *, now: datetime) -> int:
    """End these journeys, which the caller holds, and take back what was planned for them."""
    log = Log(now)
    by_campaign: dict[int, list[int]] = {}
    for one in journeys:
        log.end(one, State.EXITED, reason)
        by_campaign.setdefault(one.campaign_id, []).append(one.pk)
    log.write()
    for campaign_id, ids in by_campaign.items():
        revoke(campaign_id, ids, now=now)
    return sum(map(len, by_campaign.values()))


def revoke(campaign_id: int, journey_ids: Collection[int], *, now: datetime) -> int:
    """Skip the messages that were planned for these journeys and are not under way."""
    if not journey_ids:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(REVOKE, [now, campaign_id, list(journey_ids)])
        return cursor.rowcount


def wake(journey_ids: Collection[int], *, now: datetime) -> int:
    """Let these journeys be looked at now: what they wait for may have happened."""
    if not journey_ids:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(WAKE, [now, list(journey_ids), now])
        return cursor.rowcount


def _line(journey: Journey, what: JourneyStep.What, detail: str, now: datetime) -> JourneyStep:
    return JourneyStep(
        journey=journey,
        step=journey.step,
        what=what,
        detail=detail[:DETAIL_MOST],
        happened_at=now,
    )
