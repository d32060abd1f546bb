"""One import among others: found again, alone with its file, and tidied up after.

Locks and staging tables outlive nothing: PostgreSQL frees a lock when its process dies, and tables
that a killed import left are dropped by a later one.
"""

import contextlib
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from django.db import DatabaseError, IntegrityError, OperationalError, connection

from customers.collect.files import STDIN
from customers.services.importing.staging import Stage
from rapport.errors import Conflict
from rapport.models import Run

LOCK = 7_310_001  # first half of the advisory lock; the second is the run's id
LOCK_WAIT_SECONDS = 10  # a killed import's backend may still be finishing its statement
STAGE_KEPT_DAYS = 7
ATTEMPTS = 3  # of one transaction, where somebody else writes the same rows
RETRIED = {"40P01", "40001"}  # deadlock, serialisation
GROWN = """
    SELECT format('%I', s.relname) FROM pg_stat_user_tables s JOIN pg_class c ON c.oid = s.relid
    WHERE s.relname ~ '^customers_'
        AND s.n_mod_since_analyze > 1000 + 0.1 * greatest(c.reltuples, 0)
"""


Done = TypeVar("Done")


def again_if_disturbed(write: Callable[[], Done]) -> Done:
    """Run ``write``, a transaction; once more where another writer of its rows came in between."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return write()
        except (IntegrityError, OperationalError) as error:
            if attempt == ATTEMPTS or not is_disturbance(error):
                raise
    raise AssertionError("unreachable")


def is_disturbance(error: Exception) -> bool:
    """Whether another writer of the same rows came in between, so that trying again may help."""
    if isinstance(error, IntegrityError):
        return True
    return getattr(error.__cause__, "pgcode", None) in RETRIED


def fingerprint(path: str | Path) -> dict[str, Any]:
    """What tells whether it is the same file again; its content is compared when it was read."""
    if str(path) == STDIN:
        return {"path": STDIN}
    found = Path(path).stat()
    return {"path": str(Path(path).absolute()), "size": found.st_size, "modified": found.st_mtime}


def resumable(params: dict[str, Any]) -> Run | None:
    """The last import of this very file, unless it came to its end."""
    if params["path"] == STDIN:
        return None
    last = Run.objects.filter(kind="import", params=params).order_by("-id").first()
    return last if last and last.state not in (Run.State.DONE, Run.State.QUEUED) else None


@contextlib.contextmanager
def only_one(run: Run) -> Iterator[None]:
    """Hold the run's lock, which PostgreSQL frees when our process dies, however it dies."""
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = %s", [f"{LOCK_WAIT_SECONDS}s"])
        try:
            cursor.execute("SELECT pg_advisory_lock(%s, %s)", [LOCK, run.pk % 2**31])
        except OperationalError:
            raise Conflict(f"This file is being imported right now, by run {run.pk}.") from None
        finally:
            with contextlib.suppress(DatabaseError):
                cursor.execute("SET lock_timeout = 0")
    try:
        yield
    finally:
        with contextlib.suppress(DatabaseError), connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [LOCK, run.pk % 2**31])


@contextlib.contextmanager
def session() -> Iterator[None]:
    """Settings for large statements: room to hash, no compiling, and pages that lie in memory."""
    with connection.cursor() as cursor:
        cursor.execute("SET work_mem = '64MB'; SET jit = off; SET random_page_cost = 1.1")
    try:
        yield
    finally:
        with contextlib.suppress(DatabaseError), connection.cursor() as cursor:
            cursor.execute("RESET work_mem; RESET jit; RESET random_page_cost")


def drop_forgotten_stages(*, keep: Run, now: datetime) -> None:
    """Drop staging tables of killed imports that nobody resumed for `STAGE_KEPT_DAYS`."""
    with connection.cursor() as cursor:
        cursor.execute(r"SELECT relname FROM pg_class WHERE relname ~ '^import_\d+_raw$'")
        found = {int(re.findall(r"\d+", name)[0]) for (name,) in cursor.fetchall()} - {keep.pk}
    alive = Run.objects.filter(
        pk__in=found,
        state__in=(Run.State.RUNNING, Run.State.LOST),
        created_at__gte=now - timedelta(days=STAGE_KEPT_DAYS),
    )
    for pk in found - set(alive.values_list("pk", flat=True)):
        Stage.drop_named(f"import_{pk}")


def analyze_what_grew() -> None:
    """Tell the planner how much there is now, as autovacuum would in a minute or two.

    Without it the consent of a fresh shop of 20,000 customers is joined by a nested loop over all
    customers: 17 s instead of 0.4 s, and growing with the square.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute(GROWN)
        names = ", ".join(name for (name,) in cursor.fetchall())
        if names:
            cursor.execute(f"ANALYZE {names}")
