"""Write an invented shop to files and load them as any shop's files are loaded.

Writes no fact itself: `imports` does. The truth is kept in a file beside and enters no table.
"""

import gzip
import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings

from customers.services import imports
from customers.simulation import effects
from customers.simulation.effects import Truth
from customers.simulation.plan import Plan
from customers.simulation.rows import HEADERS
from customers.simulation.shop import KINDS, Shop
from rapport import runs
from rapport.errors import DomainError

FILE_NAMES = {kind: f"{kind}.csv.gz" for kind in HEADERS}
TRUTH_ARRAYS, TRUTH_PARAMS = "truth.npz", "truth.json"
COMPRESSION = 1  # level 6 takes three times as long as everything else together


class SimulationRejected(DomainError):
    """The import refused simulated rows; their shape and the import's have drifted apart."""


@dataclass(frozen=True)
class Simulation:
    """What `simulate` did."""

    folder: Path
    rows: dict[str, int]  # by kind, as written
    imported: dict[str, imports.ImportReport]  # by kind; empty when nothing was loaded
    run_id: int


def simulate(
    plan: Plan,
    *,
    source: str,
    now: datetime,
    folder: Path | None = None,
    load: bool = True,
    bar: bool = False,
    user: Any = None,
) -> Simulation:
    """Write the files of ``plan`` into ``folder``, and load them.

    Safe to repeat: the same plan writes the same bytes, and their import changes no row. Memory is
    that of one chunk, plus some 100 bytes of truth a customer.
    """
    folder = folder or folder_of(plan, source)
    title = f"Simulate {plan.customers:,} customers"
    params = {**plan.params()["plan"], "source": source, "folder": str(folder)}
    run = runs.create("simulate", title, total=plan.customers, params=params, user=user)
    with runs.running(run, bar=bar) as progress:
        progress.stage("writing", total=plan.customers)
        rows = write(plan, folder, advance=progress.advance)
        progress.result(rows=rows)
        imported = {}
        for done, kind in enumerate(KINDS if load else ()):
            progress.stage(f"loading {kind}", total=len(KINDS), done=done)
            imported[kind] = _load(kind, folder, source=source, now=now, bar=bar, user=user)
        if load:
            progress.stage("loaded", total=len(KINDS), done=len(KINDS))
    return Simulation(folder=folder, rows=rows, imported=imported, run_id=run.pk)


def folder_of(plan: Plan, source: str) -> Path:
    """Where the files of a plan lie unless somebody says otherwise."""
    return settings.RAPPORT_HOME / "simulation" / f"{source}-{plan.customers}-{plan.seed}"


def write(
    plan: Plan, folder: Path, *, advance: Callable[[int], None] = lambda by: None
) -> dict[str, int]:
    """Write every file of ``plan``, byte for byte the same each time; return rows by kind.

    A file appears under its name only when all are complete.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shop = Shop(plan)
    rows = dict.fromkeys(KINDS, 0)
    truths: list[Truth] = []
    with _files(folder) as files:
        for kind, header in HEADERS.items():
            files[kind].write(f"{header}\n".encode())
        products = shop.products()
        files["products"].write(products.encode())
        rows["products"] = products.count("\n")
        for index in range(plan.chunks):
            chunk = shop.chunk(index)
            for kind, text in shop.texts(chunk):
                files[kind].write(text.encode())
                rows[kind] += text.count("\n")
            truths.append(chunk.truth)
            advance(chunk.crowd.size)
    _write_truth(folder, effects.joined(truths))
    return rows


def load_truth(folder: Path) -> Truth:
    """The truth that `write` left in ``folder``."""
    params = json.loads((folder / TRUTH_PARAMS).read_text(encoding="utf-8"))
    with np.load(folder / TRUTH_ARRAYS, allow_pickle=False) as arrays:
        return Truth.of(arrays, params)


@contextmanager
def _files(folder: Path) -> Iterator[dict[str, gzip.GzipFile]]:
    """A compressed file a kind, renamed into place when the block ends well."""
    parts = {kind: folder / f"{FILE_NAMES[kind]}.part" for kind in KINDS}
    with ExitStack() as stack:
        files = {}
        for kind, path in parts.items():
            raw = stack.enter_context(path.open("wb"))
            # No name and no time in the header, or the bytes would differ from run to run.
            files[kind] = stack.enter_context(
                gzip.GzipFile("", "wb", compresslevel=COMPRESSION, fileobj=raw, mtime=0)
            )
        yield files
    for kind, path in parts.items():
        os.replace(path, folder / FILE_NAMES[kind])


def _write_truth(folder: Path, truth: Truth) -> None:
    np.savez_compressed(folder / TRUTH_ARRAYS, allow_pickle=False, **truth.arrays())
    text = json.dumps(truth.params, indent=1, sort_keys=True)
    (folder / TRUTH_PARAMS).write_text(f"{text}\n", encoding="utf-8")


def _load(
    kind: str, folder: Path, *, source: str, now: datetime, bar: bool, user: Any
) -> imports.ImportReport:
    report = imports.import_file(
        kind, folder / FILE_NAMES[kind], source=source, now=now, bar=bar, user=user
    )
    if report.rejected:
        raise SimulationRejected(
            f"{report.rejected} of {report.read} simulated {kind} were rejected; "
            f"see {report.reject_path}"
        )
    return report
