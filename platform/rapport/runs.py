"""Run long work with a row that tells its progress.  The only module that moves ``Run.state``.

Progress is written outside the work's own transactions, so that a page sees it at once.
"""

import contextlib
import sys
import traceback
from collections.abc import Iterator
from datetime import datetime, timedelta
from time import monotonic
from typing import Any

from django.utils import timezone

from rapport.models import Run

WRITE_EVERY_SECONDS = 0.5
LOST_AFTER_SECONDS = 300


class Cancelled(Exception):
    """Somebody asked this run to stop; what was finished before stays."""


def create(
    kind: str, title: str, *, total: int | None = None, params: dict | None = None, user: Any = None
) -> Run:
    """Create a queued run, so that a page can show it before a worker takes it."""
    return Run.objects.create(
        kind=kind,
        title=title,
        total=total,
        params=params or {},
        started_by=user,
        created_at=timezone.now(),
    )


class Progress:
    """What running work says about itself; ``advance`` writes its row at most twice a second."""

    def __init__(self, run: Run, *, bar: bool = False) -> None:
        self.run = run
        self._written = 0.0
        self._bar = None
        if bar:
            from tqdm import tqdm

            self._bar = tqdm(
                total=run.total,
                desc=run.title,
                unit="",
                unit_scale=True,
                file=sys.stderr,
                dynamic_ncols=True,
                mininterval=WRITE_EVERY_SECONDS,
            )

    def stage(self, stage: str, *, total: int | None = None, done: int = 0) -> None:
        """Enter a stage; ``total`` and ``done`` count within it."""
        self.run.stage, self.run.done = stage, done
        if total is not None:
            self.run.total = total
        if self._bar is not None:
            self._bar.set_description(f"{self.run.title}: {stage}")
            self._bar.reset(total=self.run.total)
            self._bar.update(done)
        self._write()

    def advance(self, by: int = 1) -> None:
        """Count ``by`` more; raise `Cancelled` when somebody asked to stop."""
        self.run.done += by
        if self._bar is not None:
            self._bar.update(by)
        if monotonic() - self._written >= WRITE_EVERY_SECONDS:
            self._write()

    def say(self, message: str) -> None:
        self.run.message = message
        self._write()

    def checkpoint(self, **state: Any) -> None:
        """Remember where to resume.  Call it inside the transaction whose work it describes."""
        self.run.checkpoint = {**self.run.checkpoint, **state}
        Run.objects.filter(pk=self.run.pk).update(checkpoint=self.run.checkpoint)

    def result(self, **figures: Any) -> None:
        self.run.result = {**self.run.result, **figures}

    def _write(self) -> None:
        self._written = monotonic()
        run = self.run
        run.heartbeat_at = timezone.now()
        Run.objects.filter(pk=run.pk).update(
            stage=run.stage,
            done=run.done,
            total=run.total,
            message=run.message,
            heartbeat_at=run.heartbeat_at,
        )
        if Run.objects.filter(pk=run.pk, cancel_requested=True).exists():
            raise Cancelled

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()


@contextlib.contextmanager
def running(run: Run, *, bar: bool = False) -> Iterator[Progress]:
    """Do the work of ``run`` inside this block; how the block ends is how the run ends.

    An exception marks the run failed and goes on upwards; `Cancelled` ends quietly.
    """
    now = timezone.now()
    run.state, run.started_at, run.heartbeat_at = Run.State.RUNNING, run.started_at or now, now
    run.error, run.finished_at = "", None
    run.save(update_fields=["state", "started_at", "heartbeat_at", "error", "finished_at"])
    progress = Progress(run, bar=bar)
    try:
        yield progress
    except Cancelled:
        _finish(run, Run.State.CANCELLED)
    except BaseException as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        run.error = f"{type(error).__name__}: {error} ({last.name})"
        _finish(run, Run.State.FAILED)
        raise
    else:
        _finish(run, Run.State.DONE)
    finally:
        progress.close()


def request_cancel(run: Run) -> None:
    """Ask a run to stop at its next step; a queued one ends now."""
    Run.objects.filter(pk=run.pk).update(cancel_requested=True)
    Run.objects.filter(pk=run.pk, state=Run.State.QUEUED).update(
        state=Run.State.CANCELLED, finished_at=timezone.now()
    )


def mark_lost(*, now: datetime) -> int:
    """Say of runs without a heartbeat that they are lost; return how many."""
    silent = now - timedelta(seconds=LOST_AFTER_SECONDS)
    return Run.objects.filter(state=Run.State.RUNNING, heartbeat_at__lt=silent).update(
        state=Run.State.LOST, finished_at=now, error="Its process died. Start it again to resume."
    )


def _finish(run: Run, state: Run.State) -> None:
    run.state, run.finished_at = state, timezone.now()
    run.save(
        update_fields=[
            "state",
            "finished_at",
            "error",
            "done",
            "total",
            "stage",
            "message",
            "result",
        ]
    )
