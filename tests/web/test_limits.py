"""How often somebody may try, whichever process answers, and whether or not Redis is there."""

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
import redis

from karokar.app import create_app
from karokar.kernel.permissions import public
from karokar.web.requests.limits import limiter
from tests.servers import keeper, valkey


def a_process(config):
    """An application as each process of the web server has it, with a door that lets nobody in."""
    app = create_app(config)

    @app.get("/door")
    @public
    @limiter.limit("3 per hour")
    def door():
        return "No.", 422

    return app.test_client()


@pytest.fixture(autouse=True)
def _as_it_was(app):
    yield
    # The one limiter counts for the application that was made last.
    limiter.init_app(app)


@pytest.fixture
def own_valkey():
    """A server that a test may spoil: other workers' tests use the run's own at the same time."""
    with tempfile.TemporaryDirectory(dir=keeper.run_directory()) as directory, valkey.running(Path(directory)) as path:
        yield f"unix://{path}?db=0"


def test_the_tries_at_all_processes_count_together(config, redis_url):
    first = a_process(replace(config, redis_url=redis_url))
    assert [first.get("/door").status_code for _ in range(2)] == [422, 422]
    second = a_process(replace(config, redis_url=redis_url))
    assert [second.get("/door").status_code for _ in range(3)] == [422, 429, 429]


def test_without_redis_each_process_counts_for_itself(config, tmp_path):
    alone = a_process(replace(config, redis_url=f"unix://{tmp_path}/nobody.sock?db=0"))
    assert [alone.get("/door").status_code for _ in range(4)] == [422, 422, 422, 429]


def test_a_redis_that_cannot_write_fails_no_request(config, own_valkey):
    door = a_process(replace(config, redis_url=own_valkey))
    with redis.Redis.from_url(own_valkey) as connection:
        connection.config_set("min-replicas-to-write", 1)
    assert [door.get("/door").status_code for _ in range(4)] == [422, 422, 422, 429]
