"""Kill worker, PostgreSQL, Valkey and the mail server at random moments, and count what is sent.

``python bench/crash.py`` kills 12 times; ``--full`` 200 times, with ``--kills`` as often as wished.
Between the kills the campaign is paused and resumed.  The mail server itself answers 421, 450 and
550, drops connections before and after it took a message, and stalls (see ``_smtp.py``).

Whoever is killed is started again, as systemd or Docker would; nothing else is done.  In the end
nothing may have arrived twice, nobody may be lost, and each row must say what became of it.
"""

import argparse
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import _embedded

HERE = Path(__file__).resolve().parent
SMALL, FULL = 12, 200
MESSAGES_EACH = 30  # for one kill
GROUP_MOST = 20
WORKERS = 2
PAUSE_EACH = 8  # kills
VICTIMS = ("worker", "worker", "smtp", "smtp", "postgres", "valkey")
STEP_SECONDS = 20  # then the next kill comes, progress or not
PAUSE_SECONDS = 2.0  # after it nothing new may be handed over
END_SECONDS = 900


class Nursery:
    """A process that has imported everything and forks workers from itself: real Celery workers,
    each a group of processes, without the seconds that importing takes.
    """

    def __init__(self, home: Path, port: int) -> None:
        asked, self._ask = os.pipe()
        self._answer, answers = os.pipe()
        self._pid = os.fork()
        if not self._pid:
            os.close(self._ask)
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)
            while number := os.read(asked, 1):
                pid = os.fork()
                if not pid:
                    _work(int(number), home, port)
                os.write(answers, pid.to_bytes(8, "big"))
            os._exit(0)

    def worker(self, number: int) -> int:
        os.write(self._ask, str(number).encode())
        return int.from_bytes(os.read(self._answer, 8), "big")

    def close(self) -> None:
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)


def _work(number: int, home: Path, port: int) -> None:
    """Be a worker, for ever."""
    from django.conf import settings

    from rapport.celery import app

    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    log = os.open(home / f"worker-{number}.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    settings.EMAIL_URL = f"smtp://127.0.0.1:{port}"
    settings.DELIVERY_BATCH_SIZE = GROUP_MOST
    words = ["worker", "-l", "error", "-Q", "realtime,dispatch,default", "-c", "1", "-B"]
    words += ["-n", f"w{number}@crash", "-s", str(home / f"beat-{number}")]
    try:
        app.worker_main([*words, "--without-gossip", "--without-mingle"])
    finally:
        os._exit(1)


class Machine:
    """Everything that can be killed."""

    def __init__(self, services: Any, home: Path, seed: int) -> None:
        self.services, self.home, self.seed = services, home, seed
        self.log = home / "taken.log"
        self.log.touch()
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.nursery = Nursery(home, self.port)
        self.workers: list[int] = []
        self.kills: Counter[str] = Counter()

    def start(self) -> None:
        self._start_smtp()
        self.workers = [self.nursery.worker(number) for number in range(WORKERS)]

    def kill(self, what: str, chance: random.Random) -> None:
        """Kill one at this moment; start it again a moment later."""
        self.kills[what] += 1
        if what == "worker":
            number = chance.randrange(WORKERS)
            self._kill_worker(number)
            self.workers[number] = self.nursery.worker(number)
        elif what == "smtp":
            self.smtp.kill()
            self.smtp.wait(10)
            time.sleep(chance.random())
            self._start_smtp()
        else:
            self.services.kill(what)
            time.sleep(chance.random() / 2)
            self._start_service(what)

    def stop(self) -> None:
        for number in range(WORKERS):
            self._kill_worker(number)
        self.nursery.close()
        self.smtp.kill()
        self.smtp.wait(10)

    def taken(self) -> list[int]:
        return [int(line) for line in self.log.read_bytes().split()]

    def _start_smtp(self) -> None:
        self.seed += 1
        words = [sys.executable, str(HERE / "_smtp.py"), str(self.port), str(self.log)]
        self.smtp = subprocess.Popen([*words, str(self.seed)])

    def _start_service(self, what: str) -> None:
        from rapport.embedded import EmbeddedError

        until = time.monotonic() + 60
        while True:
            try:
                self.services.ensure(postgres=what == "postgres", valkey=what == "valkey")
                return
            except EmbeddedError:  # the old processes are not all gone yet
                if time.monotonic() > until:
                    raise
                time.sleep(0.5)

    def _kill_worker(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.workers[number], signal.SIGKILL)


def patiently(work: Any) -> Any:
    """Do something with the database, however often it has just been killed."""
    from django.db import DatabaseError, InterfaceError, connection

    until = time.monotonic() + 60
    while True:
        try:
            return work()
        except (DatabaseError, InterfaceError):
            if time.monotonic() > until:
                raise
            connection.close()
            time.sleep(0.2)


def finals() -> int:
    from campaigns.models import Message

    return patiently(lambda: Message.objects.exclude(state__in=["planned", "sending"]).count())


def state() -> str:
    from campaigns.models import Campaign

    return patiently(lambda: Campaign.objects.get().state)


def move(act: Any, expected: str) -> None:
    """Pause or resume, until the row says so."""
    from django.utils import timezone

    from campaigns.models import Campaign
    from rapport.errors import Conflict

    while state() != expected:
        try:
            patiently(lambda: act(Campaign.objects.get(), user=None, now=timezone.now()))
        except Conflict:
            return


def pause_and_resume(machine: Machine) -> float:
    """Pause, wait, resume; the seconds for which messages still arrived after the pause."""
    from campaigns.services import delivery

    move(delivery.pause, "paused")
    paused, seen, last = time.monotonic(), len(machine.taken()), 0.0
    while time.monotonic() - paused < PAUSE_SECONDS + 1:
        time.sleep(0.02)
        if (count := len(machine.taken())) > seen:
            seen, last = count, time.monotonic() - paused
    move(delivery.resume, "sending")
    return last


def attack(machine: Machine, kills: int, chance: random.Random) -> dict[str, Any]:
    """Kill that often, each somewhere within the next share of the messages."""
    pauses: list[float] = []
    breaker = 0
    victims = [VICTIMS[number % len(VICTIMS)] for number in range(kills)]
    chance.shuffle(victims)
    for number, victim in enumerate(victims, 1):
        goal, until = finals() + chance.randrange(1, MESSAGES_EACH), time.monotonic() + STEP_SECONDS
        while finals() < goal and time.monotonic() < until:
            time.sleep(0.02)
        time.sleep(chance.random() / 10)
        machine.kill(victim, chance)
        if state() == "paused":
            breaker += 1
            resume()
        if number % PAUSE_EACH == 0:
            pauses.append(pause_and_resume(machine))
        print(f"\r{number}/{kills} kills, {finals():,} final", end="", file=sys.stderr, flush=True)
    return {"pauses": pauses, "breaker": breaker}


def resume() -> None:
    from campaigns.services import delivery

    move(delivery.resume, "sending")


def judge(machine: Machine, people: int) -> dict[str, Any]:
    from campaigns.models import Message

    rows = list(Message.objects.values_list("pk", "state", "reason"))
    arrived = Counter(machine.taken())
    sent = {pk for pk, state, _reason in rows if state == "sent"}
    unknown = {pk for pk, state, _reason in rows if state == "unknown"}
    return {
        "messages": people,
        "arrived": len(arrived),
        "duplicates": sum(n - 1 for n in arrived.values()),
        "lost": len(sent - arrived.keys()) + people - len(rows),
        "unfinished": sum(state in ("planned", "sending") for _pk, state, _reason in rows),
        "arrived_unaccounted": len(arrived.keys() - sent - unknown),
        "states": dict(Counter(f"{state}:{reason}".rstrip(":") for _pk, state, reason in rows)),
    }


def run(kills: int, seed: int) -> dict[str, Any]:
    import send

    chance = random.Random(seed)
    people = kills * MESSAGES_EACH
    with _embedded.servers() as services:
        from django.conf import settings

        from campaigns.models import Coupon
        from rapport.celery import app

        app.loader.import_default_modules()
        machine = Machine(services, Path(settings.RAPPORT_HOME), seed * 1_000)
        send.fill(people)
        send.make_campaign()
        Coupon.objects.update(expires_at=datetime.now(UTC) + timedelta(days=1))
        began = time.monotonic()
        try:
            machine.start()
            told = attack(machine, kills, chance)
            until = time.monotonic() + END_SECONDS
            while state() != "finished" and time.monotonic() < until:
                if state() == "paused":
                    told["breaker"] += 1
                    resume()
                time.sleep(0.5)
            found = judge(machine, people)
        finally:
            machine.stop()
    return {
        "bench": "crash",
        "kills": sum(machine.kills.values()),
        "victims": dict(machine.kills),
        "seconds": round(time.monotonic() - began),
        "pauses": len(told["pauses"]),
        "arrived_after_a_pause_seconds": round(max(told["pauses"], default=0.0), 2),
        "paused_by_the_breaker": told["breaker"],
        **found,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--full", action="store_true", help=f"{FULL} kills instead of {SMALL}")
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    found = run(given.kills or (FULL if given.full else SMALL), given.seed)
    print(f"\n{found['kills']} kills {found['victims']} in {found['seconds']} s")
    for what, count in sorted(found["states"].items()):
        print(f"{what:28}{count:>8,}")
    is_good = not (
        found["duplicates"] or found["lost"] or found["unfinished"] or found["arrived_unaccounted"]
    )
    print(
        f"{found['duplicates']} duplicates, {found['lost']} lost, {found['unfinished']} unfinished"
    )
    print(json.dumps({**found, "ratio": 1.0 if is_good else 0.0}))
    return 0 if is_good else 1


if __name__ == "__main__":
    raise SystemExit(main())
