"""Measure texts over a real gateway: Kannel with its own fake SMS centre, in a network of its own.

``python bench/kannel.py`` sends 500 texts of a campaign with delivery reports, after one customer
has texted STOP, and lets her text START afterwards; ``--full`` sends 5,000.  Beside it: the bare
requests of the same texts, one connection after the other, without a ledger.

Kannel comes from Debian's packages, which are unpacked into a folder that is gone afterwards;
where they cannot be had, or a network of its own is not allowed, it says so and measures nothing.
"""

import argparse
import contextlib
import json
import os
import re
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from _embedded import servers

PACKAGES = [
    "kannel",
    "kannel-extras",
    "libmariadb3",
    "libpcre3",
    "libhiredis0.14",
    "libct4",
    "libsybdb5",
    "freetds-common",
]
SITE = "http://127.0.0.1:8000"
FULL, SMALL, BARE = 5_000, 500, 200
USER, PASSWORD = "tester", "foobar"
STOPPER = "+33600000000"
SEND = f"http://127.0.0.1:23013/cgi-bin/sendsms?username={USER}&password={PASSWORD}"
CONFIGURATION = """
group = core
admin-port = 23000
admin-password = adm
admin-interface = 127.0.0.1
smsbox-port = 23001
smsbox-interface = 127.0.0.1
box-allow-ip = 127.0.0.1
dlr-storage = internal
log-level = 1

group = smsc
smsc = fake
smsc-id = FAKE
host = localhost
port = 23002
connect-allow-ip = 127.0.0.1

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = 23013
sendsms-interface = 127.0.0.1
global-sender = 13013
log-level = 1

group = sendsms-user
username = {user}
password = {password}
user-allow-ip = 127.0.0.1
max-messages = 5
concatenation = true

group = sms-service
keyword = default
catch-all = yes
accepted-smsc = FAKE
max-messages = 1
get-url = "{inbound}?from=%p&to=%P&text=%a&id=%I"
"""


class CannotMeasure(Exception):
    """What is missing, in words."""


def unpack(folder: Path) -> Path:
    """Kannel with its libraries, out of Debian's packages."""
    for tool in ("apt-get", "dpkg", "unshare", "ip"):
        if not shutil.which(tool):
            raise CannotMeasure(f"there is no {tool} here")
    got = subprocess.run(
        ["apt-get", "download", "-qq", *PACKAGES], cwd=folder, capture_output=True, text=True
    )
    if got.returncode:
        raise CannotMeasure(f"the packages cannot be had: {got.stderr.strip()[-200:]}")
    root = folder / "kannel"
    for package in folder.glob("*.deb"):
        subprocess.run(["dpkg", "-x", str(package), str(root)], check=True)
    return root


def in_own_network(arguments: list[str]) -> int:
    """Run this script again where nothing but the loopback is."""
    inner = f'ip link set lo up && exec "{sys.executable}" "$@"'
    command = ["unshare", "-n", "bash", "-c", inner, "bash", __file__, *arguments]
    if subprocess.run(["unshare", "-n", "true"], capture_output=True).returncode:
        raise CannotMeasure("a network of its own is not allowed here")
    return subprocess.run(command).returncode


class Kannel:
    """bearerbox, smsbox and the fake centre; each logs into its file."""

    def __init__(self, root: Path, folder: Path, inbound: str) -> None:
        self.folder, self._started = folder, []
        libraries = [root / "usr/lib/x86_64-linux-gnu", root / "lib/x86_64-linux-gnu"]
        self._environment = {**os.environ, "LD_LIBRARY_PATH": ":".join(map(str, libraries))}
        self._binaries = root / "usr/sbin"
        self._centre = root / "usr/lib/kannel/test/fakesmsc"
        self._file = folder / "kannel.conf"
        text = CONFIGURATION.format(user=USER, password=PASSWORD, inbound=inbound)
        self._file.write_text(text)

    def __enter__(self) -> "Kannel":
        self._run("bearerbox", self._binaries / "bearerbox", "-v", "1", self._file)
        wait(lambda: is_open(23001) and is_open(23002), "bearerbox")
        self._run("smsbox", self._binaries / "smsbox", "-v", "1", self._file)
        wait(lambda: is_open(23013), "smsbox")
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._started):
            process.terminate()
        for process in self._started:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()

    def texted(self, words: str) -> subprocess.Popen:
        """A centre over which one customer texts these words, and which takes what we send."""
        given = ["-H", "127.0.0.1", "-r", "23002", "-i", "0.3", "-m", "1"]
        return self._run(f"centre-{words}", self._centre, *given, f"{STOPPER} 13013 text {words}")

    def heard(self, words: str) -> str:
        return (self.folder / f"centre-{words}.log").read_text(errors="replace")

    def _run(self, name: str, *command: object) -> subprocess.Popen:
        with open(self.folder / f"{name}.log", "wb") as log:
            process = subprocess.Popen(
                [str(part) for part in command],
                env=self._environment, stdout=log, stderr=log, cwd=self.folder,
            )  # fmt: skip
        self._started.append(process)
        return process


@contextmanager
def site() -> Iterator[None]:
    """Our own web server, to which Kannel tells what became of the texts."""
    command = [sys.executable, "-m", "gunicorn", "-b", "127.0.0.1:8000", "-w", "1"]
    path = os.pathsep.join(sys.path[:2])
    process = subprocess.Popen(
        [*command, "--threads", "8", "--log-level", "warning", "rapport.wsgi:application"],
        env={**os.environ, "PYTHONPATH": path}, cwd=sys.path[0],
    )  # fmt: skip
    try:
        wait(is_healthy, "the web server", 180)
        yield
    finally:
        process.terminate()
        process.wait(10)


def is_healthy() -> bool:
    with contextlib.suppress(OSError):
        return urllib.request.urlopen(f"{SITE}/health/", timeout=5).status == 200
    return False


def is_open(port: int) -> bool:
    with socket.socket() as link:
        return link.connect_ex(("127.0.0.1", port)) == 0


def wait(ready: Callable[[], bool], what: str, seconds: float = 60) -> float:
    began = time.monotonic()
    while not ready():
        if time.monotonic() - began > seconds:
            raise SystemExit(f"{what} did not happen within {seconds:g} s")
        time.sleep(0.05)
    return time.monotonic() - began


def make_campaign(size: int):
    """A running campaign with a planned text for each of so many customers, and one more."""
    from django.utils import timezone

    from campaigns.models import Campaign, Message
    from campaigns.services import campaigns, policy
    from customers.models import Consent, Customer

    now = timezone.now()
    moments = {"happened_at": now, "recorded_at": now}
    people = Customer.objects.bulk_create(
        Customer(phone=f"+33600{n:06d}", first_name=f"Ada {n}", changed_at=now, **moments)
        for n in range(size + 1)
    )
    Consent.objects.bulk_create(
        Consent(customer=one, channel="sms", is_granted=True, source="bench", **moments)
        for one in people
    )
    policy.change(user=None, now=now, quiet_hours={})  # it may be night where this runs
    campaign = campaigns.create(
        user=None, now=now, name="Texts", channel="sms", subject="", body="", holdout_share=0.0,
        text="Hello {{ customer.first_name }}, the sale is on: https://shop.example/sale",
    )  # fmt: skip
    Campaign.objects.filter(pk=campaign.pk).update(state="sending", launched_at=now)
    Message.objects.bulk_create(
        Message(campaign=campaign, customer=one, channel="sms", planned_at=now, due_at=now)
        for one in people
    )
    return campaign


def bare(count: int) -> float:
    """Texts a second as a plain loop sends them."""
    began = time.monotonic()
    for number in range(count):
        asked = {"from": "13013", "to": f"+33700{number:06d}", "text": "Hello, the sale is on"}
        urllib.request.urlopen(f"{SEND}&{urllib.parse.urlencode(asked)}").read()
    return count / (time.monotonic() - began)


def measure(size: int, root: Path, folder: Path) -> dict[str, float]:
    from django.utils import timezone

    from campaigns.channels import reports
    from campaigns.models import Message
    from campaigns.services import arrivals, delivery
    from customers.services import consent

    campaign = make_campaign(size)
    stopper = Message.objects.get(customer__phone=STOPPER)
    found: dict[str, float] = {}

    def count(**given: object) -> int:
        return Message.objects.filter(campaign=campaign, **given).count()

    def delivered() -> bool:
        arrivals.place_waiting(now=timezone.now())
        return count(state="delivered") == size

    with site(), Kannel(root, folder, reports.inbound_url("kannel")) as kannel:
        centre = kannel.texted("STOP")
        found["stop_seconds"] = wait(
            lambda: bool(consent.suppressed([STOPPER], channel="sms")), "STOP"
        )
        assert not consent.allows(stopper.customer_id, "sms", "marketing")
        wait(lambda: "no more messages" in kannel.heard("STOP"), "the answer to STOP")

        began = time.monotonic()
        while count(state="planned"):
            delivery.deliver(campaign.pk)
            campaign.refresh_from_db()
            if campaign.state == "paused":
                raise SystemExit(f"The campaign paused: {campaign.state_reason}")
        found["send_seconds"] = time.monotonic() - began
        wait(delivered, "the delivery reports", 120)
        found["delivered_seconds"] = time.monotonic() - began
        found["sent"] = count(sent_at__isnull=False)
        found["delivered"] = count(state="delivered")
        found["stopped_and_skipped"] = count(reason="suppressed")
        heard = re.findall(r"\+33600(\d{6}) text", kannel.heard("STOP"))
        heard = [one for one in heard if one != "000000"]
        found["texts_at_the_centre"], found["twice"] = len(heard), len(heard) - len(set(heard))
        found["bare_a_second"] = bare(BARE)

        centre.terminate()
        centre.wait(5)
        kannel.texted("START")
        found["start_seconds"] = wait(
            lambda: consent.allows(stopper.customer_id, "sms", "marketing"), "START"
        )
        assert not consent.suppressed([STOPPER], channel="sms")
    found["a_second"] = size / found["send_seconds"]
    found["ratio_to_bare"] = found["a_second"] / found["bare_a_second"]
    found["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return found


def show(size: int, found: dict[str, float]) -> None:
    print(f"{'what':44} {'seconds':>9} {'a second':>9}")
    sent = found["send_seconds"]
    print(f"{f'{size:,} texts handed over, full ledger':44} {sent:9.2f} {found['a_second']:9.0f}")
    whole = found["delivered_seconds"]
    print(f"{'… and every delivery report recorded':44} {whole:9.2f} {size / whole:9.0f}")
    each = BARE / found["bare_a_second"]
    print(f"{f'{BARE:,} bare requests, no ledger':44} {each:9.2f} {found['bare_a_second']:9.0f}")
    print(
        f"sent {found['sent']:,}, delivered {found['delivered']:,}, skipped after STOP "
        f"{found['stopped_and_skipped']}, twice {found['twice']}; ratio to bare "
        f"{found['ratio_to_bare']:.2f}; peak {found['peak_mib']:.0f} MiB"
    )
    print(json.dumps({name: round(value, 3) for name, value in found.items()}))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help=f"{FULL:,} texts")
    parser.add_argument("--inside", metavar="FOLDER", help=argparse.SUPPRESS)
    given = parser.parse_args()
    size = FULL if given.full else SMALL
    if given.inside:
        folder = Path(given.inside)
        os.environ |= {
            "SITE_URL": SITE,
            "SMS_URL": f"kannel://{USER}:{PASSWORD}@127.0.0.1:23013/?from=13013",
            "LOG_LEVEL": "WARNING",
        }
        with servers():
            from django.db import connections

            try:
                show(size, measure(size, folder / "kannel", folder))
            finally:
                connections.close_all()  # PostgreSQL waits for them before it stops
        return 0
    folder = Path(tempfile.mkdtemp(prefix="rapport-kannel-"))
    try:
        unpack(folder)
        return in_own_network(["--inside", str(folder), *(["--full"] if given.full else [])])
    except CannotMeasure as reason:
        print(f"Not measured: {reason}.")
        print(json.dumps({"skipped": str(reason)}))
        return 0
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    raise SystemExit(main())
