"""Files that people upload: kept in a private folder, looked into, and forgotten after a week."""

import csv
import gzip
import io
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from django.conf import settings

from rapport.errors import DomainError

MOST_BYTES = 50 * 2**20
SAMPLES = 3  # rows shown beside each column
LOOK_BYTES = 256 * 1024  # of the beginning, to find columns and samples in
MOST_COLUMNS = 200
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
        upload = Upload(upload.token, upload.name, kind, source, _columns(upload.path))
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


def _columns(path: Path) -> tuple[Column, ...]:
    """Names and samples from the beginning of the file, which may end in the middle of a row."""
    text = _beginning(path)
    is_whole = len(text) < LOOK_BYTES
    if ".csv" in path.name:
        names, rows = _csv_rows(text, is_whole=is_whole)
    else:
        names, rows = _json_rows(text)
    if not names:
        raise UploadRefused("The file is empty: the first line must name the columns.")
    if len(names) > MOST_COLUMNS:
        raise UploadRefused(f"Found {len(names)} columns; at most {MOST_COLUMNS} are expected.")
    return tuple(
        Column(name, tuple(str(row.get(name) or "")[:60] for row in rows[:SAMPLES]))
        for name in names
    )


def _beginning(path: Path) -> str:
    try:
        with _opened(path) as file:
            return file.read(LOOK_BYTES).decode("utf-8-sig", errors="replace")
    except (gzip.BadGzipFile, EOFError) as error:
        raise UploadRefused(f"The file ends in .gz but is not gzip: {error}") from error


def _opened(path: Path) -> BinaryIO:
    return gzip.open(path, "rb") if path.name.endswith(".gz") else path.open("rb")  # type: ignore[return-value]


def _csv_rows(text: str, *, is_whole: bool) -> tuple[list[str], list[dict]]:
    lines = csv.reader(io.StringIO(text, newline=""))
    found = []
    for line in lines:
        found.append(line)
        if len(found) > SAMPLES + 1:
            break
    if not found:
        return [], []
    rows = found[1:] if is_whole or len(found) > SAMPLES + 1 else found[1:-1]
    names = [name.strip() for name in found[0]]
    return names, [dict(zip(names, row, strict=False)) for row in rows]


def _json_rows(text: str) -> tuple[list[str], list[dict]]:
    rows = []
    for number, line in enumerate(text.splitlines()[: SAMPLES + 1], start=1):
        try:
            row = json.loads(line)
        except ValueError as error:
            if rows:
                break
            raise UploadRefused(f"Line {number} is not JSON: {error}") from error
        if not isinstance(row, dict):
            raise UploadRefused(f"Line {number} is not a JSON object with one key a field.")
        rows.append(row)
    names = list(dict.fromkeys(name for row in rows for name in row))
    return names, rows


def _forget_old(*, now: float) -> None:
    for folder in _folder().iterdir():
        if folder.is_dir() and folder.stat().st_mtime < now - KEEP_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)
