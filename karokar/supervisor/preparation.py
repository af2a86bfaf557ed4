"""What must hold before the parts start: a database that is there and up to date, and the example data.

Run by `bin/up` as a process of its own (`python -m karokar.supervisor.preparation [--demo]`), so that the watch stays
small and a half-done start can be ended at any moment. Says one line and ends with 1 when something is in the way.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import sqlite3
import sys
import traceback
from pathlib import Path

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Flask
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.exc import SQLAlchemyError

from karokar.config import PROJECT, Config, ConfigError, load_config
from karokar.kernel.db import db

CONNECTS_WITHIN = 5


class NotReady(Exception):
    """Something is in the way; the message is one line that says what to do."""


def prepare(config: Config, *, with_demo: bool) -> None:
    """Bring the database to the newest revision and load the example data once. Raises NotReady.

    A new embedded database is made aside and put in place when it is complete: a start that was killed half-way
    leaves nothing that the next one could stumble over.
    """
    _bring_up_to_date(config, with_demo=with_demo)
    if not with_demo and _is_there(config, "users WHERE is_example"):
        _say("There are example accounts in this database. They cannot sign in while the demo is off.")
    if not with_demo and not _is_there(config, "users"):
        _say("Nobody can sign in yet. Make the first administrator: .venv/bin/flask identity create-platform-admin")


def _bring_up_to_date(config: Config, *, with_demo: bool) -> None:
    final = _embedded_file(config)
    example = _Example(config)
    if final is None or final.exists():
        _prepare(config, example if with_demo else None)
        return
    example.forget()
    final.parent.mkdir(parents=True, exist_ok=True)
    draft = final.with_name(f"{final.name}.new")
    for leftover in ("", "-wal", "-shm", "-journal"):
        draft.with_name(draft.name + leftover).unlink(missing_ok=True)
    _prepare(dataclasses.replace(config, database_url=f"sqlite:///{draft}"), example if with_demo else None)
    with contextlib.closing(sqlite3.connect(draft)) as connection:
        # A log that stayed behind would be lost by the renaming.
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("PRAGMA journal_mode=DELETE")
    draft.rename(final)


def check_database(config: Config) -> bool:
    """Return whether the database is at the newest revision. Raises NotReady where it is out of reach, or too new."""
    scripts = ScriptDirectory(str(PROJECT / "migrations"))
    url = make_url(config.database_url)
    waits = {} if config.is_sqlite else {"connect_timeout": CONNECTS_WITHIN}
    engine = create_engine(url, connect_args={**config.connect_arguments, **waits})
    try:
        with engine.connect() as connection:
            current = set(MigrationContext.configure(connection).get_current_heads())
    except SQLAlchemyError as error:
        where = url.render_as_string(hide_password=True)
        raise NotReady(
            f"The database {where} cannot be reached ({_first_line(error)}). Start it, or correct DATABASE_URL."
        ) from error
    finally:
        engine.dispose()
    known = {script.revision for script in scripts.walk_revisions()}
    if current - known:
        revision = ", ".join(sorted(current - known))
        raise NotReady(
            f"The database was made by a newer version of KaroKar (revision {revision}). "
            "Run that version, or restore a backup that this one made."
        )
    return current == set(scripts.get_heads())


def _is_there(config: Config, rows: str) -> bool:
    engine = create_engine(make_url(config.database_url), connect_args=config.connect_arguments)
    try:
        with engine.connect() as connection:
            return connection.execute(text(f"SELECT 1 FROM {rows} LIMIT 1")).first() is not None
    finally:
        engine.dispose()


class _Example:
    """What is known, outside the database, about the example data in it: asking the application takes a second."""

    def __init__(self, config: Config) -> None:
        self._file = config.data / "example-data.json"
        # The address may hold a password.
        self._database = hashlib.sha256(config.database_url.encode()).hexdigest()

    def state(self) -> str | None:
        """`loading`, `loaded`, or None where nothing is known about this database."""
        try:
            known = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return known.get("state") if known.get("database") == self._database else None

    def note(self, state: str) -> None:
        """Keep the state for the next start."""
        self._file.write_text(json.dumps({"database": self._database, "state": state}), encoding="utf-8")

    def forget(self) -> None:
        """A new database has none, whatever was in one that was here before."""
        self._file.unlink(missing_ok=True)


def _prepare(config: Config, example: _Example | None) -> None:
    is_current = check_database(config)
    if is_current and (example is None or example.state() == "loaded"):
        return
    from karokar.app import create_app

    app = create_app(config)
    with app.app_context():
        try:
            if not is_current:
                _say("Bringing the database to its newest form.")
                _migrate()
            if example is not None:
                _load_example(app, example, is_new=not is_current)
        finally:
            db.session.remove()
            db.engine.dispose()


def _migrate() -> None:
    import flask_migrate

    flask_migrate.upgrade(directory=str(PROJECT / "migrations"))


def _load_example(app: Flask, example: _Example, *, is_new: bool) -> None:
    if example.state() == "loading" and not is_new:
        _say(
            "An earlier start was ended while it loaded the example data, so a part of it is missing. "
            "For all of it, give an empty database."
        )
    group = app.cli.get_command(None, "demo")  # type: ignore[arg-type] # the context is not used for own commands
    load = group.get_command(None, "load") if group is not None else None  # type: ignore[attr-defined]
    if load is None:
        raise NotReady("This version has no example data: start with --no-demo.")
    example.note("loading")
    load.main(args=[], prog_name="flask demo load", standalone_mode=False)
    example.note("loaded")


def _embedded_file(config: Config) -> Path | None:
    path = config.database_url.removeprefix("sqlite:///")
    return Path(path) if path != config.database_url and path and ":memory:" not in path else None


def _first_line(error: BaseException) -> str:
    original = getattr(error, "orig", None) or error
    lines = [line.strip() for line in str(original).splitlines() if line.strip()]
    return lines[0] if lines else type(original).__name__


def _say(sentence: str) -> None:
    sys.stdout.write(f"{sentence}\n")
    sys.stdout.flush()


def main() -> int:
    """Prepare with the settings of the environment; return the exit status."""
    config = None
    try:
        config = load_config(os.environ)
        prepare(config, with_demo="--demo" in sys.argv[1:])
    except (NotReady, ConfigError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except Exception as error:  # noqa: BLE001 -- whatever it is, people get one line and the place of the rest
        details = (config.data if config is not None else PROJECT) / "preparation-failed.log"
        details.write_text(traceback.format_exc(), encoding="utf-8")
        sys.stderr.write(f"The database could not be prepared ({_first_line(error)}). Details are in {details}.\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
