"""Take what providers say of messages.  The only module that moves ``Message.state`` once it is
*sent*, and the only writer of ``ProviderEvent``.

    unknown, sent --> delivered --> bounced --> complained

A state only ever moves to the right, by conditional update, so that the same words in any order and
any number of times lead to the same end: a "delivered" that comes after a bounce changes nothing.
What is said of a message that is not written down yet, or still being handed over, waits.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction

from campaigns import querysets
from campaigns.models import Message, Outcome, ProviderEvent
from campaigns.services import outcomes
from campaigns.services.outcomes import Reaction
from customers.models import Suppression
from customers.services import consent

SOURCE = "rapport"
WAIT = timedelta(days=3)  # so long a word waits for its message
KEEP = timedelta(days=30)  # what was refused can be looked at
AT_ONCE = 1_000
ORDER = ("unknown", "sent", "delivered", "bounced", "complained")
Kind = Outcome.Kind
State = ProviderEvent.State
ADDRESSES = {"email": "email", "sms": "phone"}  # elsewhere no address outlives its customer

# (state it leads to, outcome, its key); what leads to no state is taken from any that left.
KINDS: dict[str, tuple[str, Kind, str]] = {
    "delivered": (Message.State.DELIVERED, Kind.DELIVERED, ""),
    "soft_bounce": (Message.State.BOUNCED, Kind.BOUNCE, "soft"),
    "hard_bounce": (Message.State.BOUNCED, Kind.BOUNCE, "hard"),
    "failed": (Message.State.BOUNCED, Kind.BOUNCE, "failed"),
    "complaint": (Message.State.COMPLAINED, Kind.COMPLAINT, ""),
    "open": ("", Kind.OPEN, ""),
    "click": ("", Kind.CLICK, ""),
    "unsubscribe": ("", Kind.UNSUBSCRIBE, ""),
}
BAD = ("soft_bounce", "hard_bounce", "failed", "complaint")  # their words are kept
FIND = """
    SELECT m.id, m.provider_id, m.state, m.channel, m.customer_id, k.topic, k.name AS campaign,
        s.id AS survivor_id, s.erased_at IS NOT NULL AS is_erased, s.email, s.phone
    FROM campaigns_message m
    JOIN campaigns_campaign k ON k.id = m.campaign_id
    LEFT JOIN customers_customer c ON c.id = m.customer_id
    LEFT JOIN customers_customer s ON s.id = coalesce(c.merged_into_id, c.id)
    WHERE m.id IN (
        SELECT unnest(%s::bigint[])
        UNION SELECT id FROM campaigns_message
        WHERE provider_id <> '' AND provider_id = ANY(%s::text[]))
    ORDER BY m.id FOR NO KEY UPDATE OF m"""
# An *unknown* message that somebody answers for did leave: when its sender took it up, we know.
MOVE = """
    UPDATE campaigns_message m
    SET state = CASE WHEN w.is_further THEN v.state ELSE m.state END, reason = '',
        detail = CASE WHEN w.is_further AND v.detail <> '' THEN v.detail
            ELSE coalesce(nullif(m.detail, ''), v.detail) END,
        sent_at = coalesce(m.sent_at, m.sending_since, v.happened_at),
        finished_at = coalesce(m.finished_at, v.happened_at)
    FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::timestamptz[])
            AS v (id, state, detail, happened_at)
        JOIN campaigns_message o USING (id)
        CROSS JOIN LATERAL (SELECT array_position(%s::text[], o.state::text)
            < array_position(%s::text[], v.state) AS is_further) w
    WHERE m.id = v.id AND (w.is_further OR (v.detail <> '' AND m.detail = ''))"""


@dataclass(frozen=True)
class Arrival:
    """One thing that a provider says of a message, in our words.

    ``address`` is believed: a door that strangers may knock at gives it only where it has proof.
    """

    kind: str  # of KINDS
    happened_at: datetime
    message_id: int | None = None
    provider: str = ""
    provider_id: str = ""
    event_id: str = ""  # the provider's name of this event
    detail: str = ""
    address: str = ""
    url: str = ""  # of a click
    is_machine: bool = False
    channel: str = ""


def record(arrivals: Sequence[Arrival], *, now: datetime) -> int:
    """Record many words of providers in a few statements; return how many told something new.

    Safe to repeat, in any order and in several workers at once.  The message is found by its
    number, or by its name at the provider: ``provider_id``, or ``provider:provider_id`` where a
    channel keeps short numbers apart so.
    """
    new = 0
    for start in range(0, len(arrivals), AT_ONCE):
        chunk = [_tidy(one, now=now) for one in arrivals[start : start + AT_ONCE]]
        with transaction.atomic():
            new += _record(chunk, now=now)
    return new


def reject(
    reason: str, *, provider: str, said: str, now: datetime, arrival: Arrival | None = None
) -> ProviderEvent:
    """Keep a word that cannot be used, with the reason, for somebody to look at."""
    key = _digest("rejected", provider, said)
    row = arrival or Arrival("", now, provider=provider, detail=said)
    event, _is_new = ProviderEvent.objects.get_or_create(
        key=key, defaults=_columns(row, now=now) | {"state": State.REJECTED, "reason": reason[:300]}
    )
    return event


def place_waiting(*, now: datetime) -> int:
    """Try again what waits for its message, and give up what waited too long; return how many
    found theirs.  Safe in several workers: the rows are locked, and others pass over them.
    """
    with transaction.atomic():
        waiting = ProviderEvent.objects.select_for_update(skip_locked=True)
        rows = list(waiting.filter(state=State.WAITING).order_by("id")[:AT_ONCE])
        found = _find(map(_arrival, rows))
        ready = [row for row in rows if _is_ready(found.of(_arrival(row)))]
        if ready:
            ProviderEvent.objects.filter(pk__in=[row.pk for row in ready]).delete()
            _record([_arrival(row) for row in ready], now=now)
    late = ProviderEvent.objects.filter(state=State.WAITING, recorded_at__lt=now - WAIT)
    late.update(state=State.REJECTED, reason="No message of ours came up for it.")
    return len(ready)


def forget_old(*, now: datetime) -> int:
    """Remove what was refused `KEEP` ago."""
    old = ProviderEvent.objects.filter(state=State.REJECTED, recorded_at__lt=now - KEEP)
    return old.delete()[0]


class _Found:
    """The messages that arrivals speak of."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self._by_id = {row["id"]: row for row in rows}
        self._by_name = {row["provider_id"]: row for row in rows if row["provider_id"]}

    def of(self, arrival: Arrival) -> dict[str, Any] | None:
        if arrival.message_id is not None:
            return self._by_id.get(arrival.message_id)
        for name in _names(arrival):
            if name in self._by_name:
                return self._by_name[name]
        return None


def _record(arrivals: list[Arrival], *, now: datetime) -> int:
    found = _find(arrivals)
    ready, waiting = [], []
    for one in arrivals:
        row = found.of(one)
        if row is not None and _is_ready(row):
            # A server's words often name the address, which is not ours to keep after erasure.
            ready.append((replace(one, detail="") if row["is_erased"] else one, row))
        elif row is None or row["state"] in ("planned", "sending"):
            waiting.append(one)
    _wait(waiting, now=now)
    _move(ready)
    new = outcomes.record([_reaction(one, row["id"]) for one, row in ready], now=now)
    _follow(ready, now=now)
    return new


def _find(arrivals: Iterable[Arrival]) -> _Found:
    """Their messages, locked in one order so that two writers wait for each other."""
    ids: set[int] = set()
    names: set[str] = set()
    for one in arrivals:
        if one.message_id is not None:
            ids.add(one.message_id)
        else:
            names.update(_names(one))
    if not ids and not names:
        return _Found([])
    return _Found(querysets.rows((FIND, [sorted(ids), sorted(names)])))


def _names(arrival: Arrival) -> list[str]:
    if not arrival.provider_id:
        return []
    return [f"{arrival.provider}:{arrival.provider_id}", arrival.provider_id]


def _is_ready(row: dict[str, Any] | None) -> bool:
    return row is not None and row["state"] in ORDER


def _wait(arrivals: list[Arrival], *, now: datetime) -> None:
    ProviderEvent.objects.bulk_create(
        [ProviderEvent(key=_digest(*_identity(one)), **_columns(one, now=now)) for one in arrivals],
        ignore_conflicts=True,
    )


def _move(ready: list[tuple[Arrival, dict[str, Any]]]) -> None:
    """Each message to the furthest state that was said, with the words that said so."""
    furthest: dict[int, tuple[int, Arrival]] = {}
    details: dict[int, str] = {}
    for one, row in ready:
        state = KINDS[one.kind][0]
        # An open or a click proves as much of a message of which nothing else is known.
        step = ORDER.index(state or "sent")
        if one.kind in BAD and one.detail:
            details.setdefault(row["id"], one.detail)
        said = furthest.get(row["id"])
        if said is None or (step, said[1].happened_at) > (said[0], one.happened_at):
            furthest[row["id"]] = step, one
    if not furthest:
        return
    rows = [
        (
            pk,
            ORDER[step],
            (one.detail if one.kind in BAD else "") or details.get(pk, ""),
            one.happened_at,
        )
        for pk, (step, one) in sorted(furthest.items())
    ]
    columns = [list(column) for column in zip(*rows, strict=True)]
    with connection.cursor() as cursor:
        cursor.execute(MOVE, [*columns, list(ORDER), list(ORDER)])


def _reaction(one: Arrival, message_id: int) -> Reaction:
    _state, kind, key = KINDS[one.kind]
    if kind == Kind.CLICK:
        key = _digest(one.url)[:16]
    url = one.url if kind == Kind.CLICK else one.detail if kind == Kind.BOUNCE else ""
    return Reaction(message_id, kind, one.happened_at, key, url, one.is_machine)


def _follow(ready: list[tuple[Arrival, dict[str, Any]]], *, now: datetime) -> None:
    """Suppress and withdraw.  A withdrawal has the moment of the event: told again after a newer
    yes it changes nothing."""
    suppressed = []
    for one, row in ready:
        if one.kind in ("hard_bounce", "complaint") and not row["is_erased"]:
            address = one.address or row.get(ADDRESSES.get(row["channel"], "")) or ""
            if address.strip():
                suppressed.append((row["channel"], address, one))
        if one.kind in ("complaint", "unsubscribe") and row["survivor_id"] and not row["is_erased"]:
            said = "Marked as spam" if one.kind == "complaint" else "Unsubscribed at the provider"
            consent.record(
                row["survivor_id"],
                channel=row["channel"],
                topic=row["topic"],
                is_granted=False,
                source="unsubscribe",
                now=now,
                happened_at=one.happened_at,
                proof_text=f"{said}: “{row['campaign']}”.",
            )
    reasons = {
        "hard_bounce": Suppression.Reason.HARD_BOUNCE,
        "complaint": Suppression.Reason.COMPLAINT,
    }
    consent.suppress_all(
        [(channel, address, reasons[one.kind]) for channel, address, one in suppressed],
        source=SOURCE,
        now=now,
    )


def _tidy(one: Arrival, *, now: datetime) -> Arrival:
    """Cut what is too long, and take a moment to come for now: clocks are wrong, facts are not."""
    if one.kind not in KINDS:
        raise ValueError(f"kind is {one.kind!r}, expected one of {', '.join(KINDS)}")
    return replace(
        one,
        happened_at=min(one.happened_at, now),
        provider=one.provider[:40],
        provider_id=one.provider_id[:120],
        detail=one.detail.replace("\x00", "")[:300],
        address=one.address.replace("\x00", "")[:254],
        url=one.url.replace("\x00", "")[:500],
    )


def _identity(one: Arrival) -> tuple[str, ...]:
    """What tells two words apart: the provider's name for it, else all that it says."""
    about = str(one.message_id or ""), one.provider, one.provider_id, one.kind
    if one.event_id:
        return (*about, one.event_id)
    return (*about, one.happened_at.isoformat(), one.url)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()


def _columns(one: Arrival, *, now: datetime) -> dict[str, Any]:
    return {
        "provider": one.provider[:40],
        "provider_id": one.provider_id[:120],
        "message_number": one.message_id,
        "kind": one.kind,
        "channel": one.channel,
        "detail": one.detail.replace("\x00", "")[:300],
        "url": one.url,
        "is_machine": one.is_machine,
        "address": one.address,
        "happened_at": one.happened_at,
        "recorded_at": now,
    }


def _arrival(row: ProviderEvent) -> Arrival:
    return Arrival(
        row.kind,
        row.happened_at,
        row.message_number,
        row.provider,
        row.provider_id,
        "",
        row.detail,
        row.address,
        row.url,
        row.is_machine,
        row.channel,
    )
