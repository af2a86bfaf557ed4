"""`bin/up` in real processes: what is in the way is one clear line, and a second start just works."""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest

from karokar.config import PROJECT
from karokar.supervisor.process import wait_until
from tests.house.console import Console, free_port, processes

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

# The quickest start there is, for tests of what comes before the parts.
BARE = {"EVENT_BUS_DISPATCHER": "none"}


@pytest.fixture
def up(tmp_path: Path):
    """Start a console; its data is in `tmp_path / "data"` unless said otherwise."""
    made: list[Console] = []

    def start(*options: str, data: Path | None = None, port: int | None = None, **settings: str) -> Console:
        folder = tmp_path / "data" if data is None else data
        made.append(Console(folder, *options, port=port, said=tmp_path / f"said-{len(made)}", **settings))
        return made[-1]

    yield start
    for console in made:
        console.close()


def test_it_serves_prints_its_address_and_stops_cleanly(up):
    console = up("--no-demo", **BARE)
    assert console.is_ready(), console.said
    assert console.get("/healthz")[0] == 200
    started = console.descendants()
    assert console.stop() == 0
    assert "Traceback" not in console.said
    assert not started & {pid for pid, *_ in processes()}
    assert not (console.data / "run").exists()


def test_an_empty_installation_says_how_its_first_administrator_is_made_until_there_is_one(up):
    first = up("--no-demo", **BARE)
    assert first.is_ready(), first.said
    command = next(line for line in first.said.splitlines() if "Nobody can sign in yet" in line).split(": ")[-1]
    asked = ["--email", "pat@first.example", "--first-name", "Pat", "--last-name", "First", "--link"]
    subprocess.run(
        [*command.split(), *asked],
        cwd=PROJECT,
        env={**os.environ, "KAROKAR_DATA": str(first.data)},
        capture_output=True,
        check=True,
    )
    first.stop()
    second = up("--no-demo", **BARE)
    assert second.is_ready(), second.said
    assert "Nobody can sign in yet" not in second.said


def test_the_next_start_takes_up_the_same_data(up):
    first = up("--no-demo", **BARE)
    assert first.is_ready(), first.said
    first.stop()
    made = (first.data / "karokar.sqlite3").stat().st_ino
    second = up("--no-demo", **BARE)
    assert second.is_ready(), second.said
    assert "Bringing the database" not in second.said
    assert (second.data / "karokar.sqlite3").stat().st_ino == made


def test_a_taken_port_is_one_clear_line(up):
    with socket.create_server(("127.0.0.1", free_port())) as taken:
        port = taken.getsockname()[1]
        assert f"port {port} is taken" in up("--no-demo", port=port, **BARE).refusal()


def test_a_second_start_on_the_same_data_is_one_clear_line(up):
    console = up("--no-demo", **BARE)
    assert console.is_ready(), console.said
    line = up("--no-demo", **BARE).refusal()
    assert f"process {console.process.pid}" in line
    assert "--data" in line
    assert console.get("/healthz")[0] == 200


def test_two_first_starts_at_once_leave_one_that_works(up):
    consoles = [up("--no-demo", **BARE) for _ in range(2)]
    assert wait_until(lambda: any(each.process.poll() is not None for each in consoles), within=60)
    (loser,) = [each for each in consoles if each.process.poll() is not None]
    (winner,) = [each for each in consoles if each is not loser]
    assert "runs already" in loser.refusal()
    assert winner.is_ready(), winner.said


def test_a_database_from_a_newer_version_is_one_clear_line(up, tmp_path: Path):
    console = up("--no-demo", **BARE)
    assert console.is_ready(), console.said
    console.stop()
    with closing(sqlite3.connect(console.data / "karokar.sqlite3")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999_tomorrow'")
    assert "newer version of KaroKar (revision 9999_tomorrow)" in up("--no-demo", **BARE).refusal()


def test_an_unreachable_database_is_one_clear_line_without_its_password(up):
    url = f"postgresql://user:geheim@127.0.0.1:{free_port()}/karokar"
    line = up("--no-demo", DATABASE_URL=url, **BARE).refusal()
    assert "cannot be reached" in line
    assert "DATABASE_URL" in line
    assert "geheim" not in line


def test_an_unreachable_redis_is_one_clear_line_without_its_password(up):
    line = up("--no-demo", REDIS_URL=f"redis://:geheim@127.0.0.1:{free_port()}/0").refusal()
    assert "cannot be used" in line
    assert "REDIS_URL" in line
    assert "geheim" not in line


def test_a_malformed_setting_is_one_clear_line(up):
    assert "EVENT_BUS_MAX_ATTEMPTS=lots" in up("--no-demo", EVENT_BUS_MAX_ATTEMPTS="lots").refusal()


def test_an_unknown_setting_is_one_clear_line(up):
    assert "did you mean KAROKAR_DEMO?" in up(KAROKAR_DEMOO="no").refusal()


def test_a_data_directory_in_whose_place_is_a_file_is_one_clear_line(up, tmp_path: Path):
    (tmp_path / "file").write_text("")
    assert "a file is in the way" in up("--no-demo", data=tmp_path / "file", **BARE).refusal()


def test_a_file_that_is_no_database_is_one_clear_line(up, tmp_path: Path):
    (tmp_path / "data").mkdir(mode=0o700)
    (tmp_path / "data" / "karokar.sqlite3").touch(mode=0o600)
    (tmp_path / "data" / "karokar.sqlite3").write_text("This is a letter, not a database. " * 100)
    line = up("--no-demo", **BARE).refusal()
    assert "not a database" in line


@pytest.mark.parametrize("after", [0.3, 0.8, 1.3, 1.8, 2.3])
def test_a_first_start_killed_half_way_is_made_up_for_by_the_next(up, after: float):
    first = up("--no-demo", **BARE)
    time.sleep(after)  # the moment of death is the case, not something to wait for
    os.killpg(first.process.pid, signal.SIGKILL)
    first.process.wait()
    second = up("--no-demo", **BARE)
    assert second.is_ready(), second.said
    assert second.get("/healthz")[0] == 200


def test_everything_ends_with_a_console_that_is_killed(up):
    console = up("--no-demo", **BARE)
    assert console.is_ready(), console.said
    # The server and its two workers; the first may answer before the second is there.
    assert wait_until(lambda: len(console.descendants()) >= 3, within=10)
    started = console.descendants()
    os.kill(console.process.pid, signal.SIGKILL)
    console.process.wait()
    assert wait_until(lambda: not started & {pid for pid, *_ in processes()}, within=10)
    again = up("--no-demo", port=console.port, **BARE)
    assert again.is_ready(), again.said


def test_a_killed_web_server_is_back(up):
    console = up("--no-demo", **BARE)
    assert console.is_ready(), console.said
    before = console.parts()["gunicorn"]
    os.kill(before, signal.SIGKILL)
    assert wait_until(lambda: console.parts().get("gunicorn", before) != before, within=10)
    assert wait_until(lambda: console.get("/healthz")[0] == 200, within=10)


def test_flask_in_the_projects_folder_finds_the_running_console(up):
    console = up("--no-demo", **BARE)
    assert console.is_ready(), console.said
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        [str(PROJECT / ".venv/bin/flask"), "shell"],
        input="from flask import current_app as a; print('found', a.config['KAROKAR'].data)",
        cwd=PROJECT,
        env={**kept, "KAROKAR_DATA": str(console.data)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"found {console.data}" in done.stdout


# With all parts -------------------------------------------------------------------------------------------------------

PARTS = ("valkey-server", "events relay", "events worker", "gunicorn")


def part(console: Console, name: str) -> int:
    """The process of a part; a Redis on PATH may stand in for Valkey."""
    names = (name, "redis-server") if name == "valkey-server" else (name,)
    found: list[int] = []

    def look() -> bool:
        parts = console.parts()
        found[:] = [parts[each] for each in names if each in parts]
        return bool(found)

    assert wait_until(look, within=20), console.said
    return found[0]


@pytest.fixture
def whole(up) -> Console:
    """A console with all its parts."""
    console = up("--no-demo")
    assert console.is_ready(), console.said
    return console


def test_all_parts_run_and_stop_and_leave_nothing(whole: Console):
    for name in PARTS:
        part(whole, name)
    assert whole.get("/readyz")[0] == 200
    started = whole.descendants()
    assert whole.stop() == 0
    assert not started & {pid for pid, *_ in processes()}
    kept = {path.name for path in whole.data.iterdir()}
    # Checkpoints of the audit log are written every minute, if anything happened.
    assert sorted(kept - {"audit-checkpoints.jsonl"}) == [
        "audit_keys",
        "karokar.sqlite3",
        "secret_key",
        "security.log",
        "up.json",
        "up.lock",
        "valkey",
    ]
    assert "Traceback" not in whole.said


@pytest.mark.parametrize("name", PARTS)
def test_a_killed_part_is_back(whole: Console, name: str):
    before = part(whole, name)
    os.kill(before, signal.SIGKILL)
    # The promise is two seconds; a busy machine gets more before the test calls it broken.
    assert wait_until(lambda: part(whole, name) != before, within=10)
    assert wait_until(lambda: whole.get("/readyz")[0] == 200, within=20), whole.said


@pytest.mark.parametrize("names", [PARTS[:1], PARTS[1:]], ids=["what others need", "the others at once"])
def test_frozen_parts_are_ended_and_come_back(whole: Console, names: tuple[str, ...]):
    before = {name: part(whole, name) for name in names}
    for pid in before.values():
        os.kill(pid, signal.SIGSTOP)
    for name, pid in before.items():
        assert wait_until(lambda name=name, pid=pid: part(whole, name) != pid, within=60), whole.said
    assert not set(before.values()) & {pid for pid, *_ in processes()}
    assert wait_until(lambda: whole.get("/readyz")[0] == 200, within=20), whole.said


def test_everything_ends_with_a_whole_console_that_is_killed(whole: Console, up):
    started = whole.descendants()
    os.kill(whole.process.pid, signal.SIGKILL)
    whole.process.wait()
    assert wait_until(lambda: not started & {pid for pid, *_ in processes()}, within=10)
    again = up("--no-demo", port=whole.port)
    assert again.is_ready(), again.said


def test_the_demo_does_not_listen_where_others_can_reach_it(up):
    line = up("--host", "0.0.0.0", **BARE).refusal()  # noqa: S104 -- that is what must not happen
    assert "does not listen on 0.0.0.0" in line
    assert "--demo-on-network" in line


def test_gunicorn_does_not_listen_for_the_demo_where_others_can_reach_it(tmp_path: Path):
    (tmp_path / "data").mkdir(mode=0o700)
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    demo = {"KAROKAR_DATA": str(tmp_path / "data"), "KAROKAR_DEMO": "true", "KAROKAR_ENVIRONMENT": "demo"}
    command = [str(PROJECT / ".venv/bin/gunicorn"), "--config", "python:karokar.supervisor.web_server", "wsgi:app"]
    done = subprocess.run(
        [*command, "--bind", f"0.0.0.0:{free_port()}"],
        cwd=PROJECT, env={**kept, **demo}, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode != 0
    assert "KaroKar did not start: The demo" in done.stderr


# With the example data ------------------------------------------------------------------------------------------------


def example_state(console: Console) -> str:
    return json.loads((console.data / "example-data.json").read_text())["state"]


def count_people(console: Console) -> int:
    with closing(sqlite3.connect(console.data / "karokar.sqlite3")) as connection:
        (count,) = connection.execute("SELECT count(*) FROM users").fetchone()
        return int(count)


def test_a_start_killed_while_the_example_is_loaded_is_made_up_for_by_the_next(up):
    first = up(**BARE)
    draft = first.data / "example-data.json"
    assert wait_until(draft.exists, within=60), first.said
    time.sleep(1)  # somewhere in the middle of the story
    os.killpg(first.process.pid, signal.SIGKILL)
    first.process.wait()
    assert not (first.data / "karokar.sqlite3").exists()
    second = up(**BARE)
    assert second.is_ready(), second.said
    assert example_state(second) == "loaded"
    assert "platform@karokar.example" in second.said
    assert not list(second.data.glob("*.new*"))


def test_the_example_is_loaded_once(up):
    first = up("--no-demo", **BARE)
    assert first.is_ready(), first.said
    first.stop()
    assert count_people(first) == 0
    assert "platform@karokar.example" not in first.said
    second = up(**BARE)
    assert second.is_ready(), second.said
    second.stop()
    people = count_people(second)
    assert people > 5
    third = up(**BARE)
    assert third.is_ready(), third.said
    assert "example data is loaded" not in third.said
    assert count_people(third) == people
    third.stop()
    without = up("--no-demo", **BARE)
    assert without.is_ready(), without.said
    assert "They cannot sign in while the demo is off" in without.said
    assert "cannot sign in" in without.get("/readyz")[1]
