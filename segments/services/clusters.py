"""Clusters from proposal to segment.  The only module that writes Cluster.

A cluster's key lasts: where a retrained cluster continues one of the live run it takes over its
key, name and decision, so that the rule of its segment holds on unchanged.  A key is never used
again for another group.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Max

from rapport import access
from rapport.errors import Conflict
from segments.estimators.clusters import LogKMeans, match
from segments.models import Cluster, ModelRun, Segment
from segments.recipes.names import Profile
from segments.services import segments

State = Cluster.State


def rule(key: int) -> dict[str, Any]:
    """The definition of a segment whose members are those of the cluster with this key."""
    return {"version": 1, "where": {"type": "cluster", "key": key}}


def keyed(estimator: LogKMeans, live: LogKMeans | None) -> LogKMeans:
    """The estimator with the keys its clusters shall have for good."""
    continued = match(live, estimator) if live is not None else {}
    last = Cluster.objects.aggregate(last=Max("key"))["last"]
    fresh = 0 if last is None else last + 1
    keys = []
    for place in range(len(estimator.centers_)):
        if place not in continued:
            continued = {**continued, place: fresh}
            fresh += 1
        keys.append(continued[place])
    return estimator.keyed(keys)


def propose(
    run: ModelRun,
    *,
    sizes: Mapping[int, int],
    profiles: Mapping[int, Profile],
    names: Mapping[int, str],
    live: ModelRun | None,
) -> list[Cluster]:
    """Create the clusters of a run; those that continue a cluster keep what was decided."""
    decided = {}
    if live is not None:
        decided = {cluster.key: cluster for cluster in Cluster.objects.filter(run=live)}
    rows = []
    for key, size in sorted(sizes.items()):
        row = Cluster(
            run=run, key=key, proposed_name=names[key][:120], size=size, profile=profiles[key]
        )
        if key in decided:
            _inherit(row, decided[key])
        rows.append(row)
    return Cluster.objects.bulk_create(rows)


def accept(cluster: Cluster, *, name: str, note: str = "", user: Any, now: datetime) -> Segment:
    """Make a segment of a cluster of the live run, under the name a person gives it.

    Accepting again returns the segment there is.
    """
    with transaction.atomic():
        row = _locked(cluster)
        segment = Segment.objects.filter(cluster=row).first()
        if segment is not None:
            if segment.state == Segment.State.ARCHIVED:
                raise Conflict(f"the segment {segment.key!r} of this cluster is archived")
            return segment
        segment = segments.create(
            name=name,
            rule=rule(row.key),
            description=note or f"Customers of the cluster “{row.proposed_name}”.",
            cluster=row,
            user=user,
            now=now,
        )
        _decide(row, State.ACCEPTED, name=segment.name, note=note, user=user, now=now)
        access.audit(user, "cluster.accepted", f"cluster:{row.pk}", name=name, segment=segment.key)
    cluster.refresh_from_db()
    return segment


def reject(cluster: Cluster, *, note: str = "", user: Any, now: datetime) -> Cluster:
    """Say that a cluster is of no use; refused while its segment is in use."""
    with transaction.atomic():
        row = _locked(cluster)
        used = Segment.objects.filter(cluster=row).exclude(state=Segment.State.ARCHIVED).first()
        if used is not None:
            raise Conflict(f"archive its segment {used.key!r} first")
        _decide(row, State.REJECTED, name="", note=note, user=user, now=now)
        access.audit(user, "cluster.rejected", f"cluster:{row.pk}", note=note)
    cluster.refresh_from_db()
    return cluster


def follow(run: ModelRun, *, user: Any, now: datetime) -> list[str]:
    """Point the segments of accepted clusters at the clusters of this run with the same keys.

    Returns the names of accepted clusters that have none: their segments select nobody once the
    customers are scored, until a run finds the group again.
    """
    here = {cluster.key: cluster for cluster in Cluster.objects.filter(run=run)}
    lost = []
    used = Segment.objects.filter(cluster__isnull=False).exclude(state=Segment.State.ARCHIVED)
    for segment in used.select_related("cluster"):
        before = segment.cluster
        assert before is not None
        after = here.get(before.key)
        if after is None:
            lost.append(segment.name)
            access.audit(user, "segment.cluster_lost", f"segment:{segment.key}", key=before.key)
        elif after.pk != before.pk:
            _inherit(after, before)
            after.save(update_fields=["state", "name", "note", "decided_by", "decided_at"])
            segments.edit(segment, cluster=after, rule=rule(after.key), user=user, now=now)
    return lost


def _inherit(row: Cluster, before: Cluster) -> None:
    row.state, row.name, row.note = before.state, before.name, before.note
    row.decided_by_id, row.decided_at = before.decided_by_id, before.decided_at


def _locked(cluster: Cluster) -> Cluster:
    row = Cluster.objects.select_for_update(of=("self",)).select_related("run").get(pk=cluster.pk)
    if row.run.state != ModelRun.State.LIVE:
        raise Conflict(
            f"{row} is of a run that is {row.run.state}: decide on those of the live run"
        )
    return row


def _decide(row: Cluster, state: str, *, name: str, note: str, user: Any, now: datetime) -> None:
    row.state, row.name, row.note = state, name, note
    row.decided_by, row.decided_at = user, now
    row.save(update_fields=["state", "name", "note", "decided_by", "decided_at"])
