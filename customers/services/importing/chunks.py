"""Merge a staged file chunk by chunk, each in a transaction that also says that it is done."""

import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import pairwise
from typing import Any

from django.db import connection, transaction

from customers.services.importing import among
from customers.services.importing.counts import Counts, note
from customers.services.importing.kinds import Merging
from customers.services.importing.staging import Stage
from rapport import runs

CHUNK_ROWS = 50_000
WRITERS = 2  # connections that write at once; PostgreSQL uses one core for each
Span = tuple[int, int]  # places, from the first to before the second


class Chunks:
    """The chunks of one import: what they did so far, and what is left to do."""

    def __init__(
        self, stage: Stage, merging: Merging, progress: runs.Progress, counts: Counts
    ) -> None:
        saved = progress.run.checkpoint
        self.stage, self.merging, self.progress, self.counts = stage, merging, progress, counts
        self.done: list[Span] = [(start, end) for start, end in saved.get("done", [])]
        self._lock = threading.Lock()  # from the checkpoint to its commit

    def write(self) -> None:
        """Merge all that is left.  A chunk that fails leaves those before and beside it."""
        # A transaction around us is seen by nobody else, so there we write alone.
        if connection.in_atomic_block or not self.merging.is_parallel:
            for span in self._spans():
                self.progress.advance(self._merge(span))
            return
        running: set[Future[int]] = set()
        with ThreadPoolExecutor(WRITERS) as pool:
            for span in self._spans():
                running.add(pool.submit(self._merge_apart, span))
                if len(running) >= WRITERS:
                    running = self._collect(running)
            while running:
                running = self._collect(running)

    def _spans(self) -> Iterator[Span]:
        """Ranges of places that hold about `CHUNK_ROWS` rows, without those that are done.

        Each begins where a row of the table does, so no order is cut.
        """
        starts = self.stage.rows(
            f"SELECT min(place) FROM {{{self.merging.table}}}"
            f" GROUP BY place / {CHUNK_ROWS} ORDER BY 1"
        )
        ((end,),) = self.stage.rows("SELECT coalesce(max(place), 0) + 1 FROM {facts}")
        places = [*(start for (start,) in starts), end]
        for span in pairwise(places):
            if not any(start <= span[0] < until for start, until in self.done):
                yield span

    def _collect(self, running: set[Future[int]]) -> set[Future[int]]:
        finished, others = wait(running, return_when=FIRST_COMPLETED)
        for future in finished:
            self.progress.advance(future.result())
        return others

    def _merge_apart(self, span: Span) -> int:
        """Merge on this thread's own connection."""
        try:
            with among.session():
                return self._merge(span)
        finally:
            connection.close()

    def _merge(self, span: Span) -> int:
        return among.again_if_disturbed(lambda: self._merge_once(span))

    def _merge_once(self, span: Span) -> int:
        with contextlib.ExitStack() as held:
            with transaction.atomic():
                counts = self.merging.merge(self.stage, *span)
                whom = Counts(touches_many=True) if self.stage.touches_many else counts
                note(whom, now=self.stage.params["now"])
                held.enter_context(self._lock)
                total = Counts()
                total.add(self.counts)
                total.add(counts)
                done = _joined([*self.done, span])
                self.progress.checkpoint(done=done, counts=_numbers(total))
            self.counts.add(counts)
            self.done = done
            self.stage.touches_many = self.counts.touches_many
        return counts.rows


def _joined(spans: list[Span]) -> list[Span]:
    """The same places in as few spans as possible."""
    joined: list[Span] = []
    for start, end in sorted(spans):
        if joined and joined[-1][1] == start:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined


def _numbers(counts: Counts) -> dict[str, Any]:
    return {
        "rows": counts.rows,
        "inserted": counts.inserted,
        "changed": counts.changed,
        "figures": counts.figures,
    }
