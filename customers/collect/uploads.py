"""Files that people upload: kept in a private folder, looked into, and forgotten after a week."""

import csv
import io
import itertools
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings

from customers.collect.csv_rows import CsvRows
from customers.collect.files import Lines
from rapport.errors import DomainError

MOST_BYTES = 50 * 2**20
SAMPLES = 3  # rows shown beside each column
JSON_LOOKED_AT = 100  # records whose keys are the columns
VALUE_SHOWN_MAX = 60
KEEP_SECONDS = 7 * 86_400
SUFFIXES = (".csv", ".csv.gz", ".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz")
TOKEN = re.compile(r"[0-9a-f]{24}")


class UploadRefused(DomainError):
    """A file that cannot be what it is said to be."""

    code = "upload_refused"


@dataclass(frozen=True)
class Column:
    """One column of a file: its name, as found, and a few of its values."""

    name: str
    samples: tuple[str, ...] = ()


@dataclass(frozen=True)
class Upload:
    """One file in the private folder, and what its uploader said of it."""

    token: str
    name: str  # as the uploader's machine called it
    kind: str
    source: str
    columns: tuple[Column, ...] = field(default=())

    @property
    def path(self) -> Path:
        return _folder() / self.token / f"data{_suffix(self.name)}"

    @property
    def is_nested(self) -> bool:
        """Whether its orders carry their lines inside, as JSON may."""
        return self.kind == "orders" and any(column.name == "lines" for column in self.columns)

    @property
    def reject_path(self) -> Path:
        return _folder() / self.token / "rejected.csv"


def keep(chunks: Iterable[bytes], *, name: str, kind: str, source: str, now: float) -> Upload:
    """Store a file as 0600 in a folder of 0700, and read its columns.

    Refuses what is too large, has no known ending or no readable header; nothing is kept then.
    ``now`` is in seconds of the epoch; folders older than `KEEP_SECONDS` go.
    """
    _forget_old(now=now)
    upload = Upload(secrets.token_hex(12), Path(name).name, kind, source)
    folder = upload.path.parent
    folder.mkdir(mode=0o700, parents=True)
    try:
        _write(upload.path, chunks)
        upload = Upload(upload.token, upload.name, kind, source, _columns(upload.path, upload.name))
        about = json.dumps(asdict(upload)).encode()
        _write(folder / "about.json", [about])
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return upload


def find(token: str) -> Upload | None:
    """The upload with this token, or None where there is none (any more)."""
    if not TOKEN.fullmatch(token):
        return None
    try:
        about = json.loads((_folder() / token / "about.json").read_text())
    except FileNotFoundError:
        return None
    about["columns"] = tuple(Column(c["name"], tuple(c["samples"])) for c in about["columns"])
    return Upload(**about)


def rejects(run_params: dict[str, Any]) -> Path | None:
    """The reject file of a run that imported an upload, where it still exists."""
    upload = find(str(run_params.get("upload", "")))
    return upload.reject_path if upload and upload.reject_path.exists() else None


def _folder() -> Path:
    folder = settings.RAPPORT_HOME / "uploads"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _suffix(name: str) -> str:
    found = next(
        (s for s in sorted(SUFFIXES, key=len, reverse=True) if name.lower().endswith(s)), ""
    )
    if not found:
        raise UploadRefused(f"{name} ends in none of {', '.join(SUFFIXES)}.")
    return found


def _write(path: Path, chunks: Iterable[bytes]) -> None:
    size = 0
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        for chunk in chunks:
            size += len(chunk)
            if size > MOST_BYTES:
                raise UploadRefused(
                    f"The file is larger than {MOST_BYTES // 2**20} MB. Larger ones are imported "
                    "on the server with manage.py import_data."
                )
            file.write(chunk)


def _columns(path: Path, name: str) -> tuple[Column, ...]:
    """Names and first values, read as the import itself will read them."""
    lines = Lines(path)
    lines.name = name
    try:
        if ".csv" in path.name:
            reader = CsvRows(lines)
            names, rows = reader.columns, _csv_samples(lines, reader.delimiter)
        else:
            names, rows = _json_samples(lines)
    finally:
        lines.close()
    return tuple(
        Column(name, tuple(row[place][:VALUE_SHOWN_MAX] for row in rows if place < len(row)))
        for place, name in enumerate(names)
    )


def _csv_samples(lines: Lines, delimiter: str) -> list[list[str]]:
    block = next(lines.blocks(), b"").decode("utf-8", errors="replace")
    reader = csv.reader(io.StringIO(block, newline=""), delimiter=delimiter)
    return list(itertools.islice(reader, SAMPLES))


def _json_samples(lines: Lines) -> tuple[list[str], list[list[str]]]:
    """The keys of the first records; a record that is none is named."""
    first = lines.first_line()
    lines.put_back(first)
    rows: list[dict] = []
    block = next(lines.blocks(), b"")
    for number, line in enumerate(block.splitlines()[:JSON_LOOKED_AT], start=1):
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if isinstance(row, dict):
            rows.append(row)
        elif number == 1:
            raise UploadRefused(f"Line 1 of {lines.name} is not a JSON object with a key a field.")
    names = list(dict.fromkeys(key for row in rows for key in row))
    return names, [[str(row.get(name, "")) for name in names] for row in rows[:SAMPLES]]


def _forget_old(*, now: float) -> None:
    for folder in _folder().iterdir():
        if folder.is_dir() and folder.stat().st_mtime < now - KEEP_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)
