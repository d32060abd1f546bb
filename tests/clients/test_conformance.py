"""The official Python and Node clients of the tracking API, unchanged but for the host.

They speak to gunicorn, which runs the real application behind `tests.clients.faulty`.
"""

import contextlib
import json
import shutil
import subprocess
import sys
import urllib.request
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from segment.analytics.client import Client
from segment.analytics.request import APIError, post

from customers.collect import tracking
from customers.models import Customer, Event, Order, RejectedMessage, WriteKey
from customers.services import write_keys
from rapport.serving import free_port, wait_for_web
from tests.conftest import program_environment
from tests.makers import NOW

BATCH_BYTES = 500 * 1024
NODE = Path(__file__).parent / "node"
ROOT = Path(__file__).resolve().parents[2]
pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.xdist_group("tracking_clients"),
]


@contextlib.contextmanager
def serving(**environment: str) -> Iterator[str]:
    """A web server of the kind that runs in production; its address."""
    port = free_port(18_400)
    command = [sys.executable, "-m", "gunicorn", "tests.clients.faulty:application"]
    command += ["--bind", f"127.0.0.1:{port}", "--threads", "4", "--log-level", "critical"]
    command += ["--graceful-timeout", "1"]
    process = subprocess.Popen(command, env=program_environment(**environment), cwd=ROOT)
    try:
        wait_for_web(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="module")
def host(django_db_setup, django_db_blocker) -> Iterator[str]:
    with serving() as address:
        yield address


@pytest.fixture
def key(transactional_db) -> WriteKey:
    return write_keys.create(source="shop", name="Clients", user=None, now=NOW)


def faulty(host: str, faults: str) -> tuple[str, str]:
    """The host behind these faults, and the name under which it counts its calls."""
    name = uuid.uuid4().hex
    return f"{host}/faults/{name}/{faults}", name


def calls(host: str, name: str) -> int:
    with urllib.request.urlopen(f"{host}/calls/{name}") as answer:
        return int(answer.read())


def python(host: str, key: WriteKey, **settings) -> Client:
    settings = {"upload_interval": 0.05, **settings}
    return Client(key.key, host=host, on_error=lambda error, _: pytest.fail(str(error)), **settings)


def finish(client: Client) -> None:
    client.flush()
    client.shutdown()


def node(scenario: str, host: str, key: WriteKey, path: str = "") -> list[str]:
    """Run one scenario of the Node client; what it says failed."""
    if not shutil.which("node") or not (NODE / "node_modules").is_dir():
        pytest.skip("the Node client is not installed: run tests/clients/install.sh (needs npm)")
    command = ["node", "conformance.js", scenario, host, key.key, *([path] if path else [])]
    done = subprocess.run(
        command, cwd=NODE, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def events() -> dict[str, int]:
    found: dict[str, int] = {}
    for name in Event.objects.values_list("name", flat=True):
        found[name] = found.get(name, 0) + 1
    return found


EVERY = {
    "Identified": 1,
    "Song Played": 1,
    "Order Completed": 1,
    "Page Viewed": 1,
    "Screen Viewed": 1,
    "Group Joined": 1,
    "Aliased": 1,
}


@pytest.mark.parametrize("gzip", [False, True])
def test_python_every_call(host, key, gzip):
    client = python(host, key, gzip=gzip)

    client.identify("p1", {"email": "python@example.com", "firstName": "Monty", "plan": "gold"})
    client.track("p1", "Song Played", {"seconds": 30}, timestamp=datetime(2026, 1, 1, tzinfo=UTC))
    products = [{"product_id": "p-p1", "price": "25.50", "quantity": 1}]
    order = {"order_id": "p-o1", "revenue": "25.50", "currency": "EUR", "products": products}
    client.track("p1", "Order Completed", order)
    client.page("p1", "Docs", "Home", {"url": "/"})
    client.screen(anonymous_id="p-a1", name="Start")
    client.group("p1", "p-g1", {"name": "Acme"})
    client.alias("p-a1", "p1")
    finish(client)

    assert events() == EVERY
    check_person("python@example.com", "Monty", "p-o1", "p-g1")
    assert Event.objects.get(name="Song Played").happened_at.date().isoformat() == "2026-01-01"


def check_person(email: str, first_name: str, order: str, group: str) -> None:
    """One person has all that was told, also what the alias brought."""
    person = Customer.objects.get(email=email)
    assert person.first_name == first_name
    assert person.traits == {"plan": "gold", "group_id": group}
    assert str(Order.objects.get(external_id=order, customer=person).total) == "25.5000"
    assert set(Event.objects.values_list("customer_id", flat=True)) == {person.pk}
    assert not RejectedMessage.objects.exists()


@pytest.mark.parametrize("scenario", ["every", "gzip"])
def test_node_every_call(host, key, scenario):
    failed = node(scenario, host, key)

    assert failed == []
    assert events() == EVERY
    check_person("node@example.com", "Noda", "n-o1", "n-g1")


FAULTS = ["500", "429", "late500", "late429,503"]  # each fault costs the client a wait


@pytest.mark.parametrize("faults", FAULTS)
def test_python_retries_until_it_is_stored_exactly_once(host, key, faults):
    address, name = faulty(host, faults)
    client = python(address, key)

    client.track("p1", "Retried", timestamp=datetime(2026, 1, 1, tzinfo=UTC))
    finish(client)

    assert calls(host, name) == len(faults.split(",")) + 1
    assert events() == {"Retried": 1}


@pytest.mark.parametrize("faults", FAULTS)
def test_node_retries_until_it_is_stored_exactly_once(host, key, faults):
    address, name = faulty(host, faults)

    failed = node("retried", host, key, path=address.removeprefix(host) + "/v1/batch")

    assert failed == []
    assert calls(host, name) == len(faults.split(",")) + 1
    assert events() == {"Retried": 1}


@pytest.mark.parametrize("gzip", [False, True])
def test_python_batch_of_2500(host, key, gzip):
    client = python(host, key, gzip=gzip, upload_size=2_500)
    for n in range(2_500):  # which the client sends in as few calls as 475 KB allow
        client.track(f"p{n % 50}", "Many")
    finish(client)
    at_once = [
        {"type": "track", "userId": f"p{n % 50}", "event": "At Once", "messageId": f"{gzip}{n}"}
        for n in range(2_500)
    ]
    post(key.key, host, gzip=gzip, batch=at_once)

    assert events() == {"Many": 2_500, "At Once": 2_500}
    assert Customer.objects.count() == 50


@pytest.mark.long
def test_node_batch_of_2500(host, key):
    """The client counts its bytes wrongly and sends 2,500 small events in some 800 KB at once."""
    refused = node("many", host, key)
    assert {text.split("]")[0] for text in refused} == {"Error: [400"}
    assert events() == {}

    with serving(TRACKING_BATCH_KB="1000") as roomier:
        failed = node("many", roomier, key)

    assert failed == []
    assert events() == {"Many": 2_500}


def test_python_edge_of_32_kb(host, key):
    """As the client counts, which drops by itself what is larger."""
    message = {"type": "track", "userId": "p1", "event": "Edge", "properties": {"x": ""}}

    def of_size(size: int) -> dict:
        return {**message, "properties": {"x": "x" * (size - len(json.dumps(message)))}}

    post(key.key, host, batch=[of_size(tracking.MESSAGE_BYTES)])
    with pytest.raises(APIError) as refused:
        post(key.key, host, batch=[of_size(tracking.MESSAGE_BYTES + 1)])

    assert (refused.value.status, refused.value.code) == (400, "message_too_large")
    assert events() == {"Edge": 1}
    assert RejectedMessage.objects.count() == 1


def test_node_edge_of_32_kb(host, key):
    """Nor does it drop what is too large for one message; we keep that for a person to see."""
    failed = node("edge", host, key)

    assert failed == []
    assert events() == {"Edge": 1}
    assert "bytes; at most 32,768" in RejectedMessage.objects.get().reason


@pytest.mark.parametrize("gzip", [False, True])
def test_python_edge_of_500_kb(host, key, gzip):
    sent_at = "2026-01-01T00:00:00Z"
    empty = {"sentAt": sent_at, "writeKey": key.key}

    def batch(size: int) -> list[dict]:
        found = [
            {"type": "track", "userId": "p1", "event": "Edge", "properties": {"x": "x" * 30_000}}
            for _ in range(17)
        ]
        rest = size - len(json.dumps({"batch": found, **empty}))
        found[0]["properties"]["x"] += "x" * rest
        assert len(json.dumps({"batch": found, **empty})) == size
        return found

    post(key.key, host, gzip=gzip, batch=batch(BATCH_BYTES), sentAt=sent_at)
    with pytest.raises(APIError) as refused:
        post(key.key, host, gzip=gzip, batch=batch(BATCH_BYTES + 1), sentAt=sent_at)

    assert (refused.value.status, refused.value.code) == (400, "body_too_large")
    assert events() == {"Edge": 17}


def test_python_is_told_of_a_wrong_key(host, key):
    with pytest.raises(APIError) as refused:
        post("nobody's", host, batch=[{"type": "track", "userId": "p1", "event": "e"}])

    assert (refused.value.status, refused.value.code) == (401, "wrong_write_key")
