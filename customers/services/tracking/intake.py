"""Store the messages of one request of the tracking API, once each, and say what follows.

Event rows are born here, in `customers.services.events` and in `customers.services.imports`.
"""

import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from django.conf import settings
from django.db import (
    DataError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    ProgrammingError,
    connection,
    transaction,
)

from customers.collect.bodies import value
from customers.collect.messages import Message, Rejected
from customers.models import RejectedMessage, WriteKey
from customers.services import conclusions, identity, touches, write_keys
from customers.services.identity import Claim
from customers.services.importing import among, counts
from customers.services.tracking import orders, people, statements
from customers.services.tracking.gathering import Gathering
from customers.services.tracking.rows import as_json
from customers.services.tracking.statements import Statement
from customers.services.tracking.together import Together
from customers.signals import BATCH_IDS, customers_changed

log = logging.getLogger(__name__)

CONCLUDED_UP_TO = 10  # messages of a call that waits for its segments
PAYLOAD_KEPT = 32 * 1024  # characters of a message that could not be stored
TOGETHER_MOST = 8  # calls of one transaction
CONCERNED = """
    SELECT customer_id FROM stored WHERE customer_id IS NOT NULL UNION SELECT unnest(%s::bigint[])
"""
# Stores what is not there yet and notes whose it is; says which these were only if not all.
RECORD = Statement(f"""
    WITH stored AS (
        INSERT INTO customers_event (source, message_id, customer_id, anonymous_id, name,
            properties, happened_at, recorded_at)
        SELECT %s::text, r.m, r.c, r.a, r.n, r.p, r.h, %s::timestamptz
        FROM jsonb_to_recordset(%s::jsonb)
            AS r(m text, c bigint, a text, n text, p jsonb, h timestamptz)
        ON CONFLICT (source, message_id) DO NOTHING
        RETURNING message_id, customer_id
    ), touched AS (
        {touches.recording(CONCERNED)}
    )
    SELECT number, CASE WHEN number < %s::int THEN ARRAY(SELECT message_id FROM stored) END
    FROM (SELECT count(*) FROM stored) stored(number)
""")


@dataclass
class Taken:
    """What became of the messages of one request."""

    stored: int = 0
    repeated: int = 0  # were there already
    rejected: list[Rejected] = field(default_factory=list)
    customers: dict[int, int] = field(default_factory=dict)  # place of a message -> customer
    touched: set[int] = field(default_factory=set)

    def add(self, other: "Taken") -> None:
        self.stored += other.stored
        self.repeated += other.repeated
        self.rejected += other.rejected
        self.customers.update(other.customers)
        self.touched |= other.touched


class Fresh(NamedTuple):
    """One message that was not there before, and whose it is."""

    message: Message
    customer_id: int | None


class Row(msgspec.Struct):
    """One event on its way to PostgreSQL."""

    m: str
    c: int | None
    a: str
    n: str
    p: dict[str, Any]
    h: datetime


def take(
    messages: Sequence[Message], rejected: Sequence[Rejected], *, key: WriteKey, now: datetime
) -> Taken:
    """Store all messages in one transaction, and keep those that cannot be, with the reason.

    Safe to repeat and to run beside itself: a message is known by its source and message id.
    Customers who changed are noted in the same transaction and told on commit, except those of a
    small call: for these ask `conclude`.
    """
    taken = _take(messages, key=key, now=now) if messages else Taken()
    taken.rejected += rejected
    if taken.rejected:
        write_keys.keep_rejected([_kept(one, key, now) for one in taken.rejected])
    return taken


def conclude(taken: Taken, *, now: datetime) -> dict[int, list[str]]:
    """The segments that the customers of a small call are in, by customer; after the commit."""
    asked = set(taken.customers.values()) | taken.touched
    try:
        return conclusions.conclude(asked, now)
    except Exception:  # the facts are stored: the bell does the rest
        log.exception("No conclusion for customers %s within the request", sorted(asked)[:20])
        changed = counts.Counts(touched=taken.touched)
        counts.tell(changed, cause="event")
        return {}


def waits(messages: Sequence[Message]) -> bool:
    """Whether a call of these messages is small enough to wait for its conclusions."""
    return len(messages) <= CONCLUDED_UP_TO and conclusions.exist()


@dataclass(frozen=True)
class _Call:
    """The messages of one request that could be read."""

    messages: Sequence[Message]
    key: WriteKey
    now: datetime


def _take(messages: Sequence[Message], *, key: WriteKey, now: datetime) -> Taken:
    call = _Call(messages, key, now)
    return _take_one(call, is_awaited=True) if waits(messages) else _calls.do(call)


def _take_some(calls: Sequence[_Call]) -> list[Taken]:
    """Store calls that nobody waits for: all with one key in one transaction."""
    if len(calls) == 1:
        return [_take_one(calls[0], is_awaited=False)]
    taken: dict[int, Taken] = {}
    for pk in dict.fromkeys(call.key.pk for call in calls):
        places = [place for place, call in enumerate(calls) if call.key.pk == pk]
        some = [calls[place] for place in places]
        taken.update(zip(places, _write_committed(some, is_awaited=False), strict=True))
    return [taken[place] for place in range(len(calls))]


_calls = Together(_take_some, most=TOGETHER_MOST)


def _take_one(call: _Call, *, is_awaited: bool) -> Taken:
    try:
        return _write_committed([call], is_awaited=is_awaited)[0]
    except (DataError, ValueError) as error:
        # A value that no check foresaw: halve until the one message is found.
        some = call.messages
        if len(some) == 1:
            reason = f"The database refused it: {str(error).splitlines()[0]}"
            return Taken(
                rejected=[Rejected(some[0].place, "refused", reason, None, value(some[0].raw))]
            )
        half = len(some) // 2
        taken = Taken()
        for part in (some[:half], some[half:]):
            taken.add(_take_one(replace(call, messages=part), is_awaited=is_awaited))
        return taken


def _write_committed(calls: Sequence[_Call], *, is_awaited: bool) -> list[Taken]:
    """Write calls with one key in a transaction of their own, however often it takes."""

    def write(*, tries_again: bool) -> list[Taken]:
        with statements.prepared(), transaction.atomic():
            return _write(calls, is_awaited=is_awaited, tries_again=tries_again)

    # To ask each time whether the connection is still there costs a way to the database and back.
    connection.health_check_done = True  # type: ignore[attr-defined]
    before = connection.connection
    try:
        return write(tries_again=True)
    except (identity.Disturbed, IntegrityError):
        pass
    except (OperationalError, InterfaceError) as error:
        if not among.is_disturbance(error) and not _is_lost(before):
            raise
    except ProgrammingError as error:
        if not statements.is_lost(error):
            raise
    return among.again_if_disturbed(lambda: write(tries_again=False))


def _is_lost(before: Any) -> bool:
    """Whether this connection broke, by a restart or so; the next use then has another."""
    if before is None or connection.connection is not before:  # Django made another at once
        return before is not None
    if connection.is_usable():
        return False
    connection.close()
    return True


def _write(calls: Sequence[_Call], *, is_awaited: bool, tries_again: bool) -> list[Taken]:
    key, now = calls[0].key, max(call.now for call in calls)
    messages = [message for call in calls for message in call.messages]
    touched = _join(messages, key=key, now=now)
    whose = _resolve(messages, source=key.source, touched=touched, tries_again=tries_again, now=now)
    new = _store(list(zip(messages, whose, strict=True)), touched, source=key.source, now=now)
    fresh = [Fresh(messages[nth], whose[nth]) for nth in sorted(new)]
    others = _write_people(fresh, now=now) | _write_commerce(fresh, key=key, now=now)
    touches.record(others - touched, now)
    touched |= others
    _keep_faults(fresh, key=key, now=now)
    if not is_awaited and touched:
        transaction.on_commit(lambda: _bells.add(touched))
    taken, start = [], 0
    for call in calls:
        end = start + len(call.messages)
        stored = sum(nth in new for nth in range(start, end))
        told = zip(call.messages, whose[start:end], strict=True)
        customers = {message.place: pk for message, pk in told if pk is not None}
        taken.append(Taken(stored, end - start - stored, [], customers, touched))
        start = end
    return taken


def _join(messages: Iterable[Message], *, key: WriteKey, now: datetime) -> set[int]:
    """Join the ids of each alias; the customers they are."""
    joined = [
        identity.alias(
            message.previous_id,
            message.user_id,
            source=key.source,
            now=now,
            may_join_known=key.is_secret,
        )
        for message in messages
        if message.kind == "alias"
    ]
    return {pk for pk in joined if pk is not None}


def _store(
    events: Sequence[tuple[Message, int | None]], touched: set[int], *, source: str, now: datetime
) -> set[int]:
    """Append the events that are not there yet, and note whom they and ``touched`` concern.

    Returns which were new: of several that are the same, the first.  ``touched`` gets theirs.
    """
    first: dict[str, int] = {}
    for nth, (message, _pk) in enumerate(events):
        first.setdefault(message.message_id, nth)
    # In one order, so that two writers of the same events wait for each other instead of locking.
    rows = [
        Row(m.message_id, pk, m.anonymous_id, m.name, m.properties, m.happened_at)
        for m, pk in (events[first[name]] for name in sorted(first))
    ]
    with connection.cursor() as cursor:
        given = [source, now, as_json(rows), now, sorted(touched), len(rows)]
        RECORD.run(cursor, given)
        _number, names = cursor.fetchone()
    new = set(first.values()) if names is None else {first[name] for name in names}
    touched.update(pk for nth in new if (pk := events[nth][1]) is not None)
    return new


def _ring(gathered: list[set[int]]) -> None:
    ids = sorted(set().union(*gathered))
    for start in range(0, len(ids), BATCH_IDS):
        some = ids[start : start + BATCH_IDS]
        customers_changed.send(counts.Counts, customer_ids=some, cause="event")


_bells = Gathering(_ring)  # one that gets lost is made up for by its touch


def _resolve(
    messages: Sequence[Message],
    *,
    source: str,
    touched: set[int],
    tries_again: bool,
    now: datetime,
) -> list[int | None]:
    """Whose each message is; each set of handles is asked for once."""
    claims: dict[tuple[str, str, str, str], datetime] = {}
    handles = [(each.user_id, each.anonymous_id, each.email, each.phone) for each in messages]
    for message, named in zip(messages, handles, strict=True):
        at = claims.get(named)
        if at is None or message.happened_at < at:
            claims[named] = message.happened_at
    found = identity.resolve(
        [Claim(*named, happened_at=at) for named, at in claims.items()],
        source=source,
        now=now,
        touched=touched,
        tries_again=tries_again,
    )
    whose = dict(zip(claims, found, strict=True))
    return [whose[named] for named in handles]


def _write_people(events: Sequence[Fresh], *, now: datetime) -> set[int]:
    sayings, of_customer = [], {}
    for message, pk in events:
        if pk is not None and message.told is not None:
            sayings.append(people.Saying(pk, message.told, message.happened_at))
            if message.told.email:
                of_customer[pk] = message
    changed, not_theirs = people.write(sayings, now=now)
    for pk, address in not_theirs.items():
        reason = f"email is {address!r}, which belongs to another customer."
        of_customer[pk].faults.append(("trait", reason))
    return changed


def _write_commerce(events: Sequence[Fresh], *, key: WriteKey, now: datetime) -> set[int]:
    source = key.source
    products = orders.write_products(
        [
            product
            for message, _pk in events
            for product in message.products
            if message.review  # asks for the id
            or not orders.is_settled(product, key.pk)
        ],
        source=source,
        key_id=key.pk,
        now=now,
    )
    told = [
        orders.Saying(message.order, pk, message.message_id)
        for message, pk in events
        if message.order is not None
    ]
    touched = orders.write(
        told,
        [one for message, _pk in events if message.order is not None for one in message.products],
        source=source,
        key_id=key.pk,
        currency=settings.CURRENCY,
        now=now,
    )
    reviews = [
        (message.review, pk, message.happened_at)
        for message, pk in events
        if message.review is not None
    ]
    orders.write_reviews(reviews, products, source=source, now=now)
    return touched


def _keep_faults(events: Iterable[Fresh], *, key: WriteKey, now: datetime) -> None:
    kept = [
        RejectedMessage(
            write_key=key,
            part=part,
            kind=message.kind,
            message_id=message.message_id,
            user_id=message.user_id,
            anonymous_id=message.anonymous_id,
            reason=reason[:500],
            payload=_text(message.raw),
            recorded_at=now,
        )
        for message, _pk in events
        for part, reason in message.faults
    ]
    if kept:
        write_keys.keep_rejected(kept)


def _kept(rejected: Rejected, key: WriteKey, now: datetime) -> RejectedMessage:
    raw = rejected.raw if isinstance(rejected.raw, dict) else {}

    def said(name: str, most: int) -> str:
        found = raw.get(name)
        return str(found)[:most] if isinstance(found, str | int | float) else ""

    return RejectedMessage(
        write_key=key,
        part=RejectedMessage.Part.MESSAGE,
        kind=said("type", 10),
        message_id=said("messageId", 100),
        user_id=said("userId", 254),
        anonymous_id=said("anonymousId", 254),
        reason=rejected.reason[:500],
        payload=_text(rejected.raw),
        recorded_at=now,
    )


def _text(raw: Any) -> str:
    if isinstance(raw, msgspec.Raw):
        raw = bytes(raw).decode()
    if isinstance(raw, str):
        return raw[:PAYLOAD_KEPT].replace("\0", "\ufffd")
    try:
        return json.dumps(raw, ensure_ascii=False)[:PAYLOAD_KEPT].replace("\0", "\ufffd")
    except (RecursionError, ValueError):
        return "(nested too deeply)"
