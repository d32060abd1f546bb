"""Learn from a finished campaign whom its message moved.  Writes nothing of its own: the model run
is kept by `segments.services.model_runs`.
"""

from datetime import datetime, timedelta
from typing import Any

import pandas as pd
from django.db.models import Min

from campaigns import querysets
from campaigns.models import Assignment, Campaign
from customers.features.table import features
from customers.services import frames
from rapport import bells, runs
from rapport.errors import Conflict
from rapport.models import Run
from segments.models import ModelRun
from segments.recipes import uplift
from segments.recipes.judged import Judged
from segments.services import model_runs

DAY = timedelta(days=1)
JOB = "uplift"


def subject(campaign: Campaign) -> str:
    """What a model run of this campaign is about."""
    return f"campaign-{campaign.pk}"


def newest(campaign: Campaign) -> ModelRun | None:
    """What was learnt last from this campaign; failed runs too."""
    found = ModelRun.objects.filter(kind=uplift.KIND, subject=subject(campaign))
    return found.order_by("-pk").first()


def obstacle(campaign: Campaign, *, now: datetime) -> str:
    """Why nothing can be learnt yet, as a sentence; empty where it can."""
    drawn = _drawn_at(campaign)
    if drawn is None:
        return "It was not launched: there is nothing to learn from."
    if not campaign.holdout_share:
        return "Nobody was left alone by chance, so nobody can be compared with those written to."
    end = drawn + campaign.attribution_days * DAY
    if now < end:
        return f"Orders count until {end:%Y-%m-%d}; whom it moved can be learnt from then on."
    return ""


def ask(campaign: Campaign, *, user: Any, now: datetime) -> Run:
    """Let a worker learn from this campaign; return the job, whose page tells its progress.

    Refused with `Conflict` where nothing can be learnt yet.  A job that waits or works already is
    returned instead of a second one.
    """
    _check(campaign, now=now)
    at_work = Run.objects.filter(
        kind=JOB,
        params__campaign=campaign.pk,
        state__in=(Run.State.QUEUED, Run.State.RUNNING),
    ).first()
    if at_work is not None:
        return at_work
    from campaigns import tasks

    title = f"Whom “{campaign}” moved"
    job = runs.create(JOB, title, params={"campaign": campaign.pk}, user=user)
    bells.enqueue(tasks.learn_uplift, campaign.pk, job.pk)
    return job


def learn(
    campaign: Campaign, *, now: datetime, user: Any = None, run_id: int | None = None
) -> ModelRun | None:
    """Train on the arms that chance drew, and keep what came of it as a run of this campaign.

    Everybody drawn who could have been written to is in it, as in the report; features are as of
    the draw, orders those of the window, known by ``now``.  Safe twice: each call makes a run of
    its own, and the better one stays.  None where the job was cancelled before it began.
    """
    _check(campaign, now=now)
    job = Run.objects.get(pk=run_id) if run_id else None
    if job is not None and job.is_over:
        return None
    title = f"Whom “{campaign}” moved"
    job = job or runs.create(JOB, title, params={"campaign": campaign.pk}, user=user)
    with runs.running(job) as progress:
        progress.stage("reading orders", total=2)
        drawn = _drawn_at(campaign)
        assert drawn is not None  # `_check` has seen it
        arms = _arms(campaign, drawn, now=now)
        table = _table(arms, drawn)
        progress.stage("learning", done=1)

        def train(_theirs: Any) -> Judged:
            return uplift.train(
                table,
                arms["treated"],
                arms["outcome"],
                as_of=drawn,
                window_days=campaign.attribution_days,
                share=1 - campaign.holdout_share,
                seed=campaign.pk,
            )

        occasion = model_runs.Occasion(
            as_of=drawn,
            clock=model_runs.Clock(now),
            digest=model_runs.digest(table.assign(**arms)),
            user=user or job.started_by,
            progress=progress,
        )
        run = model_runs.keep_run(
            uplift.KIND, subject=subject(campaign), learn=train, occasion=occasion
        )
        progress.advance()
        progress.result(run=run.pk, state=run.state)
        progress.say(run.summary)
    return run


def _check(campaign: Campaign, *, now: datetime) -> None:
    words = obstacle(campaign, now=now)
    if words:
        raise Conflict(words)


def _drawn_at(campaign: Campaign) -> datetime | None:
    drawn: datetime | None = Assignment.objects.filter(campaign=campaign).aggregate(
        first=Min("assigned_at")
    )["first"]
    return drawn


def _arms(campaign: Campaign, drawn: datetime, *, now: datetime) -> pd.DataFrame:
    """``treated`` and ``outcome`` of everybody compared, 0 or 1."""
    window = (drawn, drawn + campaign.attribution_days * DAY)
    found = querysets.rows(querysets.buyers(campaign.pk, window=window, now=now))
    index = pd.Index([row["customer_id"] for row in found], name="customer_id", dtype="int64")
    return pd.DataFrame(
        {
            "treated": [float(row["arm"] == Assignment.Arm.TREATED) for row in found],
            "outcome": [float(row["has_bought"]) for row in found],
        },
        index=index,
    )


def _table(arms: pd.DataFrame, drawn: datetime) -> pd.DataFrame:
    """Features at the draw; missing for who had bought nothing yet."""
    if not len(arms):
        return pd.DataFrame(index=arms.index)
    facts = frames.facts(known_at=drawn, customer_ids=arms.index.tolist())
    return features(facts, drawn, names=uplift.USUAL).reindex(arms.index)
