"""`bin/up`: everything on one machine with one command, until Ctrl-C."""

import argparse
import contextlib
import fcntl
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import webbrowser
from collections.abc import Iterator, Mapping
from pathlib import Path

from karokar import safety
from karokar.config import PROJECT, Config, ConfigError, forget_place, load_config, remember
from karokar.kernel.setting_values import HIGHEST_PORT
from karokar.supervisor import process, valkey
from karokar.supervisor.watch import NeverStarted, Part, Question, Watch

# A server that was killed a moment ago may hold its port a little longer.
PORT_FREE_WITHIN = 3.0
REDIS_ANSWERS_WITHIN = 5.0
BACKLOG = 512
ACCOUNTS = (
    ("platform@karokar.example", "runs the platform"),
    ("vendor@karokar.example", "runs a fleet (another: vendor2@)"),
    ("corporate@karokar.example", "books vehicles (another: corporate2@)"),
    ("employee@karokar.example", "drives"),
)


class Stop(Exception):
    """The start cannot go on; the message is one line that says what to do."""


def main() -> int:
    """Run KaroKar until asked to stop; return the exit status."""
    options = _options()
    try:
        _run(options)
    except (Stop, ConfigError, NeverStarted) as error:
        sys.stderr.write(f"KaroKar did not start: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("Stopped.\n")
        return 130
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bin/up", description="Run all of KaroKar on this machine, until Ctrl-C.")
    parser.add_argument("--port", type=_port, default=8000, help="where the console listens (default 8000)")
    parser.add_argument("--host", default="127.0.0.1", help="on which address (default 127.0.0.1: this machine only)")
    parser.add_argument("--data", metavar="DIR", help="where to keep everything (default: var in the project's folder)")
    parser.add_argument("--called-from", default=".", help=argparse.SUPPRESS)  # bin/up: --data is relative to it
    parser.add_argument("--no-demo", action="store_true", help="start without the example data")
    parser.add_argument(
        "--demo-on-network",
        action="store_true",
        help="let others reach the demo, although everybody knows the password of its accounts",
    )
    return parser.parse_args()


def _port(value: str) -> int:
    if not value.isdecimal() or not 0 < int(value) <= HIGHEST_PORT:
        raise argparse.ArgumentTypeError(f"{value} is not a port: give a number from 1 to {HIGHEST_PORT}")
    return int(value)


def _run(options: argparse.Namespace) -> None:
    environ = _environment(options)
    config = load_config(environ)
    safety.refuse_demo_listening(config, (options.host,))
    # A terminal is for people; who looks for refusals finds them beside the data.
    environ.setdefault("KAROKAR_SECURITY_LOG", str(config.data / "security.log"))
    with contextlib.ExitStack() as held:
        held.enter_context(_data_of_ours_alone(config, options))
        listener = held.enter_context(_listener(options))
        run = _run_directory(config)
        held.callback(shutil.rmtree, run, ignore_errors=True)
        needs_redis = config.event_bus_dispatcher == "worker"
        if needs_redis and config.redis_url:
            _check_redis(config.redis_url)
        _prepare(environ, with_demo=config.demo)
        parts: list[Part] = []
        if needs_redis and not config.redis_url:
            socket_path = _socket_path(run, held)
            parts.append(_valkey(config, environ, socket_path))
            environ["REDIS_URL"] = valkey.url(socket_path)
        parts += _parts(environ, run, listener, needs_redis=needs_redis)
        remember(config, environ)
        held.callback(_leave, config, environ)
        held.callback(_close_database, config)
        Watch(parts, _say).run(lambda: _welcome(config, environ))
    _say("Stopped. Start again with bin/up.")


def _leave(config: Config, environ: Mapping[str, str]) -> None:
    # The own Valkey is gone; everything else still finds the same database.
    remember(config, environ if config.redis_url else {k: v for k, v in environ.items() if k != "REDIS_URL"})
    forget_place(config)


def _close_database(config: Config) -> None:
    """The last one to close a SQLite file brings its log home: then the one file is the whole database."""
    if config.is_sqlite:
        with (
            contextlib.suppress(sqlite3.Error),
            contextlib.closing(sqlite3.connect(config.database_url.removeprefix("sqlite:///"))) as connection,
        ):
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _environment(options: argparse.Namespace) -> dict[str, str]:
    environ = dict(os.environ)
    if options.data:
        environ["KAROKAR_DATA"] = str((Path(options.called_from) / Path(options.data).expanduser()).resolve())
    if not environ.get("KAROKAR_BASE_URL"):
        host = "127.0.0.1" if options.host in {"0.0.0.0", "::"} else options.host  # noqa: S104 -- compared, not bound
        environ["KAROKAR_BASE_URL"] = f"http://{f'[{host}]' if ':' in host else host}:{options.port}"
    if options.demo_on_network:
        environ["KAROKAR_DEMO_ON_NETWORK"] = "true"
    if options.no_demo:
        environ["KAROKAR_DEMO"] = "false"
    else:
        environ.setdefault("KAROKAR_DEMO", "true")
        environ.setdefault("KAROKAR_ENVIRONMENT", "demo")
    environ["FLASK_APP"] = "wsgi"
    environ.setdefault("PYTHONUNBUFFERED", "1")
    return environ


# What must be ours ----------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _data_of_ours_alone(config: Config, options: argparse.Namespace) -> Iterator[None]:
    path = config.data / "up.lock"
    try:
        file = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise Stop(f"{path} cannot be written ({error.strerror}). Give another directory with --data.") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            who = file.read().strip() or "another start"
            raise Stop(
                f"it runs already with the data in {config.data} ({who}). "
                "Use that one, stop it, or give another directory with --data."
            ) from None
        file.truncate(0)
        file.write(f"process {os.getpid()}, port {options.port}")
        file.flush()
        yield


@contextlib.contextmanager
def _listener(options: argparse.Namespace) -> Iterator[socket.socket]:
    """Open the port here and hand it on: while the web part is started again, requests wait instead of failing."""
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        deadline = time.monotonic() + PORT_FREE_WITHIN
        while True:
            try:
                listener.bind((options.host, options.port))
                listener.listen(BACKLOG)
                break
            except PermissionError:
                raise Stop(f"port {options.port} may not be opened by this user: choose one with --port.") from None
            except OSError as error:
                if time.monotonic() > deadline or error.errno not in _IN_USE:
                    raise Stop(_port_refused(options, error)) from None
                time.sleep(0.1)
        yield listener


_IN_USE = {98, 48}  # Linux, macOS


def _port_refused(options: argparse.Namespace, error: OSError) -> str:
    if error.errno in _IN_USE:
        return f"port {options.port} is taken by another program: stop it, or choose another with --port."
    return f"{options.host} port {options.port} cannot be opened ({error.strerror}): choose others with --host, --port."


def _run_directory(config: Config) -> Path:
    """Return an empty directory for sockets and signs of life; what a killed start left is removed."""
    run = config.data / "run"
    shutil.rmtree(run, ignore_errors=True)
    run.mkdir(mode=0o700)
    return run


# What must be there ---------------------------------------------------------------------------------------------------


def _check_redis(url: str) -> None:
    # Only the outbox and its workers talk to Redis; this asks with the program that they will use.
    check = subprocess.run(
        [sys.executable, "-m", "karokar.worker"],
        env={**os.environ, "REDIS_URL": url},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
        timeout=REDIS_ANSWERS_WITHIN * 4,
    )
    if check.returncode != 0:
        raise Stop(check.stderr.strip().splitlines()[-1] if check.stderr.strip() else "Redis cannot be reached.")


def _prepare(environ: Mapping[str, str], *, with_demo: bool) -> None:
    command = [sys.executable, "-m", "karokar.supervisor.preparation", *(["--demo"] if with_demo else [])]
    with tempfile.TemporaryFile() as complaints:
        running = process.start(command, env=environ, cwd=PROJECT, error=complaints.fileno())
        try:
            code = running.wait()
        finally:
            process.end(running, within=0)
        if code != 0:
            complaints.seek(0)
            lines = complaints.read().decode(errors="replace").strip().splitlines()
            raise Stop(lines[-1] if lines else f"preparing the database ended with {code}.")


# The parts ------------------------------------------------------------------------------------------------------------


def _socket_path(run: Path, held: contextlib.ExitStack) -> Path:
    path = run / "valkey.sock"
    if len(os.fsencode(path)) <= valkey.LONGEST_SOCKET_PATH:
        return path
    elsewhere = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="karokar-", dir="/tmp")))
    return elsewhere / "valkey.sock"


def _valkey(config: Config, environ: Mapping[str, str], socket_path: Path) -> Part:
    server = valkey.find_server()
    if server is None:
        raise Stop("no Redis or Valkey server fits this machine: install one, or set REDIS_URL to one that runs.")
    directory = config.data / "valkey"
    directory.mkdir(mode=0o700, exist_ok=True)
    return Part(
        name="Valkey",
        command=valkey.command(server, directory=directory, socket_path=socket_path),
        environment=environ,
        directory=directory,
        question=Question(socket_path, b"PING\r\n"),
        is_needed_to_stop=True,
    )


def _parts(
    environ: Mapping[str, str],
    run: Path,
    listener: socket.socket,
    *,
    needs_redis: bool,
) -> list[Part]:
    # A stranger who occupies the server must not be able to have it ended: its workers say themselves that they live.
    heartbeat = run / "web.alive"
    web = Part(
        name="The web server",
        command=(
            *(sys.executable, "-m", "gunicorn", "--config", "python:karokar.supervisor.web_server"),
            *("--bind", f"fd://{listener.fileno()}", "--log-level", "warning", "wsgi:app"),
        ),
        environment={**environ, "KAROKAR_HEARTBEAT": str(heartbeat)},
        directory=PROJECT,
        heartbeat=heartbeat,
        pass_fds=(listener.fileno(),),
    )
    return [web, *(_background(name, environ, run) for name in ("relay", "worker") if needs_redis)]


def _background(name: str, environ: Mapping[str, str], run: Path) -> Part:
    heartbeat = run / f"{name}.alive"
    return Part(
        name=f"The {name}",
        command=(sys.executable, "-m", "flask", "events", name),
        environment={**environ, "KAROKAR_HEARTBEAT": str(heartbeat)},
        directory=PROJECT,
        heartbeat=heartbeat,
        is_background=True,
    )


# What people read -----------------------------------------------------------------------------------------------------


def _say(sentence: str) -> None:
    sys.stdout.write(f"{sentence}\n")
    sys.stdout.flush()


def _welcome(config: Config, environ: Mapping[str, str]) -> None:
    address = environ["KAROKAR_BASE_URL"]
    lines = ["", f"KaroKar runs at {address}"]
    if config.demo:
        lines += ["", f"Sign in with the password {config.demo_password} as"]
        lines += [f"  {account:<28} {does}" for account, does in ACCOUNTS]
    lines += [f"Warning: {sentence}" for sentence in safety.list_warnings(config)]
    lines += ["", f"Everything is kept in {config.data}. Stop with Ctrl-C.", ""]
    _say("\n".join(lines))
    if sys.stdout.isatty() and _has_display():
        webbrowser.open(address)


def _has_display() -> bool:
    return sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


if __name__ == "__main__":
    sys.exit(main())
