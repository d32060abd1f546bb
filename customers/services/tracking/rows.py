"""Rows on their way to PostgreSQL: one JSON text, which jsonb_to_recordset takes apart."""

from collections.abc import Sequence
from typing import Any

import msgspec

_encoder = msgspec.json.Encoder()  # moments keep their microseconds, amounts all their digits


def as_json(rows: Sequence[Any]) -> str:
    """The rows as JSON; of what has no place in JSON a TypeError tells."""
    return _encoder.encode(rows).decode()
