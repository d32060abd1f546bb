"""Read CSV at the speed of COPY, and still name each row that is broken.

Lines without a quote and with the right number of delimiters go on as they came; numpy finds them a
block at a time.  Every other line is parsed with care, alone or together with the lines that an
open quote spans.
"""

import csv
import io
from collections.abc import Iterator

import numpy as np

from customers.collect.files import FileRefused, Lines
from customers.collect.rows import FIRST_ROW, Fault, Piece, shown

DELIMITERS = ",;\t|"
RECORD_LINES_MAX = 500  # how far an open quote may reach; then it is taken for damage
RECORD_BYTES_MAX = 1 << 18
COLUMNS_MAX = 500
QUOTE, LINE_END, NUL, RETURN = b'"\n\0\r'
DAMAGED, UNFINISHED = -1, 0


class CsvRows:
    """The rows of a CSV file: ``columns`` from its header, ``pieces`` for COPY."""

    first_place = FIRST_ROW
    numbers_rows = False  # the staging table's own count is the row number

    def __init__(self, lines: Lines) -> None:
        header = lines.first_line()
        self.lines = lines
        self.delimiter = max(DELIMITERS, key=lambda mark: header.count(mark.encode()))
        try:
            names = next(csv.reader([header.decode()], delimiter=self.delimiter, strict=True))
        except (UnicodeDecodeError, csv.Error) as error:
            raise FileRefused(f"{lines.name} has no readable header: {error}.") from None
        self.columns = [name.strip() or f"column_{n}" for n, name in enumerate(names, start=1)]
        if len(self.columns) > COLUMNS_MAX:
            raise FileRefused(f"{lines.name} has {len(names)} columns; at most {COLUMNS_MAX}.")
        folded = [name.lower() for name in self.columns]
        twice = sorted({name for name in folded if folded.count(name) > 1})
        if twice:
            raise FileRefused(f"{lines.name} names these columns twice: {', '.join(twice)}.")
        self._blank = self.delimiter.encode() * (len(names) - 1) + b"\n"

    def pieces(self) -> Iterator[Piece]:
        """Yield the file block by block; a record that an open quote carries over waits."""
        place, waiting = self.first_place, b""
        for block in self.lines.blocks():
            piece, waiting = self._piece(waiting + block, place, is_last=False)
            place += piece.rows
            yield piece
        if waiting:
            yield self._piece(waiting, place, is_last=True)[0]

    def _piece(self, block: bytes, place: int, *, is_last: bool) -> tuple[Piece, bytes]:
        marks = np.frombuffer(block, dtype=np.uint8)
        ends = np.flatnonzero(marks == LINE_END)
        starts = np.concatenate(([0], ends + 1))
        piece, parts, line = Piece(), [], 0
        for odd in np.flatnonzero(~self._is_plain(block, marks, ends)):
            if odd < line:
                continue  # a record above spans this line
            parts.append(block[starts[line] : starts[odd]])
            piece.rows += int(odd) - line
            line = int(odd)
            spanned = self._span(block, starts, line)
            if spanned == UNFINISHED and not is_last:
                piece.data = b"".join(parts)
                return piece, block[starts[line] :]
            taken = max(spanned, 1)
            record = block[starts[line] : starts[line + taken] - 1]
            at = place + piece.rows
            parts.append(self._careful(record, piece, at, is_open=spanned <= UNFINISHED))
            piece.rows += 1
            line += taken
        parts.append(block[starts[line] :])
        piece.rows += len(ends) - line
        piece.data = b"".join(parts)
        return piece, b""

    def _is_plain(self, block: bytes, marks: np.ndarray, ends: np.ndarray) -> np.ndarray:
        """Say of each line whether COPY and we cannot but read it the same way."""
        wanted = len(self.columns) - 1
        delimiters = np.flatnonzero(marks == ord(self.delimiter))
        plain = np.diff(np.searchsorted(delimiters, ends), prepend=0) == wanted
        if wanted == 0:
            plain[:] = False  # a lone backslash and dot would end the COPY
        for mark in (QUOTE, NUL, RETURN):
            if mark in block:
                plain[np.searchsorted(ends, np.flatnonzero(marks == mark))] = False
        if not _is_utf8(block):
            foreign = np.unique(np.searchsorted(ends, np.flatnonzero(marks > 127)))
            starts = np.concatenate(([0], ends + 1))
            for line in foreign:
                plain[line] &= _is_utf8(block[starts[line] : ends[line]])
        return plain

    def _span(self, block: bytes, starts: np.ndarray, line: int) -> int:
        """Return how many lines the record at ``line`` spans, or `DAMAGED`, or `UNFINISHED`."""
        last = min(line + RECORD_LINES_MAX, len(starts) - 1)
        for after in range(line + 1, last + 1):
            is_first = after == line + 1
            if not is_first and QUOTE not in block[starts[after - 1] : starts[after]]:
                continue
            record = block[starts[line] : starts[after] - 1]
            fields, is_open = self._parsed(record)
            if is_open and len(record) <= RECORD_BYTES_MAX:
                continue
            if is_first or (fields is not None and len(fields) == len(self.columns)):
                return after - line
            return DAMAGED
        return UNFINISHED if last < line + RECORD_LINES_MAX else DAMAGED

    def _parsed(self, record: bytes) -> tuple[list[str] | None, bool]:
        """The fields, or None and whether the record ends inside an open quote."""
        text = io.StringIO(record.decode("utf-8", "replace"), newline="")
        try:
            return next(csv.reader(text, delimiter=self.delimiter, strict=True), []), False
        except csv.Error as error:
            return None, "unexpected end of data" in str(error)

    def _careful(self, record: bytes, piece: Piece, place: int, *, is_open: bool) -> bytes:
        """Return the record as COPY reads it, or an empty row and a fault in its place."""
        if not record.strip():
            return self._blank
        fields, _ = self._parsed(record)
        if b"\0" in record:
            reason = "holds a NUL byte"
        elif not _is_utf8(record):
            reason = "is not UTF-8"
            piece.undecodable += 1
        elif is_open:
            reason = "opens a quote and does not close it"
        elif fields is None:
            reason = "is not CSV: text follows a closing quote, or a field is too long"
        elif len(fields) != len(self.columns):
            reason = f"has {len(fields)} columns, expected {len(self.columns)}"
        else:
            out = io.StringIO(newline="")
            csv.writer(
                out, delimiter=self.delimiter, quoting=csv.QUOTE_ALL, lineterminator="\n"
            ).writerow(fields)
            return out.getvalue().encode()
        piece.faults.append(Fault(place, "", shown(record), reason))
        return self._blank


def _is_utf8(text: bytes) -> bool:
    if text.isascii():
        return True
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
