"""What the queue asks of customers: ids in, one service call."""

import contextlib

from celery import shared_task
from django.utils import timezone

from customers.collect import uploads
from customers.services import imports, write_keys
from customers.services.identities import merging, refusals
from rapport import runs
from rapport.errors import DomainError, NotFound
from rapport.models import Run


@shared_task(acks_late=True, ignore_result=True)
def import_upload(run_id: int) -> None:
    """Import or check the uploaded file of one run; a run that is over is left as it is."""
    run = Run.objects.filter(pk=run_id).first()
    if run is None or run.is_over:
        return
    try:
        if run.params["dry_run"]:
            _check(run)
        else:
            imports.import_file(**_given(run), run=run)
    except DomainError as refused:  # told to whoever uploaded the file, not to the log
        run.refresh_from_db()
        if not run.is_over:
            _end_with(run, refused)


@shared_task(acks_late=True, ignore_result=True)
def forget_rejected_messages() -> None:
    """Remove messages that were kept long enough for somebody to look at them."""
    write_keys.forget_rejected(now=timezone.now())


@shared_task(acks_late=True, ignore_result=True)
def sweep_merged() -> None:
    """Move what slow writers wrote for customers who were merged meanwhile."""
    merging.sweep(now=timezone.now())


@shared_task(acks_late=True, ignore_result=True)
def forget_old_merges() -> None:
    """Drop what it takes to undo merges of long ago, and refusals beyond those kept."""
    while merging.forget(now=timezone.now()) == merging.FORGOTTEN_AT_ONCE:
        pass
    refusals.trim()


def _check(run: Run) -> None:
    with runs.running(run) as progress:
        report = imports.import_file(**_given(run), dry_run=True)
        progress.result(**report.figures)


def _given(run: Run) -> dict:
    upload = uploads.find(run.params["upload"])
    if upload is None:
        raise NotFound("The uploaded file is gone; upload it again.")
    return {
        "kind": upload.kind,
        "path": upload.path,
        "source": upload.source,
        "now": timezone.now(),
        "preset": run.params.get("preset") or None,
        "mapping": run.params["mapping"],
        "reject_path": upload.reject_path,
        "user": run.started_by,
    }


def _end_with(run: Run, refused: DomainError) -> None:
    with contextlib.suppress(DomainError), runs.running(run):
        raise refused
