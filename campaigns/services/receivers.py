"""Name the systems that take messages of the channel webhook.  The only writer of
``WebhookReceiver``.
"""

import secrets
from datetime import datetime
from typing import Any

from django.db import transaction

from campaigns.channels.channel import Outgoing, Verdict
from campaigns.channels.webhook import WebhookChannel
from campaigns.models import Campaign, WebhookReceiver
from rapport import access, outgoing
from rapport.errors import DomainError

URL_MOST = 500


class ReceiverRefused(DomainError):
    """A receiver that cannot be kept as it was given."""

    code = "receiver_refused"


@transaction.atomic
def name(
    url: str, *, user: Any, now: datetime, campaign: Campaign | None = None
) -> WebhookReceiver:
    """Make this the receiver of one campaign, or of all that have none of their own."""
    if len(url) > URL_MOST:
        raise ReceiverRefused(f"The address has {len(url)} characters, at most {URL_MOST}.")
    try:
        outgoing.check(url)
    except outgoing.AddressRefused as refused:
        raise ReceiverRefused(str(refused)) from None
    changed = {"url": url, "changed_at": now}
    receiver, _is_new = WebhookReceiver.objects.update_or_create(
        campaign=campaign,
        defaults=changed,
        create_defaults={**changed, "secret_salt": secrets.token_hex(16), "created_at": now},
    )
    access.audit(user, "receiver.named", f"receiver {receiver.pk}", url=url)
    return receiver


@transaction.atomic
def rotate(receiver: WebhookReceiver, *, user: Any, now: datetime) -> None:
    """Give it a new secret; what is signed from now on is signed with it alone."""
    WebhookReceiver.objects.filter(pk=receiver.pk).update(
        secret_salt=secrets.token_hex(16), changed_at=now
    )
    access.audit(user, "receiver.secret_rotated", f"receiver {receiver.pk}")


@transaction.atomic
def remove(receiver: WebhookReceiver, *, user: Any) -> None:
    """Remove it with its log."""
    access.audit(user, "receiver.removed", f"receiver {receiver.pk}", url=receiver.url)
    WebhookReceiver.objects.filter(pk=receiver.pk).delete()


def test(receiver: WebhookReceiver, *, now: datetime) -> str:
    """Send a message that names nobody; returns why it did not arrive, empty where it did."""
    said = Outgoing(None, str(receiver.pk), "", b'{"type":"test"}')
    with WebhookChannel(lambda: now).open() as session:
        (result,) = session.send([said])
    return "" if result.verdict is Verdict.ACCEPTED else result.detail
