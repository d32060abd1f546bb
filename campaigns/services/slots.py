"""Create, change and remove slots and their contents.  The only writer of Slot and SlotContent."""

import re
import secrets
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import F

from campaigns.messages import pieces
from campaigns.messages.render import TemplateError
from campaigns.models import Slot, SlotContent
from rapport.access import audit
from rapport.errors import Conflict, DomainError
from segments.models import Segment

SLOT_FIELDS = ("key", "name", "state", "holdout_share")
CONTENT_FIELDS = (
    "name",
    "priority",
    "segment",
    "offer",
    "title",
    "body",
    "starts_at",
    "ends_at",
    "state",
)
KEY = re.compile(r"[a-z0-9][a-z0-9_-]{0,59}")
HOLDOUT_SHARE_MOST = 0.9
PRIORITY_MOST = 32_767
SLOTS_MOST = 200  # all are kept in the memory of every web process …
CONTENTS_MOST = 50  # … and looked through for every visitor
SALT_BYTES = 12
VIEWED = "Slot Viewed"  # the event that the shop's page records

# What one slot showed, by content and arm; a visitor is a customer, or a browser not yet one.
VIEWS = """
    SELECT properties ->> 'slot', properties ->> 'content', properties ->> 'arm', count(*),
        count(DISTINCT coalesce('c' || customer_id, anonymous_id))
    FROM customers_event
    WHERE name = 'Slot Viewed' AND happened_at >= %s AND happened_at <= %s
        AND properties ->> 'slot' = ANY(%s)
    GROUP BY 1, 2, 3"""


class SlotRefused(DomainError):
    """Fields that make no slot, or no content; `faults` has every reason."""

    code = "slot_refused"

    def __init__(self, faults: list[str]) -> None:
        super().__init__(" ".join(faults))
        self.faults = faults


@transaction.atomic
def create(*, user: Any, now: datetime, key: str, name: str = "", **fields: Any) -> Slot:
    """Create a slot without contents; pages keep what their own HTML says until it has one."""
    given = _slot_fields({"key": key, "name": name or key, **fields})
    if Slot.objects.count() >= SLOTS_MOST:
        raise SlotRefused([f"There are {SLOTS_MOST} slots already; remove one first."])
    _check_free(given["key"])
    slot = Slot.objects.create(
        salt=secrets.token_hex(SALT_BYTES),
        created_by=user if user is not None and user.pk else None,
        created_at=now,
        changed_at=now,
        **given,
    )
    audit(user, "slot.created", f"slot {slot.pk}", key=slot.key)
    return slot


@transaction.atomic
def edit(slot: Slot, *, user: Any, now: datetime, **fields: Any) -> Slot:
    """Change a slot.  A share left alone may be raised at any time: nobody moves back."""
    given = _slot_fields(fields)
    current = Slot.objects.select_for_update().get(pk=slot.pk)
    if given.get("key", current.key) != current.key:
        _check_free(given["key"])
    changed = sorted(name for name, value in given.items() if getattr(current, name) != value)
    Slot.objects.filter(pk=slot.pk).update(**given, changed_at=now)
    audit(user, "slot.edited", f"slot {slot.pk}", changed=changed)
    slot.refresh_from_db()
    return slot


@transaction.atomic
def delete(slot: Slot, *, user: Any) -> None:
    """Remove a slot with its contents; what it showed stays among the events."""
    audit(user, "slot.deleted", f"slot {slot.pk}", key=slot.key)
    Slot.objects.filter(pk=slot.pk).delete()


@transaction.atomic
def add_content(slot: Slot, *, user: Any, now: datetime, **fields: Any) -> SlotContent:
    """Add something that the slot may show from now on.

    The slot is locked, here as in the other changes of contents: so its moment of change, by which
    web processes notice, moves in order.
    """
    Slot.objects.select_for_update().get(pk=slot.pk)
    content = SlotContent(slot=slot, created_at=now, changed_at=now)
    _fill(content, {"name": "", **fields})
    if SlotContent.objects.filter(slot=slot).count() >= CONTENTS_MOST:
        raise SlotRefused([f"The slot has {CONTENTS_MOST} contents already; remove one first."])
    content.save()
    Slot.objects.filter(pk=slot.pk).update(changed_at=now)
    audit(user, "slot.content_added", f"slot {slot.pk}", content=content.pk, name=content.name)
    return content


@transaction.atomic
def edit_content(content: SlotContent, *, user: Any, now: datetime, **fields: Any) -> SlotContent:
    """Change a content; its version grows, so that no process shows a stale one."""
    Slot.objects.select_for_update().get(pk=content.slot_id)
    current = SlotContent.objects.select_for_update().get(pk=content.pk)
    before = {name: getattr(current, name) for name in CONTENT_FIELDS}
    _fill(current, fields)
    current.version = F("version") + 1  # type: ignore[assignment]
    current.changed_at = now
    current.save()
    Slot.objects.filter(pk=content.slot_id).update(changed_at=now)
    changed = sorted(name for name in CONTENT_FIELDS if getattr(current, name) != before[name])
    audit(
        user,
        "slot.content_edited",
        f"slot {content.slot_id}",
        content=content.pk,
        changed=changed,
    )
    content.refresh_from_db()
    return content


@transaction.atomic
def delete_content(content: SlotContent, *, user: Any, now: datetime) -> None:
    """Take a content out of its slot for good."""
    Slot.objects.select_for_update().get(pk=content.slot_id)
    audit(
        user,
        "slot.content_deleted",
        f"slot {content.slot_id}",
        content=content.pk,
        name=content.name,
    )
    SlotContent.objects.filter(pk=content.pk).delete()
    Slot.objects.filter(pk=content.slot_id).update(changed_at=now)


def views(keys: list[str], *, since: datetime, now: datetime) -> list[dict[str, Any]]:
    """How often, and to how many visitors, these slots showed each content, by arm.

    ``content`` is None where a page kept its own.  Counted from the events that the snippet
    records: pages, not answers.
    """
    with connection.cursor() as cursor:
        cursor.execute(VIEWS, [since, now, keys])
        return [
            {
                "slot": slot,
                "content": int(content) if content and content.isdecimal() else None,
                "arm": arm or "",
                "views": views,
                "visitors": visitors,
            }
            for slot, content, arm, views, visitors in cursor
        ]


def visitors(keys: list[str], *, days: int, now: datetime) -> dict[str, tuple[int, int]]:
    """Views and visitors of each slot in the last days; a slot that nobody saw is not there."""
    text = """
        SELECT properties ->> 'slot', count(*),
            count(DISTINCT coalesce('c' || customer_id, anonymous_id))
        FROM customers_event
        WHERE name = 'Slot Viewed' AND happened_at >= %s AND happened_at <= %s
            AND properties ->> 'slot' = ANY(%s)
        GROUP BY 1"""
    with connection.cursor() as cursor:
        cursor.execute(text, [now - timedelta(days=days), now, keys])
        return {slot: (seen, people) for slot, seen, people in cursor}


def template(content: SlotContent) -> tuple[str, str]:
    """Title and body to compile; an offer with no words of its own is named, and what it gives."""
    if content.offer_id and not content.title and not content.body:
        return "{{ offer.name }}", "<p>{{ offer.words }}</p>"
    return content.title, content.body


def _check_free(key: str) -> None:
    if Slot.objects.filter(key=key).exists():
        raise Conflict(f"There is already a slot with the key {key!r}.")


def _slot_fields(fields: dict[str, Any]) -> dict[str, Any]:
    faults = [f"There is no field {name}." for name in sorted(set(fields) - set(SLOT_FIELDS))]
    given = {name: fields[name] for name in SLOT_FIELDS if name in fields}
    if "key" in given and not KEY.fullmatch(str(given["key"])):
        faults.append(
            f"The key is {given['key']!r}; expected up to 60 small letters, digits, “-” and “_”, "
            "such as hero or cart-side."
        )
    if "name" in given:
        given["name"] = str(given["name"]).strip()
        if not 1 <= len(given["name"]) <= 120:
            faults.append("A slot needs a name of up to 120 characters.")
    if given.get("state", Slot.State.LIVE) not in Slot.State.values:
        faults.append(f"There is no state {given['state']!r}; expected live or paused.")
    share = given.get("holdout_share", 0.0)
    if not isinstance(share, int | float) or not 0 <= share <= HOLDOUT_SHARE_MOST:
        faults.append(f"The holdout share must be 0 to {HOLDOUT_SHARE_MOST}, found {share}.")
    if faults:
        raise SlotRefused(faults)
    return given


def _fill(content: SlotContent, fields: dict[str, Any]) -> None:
    """Set fields of a content that is not saved yet, or name everything wrong with them."""
    faults = [f"There is no field {name}." for name in sorted(set(fields) - set(CONTENT_FIELDS))]
    for name in CONTENT_FIELDS:
        if name in fields:
            value = fields[name]
            setattr(content, name, value.strip() if name in ("name", "title") else value)
    if not 1 <= len(content.name) <= 120:
        faults.append("A content needs a name of up to 120 characters.")
    if not isinstance(content.priority, int) or not 0 <= content.priority <= PRIORITY_MOST:
        faults.append(f"The priority must be 0 to {PRIORITY_MOST}, found {content.priority!r}.")
    if content.state not in SlotContent.State.values:
        faults.append(f"There is no state {content.state!r}; expected live or paused.")
    if content.starts_at and content.ends_at and content.ends_at <= content.starts_at:
        faults.append("It must end after it starts.")
    if content.segment is not None and content.segment.state == Segment.State.ARCHIVED:
        faults.append(f"The segment {content.segment} is archived: it has no members.")
    if not content.title and not content.body.strip() and content.offer is None:
        faults.append("It shows nothing: give it a title, a body or an offer.")
    try:
        pieces.compile(*template(content))
    except TemplateError as error:
        faults += error.faults
    if not faults:
        try:
            content.clean_fields(exclude=["slot", "segment", "offer"])
        except ValidationError as error:
            faults += [f"{name}: {' '.join(words)}" for name, words in error.message_dict.items()]
    if faults:
        raise SlotRefused(faults)
