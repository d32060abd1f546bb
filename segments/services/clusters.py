"""Clusters from proposal to segment.  The only module that writes Cluster.

A cluster's key lasts: where a retrained cluster continues one of the live run it takes over its
key, name and decision, so that the rule of its segment holds on unchanged.  A key is never used
again for another group.  Merged clusters keep a row and a key each: one has the segment, whose
rule names all of their keys, and the others point to it.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from django.db import transaction
from django.db.models import Max

from rapport import access
from rapport.errors import Conflict
from segments.estimators.clusters import NOISE, Clusterer, match
from segments.models import Cluster, ModelRun, Segment
from segments.recipes import group_pictures
from segments.recipes import names as naming
from segments.recipes.names import Profile
from segments.services import segments

State = Cluster.State
INHERITED = ("state", "name", "note", "decided_by", "decided_at", "merged_into")


def rule(*keys: int) -> dict[str, Any]:
    """The definition of a segment whose members are those of the clusters with these keys."""
    found = [{"type": "cluster", "key": key} for key in sorted(keys)]
    return {"version": 1, "where": found[0] if len(found) == 1 else {"type": "or", "of": found}}


def keyed(
    estimator: Clusterer, live: Clusterer | None, *, table: pd.DataFrame | None = None
) -> Clusterer:
    """The estimator with the keys its clusters shall have for good.

    With a feature table clusters are known again even where the columns differ.
    """
    continued = match(live, estimator, X=table) if live is not None else {}
    last = Cluster.objects.aggregate(last=Max("key"))["last"]
    fresh = 0 if last is None else last + 1
    keys = []
    for place in range(len(estimator.centers_)):
        if place not in continued:
            continued = {**continued, place: fresh}
            fresh += 1
        keys.append(continued[place])
    return estimator.keyed(keys)


def settle(
    run: ModelRun,
    estimator: Clusterer,
    table: pd.DataFrame,
    *,
    theirs: Clusterer | None,
    live: ModelRun | None,
) -> Clusterer:
    """Give the clusters of a new run lasting keys, profiles and names; say how many customers move.

    Writes the proposals and extends ``run.card``; the row itself is the caller's to save.
    ``theirs`` is the estimator of the live run; ``table`` has all customers at ``run.as_of``.
    """
    estimator = keyed(estimator, theirs, table=table)
    labels = estimator.predict(table)
    inside = labels != NOISE
    found = naming.profiles(table[inside], labels[inside])
    keys, counts = np.unique(labels[inside].to_numpy(), return_counts=True)
    sizes = dict(zip(keys.tolist(), counts.tolist(), strict=True))
    rows = propose(run, sizes=sizes, profiles=found, names=naming.names(found), live=live)
    run.card |= group_pictures.pictures(estimator, table)
    if theirs is not None and live is not None:
        before = theirs.predict(table)
        run.card["moved_share"] = round(float((before != labels).mean()), 4)
        run.card["flow"] = group_pictures.flow(
            before,
            labels,
            names_before={row.key: str(row) for row in Cluster.objects.filter(run=live)},
            names_after={row.key: str(row) for row in rows},
            as_of=(live.as_of, run.as_of),
        )
    return estimator


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
        of_live = Cluster.objects.filter(run=live).select_related("merged_into")
        decided = {cluster.key: cluster for cluster in of_live}
    rows = []
    for key, size in sorted(sizes.items()):
        row = Cluster(
            run=run, key=key, proposed_name=names[key][:120], size=size, profile=profiles[key]
        )
        if key in decided:
            _inherit(row, decided[key])
        rows.append(row)
    Cluster.objects.bulk_create(rows)
    _merge_again({row.key: row for row in rows}, decided.values())
    return rows


def accept(cluster: Cluster, *, name: str, note: str = "", user: Any, now: datetime) -> Segment:
    """Make a segment of a cluster of the live run, under the name a person gives it.

    Accepting again returns the segment there is.
    """
    with transaction.atomic():
        row = _locked(cluster)
        _refuse_merged(row)
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
        _refuse_merged(row)
        used = _segment_in_use(row)
        if used is not None:
            raise Conflict(f"archive its segment {used.key!r} first")
        _decide(row, State.REJECTED, name="", note=note, user=user, now=now)
        access.audit(user, "cluster.rejected", f"cluster:{row.pk}", note=note)
    cluster.refresh_from_db()
    return cluster


def reconsider(cluster: Cluster, *, user: Any, now: datetime) -> Cluster:
    """Make a rejected cluster a proposal again."""
    with transaction.atomic():
        row = _locked(cluster)
        if row.state != State.REJECTED:
            raise Conflict(f"{row} is {row.state}: only a rejected cluster is reconsidered")
        _decide(row, State.PROPOSED, name="", note="", user=user, now=now)
        access.audit(user, "cluster.reconsidered", f"cluster:{row.pk}")
    cluster.refresh_from_db()
    return cluster


def rename(cluster: Cluster, *, name: str, user: Any, now: datetime) -> Cluster:
    """Give an accepted cluster and its segment another name."""
    with transaction.atomic():
        row = _locked(cluster)
        segment = _segment_in_use(row)
        if row.state != State.ACCEPTED or segment is None:
            raise Conflict(f"{row} is {row.state}: accept it, and give it its name there")
        before = row.name
        row.name = segments.edit(segment, name=name, user=user, now=now).name
        row.save(update_fields=["name"])
        access.audit(user, "cluster.renamed", f"cluster:{row.pk}", before=before, name=row.name)
    cluster.refresh_from_db()
    return cluster


def merge(
    chosen: Sequence[Cluster], *, name: str, note: str = "", user: Any, now: datetime
) -> Segment:
    """Make one segment of several clusters of the live run: whoever is in any of them.

    The segment is that of the one accepted before, where there is one; else one is made for the
    largest.  The others are *merged* into it, and stay so over retraining.  Refused for rejected
    and merged ones, and where two have a segment in use.
    """
    with transaction.atomic():
        rows = [_locked(cluster) for cluster in sorted(chosen, key=lambda each: each.pk)]
        if len({row.pk for row in rows}) < 2:
            raise Conflict(f"found {len(rows)} cluster, at least two are merged")
        for row in rows:
            _refuse_merged(row)
            if row.state == State.REJECTED:
                raise Conflict(f"{row} is rejected: reconsider it first")
        used = [row for row in rows if _segment_in_use(row) is not None]
        if len(used) > 1:
            raise Conflict("archive all but one of their segments first")
        head = used[0] if used else max(rows, key=lambda row: (row.size, -row.key))
        segment = accept(head, name=name, note=note, user=user, now=now)
        others = [row for row in rows if row.pk != head.pk]
        for row in others:
            # What was merged into it before goes along.
            parts = [row, *row.merged_from.all()]
            for part in parts:
                part.merged_into = head
                part.save(update_fields=["merged_into"])
                _decide(part, State.MERGED, name="", note=note, user=user, now=now)
        merged = _rule_of(head)
        segment = segments.edit(segment, name=name, rule=merged, user=user, now=now)
        _decide(head, State.ACCEPTED, name=segment.name, note=note, user=user, now=now)
        keys = [row.key for row in others]
        access.audit(user, "cluster.merged", f"cluster:{head.pk}", keys=keys, segment=segment.key)
    return segment


def take_out(cluster: Cluster, *, user: Any, now: datetime) -> Cluster:
    """Undo the merging of one cluster: a proposal again, and no part of the other's segment."""
    with transaction.atomic():
        row = _locked(cluster)
        head = row.merged_into
        if row.state != State.MERGED or head is None:
            raise Conflict(f"{row} is {row.state}: only a merged cluster is taken out")
        row.merged_into = None
        row.save(update_fields=["merged_into"])
        _decide(row, State.PROPOSED, name="", note="", user=user, now=now)
        segment = _segment_in_use(head)
        if segment is not None:
            segments.edit(segment, rule=_rule_of(head), user=user, now=now)
        access.audit(user, "cluster.taken_out", f"cluster:{row.pk}", of=head.key)
    cluster.refresh_from_db()
    return cluster


def follow(run: ModelRun, *, user: Any, now: datetime) -> list[str]:
    """Point the segments of accepted clusters at the clusters of this run with the same keys.

    Of merged clusters the one that has the segment may be gone: the largest of the others takes
    it over.  The rule names keys, and so holds on.  Returns the names of accepted clusters of
    which nothing is left: their segments select nobody once the customers are scored, until a
    run finds the group again.
    """
    here = {cluster.key: cluster for cluster in Cluster.objects.filter(run=run)}
    lost = []
    used = Segment.objects.filter(cluster__isnull=False).exclude(state=Segment.State.ARCHIVED)
    for segment in used.select_related("cluster"):
        before = segment.cluster
        assert before is not None
        parts = [before, *before.merged_from.order_by("-size")]
        found = [(part, here[part.key]) for part in parts if part.key in here]
        if not found:
            lost.append(segment.name)
            access.audit(user, "segment.cluster_lost", f"segment:{segment.key}", key=before.key)
            continue
        (_, head), *others = found
        if head.pk == before.pk:
            continue
        _inherit(head, before)
        head.merged_into = None
        head.save(update_fields=INHERITED)
        for part, after in others:
            _inherit(after, part)
            after.merged_into = head
            after.save(update_fields=INHERITED)
        segments.edit(segment, cluster=head, user=user, now=now)
    return lost


def _merge_again(rows: Mapping[int, Cluster], before: Iterable[Cluster]) -> None:
    """Let the rows of a new run be parts of one another as those that they continue were.

    A part whose whole was not found again is a proposal.
    """
    into = {part.key: part.merged_into.key for part in before if part.merged_into is not None}
    for key, row in rows.items():
        if row.state == State.MERGED:
            row.merged_into = rows.get(into.get(key, -1))
            if row.merged_into is None:
                row.state = State.PROPOSED
            row.save(update_fields=["state", "merged_into"])


def _rule_of(head: Cluster) -> dict[str, Any]:
    return rule(head.key, *head.merged_from.values_list("key", flat=True))


def _segment_in_use(row: Cluster) -> Segment | None:
    return Segment.objects.filter(cluster=row).exclude(state=Segment.State.ARCHIVED).first()


def _refuse_merged(row: Cluster) -> None:
    if row.state == State.MERGED:
        raise Conflict(f"{row} is merged into {row.merged_into}: take it out first")


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
