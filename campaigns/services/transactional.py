"""Send one message that a person's own doing asks for: a receipt, a password, a delivery note.

Through the same ledger as all others, outside caps, quiet hours and holdouts.  Consent is not
asked, an address that does not exist or does not want us is not written to all the same.
"""

import json
from datetime import datetime
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection, transaction

from campaigns.models import Campaign, Message
from campaigns.services import planning
from campaigns.services.planning import Wanted
from customers.collect.identity_rules import Claim
from customers.models import Customer, Identity
from customers.models.consent import Channel
from customers.services import consent, identity
from rapport.errors import Conflict, DomainError, NotFound

SOURCE = "transactional"
VALUES_MOST = 32_768  # bytes of JSON
DEPTH_MOST = 8


class BadRequest(DomainError):
    code = "transactional_refused"


@transaction.atomic
def send(
    campaign: Campaign,
    *,
    values: dict[str, Any],
    now: datetime,
    customer_id: int | None = None,
    source: str = "",
    external_id: str = "",
    address: str = "",
) -> Message:
    """Write the message and call a sender; the ledger's row says what became of it.

    Exactly one of ``customer_id``, ``external_id`` (of a ``source``) and ``address`` says to whom.
    Each call is a message of its own; the caller keeps repeats away (`Idempotency-Key`).
    """
    _check(campaign, values)
    given = [bool(customer_id), bool(external_id), bool(address.strip())]
    if sum(given) != 1:
        raise BadRequest("Say to whom by one of customer_id, external_id and address.")
    person = _person(campaign, customer_id, source, external_id, address.strip(), now=now)
    occasion = _occasion()
    planning.plan_people(campaign, [Wanted(person, occasion=occasion, data=values)], now=now)
    return Message.objects.get(campaign=campaign, occasion=occasion, customer_id=person)


def _check(campaign: Campaign, values: dict[str, Any]) -> None:
    if campaign.kind != Campaign.Kind.TRANSACTIONAL:
        raise Conflict(f"The campaign {campaign} is not a transactional one.")
    if campaign.state not in (Campaign.State.SENDING, Campaign.State.PAUSED):
        raise Conflict(f"The campaign {campaign} is {campaign.state}; launch it first.")
    size = len(json.dumps(values, cls=DjangoJSONEncoder).encode())
    if size > VALUES_MOST:
        raise BadRequest(f"The values have {size} bytes of JSON, at most {VALUES_MOST} are kept.")
    if _depth(values) > DEPTH_MOST:
        raise BadRequest(f"The values are nested more than {DEPTH_MOST} deep.")


def _person(
    campaign: Campaign,
    customer_id: int | None,
    source: str,
    external_id: str,
    address: str,
    *,
    now: datetime,
) -> int:
    if external_id:
        handles = Identity.objects.filter(kind=Identity.Kind.EXTERNAL, value=external_id)
        found = list(handles.filter(source=source) if source else handles)
        if len(found) != 1:
            known = "no customer" if not found else "several customers: name the source as well"
            raise NotFound(f"The external id {external_id[:80]!r} leads to {known}.")
        customer_id = found[0].customer_id
    if customer_id is None:
        return _at(campaign.channel, address, now=now)
    person = identity.surviving(customer_id)
    if not Customer.objects.filter(pk=person, erased_at=None).exists():
        raise NotFound(f"There is no customer {customer_id}.")
    return person


def _at(channel: str, address: str, *, now: datetime) -> int:
    """Whoever has this address, made known where she is not.

    One who is reached at another address by now is refused: a password must not go elsewhere.
    """
    if channel == Channel.EMAIL:
        claim = Claim(email=address, happened_at=now)
    elif channel == Channel.SMS:
        claim = Claim(phone=address, happened_at=now)
    else:
        raise BadRequest(f"A message by {channel} needs a customer, not an address.")
    if consent.suppressed([address], channel=channel) and not _is_known(channel, address):
        raise BadRequest("This address must not be written to.")
    (person,) = identity.resolve([claim], source=SOURCE, now=now)
    if person is None:
        raise BadRequest(f"{address[:80]!r} is not an address that {channel} can reach.")
    customer = Customer.objects.get(pk=person)
    reached = customer.email if channel == Channel.EMAIL else customer.phone
    if (reached or "").lower() != address.lower():
        raise Conflict(
            f"The customer {person} of this address is written to at another one; "
            "name the customer if that is meant."
        )
    return person


def _is_known(channel: str, address: str) -> bool:
    field = "email__iexact" if channel == Channel.EMAIL else "phone"
    return Customer.objects.filter(**{field: address}).exists()


def _occasion() -> int:
    """A number that no other message has: each send is an occasion of its own."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval(pg_get_serial_sequence('campaigns_message', 'id'))")
        return int(cursor.fetchone()[0])


def _depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(_depth, value), default=0)
    return 0
