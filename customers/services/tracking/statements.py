"""Statements that every call runs: planned once a connection, and then only executed.

Planning the joins of one call takes PostgreSQL longer than running them.  Outside of `prepared`,
where nobody would try again after a statement got lost, they are planned each time.  A plan made
when tables were small reads them whole, so after a while one is made anew.
"""

import itertools
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from typing import Any
from weakref import WeakKeyDictionary

from django.db import ProgrammingError, connection
from django.db.backends.utils import CursorWrapper

PLANNED_ANEW = {64, 512, 4_096, 32_768}  # before these executions; tables of a shop grow slower
LOST = {"26000", "42P05"}  # not there although we made it, or there already: a pooler's doing

_prepared: "WeakKeyDictionary[Any, dict[str, int]]" = WeakKeyDictionary()  # times executed
_here = threading.local()
_is_pooled = False  # several server processes behind one connection: nothing stays prepared


class Statement:
    """SQL with ``%s`` for its parameters, each of which says its type: ``%s::text``."""

    def __init__(self, sql: str) -> None:
        self.sql = sql
        numbers = itertools.count(1)
        pieces = sql.split("%s")
        text = pieces[0] + "".join(f"${next(numbers)}{piece}" for piece in pieces[1:])
        self.name = "tracking_" + sha256(text.encode()).hexdigest()[:24]
        self._prepare = f"PREPARE {self.name} AS {text}"
        self._execute = f"EXECUTE {self.name} ({', '.join(['%s'] * (len(pieces) - 1))})"

    def run(self, cursor: CursorWrapper, given: Sequence[Any]) -> None:
        if _is_pooled or not getattr(_here, "prepares", False):
            cursor.execute(self.sql, given)
            return
        known = _prepared.setdefault(connection.connection, {})
        times = known.get(self.name, 0) + 1
        if times in PLANNED_ANEW:
            cursor.execute(f"DEALLOCATE {self.name}")
        if times == 1 or times in PLANNED_ANEW:
            # Left to itself PostgreSQL plans some of them each time, for longer than they run.
            cursor.execute(f"SET plan_cache_mode = force_generic_plan; {self._prepare}")
        known[self.name] = times
        cursor.execute(self._execute, given)


@contextmanager
def prepared() -> Iterator[None]:
    """Let this thread run statements prepared; whoever says so tries again where one `is_lost`."""
    before, _here.prepares = getattr(_here, "prepares", False), True
    try:
        yield
    finally:
        _here.prepares = before


def is_lost(error: Exception) -> bool:
    """Whether a prepared statement got lost; from then on this process prepares none."""
    global _is_pooled
    lost = isinstance(error, ProgrammingError)
    if not lost or getattr(error.__cause__, "pgcode", None) not in LOST:
        return False
    _is_pooled = True
    return True
