"""Merge what needs no gathering: products, reviews, events and consent."""

from customers.services.importing import orders, people
from customers.services.importing.counts import Counts, update
from customers.services.importing.staging import Stage

SPAN = "f.place >= %(start)s AND f.place < %(end)s"
IDENTITY = """
    LEFT JOIN customers_identity i
        ON i.source = %(source)s AND i.kind = 'external' AND i.value = f.customer_id
"""
TEXTS = ("name", "category", "brand", "currency", "url", "image_url")
CHANGE_PRODUCTS = update(
    "customers_product",
    {
        **{name: f"f.{name}" for name in (*TEXTS, "kind", "price", "is_available")},
        "properties": "t.properties || f.properties",
        "happened_at": "f.happened_at",
        "recorded_at": "f.recorded_at",
    },
    rows="{facts} f",
    match=f"t.source = %(source)s AND t.external_id = f.external_id AND {SPAN}",
)
ADD_PRODUCTS = f"""
    INSERT INTO customers_product (source, external_id, {", ".join(TEXTS)}, kind, price,
        is_available, properties, happened_at, recorded_at)
    SELECT %(source)s, f.external_id, {", ".join(f"coalesce(f.{name}, '')" for name in TEXTS)},
        coalesce(f.kind, 'goods'), f.price, coalesce(f.is_available, true),
        coalesce(f.properties, '{{}}'), coalesce(f.happened_at, %(now)s),
        coalesce(f.recorded_at, %(now)s)
    FROM {{facts}} f WHERE {SPAN} ON CONFLICT (source, external_id) DO NOTHING
"""
REVIEWS = f"""
    INSERT INTO customers_review AS t (source, external_id, customer_id, product_id, rating,
        is_recommended, title, text, happened_at, recorded_at)
    SELECT %(source)s, f.external_id, i.customer_id, p.id, f.rating, f.is_recommended,
        coalesce(f.title, ''), coalesce(f.text, ''), f.happened_at, coalesce(f.recorded_at, %(now)s)
    FROM {{facts}} f {IDENTITY}
    LEFT JOIN customers_product p ON p.source = %(source)s AND p.external_id = f.product_id
    WHERE {SPAN}
    ON CONFLICT (source, external_id) DO UPDATE SET
        customer_id = coalesce(EXCLUDED.customer_id, t.customer_id),
        product_id = coalesce(EXCLUDED.product_id, t.product_id),
        rating = coalesce(EXCLUDED.rating, t.rating),
        is_recommended = coalesce(EXCLUDED.is_recommended, t.is_recommended),
        title = coalesce(nullif(EXCLUDED.title, ''), t.title),
        text = coalesce(nullif(EXCLUDED.text, ''), t.text),
        happened_at = EXCLUDED.happened_at
    WHERE (t.customer_id, t.product_id, t.rating, t.is_recommended, t.title, t.text, t.happened_at)
        IS DISTINCT FROM (coalesce(EXCLUDED.customer_id, t.customer_id),
        coalesce(EXCLUDED.product_id, t.product_id), coalesce(EXCLUDED.rating, t.rating),
        coalesce(EXCLUDED.is_recommended, t.is_recommended),
        coalesce(nullif(EXCLUDED.title, ''), t.title),
        coalesce(nullif(EXCLUDED.text, ''), t.text), EXCLUDED.happened_at)
    RETURNING customer_id, xmax = 0
"""
# Two rows that say the same are two events: the second is known by its number.
DIGEST = (
    "md5(concat_ws(chr(31), coalesce(f.customer_id, ''), coalesce(f.anonymous_id, ''), f.name,"
    " extract(epoch FROM f.happened_at), coalesce(f.properties, '{}')))"
)
REPEATS = f"""
    SELECT place, nth FROM (
        SELECT f.place, row_number() OVER (PARTITION BY {DIGEST} ORDER BY f.place) AS nth
        FROM {{facts}} f WHERE f.message_id IS NULL) numbered
    WHERE nth > 1
"""
EVENTS = f"""
    INSERT INTO customers_event (source, message_id, customer_id, anonymous_id, name, properties,
        happened_at, recorded_at)
    SELECT %(source)s,
        coalesce(f.message_id, 'derived-' || {DIGEST} || coalesce('-' || r.nth, '')),
        coalesce(i.customer_id, a.customer_id), coalesce(f.anonymous_id, ''), f.name,
        coalesce(f.properties, '{{}}'), f.happened_at, coalesce(f.recorded_at, %(now)s)
    FROM {{facts}} f {IDENTITY}
    LEFT JOIN customers_identity a ON f.customer_id IS NULL AND a.source = %(source)s
        AND a.kind = 'anonymous' AND a.value = f.anonymous_id
    LEFT JOIN {{people}} r ON r.place = f.place
    WHERE {SPAN} ORDER BY f.place
    ON CONFLICT (source, message_id) DO NOTHING RETURNING customer_id
"""
CONSENT = f"""
    INSERT INTO customers_consent (customer_id, channel, topic, is_granted, source, proof_text,
        proof_url, proof_ip, happened_at, recorded_at)
    SELECT coalesce(i.customer_id, c.id, e.customer_id), f.channel,
        coalesce(f.topic, 'marketing'), f.is_granted, %(source)s,
        coalesce(f.proof_text, ''), coalesce(f.proof_url, ''), f.proof_ip, f.happened_at,
        coalesce(f.recorded_at, %(now)s)
    FROM {{facts}} f {IDENTITY}
    LEFT JOIN customers_customer c ON f.customer_id IS NULL AND lower(c.email) = f.email
    LEFT JOIN customers_identity e ON f.customer_id IS NULL
        AND e.source = '' AND e.kind = 'email' AND e.value = f.email
    WHERE {SPAN}
    ON CONFLICT (customer_id, channel, topic, happened_at, is_granted, source) DO NOTHING
    RETURNING customer_id
"""
NAMED = "SELECT customer_id AS ref, min(happened_at) AS happened_at FROM {facts} GROUP BY 1"


def judge_keyed(stage: Stage) -> None:
    stage.keep_last("external_id")


def prepare_events(stage: Stage) -> None:
    people.introduce(stage, NAMED)
    stage.run("DROP TABLE IF EXISTS {people}")
    stage.run(f"{stage.table()} {{people}} AS {REPEATS}")
    stage.analyze("people")


def prepare_reviews(stage: Stage) -> None:
    people.introduce(stage, NAMED)
    orders.introduce_products(stage)


def merge_products(stage: Stage, start: int, end: int) -> Counts:
    counts = _counts(stage, start, end)
    counts.changed = stage.run(CHANGE_PRODUCTS, start=start, end=end)
    counts.inserted = stage.run(ADD_PRODUCTS, start=start, end=end)
    return counts


def merge_reviews(stage: Stage, start: int, end: int) -> Counts:
    counts = _counts(stage, start, end)
    written = stage.rows(REVIEWS, start=start, end=end)
    counts.inserted = sum(is_new for _, is_new in written)
    counts.changed = len(written) - counts.inserted
    counts.touch(pk for pk, _ in written)
    return counts


def merge_events(stage: Stage, start: int, end: int) -> Counts:
    return _append(stage, EVENTS, start, end)


def merge_consent(stage: Stage, start: int, end: int) -> Counts:
    return _append(stage, CONSENT, start, end)


def _append(stage: Stage, statement: str, start: int, end: int) -> Counts:
    counts = _counts(stage, start, end)
    written = stage.rows(statement, start=start, end=end)
    counts.inserted = len(written)
    counts.touch(pk for (pk,) in written)
    return counts


def _counts(stage: Stage, start: int, end: int) -> Counts:
    rows = stage.rows(
        f"SELECT count(*) FROM {{facts}} f WHERE NOT f.is_bad AND {SPAN}", start=start, end=end
    )
    return Counts(rows=rows[0][0])
