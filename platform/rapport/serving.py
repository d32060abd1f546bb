"""Keep web, worker and beat running on this machine, with the embedded servers under them."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from django.conf import settings

from rapport.diagnosis import QUEUES
from rapport.embedded import EmbeddedError

LOOK_EVERY_SECONDS = 1.0
STOP_SECONDS = 20
RESTARTS_MOST = 5  # of one program, before the reason is worth a person's look


class CannotServe(RuntimeError):
    """The programs do not stay up; the message says which and where its log is."""


def free_port(wanted: int) -> int:
    """``wanted``, or the next port that nobody listens on."""
    for port in range(wanted, wanted + 50):
        with socket.socket() as link:
            if link.connect_ex(("127.0.0.1", port)):
                return port
    raise CannotServe(f"No free port from {wanted} to {wanted + 49}: give one with --port.")


def commands(port: int, *, reload: bool = False) -> dict[str, list[str]]:
    """The programs of one machine, by name."""
    python = [sys.executable, "-m"]
    web = ["gunicorn", "rapport.wsgi:application", "--bind", f"127.0.0.1:{port}"]
    web += ["--workers", "2", "--threads", "4", "--log-level", "warning"]
    worker = ["celery", "-A", "rapport", "worker", "--loglevel", "warning", "--concurrency", "2"]
    worker += ["--queues", ",".join(QUEUES), "--without-gossip", "--without-mingle"]
    schedule = settings.RAPPORT_HOME / "beat-schedule"
    beat = ["celery", "-A", "rapport", "beat", "--loglevel", "warning", "--schedule", str(schedule)]
    beat += ["--pidfile", ""]
    return {
        "web": [*python, *web, *(["--reload"] if reload else [])],
        "worker": [*python, *worker],
        "beat": [*python, *beat],
    }


def environment() -> dict[str, str]:
    root = settings.BASE_DIR
    path = os.pathsep.join([str(root), str(root / "platform"), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "PYTHONPATH": path, "DJANGO_SETTINGS_MODULE": "rapport.settings"}


def wait_for_web(port: int, *, seconds: float = 60) -> None:
    """Return when the web server answers its health check."""
    from urllib.error import URLError
    from urllib.request import urlopen

    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            with urlopen(f"http://127.0.0.1:{port}/health/", timeout=5):
                return
        except (URLError, OSError):
            time.sleep(0.1)
    raise CannotServe(f"The web server did not answer within {seconds:.0f} s.")


def serve(port: int, *, ready: Callable[[], None], reload: bool = False) -> None:
    """Run all programs until Ctrl-C or SIGTERM; a program that dies is started again.

    ``ready`` is called once when the web server answers.
    """
    # Whoever stops us, the programs must be told, or they would outlive us.
    signal.signal(signal.SIGTERM, _interrupt)
    logs = settings.RAPPORT_HOME / "logs"
    logs.mkdir(mode=0o700, parents=True, exist_ok=True)
    wanted = commands(port, reload=reload)
    running = {name: _start(name, words, logs) for name, words in wanted.items()}
    restarts = dict.fromkeys(wanted, 0)
    try:
        wait_for_web(port)
        ready()
        while True:
            time.sleep(LOOK_EVERY_SECONDS)
            _keep_services()
            for name, process in running.items():
                if process.poll() is None:
                    continue
                restarts[name] += 1
                if restarts[name] > RESTARTS_MOST:
                    raise CannotServe(f"{name} died {RESTARTS_MOST} times: see {logs / name}.log")
                print(f"{name} ended ({process.returncode}) and is started again", file=sys.stderr)
                running[name] = _start(name, wanted[name], logs)
    except KeyboardInterrupt:
        print("\nStopping", file=sys.stderr)
    finally:
        _stop(running)


def _keep_services() -> None:
    embedded = {"postgres": not settings.DATABASE_URL, "valkey": not settings.REDIS_URL}
    try:
        if any(embedded.values()):
            settings.SERVICES.ensure(**embedded)
    except EmbeddedError as error:
        print(error, file=sys.stderr)


def _start(name: str, words: list[str], logs: Path) -> subprocess.Popen:
    with (logs / f"{name}.log").open("ab") as log:
        # A session of its own: Ctrl-C reaches us first, and we stop the others in order.
        return subprocess.Popen(
            words,
            cwd=settings.BASE_DIR,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _stop(running: dict[str, subprocess.Popen]) -> None:
    for process in running.values():
        if process.poll() is None:
            process.terminate()
    for process in running.values():
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(5)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
