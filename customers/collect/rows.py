"""What every reader of a file hands on: rows ready for COPY, and what was wrong with some."""

from dataclasses import dataclass, field

FIRST_ROW = 2  # as a spreadsheet counts: the header is row 1
VALUE_SHOWN_MAX = 200


@dataclass(frozen=True)
class Fault:
    """One reason why one row is left out; ``column`` is empty where the whole row is meant."""

    row: int
    column: str
    value: str
    reason: str


@dataclass
class Piece:
    """Rows in the CSV that COPY reads.  A row that cannot be read is there with nothing in it.

    So the numbers that the staging table gives stay in step with the file.
    """

    data: bytes = b""
    rows: int = 0
    faults: list[Fault] = field(default_factory=list)
    undecodable: int = 0  # rows that are no UTF-8


def shown(value: bytes | str) -> str:
    """A value as a report may print it: decodable, without NUL, and not endless."""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    return text[:VALUE_SHOWN_MAX].replace("\0", "\N{SYMBOL FOR NULL}")
