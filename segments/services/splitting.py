"""Part one cluster of the live run in two, at a person's wish: a run of its own, then promoted.

It takes as long as a training of clusters, so it is a job: `ask` refuses at once what cannot be,
and `work` does it.
"""

from datetime import datetime
from typing import Any

from django.db import connection, transaction

from customers.features.table import features
from customers.services import frames
from rapport import access, bells, runs
from rapport.errors import Conflict, DomainError
from rapport.models import Run
from segments.estimators.columns import UnusableTable
from segments.models import Cluster, ModelRun
from segments.recipes import groups
from segments.services import artefacts, model_runs, training

State = ModelRun.State
JOB = "split"


class NotSplit(DomainError):
    """The cluster has no two parts that are worth a name."""

    status = 409
    code = "not_split"


def ask(cluster: Cluster, *, note: str = "", user: Any, now: datetime) -> Run:
    """Have a worker part this cluster; the job's page tells how far it is and what came of it."""
    from segments import tasks

    with transaction.atomic():
        artefacts.load(_check(cluster))
        title = f"Parting “{cluster}” in two"
        params = {"cluster": cluster.pk, "note": note, "asked_at": now.isoformat()}
        job = runs.create(JOB, title, params=params, user=user)
        bells.enqueue(tasks.split_cluster, job.pk)
    return job


def work(job_id: int, *, now: datetime) -> ModelRun | None:
    """Do what was asked; None where the job is over already.  What is refused now fails the job."""
    job = Run.objects.select_related("started_by").get(pk=job_id)
    cluster = Cluster.objects.filter(pk=job.params["cluster"]).first()
    if job.is_over or cluster is None:
        return None
    with runs.running(job) as progress:
        progress.stage("learning", total=1)
        run = split(cluster, note=job.params["note"], user=job.started_by, now=now)
        progress.advance()
        progress.result(run=run.pk, state=run.state)
        progress.say(f"Run {run.pk} is {run.state}. {run.summary}")
    return run


def split(cluster: Cluster, *, note: str = "", user: Any, now: datetime) -> ModelRun:
    """Train a run from the live one in which this cluster is two; return it, live.

    All other clusters keep their customers and keys.  The larger part keeps the key, and with it
    the name, the decision and the segment; the smaller one is a proposal under a key of its own.
    Refused where a part would be too small, for clusters that are merged or not of the live run,
    and while a training is at work.  Killed half-way it leaves the live run as it was.
    """
    from segments import tasks

    with transaction.atomic():
        live = _check(cluster)
        estimator = artefacts.load(live)
        facts = frames.facts(known_at=now, with_events=True)
        try:
            judged = groups.split(estimator, cluster.key, facts, now)
        except UnusableTable as refusal:
            raise NotSplit(f"{cluster} cannot be split: {refusal}") from None
        table = features(facts, now)
        occasion = model_runs.Occasion(
            as_of=now,
            clock=model_runs.Clock(now),
            table=table,
            digest=model_runs.digest(table),
            user=user,
        )
        because = f"{cluster} was split in two. {note}".strip()
        run = model_runs.keep_run(
            groups.KIND, learn=lambda theirs: judged, occasion=occasion, because=because
        )
        if run.state == State.LIVE:
            bells.enqueue(tasks.rescore, run.pk)
            given = {"key": cluster.key, "run": run.pk, "note": note}
            access.audit(user, "cluster.split", f"cluster:{cluster.pk}", **given)
    return run


def _check(cluster: Cluster) -> ModelRun:
    """The live run that this cluster is of; refused where it cannot be split now."""
    _refuse_while_training()
    live = ModelRun.objects.get(pk=cluster.run_id)
    if live.state != State.LIVE:
        raise Conflict(f"{cluster} is of a run that is {live.state}: split those of the live run")
    if cluster.state == Cluster.State.MERGED:
        raise Conflict(f"{cluster} is merged into {cluster.merged_into}: take it out first")
    return live


def _refuse_while_training() -> None:
    """A training that began before would put back what it began with."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [training.LOCK])
        (is_mine,) = cursor.fetchone()
    if not is_mine:
        raise training.Busy("a training is at work: split the cluster when it is done")
