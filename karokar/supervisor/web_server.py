"""Settings of gunicorn, under `bin/up` and in production: `gunicorn --config python:karokar.supervisor.web_server`."""

import os
import sys
from typing import Any

from karokar import safety
from karokar.config import ConfigError, load_config
from karokar.kernel.processes.memory import keep_what_is_loaded
from karokar.supervisor.process import die_with_parent

worker_class = "karokar.supervisor.web_worker.WholeRequestWorker"
workers = 2
threads = 4
# The application is loaded once, before the workers are forked; loading opens no connection.
preload_app = True
# A worker silent for this long is frozen: gunicorn ends it and starts another.
timeout = 10
graceful_timeout = 4
control_socket_disable = True
# Sockets for gunicorn's own heartbeat files must not wait for a disk.
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: S108, PTH112 -- gunicorn makes unique files


def on_starting(server: Any) -> None:
    """Refuse an address at which others would reach the demo, and say what is not as safe as it could be."""
    try:
        config = load_config()
        safety.refuse_demo_listening(config, tuple(each[0] for each in server.address if isinstance(each, tuple)))
    except ConfigError as error:
        sys.exit(f"KaroKar did not start: {error}")
    for sentence in safety.list_warnings(config):
        server.log.warning(sentence)


def when_ready(_server: Any) -> None:
    """Before workers are forked: what is loaded is theirs for good."""
    keep_what_is_loaded()


def post_fork(server: Any, _worker: Any) -> None:
    """End a worker whose server was killed, so that nobody serves beside the next one."""
    die_with_parent(parent=server.pid)
