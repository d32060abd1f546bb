"""Housekeeping that the clock starts."""

from celery import shared_task
from django.utils import timezone

from rapport import runs
from rapport.api import idempotency


@shared_task(acks_late=True, ignore_result=True)
def mark_lost_runs() -> None:
    runs.mark_lost(now=timezone.now())


@shared_task(acks_late=True, ignore_result=True)
def forget_old_answers() -> None:
    idempotency.forget_old(now=timezone.now())
