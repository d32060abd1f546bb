"""Have flows look at their ledgers soon after a bell; without it the clock does within seconds."""

from contextlib import suppress
from time import monotonic
from typing import Any

from django.core.cache import cache
from django.db import connection
from redis.exceptions import RedisError

from customers.signals import customers_changed
from rapport import bells
from segments.signals import entered, exited

QUIET_SECONDS = 1  # bells that ring together are one

_last = 0.0


def connect() -> None:
    """Listen to the bells of segments and customers; called once when the app is ready."""
    for bell in (entered, exited, customers_changed):
        bell.connect(ring, dispatch_uid="campaigns.flows")


def ring(**_said: Any) -> None:
    """Ask a worker to look, unless one was asked a moment ago."""
    global _last
    if monotonic() - _last < QUIET_SECONDS:
        return
    _last = monotonic()
    from campaigns.tasks import watch_flows

    with suppress(RedisError, OSError):
        name = connection.settings_dict["NAME"]
        if cache.add(f"flows-rung:{name}", True, timeout=QUIET_SECONDS):
            bells.enqueue(watch_flows)
