"""Hand planned messages over, at most once each, and say what became of them.

The only module that moves ``Message.state`` after planning, and ``Campaign.state`` from *sending*
on.  Messages:

    planned --claim--> sending --> sent | failed(reason) | unknown(connection_lost)
                           \\--> planned again, later, where it certainly was not taken
    planned --claim--> skipped(reason)       asked again at the last moment
    sending --the sender died--> unknown(crashed)       never sent again by itself

A claim is committed before anything is handed over, and is small: so many messages as fit into a
twentieth of a second.  A killed sender leaves that few unknown, and nothing is sent twice.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic, sleep
from typing import Any

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from campaigns.channels import chosen
from campaigns.channels.channel import ChannelAway, Outgoing, Result, Session, Verdict
from campaigns.messages.render import RenderError, TemplateError
from campaigns.messages.wire import AddressError
from campaigns.models import Campaign, Message
from campaigns.services import claims, composing, pace, senders, telling
from campaigns.services.claims import Claim
from customers.services import consent
from rapport.access import audit
from rapport.errors import Conflict

RUN_SECONDS = 25  # then the worker is free for another campaign, and this one queues again
RECORD_SECONDS = 0.2
TRIES_MOST = 6
BACK_OFF_SECONDS = 30  # doubled with each try
AWAY_SECONDS = 60  # so long a mail server may restart before the campaign pauses
RECONNECT_SECONDS = 1
DATABASE_AWAY_SECONDS = 20  # results are kept in memory for so long
HELP_FROM = 2_000  # messages due: more than one sender is worth it

State, Reason = Message.State, Message.Reason
log = logging.getLogger(__name__)

MARK = """
    UPDATE campaigns_message m
    SET state = CASE WHEN v.reason = '' THEN 'sending' ELSE 'skipped' END, reason = v.reason,
        sending_since = CASE WHEN v.reason = '' THEN %s::timestamptz END,
        finished_at = CASE WHEN v.reason <> '' THEN %s::timestamptz END, claimed_by = %s
    FROM unnest(%s::bigint[], %s::text[]) AS v(id, reason)
    WHERE m.id = v.id"""
# A sender that lost its database for a while may find its messages given up for crashed; it knows
# better, and nobody else may have touched them.  A result need not wait for the disk: lost with the
# machine it leaves its message in flight, which is given up and never sent again.  A claim must.
RECORD = """
    UPDATE campaigns_message m
    SET state = v.state, reason = v.reason, detail = v.detail, tries = m.tries + v.tried,
        due_at = coalesce(v.due_at, m.due_at), provider_id = v.provider_id, cost = v.cost,
        sent_at = CASE WHEN v.state = 'sent' THEN %s::timestamptz END,
        finished_at = CASE WHEN v.state <> 'planned' THEN %s::timestamptz END,
        sending_since = CASE WHEN v.state <> 'planned' THEN m.sending_since END,
        claimed_by = CASE WHEN v.state <> 'planned' THEN m.claimed_by ELSE '' END
    FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::int[], %s::timestamptz[],
            %s::text[], %s::numeric[])
        AS v(id, state, reason, detail, tried, due_at, provider_id, cost),
        (SELECT set_config('synchronous_commit', 'off', true)) AS quick
    WHERE m.id = v.id AND m.claimed_by = %s
        AND (m.state = 'sending' OR (m.state = 'unknown' AND m.reason = 'crashed'))"""


@dataclass(frozen=True)
class SweepReport:
    crashed: int = 0  # messages whose sender died
    cancelled: int = 0  # messages left over in cancelled campaigns
    finished: int = 0  # campaigns
    called: int = 0  # campaigns that a worker was asked to send


def deliver(campaign_id: int, *, now: datetime | None = None) -> int:
    """Send what is due of one campaign for up to `RUN_SECONDS`; return how many were accepted.

    Safe to run twice and in several workers: each claims messages of its own.  Killed at any
    moment, it leaves the last small group unknown and everything else planned; the next sender or
    `sweep` goes on.  With ``now`` the clock stands still, as tests and the demo want it.
    """
    clock = timezone.now if now is None else (lambda: now)
    senders.came(campaign_id)
    with senders.slot(campaign_id) as sender:
        if sender is None:
            return 0
        _give_up(campaign_id, slot=senders.number(sender), now=clock())
        accepted = (
            _Sender(campaign_id, sender, clock).run() if _has_due(campaign_id, clock()) else 0
        )
    if not _finish(campaign_id, now=clock()) and _has_due(campaign_id, clock()):
        senders.call(campaign_id)
    return accepted


def sweep(*, now: datetime) -> SweepReport:
    """Put right what no sender will: dead claims, finished campaigns, campaigns without a sender.

    Safe at any time and in several schedulers: everything is a conditional update.
    """
    crashed = _give_up_dead(now=now)
    cancelled = _skip_cancelled(now=now)
    finished = called = 0
    for campaign_id in Campaign.objects.filter(state=Campaign.State.SENDING).values_list(
        "pk", flat=True
    ):
        if _finish(campaign_id, now=now):
            finished += 1
        elif _wants_sender(campaign_id, now=now):
            senders.call(campaign_id)
            called += 1
    return SweepReport(crashed, cancelled, finished, called)


@transaction.atomic
def pause(campaign: Campaign, *, user: Any, now: datetime, reason: str = "") -> None:
    """Stop handing over after the group that is under way; what is planned stays planned."""
    _move(campaign, (Campaign.State.SENDING,), Campaign.State.PAUSED, reason, user=user, now=now)


@transaction.atomic
def resume(campaign: Campaign, *, user: Any, now: datetime, reason: str = "") -> None:
    """Go on with a paused campaign where it stopped."""
    _move(campaign, (Campaign.State.PAUSED,), Campaign.State.SENDING, reason, user=user, now=now)
    Campaign.objects.filter(pk=campaign.pk).update(state_reason="")
    campaign.state_reason = ""
    senders.call(campaign.pk)


@transaction.atomic
def cancel(campaign: Campaign, *, user: Any, now: datetime, reason: str = "") -> None:
    """Never send what has not left yet; what has left stays on record."""
    before = (
        Campaign.State.SCHEDULED,
        Campaign.State.PLANNING,
        Campaign.State.SENDING,
        Campaign.State.PAUSED,
    )
    _move(campaign, before, Campaign.State.CANCELLED, reason, user=user, now=now)
    _skip_cancelled(now=now)


class _Sender:
    """One run of one sender."""

    def __init__(self, campaign_id: int, name: str, clock: Callable[[], datetime]) -> None:
        self.campaign = Campaign.objects.select_related("offer").get(pk=campaign_id)
        self.name, self.clock = name, clock
        self.size = pace.GroupSize(settings.DELIVERY_BATCH_SIZE)
        self.breaker = pace.Breaker()
        self.teller = telling.Teller(self.campaign)
        self.accepted = 0
        self.away_since: float | None = None
        self.is_stopped = False

    def run(self) -> int:
        """Send until nothing is due, the time is up, or it had better stop."""
        until = monotonic() + RUN_SECONDS
        try:
            for channel in _due_channels(self.campaign.pk, self.clock()):
                if not self.is_stopped:
                    self._run(channel, until)
        finally:
            self.teller.tell(now=self.clock())
        return self.accepted

    def _run(self, channel: str, until: float) -> None:
        self.channel = channel
        try:
            self.writer = composing.writer(self.campaign, channel)
        except TemplateError as error:
            self._stop(f"The message cannot be compiled: {error}")
            return
        is_over = False
        # Waiting for a mail server is one wait, however long a run is.
        while not is_over and (monotonic() < until or self.away_since is not None):
            try:
                with chosen.channel(channel, self.clock).open() as session:
                    self.away_since = None
                    is_over = self._use(session, until)
            except ChannelAway as error:
                is_over = self._wait(error)

    def _use(self, session: Session, until: float) -> bool:
        """Send group after group while the connection lasts; true when there is no more to do."""
        while session.is_open and monotonic() < until:
            group = self._claim()
            if group is None:
                return True
            self._hand_over(group, session)
            if self.breaker.reason:
                self._stop(self.breaker.reason)
                return True
        return False

    def _claim(self) -> list[Claim] | None:
        """Take the next messages; None when none are due, empty when all had to be skipped."""
        now = self.clock()
        with transaction.atomic(), connection.cursor() as cursor:
            found = claims.next_claims(
                self.campaign, channel=self.channel, limit=self.size.now, now=now
            )
            if not found:
                return None
            ids, reasons = [one.message_id for one in found], [one.reason for one in found]
            cursor.execute(MARK, [now, now, self.name, ids, reasons])
        return [one for one in found if not one.reason]

    def _hand_over(self, group: list[Claim], session: Session) -> None:
        """Write and send one group; results are recorded as they come in, a few at a time."""
        claimed = {one.message_id: one for one in group}
        last = started = monotonic()
        mails, results = self._compose(group)
        try:
            for result in session.send(mails):
                results.append(result)
                if monotonic() - last > RECORD_SECONDS:
                    self._record(results, claimed)
                    results, last = [], monotonic()
            self.size.learn(len(group), monotonic() - started)
        finally:
            self._record(results, claimed)

    def _compose(self, group: list[Claim]) -> tuple[list[Outgoing], list[Result]]:
        """The messages of a group, and the results of those that could not be written."""
        mails, failed, now = [], [], self.clock()
        for one in group:
            try:
                mails.append(self.writer.write(one.message_id, one.person, now=now))
            except (RenderError, AddressError) as error:
                failed.append(Result(one.message_id, Verdict.UNWRITTEN, str(error)))
            except Exception as error:
                log.exception("message %s could not be written", one.message_id)
                failed.append(Result(one.message_id, Verdict.UNWRITTEN, repr(error)))
        return mails, failed

    def _record(self, results: list[Result], claimed: dict[int, Claim]) -> None:
        if not results:
            return
        now = self.clock()
        pairs = [(result, claimed[result.message_id or 0]) for result in results]
        _write([_change(result, one.tries, now) for result, one in pairs], self.name, now=now)
        for result, one in pairs:
            self.breaker.note(result)
            if result.verdict is Verdict.ACCEPTED:
                self.accepted += 1
                self.teller.note(one.message_id, one.person.customer_id, now)
            elif result.is_dead_address:
                self._suppress(one.person.address(self.channel), now)
        self.teller.tell_if_many(now=now)

    def _suppress(self, address: str, now: datetime) -> None:
        consent.suppress(
            address, channel=self.channel, reason="hard_bounce", source="delivery", now=now
        )

    def _wait(self, error: ChannelAway) -> bool:
        """Wait a moment for the mail server; true when it was away for too long or we may stop."""
        self.away_since = self.away_since or monotonic()
        if monotonic() - self.away_since >= AWAY_SECONDS:
            self._stop(f"The mail server cannot be reached. {error}")
            return True
        log.warning("campaign %s waits for the mail server: %s", self.campaign.pk, error)
        sleep(RECONNECT_SECONDS)
        return not Campaign.objects.filter(
            pk=self.campaign.pk, state=Campaign.State.SENDING
        ).exists()

    def _stop(self, reason: str) -> None:
        """Pause the campaign for a person to look at, unless somebody moved it meanwhile."""
        self.is_stopped = True
        try:
            pause(self.campaign, user=None, now=self.clock(), reason=reason)
        except Conflict:
            log.info("campaign %s was moved by somebody else", self.campaign.pk)


def _change(result: Result, tries: int, now: datetime) -> tuple:
    """(id, state, reason, detail, tries to add, not before, name there, cost) of one result."""
    state, reason, tried, due_at = {
        Verdict.ACCEPTED: (State.SENT, "", 1, None),
        Verdict.REFUSED: (State.FAILED, Reason.REFUSED, 1, None),
        Verdict.AMBIGUOUS: (State.UNKNOWN, Reason.CONNECTION_LOST, 1, None),
        Verdict.UNWRITTEN: (State.FAILED, Reason.RENDER_ERROR, 0, None),
        Verdict.NOT_TRIED: (State.PLANNED, "", 0, None),
        Verdict.TRY_LATER: (State.PLANNED, "", 1, _later(tries, now)),
    }[result.verdict]
    if result.verdict is Verdict.TRY_LATER and tries + 1 >= TRIES_MOST:
        state, reason, due_at = State.FAILED, Reason.TRIES_EXHAUSTED, None
    return (
        result.message_id, str(state), str(reason), result.detail[:300], tried, due_at,
        result.provider_id[:120], result.cost,
    )  # fmt: skip


def _later(tries: int, now: datetime) -> datetime:
    return now + timedelta(seconds=BACK_OFF_SECONDS * 2**tries)


def _write(changes: list[tuple], claimed_by: str, *, now: datetime) -> None:
    """Record results; with the database away, wait for it, for they exist nowhere else."""
    columns = [list(column) for column in zip(*changes, strict=True)]
    until = monotonic() + DATABASE_AWAY_SECONDS
    while True:
        try:
            with connection.cursor() as cursor:
                cursor.execute(RECORD, [now, now, *columns, claimed_by])
            return
        except (OperationalError, InterfaceError):
            if monotonic() > until or connection.in_atomic_block:
                raise
            log.warning("the database is away; %s results wait", len(changes))
            connection.close()
            sleep(RECONNECT_SECONDS)


def _give_up(campaign_id: int, *, slot: int, now: datetime) -> int:
    """Mark what the last holder of a free slot was handing over: it may or may not have left."""
    return Message.objects.filter(
        campaign_id=campaign_id, state=State.SENDING, claimed_by__startswith=f"{slot}:"
    ).update(state=State.UNKNOWN, reason=Reason.CRASHED, finished_at=now)


def _give_up_dead(*, now: datetime) -> int:
    """The same for all slots that are free, and for claims so old that nobody can be alive.

    The age is for senders whose machine vanished: PostgreSQL learns of that much later.
    """
    in_flight = Message.objects.filter(state=State.SENDING)
    crashed = 0
    for campaign_id, claimed_by in set(in_flight.values_list("campaign_id", "claimed_by")):
        number = senders.number(claimed_by)
        with transaction.atomic():
            if senders.keep_free(campaign_id, number):
                crashed += _give_up(campaign_id, slot=number, now=now)
    stuck = now - timedelta(seconds=settings.DELIVERY_STUCK_SECONDS)
    return crashed + in_flight.filter(sending_since__lt=stuck).update(
        state=State.UNKNOWN, reason=Reason.CRASHED, finished_at=now
    )


def _skip_cancelled(*, now: datetime) -> int:
    return Message.objects.filter(
        state=State.PLANNED, campaign__state=Campaign.State.CANCELLED
    ).update(state=State.SKIPPED, reason=Reason.CANCELLED, finished_at=now)


def _due_channels(campaign_id: int, now: datetime) -> list[str]:
    due = Message.objects.filter(campaign_id=campaign_id, state=State.PLANNED, due_at__lte=now)
    return sorted(due.order_by().values_list("channel", flat=True).distinct())


def _has_due(campaign_id: int, now: datetime, *, beyond: int = 0) -> bool:
    due = Message.objects.filter(
        campaign_id=campaign_id,
        campaign__state=Campaign.State.SENDING,
        state=State.PLANNED,
        due_at__lte=now,
    )
    return due.order_by()[beyond : beyond + 1].exists()


def _wants_sender(campaign_id: int, *, now: datetime) -> bool:
    """Whether messages are due and nobody sends, or so many that another sender would help."""
    taken = senders.taken(campaign_id)
    if taken >= senders.SENDERS_MOST:
        return False
    return _has_due(campaign_id, now, beyond=taken * HELP_FROM)


def _finish(campaign_id: int, *, now: datetime) -> bool:
    """Finish a campaign that has nothing planned and nothing under way.

    What a crash kept from the customers' timelines is told first, so that no crash can lose it.
    """

    def some(state: str) -> Exists:
        return Exists(Message.objects.filter(campaign=OuterRef("pk"), state=state))

    done = (
        Campaign.objects.filter(
            pk=campaign_id, state=Campaign.State.SENDING, kind=Campaign.Kind.BROADCAST
        )
        .exclude(some(State.PLANNED))
        .exclude(some(State.SENDING))
    )
    if not done.exists():
        return False
    telling.tell_missing(campaign_id, now=now)
    with transaction.atomic():
        # Whoever plans more holds this row meanwhile; the statement after it sees what they did.
        list(Campaign.objects.select_for_update().filter(pk=campaign_id).values_list("pk"))
        finished = done.update(state=Campaign.State.FINISHED, finished_at=now, changed_at=now)
        if finished:
            audit(None, "campaign.finished", f"campaign {campaign_id}")
    return bool(finished)


def _move(
    campaign: Campaign, before: tuple, after: str, reason: str, *, user: Any, now: datetime
) -> None:
    moved = Campaign.objects.filter(pk=campaign.pk, state__in=before).update(
        state=after, state_reason=reason[:300], changed_at=now
    )
    campaign.refresh_from_db(fields=["state", "state_reason", "changed_at"])
    if not moved:
        raise Conflict(
            f"The campaign {campaign} is {campaign.state}, expected {' or '.join(before)}."
        )
    verb = {"paused": "paused", "sending": "resumed", "cancelled": "cancelled"}[str(after)]
    audit(user, f"campaign.{verb}", f"campaign {campaign.pk}", reason=reason)
