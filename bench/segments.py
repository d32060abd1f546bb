"""Measure segments: a full rebuild, one customer, a batch of a hundred, a preview.

``python bench/segments.py`` takes 20,000 customers, 100,000 orders and 200,000 events; ``--full``
fifty times that.  Everything happens on a database of its own that is gone afterwards.

The limit of a rebuild is the bare write of the same memberships and changes from a table that
already has them; the naive peer asks one query a segment and keeps members by ORM objects.
"""

import argparse
import json
import resource
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import _embedded

NOW = datetime(2026, 6, 1, tzinfo=UTC)
SMALL, FULL = 20_000, 1_000_000
ORDERS_EACH, EVENTS_EACH = 5, 10
MANY = 50  # live segments, the ready-made ones among them
ROUNDS = 200  # single customers timed
BATCH = 100

# hashint8 stands for chance: the same rows in every run
FACTS = [
    """INSERT INTO customers_customer (source, email, first_name, last_name, language, time_zone,
            country, traits, happened_at, recorded_at, changed_at)
        SELECT 'shop', 'c' || n || '@example.com', 'Ada', 'Smith', 'en', '',
            (ARRAY['FR', 'BE', 'GB', 'DE'])[1 + n %% 4], jsonb_build_object('plan', n %% 7), t, t, t
        FROM generate_series(1, %(customers)s) n, (SELECT %(then)s::timestamptz AS t) moment""",
    """INSERT INTO customers_order (source, external_id, customer_id, kind, status, total, discount,
            currency, coupon_code, country, properties, happened_at, recorded_at)
        SELECT 'shop', c.id || '-' || n, c.id, 'sale', 'paid',
            5 + abs(hashint8(c.id * 31 + n)) %% 90, 0, 'EUR', '', 'FR', '{}', t, t
        FROM customers_customer c, generate_series(1, %(orders_each)s) n,
            LATERAL (SELECT abs(hashint8(c.id)) %% 700 + abs(hashint8(c.id * 97 + n)) %% 300) a(d),
            LATERAL (SELECT %(now)s::timestamptz - make_interval(days => d) AS t) moment
        WHERE n <= 1 + abs(hashint8(c.id * 7)) %% (2 * %(orders_each)s - 1)""",
    """INSERT INTO customers_event (source, message_id, customer_id, anonymous_id, name, properties,
            happened_at, recorded_at)
        SELECT 'web', c.id || '-' || n, c.id, '',
            (ARRAY['Product Viewed', 'Product Viewed', 'Product Added', 'Checkout Started'])
                [1 + abs(hashint8(c.id * 13 + n)) %% 4],
            jsonb_build_object('category', (ARRAY['Garden', 'Kitchen'])[1 + n %% 2]), t, t
        FROM customers_customer c, generate_series(1, %(events_each)s) n,
            LATERAL (SELECT %(now)s::timestamptz
                - make_interval(secs => abs(hashint8(c.id * 17 + n)) %% (400 * 86400)) AS t) m""",
    """INSERT INTO customers_consent (customer_id, channel, topic, is_granted, source, proof_text,
            proof_url, happened_at, recorded_at)
        SELECT id, 'email', 'marketing', id %% 10 <> 0, 'checkout', '', '', happened_at, happened_at
        FROM customers_customer""",
    """INSERT INTO segments_score (name, customer_id, run_id, value, band, reasons, as_of)
        SELECT name, c.id, %(run)s, (abs(hashint8(c.id * 3)) %% 1000) / 1000.0,
            (ARRAY['low', 'medium', 'high'])[1 + abs(hashint8(c.id * 3)) %% 3], '[]', %(then)s
        FROM customers_customer c, unnest(ARRAY['churn_90d', 'clv_365d']) name""",
    "VACUUM ANALYZE",
]
KEEP = """CREATE UNLOGGED TABLE kept AS SELECT segment_id, customer_id FROM segments_membership"""
LIMIT = [
    """INSERT INTO segments_membership (segment_id, customer_id, entered_at, rule_version)
        SELECT segment_id, customer_id, %(now)s, 1 FROM kept""",
    """INSERT INTO segments_membershipchange
            (segment_id, customer_id, kind, cause, happened_at, rule_version)
        SELECT segment_id, customer_id, 'entered', 'clock', %(now)s, 1 FROM kept""",
]
CLEAR = ["TRUNCATE segments_membership, segments_membershipchange"]


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def execute(statements: list[str], **params) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement, params)


def invent(customers: int) -> None:
    from segments.models import ModelRun

    run = ModelRun.objects.create(kind="churn_90d", state="live", as_of=NOW, created_at=NOW)
    execute(
        FACTS,
        customers=customers,
        orders_each=ORDERS_EACH,
        events_each=EVENTS_EACH,
        run=run.pk,
        now=NOW,
        then=NOW - timedelta(days=1_100),
    )


def mixed(number: int) -> dict:
    """One of many kinds of rule, different for each number."""
    days = 10 + 7 * number
    spent = {
        "type": "orders",
        "measure": "revenue",
        "op": ">=",
        "value": 50 + number,
        "window_days": days,
    }
    viewed = {
        "type": "events",
        "names": ["Product Viewed"],
        "op": ">=",
        "value": 1 + number % 3,
        "window_days": days,
        "properties": [{"name": "category", "op": "=", "value": "Garden"}],
    }
    country = {"type": "field", "field": "country", "op": "in", "value": ["FR", "BE"]}
    kinds: list[list[dict]] = [
        [spent, country],
        [viewed, {"type": "consent", "channel": "email"}],
        [country, {"type": "score", "name": "churn_90d", "op": ">", "value": number / 60}],
        [spent, {"type": "not", "of": viewed}],
    ]
    return {"version": 1, "where": {"type": "and", "of": kinds[number % len(kinds)]}}


def naive_segment(segment) -> None:
    """The peer: one query, two sets in Python, rows by ORM."""
    from django.db import connection

    from segments.models import Membership, MembershipChange
    from segments.rules import to_sql
    from segments.services import definitions

    query = to_sql.to_sql(definitions.check(segment.rule), NOW)
    with connection.cursor() as cursor:
        cursor.execute(query.text, query.params)
        wanted = {row[0] for row in cursor.fetchall()}
    there = set(Membership.objects.filter(segment=segment).values_list("customer_id", flat=True))
    new = [{"segment": segment, "customer_id": pk, "rule_version": 1} for pk in wanted - there]
    Membership.objects.bulk_create(
        (Membership(**row, entered_at=NOW) for row in new), batch_size=5_000
    )
    MembershipChange.objects.bulk_create(
        (MembershipChange(**row, kind="entered", cause="clock", happened_at=NOW) for row in new),
        batch_size=5_000,
    )
    Membership.objects.filter(segment=segment, customer_id__in=there - wanted).delete()


def naive_customer(customer_id: int, rules: dict) -> None:
    """The peer for one customer: one query a segment, and one for her memberships."""
    from django.db import connection

    from segments.models import Membership
    from segments.rules import to_sql

    set(Membership.objects.filter(customer_id=customer_id).values_list("segment_id", flat=True))
    with connection.cursor() as cursor:
        for rule in rules.values():
            query = to_sql.to_sql(rule, NOW, ids=[customer_id])
            cursor.execute(query.text, query.params)
            cursor.fetchall()


def rebuilds(label: str, found: dict[str, float]) -> None:
    """A rebuild from nothing, its limit, its peer, and one that finds nothing to change."""
    from segments.models import Segment
    from segments.services import membership

    execute([*CLEAR, "VACUUM ANALYZE segments_membership"])  # empty and known to be, as when new
    Segment.objects.update(refreshed_at=None)
    found[f"fill {label}"] = seconds(lambda: membership.refresh_all(now=NOW))
    execute(["DROP TABLE IF EXISTS kept", KEEP, *CLEAR])
    found[f"limit {label}"] = seconds(lambda: execute(LIMIT, now=NOW))
    execute(CLEAR)
    live = list(Segment.objects.filter(state="live"))
    found[f"naive {label}"] = seconds(lambda: [naive_segment(one) for one in live])
    execute(["VACUUM ANALYZE segments_membership, segments_membershipchange"])
    found[f"again {label}"] = seconds(lambda: membership.refresh_all(now=NOW))


def singles(label: str, customers: int, found: dict[str, float]) -> None:
    """One customer at a time, and a hundred, after a fact has arrived."""
    from segments.services import definitions, membership

    rules = {one.segment_id: one.rule for one in definitions.load().readable}
    step = customers // ROUNDS
    ids = range(1, customers, step)
    one = sorted(
        seconds(lambda pk=pk: membership.refresh([pk], cause="event", now=NOW)) for pk in ids
    )
    found[f"one {label}"] = one[len(one) // 2]
    found[f"one {label} p99"] = one[int(len(one) * 0.99)]
    peer = sorted(seconds(lambda pk=pk: naive_customer(pk, rules)) for pk in list(ids)[:50])
    found[f"naive one {label}"] = peer[len(peer) // 2]
    batches = sorted(
        seconds(
            lambda first=first: membership.refresh(
                list(range(first, first + BATCH)), cause="event", now=NOW
            )
        )
        for first in range(1, 20 * BATCH, BATCH)
    )
    found[f"batch {label}"] = batches[len(batches) // 2]


def measure(customers: int) -> dict[str, float]:
    """Seconds of each job."""
    from segments.services import preview, segments

    invent(customers)
    found: dict[str, float] = {}
    rebuilds("12", found)
    singles("12", customers, found)
    for number in range(MANY - 12):
        segments.create(name=f"Mixed {number}", rule=mixed(number), user=None, now=NOW)
    rebuilds(str(MANY), found)
    singles(str(MANY), customers, found)
    rule = mixed(3)
    rule["where"]["of"].append({"type": "consent", "channel": "email"})
    found["preview"] = seconds(lambda: preview.exact(rule, now=NOW))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help=f"{FULL:,} customers")
    customers = FULL if parser.parse_args().full else SMALL
    with _embedded.servers():
        found = measure(customers)
    peak = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    print(
        f"{customers:,} customers, {customers * ORDERS_EACH:,} orders, "
        f"{customers * EVENTS_EACH:,} events; this process {peak} MiB"
    )
    print(f"{'what':<14}{'seconds':>10}{'customers/s':>14}{'x limit':>9}{'x naive':>9}")
    for name, took in found.items():
        kind, _, label = name.partition(" ")
        each = {"one": 1, "batch": BATCH}.get(kind, 1 if "one" in name else customers)
        limit = f"{took / found[f'limit {label}']:.2f}" if kind == "fill" else ""
        peer = found.get(f"naive {label}" if kind == "fill" else f"naive {name}")
        naive = f"{peer / took:.1f}" if peer else ""
        print(f"{name:<14}{took:>10.4f}{each / took:>14,.0f}{limit:>9}{naive:>9}")
    print(json.dumps({"customers": customers, "peak_mib": peak, **found}))


if __name__ == "__main__":
    main()
