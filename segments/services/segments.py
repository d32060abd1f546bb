"""Create, edit and archive segments.  The only module that creates Segment rows and edits rules;
`membership` alone moves them between live and invalid.
"""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.text import slugify

from rapport import access, bells, runs
from rapport.errors import Conflict, DomainError
from segments.models import Cluster, MembershipChange, Segment
from segments.rules import ready_made
from segments.services import definitions, membership


class NameMissing(DomainError):
    """A segment needs a name that people can tell it by."""

    code = "name_missing"


def create(
    *,
    name: str,
    rule: Any,
    user: Any,
    now: datetime,
    description: str = "",
    key: str | None = None,
    cluster: Cluster | None = None,
    is_ready_made: bool = False,
) -> Segment:
    """Create a live segment and enqueue its first refresh.

    A rule that cannot be read is refused with all its faults (`definitions.RuleRefused`).  Without
    ``key`` one is made from the name; a given key that is taken is a `Conflict`.
    """
    name = _checked_name(name)
    definitions.check(rule, key=key or "")
    with transaction.atomic():
        if key is not None and Segment.objects.filter(key=key).exists():
            raise Conflict(f"there is already a segment with the key {key!r}")
        segment = Segment.objects.create(
            key=key or _free_key(name),
            name=name,
            description=description,
            rule=rule,
            cluster=cluster,
            is_ready_made=is_ready_made,
            created_by=user,
            created_at=now,
            changed_at=now,
        )
        access.audit(user, "segment.created", f"segment:{segment.key}", rule=rule)
        _enqueue_refresh(segment, user)
    return segment


def edit(
    segment: Segment,
    *,
    user: Any,
    now: datetime,
    name: str | None = None,
    rule: Any = None,
    description: str | None = None,
    cluster: Cluster | None = None,
) -> Segment:
    """Change what is given.  A changed rule counts up ``rule_version`` and enqueues a rebuild.

    Until that rebuild is done, and where somebody cancels it, the members are those of the rule
    before, kept up with what happens.  Safe concurrently: the row is locked, and the later edit
    stands.
    """
    with transaction.atomic():
        row = Segment.objects.select_for_update(no_key=True).get(pk=segment.pk)
        if row.state == Segment.State.ARCHIVED:
            raise Conflict(f"segment {row.key!r} is archived")
        before: dict[str, Any] = {}
        if name is not None and name != row.name:
            before["name"], row.name = row.name, _checked_name(name)
        if description is not None and description != row.description:
            before["description"], row.description = row.description, description
        if cluster is not None and cluster.pk != row.cluster_id:
            before["cluster"], row.cluster = row.cluster_id, cluster
        if rule is not None and rule != row.rule:
            definitions.check(rule, key=row.key)
            before["rule"] = row.rule
            if row.live_version is None and row.refreshed_at and row.state == Segment.State.LIVE:
                row.live_rule, row.live_version = row.rule, row.rule_version
            row.rule = rule
            row.rule_version += 1
        if before:
            row.changed_at = now
            columns = ["name", "description", "cluster", "rule", "rule_version", "changed_at"]
            row.save(update_fields=[*columns, "live_rule", "live_version"])
            access.audit(user, "segment.edited", f"segment:{row.key}", before=before)
        if "rule" in before:
            _enqueue_refresh(row, user)
    segment.refresh_from_db()
    return segment


def archive(segment: Segment, *, user: Any, now: datetime) -> Segment:
    """Take a segment out of use: it selects nobody, its history stays.  Twice changes nothing.

    Refused while the rule of another live segment names it.
    """
    with transaction.atomic():
        row = Segment.objects.select_for_update(no_key=True).get(pk=segment.pk)
        if row.state != Segment.State.ARCHIVED:
            using = sorted(definitions.dependents(row.key))
            if using:
                raise Conflict(f"segment {row.key!r} is named in the rules of {', '.join(using)}")
            row.state, row.changed_at = Segment.State.ARCHIVED, now
            row.save(update_fields=["state", "changed_at"])
            membership.empty(row, cause=MembershipChange.Cause.EDIT, now=now)
            access.audit(user, "segment.archived", f"segment:{row.key}")
    segment.refresh_from_db()
    return segment


def create_ready_made(*, now: datetime) -> list[Segment]:
    """Create the ready-made segments that are not there; never touch one that is.

    Edited and archived ones keep their key, so they count as there.  Nothing is enqueued, for
    this runs before any worker does: the next tick of the clock finds them unrefreshed.
    """
    there = set(Segment.objects.values_list("key", flat=True))
    new = [
        Segment(
            key=one.key,
            name=one.name,
            description=one.description,
            rule=one.rule,
            is_ready_made=True,
            created_at=now,
            changed_at=now,
        )
        for one in ready_made.SEGMENTS
        if one.key not in there
    ]
    with transaction.atomic():
        Segment.objects.bulk_create(new, ignore_conflicts=True)
        for segment in new:
            access.audit(None, "segment.created", f"segment:{segment.key}", rule=segment.rule)
    return new


def export() -> list[dict]:
    """All segments in use as data, for review and for another installation."""
    columns = ("key", "name", "description", "rule")
    rows = Segment.objects.exclude(state=Segment.State.ARCHIVED).order_by("key")
    return list(rows.values(*columns))


def _checked_name(name: str) -> str:
    name = name.strip()
    if not name or len(name) > 120:
        raise NameMissing(f"found a name of {len(name)} characters, expected 1 to 120")
    return name


def _free_key(name: str) -> str:
    """The name as a slug, numbered when taken."""
    stem = slugify(name)[:70] or "segment"
    taken = set(Segment.objects.filter(key__startswith=stem).values_list("key", flat=True))
    key, number = stem, 2
    while key in taken:
        key, number = f"{stem}-{number}", number + 1
    return key


def _enqueue_refresh(segment: Segment, user: Any) -> None:
    from segments import tasks

    title = f"Work out who is in {segment.name}"
    segment.run = runs.create("segment", title, params={"segment": segment.pk}, user=user)
    segment.save(update_fields=["run"])
    cause = MembershipChange.Cause.EDIT.value
    bells.enqueue(tasks.refresh_segment, segment.pk, cause, segment.run.pk)
