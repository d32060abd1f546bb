"""Measure delivery: messages a second through the whole ledger, into an idle mail server.

``python bench/send.py`` sends 2,000 messages a way; ``--full`` 100,000 through the ledger. Mail
server, senders and PostgreSQL share this machine. Everything happens on servers of its own that are
gone afterwards.

The mail server is postfix's smtp-sink, where the programs of Debian's package are found (on the
path, or unpacked in ``POSTFIX_HOME``: ``apt-get download postfix && dpkg -x postfix_*.deb DIR``);
else one of our own. Beside us, in the same run: postfix's smtp-source, which only pours out the
same bytes again and again; smtplib on one kept connection with ready bytes; Django's send_messages
with a Django template; and django-post_office, which keeps a row for each message as we do, where
``POST_OFFICE_HOME`` names a folder with it (``pip install --target DIR django-post_office``).

Then one connection each over a delay of 10 ms in either direction.
"""

import argparse
import atexit
import json
import os
import queue
import re
import resource
import shutil
import smtplib
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "platform")]

SMALL, FULL = 2_000, 100_000
READY = 5_000  # messages at most that are written before anything is measured
PEER = 4_000  # messages at most for the slow ways
FAR = 400  # messages over the delay, and a tenth for smtplib
DELAY_SECONDS = 0.010  # in each direction
SESSIONS = (1, 10, 20)
POST_OFFICE = "django-post_office, two processes"
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
PRODUCTS = 1  # makes about 10 KB

BODY = f"""<mjml><mj-body><mj-section><mj-column>
<mj-text>Hello {{{{ customer.first_name }}}} {{{{ customer.last_name }}}} in
{{{{ customer.country }}}}, your code is {{{{ offer.code }}}} for {{{{ offer.percent }}}} percent at
{{{{ shop.name }}}}. {"We thought of you and of what you like. " * 4}</mj-text>
<mj-button href="https://shop.example/sale">To the sale</mj-button></mj-column></mj-section>
{
    "".join(
        f'''<mj-section><mj-column><mj-text>{{{{ customer.traits.p{n} }}}}</mj-text>
<mj-button href="https://shop.example/p/{n}">See it</mj-button></mj-column></mj-section>'''
        for n in range(PRODUCTS)
    )
}
</mj-body></mjml>"""

ANSWERS = {
    b"EHLO": b"250-sink\r\n250-PIPELINING\r\n250 8BITMIME\r\n",
    b"DATA": b"354 go on\r\n",
    b"QUIT": b"221 2.0.0 Bye\r\n",
}


class Sink:
    """A mail server in a process of its own: it takes everything, pipelined or not."""

    def __enter__(self) -> "Sink":
        listening = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = listening.getsockname()[1]
        self._child = os.fork()
        if not self._child:
            while True:
                link, _address = listening.accept()
                threading.Thread(target=_swallow, args=(link,), daemon=True).start()
        listening.close()
        return self

    def __exit__(self, *_: object) -> None:
        os.kill(self._child, 9)
        os.waitpid(self._child, 0)


def _swallow(link: socket.socket) -> None:
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    link.sendall(b"220 sink ESMTP\r\n")
    held, in_content = b"", False
    while got := link.recv(1 << 18):
        held += got
        answers = []
        while True:
            end = held.find(b"\r\n.\r\n" if in_content else b"\r\n")
            if end < 0:
                break
            if in_content:
                held, in_content = held[end + 5 :], False
                answers.append(b"250 2.0.0 Ok\r\n")
                continue
            verb, held = held[:4].upper(), held[end + 2 :]
            in_content = verb == b"DATA"
            answers.append(ANSWERS.get(verb, b"250 2.0.0 Ok\r\n"))
        link.sendall(b"".join(answers))


class PostfixSink:
    """The same by postfix's own program."""

    def __enter__(self) -> "PostfixSink":
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        words = [postfix("smtp-sink"), "-u", "nobody", f"127.0.0.1:{self.port}", "500"]
        self._process = subprocess.Popen(words, env=postfix_environment())
        until = time.monotonic() + 10
        while time.monotonic() < until:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return self
            time.sleep(0.05)
        raise RuntimeError("smtp-sink did not start")

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()


class Delay:
    """A proxy in a process of its own that holds everything back for `DELAY_SECONDS`."""

    def __init__(self, port: int) -> None:
        self.to = port

    def __enter__(self) -> "Delay":
        listening = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = listening.getsockname()[1]
        self._child = os.fork()
        if not self._child:
            while True:
                near, _address = listening.accept()
                far = socket.create_connection(("127.0.0.1", self.to))
                for one, other in ((near, far), (far, near)):
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    held: queue.Queue = queue.Queue()
                    threading.Thread(target=_take, args=(one, held), daemon=True).start()
                    threading.Thread(target=_pass_on, args=(other, held), daemon=True).start()
        listening.close()
        return self

    def __exit__(self, *_: object) -> None:
        os.kill(self._child, 9)
        os.waitpid(self._child, 0)


def _take(link: socket.socket, held: queue.Queue) -> None:
    got = b"-"
    while got:
        got = link.recv(1 << 18)
        held.put((time.monotonic() + DELAY_SECONDS, got))


def _pass_on(link: socket.socket, held: queue.Queue) -> None:
    while True:
        at, got = held.get()
        time.sleep(max(0.0, at - time.monotonic()))
        if not got:
            return link.shutdown(socket.SHUT_WR)
        link.sendall(got)


def postfix(name: str) -> str:
    """Where a program of postfix is; empty where it is not."""
    unpacked = Path(os.environ.get("POSTFIX_HOME", "/nowhere")) / "usr" / "sbin" / name
    return str(unpacked) if unpacked.exists() else shutil.which(name) or ""


def postfix_environment() -> dict[str, str]:
    libraries = Path(os.environ.get("POSTFIX_HOME", "/nowhere")) / "usr" / "lib" / "postfix"
    return {**os.environ, "LD_LIBRARY_PATH": str(libraries)}


def start(home: str):
    """Start both servers in ``home``, durable as in production, and create the tables."""
    os.environ |= {
        "RAPPORT_HOME": home,
        "DJANGO_SETTINGS_MODULE": "rapport.settings",
        "SECRET_KEY": "a key for measuring",
    }
    for name in ("DATABASE_URL", "REDIS_URL", "EMAIL_URL"):
        os.environ.pop(name, None)
    import django
    from django.conf import settings

    settings.SERVICES.hold()
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    return settings.SERVICES


def fill(count: int) -> None:
    """Customers with consent."""
    from customers.models import Consent, Customer

    moment = NOW - timedelta(days=30)
    people = Customer.objects.bulk_create(
        [
            Customer(
                email=f"c{n}@example.com",
                first_name=f"Ada{n}",
                last_name="Lovelace",
                country="GB",
                traits={f"p{p}": f"Cup {p} for {n}" for p in range(PRODUCTS)},
                happened_at=moment,
                recorded_at=moment,
                changed_at=moment,
            )
            for n in range(count)
        ],
        batch_size=2_000,
    )
    Consent.objects.bulk_create(
        [
            Consent(
                customer=one,
                channel="email",
                is_granted=True,
                source="bench",
                happened_at=moment,
                recorded_at=moment,
            )
            for one in people
        ],
        batch_size=2_000,
    )


def make_campaign():
    """A campaign that is being sent, its messages and coupons planned."""
    from django.db import connection

    from campaigns.models import Campaign, Coupon, Message, Offer
    from customers.models import Customer

    offer = Offer.objects.create(name="A fifth", kind="percent", share="0.2", created_at=NOW)
    campaign = Campaign.objects.create(
        name="Bench",
        state="sending",
        subject="For {{ customer.first_name }}",
        body=BODY,
        offer=offer,
        salt="x",
        created_at=NOW,
        changed_at=NOW,
    )
    ids = list(Customer.objects.order_by("pk").values_list("pk", flat=True))
    until = NOW + timedelta(days=14)
    coupons = Coupon.objects.bulk_create(
        [
            Coupon(
                offer=offer,
                campaign=campaign,
                customer_id=pk,
                code=f"C{campaign.pk}-{pk}",
                created_at=NOW,
                given_at=NOW,
                expires_at=until,
            )
            for pk in ids
        ],
        batch_size=2_000,
    )
    Message.objects.bulk_create(
        [
            Message(
                campaign=campaign,
                customer_id=pk,
                channel="email",
                coupon=coupon,
                planned_at=NOW,
                due_at=NOW,
            )
            for pk, coupon in zip(ids, coupons, strict=True)
        ],
        batch_size=2_000,
    )
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE) campaigns_message")
    return campaign


# --- the ways -----------------------------------------------------------------------------------


def write_all(most: int) -> list:
    """So many messages, written before anything is measured."""
    from django.db import transaction

    from campaigns.services import claims, composing

    campaign = make_campaign()
    composer = composing.Composer(campaign)
    with transaction.atomic():
        found = claims.next_claims(campaign, channel="email", limit=most, now=NOW)
    return [composer.write(one.message_id, one.person, now=NOW) for one in found]


def by_smtplib(mails: list, port: int) -> None:
    with smtplib.SMTP("127.0.0.1", port, local_hostname="bench") as link:
        for mail in mails:
            link.sendmail(mail.sender, [mail.recipient], mail.data)


def by_pipelining(mails: list, port: int) -> None:
    from campaigns.channels.smtp import SmtpChannel

    with SmtpChannel(f"smtp://127.0.0.1:{port}", own_name="bench").open() as session:
        for first in range(0, len(mails), 20):
            for result in session.send(mails[first : first + 20]):
                assert result.verdict.value == "accepted", result


def by_smtp_source(count: int, size: int, port: int, sessions: int) -> None:
    """Postfix's generator of load: the same bytes each time, on kept connections."""
    words = [postfix("smtp-source"), "-d", "-s", str(sessions), "-m", str(count), "-l", str(size)]
    words += ["-f", "shop@example.com", "-t", "a@example.com", f"127.0.0.1:{port}"]
    subprocess.run(words, check=True, env=postfix_environment())


def by_post_office(count: int, port: int) -> None:
    """django-post_office: a row a message, a template, two processes that send."""
    words = [
        sys.executable,
        str(Path(__file__).with_name("_post_office.py")),
        str(count),
        str(port),
    ]
    from django.conf import settings

    environment = {
        **os.environ,
        "PYTHONPATH": os.environ["POST_OFFICE_HOME"],
        "BENCH_DATABASE_URL": settings.SERVICES.database_url,
    }
    subprocess.run(words, check=True, env=environment, stderr=subprocess.DEVNULL)


def by_django(count: int, port: int) -> None:
    """What a Django project does: a template and EmailMultiAlternatives a person."""
    from django.core.mail import EmailMultiAlternatives, get_connection
    from django.template import Context, Template

    from campaigns.services import composing
    from customers.models import Customer

    campaign = make_campaign()
    compiled = composing.compiled(campaign)
    plain = re.compile(r"\{\{ '(.*?)' \| tracked: \d+ \}\}")  # Django knows no tracked links
    html, text = (
        Template(plain.sub(r"\1", str(part.template))) for part in (compiled.html, compiled.text)
    )
    backend = get_connection(
        "django.core.mail.backends.smtp.EmailBackend", host="127.0.0.1", port=port
    )
    messages = []
    for one in Customer.objects.order_by("pk")[:count].iterator(chunk_size=500):
        context = Context({"customer": one, "offer": {"code": "X", "percent": "20"}})
        message = EmailMultiAlternatives(
            f"For {one.first_name}", text.render(context), "shop@example.com", [one.email]
        )
        message.attach_alternative(html.render(context), "text/html")
        messages.append(message)
    backend.send_messages(messages)


def by_ledger(campaign_id: int, senders: int) -> None:
    """Claim, ask again, write, hand over and record, by so many senders."""
    children = [_child(lambda: _send_all(campaign_id)) for _sender in range(senders)]
    for child in children:
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
            raise RuntimeError("a sender failed")


def _send_all(campaign_id: int) -> None:
    from campaigns.models import Message
    from campaigns.services import delivery

    while Message.objects.filter(campaign_id=campaign_id, state="planned").exists():
        delivery.deliver(campaign_id, now=NOW)


def _child(work: Callable[[], None]) -> int:
    from django.db import connections

    connections.close_all()
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        work()
        status = 0
    except Exception:
        traceback.print_exc()
    finally:
        connections.close_all()
        sys.stdout.flush()
        os._exit(status)


# --- measuring ----------------------------------------------------------------------------------


def measured(work: Callable[[], None]) -> tuple[float, float]:
    """(seconds, peak MiB) of work in a process of its own and its children."""
    reading, writing = os.pipe()

    def run() -> None:
        started = time.perf_counter()
        work()
        seconds = time.perf_counter() - started
        peak = max(
            resource.getrusage(who).ru_maxrss
            for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        )
        os.write(writing, json.dumps([seconds, peak / 1024]).encode())

    child = _child(run)
    os.close(writing)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
        raise SystemExit("a way of sending failed; see above")
    with os.fdopen(reading) as told:
        return tuple(json.load(told))


Way = tuple[str, int, Callable[[], None]]  # what, messages, work


def ways(mails: list, size: int, count: int, port: int) -> list[Way]:
    ready, peer = len(mails), min(PEER, count)
    found: list[Way] = [
        ("smtplib, one connection, ready bytes", ready, lambda: by_smtplib(mails, port)),
        ("pipelined, one connection, ready bytes", ready, lambda: by_pipelining(mails, port)),
        ("Django send_messages, one connection", peer, lambda: by_django(peer, port)),
    ]
    if postfix("smtp-source"):
        found += [
            (f"smtp-source, {n} sessions", ready, partial(by_smtp_source, ready, size, port, n))
            for n in SESSIONS
        ]
    else:
        print("postfix's programs were not found: smtp-source is left out", file=sys.stderr)
    if os.environ.get("POST_OFFICE_HOME"):
        found.append(
            ("django-post_office, two processes", peer, lambda: by_post_office(peer, port))
        )
    else:
        print("POST_OFFICE_HOME is not set: django-post_office is left out", file=sys.stderr)
    for senders, what in ((1, "one sender"), (2, "two senders")):
        found.append((f"full ledger, {what}", count, _by_new_campaign(senders)))
    return found


def far_ways(mails: list, port: int) -> list[Way]:
    """Over the delay, on one connection."""
    many, few = mails[:FAR], mails[: FAR // 10]
    return [
        ("smtplib over 20 ms", len(few), lambda: by_smtplib(few, port)),
        ("pipelined over 20 ms", len(many), lambda: by_pipelining(many, port)),
    ]


def _by_new_campaign(senders: int) -> Callable[[], None]:
    campaign_id = make_campaign().pk
    return lambda: by_ledger(campaign_id, senders)


def timed(found: list[Way]) -> list[dict]:
    rows = []
    for what, count, work in found:
        seconds, peak = measured(work)
        rate = count / seconds
        row = {"what": what, "messages": count, "seconds": seconds, "per_second": rate}
        rows.append({**row, "mib": peak})
        print(f"{what:42}{rate:10,.0f} a second", file=sys.stderr, flush=True)
    return rows


def rows(count: int, port: int) -> tuple[list[dict], int]:
    from django.conf import settings

    from campaigns.models import Message
    from rapport.celery import app

    settings.EMAIL_URL = f"smtp://127.0.0.1:{port}"
    app.loader.import_default_modules()  # once a worker, not once a campaign
    fill(count)
    mails = write_all(min(READY, count))
    size = sum(len(mail.data) for mail in mails) // len(mails)
    found = timed(ways(mails, size, count, port))
    # The campaign that was only written from is still planned.
    left = Message.objects.filter(state__in=["planned", "sending"]).values("campaign").distinct()
    assert left.count() <= 2, "messages were not sent"
    assert not Message.objects.filter(state__in=["failed", "unknown", "skipped"]).exists()
    with Delay(port) as far:
        found += timed(far_ways(mails, far.port))
    return found, size


def ratios(found: list[dict]) -> dict[str, float]:
    """What is promised: two senders with the ledger beside the others."""
    rate = {row["what"]: row["per_second"] for row in found}
    ours = rate["full ledger, two senders"]
    pours = [one for what, one in rate.items() if what.startswith("smtp-source")]
    told = {
        "to smtplib": ours / rate["smtplib, one connection, ready bytes"],
        "to Django": ours / rate["Django send_messages, one connection"],
        "over 20 ms to smtplib": rate["pipelined over 20 ms"] / rate["smtplib over 20 ms"],
    }
    if pours:
        told["to smtp-source's best"] = ours / max(pours)
    if POST_OFFICE in rate:
        told["to django-post_office"] = ours / rate[POST_OFFICE]
    return told


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--full", action="store_true", help=f"{FULL:,} instead of {SMALL:,}")
    count = FULL if parser.parse_args().full else SMALL
    home = tempfile.mkdtemp(prefix="rapport-bench-")
    services = None
    try:
        services = start(home)
        with PostfixSink() if postfix("smtp-sink") else Sink() as sink:
            found, size = rows(count, sink.port)
    finally:
        if services is not None:
            services.stop()
            atexit.unregister(services._release)  # its folder goes
            shutil.rmtree(services.home, ignore_errors=True)
        shutil.rmtree(home, ignore_errors=True)
    load = os.getloadavg()[0]
    print(f"{count:,} messages of {size:,} bytes, to a server on this machine; load {load:.1f}\n")
    heads = ("what", "messages", "seconds", "per second", "peak MiB")
    print(f"{heads[0]:42}" + "".join(f"{head:>12}" for head in heads[1:]))
    for row in found:
        print(
            f"{row['what']:42}{row['messages']:12,}{row['seconds']:12.2f}"
            f"{row['per_second']:12,.0f}{row['mib']:12.0f}"
        )
    told = ratios(found)
    print("\ntwo senders with the full ledger, and one connection over the delay:")
    for what, ratio in told.items():
        print(f"  {what:26}{ratio:8.2f}")
    last = {"bench": "send", "messages": count, "bytes": size, "load": load, "ratios": told}
    print(json.dumps({**last, "ratio": told["to smtplib"], "rows": found}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
