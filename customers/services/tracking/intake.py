"""Store the messages of one request of the tracking API, once each, and say what follows.

Event rows are born here, in `customers.services.events` and in `customers.services.imports`.
"""

import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import DataError, ProgrammingError, connection, transaction

from customers.collect.tracking import Message, Rejected
from customers.models import RejectedMessage, WriteKey
from customers.services import conclusions, identity, write_keys
from customers.services.identity import Claim
from customers.services.importing import among, counts
from customers.services.tracking import orders, people, statements
from customers.services.tracking.gathering import Gathering
from customers.services.tracking.rows import as_json
from customers.services.tracking.statements import Statement
from customers.signals import BATCH_IDS, customers_changed

log = logging.getLogger(__name__)

CONCLUDED_UP_TO = 10  # messages of a call that waits for its segments
PAYLOAD_KEPT = 32 * 1024  # characters of a message that could not be stored
RECORD = Statement("""
    INSERT INTO customers_event (source, message_id, customer_id, anonymous_id, name, properties,
        happened_at, recorded_at)
    SELECT %s::text, r.m, r.c, r.a, r.n, r.p, r.h, %s::timestamptz
    FROM jsonb_to_recordset(%s::jsonb)
        AS r(m text, c bigint, a text, n text, p jsonb, h timestamptz)
    ON CONFLICT (source, message_id) DO NOTHING
    RETURNING message_id
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


def _take(messages: Sequence[Message], *, key: WriteKey, now: datetime) -> Taken:
    is_awaited = waits(messages)

    def write(some: Sequence[Message]) -> Taken:
        with statements.prepared(), transaction.atomic():
            return _write(some, key=key, now=now, is_awaited=is_awaited)

    def take_some(some: Sequence[Message]) -> Taken:
        try:
            return among.again_if_disturbed(lambda: write(some))
        except ProgrammingError as error:
            if not statements.is_lost(error):
                raise
            return take_some(some)
        except (DataError, ValueError) as error:
            # A value that no check foresaw: halve until the one message is found.
            if len(some) == 1:
                reason = f"The database refused it: {str(error).splitlines()[0]}"
                return Taken(
                    rejected=[Rejected(some[0].place, "refused", reason, None, some[0].raw)]
                )
            half = len(some) // 2
            taken = take_some(some[:half])
            taken.add(take_some(some[half:]))
            return taken

    return take_some(messages)


def _write(messages: Sequence[Message], *, key: WriteKey, now: datetime, is_awaited: bool) -> Taken:
    source = key.source
    taken = Taken()
    for message in messages:
        if message.kind == "alias":
            pk = identity.alias(
                message.previous_id,
                message.user_id,
                source=source,
                now=now,
                may_join_known=key.is_secret,
            )
            taken.touched |= {pk} if pk is not None else set()
    customers = _resolve(messages, source=source, now=now)
    # In one order, so that two writers of the same events wait for each other instead of locking.
    first = {message.message_id: message for message in reversed(messages)}
    rows = [
        {
            "m": name,
            "c": customers[message.place],
            "a": message.anonymous_id,
            "n": message.name,
            "p": message.properties,
            "h": message.happened_at.isoformat(),
        }
        for name, message in sorted(first.items())
    ]
    with connection.cursor() as cursor:
        RECORD.run(cursor, [source, now, as_json(rows)])
        new = {name for (name,) in cursor.fetchall()}
    fresh = []
    for message in messages:
        if message.message_id in new:  # the first of several that are the same
            new.remove(message.message_id)
            fresh.append(message)
    taken.stored, taken.repeated = len(fresh), len(messages) - len(fresh)
    taken.customers = {place: pk for place, pk in customers.items() if pk is not None}
    taken.touched |= {pk for message in fresh if (pk := customers[message.place]) is not None}
    _write_people(fresh, customers, taken, now=now)
    _write_commerce(fresh, customers, taken, key=key, now=now)
    _keep_faults(fresh, key=key, now=now)
    changed = counts.Counts(touched=taken.touched)
    counts.note(changed, now=now)
    if not is_awaited and taken.touched:
        touched = taken.touched
        transaction.on_commit(lambda: _bells.add(touched))
    return taken


def _ring(gathered: list[set[int]]) -> None:
    ids = sorted(set().union(*gathered))
    for start in range(0, len(ids), BATCH_IDS):
        some = ids[start : start + BATCH_IDS]
        customers_changed.send(counts.Counts, customer_ids=some, cause="event")


_bells = Gathering(_ring)  # one that gets lost is made up for by its touch


def _resolve(messages: Sequence[Message], *, source: str, now: datetime) -> dict[int, int | None]:
    """Whose each message is, by its place; each set of handles is asked for once."""
    claims: dict[tuple[str, str, str, str], datetime] = {}
    handles = []
    for message in messages:
        named = (message.user_id, message.anonymous_id, message.email, message.phone)
        handles.append(named)
        at = claims.get(named)
        if at is None or message.happened_at < at:
            claims[named] = message.happened_at
    found = identity.resolve(
        [Claim(*named, happened_at=at) for named, at in claims.items()], source=source, now=now
    )
    whose = dict(zip(claims, found, strict=True))
    return {message.place: whose[named] for message, named in zip(messages, handles, strict=True)}


def _write_people(
    messages: Iterable[Message], customers: dict[int, int | None], taken: Taken, *, now: datetime
) -> None:
    telling = [message for message in messages if message.told is not None]
    sayings, of_customer = [], {}
    for message in telling:
        pk = customers[message.place]
        if pk is not None and message.told is not None:
            sayings.append(people.Saying(pk, message.told, message.happened_at))
            if message.told.email:
                of_customer[pk] = message
    changed, not_theirs = people.write(sayings, now=now)
    taken.touched |= changed
    for pk, address in not_theirs.items():
        reason = f"email is {address!r}, which belongs to another customer."
        of_customer[pk].faults.append(("trait", reason))


def _write_commerce(
    messages: Sequence[Message],
    customers: dict[int, int | None],
    taken: Taken,
    *,
    key: WriteKey,
    now: datetime,
) -> None:
    source = key.source
    products = orders.write_products(
        [
            product
            for message in messages
            for product in message.products
            if message.order
            or message.review  # these ask for the ids
            or not orders.is_settled(product, key.pk)
        ],
        source=source,
        key_id=key.pk,
        now=now,
    )
    told = [
        orders.Saying(message.order, customers[message.place], message.message_id)
        for message in messages
        if message.order is not None
    ]
    taken.touched |= orders.write(
        told, products, source=source, currency=settings.CURRENCY, now=now
    )
    reviews = [
        (message.review, customers[message.place], message.happened_at)
        for message in messages
        if message.review is not None
    ]
    orders.write_reviews(reviews, products, source=source, now=now)


def _keep_faults(messages: Iterable[Message], *, key: WriteKey, now: datetime) -> None:
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
        for message in messages
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
    if isinstance(raw, str):
        return raw[:PAYLOAD_KEPT].replace("\0", "\ufffd")
    try:
        return json.dumps(raw, ensure_ascii=False)[:PAYLOAD_KEPT].replace("\0", "\ufffd")
    except (RecursionError, ValueError):
        return "(nested too deeply)"
