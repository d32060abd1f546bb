"""Enqueue work when the transaction has committed, without ever failing the work that rang."""

import logging
from typing import Any

from celery import Task
from django.db import transaction
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

log = logging.getLogger(__name__)


def enqueue(task: Task, *arguments: Any) -> None:
    """Publish ``task(*arguments)`` on commit; with the broker down, the next tick does the work."""

    def publish() -> None:
        try:
            task.apply_async(arguments, retry=False)
        except (OperationalError, RedisError, OSError) as error:
            log.warning("%s was not enqueued, the broker is away: %s", task.name, error)

    if transaction.get_connection().in_atomic_block:
        transaction.on_commit(publish)
    else:  # `on_commit` would connect to the database first
        publish()
