"""Hand planned messages over, at most once each, and say what became of them.

The only module that moves ``Message.state`` after planning, and ``Campaign.state`` from *sending*
on.  Messages:

    planned --claim--> sending --> sent | failed(reason) | unknown(connection_lost)
                           \\--> planned again, later, where it certainly was not taken
    planned --claim--> skipped(reason)       asked again at the last moment
    sending --the sender died--> unknown(crashed)       never sent again by itself

A claim is committed before anything is handed over, and is small: so many messages as fit into a
twentieth of a second.  A killed sender leaves that few unknown, and nothing is sent twice.  Within
a group that takes longer the sender looks up twice a second whether it may go on.
"""

import logging
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic, sleep
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import Count, Exists, OuterRef, QuerySet
from django.utils import timezone
from redis.exceptions import RedisError

from campaigns import judging
from campaigns.channels import chosen
from campaigns.channels.channel import Channel, ChannelAway, Outgoing, Result, Session, Verdict
from campaigns.messages.render import RenderError, TemplateError
from campaigns.messages.wire import AddressError
from campaigns.models import Campaign, Message
from campaigns.services import claims, composing, notices, pace, rates, senders, telling
from campaigns.services.claims import Claim
from campaigns.timing.rules import Rules
from customers.services import consent
from rapport import bells
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
LOOK_SECONDS = 0.5  # so often a sender asks within a group whether its campaign still runs
GROUP_SECONDS_MOST = 5.0  # a group that takes longer is cut short, and the rest claimed again
LIMITS_SECONDS = 1.0  # so long limits and sending rules are believed
TURN_SECONDS = 1.5  # a sender waits so long for the next turn under a rate
CANCELLED_AT_ONCE = 5_000  # messages; the sweep skips the others
JUDGED_EACH_SECONDS = 30
JUDGED_DAYS = 7  # what left earlier says nothing about the list that is written to now

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
    paused: int = 0  # campaigns of which too much came back


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
        soon = timedelta(seconds=TURN_SECONDS if now is None else 0)
        is_due = _has_due(campaign_id, clock() + soon)
        accepted = _Sender(campaign_id, sender, clock, now is None).run() if is_due else 0
    if not _finish(campaign_id, now=clock()) and _has_due(campaign_id, clock() + soon):
        senders.call(campaign_id)
    return accepted


def sweep(*, now: datetime) -> SweepReport:
    """Put right what no sender will: dead claims, finished campaigns, campaigns without a sender.

    Safe at any time and in several schedulers: everything is a conditional update.
    """
    crashed = _give_up_dead(now=now)
    cancelled = _skip_cancelled(now=now)
    rates.forget_old(now=now)
    finished = called = paused = 0
    for campaign_id in Campaign.objects.filter(state=Campaign.State.SENDING).values_list(
        "pk", flat=True
    ):
        if _finish(campaign_id, now=now):
            finished += 1
        elif _judge_returns(campaign_id, now=now):
            paused += 1
        elif _wants_sender(campaign_id, now=now):
            senders.call(campaign_id)
            called += 1
    return SweepReport(crashed, cancelled, finished, called, paused)


@transaction.atomic
def pause(campaign: Campaign, *, user: Any, now: datetime, reason: str = "") -> None:
    """Hand over nothing more, at once; what is planned stays planned.

    What is being handed over at this moment is out of our hands.  A campaign that is being planned
    is planned to the end and stays paused.
    """
    before = (Campaign.State.PLANNING, Campaign.State.SENDING)
    _move(campaign, before, Campaign.State.PAUSED, reason, user=user, now=now)


@transaction.atomic
def resume(campaign: Campaign, *, user: Any, now: datetime, reason: str = "") -> None:
    """Go on with a paused campaign where it stopped, be it in the middle of planning.

    What had come back until now is forgiven: a person has looked at it.
    """
    planned = Message.objects.filter(campaign_id=campaign.pk)
    if campaign.scaled_at:  # the rest after a pilot
        planned = planned.filter(planned_at__gte=campaign.scaled_at)
    is_planned = campaign.kind != Campaign.Kind.BROADCAST or planned.exists()
    after = Campaign.State.SENDING if is_planned else Campaign.State.PLANNING
    _move(campaign, (Campaign.State.PAUSED,), after, reason, user=user, now=now)
    Campaign.objects.filter(pk=campaign.pk).update(state_reason="", judged_from=now)
    campaign.state_reason = ""
    if is_planned:
        senders.came(campaign.pk)  # an earlier call may have been answered before this
        senders.call(campaign.pk)
    else:
        from campaigns.tasks import launch

        bells.enqueue(launch, campaign.pk)


@transaction.atomic
def cancel(campaign: Campaign, *, user: Any, now: datetime, reason: str = "") -> None:
    """Never send what has not left yet; what has left stays on record.

    Of very many messages the sweep marks the rest as skipped; none of them can leave any more.
    """
    before = (
        Campaign.State.SCHEDULED,
        Campaign.State.PLANNING,
        Campaign.State.SENDING,
        Campaign.State.PAUSED,
    )
    _move(campaign, before, Campaign.State.CANCELLED, reason, user=user, now=now)
    _skip_cancelled(now=now, most=CANCELLED_AT_ONCE)


class _Sender:
    """One run of one sender."""

    def __init__(
        self, campaign_id: int, name: str, clock: Callable[[], datetime], may_wait: bool
    ) -> None:
        self.campaign = Campaign.objects.select_related("offer").get(pk=campaign_id)
        self.name, self.clock, self.may_wait = name, clock, may_wait
        self.limits: list[rates.Limit] = []
        self.rules = Rules()
        self.limits_until = 0.0
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
            soon = timedelta(seconds=TURN_SECONDS if self.may_wait else 0)
            for channel in _due_channels(self.campaign.pk, self.clock() + soon):
                if not self.is_stopped:
                    self._run(channel, until)
        finally:
            self.teller.tell(now=self.clock())
        return self.accepted

    def _run(self, channel: str, until: float) -> None:
        self.channel, self.limits_until = channel, 0.0
        way: Channel | None = None
        try:
            self.writer = composing.writer(self.campaign, channel)
        except TemplateError as error:
            self._stop(f"The message cannot be compiled: {error}")
            return
        is_over = False
        # Waiting for a mail server is one wait, however long a run is.
        while not is_over and (monotonic() < until or self.away_since is not None):
            try:
                way = way or chosen.channel(channel, self.clock)
                with way.open() as session:
                    self.away_since = None
                    is_over = self._use(session, until)
            except ChannelAway as error:
                is_over = self._wait(error)

    def _use(self, session: Session, until: float) -> bool:
        """Send group after group while the connection lasts; true when there is no more to do."""
        self.size.least = getattr(session, "at_once", 1)
        while session.is_open and monotonic() < until:
            group = self._claim()
            if group is None:
                if not self._waits_for_turn():
                    return True
                continue
            if not group:  # all were skipped, or stand in line
                continue
            went_on = self._hand_over(group, session)
            if self.breaker.reason:
                self._stop(self.breaker.reason)
                return True
            if not went_on:  # what the connection has announced must not be used again
                return False
        return False

    def _claim(self) -> list[Claim] | None:
        """Take the next messages; None when none are due, empty when all had to be skipped."""
        now = self.clock()
        with transaction.atomic(), connection.cursor() as cursor:
            found = claims.next_claims(
                self.campaign,
                channel=self.channel,
                limit=self.size.now,
                now=now,
                rules=self._rules(),
            )
            if not found:
                return None
            found = self._within_rates(found, now)
            ids, reasons = [one.message_id for one in found], [one.reason for one in found]
            if ids:
                cursor.execute(MARK, [now, now, self.name, ids, reasons])
        return [one for one in found if not one.reason]

    def _rules(self) -> Rules:
        """The sending rules, and with them the limits, asked for again every few moments."""
        if monotonic() > self.limits_until:
            sender = self.campaign.sender_email or settings.DEFAULT_FROM_EMAIL
            self.limits = rates.limits(self.channel, sender)
            self.rules = judging.rules_of(self.campaign)
            self.limits_until = monotonic() + LIMITS_SECONDS
        return self.rules

    def _within_rates(self, found: list[Claim], now: datetime) -> list[Claim]:
        """Those that may leave now, and those that never will; the others stand in line."""
        if not self.limits:
            return found
        wanted = {
            one.message_id: rates.domain_of(one.person.address(self.channel))
            for one in found
            if not one.reason
        }
        granted = rates.grant(self.campaign.pk, wanted, self.limits, channel=self.channel, now=now)
        return [one for one in found if one.reason or one.message_id in granted]

    def _waits_for_turn(self) -> bool:
        """Under a rate, wait a moment for the next messages in line; false when none are near."""
        if not self.limits or not self.may_wait:
            return False
        now = self.clock()
        next_at = (
            _planned(self.campaign.pk)
            .filter(channel=self.channel, due_at__lte=now + timedelta(seconds=TURN_SECONDS))
            .order_by("due_at")
            .values_list("due_at", flat=True)
            .first()
        )
        if next_at is None:
            return False
        sleep(min(max((next_at - now).total_seconds(), 0.02), 1.0))
        return True

    def _hand_over(self, group: list[Claim], session: Session) -> bool:
        """Write and send one group; results are recorded as they come in, a few at a time.

        False when it stopped in between, because the campaign no longer runs or the group takes too
        long; what was not offered is planned again, and the connection must be closed.
        """
        claimed = {one.message_id: one for one in group}
        looked = last = started = monotonic()
        mails, results = self._compose(group)
        offered, went_on = 0, True
        sending = session.send(mails)
        try:
            for result in sending:
                offered += 1
                results.append(result)
                at = monotonic()
                if at - last > RECORD_SECONDS:
                    self._record(results, claimed)
                    results, last = [], monotonic()
                if offered < len(mails) and at - looked > LOOK_SECONDS:
                    looked = at
                    went_on = at - started < GROUP_SECONDS_MOST and self._may_go_on()
                    if not went_on:
                        break
            self.size.learn(offered, monotonic() - started)
        finally:
            if isinstance(sending, Generator):
                sending.close()
            if not went_on:
                late = {one.message_id: one for one in getattr(session, "late", ())}
                results += [
                    late.get(mail.message_id, Result(mail.message_id, Verdict.NOT_TRIED))
                    for mail in mails[offered:]
                ]
            self._record(results, claimed)
        return went_on

    def _may_go_on(self) -> bool:
        return Campaign.objects.filter(pk=self.campaign.pk, state=Campaign.State.SENDING).exists()

    def _compose(self, group: list[Claim]) -> tuple[list[Outgoing], list[Result]]:
        """The messages of a group, and the results of those that could not be written."""
        mails, failed, now = [], [], self.clock()
        self._prepare(group, now)
        for one in group:
            try:
                mails.append(self.writer.write(one.message_id, one.person, now=now))
            except (RenderError, AddressError) as error:
                failed.append(Result(one.message_id, Verdict.UNWRITTEN, str(error)))
            except Exception as error:
                log.exception("message %s could not be written", one.message_id)
                failed.append(Result(one.message_id, Verdict.UNWRITTEN, repr(error)))
        return mails, failed

    def _prepare(self, group: list[Claim], now: datetime) -> None:
        """Look up for the whole group what its texts need; what fails here fails again by itself,
        for one person, when it is written."""
        prepare = getattr(self.writer, "prepare", None)
        if prepare is None:
            return
        try:
            prepare([one.person for one in group], now=now)
        except Exception:
            log.exception("nothing could be looked up for campaign %s", self.campaign.pk)

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
                self.teller.note(one.message_id, one.person.customer_id, now, channel=self.channel)
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
        return not self._may_go_on()

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


def _skip_cancelled(*, now: datetime, most: int | None = None) -> int:
    """In pieces, so that no statement holds many rows for long; at most ``most``."""
    skipped = 0
    while most is None or skipped < most:
        found = Message.objects.filter(
            state=State.PLANNED, campaign__state=Campaign.State.CANCELLED
        ).values("pk")[:CANCELLED_AT_ONCE]
        moved = Message.objects.filter(pk__in=found, state=State.PLANNED).update(
            state=State.SKIPPED, reason=Reason.CANCELLED, finished_at=now
        )
        skipped += moved
        if moved < CANCELLED_AT_ONCE:
            break
    return skipped


def _judge_returns(campaign_id: int, *, now: datetime) -> bool:
    """Pause a campaign of which too much came back; true when it was paused.

    Each campaign is judged twice a minute at most: counting what was sent takes a while.
    """
    with suppress(RedisError, OSError):
        if not cache.add(f"returns-judged:{campaign_id}", True, timeout=JUDGED_EACH_SECONDS):
            return False
    campaign = Campaign.objects.get(pk=campaign_id)
    if campaign.kind == Campaign.Kind.TRANSACTIONAL:  # asked for by the people themselves
        return False
    since = max(filter(None, (campaign.judged_from, now - timedelta(days=JUDGED_DAYS))))
    sent = Message.objects.filter(campaign_id=campaign_id, sent_at__gte=since)
    back = sent.filter(state__in=[State.BOUNCED, State.COMPLAINED])
    counts = dict(back.order_by().values_list("state").annotate(n=Count("pk")))
    bounced, complained = counts.get(State.BOUNCED, 0), counts.get(State.COMPLAINED, 0)
    if not pace.is_worth_judging(bounced=bounced, complained=complained):
        return False
    reason = pace.returned(sent.count(), bounced=bounced, complained=complained)
    if not reason:
        return False
    try:
        pause(campaign, user=None, now=now, reason=reason)
    except Conflict:
        return False
    return True


def _planned(campaign_id: int) -> QuerySet[Message]:
    return Message.objects.filter(campaign_id=campaign_id, state=State.PLANNED).order_by()


def _due_channels(campaign_id: int, until: datetime) -> list[str]:
    due = _planned(campaign_id).filter(due_at__lte=until)
    return sorted(due.values_list("channel", flat=True).distinct())


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


def end(campaign_id: int, *, now: datetime) -> bool:
    """Finish what goes on until it is ended, as a broadcast finishes by itself.

    The caller knows that its end is past and that nobody is inside.
    """
    kinds = (Campaign.Kind.RECURRING, Campaign.Kind.TRIGGERED, Campaign.Kind.FLOW)
    return _finish(campaign_id, now=now, kinds=kinds)


def _finish(
    campaign_id: int, *, now: datetime, kinds: tuple[str, ...] = (Campaign.Kind.BROADCAST,)
) -> bool:
    """Finish a campaign that has nothing planned and nothing under way.

    What a crash kept from the customers' timelines is told first, so that no crash can lose it.
    """

    def some(state: str) -> Exists:
        return Exists(Message.objects.filter(campaign=OuterRef("pk"), state=state))

    done = (
        Campaign.objects.filter(pk=campaign_id, state=Campaign.State.SENDING, kind__in=kinds)
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
            notices.campaign(campaign_id, "campaign.finished", now=now)
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
    verb = {"planning": "resumed", "sending": "resumed"}.get(str(after), str(after))
    audit(user, f"campaign.{verb}", f"campaign {campaign.pk}", reason=reason)
    if verb == "paused":
        notices.campaign(campaign.pk, "campaign.paused", now=now, reason=reason)
