"""Outgoing requests reach the open internet, the very address that was judged, and nothing else."""

import asyncio
import ipaddress
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from rapport import outgoing
from rapport.outgoing import AddressRefused, Request

PRIVATE = [
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",  # where clouds keep their secrets
    "192.0.2.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "fe80::1",
    "fc00::1",
    "fd00:ec2::254",
    "ff02::1",
    "2001:db8::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
]
PUBLIC = ["93.184.215.14", "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]


@pytest.fixture
def receiver():
    """A real HTTP server: ``receiver(answer)`` starts one and gives its port and what came in."""
    started = []

    def start(answer=lambda handler: respond(handler, 200, b"thanks")):
        seen = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                seen.append((self.path, dict(self.headers), body))
                answer(self)

            do_GET = do_POST

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        started.append(server)
        return server.server_address[1], seen

    yield start
    for server in started:
        server.shutdown()
        server.server_close()


def respond(handler, status, body=b"", **headers):
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


@pytest.fixture
def names(monkeypatch):
    """Say what the resolver answers: the one thing here that is not ours and not real."""
    known = {}

    def resolver(host, port, *_given, **_more):
        answers = known.get(host, [host])
        answer = answers.pop(0) if isinstance(answers[0], list) else answers
        return [
            (
                socket.AF_INET6 if ":" in one else socket.AF_INET,
                socket.SOCK_STREAM,
                6,
                "",
                (one, port),
            )
            for one in answer
        ]

    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    return known


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_is_not_of_the_open_internet_is_refused(address, names):
    assert not outgoing.is_public(ipaddress.ip_address(address))
    names["shop.example"] = [address]
    with pytest.raises(AddressRefused, match="open internet"):
        outgoing.check("https://shop.example/hook")


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_of_the_open_internet_is_good(address, names):
    names["shop.example"] = [address]
    target = outgoing.resolve("https://shop.example/hook?a=1")

    assert (target.host, target.name) == (str(ipaddress.ip_address(address)), "shop.example")
    assert target.authority == "shop.example"
    assert target.url.endswith("/hook?a=1")


def test_one_bad_address_among_good_ones_is_refused(names):
    names["shop.example"] = ["93.184.215.14", "10.0.0.1"]
    with pytest.raises(AddressRefused, match="10.0.0.1"):
        outgoing.check("https://shop.example/")


@pytest.mark.parametrize(
    "url",
    [
        "http://127.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f.0.0.1/",
        "https://localhost/",
        "https://localhost./",
        "https://[::1]/",
    ],
)
def test_other_spellings_of_this_machine_are_refused(url):
    with pytest.raises(AddressRefused):
        outgoing.check(url)


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("http://shop.example/", "https"),
        ("ftp://shop.example/", "such as"),
        ("file:///etc/passwd", "such as"),
        ("https://", "such as"),
        ("nonsense", "such as"),
        ("https://me:secret@shop.example/", "password"),
        ("https://shop.example:25/", "Port 25"),
        ("https://shop.example:99999/", "not an address"),
        ("https://[::1/", "not an address"),
    ],
)
def test_what_is_no_safe_address_is_refused_with_its_reason(url, word, names):
    names["shop.example"] = ["93.184.215.14"]
    with pytest.raises(AddressRefused, match=word):
        outgoing.check(url)


def test_a_listed_host_may_be_private_and_plain(receiver, settings):
    port, seen = receiver()
    settings.OUTGOING_ALLOWED_HOSTS = [f"localhost:{port}"]

    answer = outgoing.post(Request(f"http://localhost:{port}/hook", b"{}", {"A": "b"}))

    assert (answer.status, answer.excerpt, answer.is_good) == (200, "thanks", True)
    path, headers, body = seen[0]
    assert (path, headers["Host"], headers["A"], body) == ("/hook", f"localhost:{port}", "b", b"{}")


def test_listing_one_port_opens_no_other(receiver, settings):
    port, seen = receiver()
    settings.OUTGOING_ALLOWED_HOSTS = [f"localhost:{port + 1}"]

    answer = outgoing.post(Request(f"https://localhost:{port}/", b""))

    assert "open internet" in answer.error
    assert not seen


def test_a_name_that_changes_its_mind_is_asked_once(receiver, names, settings):
    """DNS rebinding: the first answer is judged and used; a second one is never asked for."""
    port, seen = receiver()
    names["rebind.example"] = [["93.184.215.14"], ["127.0.0.1"]]
    asked = []
    resolver = socket.getaddrinfo

    def counted(host, *given, **more):
        asked.append(host)
        return resolver(host, *given, **more)

    socket.getaddrinfo = counted
    try:
        answer = outgoing.post_all([Request(f"https://rebind.example:{port}/", b"")], seconds=0.3)[
            0
        ]
    finally:
        socket.getaddrinfo = resolver

    assert asked.count("rebind.example") == 1
    assert not seen
    assert not answer.is_good


def test_the_connection_goes_to_the_judged_address(receiver, names, settings):
    port, seen = receiver()
    settings.OUTGOING_ALLOWED_HOSTS = ["pinned.example"]
    names["pinned.example"] = [["127.0.0.1"], ["203.0.113.9"]]

    assert outgoing.post(Request(f"http://pinned.example:{port}/", b"")).status == 200
    assert seen[0][1]["Host"] == f"pinned.example:{port}"


def test_redirects_are_not_followed(receiver, settings):
    settings.OUTGOING_ALLOWED_HOSTS = ["127.0.0.1"]
    second, seen = receiver()
    there = f"http://127.0.0.1:{second}/secret"
    port, _ = receiver(lambda handler: respond(handler, 302, Location=there))

    answer = outgoing.post(Request(f"http://127.0.0.1:{port}/", b""))

    assert answer.status == 302
    assert "not followed" in answer.error
    assert not seen


def test_of_a_long_answer_only_the_beginning_is_read(receiver, settings):
    settings.OUTGOING_ALLOWED_HOSTS = ["127.0.0.1"]
    written = []

    def endless(handler):
        handler.send_response(200)
        handler.end_headers()
        try:
            while len(written) < 2_000:
                handler.wfile.write(b"x" * 16_384)
                written.append(1)
        except OSError:
            pass

    port, _ = receiver(endless)
    answer = outgoing.post(Request(f"http://127.0.0.1:{port}/", b""))

    assert answer.status == 200
    assert answer.excerpt == "x" * outgoing.EXCERPT_CHARACTERS
    assert len(written) < 2_000


def test_an_answer_that_drips_meets_the_deadline(receiver, settings):
    settings.OUTGOING_ALLOWED_HOSTS = ["127.0.0.1"]
    stop = threading.Event()

    def drip(handler):
        try:
            while not stop.wait(0.05):
                handler.wfile.write(b"H")
        except OSError:
            pass

    port, _ = receiver(drip)
    began = time.monotonic()
    answer = outgoing.post_all([Request(f"http://127.0.0.1:{port}/", b"")], seconds=0.4)[0]
    stop.set()

    assert answer.status is None
    assert "within 0.4 s" in answer.error
    assert time.monotonic() - began < 3


def test_many_are_sent_at_once_and_answered_in_order(receiver, settings):
    settings.OUTGOING_ALLOWED_HOSTS = ["127.0.0.1"]
    meeting = threading.Barrier(5, timeout=10)

    def wait(handler):
        meeting.wait()
        respond(handler, 200, handler.path.encode())

    port, _ = receiver(wait)
    requests = [Request(f"http://127.0.0.1:{port}/{n}", b"") for n in range(5)]

    assert [answer.excerpt for answer in outgoing.post_all(requests)] == [f"/{n}" for n in range(5)]


def test_nobody_listening_is_an_answer_too(settings):
    settings.OUTGOING_ALLOWED_HOSTS = ["127.0.0.1"]
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        answer = outgoing.post(Request(f"http://127.0.0.1:{free.getsockname()[1]}/", b""))

    assert answer.status is None
    assert "ConnectError" in answer.error


def test_a_wish_to_wait_is_read(receiver, settings):
    settings.OUTGOING_ALLOWED_HOSTS = ["127.0.0.1"]
    port, _ = receiver(lambda handler: respond(handler, 503, Retry_After="120"))

    answer = outgoing.post(Request(f"http://127.0.0.1:{port}/", b""))

    assert (answer.status, answer.retry_after_seconds, answer.is_good) == (503, 120, False)


def test_it_works_where_a_loop_runs_already(receiver, settings):
    settings.OUTGOING_ALLOWED_HOSTS = ["127.0.0.1"]
    port, _ = receiver()

    async def inside():
        return outgoing.post(Request(f"http://127.0.0.1:{port}/", b""))

    with ThreadPoolExecutor(1) as pool:  # a browser test may have left a loop running in this one
        assert pool.submit(asyncio.run, inside()).result().status == 200
