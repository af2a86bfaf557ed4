"""The bell: wakes whoever delivers events. It carries no fact, so a lost one costs a second and nothing else."""

import time
from collections.abc import Callable

from redis import Redis
from redis.exceptions import RedisError
from rq import Queue
from rq.serializers import JSONSerializer

from karokar.kernel.log import get_logger
from karokar.kernel.settings import settings

QUEUE = "events"
JOB = "karokar.outbox.drain.attend"
"""What the job is called in Redis. It names no place in the code: versions before and after this one run side by side
during an update, and work off each other's jobs. So it never changes."""

_BELL = "karokar:bell"
# A bell that was rung and led to nothing may be rung again after this long.
_RINGS_FOR_SECONDS = 5
HELD_FOR_SECONDS = 0.9
# Longer than any drain: ends a handler that hangs.
_JOB_SECONDS = 120
# Whoever clicks must not wait for a Redis that is away: the relay makes up for the bell.
_ANSWERS_WITHIN = 0.25
_QUIET_SECONDS = 2.0

_quiet_until = 0.0


def wake() -> bool:
    """Say that there is something to deliver. Returns whether somebody could be told."""
    return settings().event_bus_dispatcher == "worker" and _with_redis(_ring)


def clear() -> None:
    """Say that whoever delivers is awake: the next ring wakes somebody again."""
    if settings().event_bus_dispatcher == "worker":
        _with_redis(_clear)


def hold() -> bool:
    """Say that somebody is awake and looks by himself, so that rings queue no job. Returns whether it could be said.

    It holds for `HELD_FOR_SECONDS`: a worker that dies awake keeps nobody asleep for longer.
    """
    return settings().event_bus_dispatcher == "worker" and _with_redis(_hold)


def ping() -> bool:
    """Whether Redis answers now."""
    return _with_redis(_ping)


def count_wake_ups() -> int | None:
    """Return how many rings nobody has taken yet; None where Redis does not answer."""
    counts: list[int] = []
    is_there = _with_redis(lambda redis: counts.append(len(_queue(redis))))
    return counts[0] if is_there else None


def _ping(redis: Redis) -> None:
    redis.ping()


def _ring(redis: Redis) -> None:
    if redis.set(_BELL, 1, nx=True, ex=_RINGS_FOR_SECONDS):
        _queue(redis).enqueue_call(JOB, timeout=_JOB_SECONDS, result_ttl=0, failure_ttl=0)


def _queue(redis: Redis) -> Queue:
    # JSON carries no code: see karokar.worker.
    return Queue(QUEUE, connection=redis, serializer=JSONSerializer)


def _clear(redis: Redis) -> None:
    redis.delete(_BELL)


def _hold(redis: Redis) -> None:
    redis.set(_BELL, 1, px=int(HELD_FOR_SECONDS * 1000))


def _with_redis(call: Callable[[Redis], None]) -> bool:
    """Call with the connection; False where there is no Redis, or none that answers."""
    global _quiet_until  # noqa: PLW0603 - a Redis that is away is away for the whole process
    redis = connection()
    if redis is None or time.monotonic() < _quiet_until:
        return False
    try:
        call(redis)
    except (RedisError, OSError) as error:
        _quiet_until = time.monotonic() + _QUIET_SECONDS
        get_logger(__name__).warning("redis_away", reason=str(error))
        return False
    return True


_connections: dict[str, Redis] = {}
"""One client, with its pool of connections, for each address: a process has one."""


def connection() -> Redis | None:
    """Return the client of the Redis that the settings name; None where they name none."""
    url = settings().redis_url
    if url is None:
        return None
    redis = _connections.get(url)
    if redis is None:
        redis = Redis.from_url(url, socket_connect_timeout=_ANSWERS_WITHIN, socket_timeout=_ANSWERS_WITHIN)
        _connections[url] = redis
    return redis
