"""Make, find and switch off write keys.  The only writer of WriteKey and of RejectedMessage."""

import re
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from time import monotonic
from typing import Any

from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from customers.models import Identity, RejectedMessage, WriteKey
from customers.services.tracking import pulse
from rapport.access import audit
from rapport.errors import DomainError

KEY_BYTES = 24
SPELLED = re.compile(r"[\w-]{1,40}", re.ASCII)
SOURCE = re.compile(r"[\w.-]{1,40}", re.ASCII)
REMEMBERED_SECONDS = 5.0  # so long a key that was switched off may still be taken
REMEMBERED_MOST = 1_000
USED_EVERY = timedelta(minutes=1)  # last_used_at is no more exact than this
REJECTED_KEPT_DAYS = 30
REJECTED_KEPT_MOST = 100_000  # of one key: a public key can be abused

_remembered: dict[str, tuple[float, WriteKey | None]] = {}


class WrongSource(DomainError):
    code = "wrong_source"


def create(
    *,
    source: str,
    name: str,
    user: Any,
    now: datetime,
    kind: str = WriteKey.Kind.BROWSER,
) -> WriteKey:
    """Make a key whose facts are told by ``source``; several keys may share one."""
    if not SOURCE.fullmatch(source):
        raise WrongSource(
            f"The source {source!r} is not a name of 1 to 40 letters, digits, '.', '-' and '_'."
        )
    key = WriteKey.objects.create(
        source=source,
        kind=kind,
        key=secrets.token_urlsafe(KEY_BYTES),
        name=name.strip()[:120] or source,
        created_at=now,
        created_by=user if user is not None and user.pk else None,
    )
    audit(user, "write_key.created", f"write key {key.pk}", source=source, kind=kind, name=key.name)
    return key


def switch(key: WriteKey, *, is_active: bool, user: Any) -> bool:
    """Take messages with this key, or refuse them from now on; whether that changed anything."""
    changed = WriteKey.objects.filter(pk=key.pk, is_active=not is_active).update(
        is_active=is_active
    )
    if changed:
        audit(user, f"write_key.{'resumed' if is_active else 'stopped'}", f"write key {key.pk}")
        _remembered.pop(key.key, None)
    return bool(changed)


def find(key: str) -> WriteKey | None:
    """The active key of this spelling, or None.  Asks the database every few seconds at most."""
    at, found = _remembered.get(key, (0.0, None))
    if found is not None and monotonic() - at < REMEMBERED_SECONDS:
        return found
    is_spelled = SPELLED.fullmatch(key)
    found = WriteKey.objects.filter(key=key, is_active=True).first() if is_spelled else None
    if found is not None:
        if len(_remembered) >= REMEMBERED_MOST:
            _remembered.clear()
        _remembered[key] = (monotonic(), found)
    return found


def use(key: WriteKey, *, now: datetime) -> None:
    """Note that the key was used, once a minute at most."""
    if key.last_used_at is None or now - key.last_used_at >= USED_EVERY:
        WriteKey.objects.filter(pk=key.pk).filter(
            Q(last_used_at=None) | Q(last_used_at__lte=now - USED_EVERY)
        ).update(last_used_at=now)
        key.last_used_at = now


def keep_rejected(rows: Sequence[RejectedMessage]) -> None:
    """Keep what could not be stored, with the reason, for a person to see."""
    RejectedMessage.objects.bulk_create(rows)


def rejected(key: WriteKey, *, most: int) -> QuerySet[RejectedMessage]:
    """The last messages of a key that could not be stored."""
    return RejectedMessage.objects.filter(write_key=key).order_by("-id")[:most]


def reasons(key: WriteKey, *, most: int) -> list[tuple[str, str, int]]:
    """Why messages of a key could not be stored, the most frequent first: part, reason, number."""
    found = RejectedMessage.objects.filter(write_key=key).values_list("part", "reason")
    counted = found.annotate(number=Count("id")).order_by("-number", "reason")
    return list(counted[:most])


def rejected_of(customer_id: int) -> QuerySet[RejectedMessage]:
    """What was rejected of one customer, as far as the handles in it are hers."""
    hers = Identity.objects.filter(customer_id=customer_id, source=OuterRef("write_key__source"))
    return RejectedMessage.objects.filter(
        Exists(hers.filter(kind=Identity.Kind.EXTERNAL, value=OuterRef("user_id")))
        | Exists(hers.filter(kind=Identity.Kind.ANONYMOUS, value=OuterRef("anonymous_id")))
    )


def export_rejected(customer_id: int) -> list[Any]:
    found = rejected_of(customer_id).order_by("id")
    return list(found.values("kind", "message_id", "reason", "payload", "recorded_at"))


def erase_rejected(customer_id: int) -> int:
    """Remove what was rejected of a customer, while her handles can still be read.

    The last messages of all sources go as well: nobody looks for her in them.
    """
    transaction.on_commit(pulse.forget_live)
    return rejected_of(customer_id).delete()[0]


def forget_rejected(*, now: datetime) -> int:
    """Remove what was kept for `REJECTED_KEPT_DAYS`, and the oldest where there is too much."""
    old = RejectedMessage.objects.filter(recorded_at__lt=now - timedelta(days=REJECTED_KEPT_DAYS))
    removed = old.delete()[0]
    for key in WriteKey.objects.all():
        mine = RejectedMessage.objects.filter(write_key=key).order_by("-id")
        last = mine.values_list("id", flat=True)[REJECTED_KEPT_MOST - 1 : REJECTED_KEPT_MOST]
        removed += sum(
            RejectedMessage.objects.filter(write_key=key, id__lt=pk).delete()[0] for pk in last
        )
    return removed
