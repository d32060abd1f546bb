"""Generations: copies of all orders, lines and events as columns in files, each of one snapshot.

The only module that writes below ``RAPPORT_HOME/mirror``.  A generation is written beside the
others and takes their place by one rename; whoever has the old one open reads it to the end, for
an unlinked file lives as long as its mapping.
"""

import contextlib
import fcntl
import json
import logging
import os
import secrets
import shutil
import threading
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
from django.conf import settings
from django.db import connection, transaction

from customers.services import touches
from segments.rules.columns import EVENT_COLUMNS, LINE_COLUMNS, ORDER_COLUMNS, Facts
from segments.services import packing

log = logging.getLogger(__name__)

FORMAT = 2
ARRAYS = (
    *("ids", "product_ids", "orders_from", "lines_from", "events_from"),
    *(*ORDER_COLUMNS, *LINE_COLUMNS, *EVENT_COLUMNS),
)
TEXTS = ("order_sorts", "coupons", "event_names")
CHECKED_BYTES = 16 * 2**20  # of a file at a time
LOCK = 732_911_002, 1  # the advisory lock of whoever makes a generation

# A copy is of this very database, and of these very tables: not of a restored or a truncated one.
IDENTITY = """
    SELECT concat_ws(' ', (SELECT system_identifier FROM pg_control_system()),
        (SELECT timeline_id FROM pg_control_checkpoint()), d.oid, d.datname,
        pg_relation_filenode('customers_order'), pg_relation_filenode('customers_orderline'),
        pg_relation_filenode('customers_event'))
    FROM pg_database d WHERE d.datname = current_database()
"""


class Unusable(Exception):
    """A folder that is not what its manifest says, or is not of this database."""


@dataclass(frozen=True)
class Generation:
    """One copy, opened: its columns lie in memory maps."""

    name: str
    identity: str
    snapshot: str  # what it was read under, as PostgreSQL writes it
    built_at: datetime
    facts: Facts
    places: packing.Places

    @property
    def reader(self) -> str:
        return reader_name(self.name)


@dataclass(frozen=True)
class Built:
    """What making a generation took."""

    name: str
    customers: int
    orders: int
    lines: int
    events: int
    megabytes: float
    seconds: dict[str, float]


_opened: dict[Path, Generation] = {}
_opening = threading.Lock()


def home() -> Path:
    return Path(settings.RAPPORT_HOME) / "mirror"


def reader_name(name: str) -> str:
    return f"mirror {name}"


def build(*, now: datetime, asked: Collection[str] = ()) -> Built | None:
    """Make a generation of what is committed now; None while somebody else makes one.

    Keeps the properties of events that are ``asked`` about, where their values repeat.  Blocks
    nobody: it reads one snapshot.  Its reader follows the touches from before that
    snapshot on, so that not one is trimmed that a later catching up needs.
    """
    if connection.in_atomic_block:
        raise RuntimeError("a generation is made outside of transactions")
    with _alone() as is_mine:
        if not is_mine:
            return None
        name = f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(6)}"
        folder = _private(home()) / f".{name}"
        touches.follow(reader_name(name), now=now)
        try:
            folder.mkdir(mode=0o700)
            built = _write(folder, name, now=now, asked=asked)
            folder.rename(home() / name)
            _point_at(name)
        except BaseException:
            touches.leave([reader_name(name)])
            shutil.rmtree(folder, ignore_errors=True)
            raise
        _remove_others(name)
    log.info("mirror %s: %s", name, built)
    return built


def current() -> Generation | None:
    """The generation to use, opened once a process; None where there is none that can be trusted.

    Whether the database still is the one it was read from, and has kept all touches since, is
    asked in the transaction that uses it: see `is_usable`.
    """
    for _attempt in range(3):  # it may be replaced between two looks
        try:
            name = (home() / "current").read_text(encoding="utf-8").strip()
        except OSError:
            return None
        folder = home() / Path(name).name
        with _opening:
            found = _opened.get(folder)
            if found is not None:
                return found
            try:
                found = _open(folder)
            except FileNotFoundError:
                continue
            except (Unusable, OSError, ValueError, KeyError, TypeError) as error:
                log.warning("mirror %s cannot be used: %s", name, error)
                return None
            _opened.clear()
            _opened[folder] = found
            return found
    return None


def is_usable(generation: Generation) -> bool:
    """Whether all that changed since is known, as the running transaction sees it."""
    with connection.cursor() as cursor:
        cursor.execute(IDENTITY)
        if cursor.fetchone()[0] != generation.identity:
            return False
    return touches.is_followed(generation.reader, generation.snapshot)


def blank(customer_ids: list[int]) -> int:
    """Overwrite what the generation on this machine holds of these customers; how many it held.

    For the erased.  They are touched as well, so no answer comes from what is blanked here; safe
    to repeat, and beside readers.
    """
    generation = current()
    if generation is None:
        return 0
    places = generation.places.of(np.array(sorted(customer_ids), np.int64))
    places = places[places >= 0]
    if not places.size:
        return 0
    folder, facts = home() / generation.name, generation.facts
    with contextlib.suppress(FileNotFoundError), _stamping(folder, fcntl.LOCK_EX):
        manifest = _manifest(folder)
        spans: dict[str, list[slice]] = {}
        for place in places:
            orders = slice(int(facts.orders_from[place]), int(facts.orders_from[place + 1]))
            lines = slice(int(facts.lines_from[orders.start]), int(facts.lines_from[orders.stop]))
            events = slice(int(facts.events_from[place]), int(facts.events_from[place + 1]))
            for columns, span in (
                (ORDER_COLUMNS, orders), (LINE_COLUMNS, lines), (EVENT_COLUMNS, events)
            ):  # fmt: skip
                for column in columns:
                    spans.setdefault(column, []).append(span)
        for column, cut in spans.items():
            file = folder / f"{column}.npy"
            found = np.load(file, mmap_mode="r+")
            for span in cut:
                found[span] = 0
            found.flush()
            del found
            manifest["arrays"][column] |= {"crc32": _crc32(file), "stamp": _stamp(file)}
        _write_manifest(folder, manifest)
    return int(places.size)


def size_megabytes() -> float:
    generation = current()
    files = (home() / generation.name).glob("*") if generation else []
    return sum(file.stat().st_size for file in files) / 1e6


# --- making -----------------------------------------------------------------------------------


@contextlib.contextmanager
def _alone() -> Iterator[bool]:
    """Let one builder at a time through, in the whole database."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", LOCK)
        is_mine = bool(cursor.fetchone()[0])
    try:
        yield is_mine
    finally:
        if is_mine:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", LOCK)


def _write(folder: Path, name: str, *, now: datetime, asked: Collection[str]) -> Built:
    since, seconds = monotonic(), {}
    out = _Out(folder)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor.execute(IDENTITY)
        (identity,) = cursor.fetchone()
        cursor.execute("SELECT pg_current_snapshot()::text, pg_export_snapshot()")
        snapshot, exported = cursor.fetchone()
        ids = packing.customer_ids()
        out.write("ids", ids)
        seconds["customers"] = monotonic() - since
        sorts, coupons = packing.Codes(), packing.Codes()
        properties = packing.properties_to_keep(asked)
        names = packing.Codes(packing.CODES_MOST if properties else None)
        latest = {}
        for stage, source, codes in (
            ("events", packing.events_with(properties), (names,)),
            ("orders", packing.ORDERS, (sorts, coupons)),
            ("lines", packing.LINES, ()),
        ):
            since = monotonic()
            raw = packing.load_apart(source, codes, snapshot=exported)
            if names.is_full:  # far more different than in the sample
                properties, names = (), packing.Codes()
                raw = packing.load_apart(packing.EVENTS, (names,), snapshot=exported)
            seconds[f"{stage}, read"] = monotonic() - since
            since = monotonic()
            if stage == "events":
                found = packing.event_columns(raw, ids)
                latest["latest_event"] = found.pop("latest_event")
            elif stage == "orders":
                found = packing.order_columns(raw, ids)
                latest["latest"] = found.pop("latest")
                order_ids = found.pop("order_id")
            else:
                found = packing.line_columns(raw, order_ids)
            del raw
            for column in list(found):
                out.write(column, found.pop(column))
            seconds[f"{stage}, sorted and written"] = monotonic() - since
    totals = {
        column: np.load(folder / f"{column}.npy", mmap_mode="r")
        for column in ("order_total", "line_amount")
    }
    packing.check_amounts(totals | latest)
    manifest = {
        "format": FORMAT,
        "name": name,
        "identity": identity,
        "snapshot": snapshot,
        "built_at": now.isoformat(),
        "latest": max(latest.values()),
        "properties": properties,
        "arrays": out.arrays,
        **packing.dictionaries(sorts, coupons, names),
    }
    _write_manifest(folder, manifest)
    rows = {column: out.arrays[column]["shape"][0] for column in out.arrays}
    return Built(
        name=name,
        customers=rows["ids"],
        orders=rows["order_at"],
        lines=rows["line_product"],
        events=rows["event_at"],
        megabytes=round(sum(file.stat().st_size for file in folder.iterdir()) / 1e6, 1),
        seconds={stage: round(taken, 2) for stage, taken in seconds.items()},
    )


class _Out:
    """Writes arrays into a folder, and notes what each is."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.arrays: dict[str, dict[str, Any]] = {}

    def write(self, name: str, array: np.ndarray) -> None:
        file = self.folder / f"{name}.npy"
        with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
            np.save(opened, array)
            opened.flush()
            os.fsync(opened.fileno())
        self.arrays[name] = {
            "dtype": array.dtype.str,
            "shape": list(array.shape),
            "crc32": _crc32(file),
            "stamp": _stamp(file),
        }


def _private(folder: Path) -> Path:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    return folder


def _point_at(name: str) -> None:
    new = home() / f".current-{secrets.token_hex(4)}"
    new.write_text(name, encoding="utf-8")
    new.replace(home() / "current")


def _remove_others(name: str) -> None:
    """Remove what other generations left on this machine, and let go of their touches."""
    gone = [f for f in home().iterdir() if f.is_dir() and f.name.lstrip(".") != name]
    for folder in gone:
        shutil.rmtree(folder, ignore_errors=True)
    touches.leave(reader_name(folder.name.lstrip(".")) for folder in gone)


# --- opening ----------------------------------------------------------------------------------


def _open(folder: Path) -> Generation:
    """Map the files of a generation whose sizes, shapes and sums are those of its manifest."""
    if (folder.stat().st_mode & 0o077) or folder.stat().st_uid != os.getuid():
        raise Unusable("its folder is not private to this user")
    with _stamping(folder, fcntl.LOCK_SH):
        manifest = _manifest(folder)
        if manifest["format"] != FORMAT or manifest["name"] != folder.name:
            raise Unusable(f"its manifest is of format {manifest['format']}, expected {FORMAT}")
        columns = {name: _checked(folder, name, manifest["arrays"][name]) for name in ARRAYS}
    _check_shapes(columns)
    facts = Facts(
        **columns,
        order_sorts=[tuple(sort) for sort in manifest["order_sorts"]],
        coupons=manifest["coupons"],
        event_names=[tuple(texts) for texts in manifest["event_names"]],
        properties=tuple(manifest["properties"]),
        latest=int(manifest["latest"]),
    )
    return Generation(
        name=folder.name,
        identity=manifest["identity"],
        snapshot=manifest["snapshot"],
        built_at=datetime.fromisoformat(manifest["built_at"]),
        facts=facts,
        places=packing.Places(facts.ids),
    )


def _checked(folder: Path, name: str, expected: dict[str, Any]) -> np.ndarray:
    file = folder / f"{name}.npy"
    # Reading a gigabyte to sum it takes half a second: only where the file is not the very one
    # that was written, as after a copy of the folder.
    if _stamp(file) != expected["stamp"] and _crc32(file) != expected["crc32"]:
        raise Unusable(f"{file.name} is not what was written")
    found: np.ndarray = np.load(file, mmap_mode="r")
    if found.dtype.str != expected["dtype"] or list(found.shape) != expected["shape"]:
        raise Unusable(f"{file.name} is {found.dtype.str} {found.shape}, expected {expected}")
    return found


def _check_shapes(columns: dict[str, np.ndarray]) -> None:
    for starts, rows, facts in (
        ("orders_from", "ids", ORDER_COLUMNS),
        ("lines_from", "order_at", LINE_COLUMNS),
        ("events_from", "ids", EVENT_COLUMNS),
    ):
        found = columns[starts]
        sizes = {columns[one].size for one in facts}
        if found.size != columns[rows].size + 1 or sizes != {int(found[-1])}:
            raise Unusable(f"{starts} and its columns do not fit together")


@contextlib.contextmanager
def _stamping(folder: Path, how: int) -> Iterator[None]:
    """Keep sums and files together while one of them is read, or both are written."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(opened, how)
        yield
    finally:
        os.close(opened)


def _manifest(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    return found


def _write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    new = folder / ".manifest.json"
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as opened:
        json.dump(manifest, opened)
        opened.flush()
        os.fsync(opened.fileno())
    new.replace(folder / "manifest.json")


def _stamp(file: Path) -> list[int]:
    """What tells a file from any other, and from itself once it is written to."""
    found = file.stat()
    return [found.st_ino, found.st_size, found.st_mtime_ns]


def _crc32(file: Path) -> int:
    found = 0
    with open(file, "rb") as opened:
        while piece := opened.read(CHECKED_BYTES):
            found = zlib.crc32(piece, found)
    return found
