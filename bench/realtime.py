"""Measure membership in real time: one event, batches of a hundred, expiries, a rebuild of all.

``python bench/realtime.py`` takes 20,000 customers, 200,000 orders and 400,000 events; ``--full``
fifty times that.  50 live segments of mixed kinds.  Everything happens on a database of its own
that is gone afterwards; the clock is simulated, and stands still unless said otherwise.

The naive peer asks one query a segment and compares two sets in Python.
"""

import argparse
import io
import json
import os
import random
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import _embedded
import _events
import _tracking
import numpy as np
from features import AS_OF, fill

NOW = AS_OF
SMALL, FULL = 20_000, 1_000_000
ORDERS_EACH, EVENTS_EACH = 10, 20
MANY = 50  # live segments, the ready-made ones among them
BATCH = 100
SINGLES = 1_000  # customers timed one by one
BATCHES = 60
WARM_SHARE = 1.5  # customers asked about before the sustained rate, for each there is at most …
WARM_MOST = 200_000  # … and at most so many: every page of facts has been read some times by then
BARE_ROWS = 1_000_000  # of each table, copied to know what writing members costs at least
NAMES = ("Product Viewed", "Product Added", "Checkout Started")
ARRIVALS = 500  # events a second while windows expire
EXPIRY_SECONDS = 60

PEOPLE = [
    """INSERT INTO customers_customer (source, email, first_name, last_name, language, time_zone,
            country, traits, happened_at, recorded_at, changed_at)
        SELECT 'shop', 'c' || n || '@example.com', 'Ada', 'Smith', 'en', '',
            (ARRAY['FR', 'BE', 'GB', 'DE'])[1 + n %% 4], jsonb_build_object('plan', n %% 7), t, t, t
        FROM generate_series(1, %(customers)s) n, (SELECT %(then)s::timestamptz AS t) moment""",
    """INSERT INTO customers_consent (customer_id, channel, topic, is_granted, source, proof_text,
            proof_url, happened_at, recorded_at)
        SELECT id, 'email', 'marketing', id %% 10 <> 0, 'checkout', '', '', happened_at, happened_at
        FROM customers_customer""",
    """INSERT INTO segments_score (name, customer_id, run_id, value, band, reasons, as_of)
        SELECT name, c.id, %(run)s, (abs(hashint8(c.id * 3)) %% 1000) / 1000.0,
            (ARRAY['low', 'medium', 'high'])[1 + abs(hashint8(c.id * 3)) %% 3], '[]', %(then)s
        FROM customers_customer c, unnest(ARRAY['churn_90d', 'clv_365d']) name""",
    """UPDATE customers_product SET category = (ARRAY['Garden', 'Kitchen', 'Sports'])[1 + id %% 3],
        brand = (ARRAY['Acme', 'Globex'])[1 + id %% 2]""",
]


def execute(statements: Sequence[str], **params) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement, params or None)


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


# --- data -----------------------------------------------------------------------------------------


def invent(customers: int) -> dict[str, float]:
    """Load everything by COPY, indexes afterwards; seconds of each part."""
    from segments.models import ModelRun

    run = ModelRun.objects.create(kind="churn_90d", state="live", as_of=NOW, created_at=NOW)
    then = NOW - timedelta(days=1_100)
    took = {"orders": seconds(lambda: fill(customers, customers * ORDERS_EACH))}
    took["people"] = seconds(
        lambda: execute(PEOPLE, customers=customers, run=run.pk, then=then),
    )
    took["events"] = seconds(lambda: fill_events(customers, customers * EVENTS_EACH))
    tables = ("customers_order", "customers_orderline")  # loaded with ids of their own
    execute([f"SELECT setval('{one}_id_seq', max(id)) FROM {one}" for one in tables])
    execute(["VACUUM ANALYZE"])
    return took


def fill_events(customers: int, events: int) -> None:
    """Views, cart additions and checkouts, half of them of the garden."""

    def properties(rng: np.random.Generator, n: int) -> np.ndarray:
        garden, sports = b'\x01{"category": "Garden"}', b'\x01{"category": "Sports"}'
        return np.where(rng.random(n) < 0.5, garden, sports)

    parts = dict(zip(NAMES, (0.8, 0.14, 0.06), strict=True))
    _events.fill_events(customers, events, names=parts, properties=properties)


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
    left = {
        "type": "sequence",
        "names": ["Product Added"],
        "window_days": 1 + number % 14,
        "unless_order": True,
        "at_least_minutes_ago": 60,
    }
    garden = {
        "type": "orders",
        "measure": "count",
        "op": ">=",
        "value": 1,
        "window_days": days,
        "filter": {"category": ["Garden"]},
    }
    last = {"type": "orders", "measure": "last", "op": "more_than_days_ago", "value": days}
    country = {"type": "field", "field": "country", "op": "in", "value": ["FR", "BE"]}
    score = {"type": "score", "name": "churn_90d", "op": ">", "value": number / 60}
    kinds: list[list[dict]] = [
        [spent, country],
        [viewed, {"type": "consent", "channel": "email"}],
        [country, score],
        [spent, {"type": "not", "of": viewed}],
        [left, {"type": "reachable", "channel": "email"}],
        [garden, {"type": "not", "of": score}],
        [last, country],
    ]
    return {"version": 1, "where": {"type": "and", "of": kinds[number % len(kinds)]}}


def create_segments() -> None:
    from segments.models import Segment
    from segments.services import segments

    for number in range(MANY - Segment.objects.filter(state="live").count()):
        segments.create(name=f"Mixed {number}", rule=mixed(number), user=None, now=NOW)


# --- what is measured -----------------------------------------------------------------------------


def rebuilds(found: dict[str, float]) -> None:
    """All segments about everybody: from nothing, when nothing changes, and after an edit.

    The copy of the facts in columns, which large bases have, is made before and told by itself.
    """
    from segments.models import Segment
    from segments.services import membership, mirror, segments

    found["columns made"] = seconds(lambda: mirror.tick(now=NOW))
    found["first rebuild"] = seconds(lambda: membership.refresh_all(now=NOW, cause="import"))
    found["bare COPY of its members"] = bare_copy()
    found["first, x bare COPY"] = found["first rebuild"] / found["bare COPY of its members"]
    execute(["VACUUM ANALYZE segments_membership, segments_membershipchange, segments_recheck"])
    found["rebuild"] = seconds(lambda: membership.refresh_all(now=NOW, cause="import"))
    segment = Segment.objects.get(name="Mixed 1")
    segments.edit(segment, rule=mixed(8), user=None, now=NOW)
    found["edit of one"] = seconds(
        lambda: membership.refresh_segment(segment, cause="edit", now=NOW, run=segment.run)
    )


def bare_copy() -> float:
    """Seconds to COPY all members and their changes into empty tables with the same indexes.

    Without foreign keys; of large tables a part is copied, and its seconds are scaled up.
    """
    from django.db import connection, transaction

    took = 0.0
    with transaction.atomic(), connection.cursor() as cursor:
        for table in ("segments_membership", "segments_membershipchange"):
            cursor.execute(f"SELECT count(*) FROM {table}")
            rows, data = cursor.fetchone()[0], io.BytesIO()
            first = f"SELECT * FROM {table} ORDER BY id LIMIT {BARE_ROWS}"
            cursor.copy_expert(f"COPY ({first}) TO STDOUT (FORMAT binary)", data)
            data.seek(0)
            cursor.execute(f"CREATE TABLE bare_{table} (LIKE {table} INCLUDING ALL)")
            copy = f"COPY bare_{table} FROM STDIN (FORMAT binary)"
            part = seconds(lambda copy=copy, data=data: cursor.copy_expert(copy, data))
            took += part * max(1.0, rows / BARE_ROWS)
        transaction.set_rollback(True)
    return took


def previews(found: dict[str, float]) -> None:
    """A rule of three clauses: the estimate and the exact count, the second time each."""
    from segments.services import preview

    rule = mixed(3)
    rule["where"]["of"].append({"type": "consent", "channel": "email"})
    for name, work in (("estimate", preview.estimate), ("exact", preview.exact)):
        work(rule, now=NOW)
        took = [seconds(lambda work=work: work(rule, now=NOW)) for _ in range(5)]
        found[f"preview {name}"] = sorted(took)[2]


def tracking(found: dict[str, float]) -> None:
    """Events a second through the tracking API beside a bare insert, and their ratio."""
    told = _tracking.measure()
    found["events/s of a bare insert"] = told["bare_per_second"]
    found["events/s of tracking"] = told["tracking_per_second"]
    found["tracking, share of bare"] = told["ratio"]


def event(customer_id: int, number: int, now: datetime) -> None:
    """One thing that a customer did, written as the tracking API writes it."""
    from customers.services import events

    name = NAMES[number % 3]
    properties = {"category": "Garden"}
    row = events.NewEvent(
        "web", f"live-{os.getpid()}-{number}", customer_id, "", name, properties, happened_at=now
    )
    events.record([row], now=now)


def singles(customers: int, found: dict[str, float]) -> None:
    """One event of one customer, and who enters and leaves by it."""
    from segments.services import membership

    draw = random.Random(1)
    membership.refresh([1], cause="event", now=NOW)
    took = []
    for number in range(SINGLES):
        pk = draw.randrange(1, customers + 1)
        event(pk, number, NOW)
        took.append(seconds(lambda pk=pk: membership.refresh([pk], cause="event", now=NOW)))
    took.sort()
    found["one event p50"] = took[len(took) // 2]
    found["one event p99"] = took[int(len(took) * 0.99)]


def batches(customers: int, found: dict[str, float]) -> None:
    """A hundred at a time, drawn evenly from all: first with most pages unread, then sustained.

    Sustained is what a server does that has asked so for half a minute; two processes at once.
    """
    found["batch of 100, cold"] = _batches(customers, seed=2)
    warm = int(min(customers * WARM_SHARE, WARM_MOST) / BATCH)
    found["batches of 100 meanwhile"] = warm
    found["batch of 100, warming"] = _side_by_side(customers, warm // 2, seeds=(3, 4))
    found["batch of 100, one worker"] = _batches(customers, seed=5)
    found["batch of 100, two workers"] = _side_by_side(customers, BATCHES, seeds=(6, 7))


def _side_by_side(customers: int, count: int, *, seeds: tuple[int, int]) -> float:
    """Seconds a batch of two processes together."""
    command = [sys.executable, __file__, "--worker", str(customers), str(count)]
    workers = [
        subprocess.Popen([*command, str(seed)], stdout=subprocess.PIPE, env=_environment())
        for seed in seeds
    ]
    took = [float(worker.communicate()[0]) for worker in workers]
    return 1 / sum(1 / each for each in took)


def _batches(customers: int, count: int = BATCHES, *, seed: int) -> float:
    from segments.services import membership

    draw = random.Random(seed)
    asked = [draw.sample(range(1, customers + 1), BATCH) for _ in range(count)]
    membership.refresh(asked[0], cause="event", now=NOW)
    return seconds(
        lambda: [membership.refresh(ids, cause="event", now=NOW) for ids in asked[1:]]
    ) / (count - 1)


def _environment() -> dict[str, str]:
    from django.conf import settings

    return {**os.environ, "RAPPORT_HOME": str(settings.RAPPORT_HOME)}


def expiries(customers: int, found: dict[str, float]) -> None:
    """The clock runs: what falls due within a minute is swept while events arrive."""
    from django.db import connection

    from segments.models import Recheck
    from segments.services import membership, sweeping

    began = time.monotonic()
    stop = threading.Event()
    written = [0]

    def clock() -> datetime:
        return NOW + timedelta(seconds=time.monotonic() - began)

    def arrive() -> None:
        draw = random.Random(5)
        while not stop.is_set():
            due = int((time.monotonic() - began) * ARRIVALS)
            ids = [draw.randrange(1, customers + 1) for _ in range(min(due - written[0], 1_000))]
            if ids:
                _arrive(ids, written[0], clock())
                written[0] += len(ids)
            time.sleep(0.05)
        connection.close()

    execute(["UPDATE segments_recheck SET due_at = due_at"])  # no bloat of earlier parts counts
    due = Recheck.objects.filter(due_at__lte=NOW + timedelta(seconds=EXPIRY_SECONDS)).count()
    thread = threading.Thread(target=arrive)
    thread.start()
    late = []
    while time.monotonic() - began < EXPIRY_SECONDS:
        now = clock()
        waiting = Recheck.objects.filter(due_at__gte=NOW, due_at__lte=now)
        moments = list(waiting.values_list("due_at", flat=True))
        sweeping.sweep(now=now)
        late += [(clock() - moment).total_seconds() for moment in moments]
        time.sleep(max(0.0, 1.0 - (clock() - now).total_seconds()))
    stop.set()
    thread.join()
    found["expiries due in a minute"] = due
    found["swept of them"] = len(late)
    if late:  # at small sizes hardly anything falls due within a minute
        found["latest of them"] = max(late)
    found["events a second meanwhile"] = written[0] / (time.monotonic() - began)
    assert membership.refresh_due(now=clock(), most=1_000_000) >= 0


def _arrive(ids: list[int], first: int, now: datetime) -> None:
    from customers.services import events
    from segments.services import membership

    rows = [
        events.NewEvent(
            "web", f"arrives-{first + place}", pk, "", NAMES[place % 3], {}, happened_at=now
        )
        for place, pk in enumerate(ids)
    ]
    events.record(rows, now=now)
    membership.refresh(ids, cause="event", now=now)


def measure(customers: int) -> dict[str, float]:
    """Seconds of each job."""
    found: dict[str, float] = {}
    for part, took in invent(customers).items():
        found[f"load {part}"] = took
    create_segments()
    rebuilds(found)
    singles(customers, found)
    batches(customers, found)
    previews(found)
    expiries(customers, found)
    tracking(found)
    return found


EACH = {"one event p50": 1, "one event p99": 1}
EACH |= {f"batch of 100, {how}": BATCH for how in ("cold", "warming", "one worker", "two workers")}
TARGETS = {
    "one event p50": 0.004,
    "one event p99": 0.015,
    "batch of 100, two workers": BATCH / 8_000,
    "rebuild": 20,
    "latest of them": 60,
    "preview estimate": 0.1,
    "preview exact": 2,
}


def show(customers: int, found: dict[str, float]) -> None:
    peak = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    print(
        f"{customers:,} customers, {customers * ORDERS_EACH:,} orders, "
        f"{customers * EVENTS_EACH:,} events, {MANY} segments; this process {peak} MiB"
    )
    print(f"{'what':<28}{'seconds':>12}{'customers/s':>14}{'x target':>10}")
    for name, took in found.items():
        each = EACH.get(name, customers if "rebuild" in name else 0)
        rate = f"{each / took:,.0f}" if each else ""
        target = f"{took / TARGETS[name]:.2f}" if name in TARGETS else ""
        print(f"{name:<28}{took:>12.4f}{rate:>14}{target:>10}")
    print(json.dumps({"customers": customers, "peak_mib": peak, **found}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help=f"{FULL:,} customers")
    parser.add_argument("--worker", nargs=3, type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        import django

        django.setup()
        asked, count, seed = given.worker
        print(_batches(asked, count, seed=seed))
        return
    customers = FULL if given.full else SMALL
    with _embedded.servers():
        found = measure(customers)
    show(customers, found)


if __name__ == "__main__":
    main()
