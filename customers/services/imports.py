"""Import files of facts: customers, products, orders, events, reviews, consent.

The only way in for whole files.  It writes Customer, Identity, Product, Order, OrderLine, Event,
Review and Consent through the statements in `customers.services.importing`.

One import is one Run: *read* (COPY into staging tables), *check* (SQL casts and judges every row),
*write* (merge in chunks, each in its own transaction together with the run's checkpoint).  Merging
is idempotent, so an import may be repeated or resumed at any moment.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from time import monotonic
from typing import Any

from django.conf import settings
from django.db import DatabaseError, transaction

from customers.collect.files import FileRefused
from customers.services.identities import merging
from customers.services.importing import among, chunks, layout, rejects
from customers.services.importing.counts import Counts, tell
from customers.services.importing.kinds import MERGING
from customers.services.importing.staging import Shape, Stage
from rapport import runs
from rapport.models import Run

UNDECODABLE_SHARE_MAX = 0.01  # above it the file is in another encoding, not damaged here and there
SOURCE_MAX = 40


@dataclass(frozen=True)
class ImportReport:
    """What one import did, in rows of the file; ``read`` is the sum of the four others."""

    read: int
    inserted: int
    changed: int
    unchanged: int
    rejected: int
    run_id: int | None
    reject_path: Path | None
    figures: dict[str, Any] = field(default_factory=dict)


def import_file(
    kind: str,
    path: str | Path,
    *,
    source: str,
    now: datetime,
    preset: str | None = None,
    mapping: dict[str, str] | None = None,
    dry_run: bool = False,
    reject_path: str | Path | None = None,
    bar: bool = False,
    run: Run | None = None,
    user: Any = None,
) -> ImportReport:
    """Import a file and report what it did.

    A file of the wrong shape raises `FileRefused` before anything is written.  Rows that are wrong
    go to a reject file, the others land.  An import of the same file that was killed, cancelled or
    failed half-way is resumed where it was; ``run`` may be a queued run to use instead.
    """
    work = _Import(kind, path, source=source, now=now, reject_path=reject_path)
    with contextlib.closing(work):
        if run is None:
            work.open(preset, mapping)
            if dry_run:
                with among.session():
                    work.rehearse(runs.Progress(Run(kind="import", title=work.title), bar=bar))
                return work.report(is_rehearsal=True)
            params = work.params(preset, mapping)
            run = among.resumable(params)
            run = run or runs.create("import", work.title, params=params, user=user)
        with among.only_one(run), among.session(), runs.running(run, bar=bar) as progress:
            work.open(preset, mapping)
            if dry_run:
                work.rehearse(progress)
            else:
                among.drop_forgotten_stages(keep=run, now=now)
                work.do(progress)
        return work.report(is_rehearsal=dry_run)


class _Import:
    """One import under way."""

    rows: layout.Rows
    shape: Shape
    resumed_after = 0

    def __init__(
        self,
        kind: str,
        path: str | Path,
        *,
        source: str,
        now: datetime,
        reject_path: str | Path | None,
    ) -> None:
        self.kind, self.path, self.source, self.now = kind, path, source, now
        self.wanted_rejects = Path(reject_path) if reject_path else None
        self.rejects: Path | None = None
        self.run_id: int | None = None
        self.counts = Counts()
        self.read = self.blank = self.rejected = 0
        self.started = monotonic()
        self.finished: float | None = None
        self.seconds: dict[str, float] = {}
        self._is_open = False

    def open(self, preset: str | None, mapping: dict[str, str] | None) -> None:
        """Open the file and match its columns, once; `FileRefused` when it cannot be meant."""
        if self._is_open:
            return
        if not 1 <= len(self.source) <= SOURCE_MAX:
            raise FileRefused(
                f"The source {self.source!r} is not a name of 1 to {SOURCE_MAX} characters."
            )
        self.rows, self.shape = layout.opened(self.kind, self.path, preset=preset, mapping=mapping)
        self.merging = MERGING[self.kind]
        self._is_open = True

    def close(self) -> None:
        if self._is_open:
            self.rows.lines.close()

    @property
    def title(self) -> str:
        return f"Import {self.kind} of {self.source} from {self.rows.lines.name}"[:200]

    def params(self, preset: str | None, mapping: dict[str, str] | None) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "source": self.source,
            "preset": preset or "",
            "mapping": mapping or {},
            **among.fingerprint(self.path),
        }

    def rehearse(self, progress: runs.Progress) -> None:
        """Do everything but write."""
        self.run_id = progress.run.pk
        stage = Stage(
            "import_rehearsal", self.shape, source=self.source, now=self.now, temporary=True
        )
        try:
            self._read(stage, progress)
            self._check(stage, progress)
        finally:
            stage.drop()
            progress.close()
        self.counts.rows = self.read - self.rejected
        progress.result(**self.figures())

    def do(self, progress: runs.Progress) -> None:
        run = progress.run
        self.run_id = run.pk
        stage = Stage(f"import_{run.pk}", self.shape, source=self.source, now=self.now)
        try:
            if not (run.checkpoint.get("is_staged") and stage.exists()):
                self._stage(stage, progress)
            self._write(stage, progress)
            # Who was merged after this file was prepared, perhaps by an import that was killed.
            merging.sweep(now=self.now, since=min(self.now, run.created_at))
            with self._timed("analyze"):
                among.analyze_what_grew()
            self.finished = monotonic()
            progress.result(**self.figures())
            progress.say(self.summary())
        finally:
            with contextlib.suppress(DatabaseError):
                stage.drop()
            tell(self.counts, cause="import")

    def _prepare(self, stage: Stage) -> None:
        with transaction.atomic():
            self.merging.prepare(stage)

    # --- stages -------------------------------------------------------------------------------

    def _stage(self, stage: Stage, progress: runs.Progress) -> None:
        progress.checkpoint(is_staged=False)
        self._read(stage, progress)
        self._check(stage, progress)
        checkpoint = progress.run.checkpoint
        if checkpoint.get("sha256") != self.rows.lines.sha256:  # another file by the same name
            progress.checkpoint(done=[], counts={})
        with self._timed("prepare"):
            progress.stage("prepare")
            among.again_if_disturbed(lambda: self._prepare(stage))
            if self.read > chunks.CHUNK_ROWS:
                stage.index(self.merging.table)
        progress.checkpoint(
            is_staged=True,
            sha256=self.rows.lines.sha256,
            read=self.read,
            blank=self.blank,
            rejected=self.rejected,
            rejects=str(self.rejects or ""),
        )

    def _read(self, stage: Stage, progress: runs.Progress) -> None:
        with self._timed("read"):
            stage.create(first_place=self.rows.first_place)
            progress.stage("read")
            for rows in stage.fill(
                self.rows.pieces(),
                delimiter=self.rows.delimiter,
                numbers_rows=self.rows.numbers_rows,
            ):
                self.read += rows
                progress.advance(rows)
            self._refuse_foreign(stage)

    def _refuse_foreign(self, stage: Stage) -> None:
        name, unreadable = self.rows.lines.name, stage.rejected_rows()
        if stage.undecodable > UNDECODABLE_SHARE_MAX * self.read:
            raise FileRefused(
                f"{name} is not UTF-8: {stage.undecodable} of {self.read} rows cannot be decoded; "
                "save it as UTF-8."
            )
        if self.read and unreadable == self.read:
            reason = next(stage.faults()).reason
            raise FileRefused(f"{name} has no readable row: each {reason}, or the like.")

    def _check(self, stage: Stage, progress: runs.Progress) -> None:
        with self._timed("check"):
            progress.stage("check")
            left = stage.check(self.read)
            self.merging.judge(stage)
            self.rejected = stage.rejected_rows()
            self.blank = self.read - left - stage.unreadable
            self.read -= self.blank
            self._write_rejects(stage)

    def _write_rejects(self, stage: Stage) -> None:
        path = self.wanted_rejects
        if path is None and self.rejected:
            name = f"import-{self.run_id or 'rehearsal'}.csv"
            path = settings.RAPPORT_HOME / "rejects" / name
        if path is not None:
            rejects.write(path, stage.faults())
            self.rejects = path

    def _write(self, stage: Stage, progress: runs.Progress) -> None:
        saved = progress.run.checkpoint
        self.read, self.rejected = saved["read"], saved["rejected"]
        self.blank, self.rejects = (
            saved["blank"],
            Path(saved["rejects"]) if saved["rejects"] else None,
        )
        if saved.get("done"):
            self._take_up(saved["counts"])
        progress.stage("write", total=self.read - self.rejected, done=self.counts.rows)
        with self._timed("write"):
            chunks.Chunks(stage, self.merging, progress, self.counts).write()

    def _take_up(self, saved: dict[str, Any]) -> None:
        """Go on counting where the killed process was; whom it touched it took along."""
        self.counts = Counts(saved["rows"], saved["inserted"], saved["changed"])
        self.counts.figures = dict(saved["figures"])
        self.counts.touches_many = True
        self.resumed_after = saved["rows"]

    @contextlib.contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        since = monotonic()
        yield
        self.seconds[stage] = round(monotonic() - since, 3)

    # --- what came of it ----------------------------------------------------------------------

    def figures(self) -> dict[str, Any]:
        seconds = (self.finished or monotonic()) - self.started
        found: dict[str, Any] = {
            "read": self.read,
            "inserted": self.counts.inserted,
            "changed": self.counts.changed,
            "unchanged": self.counts.unchanged,
            "rejected": self.rejected,
            "seconds": round(seconds, 3),
            "rows_per_second": round((self.read - self.resumed_after) / max(seconds, 1e-3)),
            "stage_seconds": self.seconds,
            **self.counts.figures,
        }
        if self.resumed_after:
            found["resumed_after"] = self.resumed_after
        if self.blank:
            found["blank_rows"] = self.blank
        if self.shape.ignored:
            found["ignored_columns"] = sorted(self.shape.ignored)
        return found

    def summary(self) -> str:
        counts = self.counts
        return (
            f"{self.read:,} read: {counts.inserted:,} new, {counts.changed:,} changed, "
            f"{counts.unchanged:,} unchanged, {self.rejected:,} rejected."
        )

    def report(self, *, is_rehearsal: bool = False) -> ImportReport:
        counts = self.counts
        return ImportReport(
            read=self.read,
            inserted=counts.inserted,
            changed=counts.changed,
            unchanged=0 if is_rehearsal else counts.unchanged,
            rejected=self.rejected,
            run_id=self.run_id,
            reject_path=self.rejects,
            figures=self.figures(),
        )
