"""Write reject files: which rows were left out and why, safe to open in a spreadsheet."""

import csv
import re
from collections.abc import Iterable
from pathlib import Path

from customers.collect.files import FileRefused
from customers.collect.rows import Fault

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
PLAIN_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?")


def write(path: Path, faults: Iterable[Fault]) -> None:
    """Write row, column, value and reason of each fault."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8", newline="") as file:
            out = csv.writer(file, lineterminator="\n")
            out.writerow(("row", "column", "value", "reason"))
            for fault in faults:
                out.writerow(
                    (fault.row, safe_cell(fault.column), safe_cell(fault.value), fault.reason)
                )
    except OSError as error:
        raise FileRefused(f"The reject file {path} cannot be written: {error.strerror}.") from None


def safe_cell(text: str) -> str:
    """Keep a spreadsheet from taking ``text`` for a formula."""
    if text.startswith(FORMULA_STARTS) and not PLAIN_NUMBER.fullmatch(text):
        return "'" + text
    return text
