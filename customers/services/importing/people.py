"""Merge customers: who is already known, who shares an address, who is new."""

from customers.services.importing.counts import Counts, update
from customers.services.importing.staging import Stage

ANALYZED_ABOVE = 1_000  # new rows; autovacuum would look in a minute, the next statement is now
FILLED = ("first_name", "last_name", "language", "time_zone", "country")
FOUND = """
    SELECT f.place, f.external_id, f.email, i.customer_id AS known,
        CASE WHEN f.email IS NOT NULL THEN
            coalesce(m.id, e.customer_id, max(i.customer_id) OVER (PARTITION BY f.email))
        END AS holder
    FROM {facts} f
    LEFT JOIN customers_identity i
        ON i.kind = 'external' AND i.source = %(source)s AND i.value = f.external_id
    LEFT JOIN customers_customer m ON lower(m.email) = f.email
    LEFT JOIN customers_identity e
        ON e.source = '' AND e.kind = 'email' AND e.value = f.email
"""
# Where two external ids share an address they are one customer; its last row says who that is.
PEOPLE = f"""
    WITH keyed AS (
        SELECT place, external_id, coalesce(known, holder) AS target,
            coalesce('#' || coalesce(known, holder), '@' || email, '=' || external_id) AS key
        FROM ({FOUND}) found
    ), grouped AS (
        SELECT key, max(place) AS carrier, max(target) IS NULL AS is_new,
            coalesce(max(target), nextval('customers_customer_id_seq')) AS target
        FROM keyed GROUP BY key
    )
    SELECT k.place, k.external_id, g.carrier, g.target, g.is_new
    FROM keyed k JOIN grouped g USING (key)
"""
ADD = f"""
    INSERT INTO customers_customer (id, source, email, phone, {", ".join(FILLED)}, birth_date,
        traits, happened_at, recorded_at, changed_at)
    SELECT p.target, %(source)s, f.email, f.phone,
        {", ".join(f"coalesce(f.{name}, '')" for name in FILLED)}, f.birth_date,
        coalesce(f.traits, '{{}}'), coalesce(f.happened_at, %(now)s),
        coalesce(f.recorded_at, %(now)s), %(now)s
    FROM {{people}} p JOIN {{facts}} f USING (place)
    WHERE p.is_new AND p.place = p.carrier AND p.place >= %(start)s AND p.place < %(end)s
    RETURNING id
"""
CHANGE = (
    update(
        "customers_customer",
        {
            **{name: f"f.{name}" for name in ("email", "phone", *FILLED, "birth_date")},
            "traits": "t.traits || f.traits",
            "happened_at": "f.happened_at",
            "recorded_at": "f.recorded_at",
        },
        rows="{people} p JOIN {facts} f USING (place)",
        match="t.id = p.target AND NOT p.is_new AND p.place = p.carrier"
        " AND p.place >= %(start)s AND p.place < %(end)s AND t.erased_at IS NULL",
        always="changed_at = %(now)s",
    )
    + " RETURNING t.id"
)
ATTACH = """
    INSERT INTO customers_identity (customer_id, kind, source, value, recorded_at)
    SELECT p.target, 'external', %(source)s, p.external_id, %(now)s FROM {people} p
    WHERE p.carrier >= %(start)s AND p.carrier < %(end)s
    ON CONFLICT (source, kind, value) DO NOTHING RETURNING customer_id
"""
STRANGERS = """
    WITH unknown AS MATERIALIZED (
        SELECT d.*, nextval('customers_customer_id_seq') AS id FROM ({refs}) d
    ), made AS (
        INSERT INTO customers_customer (id, source, email, first_name, last_name, language,
            time_zone, country, traits, happened_at, recorded_at, changed_at)
        SELECT id, %(source)s, email, '', '', '', '', '', '{}', happened_at, %(now)s, %(now)s
        FROM unknown
    )
    INSERT INTO customers_identity (customer_id, kind, source, value, recorded_at)
    SELECT id, 'external', %(source)s, ref, %(now)s FROM unknown WHERE ref IS NOT NULL
"""
# Of one who was two there are two addresses, one of them only a handle.
HAS_ADDRESS = """
    (EXISTS (SELECT 1 FROM customers_customer c WHERE lower(c.email) = f.email)
        OR EXISTS (SELECT 1 FROM customers_identity e
            WHERE e.source = '' AND e.kind = 'email' AND e.value = f.email))
"""
IS_UNKNOWN = """
    NOT EXISTS (SELECT 1 FROM customers_identity i
        WHERE i.source = %(source)s AND i.kind = 'external' AND i.value = {ref})
"""


def judge(stage: Stage) -> None:
    """Leave out rows that another row replaces, and rows that claim somebody else's address."""
    stage.keep_last("external_id")
    stage.leave_out(
        "SELECT place, 'email', email, 'belongs to another customer'"
        f" FROM ({FOUND}) found WHERE known <> holder"
    )


def prepare(stage: Stage) -> None:
    """Decide for every row which customer it is about."""
    stage.run("DROP TABLE IF EXISTS {people}")
    stage.run(f"{stage.table()} {{people}} AS {PEOPLE}")
    stage.analyze("people")


def merge(stage: Stage, start: int, end: int) -> Counts:
    """Write the customers whose last row lies in this range of places."""
    span = {"start": start, "end": end}
    rows = stage.rows(
        "SELECT count(*) FROM {people} WHERE carrier >= %(start)s AND carrier < %(end)s", **span
    )
    new = {pk for (pk,) in stage.rows(ADD, **span)}
    changed = {pk for (pk,) in stage.rows(CHANGE, **span)}
    changed |= {pk for (pk,) in stage.rows(ATTACH, **span)} - new
    counts = Counts(rows=rows[0][0], inserted=len(new), changed=len(changed))
    counts.touch(new | changed)
    return counts


def introduce(stage: Stage, references: str) -> int:
    """Create the customers that facts name and nobody has told us of.

    ``references`` selects ref (their external id) and happened_at, their first fact.
    """
    refs = (
        f"SELECT ref, NULL AS email, happened_at FROM ({references}) named"
        f" WHERE ref IS NOT NULL AND {IS_UNKNOWN.replace('{ref}', 'ref')}"
    )
    introduced = stage.run(STRANGERS.replace("{refs}", refs))
    if introduced > ANALYZED_ABOVE:
        stage.run("ANALYZE customers_identity (source, kind, value)")
    return introduced


def introduce_subscribers(stage: Stage) -> None:
    """Find or create the customers of consents, which name an external id, an address or both."""
    unknown = IS_UNKNOWN.replace("{ref}", "f.customer_id")
    stage.run(
        "INSERT INTO customers_identity (customer_id, kind, source, value, recorded_at)"
        " SELECT DISTINCT ON (f.customer_id) coalesce(c.id, e.customer_id), 'external', %(source)s,"
        " f.customer_id, %(now)s"
        " FROM {facts} f LEFT JOIN customers_customer c ON lower(c.email) = f.email"
        " LEFT JOIN customers_identity e"
        " ON e.source = '' AND e.kind = 'email' AND e.value = f.email"
        " WHERE coalesce(c.id, e.customer_id) IS NOT NULL"
        f" AND f.customer_id IS NOT NULL AND {unknown} ORDER BY f.customer_id, f.place"
    )
    by_address = (
        "SELECT customer_id AS ref, CASE WHEN nth = 1 THEN email END AS email, happened_at FROM ("
        "SELECT DISTINCT ON (f.customer_id) f.customer_id, f.email, f.happened_at,"
        " rank() OVER (PARTITION BY f.email ORDER BY f.place) AS nth FROM {facts} f"
        f" WHERE f.customer_id IS NOT NULL AND {unknown}"
        " ORDER BY f.customer_id, f.email IS NULL, f.place) named"
    )
    stage.run(STRANGERS.replace("{refs}", by_address))
    stage.run(
        STRANGERS.replace(
            "{refs}",
            "SELECT NULL AS ref, f.email, min(f.happened_at) AS happened_at FROM {facts} f"
            f" WHERE f.customer_id IS NULL AND NOT {HAS_ADDRESS} GROUP BY f.email",
        )
    )
