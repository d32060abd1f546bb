"""Record who may be written to.  The only writer of ``Consent`` and ``Suppression``.

Consent is a ledger: nothing is changed or removed, and for each customer, channel and topic the
latest word counts (by ``happened_at``, then ``recorded_at``, then ``id``).  No word means no.
A suppression is about an address, whoever owns it, and stands above every consent.
"""

import hashlib
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from customers.models import Consent, Customer, Suppression
from customers.models.consent import Channel
from customers.services import touches
from customers.signals import customers_changed
from rapport.errors import DomainError, NotFound

# The same fingerprint as `address_sha256`, of the address that an SQL expression gives.
ADDRESS_SHA256_SQL = "encode(sha256(convert_to(lower(btrim({address})), 'UTF8')), 'hex')"


class ConsentRefused(DomainError):
    """A word that cannot be kept as it was given."""

    code = "consent_refused"


def record(
    customer_id: int,
    *,
    channel: str,
    topic: str,
    is_granted: bool,
    source: str,
    now: datetime,
    happened_at: datetime | None = None,
    proof_text: str = "",
    proof_url: str = "",
    proof_ip: str | None = None,
) -> Consent:
    """Append one yes or no of a customer.

    Safe to repeat: the same word of the same moment from the same source is one row.  A moment in
    the future is taken as now, or one wrong clock could outrank every later withdrawal.
    """
    _check_word(customer_id, channel=channel, topic=topic, source=source)
    happened_at = min(happened_at or now, now)
    with transaction.atomic():
        consent, _is_new = Consent.objects.get_or_create(
            customer_id=customer_id,
            channel=channel,
            topic=topic,
            happened_at=happened_at,
            is_granted=is_granted,
            source=source,
            defaults={
                "recorded_at": now,
                "proof_text": proof_text,
                "proof_url": proof_url,
                "proof_ip": proof_ip or None,
            },
        )
        touches.record([customer_id], now)
        transaction.on_commit(
            lambda: customers_changed.send(
                sender=Consent, customer_ids=[customer_id], cause="consent"
            )
        )
    return consent


def suppress(address: str, *, channel: str, reason: str, source: str, now: datetime) -> None:
    """Keep an address from being written to, for ever and whoever owns it.

    Safe to repeat: the first reason stays.  Only a fingerprint and a hint are kept; erasure takes
    the hint as well.
    """
    if not address.strip():
        raise ConsentRefused("There is no address to suppress.")
    fingerprint = address_sha256(address)
    is_erased = reason == Suppression.Reason.ERASED
    row = Suppression(
        channel=Channel(channel),
        address_sha256=fingerprint,
        hint="" if is_erased else hint(address),
        reason=Suppression.Reason(reason),
        source=source,
        happened_at=now,
        recorded_at=now,
    )
    Suppression.objects.bulk_create([row], ignore_conflicts=True)
    if is_erased:
        Suppression.objects.filter(channel=channel, address_sha256=fingerprint).update(hint="")


def suppress_all(addresses: Iterable[tuple[str, str, str]], *, source: str, now: datetime) -> None:
    """Suppress many addresses, each with its (channel, address, reason), in one statement.

    Safe to repeat: the first reason stays.
    """
    rows = [
        Suppression(
            channel=Channel(channel),
            address_sha256=address_sha256(address),
            hint=hint(address),
            reason=Suppression.Reason(reason),
            source=source,
            happened_at=now,
            recorded_at=now,
        )
        for channel, address, reason in addresses
        if address.strip()
    ]
    # In one order, so that two writers wait for each other instead of locking.
    rows.sort(key=lambda row: (row.channel, row.address_sha256))
    Suppression.objects.bulk_create(rows, ignore_conflicts=True)


def lift(address: str, *, channel: str, reasons: Iterable[str]) -> bool:
    """Let an address be written to again, where it was suppressed for one of these reasons alone.

    For the owner's own word: who sends START is there, and wants it.  Returns whether it was so.
    """
    found = Suppression.objects.filter(
        channel=channel, address_sha256=address_sha256(address), reason__in=list(reasons)
    )
    return bool(found.delete()[0])


def address_sha256(address: str) -> str:
    """Fingerprint an address: SHA-256, in hex, of its trimmed lower case in UTF-8."""
    return hashlib.sha256(address.strip().lower().encode()).hexdigest()


def hint(address: str) -> str:
    """What staff may see of a suppressed address: enough to recognise, too little to write to.

    >>> hint("ada@example.com")
    'a***@example.com'
    """
    local, _at, domain = address.strip().lower().rpartition("@")
    return (f"{local[:1]}***@{domain}" if local else f"***{domain[-2:]}")[:60]


def allows(customer_id: int, channel: str, topic: str) -> bool:
    """Whether the latest word of this customer is a yes.  Suppression is a question of its own."""
    return customer_id in allowed_ids([customer_id], channel=channel, topic=topic)


def allowed_ids(customer_ids: Iterable[int], *, channel: str, topic: str) -> set[int]:
    """Those of the given customers whose latest word is a yes, in one statement."""
    text, params = allowed_sql(channel, topic, customer_ids=list(customer_ids))
    with connection.cursor() as cursor:
        cursor.execute(text, params)
        return {customer_id for (customer_id,) in cursor}


def allowed_sql(
    channel: str, topic: str, *, customer_ids: list[int] | None = None
) -> tuple[str, list[Any]]:
    """A statement for the ``customer_id`` of everybody whose latest word is a yes, and its params.

    Whole-base use reads the ledger once; with ``customer_ids`` it reads the index for these alone.
    """
    among = "" if customer_ids is None else "AND customer_id = ANY(%s)"
    text = f"""
        SELECT customer_id
        FROM (
            SELECT DISTINCT ON (customer_id) customer_id, is_granted
            FROM customers_consent
            WHERE channel = %s AND topic = %s {among}
            ORDER BY customer_id, happened_at DESC, recorded_at DESC, id DESC
        ) latest
        WHERE is_granted"""
    return text, [channel, topic] + ([] if customer_ids is None else [customer_ids])


def suppressed(addresses: Iterable[str], *, channel: str) -> set[str]:
    """Those of the given addresses that must not be written to, as they were given."""
    by_fingerprint: dict[str, list[str]] = {}
    for address in addresses:
        by_fingerprint.setdefault(address_sha256(address), []).append(address)
    found = Suppression.objects.filter(
        channel=channel, address_sha256__in=by_fingerprint
    ).values_list("address_sha256", flat=True)
    return {address for fingerprint in found for address in by_fingerprint[fingerprint]}


def suppressed_sql(channel: str, address: str) -> tuple[str, list[Any]]:
    """A condition, with its params, that holds where the SQL expression ``address`` is suppressed.

    PostgreSQL and Python agree on lower case for every letter that mail servers meet; delivery
    asks `suppressed` again, whose word is final.
    """
    fingerprint = ADDRESS_SHA256_SQL.format(address=address)
    text = f"""EXISTS (
        SELECT FROM customers_suppression s
        WHERE s.channel = %s AND s.address_sha256 = {fingerprint})"""
    return text, [channel]


def _check_word(customer_id: int, *, channel: str, topic: str, source: str) -> None:
    faults = []
    if channel not in Channel.values:
        faults.append(f"channel is {channel!r}, expected one of {', '.join(Channel.values)}")
    for field, value in (("topic", topic), ("source", source)):
        if not value.strip() or len(value) > 40:
            faults.append(f"{field} needs 1 to 40 characters, found {len(value)}")
    if faults:
        raise ConsentRefused(f"This consent cannot be kept: {'; '.join(faults)}.")
    if not Customer.objects.filter(pk=customer_id, erased_at=None).exists():
        raise NotFound(f"There is no customer {customer_id}.")


def forget(customer_id: int, *, now: datetime) -> int:
    """Erase the ledger of one customer, and keep her addresses from ever being written to again.

    Safe to repeat.  Returns how many words were removed.
    """
    with transaction.atomic():
        found = Customer.objects.filter(pk=customer_id).first()
        for channel, address in (
            (Channel.EMAIL, found and found.email),
            (Channel.SMS, found and found.phone),
        ):
            if address:
                suppress(address, channel=channel, reason="erased", source="erasure", now=now)
        return Consent.objects.filter(customer_id=customer_id).delete()[0]
