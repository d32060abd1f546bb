"""Measure the tracking API in batches of 100 against a bare WSGI application that inserts.

``python bench/_tracking.py`` sends 30,000 messages to each.  `measure` is what `realtime.py` calls.

Both run under gunicorn with two workers of four threads, get the same bytes over eight connections
and write the same columns with the same indexes.  The bare peer hands the body to one prepared
``jsonb_to_recordset … ON CONFLICT`` and knows neither customers nor orders nor keys; ours does all
it does: who it is, identify, orders with lines, products, counters.  They take turns.
"""

import argparse
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import _embedded
import psutil

HERE = Path(__file__).resolve().parent
BATCH = 100
CONNECTIONS = 8
TURNS = 3
CALLS_A_TURN = 100
PEOPLE, PEOPLE_A_BATCH = 5_000, 20
PRODUCTS = 500
SHARE_ORDERS, SHARE_IDENTIFY, SHARE_STRANGERS = 0.05, 0.05, 0.02
TARGET = 0.5
TABLE = "bare_event"
BARE = f"""
    PREPARE bare (jsonb) AS INSERT INTO {TABLE} (source, message_id, customer_id, anonymous_id,
        name, properties, happened_at, recorded_at)
    SELECT 'shop', r."messageId", substr(r."userId", 2)::bigint, coalesce(r."anonymousId", ''),
        coalesce(r.event, r.type), coalesce(r.properties, r.traits, '{{}}'), r.timestamp, now()
    FROM jsonb_to_recordset($1->'batch') AS r("messageId" text, "userId" text, "anonymousId" text,
        event text, type text, properties jsonb, traits jsonb, timestamp timestamptz)
    ON CONFLICT (source, message_id) DO NOTHING
"""

_local = threading.local()


def bare(environ: dict[str, Any], start_response) -> list[bytes]:
    """The peer: one prepared insert a call, committed before the answer."""
    import psycopg2

    if not hasattr(_local, "connection"):
        _local.connection = psycopg2.connect(os.environ["BARE_DSN"])
        _local.connection.autocommit = True
        _local.connection.cursor().execute(BARE)
    body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    _local.connection.cursor().execute("EXECUTE bare (%s)", [body.decode()])
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", "16")])
    return [b'{"success":true}']


def message(dice: random.Random, people: list[int]) -> dict[str, Any]:
    """One message of a shop's usual mix."""
    person = dice.choice(people)
    said: dict[str, Any] = {
        "messageId": str(uuid.UUID(int=dice.getrandbits(128))),
        "timestamp": datetime.now(UTC).isoformat(),
        "userId": f"u{person}",
        "anonymousId": f"a{person}",
        "context": {"library": {"name": "analytics-python", "version": "2.3.2"}},
        "integrations": {},
    }
    if dice.random() < SHARE_STRANGERS:
        del said["userId"]
        said["anonymousId"] = f"s{dice.getrandbits(40)}"
    product = {
        "product_id": f"p{dice.randrange(PRODUCTS)}",
        "name": "A mug with a handle",
        "category": "Kitchen",
        "price": 12.5,
        "quantity": 1,
    }
    kind = dice.random()
    if kind < SHARE_ORDERS:
        order = {"order_id": f"o{dice.getrandbits(48)}", "revenue": "25.00", "currency": "EUR"}
        said |= {"type": "track", "event": "Order Completed"}
        said["properties"] = {**order, "products": [product, {**product, "product_id": "p1"}]}
    elif kind < SHARE_ORDERS + SHARE_IDENTIFY:
        said |= {"type": "identify", "traits": {"firstName": "Ada", "plan": dice.randrange(5)}}
    elif kind < 0.4:
        said |= {"type": "page", "name": "Home", "properties": {"url": "https://shop.example/"}}
    else:
        said |= {"type": "track", "event": "Product Viewed", "properties": product}
    return said


def calls(port: int, key: str, count: int, dice: random.Random) -> list[bytes]:
    """Whole HTTP requests, ready to send."""
    batches = []
    for _ in range(count):
        people = dice.sample(range(PEOPLE), PEOPLE_A_BATCH)
        batches.append([message(dice, people) for _ in range(BATCH)])
    return requests(port, key, batches)


def visits(port: int, key: str, dice: random.Random) -> list[bytes]:
    """A page that each person saw, so that all but the strangers are known when it counts."""
    seen = [message(dice, [person]) for person in range(PEOPLE)]
    for person, said in enumerate(seen):
        said |= {"type": "page", "userId": f"u{person}", "anonymousId": f"a{person}"}
    return requests(port, key, [seen[start : start + BATCH] for start in range(0, PEOPLE, BATCH)])


def requests(port: int, key: str, batches: list[list[dict[str, Any]]]) -> list[bytes]:
    ready = []
    for batch in batches:
        body = {"batch": batch, "sentAt": datetime.now(UTC).isoformat(), "writeKey": key}
        content = json.dumps(body).encode()
        head = (
            f"POST /v1/batch HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        ready.append(head.encode() + content)
    return ready


def send(port: int, ready: list[bytes]) -> float:
    """Send all calls over `CONNECTIONS` connections; the seconds it took."""
    queue, failures = iter(ready), []
    lock = threading.Lock()

    def work() -> None:
        with socket.create_connection(("127.0.0.1", port)) as link:
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while True:
                with lock:
                    call = next(queue, None)
                if call is None:
                    return
                link.sendall(call)
                answer = b""
                while b"\r\n\r\n" not in answer or not answer.rstrip().endswith(b"}"):
                    piece = link.recv(65_536)
                    if not piece:
                        break
                    answer += piece
                if b" 200 " not in answer[:20]:
                    failures.append(answer[:400])
                    return

    threads = [threading.Thread(target=work) for _ in range(CONNECTIONS)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - began
    if failures:
        raise RuntimeError(f"A call failed: {failures[0]!r}")
    return took


@contextmanager
def serving(application: str, port: int, **environment: str) -> Iterator[subprocess.Popen]:
    """gunicorn with two workers of four threads."""
    path = os.pathsep.join([str(HERE), str(_embedded.ROOT), str(_embedded.ROOT / "platform")])
    command = [sys.executable, "-m", "gunicorn", application, "--bind", f"127.0.0.1:{port}"]
    command += ["--workers", "2", "--threads", "4", "--log-level", "error", "--keep-alive", "30"]
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": path, **environment})
    try:
        until = time.monotonic() + 30
        while time.monotonic() < until:
            with socket.socket() as link:
                if not link.connect_ex(("127.0.0.1", port)):
                    break
            time.sleep(0.05)
        yield process
    finally:
        process.terminate()
        process.wait(20)


class Spent:
    """Processor time of a server's processes, and of PostgreSQL's, since it was made."""

    def __init__(self, server: subprocess.Popen, postgres: psutil.Process) -> None:
        self._roots = (psutil.Process(server.pid), postgres)
        self._before = self._now()

    def _now(self) -> list[float]:
        found = []
        for root in self._roots:
            times = [one.cpu_times() for one in (root, *root.children(recursive=True))]
            found.append(sum(one.user + one.system for one in times))
        return found

    def of_a_call(self, calls: int) -> list[float]:
        """Milliseconds a call: of the server, and of PostgreSQL."""
        return [
            1_000 * (now - before) / calls
            for now, before in zip(self._now(), self._before, strict=True)
        ]


def measure(*, turns: int = TURNS, calls_a_turn: int = CALLS_A_TURN) -> dict[str, Any]:
    """Events a second of the bare peer and of ours, in the running installation."""
    from django.db import connection
    from django.utils import timezone

    from customers.models import Event
    from customers.services import write_keys
    from rapport.serving import free_port

    key = write_keys.create(source="shop", name="Bench", user=None, now=timezone.now())
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {TABLE} (LIKE customers_event INCLUDING ALL)")
    found = connection.settings_dict
    dsn = f"host={found['HOST']} dbname={found['NAME']} user={found['USER']}"
    dsn += f" port={found['PORT']}" if found["PORT"] else ""
    dsn += f" password={found['PASSWORD']}" if found["PASSWORD"] else ""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        postgres = psutil.Process(cursor.fetchone()[0]).parent()
    dice = random.Random(1)
    before = Event.objects.count()
    rates: dict[str, list[float]] = {"bare": [], "ours": []}
    spent: dict[str, list[list[float]]] = {"bare": [], "ours": []}
    port = free_port(18_600)
    # Nobody reads the queue here, and one key makes all the calls: neither is what is measured.
    ours = {"TRACKING_CALLS_PER_SECOND": "0"}
    with (
        serving("_tracking:bare", port, BARE_DSN=dsn) as bare_server,
        serving("rapport.wsgi:application", our_port := free_port(port + 1), **ours) as our_server,
    ):
        servers = {"bare": (port, bare_server), "ours": (our_port, our_server)}
        for to, _server in servers.values():
            send(to, visits(to, key.key, dice))
        for turn in range(turns + 1):
            for name, (to, server) in servers.items():
                ready = calls(to, key.key, calls_a_turn, dice)
                meter = Spent(server, postgres)
                took = send(to, ready)
                if turn:  # the first warms both
                    rates[name].append(calls_a_turn * BATCH / took)
                    spent[name].append(meter.of_a_call(calls_a_turn))
    stored = Event.objects.count() - before
    sent = (turns + 1) * calls_a_turn * BATCH + PEOPLE
    if stored != sent:
        raise RuntimeError(f"{stored:,} events were stored of {sent:,}")
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {TABLE}")
    ratios = [our / limit for our, limit in zip(rates["ours"], rates["bare"], strict=True)]
    found = {
        "bare_per_second": statistics.median(rates["bare"]),
        "tracking_per_second": statistics.median(rates["ours"]),
        "ratio": statistics.median(ratios),
        "target": TARGET,
    }
    for name, of_turns in spent.items():
        server, database = (statistics.median(column) for column in zip(*of_turns, strict=True))
        found |= {f"{name}_server_ms": server, f"{name}_postgres_ms": database}
    found["ratio_of_processor_time"] = statistics.median(
        sum(limit) / sum(our) for our, limit in zip(spent["ours"], spent["bare"], strict=True)
    )
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument("--calls", type=int, default=CALLS_A_TURN, help="a turn")
    given = parser.parse_args()
    with _embedded.servers():
        found = measure(turns=given.turns, calls_a_turn=given.calls)
    print(f"batches of {BATCH}, two workers of four threads, {CONNECTIONS} connections\n")
    print(f"{'':34}{'events/s':>12}{'server':>12}{'PostgreSQL':>12}  (processor ms a call)")
    for words, rate, name in (
        ("bare WSGI and one prepared insert", "bare_per_second", "bare"),
        ("the tracking API", "tracking_per_second", "ours"),
    ):
        server, database = found[f"{name}_server_ms"], found[f"{name}_postgres_ms"]
        print(f"{words:34}{found[rate]:12,.0f}{server:12.2f}{database:12.2f}")
    of_time = found["ratio_of_processor_time"]
    print(f"ratio {found['ratio']:.2f}, target {TARGET}; of processor time {of_time:.2f}")
    print(json.dumps({"bench": "tracking", **found}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
