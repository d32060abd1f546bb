"""The SQL that compares rules with memberships and writes the difference, history and all."""

# The sort is there to finish reading before the first insert: into a table that was analysed when
# empty, PostgreSQL would look for each new row by reading all rows just written (48 s, not 1 s).
# Segments archived, edited or marked since their rules were read are left to their own refresh.
CHANGE = """WITH hits AS MATERIALIZED ({hits}),
asked AS (
    SELECT s.id AS segment_id, s.rule_version
    FROM segments_segment s
    JOIN unnest(%(segments)s::bigint[], %(versions)s::int[]) v(segment_id, rule_version)
        ON v.segment_id = s.id AND v.rule_version = s.rule_version
    WHERE s.state = 'live'
),
entered AS (
    INSERT INTO segments_membership (segment_id, customer_id, entered_at, rule_version)
    SELECT h.segment_id, h.customer_id, %(as_of)s, a.rule_version
    FROM hits h JOIN asked a USING (segment_id)
    WHERE NOT EXISTS (
        SELECT FROM segments_membership m
        WHERE m.segment_id = h.segment_id AND m.customer_id = h.customer_id
    )
    ORDER BY h.segment_id, h.customer_id
    ON CONFLICT DO NOTHING
    RETURNING segment_id, customer_id
),
exited AS (
    DELETE FROM segments_membership m
    WHERE m.segment_id IN (SELECT segment_id FROM asked) {only}
        AND NOT EXISTS (
            SELECT FROM hits h
            WHERE h.segment_id = m.segment_id AND h.customer_id = m.customer_id
        )
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
SELECT segment_id, kind, array_agg(customer_id ORDER BY customer_id)
FROM changes GROUP BY segment_id, kind ORDER BY segment_id, kind"""
DIFFERENCE = """WITH hits AS MATERIALIZED ({hits})
SELECT DISTINCT customer_id FROM (
    SELECT h.customer_id FROM hits h WHERE NOT EXISTS (
        SELECT FROM segments_membership m
        WHERE m.segment_id = h.segment_id AND m.customer_id = h.customer_id)
    UNION ALL
    SELECT m.customer_id FROM segments_membership m
    WHERE m.segment_id = ANY(%(segments)s::bigint[]) AND NOT EXISTS (
        SELECT FROM hits h
        WHERE h.segment_id = m.segment_id AND h.customer_id = m.customer_id)
) d LIMIT %(most)s"""
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
COUNT = """UPDATE segments_segment s
SET members_count = (SELECT count(*) FROM segments_membership m WHERE m.segment_id = s.id),
    refreshed_at = %(as_of)s, refresh_seconds = %(seconds)s
WHERE s.id = ANY(%(segments)s::bigint[])"""
# Rows are held in one order, so that two workers never wait for each other in a circle.
COUNT_MOVED = """WITH held AS (
    SELECT id FROM segments_segment
    WHERE id = ANY(%(segments)s::bigint[]) AND refreshed_at IS NOT NULL ORDER BY id FOR UPDATE
)
UPDATE segments_segment s SET members_count = greatest(0, s.members_count + d.moved)
FROM unnest(%(segments)s::bigint[], %(moved)s::int[]) AS d (id, moved), held
WHERE s.id = d.id AND s.id = held.id"""
# Whoever comes second must not be asked as of an earlier moment than the first: facts recorded
# between the two would be unseen again.  An hour at most, lest a clock once wrong rules for ever.
LATEST = """SELECT max(happened_at) FROM segments_membershipchange
WHERE {whose} AND happened_at > %(as_of)s AND happened_at <= %(as_of)s + interval '1 hour'"""
