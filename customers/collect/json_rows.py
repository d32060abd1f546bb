"""Read JSON lines, and records as Python has them, into the same rows as CSV gives."""

import csv
import io
import json
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from customers.collect.files import FileRefused, Lines
from customers.collect.rows import Fault, Piece, shown

LINE_FIELDS = (
    "position",
    "product_id",
    "product_kind",
    "title",
    "quantity",
    "unit_price",
    "line_discount",
)


class RecordFault(ValueError):
    """One record cannot be laid out as rows."""


class Layout:
    """Lay records out in ``columns``; keys that are no column go into the column ``more``."""

    def __init__(self, columns: tuple[str, ...], *, more: str, mapping: dict[str, str]) -> None:
        self.columns = columns
        self.more = more
        self.mapping = mapping
        self.ignored: set[str] = set()  # keys that have no place

    def rows(self, record: dict[str, Any]) -> list[list[str | None]]:
        """Return one row, or one for each of the record's "lines"."""
        fields = {self._name(key): value for key, value in record.items()}
        lines = fields.pop("lines", None) if "product_id" in self.columns else None
        self._gather(fields)
        if lines is None:
            return [self._row(fields)]
        if not isinstance(lines, list) or not lines:
            raise RecordFault("lines is not a list with at least one line")
        return [
            self._row({**fields, **_line(number, line)}) for number, line in enumerate(lines, 1)
        ]

    def _name(self, key: str) -> str:
        """Our name for a key; one that is mapped to nothing is kept beside, under another name."""
        return self.mapping.get(key, key) or f"_{key}"

    def _gather(self, fields: dict[str, Any]) -> None:
        extra = {key: fields.pop(key) for key in list(fields) if key not in self.columns}
        if not self.more:
            self.ignored.update(extra)
            return
        given = fields.get(self.more)
        if given is None or isinstance(given, dict):
            extra = {key: value for key, value in extra.items() if value is not None}
            fields[self.more] = {**(given or {}), **extra} or None

    def _row(self, fields: dict[str, Any]) -> list[str | None]:
        return [as_text(fields.get(column)) for column in self.columns]


def _line(number: int, line: Any) -> dict[str, Any]:
    if not isinstance(line, dict):
        raise RecordFault(f"line {number} is not an object")
    unknown = sorted(line.keys() - set(LINE_FIELDS))
    if unknown:
        expected = ", ".join(LINE_FIELDS)
        raise RecordFault(f"line {number} has {', '.join(unknown)}, expected {expected}")
    return line


def as_text(value: Any) -> str | None:
    """Spell a value as a CSV file would; None is an empty cell."""
    if value is None or value == "":
        return None
    if isinstance(value, str):
        text = value
    elif isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, float) and value.is_integer():
        text = str(int(value))  # 6.0 is how a frame with gaps spells 6
    elif isinstance(value, datetime | date):
        text = value.isoformat()
    elif isinstance(value, dict | list):
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, default=str)
    else:
        text = f"{value:f}" if isinstance(value, Decimal) else str(value)
    if "\0" in text:
        raise RecordFault("holds a NUL character")
    return text


class RecordRows:
    """The rows of records that Python already has; ``first_row`` is the number of the first one."""

    first_place = 1
    numbers_rows = True

    def __init__(self, records: Iterable[Any], layout: Layout, *, first_row: int = 0) -> None:
        self.columns = ["row_no", *layout.columns]
        self.delimiter = ","
        self.layout = layout
        self.records = records
        self.first_row = first_row

    def pieces(self) -> Iterator[Piece]:
        yield self._piece(enumerate(self.records, start=self.first_row), self.first_place)

    def _piece(self, records: Iterable[tuple[int, Any]], place: int) -> Piece:
        out = io.StringIO(newline="")
        writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n")
        piece = Piece()
        for number, record in records:
            try:
                rows = self.layout.rows(self._record(record))
                for row in rows:
                    "".join(cell for cell in row if cell).encode()  # lone surrogates end here
            except (ValueError, RecursionError) as error:
                reason = str(error) if isinstance(error, RecordFault) else _reason(error)
                piece.undecodable += isinstance(error, UnicodeDecodeError)
                value = record if isinstance(record, bytes) else ""
                piece.faults.append(Fault(place + piece.rows, "", shown(value), reason))
                rows = [[None] * len(self.layout.columns)]
            for row in rows:
                writer.writerow([number, *row])
            piece.rows += len(rows)
        piece.data = out.getvalue().encode()
        return piece

    def _record(self, record: Any) -> dict[str, Any]:
        if not isinstance(record, dict):
            raise RecordFault("is not an object")
        return record


class JsonRows(RecordRows):
    """The rows of a file with one JSON object a line."""

    def __init__(self, lines: Lines, layout: Layout) -> None:
        super().__init__((), layout)
        self.lines = lines
        first = lines.first_line()
        lines.put_back(first)
        if first.startswith(b"["):
            raise FileRefused(f"{lines.name} is one JSON array; expected one JSON object a line.")
        try:
            self.keys = [layout.mapping.get(key, key) for key in self._record(first)]
        except (ValueError, RecursionError) as error:
            raise FileRefused(f"{lines.name} does not begin with a JSON object: {error}.") from None

    def pieces(self) -> Iterator[Piece]:
        place, number = self.first_place, 1
        for block in self.lines.blocks():
            lines = block[:-1].split(b"\n")
            numbered = ((n, line) for n, line in enumerate(lines, start=number) if line.strip())
            piece = self._piece(numbered, place)
            number += len(lines)
            place += piece.rows
            yield piece

    def _record(self, record: bytes) -> dict[str, Any]:
        return super()._record(json.loads(record.decode(), parse_constant=_refuse_constant))


def _refuse_constant(name: str) -> None:
    raise RecordFault(f"holds {name}, which is not JSON")


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "is not UTF-8"
    if isinstance(error, UnicodeEncodeError):
        return "holds half of a surrogate pair, which is no character"
    if isinstance(error, RecursionError):
        return "is nested too deeply"
    return f"is not JSON: {error}"
