"""What each call would hand on: at once while few come, and gathered for a moment while many do.

Under load telling the queue and Redis of every call costs more than storing it.
"""

import threading
from collections.abc import Callable
from time import monotonic
from typing import Generic, TypeVar

from django.db import connection

AT_ONCE_A_SECOND = 2  # calls of one process; more are gathered
GATHERED_SECONDS = 0.25

Thing = TypeVar("Thing")


class Gathering(Generic[Thing]):
    """Calls ``hand_on`` with all that was added, in order.

    What is gathered is lost if the process dies: only what can be lost belongs here.
    """

    def __init__(self, hand_on: Callable[[list[Thing]], None]) -> None:
        self._hand_on = hand_on
        self._lock = threading.Lock()
        self._gathered: list[Thing] = []
        self._since = 0.0
        self._added = 0  # since then

    def add(self, thing: Thing) -> None:
        with self._lock:
            now = monotonic()
            if now - self._since >= 1:
                self._since, self._added = now, 0
            self._added += 1
            waits = bool(self._gathered) or self._added > AT_ONCE_A_SECOND
            if waits:
                self._gathered.append(thing)
                if len(self._gathered) == 1:
                    timer = threading.Timer(GATHERED_SECONDS, self._flush_later)
                    timer.daemon = True
                    timer.start()
        if not waits:
            self._hand_on([thing])

    def flush(self) -> None:
        """Hand on what was gathered until now."""
        with self._lock:
            gathered, self._gathered = self._gathered, []
        if gathered:
            self._hand_on(gathered)

    def _flush_later(self) -> None:
        try:
            self.flush()
        finally:
            connection.close()  # of this thread, if anybody asked the database
