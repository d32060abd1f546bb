"""The one statement of real time, planned once a connection and then only executed."""

from collections.abc import Collection
from hashlib import sha256
from typing import Any

from django.db.backends.utils import CursorWrapper
from psycopg2.extensions import AsIs

from segments.rules import to_sql
from segments.services import statements
from segments.services.definitions import Definitions

PREFIX = "segments_"
TYPES = {"as_of": "timestamptz", "ids": "bigint[]", "cause": "text"}


def execute(
    cursor: CursorWrapper,
    found: Definitions,
    known: Collection[str],
    given: dict[str, Any],
) -> None:
    """Execute the statement, whose ``given`` are those of `TYPES`.

    ``known`` are the names that this very server process knows: behind a pooler, or after a
    reconnection, it may be another one than last time, and the statement is prepared again.  A
    name is made of the text, so it never means anything else.
    """
    name, text = _worded(cursor, found)
    if name not in known:
        for old in known:
            cursor.execute(f"DEALLOCATE {old}")
        cursor.execute(text)
    cursor.execute(f"EXECUTE {name} (%s, %s, %s)", [given[key] for key in TYPES])


_last: tuple[Definitions, str, str] | None = None


def _worded(cursor: CursorWrapper, found: Definitions) -> tuple[str, str]:
    """The name and the whole text of ``PREPARE``, worded once for the same definitions."""
    global _last
    if _last is None or _last[0] is not found:
        query = to_sql.verdicts({one.segment_id: one.rule for one in found.readable}, has_ids=True)
        versions = ", ".join(f"({one.segment_id}::bigint, {one.version})" for one in found.readable)
        places = {name: AsIs(f"${number}") for number, name in enumerate(TYPES, 1)}
        body = statements.ASK.format(verdicts=query.text, versions=versions)
        body = cursor.mogrify(body, {**query.params, **places}).decode()
        name = PREFIX + sha256(body.encode()).hexdigest()[:24]
        _last = found, name, f"PREPARE {name} ({', '.join(TYPES.values())}) AS {body}"
    return _last[1], _last[2]
