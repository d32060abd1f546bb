"""Measure what a visitor waits for: GET /v1/decide over HTTP, two gunicorn workers.

Beside it, in the same run and under the same workers: a bare WSGI answer after one query by primary
key.  ``python bench/decide.py`` takes 20,000 customers and 2,000 questions; ``--full`` takes
1,000,000 customers and 20,000 questions.  Everything happens on a database of its own.
"""

import argparse
import atexit
import http.client
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "platform")]

NOW = datetime(2026, 6, 1, tzinfo=UTC)
SEGMENTS = 50
SEGMENTS_EACH = 5
SLOTS = 5
TARGET_P99_MS = 20
WORKERS = 2
THREADS = 4
VISITORS_AT_ONCE = 2

FACTS = [
    """INSERT INTO customers_customer (source, email, first_name, last_name, language, time_zone,
            country, traits, happened_at, recorded_at, changed_at)
        SELECT 'shop', NULL, 'Ada', 'Smith', 'en', '', 'FR', '{"size": "large"}', %(now)s, %(now)s,
            %(now)s
        FROM generate_series(1, %(customers)s)""",
    """INSERT INTO customers_identity (customer_id, kind, source, value, recorded_at)
        SELECT id, 'anonymous', 'shop', lpad(id::text, 36, '0'), %(now)s FROM customers_customer""",
    """INSERT INTO segments_membership (segment_id, customer_id, entered_at, rule_version)
        SELECT s.id, c.id, %(now)s, 1
        FROM customers_customer c, generate_series(1, %(each)s) n
        JOIN segments_segment s ON true
        WHERE s.key = 's' || ((c.id * 7 + n * 11) %% %(segments)s)""",
    "ANALYZE",
]
BARE = '''
"""One query by primary key and a short answer: the floor under any decision."""
import os
import psycopg2

link = None


def application(environ, start_response):
    global link
    if link is None:
        link = psycopg2.connect(os.environ["BENCH_DATABASE"])
        link.autocommit = True
    pk = int(environ["QUERY_STRING"].rpartition("=")[2])
    with link.cursor() as cursor:
        cursor.execute("SELECT first_name, traits FROM customers_customer WHERE id = %s", [pk])
        body = repr(cursor.fetchone()).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
'''


def start(home: str):
    """Start the servers in ``home``, as the product does by default, and create the tables."""
    os.environ |= {
        "RAPPORT_HOME": home,
        "DJANGO_SETTINGS_MODULE": "rapport.settings",
        "DECIDE_RATE": "1000000",
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "platform"), home]),
    }
    os.environ.pop("DATABASE_URL", None)
    import django
    from django.conf import settings

    settings.SERVICES.hold()
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    return settings.SERVICES


def invent(customers: int) -> str:
    """Visitors in segments, slots for some of them and for everybody; returns the write key."""
    from django.db import connection

    from campaigns.services import slots
    from customers.services import write_keys
    from segments.models import Segment

    given = {"rule": {}, "refreshed_at": NOW, "created_at": NOW, "changed_at": NOW}
    made = Segment.objects.bulk_create(
        Segment(key=f"s{number}", name=f"Segment {number}", **given) for number in range(SEGMENTS)
    )
    params = {"now": NOW, "customers": customers, "each": SEGMENTS_EACH, "segments": SEGMENTS}
    with connection.cursor() as cursor:
        for statement in FACTS:
            cursor.execute(statement, params)
    body = (
        "<div class='hero'><h2>Hello {{ customer.first_name | default: 'you' }}</h2>"
        "<p style='color:#333'>Size {{ customer.traits.size }} is back, {{ shop.name }}.</p>"
        "<a class='button' href='{{ shop.url }}/new'>See what is new</a></div>"
    )
    for number in range(SLOTS):
        slot = slots.create(user=None, now=NOW, key=f"slot{number}", holdout_share=0.1)
        for place, segment in enumerate([*made[number * 5 : number * 5 + 5], None]):
            slots.add_content(
                slot,
                user=None,
                now=NOW,
                name=f"Content {place}",
                priority=place,
                segment=segment,
                title="For you",
                body=body,
            )
    return write_keys.create(source="shop", name="Bench", user=None, now=NOW).key


def serve(application: str, port: int, **more: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "gunicorn", application, "--bind", f"127.0.0.1:{port}"]
    command += ["--workers", str(WORKERS), "--threads", str(THREADS), "--log-level", "error"]
    command += ["--keep-alive", "30"]
    process = subprocess.Popen(command, env={**os.environ, **more}, cwd=ROOT)
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            http.client.HTTPConnection("127.0.0.1", port, timeout=5).connect()
            return process
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"{application} does not answer on port {port}")


def milliseconds(port: int, paths: list[str]) -> list[float]:
    """How long each question took, asked by visitors who keep their connection."""

    def ask(mine: list[str]) -> list[float]:
        link = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        took = []
        for path in mine:
            began = time.perf_counter()
            link.request("GET", path)
            answer = link.getresponse()
            content = answer.read()
            took.append((time.perf_counter() - began) * 1000)
            assert answer.status == 200, (answer.status, content[:300])
        link.close()
        return took

    parts = [paths[number::VISITORS_AT_ONCE] for number in range(VISITORS_AT_ONCE)]
    with ThreadPoolExecutor(VISITORS_AT_ONCE) as pool:
        return sorted(one for part in pool.map(ask, parts) for one in part)


def quantile(values: list[float], share: float) -> float:
    return values[min(int(len(values) * share), len(values) - 1)]


def measure(customers: int, questions: int, home: str, port: int) -> dict[str, list[float]]:
    from django.db import connection

    key = invent(customers)
    (Path(home) / "bare_wsgi.py").write_text(BARE)
    link = connection.get_connection_params()
    database = f"host={link['host']} dbname={link['dbname']} user={link['user']}"
    database += f" port={link['port']}" if link.get("port") else ""
    connection.close()
    draw = random.Random(7)
    people = [draw.randint(1, customers) for _ in range(questions)]
    slots = ",".join(f"slot{number}" for number in range(SLOTS))
    asked = [
        "/v1/decide?" + urlencode({"writeKey": key, "anonymousId": f"{one:036}", "slots": slots})
        for one in people
    ]
    found = {}
    for name, application, paths in (
        ("decide", "rapport.wsgi:application", asked),
        ("bare WSGI, one query", "bare_wsgi:application", [f"/?id={one}" for one in people]),
    ):
        process = serve(application, port, BENCH_DATABASE=database)
        try:
            milliseconds(port, paths[: 40 * WORKERS])  # warm
            found[name] = milliseconds(port, paths)
        finally:
            process.terminate()
            process.wait(20)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="1,000,000 customers")
    is_full = parser.parse_args().full
    customers, questions = (1_000_000, 20_000) if is_full else (20_000, 2_000)
    home = tempfile.mkdtemp(prefix="rapport-bench-")
    services = start(home)
    from rapport.serving import free_port

    try:
        found = measure(customers, questions, home, free_port(8_700))
    finally:
        services.stop()
        atexit.unregister(services._release)  # its folder goes
        shutil.rmtree(home, ignore_errors=True)
        shutil.rmtree(services.home, ignore_errors=True)
    bare = found["bare WSGI, one query"]
    print(f"{customers:,} customers, {questions:,} questions for {SLOTS} slots each")
    print(f"{'what':<22}{'p50 ms':>9}{'p99 ms':>9}{'a second':>10}{'x bare p50':>12}")
    for name, took in found.items():
        p50, p99 = quantile(took, 0.5), quantile(took, 0.99)
        rate = 1000 * VISITORS_AT_ONCE / (sum(took) / len(took))
        ratio = p50 / quantile(bare, 0.5)
        print(f"{name:<22}{p50:>9.2f}{p99:>9.2f}{rate:>10,.0f}{ratio:>12.2f}")
    p99 = quantile(found["decide"], 0.99)
    print(f"target: p99 of {TARGET_P99_MS} ms; {'met' if p99 <= TARGET_P99_MS else 'missed'}")
    figures = {
        name: {"p50_ms": round(quantile(one, 0.5), 3), "p99_ms": round(quantile(one, 0.99), 3)}
        for name, one in found.items()
    }
    print(json.dumps({"customers": customers, "questions": questions, **figures}))


if __name__ == "__main__":
    main()
