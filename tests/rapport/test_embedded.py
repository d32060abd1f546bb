"""The embedded servers start from nothing, together, after a kill, and on awkward paths."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import psycopg2
import pytest

from rapport import embedded
from rapport.embedded import EmbeddedError, Services

ROOT = Path(__file__).resolve().parents[2]
HOLD = """
import sys; sys.path.insert(0, {platform!r})
from pathlib import Path
from rapport import embedded
services = embedded.Services(Path({home!r}))
services.hold(fast=True)
print(services.postgres_answers(), services.valkey_answers(), flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def services(short_home):
    return Services(short_home)


def rows(services: Services, sql: str) -> list:
    link = psycopg2.connect(host=str(services.run), user="rapport", dbname="rapport")
    with link, link.cursor() as cursor:
        cursor.execute(sql)
        found = cursor.fetchall() if cursor.description else []
    link.close()
    return found


@pytest.mark.slow
def test_both_servers_survive_kill_9_with_their_data(services):
    services.ensure()
    rows(services, "CREATE TABLE kept (n int)")
    rows(services, "INSERT INTO kept SELECT generate_series(1, 2000)")

    services.kill("postgres")
    services.kill("valkey")
    services.ensure()

    assert rows(services, "SELECT count(*) FROM kept") == [(2000,)]
    assert services.valkey_answers()


@pytest.mark.slow
def test_a_stranger_behind_the_lock_file_stops_nobody(services):
    services.ensure()
    services.stop()
    mine = str(os.getpid())
    (services.postgres_data / "postmaster.pid").write_text(f"{mine}\n")
    (services.run / ".s.PGSQL.5432.lock").write_text(f"{mine}\n")

    services.ensure()

    assert services.postgres_answers()


@pytest.mark.slow
def test_a_path_of_120_characters_and_a_private_folder(short_home):
    folder = short_home.parent
    deep = folder / ("d" * (120 - len(str(folder)) - 1))
    services = Services(deep)
    try:
        services.ensure()
        assert services.postgres_answers() and services.valkey_answers()
        assert stat.S_IMODE(services.home.stat().st_mode) == 0o700
        assert stat.S_IMODE(services.run.stat().st_mode) == 0o700
    finally:
        services.stop()


@pytest.mark.slow
def test_two_callers_share_and_the_last_one_stops_the_servers(short_home):
    home = short_home
    code = HOLD.format(platform=str(ROOT / "platform"), home=str(home))
    callers = [
        subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    assert [caller.stdout.readline().strip() for caller in callers] == ["True True"] * 2

    first, second = callers
    first.communicate("\n")
    services = Services(home)
    assert services.postgres_answers() and services.valkey_answers()

    second.communicate("\n")
    assert not services.postgres_answers() and not services.valkey_answers()


def test_a_folder_of_somebody_else_is_refused(tmp_path, monkeypatch):
    if os.geteuid() != 0:
        pytest.skip("only root can make a folder of somebody else")
    other = tmp_path / "other"
    other.mkdir()
    os.chown(other, 12345, 12345)
    services = Services(tmp_path / "unused")
    with pytest.raises(EmbeddedError, match="belongs to another user"):
        services._private(other)


def test_addresses_touch_nothing(tmp_path):
    services = Services(tmp_path / "nothing")
    assert services.database_url.startswith("postgres://rapport@")
    assert services.redis_url.startswith("redis+socket:///")
    assert not (tmp_path / "nothing").exists()


def test_the_cache_reads_the_broker_address():
    assert embedded.cache_url("redis+socket:///a/s?virtual_host=3") == "unix:///a/s?db=3"
    assert embedded.cache_url("redis://h:1/2") == "redis://h:1/2"


@pytest.mark.slow
def test_data_stay_where_they_are_when_a_folder_above_is_closed(services):
    services.ensure()
    home = services.home
    services.stop()
    above = home.parent
    above.chmod(0o700)

    assert Services(home).home == home


@pytest.mark.parametrize(
    ("memory_gib", "buffers"), [(0.25, "128MB"), (6, "2048MB"), (24, "8192MB"), (96, "8192MB")]
)
def test_the_database_takes_its_share_of_the_memory_and_no_more(memory_gib, buffers):
    assert embedded._sized(int(memory_gib * 2**30))[0] == f"shared_buffers={buffers}"
