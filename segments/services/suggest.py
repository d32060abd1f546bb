"""Complete what somebody types while building a segment.  The only module that writes SeenValue.

A tick (`refresh`) keeps the words that facts hold in a small table, so that a completion reads
neither events nor orders however many there are: it looks only at rows added since the tick
before.  What customers carry is counted afresh each time, so that nothing outlives an erasure by
more than a tick, and only what several customers share is kept.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from babel import Locale
from django.db import connection, transaction
from django.db.models import Q, Sum

from customers.models import Product
from segments.models import SeenValue

SHOWN = 12
SHARED_BY = 5  # customers: a value that fewer carry may tell who somebody is
VALUES_MOST = 50  # of one trait
COUPONS_SEEN = 3  # times: codes of a person's own are no completion
KIND_MOST = 2_000
NEWEST = 2_000  # events read at once with a completion, for what the next tick will find
SAMPLED = 100_000  # rows, customers or events, whose traits or properties are looked at
LOCK = 727_003
PASSED = "upto"  # rows of this kind remember up to which number a table is counted
COUNTRIES = Locale.parse("en").territories
BANDS = ("low", "medium", "high")

MERGE = """INSERT INTO segments_seenvalue (kind, "of", value, times)
SELECT %(kind)s, s.of, left(s.value, 300), sum(s.times) FROM ({found}) s(of, value, times)
WHERE s.value <> '' AND length(s.of) <= 200
GROUP BY 2, 3 ORDER BY 4 DESC LIMIT %(most)s
ON CONFLICT (kind, "of", value) DO UPDATE SET times = {times}"""
ADDED, AFRESH = "segments_seenvalue.times + excluded.times", "excluded.times"

# Rows added since the tick before, by the table's own numbers.
NEW: dict[str, tuple[str, str]] = {
    "event": (
        "customers_event",
        "SELECT '', name, count(*) FROM customers_event"
        " WHERE id > %(above)s AND id <= %(upto)s GROUP BY name",
    ),
    "coupon": (
        "customers_order",
        "SELECT '', coupon_code, count(*) FROM customers_order"
        " WHERE id > %(above)s AND id <= %(upto)s AND coupon_code <> ''"
        " GROUP BY coupon_code HAVING count(*) >= %(seen)s",
    ),
    "currency": (
        "customers_order",
        "SELECT '', currency, count(*) FROM customers_order"
        " WHERE id > %(above)s AND id <= %(upto)s GROUP BY currency",
    ),
    "source": (
        "customers_order",
        "SELECT '', source, count(*) FROM customers_order"
        " WHERE id > %(above)s AND id <= %(upto)s GROUP BY source",
    ),
    "topic": (
        "customers_consent",
        "SELECT '', topic, count(*) FROM customers_consent"
        " WHERE id > %(above)s AND id <= %(upto)s GROUP BY topic",
    ),
}
PROPERTIES = """SELECT e.name, k, count(*) FROM (
    SELECT name, properties FROM customers_event WHERE id > %(above)s AND id <= %(upto)s
    ORDER BY id DESC LIMIT %(sampled)s
) e CROSS JOIN LATERAL jsonb_object_keys(
    CASE jsonb_typeof(e.properties) WHEN 'object' THEN e.properties ELSE '{}' END) k
GROUP BY 1, 2"""

# Counted afresh: what products are called, and what customers carry.
PRODUCTS = "SELECT '', {column}, count(*) FROM customers_product GROUP BY {column}"
CARRIED = """SELECT '', {column}, count(*) FROM customers_customer
WHERE erased_at IS NULL AND {column} <> '' GROUP BY {column}{shared}"""
TRAITS = """SELECT '', k, count(*) FROM ({sample}) c
CROSS JOIN LATERAL jsonb_object_keys(
    CASE jsonb_typeof(c.traits) WHEN 'object' THEN c.traits ELSE '{{}}' END) k
GROUP BY k"""
TRAIT_VALUES = """SELECT of, value, times FROM (
    SELECT k AS of, v AS value, count(*) AS times,
        row_number() OVER (PARTITION BY k ORDER BY count(*) DESC) AS place
    FROM ({sample}) c CROSS JOIN LATERAL jsonb_each_text(
        CASE jsonb_typeof(c.traits) WHEN 'object' THEN c.traits ELSE '{{}}' END) t(k, v)
    WHERE length(v) BETWEEN 1 AND 100 GROUP BY k, v HAVING count(*) >= %(shared)s
) q WHERE place <= %(values)s"""
EVERYBODY = "SELECT traits FROM customers_customer WHERE erased_at IS NULL"
SAMPLE = (
    "SELECT traits FROM customers_customer TABLESAMPLE SYSTEM (%(share)s) WHERE erased_at IS NULL"
)
LOOSE_SCORES = """WITH RECURSIVE t(name) AS (
    (SELECT name FROM segments_score ORDER BY name LIMIT 1)
    UNION ALL
    SELECT (SELECT name FROM segments_score s WHERE s.name > t.name ORDER BY name LIMIT 1)
    FROM t WHERE t.name IS NOT NULL
) SELECT name FROM t WHERE name IS NOT NULL"""


@dataclass(frozen=True)
class Suggestion:
    """A value to put in, and what it is called or how often it was seen."""

    value: str
    note: str = ""


def values(kind: str, *, words: str = "", of: Collection[str] = ()) -> list[Suggestion]:
    """The likeliest values of a kind that have these words in them, the most frequent first.

    ``of`` names the events whose properties, or the trait whose values, are asked for.  A kind that
    is not known has none.
    """
    words = words.strip()
    if kind == "country":
        return _countries(words.lower())
    if kind == "product":
        return _products(words)
    if kind == "band":
        return [Suggestion(one) for one in BANDS if words.lower() in one]
    if kind == "score":
        return [Suggestion(one) for one in score_names() if words.lower() in one]
    if kind == PASSED:
        return []
    found = SeenValue.objects.filter(kind=kind, value__icontains=words)
    if of:
        found = found.filter(of__in=list(of))
    elif kind == "trait_value":
        return []
    ranked = found.values("value").annotate(n=Sum("times")).order_by("-n", "value")
    told = [row["value"] for row in ranked[:SHOWN]]
    told += [one for one in _newest(kind, words, of) if one not in told]
    return [Suggestion(one) for one in told[:SHOWN]]


def score_names() -> list[str]:
    """The scores there are: one index probe each, whatever their number of rows."""
    with connection.cursor() as cursor:
        cursor.execute(LOOSE_SCORES)
        return [row[0] for row in cursor.fetchall() if row[0] != "cluster"]


def product_names(external_ids: Collection[str]) -> dict[str, str]:
    """What the products of these numbers are called; of several sources, one name."""
    found = Product.objects.filter(external_id__in=list(external_ids)) if external_ids else ()
    return {one.external_id: one.name for one in found if one.name}


def refresh() -> int:
    """Bring the words up to date; returns how many there are now.

    Safe at any moment and twice: a second one at the same time leaves the work to the first.  Rows
    that are committed late, below a number already passed, are counted when their like comes again.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
        if cursor.fetchone()[0]:
            for kind, (table, found) in NEW.items():
                _count_new(cursor, kind, table, found)
            _count_new(cursor, "property", "customers_event", PROPERTIES)
            for kind in ("category", "brand"):
                _count_afresh(cursor, kind, PRODUCTS.format(column=kind))
            _count_carried(cursor)
    return SeenValue.objects.exclude(kind=PASSED).count()


def _count_new(cursor, kind: str, table: str, found: str) -> None:  # type: ignore[no-untyped-def]
    kept = SeenValue.objects.filter(kind=PASSED, of=kind).first()
    above = kept.times if kept else 0
    cursor.execute(f"SELECT coalesce(max(id), 0) FROM {table}")
    upto = cursor.fetchone()[0]
    if upto <= above:
        return
    _merge(cursor, kind, found, ADDED, above=above, upto=upto)
    SeenValue.objects.update_or_create(kind=PASSED, of=kind, value="", defaults={"times": upto})


def _count_afresh(cursor, kind: str, found: str, **given) -> None:  # type: ignore[no-untyped-def]
    SeenValue.objects.filter(kind=kind).delete()
    _merge(cursor, kind, found, AFRESH, **given)


def _merge(cursor, kind: str, found: str, times: str, **given) -> None:  # type: ignore[no-untyped-def]
    limits = {"most": KIND_MOST, "seen": COUPONS_SEEN, "sampled": SAMPLED, "kind": kind}
    limits |= {"shared": SHARED_BY, "values": VALUES_MOST}
    cursor.execute(MERGE.format(found=found, times=times), {**limits, **given})


def _count_carried(cursor) -> None:  # type: ignore[no-untyped-def]
    for column in ("country", "language", "time_zone"):
        _count_afresh(cursor, column, CARRIED.format(column=column, shared=""))
    cursor.execute("SELECT reltuples FROM pg_class WHERE oid = 'customers_customer'::regclass")
    people = cursor.fetchone()[0]
    share = 100 * SAMPLED / people if people > SAMPLED else 100.0
    sample = SAMPLE if share < 100 else EVERYBODY
    _count_afresh(cursor, "trait", TRAITS.format(sample=sample), share=share)
    _count_afresh(cursor, "trait_value", TRAIT_VALUES.format(sample=sample), share=share)


def country_name(code: str) -> str:
    """What a country is called; empty where the code is none."""
    return COUNTRIES.get(code.upper(), "")


def _countries(words: str) -> list[Suggestion]:
    """Found by their code or by their name."""
    seen = SeenValue.objects.filter(kind="country").order_by("-times", "value")
    told = [Suggestion(one.value, country_name(one.value)) for one in seen]
    found = [
        one for one in told if one.value.lower().startswith(words) or words in one.note.lower()
    ]
    return sorted(found, key=lambda one: one.value.lower() != words)[:SHOWN]


def _products(words: str) -> list[Suggestion]:
    called = Q(name__icontains=words) | Q(external_id__istartswith=words)
    found = Product.objects.filter(called).order_by("name", "external_id")[:SHOWN]
    return [
        Suggestion(one.external_id, " · ".join(part for part in (one.name, one.category) if part))
        for one in found
    ]


def _newest(kind: str, words: str, of: Collection[str]) -> Sequence[str]:
    """Names among the newest events, which no tick has seen yet."""
    if kind not in ("event", "property"):
        return ()
    text = "SELECT name, properties FROM customers_event ORDER BY id DESC LIMIT %(newest)s"
    column, join = "e.name", ""
    if kind == "property":
        column = "k"
        join = (
            "CROSS JOIN LATERAL jsonb_object_keys(CASE jsonb_typeof(e.properties)"
            " WHEN 'object' THEN e.properties ELSE '{}' END) k"
        )
    only = "WHERE e.name = ANY(%(of)s)" if of else ""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {column}, count(*) FROM ({text}) e {join} {only} GROUP BY 1 ORDER BY 2 DESC",
            {"newest": NEWEST, "of": list(of)},
        )
        return [row[0] for row in cursor.fetchall() if words.lower() in row[0].lower()]
