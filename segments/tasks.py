"""What the queue and the clock ask of segments: ids in, one service call."""

import logging
from time import monotonic

from celery import shared_task
from django.utils import timezone

from rapport.models import Run
from segments.models import Segment
from segments.services import (
    lists,
    membership,
    mirror,
    scoring,
    splitting,
    suggest,
    sweeping,
    touched,
    training,
    watching,
    webhooks,
)

log = logging.getLogger(__name__)

TELL_SECONDS_MOST = 60.0


@shared_task(acks_late=True, ignore_result=True)
def refresh_customers(customer_ids: list[int], cause: str) -> None:
    now = timezone.now()
    membership.refresh(customer_ids, cause=cause, now=now)
    membership.refresh_new(cause=cause, now=now)


@shared_task(acks_late=True, ignore_result=True)
def split_cluster(job_id: int) -> None:
    splitting.work(job_id, now=timezone.now())


@shared_task(acks_late=True, ignore_result=True)
def refresh_all(cause: str = "clock") -> None:
    membership.refresh_all(cause=cause, now=timezone.now())


@shared_task(acks_late=True, ignore_result=True)
def refresh_new() -> None:
    membership.refresh_new(cause="edit", now=timezone.now())


@shared_task(acks_late=True, ignore_result=True)
def refresh_segment(segment_id: int, cause: str = "edit", run_id: int | None = None) -> None:
    segment = Segment.objects.get(pk=segment_id)
    run = Run.objects.filter(pk=run_id).first()
    if run is None or run.state in (Run.State.QUEUED, Run.State.LOST):  # else another has done it
        membership.refresh_segment(segment, cause=cause, now=timezone.now(), run=run)


@shared_task(acks_late=True, ignore_result=True)
def sweep() -> None:
    sweeping.sweep(now=timezone.now())


@shared_task(acks_late=True, ignore_result=True)
def find_lost_work() -> None:
    sweeping.find_lost_work(now=timezone.now())
    training.find_abandoned(now=timezone.now())


@shared_task(acks_late=True, ignore_result=True)
def verify() -> None:
    membership.verify(now=timezone.now())


@shared_task(acks_late=True, ignore_result=True)
def keep_mirror(is_night: bool = False) -> None:
    mirror.tick(now=timezone.now(), is_night=is_night)


@shared_task(acks_late=True, ignore_result=True)
def retrain(run_id: int | None = None, kinds: list[str] | None = None) -> None:
    """Do the job that somebody asked for; without one, as at night, what is due."""
    try:
        if run_id is None and kinds is None:
            training.nightly(now=timezone.now())
        else:
            training.retrain(kinds=kinds, run_id=run_id, as_of=timezone.now())
    except training.Busy as busy:  # its row says so
        log.warning("%s", busy)


@shared_task(acks_late=True, ignore_result=True)
def score_everybody() -> None:
    try:
        training.score_everybody(now=timezone.now())
    except training.Busy as busy:  # which scores everybody itself
        log.info("%s", busy)


@shared_task(acks_late=True, ignore_result=True)
def score_touched() -> None:
    touched.sweep(now=timezone.now())


@shared_task(acks_late=True, ignore_result=True)
def rescore(model_run_id: int) -> None:
    scoring.rescore(model_run_id, now=timezone.now())


@shared_task(acks_late=True, ignore_result=True)
def watch() -> None:
    watching.watch(now=timezone.now())


@shared_task(acks_late=True, ignore_result=True)
def refresh_suggestions() -> None:
    suggest.refresh()


@shared_task(acks_late=True, ignore_result=True)
def tell_webhooks() -> None:
    """Plan and send what is due; much of it is left to later ticks, and all while one is busy."""
    until = monotonic() + TELL_SECONDS_MOST
    with webhooks.alone() as is_mine:
        if is_mine:
            webhooks.sweep(now=timezone.now())
            webhooks.plan(now=timezone.now())
            while webhooks.deliver(now=timezone.now()) and monotonic() < until:
                pass


@shared_task(acks_late=True, ignore_result=True)
def forget_old_webhooks() -> None:
    webhooks.forget_old(now=timezone.now())


@shared_task(acks_late=True, ignore_result=True)
def import_list(run_id: int) -> None:
    """Bring the uploaded file of one run into its list; a run that is over is left as it is."""
    run = Run.objects.filter(pk=run_id).first()
    if run is not None and not run.is_over:
        lists.import_upload(run, now=timezone.now())
