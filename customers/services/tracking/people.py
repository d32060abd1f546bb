"""Write what messages say of persons.  Traits told later win, in whatever order they arrive."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from django.db import connection

from customers.collect.traits import Told
from customers.services.tracking.rows import as_json
from customers.services.tracking.statements import Statement

TEXTS = ("first_name", "last_name", "language", "time_zone", "country")
SEEN = {"language": "seen_language", "time_zone": "seen_time_zone"}
# An address of somebody who was merged is a handle of the survivor and on no row.
OTHERS = """
    WITH r AS (SELECT * FROM unnest(%s::bigint[], %s::text[]) r(id, email))
    SELECT r.id, r.email FROM r JOIN customers_customer o
        ON lower(o.email) = r.email AND o.id <> r.id
    UNION
    SELECT r.id, r.email FROM r JOIN customers_identity i
        ON i.source = '' AND i.kind = 'email' AND i.value = r.email AND i.customer_id <> r.id
"""


def _value(name: str, empty: str) -> str:
    """SQL of a field: what was told, unless somebody told something later already."""
    new, old = f"nullif(r.{name}, '')", f"nullif(t.{name}, '')"
    if name in SEEN:
        return (
            f"CASE WHEN is_stale THEN coalesce({old}, {new}, r.{SEEN[name]}, {empty})"
            f" ELSE coalesce({new}, {old}, r.{SEEN[name]}, {empty}) END"
        )
    return (
        f"CASE WHEN is_stale THEN coalesce({old}, {new}, {empty})"
        f" ELSE coalesce({new}, {old}, {empty}) END"
    )


VALUES = {
    **{name: _value(name, "NULL") for name in ("email", "phone")},
    **{name: _value(name, "''") for name in TEXTS},
    "birth_date": "CASE WHEN is_stale THEN coalesce(t.birth_date, r.birth_date)"
    " ELSE coalesce(r.birth_date, t.birth_date) END",
    "traits": "CASE WHEN is_stale THEN r.traits || t.traits"
    " ELSE (t.traits || r.traits) - r.dropped END",
}
CHANGE = Statement(f"""
    WITH r AS MATERIALIZED (
        SELECT r.*, EXISTS (SELECT 1 FROM customers_event e WHERE e.customer_id = r.id
            AND e.name IN ('Identified', 'Group Joined') AND e.happened_at > r.told_at) AS is_stale
        FROM jsonb_to_recordset(%s::jsonb) AS r(id bigint, told_at timestamptz, email text,
            phone text, {", ".join(f"{name} text" for name in (*TEXTS, *SEEN.values()))},
            birth_date date, traits jsonb, dropped text[])
    )
    UPDATE customers_customer t SET
        {", ".join(f"{name} = {sql}" for name, sql in VALUES.items())}, changed_at = %s::timestamptz
    FROM r WHERE t.id = r.id AND t.id = ANY(%s::bigint[]) AND t.erased_at IS NULL
        AND ({", ".join(f"t.{name}" for name in VALUES)})
        IS DISTINCT FROM ({", ".join(VALUES.values())})
    RETURNING t.id
""")


class Saying(NamedTuple):
    """What one message says of one customer."""

    customer_id: int
    told: Told
    told_at: datetime


def write(sayings: Sequence[Saying], *, now: datetime) -> tuple[set[int], dict[int, str]]:
    """Change the customers and return who changed, and whose address is somebody else's.

    An address that another customer has is left out: two known people are never made one by a
    trait.  Customers without an account keep the language of their device where none is told.
    """
    if not sayings:
        return set(), {}
    rows: dict[int, dict] = {}
    for saying in sorted(sayings, key=lambda saying: saying.told_at):
        row = rows.setdefault(
            saying.customer_id, {"id": saying.customer_id, "traits": {}, "dropped": []}
        )
        _add(row, saying)
    taken = _of_others(rows)
    for pk in taken:
        rows[pk]["email"] = ""
    with connection.cursor() as cursor:
        ids = sorted(rows)
        CHANGE.run(cursor, [as_json([rows[pk] for pk in ids]), now, ids])
        return {pk for (pk,) in cursor.fetchall()}, taken


def _add(row: dict, saying: Saying) -> None:
    told = saying.told
    row["told_at"] = saying.told_at
    for name in ("email", "phone", *TEXTS, *SEEN.values()):
        row[name] = getattr(told, name) or row.get(name, "")
    row["birth_date"] = told.birth_date or row.get("birth_date")
    row["traits"] = {**row["traits"], **told.traits}
    for name in told.dropped:
        row["traits"].pop(name, None)
    row["dropped"] = [
        name for name in {*row["dropped"], *told.dropped} if name not in row["traits"]
    ]


def _of_others(rows: dict[int, dict]) -> dict[int, str]:
    told = {pk: row["email"] for pk, row in rows.items() if row.get("email")}
    if not told:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(OTHERS, [list(told), list(told.values())])
        found = dict(cursor.fetchall())
    held: dict[str, int] = {}
    for pk, address in told.items():  # two customers of one request that claim one address
        if pk not in found and held.setdefault(address, pk) != pk:
            found[pk] = address
    return found
