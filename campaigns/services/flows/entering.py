"""Let people into flows, and wake those who wait for something.  The only writer of FlowWatch.

Who comes in is read from the ledgers, membership changes and events, from where the last look
stopped; bells only make a look come sooner.  The journeys of a look and its new place are one
transaction, so a crash neither loses a person nor lets one in twice.  Whether somebody may come
in again is judged as of the moment of what happened, so that a second look at the same thing
comes to the same.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Q

from campaigns.flows import steps as S
from campaigns.flows.language import Flow
from campaigns.models import Campaign, FlowVersion, FlowWatch, Journey
from campaigns.services import delivery, planning
from campaigns.services.flows import asking, definitions, leaving, ledger
from customers.models import Customer
from customers.services import touches
from segments.models import Membership, Segment
from segments.services import history

CHANGES_AT_ONCE = 1_000
PAGES_MOST = 20  # of one look; the next goes on
TOUCHED_MOST = 20_000  # above it events are looked for by their moment
SLOW_WRITER = timedelta(minutes=15)  # longer than a transaction that writes facts
LATE_EVENT = timedelta(days=1)  # one that happened longer ago sets nothing off
RUNNING = (Campaign.State.SENDING, Campaign.State.PAUSED)
LEFT_ALONE = {
    "holdout": Journey.Exit.HOLDOUT,
    "global_holdout": Journey.Exit.GLOBAL_HOLDOUT,
    "not_sampled": Journey.Exit.NOT_SAMPLED,
}
LAST = """
    SELECT DISTINCT ON (customer_id) customer_id, number, state, entered_at, exited_at
    FROM campaigns_journey WHERE campaign_id = %s AND customer_id = ANY(%s)
    ORDER BY customer_id, number DESC, id DESC"""


@dataclass(frozen=True)
class Candidate:
    """Somebody who might come in, and what set it off."""

    customer_id: int
    cause: str
    happened_at: datetime
    known_at: datetime  # recorded; re-entry is judged as of then
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Last:
    """Somebody's last journey through this flow."""

    number: int
    state: str
    entered_at: datetime
    exited_at: datetime | None


def begin(campaign: Campaign, *, now: datetime) -> None:
    """Watch for who comes in from now on; in the transaction of the launch."""
    version = definitions.ready(campaign, now=now)
    flow = definitions.read(version)
    snapshot = touches.follow(_reader(campaign.pk), now=now)
    FlowWatch.objects.update_or_create(
        campaign=campaign,
        defaults={
            "changes": history.now_cursor().as_json(),
            "snapshot": snapshot,
            "swept_at": now,
        },
    )
    if flow.trigger.present:
        members = Membership.objects.filter(segment__key=flow.trigger.segment)
        for ids in _batches(members.values_list("customer_id", flat=True)):
            found = [Candidate(pk, "present", now, now, {"segment": flow.trigger.segment})
                     for pk in ids]  # fmt: skip
            enter(campaign, version, flow, found, now=now)


def sweep(*, now: datetime) -> int:
    """Look at every running flow for who comes in and who leaves; returns how many came in."""
    running = Campaign.objects.filter(kind__in=definitions.KINDS, state__in=RUNNING)
    entered = sum(look(pk, now=now) for pk in running.values_list("pk", flat=True).order_by("pk"))
    leaving.sweep(now=now)
    return entered


@transaction.atomic
def look(campaign_id: int, *, now: datetime) -> int:
    """Read on in the ledgers for one flow; returns how many came in.

    Safe in several workers at once: one looks, the others pass by.
    """
    watch = (
        FlowWatch.objects.select_for_update(skip_locked=True, of=("self",))
        .select_related("campaign")
        .filter(campaign=campaign_id, campaign__state__in=RUNNING)
        .first()
    )
    version = definitions.current(watch.campaign) if watch else None
    if watch is None or version is None:
        return 0
    flow = definitions.read(version)
    before = watch.snapshot, watch.swept_at
    found = _changes(watch, flow) if flow.trigger.segment else []
    touched = _touched(watch, now=now)
    if flow.trigger.on == S.EVENT:
        found += _events(watch.campaign, flow.trigger, touched, since=before[1], now=now)
    ends_at = watch.campaign.ends_at
    in_time = [one for one in found if ends_at is None or one.happened_at < ends_at]
    entered = enter(watch.campaign, version, flow, in_time, now=now)
    if touched is None or touched:
        leaving.look(watch.campaign, touched, now=now)
    watch.swept_at = now
    watch.save(update_fields=["changes", "snapshot", "swept_at"])
    if ends_at is not None and ends_at + SLOW_WRITER < now:
        _end(watch.campaign, now=now)
    return len(entered)


def enter(
    campaign: Campaign,
    version: FlowVersion,
    flow: Flow,
    candidates: Sequence[Candidate],
    *,
    now: datetime,
) -> list[Journey]:
    """Open the journeys of those who may come in; the caller holds the flow's watch.

    Everybody is drawn here, before anything is done: those left alone get a journey that is over
    at once, so that both arms can be counted.
    """
    first = {one.customer_id: one for one in reversed(candidates)}
    allowed = _inside(campaign, list(first))
    last = _last(campaign, allowed)
    chosen = [pk for pk in allowed if may_come(flow.reentry, last.get(pk), first[pk].known_at)]
    if not chosen:
        return []
    reasons = planning.assign(campaign, chosen, now=now)
    journeys = [
        _journey(campaign, version, flow, first[pk], last.get(pk), reasons.get(pk, ""), now)
        for pk in chosen
    ]
    return ledger.open_all(journeys, now=now)


def may_come(reentry: S.Reentry, last: Last | None, moment: datetime) -> bool:
    """Whether what was known at ``moment`` lets somebody in whose last journey is this one."""
    if last is None:
        return True
    is_inside = last.state == Journey.State.WAITING or last.exited_at is None
    if reentry.after_days is None or is_inside:
        return False
    assert last.exited_at is not None
    return moment > last.exited_at + timedelta(days=reentry.after_days)


def _journey(
    campaign: Campaign,
    version: FlowVersion,
    flow: Flow,
    found: Candidate,
    last: Last | None,
    reason: str,
    now: datetime,
) -> Journey:
    left_alone = LEFT_ALONE.get(reason)
    return Journey(
        campaign=campaign,
        customer_id=found.customer_id,
        number=last.number + 1 if last else 1,
        version=version,
        step=flow.first,
        state=Journey.State.HOLDOUT if left_alone else Journey.State.WAITING,
        due_at=None if left_alone else now,
        exited_at=now if left_alone else None,
        exit_reason=left_alone or "",
        cause=found.cause[:120],
        caused_at=found.happened_at,
        data=found.data,
        entered_at=now,
    )


def _changes(watch: FlowWatch, flow: Flow) -> list[Candidate]:
    """Entries into, or exits from, the trigger's segment since the last look."""
    segment = Segment.objects.filter(key=flow.trigger.segment).first()
    if segment is None:
        return []
    kind = "entered" if flow.trigger.on == S.ENTERED else "exited"
    cursor, found = history.Cursor.from_json(watch.changes), []
    for _page in range(PAGES_MOST):
        page = history.read(cursor, most=CHANGES_AT_ONCE, segment_ids=[segment.pk], kinds=[kind])
        cursor = page.cursor
        found += [
            Candidate(
                one.customer_id,
                flow.trigger.on,
                one.happened_at,
                one.happened_at,
                {"segment": one.segment},
            )
            for one in page.changes
        ]
        if not page.has_more:
            break
    watch.changes = cursor.as_json()
    return found


def _touched(watch: FlowWatch, *, now: datetime) -> list[int] | None:
    """Whose facts changed since the last look; None: too many to name."""
    name = _reader(watch.campaign_id)
    is_kept = touches.is_followed(name, watch.snapshot)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_snapshot()::text")
        here: str = cursor.fetchone()[0]
    found = touches.since(watch.snapshot, most=TOUCHED_MOST) if is_kept else None
    watch.snapshot = touches.follow(name, now=now, snapshot=here)
    return None if found is None or found.is_everybody else found.customer_ids


def _events(
    campaign: Campaign,
    trigger: S.Trigger,
    touched: list[int] | None,
    *,
    since: datetime,
    now: datetime,
) -> list[Candidate]:
    """Such events since the last look and a little before, for a slow writer's come late."""
    if touched == [] or campaign.launched_at is None:
        return []
    found = asking.new_events(
        trigger.event,
        trigger.where,
        customer_ids=touched,
        happened_since=max(campaign.launched_at, now - LATE_EVENT),
        recorded_since=max(campaign.launched_at, since - SLOW_WRITER),
        now=now,
    )
    return [
        Candidate(
            one.customer_id,
            trigger.event,
            one.happened_at,
            one.recorded_at,
            {
                **one.properties,
                "name": trigger.event,
                "happened_at": one.happened_at.isoformat(),
            },
        )
        for one in found
    ]


def _end(campaign: Campaign, *, now: datetime) -> None:
    """Finish a flow that takes nobody in any more, once nobody is inside."""
    inside = Journey.objects.filter(campaign=campaign, state=Journey.State.WAITING)
    if not inside.exists() and delivery.end(campaign.pk, now=now):
        touches.leave([_reader(campaign.pk)])


def _inside(campaign: Campaign, customer_ids: list[int]) -> list[int]:
    """Those who exist and are in the campaign's audience: all, where it includes no segment."""
    people = Customer.objects.filter(pk__in=customer_ids, erased_at=None)
    included = list(campaign.included.values_list("pk", flat=True))
    excluded = list(campaign.excluded.values_list("pk", flat=True))
    if included:
        people = people.filter(Q(memberships__segment__in=included)).distinct()
    if excluded:
        out = Membership.objects.filter(segment__in=excluded, customer__in=customer_ids)
        people = people.exclude(pk__in=out.values("customer_id"))
    found = set(people.values_list("pk", flat=True))
    return [pk for pk in customer_ids if pk in found]


def _last(campaign: Campaign, customer_ids: list[int]) -> dict[int, Last]:
    with connection.cursor() as cursor:
        cursor.execute(LAST, [campaign.pk, customer_ids])
        return {pk: Last(*rest) for pk, *rest in cursor.fetchall()}


def _batches(ids: Any, size: int = 5_000) -> Iterable[list[int]]:
    found = list(ids)
    for start in range(0, len(found), size):
        yield found[start : start + size]


def _reader(campaign_id: int) -> str:
    return f"flow {campaign_id}"
