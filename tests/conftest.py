"""Real servers for every test: PostgreSQL, Redis, SMTP, a Celery worker, a browser."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from django.conf import settings
from django.db import transaction
from django.test import TransactionTestCase

from rapport.embedded import Services, cache_url

ROOT = Path(__file__).resolve().parents[1]
SHARED_DATA = ROOT.parent / "shared" / "data"
CHROMIUM = (
    os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
)

# The longest go first: the last of them would else keep one process busy while the others idle.
LONGEST = ("test_tutorial.py", "test_demo.py", "test_learning_browser.py", "test_delivery_crash.py")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name not in LONGEST)
    if not os.environ.get("RAPPORT_LONG"):
        left_out = [item for item in items if item.get_closest_marker("long")]
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)


def pytest_configure(config: pytest.Config) -> None:
    """Start the embedded servers: each test process has its own (`settings.RAPPORT_HOME`).

    A transaction that is open in one process would else hold back what waits, cluster-wide, for
    all older ones to end.  Where the addresses are given, processes share PostgreSQL, and each has
    a Redis database of its own.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if not worker and config.getoption("dist", "no") != "no":
        return  # hands out tests and runs none
    if not settings.DATABASE_URL or not settings.REDIS_URL:
        settings.SERVICES.hold(
            postgres=not settings.DATABASE_URL, valkey=not settings.REDIS_URL, fast=True
        )
    number = 1 + int(worker.removeprefix("gw") or 0) % 15
    broker = settings.BROKER_URL
    if broker.startswith("redis+socket"):
        broker = f"{broker.split('?')[0]}?virtual_host={number}"
    else:
        broker = f"{broker.rsplit('/', 1)[0] if broker.count('/') > 2 else broker}/{number}"
    settings.BROKER_URL = settings.CELERY_BROKER_URL = broker


def database_url() -> str:
    """The address of the database that the current test uses, for programs it starts."""
    from django.db import connection

    found = connection.settings_dict
    user = quote(found["USER"] or "", safe="")
    password = f":{quote(found['PASSWORD'], safe='')}" if found["PASSWORD"] else ""
    port = f":{found['PORT']}" if found["PORT"] else ""
    host = quote(found["HOST"] or "", safe="")
    return f"postgres://{user}{password}@{host}{port}/{found['NAME']}"


def program_environment(**more: str) -> dict[str, str]:
    """The environment in which a program we start sees what the test sees."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "platform")])
    return {
        **os.environ,
        "PYTHONPATH": path,
        "DJANGO_SETTINGS_MODULE": "rapport.settings",
        "DATABASE_URL": database_url(),
        "REDIS_URL": settings.BROKER_URL,
        "RAPPORT_HOME": str(settings.RAPPORT_HOME),
        **more,
    }


def wait_until(ready, *, seconds: float = 30.0, what: str = "it") -> None:
    """Poll ``ready`` until it is true; fail with a word when it stays false."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if ready():
            return
        time.sleep(0.05)
    pytest.fail(f"{what} did not happen within {seconds} s")


# What migrations leave behind: the same for every test, so no test need make it anew.
STANDING = {
    "auth_group", "auth_group_permissions", "auth_permission", "django_content_type",
    "django_migrations",
}  # fmt: skip


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker) -> None:
    """The test database, and a copy of the rows that a new installation has."""
    from django.db import connection

    with django_db_blocker.unblock(), connection.cursor() as cursor:
        names = connection.introspection.django_table_names(only_existing=True, include_views=False)
        tables = sorted(set(names) - STANDING)
        cursor.execute("CREATE SCHEMA IF NOT EXISTS standing")
        for name in _with_rows(cursor, tables):
            cursor.execute(f'CREATE TABLE IF NOT EXISTS standing."{name}" AS TABLE "{name}"')


def _with_rows(cursor, tables: list[str]) -> list[str]:
    asked = (f"SELECT '{name}' WHERE EXISTS (SELECT FROM \"{name}\")" for name in tables)
    cursor.execute(" UNION ALL ".join(asked))
    return [name for (name,) in cursor.fetchall()]


@pytest.fixture(autouse=True, scope="session")
def quick_flush() -> Iterator[None]:
    """After a test that commits, delete the rows that it left, and put back what had stood there.

    Django truncates every table and tells all apps that they were migrated just now, which costs
    more than most tests.
    """
    tables: list[str] = []
    standing: list[str] = []

    def delete_rows(_case) -> None:
        from django.db import connection

        with transaction.atomic(), connection.cursor() as cursor:
            if not tables:
                names = connection.introspection.django_table_names(
                    only_existing=True, include_views=False
                )
                tables.extend(sorted(set(names) - STANDING))
                cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'standing'")
                standing.extend(name for (name,) in cursor.fetchall())
            for name in _with_rows(cursor, tables):
                cursor.execute(f'DELETE FROM "{name}"')
            for name in standing:
                cursor.execute(f'INSERT INTO "{name}" SELECT * FROM standing."{name}"')

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", delete_rows)
        yield


@pytest.fixture(autouse=True)
def tells_at_once(monkeypatch):
    """However fast calls follow one another, in tests nothing is told by a timer later."""
    from customers.services.tracking import gathering

    monkeypatch.setattr(gathering, "AT_ONCE_A_SECOND", 10**9)


@pytest.fixture(autouse=True)
def fresh_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages keep no figure between tests, however slow the machine is."""
    monkeypatch.setattr("rapport.web.dashboard.SLOW_SECONDS", float("inf"))


@pytest.fixture
def start_worker(transactional_db) -> Iterator:
    """Start real Celery workers: ``start_worker(EMAIL_URL=…)`` returns the process."""
    started: list[subprocess.Popen] = []

    def start(*, concurrency: int = 1, beat: bool = False, **environment: str) -> subprocess.Popen:
        command = [sys.executable, "-m", "celery", "-A", "rapport", "worker", "-l", "warning"]
        command += ["-Q", "realtime,dispatch,train,default", "-c", str(concurrency)]
        command += ["--without-gossip", "--without-mingle", "-n", f"w{len(started)}@{os.getpid()}"]
        if beat:
            schedule = settings.RAPPORT_HOME / f"beat-{os.getpid()}"
            schedule.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # with servers elsewhere
            command += ["-B", "-s", str(schedule)]
        process = subprocess.Popen(
            command, env=program_environment(**environment), cwd=ROOT, start_new_session=True
        )
        started.append(process)
        return process

    _empty_broker()
    yield start
    for process in started:
        if process.poll() is None:
            process.terminate()
    for process in started:
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)
    _empty_broker()


def _empty_broker() -> None:
    from redis import Redis

    with Redis.from_url(cache_url(settings.BROKER_URL)) as redis:
        redis.flushdb()


@pytest.fixture
def shared_data() -> Path:
    """The folder of public data sets; tests that need it are skipped, in words, where it is not."""
    if not SHARED_DATA.exists():
        pytest.skip(f"the public data sets are not at {SHARED_DATA}")
    return SHARED_DATA


@pytest.fixture(scope="session")
def chromium() -> Iterator:
    """A headless Chromium."""
    if not CHROMIUM:
        pytest.skip("no Chromium found: install the chromium package or set CHROMIUM to its path")
    from playwright.sync_api import sync_playwright

    # Its loop runs in this thread, which Django from then on takes for asynchronous code.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield browser
        browser.close()


@pytest.fixture
def short_home() -> Iterator[Path]:
    """A data folder of its own for programs that start embedded servers; stopped at the end.

    Not one of pytest's: those are closed to the user that the servers run as, again and again.
    """
    folder = Path(tempfile.mkdtemp(prefix="rapport-test-"))
    folder.chmod(0o755)
    yield folder / "home"
    Services(folder / "home").stop()
    shutil.rmtree(folder)
