"""One peer at work, in its own environment: `peer.py NAME EVENTS`. Prints `RATE events-per-second`."""

import asyncio
import os
import subprocess
import sys
import time
import uuid

import psycopg

DATABASE, REDIS = os.environ["PEER_DATABASE"], os.environ["PEER_REDIS"]
TABLES = ("effects_a", "effects_b", "effects_c")
connection = psycopg.connect(DATABASE, autocommit=True)


def prepare() -> None:
    for table in TABLES:
        connection.execute(f"create table if not exists {table}(event_id uuid, number int)")


def event_id(number: int) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, str(number)))


def handle(table: str, of_event: str, number: int) -> None:
    connection.execute(f"insert into {table}(event_id, number) values (%s, %s)", (of_event, number))


def handle_all(of_event: str, number: int) -> None:
    """What the engine does for an event, in one transaction as well."""
    with connection.transaction():
        for table in TABLES:
            handle(table, of_event, number)


def done() -> int:
    with psycopg.connect(DATABASE) as other:
        return other.execute("select count(*) from effects_c").fetchone()[0]


def wait(events: int) -> None:
    while done() < events:
        time.sleep(0.02)


def rq(events: int) -> float:
    import logging

    from redis import Redis
    from rq import Queue, SimpleWorker

    logging.disable(logging.WARNING)
    redis = Redis(unix_socket_path=REDIS)
    queue = Queue("peer", connection=redis)
    import peer

    for number in range(events):
        for table in TABLES:
            queue.enqueue_call(peer.handle, (table, event_id(number), number), result_ttl=0)
    began = time.perf_counter()
    SimpleWorker([queue], connection=redis).work(burst=True, logging_level="ERROR")
    return time.perf_counter() - began


def huey(events: int) -> float:
    from huey import RedisHuey
    from redis import ConnectionPool, UnixDomainSocketConnection

    pool = ConnectionPool(connection_class=UnixDomainSocketConnection, path=REDIS)
    queue = RedisHuey("peer", connection_pool=pool, results=False)
    task = queue.task()(handle_all)
    for number in range(events):
        task(event_id(number), number)
    consumer = queue.create_consumer(workers=1, periodic=False, check_worker_health=False)
    began = time.perf_counter()
    consumer.start()
    wait(events)
    took = time.perf_counter() - began
    consumer.stop(graceful=False)
    return took


def celery_application():
    from celery import Celery

    app = Celery("peer", broker=f"redis+socket://{REDIS}?virtual_host=0")
    app.conf.update(task_ignore_result=True, task_acks_late=True, worker_prefetch_multiplier=100)
    app.task(name="peer.handle_all")(handle_all)
    return app


def __getattr__(name: str):
    # `celery -A peer:celery_app` asks for it; the other peers have no Celery to make one of.
    if name == "celery_app":
        return celery_application()
    raise AttributeError(name)


def celery(events: int) -> float:
    task = celery_application().tasks["peer.handle_all"]
    for number in range(events):
        task.delay(event_id(number), number)
    command = [sys.executable, "-m", "celery", "-A", "peer:celery_app", "worker", "--pool=solo"]
    quiet = ["--without-heartbeat", "--without-gossip", "--without-mingle", "--loglevel=ERROR"]
    with subprocess.Popen([*command, *quiet], cwd=os.path.dirname(os.path.abspath(__file__))) as worker:  # noqa: PTH100, PTH120
        wait(1)
        first, began = done(), time.perf_counter()
        wait(events)
        took = time.perf_counter() - began
        worker.kill()
    return took * events / max(1, events - first)


def procrastinate(events: int) -> float:
    import procrastinate as library

    app = library.App(connector=library.PsycopgConnector(conninfo=DATABASE))
    task = app.task(name="handle_all")(handle_all)

    async def run() -> float:
        async with app.open_async():
            await app.schema_manager.apply_schema_async()
            for number in range(events):
                await task.defer_async(of_event=event_id(number), number=number)
            began = time.perf_counter()
            await app.run_worker_async(wait=False, concurrency=1, install_signal_handlers=False)
            return time.perf_counter() - began

    return asyncio.run(run())


def pgqueuer(events: int) -> float:
    import json

    from pgqueuer.db import PsycopgDriver
    from pgqueuer.qm import QueueManager
    from pgqueuer.queries import Queries
    from pgqueuer.types import QueueExecutionMode

    async def run() -> float:
        async with await psycopg.AsyncConnection.connect(DATABASE, autocommit=True) as own:
            driver = PsycopgDriver(own)
            queries = Queries(driver)
            await queries.install()
            payloads = [json.dumps([event_id(number), number]).encode() for number in range(events)]
            await queries.enqueue(["handle_all"] * events, payloads, [0] * events)
            manager = QueueManager(queries)

            @manager.entrypoint("handle_all")
            async def work(job):
                handle_all(*json.loads(job.payload))

            began = time.perf_counter()
            await manager.run(mode=QueueExecutionMode.drain, batch_size=100)
            return time.perf_counter() - began

    return asyncio.run(run())


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120 - jobs name this module
    prepare()
    name, count = sys.argv[1], int(sys.argv[2])
    took = {"rq": rq, "huey": huey, "celery": celery, "procrastinate": procrastinate, "pgqueuer": pgqueuer}[name](count)
    assert done() >= count
    print(f"RATE {count / took:.0f}", flush=True)
    os._exit(0)
