"""What the queue asks of customers: ids in, one service call."""

import contextlib

from celery import shared_task
from django.utils import timezone

from customers.collect import uploads
from customers.collect.uploads import UploadRefused
from rapport import runs
from rapport.models import Run


@shared_task(acks_late=True, ignore_result=True)
def import_upload(run_id: int) -> None:
    """Import the uploaded file of one run; a run that is over or whose file is gone is left."""
    from customers.services import imports

    run = Run.objects.filter(pk=run_id).first()
    if run is None or run.is_over:
        return
    upload = uploads.find(run.params["upload"])
    if upload is None:
        with contextlib.suppress(UploadRefused), runs.running(run):
            raise UploadRefused("The uploaded file is gone; upload it again.")
        return
    imports.import_file(
        upload.kind,
        upload.path,
        source=upload.source,
        now=timezone.now(),
        mapping=run.params["mapping"],
        dry_run=run.params["dry_run"],
        reject_path=upload.reject_path,
        run=run,
        user=run.started_by,
    )
