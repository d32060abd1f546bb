"""Rows on their way to PostgreSQL: one JSON text, which jsonb_to_recordset takes apart."""

import json
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any


def as_json(rows: Sequence[Any]) -> str:
    """The rows as JSON; moments keep their microseconds, amounts all their digits."""
    return json.dumps(rows, default=_plain, separators=(",", ":"), allow_nan=False)


def _plain(value: Any) -> str:
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no place in a row")
