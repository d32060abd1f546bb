"""The SQL that holds customers, compares rules with memberships and writes the difference."""

# Which scoring of everybody a name's scores are of; of scores without one, the first's moment.
SCORING = """coalesce(
    (SELECT y.id::text FROM segments_scoresummary y WHERE y.name = asked.score
        ORDER BY y.as_of DESC LIMIT 1),
    (SELECT s.as_of::text FROM segments_score s WHERE s.name = asked.score
        ORDER BY s.value DESC LIMIT 1))"""
# One number for the definitions of all live segments: whoever knows it need not read them again.
STAMP = """(SELECT coalesce(bit_xor(
        jsonb_hash_extended(coalesce(s.live_rule, s.rule), s.id)
        # hashint8extended(coalesce(s.live_version, s.rule_version), s.id)
        # hashtextextended(s.key, s.id)), 0)
    FROM segments_segment s WHERE s.state = 'live')"""
# One round trip.  A plan for any ids is as good as one for these, and made once; compiling it
# takes longer than running it.  The second statement sees all that committed while the first
# waited.  Whoever comes second must not be asked as of an earlier moment than the first: facts
# recorded between the two would be unseen again.  An hour at most, lest a clock once wrong rules
# for ever.
_SETTINGS = """SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL jit = off;
SELECT pg_advisory_xact_lock_shared(%(lock)s, %(everybody)s);"""
HOLD = f"""{_SETTINGS}
SELECT count(*), max(asked_at) FILTER (
        WHERE asked_at > %(now)s AND asked_at <= %(now)s::timestamptz + interval '1 hour'),
    {STAMP},
    ARRAY(SELECT name FROM pg_prepared_statements WHERE starts_with(name, 'segments_')),
    ARRAY(SELECT {SCORING} FROM unnest(%(scores)s::text[]) asked (score))
FROM (
    SELECT asked_at FROM segments_recheck WHERE customer_id = ANY(%(ids)s::bigint[])
    ORDER BY customer_id FOR UPDATE
) held"""
HOLD_DUE = f"""{_SETTINGS}
SELECT customer_id FROM segments_recheck WHERE due_at <= %(now)s
ORDER BY due_at LIMIT %(most)s FOR UPDATE SKIP LOCKED"""
IS_HELD = """SELECT EXISTS (
    SELECT FROM pg_locks WHERE locktype = 'advisory' AND classid = %(lock)s::oid
        AND objid = %(which)s::oid
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))"""
FIRST_ASK = """INSERT INTO segments_recheck (customer_id, asked_at, seen_from)
SELECT id, to_timestamp(0), '0' FROM customers_customer
WHERE id = ANY(%(ids)s::bigint[]) AND erased_at IS NULL ORDER BY id
ON CONFLICT DO NOTHING"""

# Prepared once a connection, with places for the moment, the ids and the cause.
ASK = """WITH verdicts AS MATERIALIZED ({verdicts}),
versions (segment_id, rule_version) AS (VALUES {versions}),
hits AS MATERIALIZED (
    SELECT a.segment_id, v.customer_id
    FROM verdicts v CROSS JOIN LATERAL unnest(v.segment_ids) a (segment_id)
),
there AS MATERIALIZED (
    SELECT m.segment_id, m.customer_id FROM segments_membership m
    WHERE m.customer_id = ANY(%(ids)s)
),
entered AS (
    INSERT INTO segments_membership (segment_id, customer_id, entered_at, rule_version)
    SELECT segment_id, customer_id, %(as_of)s, rule_version
    FROM (SELECT * FROM hits EXCEPT SELECT * FROM there) h JOIN versions USING (segment_id)
    ON CONFLICT DO NOTHING
    RETURNING segment_id, customer_id
),
exited AS (
    DELETE FROM segments_membership m
    USING (SELECT * FROM there EXCEPT SELECT * FROM hits) t
    WHERE m.segment_id = t.segment_id AND m.customer_id = t.customer_id
        AND m.segment_id IN (SELECT segment_id FROM versions)
    RETURNING m.segment_id, m.customer_id
),
changes AS (
    INSERT INTO segments_membershipchange
        (segment_id, customer_id, kind, cause, happened_at, rule_version)
    SELECT segment_id, customer_id, kind, %(cause)s, %(as_of)s, rule_version
    FROM (
        SELECT segment_id, customer_id, 'entered' AS kind FROM entered
        UNION ALL SELECT segment_id, customer_id, 'exited' FROM exited
    ) c JOIN versions USING (segment_id)
    RETURNING segment_id, customer_id, kind
),
rechecked AS (
    UPDATE segments_recheck r
    SET due_at = n.due_at, asked_at = %(as_of)s,
        seen_from = pg_snapshot_xmin(pg_current_snapshot())
    FROM verdicts n
    WHERE r.customer_id = n.customer_id
)
SELECT segment_id, kind, array_agg(customer_id ORDER BY customer_id)
FROM changes GROUP BY segment_id, kind ORDER BY segment_id, kind"""
NOBODY_ASKS = """UPDATE segments_recheck
SET due_at = NULL, asked_at = %(as_of)s, seen_from = pg_snapshot_xmin(pg_current_snapshot())
WHERE customer_id = ANY(%(ids)s::bigint[])"""

# --- rebuilds: what differs is worked out before, staged, and written in one go ----------------

# Nobody is asked as of an earlier moment than before, see HOLD.
SNAPSHOT = """SELECT pg_current_snapshot()::text,
    (SELECT max(asked_at) FROM segments_recheck
     WHERE asked_at > %(now)s AND asked_at <= %(now)s::timestamptz + interval '1 hour')"""
STAGE = """DROP TABLE IF EXISTS pg_temp.staged_entered, pg_temp.staged_exited, pg_temp.staged_due,
    pg_temp.staged_known, pg_temp.left_alone;
CREATE TEMP TABLE staged_entered (segment_id bigint, customer_id bigint) ON COMMIT DROP;
CREATE TEMP TABLE staged_exited (segment_id bigint, customer_id bigint) ON COMMIT DROP;
CREATE TEMP TABLE staged_due (customer_id bigint, due_at timestamptz) ON COMMIT DROP;
CREATE TEMP TABLE staged_known (customer_id bigint) ON COMMIT DROP"""
# Whether the snapshot does not show the ask that last wrote this row of Recheck.  The first
# condition leaves few; a transaction that runs for hours must not make it everybody, so the second
# looks at the row's own transaction, of which PostgreSQL keeps 32 bits.
_ASKED_SINCE = """r.seen_from >= %(seen_from)s::xid8 AND (
    ((r.xmin::text::bigint - %(next)s) & 4294967295) < 2147483648
    OR r.xmin::text::bigint = ANY(%(running)s::bigint[]))"""
# Whoever was asked after the facts were read is left to be asked again; the erased are left alone.
LEFT_ALONE = f"""CREATE TEMP TABLE left_alone ON COMMIT DROP AS
SELECT r.customer_id FROM segments_recheck r WHERE {_ASKED_SINCE}
UNION SELECT id FROM customers_customer WHERE erased_at IS NOT NULL;
CREATE UNIQUE INDEX ON left_alone (customer_id);
ANALYZE left_alone, staged_entered, staged_exited, staged_due, staged_known"""
ASK_AGAIN = """SELECT customer_id FROM left_alone JOIN segments_recheck USING (customer_id)"""
# The sort is there to finish reading before the first insert: into a table that was analysed when
# empty, PostgreSQL would look for each new row by reading all rows just written (48 s, not 1 s).
SWAP = """WITH asked AS (
    SELECT * FROM unnest(%(segments)s::bigint[], %(versions)s::int[]) v (segment_id, rule_version)
),
entered AS (
    INSERT INTO segments_membership (segment_id, customer_id, entered_at, rule_version)
    SELECT h.segment_id, h.customer_id, %(as_of)s, a.rule_version
    FROM staged_entered h JOIN asked a USING (segment_id)
    WHERE NOT EXISTS (SELECT FROM left_alone l WHERE l.customer_id = h.customer_id)
    ORDER BY h.segment_id, h.customer_id
    ON CONFLICT DO NOTHING
    RETURNING segment_id, customer_id
),
exited AS (
    DELETE FROM segments_membership m USING staged_exited t
    WHERE m.segment_id = t.segment_id AND m.customer_id = t.customer_id
        AND t.segment_id IN (SELECT segment_id FROM asked)
        AND NOT EXISTS (SELECT FROM left_alone l WHERE l.customer_id = t.customer_id)
    RETURNING m.segment_id, m.customer_id
),
changes AS (
    INSERT INTO segments_membershipchange
        (segment_id, customer_id, kind, cause, happened_at, rule_version)
    SELECT c.segment_id, c.customer_id, c.kind, %(cause)s, %(as_of)s, a.rule_version
    FROM (
        SELECT segment_id, customer_id, 'entered' AS kind FROM entered
        UNION ALL SELECT segment_id, customer_id, 'exited' FROM exited
    ) c JOIN asked a USING (segment_id)
    RETURNING segment_id, customer_id, kind
)
SELECT segment_id, kind, count(*) FROM changes GROUP BY segment_id, kind"""
# Only ever earlier: too early costs one question, too late would be wrong.
SWAP_DUE = """INSERT INTO segments_recheck AS r (customer_id, due_at, asked_at, seen_from)
SELECT k.customer_id, d.due_at, %(as_of)s, %(new_from)s::xid8
FROM staged_known k LEFT JOIN staged_due d USING (customer_id)
WHERE NOT EXISTS (SELECT FROM left_alone l WHERE l.customer_id = k.customer_id)
ORDER BY k.customer_id
ON CONFLICT (customer_id) DO UPDATE SET due_at = excluded.due_at
WHERE r.due_at IS NULL OR r.due_at > excluded.due_at"""
# A difference is explained where the customer was or will be asked anyway.
EXPLAINED = f"""SELECT r.customer_id FROM segments_recheck r
WHERE r.customer_id = ANY(%(ids)s::bigint[]) AND (r.due_at <= %(as_of)s OR ({_ASKED_SINCE}))
UNION SELECT t.customer_id FROM customers_touch t LEFT JOIN segments_recheck r USING (customer_id)
WHERE t.customer_id = ANY(%(ids)s::bigint[])
    AND (r.customer_id IS NULL OR t.xid >= r.seen_from)"""
FOLLOW_RULE = """UPDATE segments_segment s SET live_rule = NULL, live_version = NULL
FROM unnest(%(segments)s::bigint[], %(versions)s::int[]) v (segment_id, rule_version)
WHERE s.id = v.segment_id AND s.rule_version = v.rule_version AND s.live_version IS NOT NULL"""

# Segments archived, edited or marked since their rules were read are left to their own refresh.
STILL_ASKED = """SELECT coalesce(array_agg(s.id ORDER BY s.id), '{}'),
    coalesce(array_agg(v.rule_version ORDER BY s.id), '{}')
FROM segments_segment s
JOIN unnest(%(segments)s::bigint[], %(versions)s::int[]) v (segment_id, rule_version)
    ON v.segment_id = s.id AND v.rule_version = coalesce(s.live_version, s.rule_version)
WHERE s.state = 'live'"""

EMPTY = """WITH gone AS (
    DELETE FROM segments_membership WHERE segment_id = ANY(%(segments)s::bigint[])
    RETURNING segment_id, customer_id
),
changes AS (
    INSERT INTO segments_membershipchange
        (segment_id, customer_id, kind, cause, happened_at, rule_version)
    SELECT g.segment_id, g.customer_id, 'exited', %(cause)s, %(as_of)s, s.rule_version
    FROM gone g JOIN segments_segment s ON s.id = g.segment_id
    RETURNING segment_id, customer_id, kind
)
SELECT segment_id, kind, array_agg(customer_id ORDER BY customer_id)
FROM changes GROUP BY segment_id, kind"""
# A segment never asked about everybody was not counted before; all others are counted as they move.
REFRESHED = """UPDATE segments_segment s
SET members_count = CASE WHEN s.refreshed_at IS NOT NULL THEN s.members_count
        ELSE (SELECT count(*) FROM segments_membership m WHERE m.segment_id = s.id) END,
    refreshed_at = %(as_of)s, refresh_seconds = %(seconds)s,
    seen_from = coalesce(%(new_from)s::xid8, s.seen_from)
WHERE s.id = ANY(%(segments)s::bigint[])"""
# Members and count move in one transaction, so within one snapshot they differ by a mistake only.
COUNT = """WITH drift AS MATERIALIZED (
    SELECT s.id, s.members_count
        - (SELECT count(*) FROM segments_membership m WHERE m.segment_id = s.id) AS n
    FROM segments_segment s WHERE s.id = ANY(%(segments)s::bigint[])
), held AS (
    SELECT s.id FROM segments_segment s JOIN drift USING (id) WHERE n <> 0
    ORDER BY id FOR NO KEY UPDATE
)
UPDATE segments_segment s SET members_count = greatest(0, s.members_count - drift.n)
FROM drift JOIN held USING (id) WHERE s.id = drift.id"""
# Rows are held in one order, so that two workers never wait for each other in a circle; and so
# weakly that whoever only refers to a segment, as a new campaign does, waits for nobody.
COUNT_MOVED = """WITH held AS (
    SELECT id FROM segments_segment
    WHERE id = ANY(%(segments)s::bigint[]) AND refreshed_at IS NOT NULL
    ORDER BY id FOR NO KEY UPDATE
)
UPDATE segments_segment s SET members_count = greatest(0, s.members_count + d.moved)
FROM unnest(%(segments)s::bigint[], %(moved)s::int[]) AS d (id, moved), held
WHERE s.id = d.id AND s.id = held.id"""
KEYS = """SELECT m.customer_id, array_agg(s.key ORDER BY s.key)
FROM segments_membership m JOIN segments_segment s ON s.id = m.segment_id
WHERE m.customer_id = ANY(%(ids)s::bigint[]) AND s.state = 'live' GROUP BY m.customer_id"""

# --- sweeping -----------------------------------------------------------------------------------

# Touches whose customer no ask has seen since; a few seconds are left to the bells.
UNSEEN = """SELECT DISTINCT t.customer_id
FROM customers_touch t
JOIN customers_customer c ON c.id = t.customer_id AND c.erased_at IS NULL
LEFT JOIN segments_recheck r ON r.customer_id = t.customer_id
WHERE t.xid >= %(needs_from)s::xid8 AND t.touched_at <= %(rung_by)s
    AND (r.customer_id IS NULL OR t.xid >= r.seen_from)
LIMIT %(most)s"""
# From here on a touch may still need an ask: of those not yet looked at, and of those running.
NEEDS_FROM = """SELECT least(pg_snapshot_xmin(pg_current_snapshot()), min(t.xid))::text
FROM customers_touch t WHERE t.xid >= %(needs_from)s::xid8 AND t.touched_at > %(rung_by)s"""
IS_BASE_UNSEEN = """SELECT EXISTS (
    SELECT FROM customers_touch t WHERE t.customer_id IS NULL AND t.xid >= %(needs_from)s::xid8
        AND t.touched_at <= %(rung_by)s AND t.xid >= (
            SELECT min(coalesce(seen_from, '0')) FROM segments_segment WHERE state = 'live'))"""
FRESH = """UPDATE segments_segment SET refreshed_at = %(now)s WHERE id IN (
    SELECT id FROM segments_segment
    WHERE state = 'live' AND live_version IS NULL
        AND refreshed_at < %(now)s - interval '30 seconds'
    FOR NO KEY UPDATE SKIP LOCKED)"""
