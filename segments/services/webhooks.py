"""Tell other systems who entered and left segments.  The only writer of WebhookEndpoint,
WebhookDelivery and WebhookAttempt, but for erasure.

Messages are born from the ledger of changes: one transaction writes the deliveries of an endpoint
and moves its cursor (see `history`), so a crash neither loses a change nor tells it under a second
``webhook-id``.  Sending is at least once: a crash between the answer and its record sends the same
message again, with the same ``webhook-id``, by which receivers drop it.  The signature is that of
Standard Webhooks 1.0.0 (github.com/standard-webhooks/standard-webhooks).
"""

import base64
import hashlib
import hmac
import json
import logging
import secrets
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models.functions import Greatest, Least
from django.utils.crypto import salted_hmac

from customers.models import Identity
from rapport import access, outgoing
from rapport.errors import Conflict, DomainError
from segments.models import Segment, WebhookAttempt
from segments.models import WebhookDelivery as Delivery
from segments.models import WebhookEndpoint as Endpoint
from segments.services import history

log = logging.getLogger(__name__)

LOCK = 732_911_002  # our class of advisory locks
CHANGES_A_MESSAGE = 100
CHANGES_AT_ONCE = 1_000  # read and planned in one transaction
AT_ONCE = 20  # messages claimed together
GIVE_UP_HOURS = 24
FIRST_WAIT_SECONDS = 5.0
WAIT_FACTOR = 4
WAIT_SECONDS_MOST = 3_600.0
REST_SECONDS_MOST = 600.0  # of an endpoint after a failure, for its other messages
FAILING_DAYS = 3  # without one success; then it is stopped
STUCK_SECONDS = 120  # far longer than `outgoing` lets an exchange take
ROTATION_HOURS = 24  # two signatures
KEEP_DAYS = 30
QUIET_TRANSACTIONS = 10_000  # how far an idle cursor may lag before it is written
GONE = 410
TYPE, TEST_TYPE = "segments.changed", "test"

# An endpoint in trouble gets one message at a time, the least tried first: so neither a dead
# endpoint holds up the others nor one bad message its endpoint.
CLAIM = """WITH due AS (
    SELECT d.id, e.failing_since IS NULL AS is_well, row_number() OVER (
        PARTITION BY d.endpoint_id ORDER BY d.attempts, d.next_attempt_at, d.id) AS place
    FROM segments_webhookdelivery d JOIN segments_webhookendpoint e ON e.id = d.endpoint_id
    WHERE d.state = 'planned' AND d.next_attempt_at <= %(now)s
        AND (e.state = 'active' OR d.kind = 'test')
),
chosen AS (
    SELECT d.id FROM segments_webhookdelivery d JOIN due USING (id)
    WHERE d.state = 'planned' AND (place = 1 OR is_well)
    ORDER BY place, d.id LIMIT %(most)s FOR UPDATE OF d SKIP LOCKED
)
UPDATE segments_webhookdelivery d
SET state = 'sending', claimed_at = %(now)s, attempts = attempts + 1
FROM chosen WHERE d.id = chosen.id RETURNING d.id"""


_types: dict[str, str] = {}  # what else can be heard of: the type and what it means


class EndpointRefused(DomainError):
    """An endpoint that cannot be kept as it was given."""

    code = "endpoint_refused"


def create(
    *,
    name: str,
    url: str,
    user: Any,
    now: datetime,
    wants_entered: bool = True,
    wants_exited: bool = True,
    segments: Iterable[Segment] | None = None,
    event_types: Collection[str] = (),
) -> Endpoint:
    """Make an endpoint that is told of all changes from now on; ``segments`` None means every one.

    Its secret is `secret_of`, to be shown once.
    """
    _check(name, url, wants_entered, wants_exited, segments, event_types)
    with transaction.atomic():
        endpoint = Endpoint.objects.create(
            name=name.strip(),
            url=url,
            wants_entered=wants_entered,
            wants_exited=wants_exited,
            wants_every_segment=segments is None,
            event_types=sorted(set(event_types)),
            secret_salt=secrets.token_hex(16),
            cursor=history.now_cursor().as_json(),
            created_by=user,
            created_at=now,
            changed_at=now,
        )
        endpoint.segments.set(segments or ())
        access.audit(user, "webhook.created", f"webhook:{endpoint.pk}", name=name, url=url)
    return endpoint


def edit(
    endpoint: Endpoint,
    *,
    name: str,
    url: str,
    user: Any,
    now: datetime,
    wants_entered: bool,
    wants_exited: bool,
    segments: Iterable[Segment] | None,
    event_types: Collection[str] | None = None,
) -> Endpoint:
    """Change what an endpoint is told and where; waiting messages go to the new address."""
    if event_types is None:
        event_types = endpoint.event_types
    _check(name, url, wants_entered, wants_exited, segments, event_types)
    with transaction.atomic():
        row = _locked(endpoint)
        before = {"name": row.name, "url": row.url}
        row.name, row.url, row.changed_at = name.strip(), url, now
        row.wants_entered, row.wants_exited = wants_entered, wants_exited
        row.wants_every_segment = segments is None
        row.event_types = sorted(set(event_types))
        row.save()
        row.segments.set(segments or ())
        access.audit(user, "webhook.edited", f"webhook:{row.pk}", before=before)
    return row


def rotate(endpoint: Endpoint, *, user: Any, now: datetime) -> Endpoint:
    """Give the endpoint a new secret; the old one signs along for `ROTATION_HOURS`."""
    with transaction.atomic():
        row = _locked(endpoint)
        row.previous_salt, row.secret_salt = row.secret_salt, secrets.token_hex(16)
        row.previous_until = now + timedelta(hours=ROTATION_HOURS)
        row.changed_at = now
        row.save(update_fields=["previous_salt", "secret_salt", "previous_until", "changed_at"])
        access.audit(user, "webhook.secret_rotated", f"webhook:{row.pk}")
    return row


def pause(endpoint: Endpoint, *, user: Any, now: datetime) -> Endpoint:
    """Stop telling it; its cursor stays where it is, so that nothing is lost meanwhile."""
    with transaction.atomic():
        row = _locked(endpoint)
        if row.state == Endpoint.State.PAUSED:
            return row
        row.state, row.changed_at = Endpoint.State.PAUSED, now
        row.save(update_fields=["state", "changed_at"])
        access.audit(user, "webhook.paused", f"webhook:{row.pk}")
    return row


def resume(endpoint: Endpoint, *, user: Any, now: datetime, skips: bool = False) -> Endpoint:
    """Tell it again, all that happened meanwhile first; ``skips`` begins with the present.

    Messages that waited have their whole time before them again.
    """
    with transaction.atomic():
        row = _locked(endpoint)
        if row.state == Endpoint.State.ACTIVE:
            return row
        row.state, row.failing_since, row.notice = Endpoint.State.ACTIVE, None, ""
        row.changed_at = now
        waiting = Delivery.objects.filter(endpoint=row, state=Delivery.State.PLANNED)
        if skips:
            row.cursor = history.now_cursor().as_json()
            waiting.update(
                state=Delivery.State.FAILED, failed_at=now, last_error="Skipped when resumed."
            )
        else:
            waiting.update(next_attempt_at=now, give_up_at=now + timedelta(hours=GIVE_UP_HOURS))
        row.save(update_fields=["state", "failing_since", "notice", "changed_at", "cursor"])
        access.audit(user, "webhook.resumed", f"webhook:{row.pk}", skips=skips)
    return row


def delete(endpoint: Endpoint, *, user: Any) -> None:
    """Remove an endpoint with its messages."""
    with transaction.atomic():
        access.audit(user, "webhook.deleted", f"webhook:{endpoint.pk}", url=endpoint.url)
        Endpoint.objects.filter(pk=endpoint.pk).delete()


def test(endpoint: Endpoint, *, user: Any, now: datetime) -> Delivery:
    """Plan a message that names nobody, to see whether the other side hears and checks it."""
    payload = {"type": TEST_TYPE, "timestamp": _moment(now), "data": {"changes": []}}
    access.audit(user, "webhook.tested", f"webhook:{endpoint.pk}")
    (delivery,) = Delivery.objects.bulk_create(
        [_delivery(endpoint, payload, [], kind=Delivery.Kind.TEST, now=now)]
    )
    return delivery


def replay(endpoint: Endpoint, *, user: Any, now: datetime, delivery_id: int | None = None) -> int:
    """Plan one message again, or all that failed; each keeps its ``webhook-id``.  Returns how many.

    A receiver that remembers the id of a message it had takes no notice of it.
    """
    found = Delivery.objects.filter(endpoint=endpoint)
    if delivery_id is None:
        found = found.filter(state=Delivery.State.FAILED)
    else:
        over = (Delivery.State.FAILED, Delivery.State.DELIVERED)
        found = found.filter(pk=delivery_id, state__in=over)
        if not found.exists():
            raise Conflict(
                "This message is still on its way; only one that is over can be replayed."
            )
    with transaction.atomic():
        number = found.update(
            state=Delivery.State.PLANNED,
            attempts=0,
            next_attempt_at=now,
            give_up_at=now + timedelta(hours=GIVE_UP_HOURS),
            delivered_at=None,
            failed_at=None,
        )
        access.audit(user, "webhook.replayed", f"webhook:{endpoint.pk}", messages=number)
    return number


def tell_endpoint(
    endpoint_id: int, kind: str, facts: Mapping[int, dict[str, Any]], *, now: datetime
) -> bool:
    """Plan a message of another kind to one endpoint, one for each of these customers.

    Sent, tried again and erased like those about segments; in the caller's transaction.  False
    when the endpoint is gone.
    """
    endpoint = Endpoint.objects.filter(pk=endpoint_id).first()
    if endpoint is None:
        return False
    names = _external_ids(facts)
    born = []
    for pk, fact in facts.items():
        told = {**fact, "customer": {"id": pk, "external_ids": names.get(pk, [])}}
        payload = {"type": kind, "timestamp": _moment(now), "data": {"changes": [told]}}
        born.append(_delivery(endpoint, payload, [pk], kind=Delivery.Kind.CHANGES, now=now))
    Delivery.objects.bulk_create(born)
    return True


def register_types(types: dict[str, str]) -> None:
    """Let endpoints hear of more: types of messages, each with what it means in a few words."""
    _types.update(types)


def types() -> dict[str, str]:
    return dict(_types)


@transaction.atomic
def announce(kind: str, told: Sequence[dict[str, Any]], *, now: datetime) -> int:
    """Plan messages of a registered type for every endpoint that wishes to hear of it.

    Call it in the transaction that makes the facts, so that neither is without the other.  Each
    fact has an ``id`` of its own, by which receivers know it again, and where it is about somebody
    a ``customer_id``.  Paused endpoints hear of it when they go on; stopped ones do not.
    """
    if not told:
        return 0
    states = (Endpoint.State.ACTIVE, Endpoint.State.PAUSED)
    wishing = Endpoint.objects.filter(state__in=states, event_types__contains=[kind])
    endpoints = list(wishing.order_by("pk"))
    if not endpoints:
        return 0
    names = _external_ids({one["customer_id"] for one in told if one.get("customer_id")})
    born = []
    for endpoint in endpoints:
        for start in range(0, len(told), CHANGES_A_MESSAGE):
            some = [dict(one) for one in told[start : start + CHANGES_A_MESSAGE]]
            ids = sorted({one["customer_id"] for one in some if one.get("customer_id")})
            for one in some:
                customer = one.pop("customer_id", None)
                if customer:
                    one["customer"] = {"id": customer, "external_ids": names.get(customer, [])}
            payload = {"type": kind, "timestamp": _moment(now), "data": {"changes": some}}
            born.append(_delivery(endpoint, payload, ids, kind=Delivery.Kind.CHANGES, now=now))
    Delivery.objects.bulk_create(born)
    return len(born)


@contextmanager
def alone() -> Iterator[bool]:
    """Yield whether nobody else is telling: slow receivers shall keep one worker busy, not all.

    The services below are safe without it.  PostgreSQL frees the lock of a process that dies.
    """
    with connection.cursor() as db:
        db.execute("SELECT pg_try_advisory_lock(%s, %s)", [LOCK, 0])
        is_mine = db.fetchone()[0]
    try:
        yield is_mine
    finally:
        if is_mine and connection.is_usable():
            with connection.cursor() as db:
                db.execute("SELECT pg_advisory_unlock(%s, %s)", [LOCK, 0])


def plan(*, now: datetime) -> int:
    """Write the messages of what changed since, for every active endpoint; returns how many.

    Safe at once in several workers, for an endpoint that one is busy with is left to it.
    """
    active = Endpoint.objects.filter(state=Endpoint.State.ACTIVE).values_list("pk", flat=True)
    planned = 0
    for pk in active.order_by("pk"):
        has_more = True
        while has_more:
            written, has_more = _plan(pk, now=now)
            planned += written
    return planned


def deliver(*, now: datetime) -> int:
    """Claim up to `AT_ONCE` due messages and send them; returns how many were claimed.

    No transaction is open while the other side thinks.  Call it until it returns 0.
    """
    with connection.cursor() as db:
        db.execute(CLAIM, {"now": now, "most": AT_ONCE})
        claimed = [pk for (pk,) in db.fetchall()]
    found = Delivery.objects.filter(pk__in=claimed).select_related("endpoint").order_by("pk")
    deliveries = [one for one in found if not _is_void(one, now=now)]
    requests = [outgoing.Request(one.endpoint.url, *signed(one, now=now)) for one in deliveries]
    for delivery, answer in zip(deliveries, outgoing.post_all(requests), strict=True):
        _record(delivery, answer, now=now)
    return len(claimed)


def sweep(*, now: datetime) -> int:
    """Plan again what a worker claimed and did not end, as after kill -9; returns how many."""
    return Delivery.objects.filter(
        state=Delivery.State.SENDING, claimed_at__lt=now - timedelta(seconds=STUCK_SECONDS)
    ).update(state=Delivery.State.PLANNED, next_attempt_at=now)


def forget_old(*, now: datetime) -> int:
    """Remove messages that were over `KEEP_DAYS` ago, and tidy the index; returns how many.

    PostgreSQL covers new changes in the index by itself, but may miss some of very many at once:
    a look for news then reads them all (0.5 s at three million instead of 8 ms).
    """
    with connection.cursor() as db:
        db.execute("SELECT brin_summarize_new_values('changes_by_transaction')")
    over = (Delivery.State.DELIVERED, Delivery.State.FAILED)
    old = Delivery.objects.filter(created_at__lt=now - timedelta(days=KEEP_DAYS), state__in=over)
    number = old.count()
    old.delete()
    return number


def secret_of(endpoint: Endpoint) -> str:
    """The endpoint's secret in the spelling of Standard Webhooks.

    It is stored nowhere: it is derived from the endpoint's salt with SECRET_KEY, so neither the
    database nor a copy of it can sign.  A new SECRET_KEY therefore makes new secrets.
    """
    return f"whsec_{base64.b64encode(_key(endpoint.secret_salt)).decode()}"


def signed(delivery: Delivery, *, now: datetime) -> tuple[bytes, dict[str, str]]:
    """The body and the headers of one try, signed by every secret in force."""
    body = json.dumps(delivery.payload, ensure_ascii=False, separators=(",", ":")).encode()
    timestamp = str(int(now.timestamp()))
    endpoint = delivery.endpoint
    salts = [endpoint.secret_salt]
    if endpoint.previous_salt and endpoint.previous_until and now < endpoint.previous_until:
        salts.append(endpoint.previous_salt)
    text = f"{delivery.message_id}.{timestamp}.".encode() + body
    signatures = [hmac.new(_key(salt), text, hashlib.sha256).digest() for salt in salts]
    return body, {
        "Content-Type": "application/json",
        "User-Agent": "Rapport-Webhooks/1",
        "webhook-id": delivery.message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{base64.b64encode(s).decode()}" for s in signatures),
    }


def wait_seconds(message_id: str, attempts: int) -> float:
    """How long to wait after so many failures: exponential, and spread by half either way.

    The spread comes from the message itself, so that many that failed together come apart.
    """
    draw = hashlib.sha256(f"{message_id}:{attempts}".encode()).digest()
    spread = 0.5 + int.from_bytes(draw[:4], "big") / 2**32
    wait = FIRST_WAIT_SECONDS * WAIT_FACTOR ** min(attempts - 1, 16)
    return min(wait, WAIT_SECONDS_MOST) * spread


def _plan(pk: int, *, now: datetime) -> tuple[int, bool]:
    with transaction.atomic():
        held = Endpoint.objects.select_for_update(skip_locked=True, no_key=True)
        endpoint = held.filter(pk=pk, state=Endpoint.State.ACTIVE).first()
        if endpoint is None:
            return 0, False
        cursor = history.Cursor.from_json(endpoint.cursor)
        page = history.read(
            cursor,
            most=CHANGES_AT_ONCE,
            segment_ids=_segment_ids(endpoint),
            kinds=_kinds(endpoint),
        )
        born = _messages(endpoint, page.changes, now=now)
        Delivery.objects.bulk_create(born)
        if born or page.has_more or page.cursor.seen.max - cursor.seen.max > QUIET_TRANSACTIONS:
            Endpoint.objects.filter(pk=pk).update(cursor=page.cursor.as_json())
    return len(born), page.has_more


def _segment_ids(endpoint: Endpoint) -> list[int] | None:
    if endpoint.wants_every_segment:
        return None
    return list(endpoint.segments.values_list("pk", flat=True))


def _kinds(endpoint: Endpoint) -> list[str]:
    wanted = {"entered": endpoint.wants_entered, "exited": endpoint.wants_exited}
    return [kind for kind, is_wanted in wanted.items() if is_wanted]


def _messages(endpoint: Endpoint, changes: list[history.Moved], *, now: datetime) -> list[Delivery]:
    names = _external_ids({one.customer_id for one in changes})
    born = []
    for start in range(0, len(changes), CHANGES_A_MESSAGE):
        some = changes[start : start + CHANGES_A_MESSAGE]
        told = [
            {
                "id": one.id,
                "kind": one.kind,
                "segment": one.segment,
                "customer": {"id": one.customer_id, "external_ids": names.get(one.customer_id, [])},
                "cause": one.cause,
                "happened_at": _moment(one.happened_at),
                "rule_version": one.rule_version,
            }
            for one in some
        ]
        payload = {"type": TYPE, "timestamp": _moment(now), "data": {"changes": told}}
        ids = sorted({one.customer_id for one in some})
        born.append(_delivery(endpoint, payload, ids, kind=Delivery.Kind.CHANGES, now=now))
    return born


def _delivery(
    endpoint: Endpoint, payload: dict, customer_ids: list[int], *, kind: str, now: datetime
) -> Delivery:
    return Delivery(
        endpoint=endpoint,
        message_id=f"msg_{secrets.token_hex(16)}",
        kind=kind,
        payload=payload,
        n_changes=len(payload["data"]["changes"]),
        customer_ids=customer_ids,
        next_attempt_at=now,
        give_up_at=now + timedelta(hours=GIVE_UP_HOURS),
        created_at=now,
    )


def _external_ids(customer_ids: Collection[int]) -> dict[int, list[dict[str, str]]]:
    """The shop's own numbers of these customers: what the other side knows them by."""
    found: dict[int, list[dict[str, str]]] = {}
    rows = Identity.objects.filter(customer_id__in=customer_ids, kind=Identity.Kind.EXTERNAL)
    for customer_id, source, value in rows.order_by("source", "value").values_list(
        "customer_id", "source", "value"
    ):
        found.setdefault(customer_id, []).append({"source": source, "value": value})
    return found


def _is_void(delivery: Delivery, *, now: datetime) -> bool:
    """End a message whose customers were all erased; nothing is left to tell."""
    if delivery.n_changes or delivery.kind == Delivery.Kind.TEST:
        return False
    Delivery.objects.filter(pk=delivery.pk).update(
        state=Delivery.State.FAILED,
        failed_at=now,
        last_error="Everybody it named was erased; nothing was sent.",
    )
    return True


def _record(delivery: Delivery, answer: outgoing.Answer, *, now: datetime) -> None:
    """Write down one try and what follows from it, unless another worker has taken over."""
    with transaction.atomic():
        endpoint = _locked(delivery.endpoint)
        WebhookAttempt.objects.create(
            delivery=delivery,
            happened_at=now,
            seconds=answer.seconds,
            status=answer.status,
            error=answer.error,
            answer=answer.excerpt,
        )
        mine = Delivery.objects.filter(
            pk=delivery.pk, state=Delivery.State.SENDING, claimed_at=delivery.claimed_at
        )
        said = {"last_status": answer.status, "last_error": answer.error}
        if answer.is_good:
            mine.update(state=Delivery.State.DELIVERED, delivered_at=now, **said)
            _note_success(endpoint, now=now)
            return
        if now >= delivery.give_up_at or delivery.kind == Delivery.Kind.TEST:
            mine.update(state=Delivery.State.FAILED, failed_at=now, **said)
        else:
            wait = wait_seconds(delivery.message_id, delivery.attempts)
            seconds = max(wait, answer.retry_after_seconds or 0)
            again = min(now + timedelta(seconds=seconds), delivery.give_up_at)
            mine.update(state=Delivery.State.PLANNED, next_attempt_at=again, **said)
        if delivery.kind != Delivery.Kind.TEST:
            _note_failure(endpoint, delivery, answer, now=now)


def _note_success(endpoint: Endpoint, *, now: datetime) -> None:
    """After trouble, let messages that were never tried go at once."""
    if endpoint.failing_since is not None:
        Delivery.objects.filter(endpoint=endpoint, state=Delivery.State.PLANNED, attempts=0).update(
            next_attempt_at=Least("next_attempt_at", now)
        )
    Endpoint.objects.filter(pk=endpoint.pk).update(last_success_at=now, failing_since=None)


def _note_failure(
    endpoint: Endpoint, delivery: Delivery, answer: outgoing.Answer, *, now: datetime
) -> None:
    """Let the endpoint rest, the longer the longer it fails; after days, stop it and say so."""
    since = endpoint.failing_since or now
    rest = min(max((now - since).total_seconds(), FIRST_WAIT_SECONDS), REST_SECONDS_MOST)
    others = Delivery.objects.filter(endpoint=endpoint, state=Delivery.State.PLANNED)
    others.exclude(pk=delivery.pk).update(
        next_attempt_at=Greatest("next_attempt_at", now + timedelta(seconds=rest))
    )
    is_over = answer.status == GONE or now - since >= timedelta(days=FAILING_DAYS)
    if endpoint.state != Endpoint.State.ACTIVE or not is_over:
        Endpoint.objects.filter(pk=endpoint.pk).update(failing_since=since)
        return
    notice = f"No message arrived for {(now - since).days} days; the last try: {answer.error}"
    if answer.status == GONE:
        notice = "It answered 410 Gone: it wants no more messages."
    Endpoint.objects.filter(pk=endpoint.pk).update(
        state=Endpoint.State.FAILING, failing_since=since, notice=notice, changed_at=now
    )
    access.audit(None, "webhook.failing", f"webhook:{endpoint.pk}", notice=notice)
    log.warning("webhook %s is stopped: %s", endpoint.pk, notice)


def _locked(endpoint: Endpoint) -> Endpoint:
    return Endpoint.objects.select_for_update(no_key=True).get(pk=endpoint.pk)


def _key(salt: str) -> bytes:
    return salted_hmac("rapport.webhooks", salt, algorithm="sha256").digest()


def _moment(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _check(
    name: str,
    url: str,
    wants_entered: bool,
    wants_exited: bool,
    segments: Iterable[Segment] | None,
    event_types: Collection[str],
) -> None:
    faults = []
    if not 1 <= len(name.strip()) <= 120:
        faults.append(f"The name has {len(name.strip())} characters, expected 1 to 120.")
    if not (wants_entered or wants_exited or event_types):
        faults.append("It wants neither entries nor exits; choose one or both.")
    if unknown := sorted(set(event_types) - _types.keys()):
        faults.append(f"Nothing is known of {', '.join(unknown)}.")
    if segments is not None and not list(segments):
        faults.append("It wants chosen segments, and none is chosen.")
    if len(url) > 500:
        faults.append(f"The address has {len(url)} characters, at most 500 are kept.")
    try:
        outgoing.check(url)
    except outgoing.AddressRefused as refused:
        faults.append(str(refused))
    if faults:
        raise EndpointRefused(" ".join(faults))
