"""How much may leave when: per second, per hour, per domain of recipients, and while warming up.

The only writer of `SendingLimit`, `WarmUp`, `SendingUse` and `SendingLine`.  Messages over a rate
stay planned with a later ``due_at``, so their sender is free for other campaigns.

Counted in PostgreSQL, in the transaction that claims: a claim and its count stand or fall together,
whoever is killed, and a day of a warm-up outlives a cache.  Without limits nothing is asked.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db import connection, transaction

from campaigns.models import SendingLimit, SendingLine, SendingUse, WarmUp
from customers.models.consent import Channel
from rapport.access import audit
from rapport.errors import DomainError

Span = SendingUse.Span
HOUR = timedelta(hours=1)
WAITS = "Waits for its turn: the sending rate is reached."
PUSHED_MOST = 5_000  # messages put in line at once
UNLIMITED_PER_SECOND = 1_000.0  # what is assumed of a mail server nearby
DAYS_MOST = 3_650
KEPT = {Span.SECOND: timedelta(minutes=5), Span.MINUTE: 3 * HOUR, Span.DAY: timedelta(days=400)}

USED = """
    SELECT scope, span, sum(used), min(starts_at) FROM campaigns_sendinguse
    WHERE scope = ANY(%s) AND used > 0 AND (
        (span = 'second' AND starts_at = %s) OR (span = 'minute' AND starts_at > %s)
        OR (span = 'day' AND starts_at = %s))
    GROUP BY scope, span"""
COUNT = """
    INSERT INTO campaigns_sendinguse (scope, span, starts_at, used)
    SELECT * FROM unnest(%s::text[], %s::text[], %s::timestamptz[], %s::int[])
    ON CONFLICT (scope, span, starts_at)
        DO UPDATE SET used = campaigns_sendinguse.used + excluded.used"""
POSTPONE = """
    UPDATE campaigns_message m SET due_at = v.due_at, detail = %s
    FROM unnest(%s::bigint[], %s::timestamptz[]) AS v(id, due_at) WHERE m.id = v.id"""
BEHIND = """
    SELECT id FROM campaigns_message
    WHERE campaign_id = %s AND channel = %s AND state = 'planned' AND due_at <= %s
        AND id <> ALL(%s)
    ORDER BY due_at, id LIMIT %s FOR UPDATE SKIP LOCKED"""
BRING_FORWARD = """
    UPDATE campaigns_message SET due_at = %s, detail = ''
    WHERE state = 'planned' AND detail = %s AND due_at > %s"""


class WrongLimit(DomainError):
    """A limit that limits nothing, or a plan that does not grow."""

    code = "wrong_limit"


@dataclass(frozen=True)
class Limit:
    """One thing that is counted, and how much of it may leave."""

    scope: str
    domain: str = ""  # of recipients; empty: all together
    per_second: int | None = None
    per_hour: int | None = None
    plan: WarmUp | None = None

    def rate(self, at: datetime) -> float:
        """Messages a second that may leave in the long run around a moment."""
        most = [float("inf")]
        if self.per_second:
            most.append(self.per_second)
        if self.per_hour:
            most.append(self.per_hour / 3_600)
        if self.plan:
            most.append((day_most(self.plan, _day(at).date()) or float("inf")) / 86_400)
        return min(most)

    def spans(self, at: datetime) -> dict[str, int]:
        """How much may leave in the spans that ``at`` lies in."""
        found = {Span.SECOND: self.per_second, Span.MINUTE: self.per_hour}
        if self.plan:
            found[Span.DAY] = day_most(self.plan, _day(at).date())
        return {str(span): most for span, most in found.items() if most}


@dataclass
class _Room:
    """What is left of one limit now, and when there will be more."""

    left: float
    more_at: datetime


def day_most(plan: WarmUp, day: date) -> int | None:
    """How many may leave on a day of a plan; None after its end, and 1 before its start."""
    days = (day - plan.starts_on).days
    if days < 0:
        return 1
    most = plan.first_day * plan.growth ** min(days, DAYS_MOST) if days < 500 else float("inf")
    return None if most >= plan.until else int(most)


def ends_on(plan: WarmUp) -> date:
    """The first day on which a plan no longer limits anything."""
    day = plan.starts_on
    while day_most(plan, day) is not None:
        day += timedelta(days=1)
    return day


def limits(channel: str, sender: str = "") -> list[Limit]:
    """Every limit on messages of a channel from this address."""
    found = [
        Limit(scope(channel, one.domain), one.domain, one.per_second, one.per_hour)
        for one in SendingLimit.objects.filter(channel=channel)
    ]
    if channel == Channel.EMAIL and sender:
        domain = domain_of(sender)
        found += [
            Limit(f"warm:{one.domain}", plan=one) for one in WarmUp.objects.filter(domain=domain)
        ]
    return found


def grant(
    campaign_id: int,
    wanted: Mapping[int, str],
    among: Sequence[Limit],
    *,
    channel: str,
    now: datetime,
) -> set[int]:
    """Take what may leave now of the messages ``wanted`` and put the others in line.

    Parameters
    ----------
    wanted : mapping
        The domain of each message's recipient, in the order in which they should leave; the rows
        are locked by the caller's transaction.

    Returns
    -------
    set of int
        Those that may leave; they are counted.
    """
    with connection.cursor() as cursor:
        # One taker at a time, for as long as a claim takes: no two see the same room.
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"rates {channel}"]
        )
        rooms = _rooms(cursor, among, now=now)
        granted, over = _share(wanted, among, rooms)
        _count(cursor, [wanted[one] for one in granted], among, now=now)
        for number, ids in over.items():
            limit = among[number]
            if not limit.domain:  # then nothing behind them may leave either
                cursor.execute(BEHIND, [campaign_id, channel, now, list(wanted), PUSHED_MOST])
                ids += [row[0] for row in cursor]
            _put_in_line(cursor, campaign_id, limit, ids, rooms[number].more_at)
    return granted


def finishes_at(
    n: int,
    now: datetime,
    *,
    channel: str = Channel.EMAIL,
    sender: str = "",
    domains: Mapping[str, int] | None = None,
) -> datetime:
    """When ``n`` messages would have left if they were due now and nothing else left meanwhile.

    ``domains`` says how many of them go to which domain; without it limits on domains count for
    nothing.
    """
    among = limits(channel, sender)
    with connection.cursor() as cursor:
        rooms = _rooms(cursor, among, now=now)
    ends = [now + timedelta(seconds=n / UNLIMITED_PER_SECOND)]
    for limit, room in zip(among, rooms, strict=True):
        count = (domains or {}).get(limit.domain, 0) if limit.domain else n
        left = count - room.left
        if left > 0:
            ends.append(_after(limit, left, max(now, room.more_at)))
    return max(ends)


def used_today(scope: str, *, now: datetime) -> int:
    found = SendingUse.objects.filter(scope=scope, span=Span.DAY, starts_at=_day(now)).first()
    return found.used if found else 0


def forget_old(*, now: datetime) -> None:
    """Remove counts that no limit asks for any more."""
    for span, kept in KEPT.items():
        SendingUse.objects.filter(span=span, starts_at__lt=now - kept).delete()
    SendingLine.objects.filter(until__lt=now - HOUR).delete()


@transaction.atomic
def set_limit(
    *,
    channel: str,
    domain: str = "",
    per_second: int | None,
    per_hour: int | None,
    user: Any,
    now: datetime,
) -> SendingLimit | None:
    """Set, change or (with neither rate) remove the limit of a channel and domain."""
    domain = domain.strip().lower().removeprefix("@")
    if any(one is not None and one < 1 for one in (per_second, per_hour)):
        raise WrongLimit("A rate is a whole number from 1 on; leave it empty for none.")
    if domain and channel != Channel.EMAIL:
        raise WrongLimit("Only e-mail has domains of recipients.")
    found = SendingLimit.objects.filter(channel=channel, domain=domain)
    limit = None
    if per_second is None and per_hour is None:
        found.delete()
    else:
        limit, _made = SendingLimit.objects.update_or_create(
            channel=channel,
            domain=domain,
            defaults={"per_second": per_second, "per_hour": per_hour, "changed_at": now},
            create_defaults={
                "per_second": per_second,
                "per_hour": per_hour,
                "created_at": now,
                "changed_at": now,
            },
        )
    target = f"limit {scope(channel, domain)}"
    audit(user, "sending_limit.set", target, per_second=per_second, per_hour=per_hour)
    _bring_forward(now=now)
    return limit


@transaction.atomic
def set_warm_up(
    *,
    domain: str,
    starts_on: date,
    first_day: int,
    growth: float,
    until: int,
    user: Any,
    now: datetime,
) -> WarmUp:
    """Set or change the plan of a sending domain."""
    domain = domain.strip().lower().removeprefix("@")
    if not domain:
        raise WrongLimit("A plan needs the domain that messages come from.")
    if first_day < 1 or not 1 < growth <= 10:
        raise WrongLimit("A plan starts with at least 1 and grows by a factor above 1, at most 10.")
    fields = {"starts_on": starts_on, "first_day": first_day, "growth": growth, "until": until}
    plan, _made = WarmUp.objects.update_or_create(
        domain=domain,
        defaults={**fields, "changed_at": now},
        create_defaults={**fields, "created_at": now, "changed_at": now},
    )
    audit(user, "warm_up.set", f"warm-up {domain}", **{**fields, "starts_on": str(starts_on)})
    _bring_forward(now=now)
    return plan


@transaction.atomic
def end_warm_up(plan: WarmUp, *, user: Any, now: datetime) -> None:
    plan.delete()
    audit(user, "warm_up.ended", f"warm-up {plan.domain}")
    _bring_forward(now=now)


def domain_of(address: str) -> str:
    return address.rpartition("@")[2].strip().lower()


def _bring_forward(*, now: datetime) -> None:
    """What waits in a line of the old rate asks again, under the new one."""
    SendingLine.objects.all().delete()
    with connection.cursor() as cursor:
        cursor.execute(BRING_FORWARD, [now, WAITS, now])


def _rooms(cursor: Any, among: Sequence[Limit], *, now: datetime) -> list[_Room]:
    if not among:
        return []
    second, minute, day = _second(now), _minute(now), _day(now)
    cursor.execute(USED, [[one.scope for one in among], second, minute - HOUR, day])
    used = {(scope, span): (count, first) for scope, span, count, first in cursor}
    rooms = []
    for limit in among:
        room = _Room(float("inf"), now)
        for span, most in limit.spans(now).items():
            count, first = used.get((limit.scope, span), (0, minute))
            more_at = {
                "second": second + timedelta(seconds=1),
                "minute": first + HOUR,
                "day": day + timedelta(days=1),
            }[span]
            left = max(0, most - int(count))
            if left < room.left or (left == room.left and more_at > room.more_at):
                room = _Room(left, more_at)
        rooms.append(room)
    return rooms


def _share(
    wanted: Mapping[int, str], among: Sequence[Limit], rooms: Sequence[_Room]
) -> tuple[set[int], dict[int, list[int]]]:
    """Who may leave, and by the number of the limit in the way, who may not."""
    left = [room.left for room in rooms]
    granted: set[int] = set()
    over: dict[int, list[int]] = {}
    for message_id, domain in wanted.items():
        asked = [n for n, limit in enumerate(among) if limit.domain in ("", domain)]
        stop = next((n for n in asked if left[n] < 1), None)
        if stop is not None:
            over.setdefault(stop, []).append(message_id)
            continue
        granted.add(message_id)
        for n in asked:
            left[n] -= 1
    return granted, over


def _count(cursor: Any, domains: Iterable[str], among: Sequence[Limit], *, now: datetime) -> None:
    starts = {Span.SECOND: _second(now), Span.MINUTE: _minute(now), Span.DAY: _day(now)}
    gone = list(domains)
    rows = []
    for limit in among:
        count = len(gone) if not limit.domain else gone.count(limit.domain)
        wanted = {*limit.spans(now), str(Span.DAY)}
        rows += [(limit.scope, span, starts[Span(span)], count) for span in sorted(wanted) if count]
    if rows:
        cursor.execute(COUNT, [list(column) for column in zip(*rows, strict=True)])


def _put_in_line(
    cursor: Any, campaign_id: int, limit: Limit, ids: list[int], more_at: datetime
) -> None:
    """Give each a moment of its own behind those that stand there already."""
    line = SendingLine.objects.filter(campaign_id=campaign_id, scope=limit.scope).first()
    at = max(more_at, line.until) if line else more_at
    moments = []
    for _id in ids:
        moments.append(at.replace(microsecond=0))
        at += timedelta(seconds=1 / limit.rate(at))
    cursor.execute(POSTPONE, [WAITS, ids, moments])
    SendingLine.objects.update_or_create(
        campaign_id=campaign_id, scope=limit.scope, defaults={"until": at}
    )


def _after(limit: Limit, count: float, at: datetime) -> datetime:
    """The moment at which ``count`` more have left, day by day while a plan grows."""
    for _day_number in range(DAYS_MOST):
        rate = limit.rate(at)
        if rate == float("inf"):
            return at
        end = at + timedelta(seconds=min(count / rate, 1e9))
        midnight = _day(at) + timedelta(days=1)
        if limit.plan is None or end <= midnight:
            return end
        count -= (midnight - at).total_seconds() * rate
        at = midnight
    return at


def scope(channel: str, domain: str) -> str:
    """The name under which messages of a channel, to a domain or to all, are counted."""
    return f"{channel}:{domain}" if domain else str(channel)


def _second(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(microsecond=0)


def _minute(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(second=0, microsecond=0)


def _day(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
