"""Open an import file: path or stdin, plain or gzip; refuse at once what is no text in UTF-8."""

import gzip
import hashlib
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from rapport.errors import DomainError

STDIN = "-"
BLOCK_BYTES = 1 << 20
LINE_BYTES_MAX = 16 << 20  # a longer line is no line: memory stays bounded
BOM = b"\xef\xbb\xbf"
FOREIGN_STARTS = {
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
    b"PK\x03\x04": "a zip archive or a spreadsheet",
    b"\xd0\xcf\x11\xe0": "an old spreadsheet",
    b"%PDF": "a PDF",
    b"BZh": "a bzip2 archive",
    b"\xfd7zXZ": "an xz archive",
    b"\x28\xb5\x2f\xfd": "a zstd archive",
    b"PAR1": "a Parquet file",
}


class FileRefused(DomainError):
    """The file as a whole cannot be meant; nothing was written."""

    code = "file_refused"


class Lines:
    """The lines of one file in blocks of whole lines, each line ending in a bare ``\\n``.

    ``bytes_read`` counts what came from the disk or the pipe, ``sha256`` what came out of gzip.
    """

    def __init__(self, path: str | Path) -> None:
        self.name = "standard input" if str(path) == STDIN else Path(path).name
        self._file = _opened(path)
        start = self._file.peek(8)[:8]  # type: ignore[attr-defined]
        self._stream: IO[bytes] = self._file
        if start.startswith(b"\x1f\x8b"):
            self._stream = cast(IO[bytes], gzip.GzipFile(fileobj=self._file))
        self._sha256 = hashlib.sha256()
        self._rest = b""
        self._unread: bytes | None = None
        self.bytes_read = 0

    @property
    def sha256(self) -> str:
        return self._sha256.hexdigest()

    def close(self) -> None:
        if self._file is not sys.stdin.buffer:
            self._file.close()

    def blocks(self) -> Iterator[bytes]:
        """Yield blocks of whole lines; the last line gets the ``\\n`` it may lack."""
        if self._unread is not None:
            block, self._unread = self._unread, None
            yield block
        while block := self._read():
            end = block.rfind(b"\n") + 1
            if end:
                whole, self._rest = self._rest + block[:end], block[end:]
                yield _plain_ends(whole)
            else:
                self._rest += block
            if len(self._rest) > LINE_BYTES_MAX:
                raise FileRefused(
                    f"{self.name} has no line end within {LINE_BYTES_MAX >> 20} MiB; "
                    "expected one record a line."
                )
        if self._rest:
            last, self._rest = self._rest, b""
            yield _plain_ends(last + b"\n")

    def first_line(self) -> bytes:
        """Take the first line that is not blank off the file, without its end."""
        for block in self.blocks():
            lines = self._checked_start(block).lstrip(b"\n")
            if lines:
                line, _, rest = lines.partition(b"\n")
                self._unread = rest or None
                return line
        raise FileRefused(f"{self.name} is empty; expected a header or a first record.")

    def put_back(self, line: bytes) -> None:
        self._unread = line + b"\n" + (self._unread or b"")

    def _checked_start(self, block: bytes) -> bytes:
        for start, meaning in FOREIGN_STARTS.items():
            if block.startswith(start):
                raise FileRefused(
                    f"{self.name} is {meaning}; expected CSV or JSON lines in UTF-8, plain or gzip."
                )
        if b"\0" in block.split(b"\n", 1)[0]:
            raise FileRefused(f"{self.name} is binary; expected CSV or JSON lines in UTF-8.")
        return block.removeprefix(BOM)

    def _read(self) -> bytes:
        try:
            block = self._stream.read(BLOCK_BYTES)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise FileRefused(f"{self.name} is damaged gzip: {error}.") from None
        except OSError as error:
            raise FileRefused(f"{self.name} cannot be read: {error.strerror}.") from None
        self._sha256.update(block)
        self.bytes_read = self._file.tell() if self._file.seekable() else self.bytes_read
        return block


def _opened(path: str | Path) -> IO[bytes]:
    if str(path) == STDIN:
        return sys.stdin.buffer
    try:
        return open(path, "rb")  # noqa: SIM115
    except OSError as error:
        raise FileRefused(f"{path} cannot be opened: {error.strerror}.") from None


def _plain_ends(block: bytes) -> bytes:
    return block.replace(b"\r\n", b"\n") if b"\r" in block else block
