"""Who may be sent notifications in which browser.  Births ``PushSubscription`` rows and ends them;
``campaigns.channels.webpush`` ends those that a push service knows no more.
"""

import binascii
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import transaction

from campaigns.channels import webpush
from campaigns.models import PushSubscription
from customers.services import consent
from rapport import outgoing
from rapport.errors import DomainError

TOPIC = "marketing"
SOURCE = "push"
ENDPOINT_MOST = 1_000
BROWSERS_MOST = 20  # of one customer; the oldest make room
POINT_BYTES, SECRET_BYTES = 65, 16


class PushRefused(DomainError):
    """A subscription that cannot be kept."""

    code = "push_refused"


@dataclass(frozen=True)
class Subscription:
    """What a browser's ``PushSubscription`` says."""

    endpoint: str
    p256dh: str
    auth: str
    user_agent: str = ""


def public_key() -> str:
    """What a browser needs to subscribe; empty where no key is set up."""
    if not settings.VAPID_PRIVATE_KEY:
        return ""
    return webpush.spelt(webpush.public_key(webpush.key_pair(settings.VAPID_PRIVATE_KEY)))


def subscribe(
    customer_id: int, given: Subscription, *, words: str, page: str, now: datetime
) -> PushSubscription:
    """Keep a browser that agreed, and the yes with the ``words`` that she was asked with.

    Safe to repeat.  A browser belongs to whoever uses it last.
    """
    _check(given)
    fields = {
        "customer_id": customer_id,
        "p256dh": given.p256dh,
        "auth": given.auth,
        "user_agent": given.user_agent[:200],
        "gone_at": None,
    }
    with transaction.atomic():
        kept, _is_new = PushSubscription.objects.update_or_create(
            endpoint=given.endpoint, defaults=fields, create_defaults={**fields, "created_at": now}
        )
        mine = PushSubscription.objects.filter(customer_id=customer_id, gone_at=None)
        old = mine.order_by("-id").values_list("pk", flat=True)[BROWSERS_MOST:]
        PushSubscription.objects.filter(pk__in=list(old)).update(gone_at=now)
        if not consent.allows(customer_id, "push", TOPIC):
            consent.record(
                customer_id,
                channel="push",
                topic=TOPIC,
                is_granted=True,
                source=SOURCE,
                now=now,
                proof_text=words[:500] or "Allowed notifications in the browser.",
                proof_url=page[:500],
            )
    return kept


def unsubscribe(customer_id: int, endpoint: str, *, now: datetime) -> bool:
    """End one browser; with the last of hers consent ends too.  Returns whether it was hers."""
    with transaction.atomic():
        mine = PushSubscription.objects.filter(customer_id=customer_id, gone_at=None)
        ended = mine.filter(endpoint=endpoint).update(gone_at=now)
        if ended and not mine.exists():
            consent.record(
                customer_id,
                channel="push",
                topic=TOPIC,
                is_granted=False,
                source=SOURCE,
                now=now,
                proof_text="Switched notifications off in the browser.",
            )
    return bool(ended)


def _check(given: Subscription) -> None:
    """Refuse what no browser says, and addresses to which nothing would be sent."""
    if not 1 <= len(given.endpoint) <= ENDPOINT_MOST:
        raise PushRefused(f"The endpoint has {len(given.endpoint)} characters.")
    try:
        outgoing.check(given.endpoint)
        point, secret = webpush.unspelt(given.p256dh), webpush.unspelt(given.auth)
        if len(point) != POINT_BYTES or len(secret) != SECRET_BYTES:
            raise ValueError("wrong length")
        webpush.check_point(point)
    except outgoing.AddressRefused as refused:
        raise PushRefused(str(refused)) from None
    except (ValueError, binascii.Error):
        raise PushRefused("The keys are not those of a browser's subscription.") from None
