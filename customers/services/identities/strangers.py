"""Create the customers nobody knew, with their handles, in one statement.

Most calls meet some, and nothing else is to be decided of them.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import connection

from customers.collect.identity_rules import ANONYMOUS, Handle, Profile
from customers.services.tracking.statements import Statement

# The key to customers is checked at commit.  What a browser did while it was nobody's is theirs.
CREATE = Statement(f"""
    WITH created AS MATERIALIZED (
        SELECT g.*, nextval('customers_customer_id_seq') AS id
        FROM unnest(%s::text[], %s::text[], %s::timestamptz[])
            WITH ORDINALITY g(email, phone, since, nth)
    ), handles AS MATERIALIZED (
        SELECT created.id, g.kind, g.source, g.value, g.place
        FROM unnest(%s::int[], %s::text[], %s::text[], %s::text[])
            WITH ORDINALITY g(nth, kind, source, value, place)
        JOIN created ON created.nth = g.nth
    ), added AS (
        INSERT INTO customers_identity (customer_id, kind, source, value, recorded_at)
        SELECT id, kind, source, value, %s::timestamptz FROM handles ORDER BY place
        ON CONFLICT (source, kind, value) DO NOTHING
        RETURNING 1
    ), claimed AS (
        UPDATE customers_event e SET customer_id = handles.id FROM handles
        WHERE handles.kind = '{ANONYMOUS}' AND e.customer_id IS NULL
            AND e.source = handles.source AND e.anonymous_id = handles.value
        RETURNING e.customer_id
    ), people AS (
        INSERT INTO customers_customer (id, source, email, phone, first_name, last_name, language,
            time_zone, country, traits, happened_at, recorded_at, changed_at)
        SELECT id, %s::text, nullif(email, ''), nullif(phone, ''), '', '', '', '', '', '{{}}',
            since, %s::timestamptz, %s::timestamptz
        FROM created ORDER BY email
    )
    SELECT (SELECT count(*) FROM added), ARRAY(SELECT id FROM created ORDER BY nth),
        ARRAY(SELECT DISTINCT customer_id FROM claimed)
""")


class Disturbed(Exception):
    """Somebody else decided about the same handles meanwhile."""


def create(
    profiles: Sequence[Profile],
    added: Sequence[tuple[Handle, Profile]],
    *,
    source: str,
    now: datetime,
) -> set[int]:
    """Create these and give each its id; returns to whom events came that were nobody's."""
    nth = {profile: number for number, profile in enumerate(profiles, start=1)}
    given: list[Any] = [
        [profile.email for profile in profiles],
        [profile.phone for profile in profiles],
        [min(profile.since, now) for profile in profiles],
        [nth[profile.last] for _handle, profile in added],
        [handle.kind for handle, _profile in added],
        [handle.source for handle, _profile in added],
        [handle.value for handle, _profile in added],
    ]
    with connection.cursor() as cursor:
        CREATE.run(cursor, [*given, now, source, now, now])
        number, ids, filled = cursor.fetchone()
    if number < len(added):
        raise Disturbed
    for profile, pk in zip(profiles, ids, strict=True):
        profile.id = pk
    return set(filled)
