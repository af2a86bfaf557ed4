"""The servers that tests stand on are real, and separate."""

import psycopg
import pytest
import redis


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
