"""Measure delivery: messages a second through the whole ledger, into an idle mail server.

``python bench/send.py`` sends 2,000 messages a way; ``--full`` 20,000. Mail server, sender and
PostgreSQL share this machine. Everything happens on servers of its own that are gone afterwards.

The limit is smtplib on one kept connection, sending bytes that were written before: no ledger, no
templates. The naive peer is Django's send_messages with a Django template.
"""

import argparse
import atexit
import json
import os
import re
import resource
import shutil
import smtplib
import socket
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "platform")]

SMALL, FULL = 2_000, 20_000
ROUNDS = 3
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
PRODUCTS = 1

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
    """A mail server in a process of its own: it takes everything, pipelined or not, and counts."""

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


def write_all() -> list:
    """Every message, written before anything is measured."""
    from campaigns.models import Message
    from campaigns.services import claims, composing

    campaign = make_campaign()
    composer = composing.Composer(campaign)
    from django.db import transaction

    with transaction.atomic():
        count = Message.objects.filter(campaign=campaign).count()
        found = claims.next_claims(campaign, limit=count, now=NOW)
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


def by_django(port: int) -> None:
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
    for one in Customer.objects.iterator(chunk_size=500):
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


def ways(mails: list, port: int, one: int, two: int) -> list[tuple[str, Callable[[], None]]]:
    return [
        ("smtplib, one connection, written before", lambda: by_smtplib(mails, port)),
        ("Django send_messages, one connection", lambda: by_django(port)),
        ("pipelined, one connection, written before", lambda: by_pipelining(mails, port)),
        ("full ledger, one sender", lambda: by_ledger(one, 1)),
        ("full ledger, two senders", lambda: by_ledger(two, 2)),
    ]


def rows(count: int, port: int) -> tuple[list[dict], int]:
    from django.conf import settings

    from campaigns.models import Message
    from rapport.celery import app

    settings.EMAIL_URL = f"smtp://127.0.0.1:{port}"
    app.loader.import_default_modules()  # once a worker, not once a campaign
    fill(count)
    mails = write_all()
    size = sum(len(mail.data) for mail in mails) // len(mails)
    # In turn, the best of each: what else this machine does then falls on all ways alike.
    best: dict[str, tuple[float, float]] = {}
    for _round in range(ROUNDS):
        one, two = make_campaign().pk, make_campaign().pk
        for what, work in ways(mails, port, one, two):
            best[what] = min(best.get(what, (float("inf"), 0.0)), measured(work))
        unsent = Message.objects.filter(campaign__in=[one, two]).exclude(state="sent").count()
        assert not unsent, f"{unsent} messages were not sent"
    found = [
        {"what": what, "seconds": seconds, "per_second": count / seconds, "mib": peak}
        for what, (seconds, peak) in best.items()
    ]
    limit, naive = found[0]["per_second"], found[1]["per_second"]
    for row in found:
        row["to_limit"], row["to_naive"] = row["per_second"] / limit, row["per_second"] / naive
    return found, size


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--full", action="store_true", help=f"{FULL:,} instead of {SMALL:,}")
    count = FULL if parser.parse_args().full else SMALL
    home = tempfile.mkdtemp(prefix="rapport-bench-")
    services = None
    try:
        services = start(home)
        with Sink() as sink:
            found, size = rows(count, sink.port)
    finally:
        if services is not None:
            services.stop()
            atexit.unregister(services._release)  # its folder goes
            shutil.rmtree(services.home, ignore_errors=True)
        shutil.rmtree(home, ignore_errors=True)
    print(f"{count:,} messages of {size:,} bytes, into a mail server on this machine\n")
    heads = ("what", "seconds", "per second", "peak MiB", "to limit", "to naive")
    print(f"{heads[0]:42}" + "".join(f"{head:>12}" for head in heads[1:]))
    for row in found:
        print(
            f"{row['what']:42}{row['seconds']:12.2f}{row['per_second']:12,.0f}{row['mib']:12.0f}"
            f"{row['to_limit']:12.2f}{row['to_naive']:12.1f}"
        )
    ratio = found[-1]["to_limit"]
    print(f"\ntwo senders with the full ledger reach {ratio:.2f} of smtplib on one connection")
    last = {"bench": "send", "messages": count, "bytes": size, "ratio": ratio, "rows": found}
    print(json.dumps(last))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
