"""What is reachable, in which version, and what to do about each fault."""

import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from rapport.embedded import cache_url

POSTGRES_LEAST = 150_000
QUEUES = ("realtime", "dispatch", "train", "default")
TIMEOUT_SECONDS = 3


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; ``remedy`` says in one sentence what to do where it fails."""

    what: str
    is_good: bool
    found: str
    remedy: str = ""


def examine() -> list[Finding]:
    """Look at everything that Rapport stands on; never raises."""
    database = postgres()
    findings = [environment(), database]
    if database.is_good:
        findings.append(migrations())
    broker = redis()
    findings.append(broker)
    if broker.is_good:
        findings += queues()
    return [*findings, mail()]


def environment() -> Finding:
    is_default = settings.SECRET_KEY == settings.DEVELOPMENT_SECRET_KEY
    found = f"Rapport {settings.VERSION}, {settings.ENVIRONMENT}, DEBUG {settings.DEBUG}"
    if settings.DEBUG:
        return Finding("Settings", False, found, "Unset DEBUG unless you are looking for a fault.")
    return Finding("Settings", True, f"{found}{', development key' if is_default else ''}")


def postgres() -> Finding:
    kind = "server" if settings.DATABASE_URL else "embedded"
    try:
        with connection.cursor() as cursor:
            cursor.execute("SHOW server_version_num")
            number = int(cursor.fetchone()[0])
            cursor.execute("SHOW server_version")
            version = cursor.fetchone()[0]
    except DatabaseError as error:
        remedy = (
            "Check DATABASE_URL and that the server accepts connections from here."
            if settings.DATABASE_URL
            else "Start it with `make dev`, or set DATABASE_URL to a server of your own."
        )
        return Finding("PostgreSQL", False, f"{kind}: {_first_line(error)}", remedy)
    if number < POSTGRES_LEAST:
        return Finding("PostgreSQL", False, f"{kind} {version}", "Upgrade it to 15 or newer.")
    return Finding("PostgreSQL", True, f"{kind} {version}")


def migrations() -> Finding:
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if plan:
        remedy = "Run `python manage.py migrate`."
        return Finding("Migrations", False, f"{len(plan)} not applied", remedy)
    return Finding("Migrations", True, "all applied")


def redis() -> Finding:
    kind = "server" if settings.REDIS_URL else "embedded"
    try:
        with _redis() as client:
            info = client.info()
            policy = info.get("maxmemory_policy", "unknown")
            keeps = bool(info.get("aof_enabled"))
    except (RedisError, OSError) as error:
        remedy = (
            "Check REDIS_URL and that the server runs."
            if settings.REDIS_URL
            else "Start it with `make dev`, or set REDIS_URL to a server of your own."
        )
        return Finding("Redis", False, f"{kind}: {_first_line(error)}", remedy)
    name = "Valkey" if "valkey_version" in info else "Redis"
    version = info.get("valkey_version") or info.get("redis_version")
    found = f"{kind} {name} {version}, {'keeps' if keeps else 'does not keep'} its queue on disk"
    if policy != "noeviction":
        remedy = "Set maxmemory-policy to noeviction, or queued work may be thrown away."
        return Finding("Redis", False, f"{found}, policy {policy}", remedy)
    return Finding("Redis", True, found)


def queues() -> list[Finding]:
    """One finding a queue: how many workers listen, and how much waits."""
    from rapport.celery import app

    try:
        listening = app.control.inspect(timeout=1.0).active_queues() or {}
        with _redis() as client:
            waiting = {queue: int(client.llen(queue)) for queue in QUEUES}
    except (RedisError, OSError) as error:
        return [Finding("Workers", False, _first_line(error), "Check that Redis stays reachable.")]
    findings = []
    for queue in QUEUES:
        workers = sum(
            any(served["name"] == queue for served in theirs) for theirs in listening.values()
        )
        found = f"{workers} workers, {waiting[queue]} tasks waiting"
        remedy = (
            "" if workers else f"Start a worker: `celery -A rapport worker -Q {','.join(QUEUES)}`."
        )
        findings.append(Finding(f"Queue {queue}", bool(workers), found, remedy))
    return findings


def mail() -> Finding:
    if not settings.EMAIL_URL:
        return Finding("Mail", True, "no EMAIL_URL: messages go to the inbox page")
    found = [_mail_server(url) for url in settings.EMAIL_URL.split()]
    words = "; ".join(one.found for one in found)
    remedy = next((one.remedy for one in found if not one.is_good), "")
    return Finding("Mail", all(one.is_good for one in found), words, remedy)


def _mail_server(url: str) -> Finding:
    parts = urlsplit(url)
    if parts.scheme.startswith("anymail+"):
        return Finding("Mail", True, f"{parts.scheme.removeprefix('anymail+')}, by its service")
    host, port = parts.hostname or "localhost", parts.port or 25
    try:
        with socket.create_connection((host, port), timeout=TIMEOUT_SECONDS) as link:
            greeting = link.recv(200).decode(errors="replace").strip()
    except OSError as error:
        remedy = "Check the host and port in EMAIL_URL and the firewall between."
        return Finding("Mail", False, f"{host}:{port}: {_first_line(error)}", remedy)
    return Finding("Mail", True, f"{host}:{port}: {greeting[:60]}")


def _redis() -> Redis:
    # Without this the client retries a refused connection for four seconds.
    return Redis.from_url(
        cache_url(settings.BROKER_URL),
        socket_timeout=TIMEOUT_SECONDS,
        retry=Retry(backoff=NoBackoff(), retries=0),
    )


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n")[0][:160]
