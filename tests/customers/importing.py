"""Write small import files and import them."""

import gzip
import json
from pathlib import Path
from typing import Any

from customers.services import imports
from customers.services.imports import ImportReport
from tests.makers import NOW

ORDER_HEADER = "order_id,happened_at,customer_id,currency,product_id,quantity,unit_price"


def csv_file(folder: Path, text: str | bytes, name: str = "facts.csv") -> Path:
    path = folder / name
    data = text.encode() if isinstance(text, str) else text
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


def json_file(folder: Path, *records: Any, name: str = "facts.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def order_rows(*rows: str) -> str:
    return "\n".join([ORDER_HEADER, *rows]) + "\n"


def load(kind: str, path: Path, **given: Any) -> ImportReport:
    given.setdefault("reject_path", path.with_name("rejects.csv"))
    return imports.import_file(kind, path, **{"source": "shop", "now": NOW, **given})


def rejects(report: ImportReport) -> list[tuple[int, str, str, str]]:
    """Row, column, value and reason of each line of the reject file."""
    import csv

    with open(report.reject_path, newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["row", "column", "value", "reason"]
    return [(int(row), column, value, reason) for row, column, value, reason in rows[1:]]


def triple(report: ImportReport) -> tuple[int, int, int]:
    return report.inserted, report.changed, report.unchanged
