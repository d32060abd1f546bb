"""The SQL by which scores are written: compared with what is there, and only the difference."""

COLUMNS = "name, customer_id, value, low, high, band, reasons"
DROP = "DROP TABLE IF EXISTS pg_temp.scored"
STAGE = """CREATE TEMPORARY TABLE scored (
    name varchar(40), customer_id bigint, value float8, low float8, high float8,
    band varchar(20), reasons jsonb)"""
COPY = (
    f"COPY scored ({COLUMNS}) FROM STDIN"
    " WITH (FORMAT csv, DELIMITER E'\\t', QUOTE E'\\x01', FORCE_NOT_NULL (band))"
)
# Erased since the features were read.
LEAVE_OUT = """DELETE FROM scored s USING customers_customer c
WHERE c.id = s.customer_id AND c.erased_at IS NOT NULL"""
IS_FIRST = "SELECT NOT EXISTS (SELECT FROM segments_score WHERE name = ANY(%(names)s))"
# Who was touched while everybody was scored, and scored with another run: once more, by this one.
TOUCHED_BY_OTHERS = """SELECT DISTINCT customer_id FROM segments_score
WHERE name = ANY(%(names)s) AND as_of > %(as_of)s AND run_id <> %(run)s"""

# A row that this very run wrote as of a later moment knows more than we do.
_KEPT = "(t.as_of > %(as_of)s AND t.run_id = %(run)s)"
_DIFFERS = """(t.run_id <> %(run)s OR (t.value, t.low, t.high, t.band, t.reasons)
    IS DISTINCT FROM (s.value, s.low, s.high, s.band, s.reasons))"""
_BAND = "CASE {0}.name WHEN 'cluster' THEN {0}.value::int::text ELSE coalesce({0}.band, '') END"
_BEFORE, _AFTER = _BAND.format("t"), _BAND.format("s")

CHANGES = f"""INSERT INTO segments_scorechange
    (name, customer_id, run_id, band_before, band_after, happened_at)
SELECT name, customer_id, %(run)s, {_BEFORE}, {_AFTER}, %(as_of)s
FROM {{scored}} s
FULL JOIN (SELECT * FROM segments_score t WHERE {{here}}) t USING (name, customer_id)
WHERE {_BEFORE} <> {_AFTER} AND ({_KEPT}) IS NOT TRUE"""
UPDATE = f"""UPDATE segments_score t SET run_id = %(run)s, value = s.value, low = s.low,
    high = s.high, band = s.band, reasons = s.reasons, as_of = %(as_of)s
FROM {{scored}} s
WHERE t.customer_id = s.customer_id AND t.name = s.name AND NOT {_KEPT} AND {_DIFFERS}"""
FORGET = f"""DELETE FROM segments_score t WHERE {{here}} AND NOT {_KEPT}
    AND NOT EXISTS (SELECT FROM {{scored}} s
        WHERE s.customer_id = t.customer_id AND s.name = t.name)"""
INSERT = """INSERT INTO segments_score
    (name, customer_id, run_id, value, low, high, band, reasons, as_of)
SELECT s.name, s.customer_id, %(run)s, s.value, s.low, s.high, s.band, s.reasons, %(as_of)s
FROM {scored} s {unless} ORDER BY s.customer_id, s.name"""
UNLESS_THERE = """WHERE NOT EXISTS (SELECT FROM segments_score t
    WHERE t.customer_id = s.customer_id AND t.name = s.name)"""

EVERYBODY = {"scored": "scored", "here": "t.name = ANY(%(names)s)"}
SOME = {"scored": "scored", "here": "t.name = ANY(%(names)s) AND t.customer_id = ANY(%(ids)s)"}
# A few customers in one round trip; rows that are written by one part are not seen by another.
WRITE_SOME = f"""WITH scored AS MATERIALIZED (
    SELECT u.* FROM unnest(%(name)s::text[], %(customer_id)s::bigint[], %(value)s::float8[],
        %(low)s::float8[], %(high)s::float8[], %(band)s::text[], %(reasons)s::jsonb[])
        u ({COLUMNS})
    JOIN customers_customer c ON c.id = u.customer_id AND c.erased_at IS NULL),
changed AS ({CHANGES.format(**SOME)} RETURNING customer_id),
updated AS ({UPDATE.format(**SOME)} RETURNING t.customer_id),
forgotten AS ({FORGET.format(**SOME)} RETURNING t.customer_id),
inserted AS ({INSERT.format(unless=UNLESS_THERE, **SOME)} RETURNING customer_id)
SELECT coalesce(array_agg(DISTINCT customer_id), '{{}}') FROM (
    TABLE updated UNION ALL TABLE forgotten UNION ALL TABLE inserted) moved"""
