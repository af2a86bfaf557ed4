"""Fresh, migrated databases for tests, as copies of a template that is made once per run."""

import contextlib
import contextvars
import itertools
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flask import Flask
from flask.testing import FlaskClient

from karokar.config import Config, load_config
from tests.servers import keeper, pgbouncer, postgresql

TEMPLATE = "migrated_template"


def create_empty(database: str) -> str:
    """Make an empty PostgreSQL database of this name, in place of one that may be there; returns its address."""
    with _administration() as cursor:
        cursor.execute(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')
        cursor.execute(f'CREATE DATABASE "{database}"')
    return _url(database)


def drop(database: str) -> None:
    """Remove a PostgreSQL database."""
    with _administration() as cursor:
        cursor.execute(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')


def migrate(config: Config) -> None:
    """Bring the database to the newest revision, as `flask db upgrade` does."""
    import flask_migrate

    from karokar.app import create_app

    app = create_app(config)
    with app.app_context():
        flask_migrate.upgrade(directory=str(keeper.PROJECT / "migrations"))
        _engine(app).dispose()


class SeparateClient(FlaskClient):
    """A client whose requests share nothing with the test but the time at which it stands: neither its session nor who
    is acting there.
    """

    def open(self, *args: Any, **kwargs: Any) -> Any:
        """Make the request in a context of its own, as a server's thread would."""
        from karokar.kernel import clock

        context, standing = contextvars.Context(), clock._frozen.get()
        if standing is not None:
            context.run(clock._frozen.set, standing)
        return context.run(super().open, *args, **kwargs)


class Databases:
    """One worker's databases. An application is made once per kind of database; its database is replaced under it."""

    def __init__(self, worker: str) -> None:
        """Take the worker's name, which no other worker of this run has."""
        self._worker = worker
        self._apps: dict[Config, Flask] = {}
        self._numbers = itertools.count()
        self._data = Path(tempfile.mkdtemp(prefix=f"{worker}-", dir=keeper.run_directory()))

    def close(self) -> None:
        """Close connections; files and databases go with the run."""
        for app in self._apps.values():
            with app.app_context():
                _engine(app).dispose()

    def config(self, kind: str) -> Config:
        """Settings for tests: no dispatcher, no mail server, nothing left outside the run's directory."""
        url = f"sqlite:///{self._data / 'test.sqlite3'}" if kind == "sqlite" else _url(f"test_{self._worker}")
        return self._settings(url)

    def pooled_config(self) -> Config:
        """The settings of the application on PostgreSQL behind a pooler in transaction mode."""
        keeper.server("postgresql")
        keeper.server("pgbouncer")
        address = pgbouncer.url(keeper.run_directory() / "pgbouncer", f"test_{self._worker}")
        return self._settings(address.replace("postgresql:", "postgresql+psycopg:", 1))

    @contextlib.contextmanager
    def fresh_app(self, kind: str, config: Config | None = None) -> Iterator[Flask]:
        """Yield the application of that kind on a fresh copy of the template, inside its application context."""
        config = config or self.config(kind)
        if kind == "sqlite":
            self._replace_sqlite(config)
        else:
            self._replace_postgresql(f"test_{self._worker}")
        app = self._app(config)
        with app.app_context():
            try:
                yield app
            finally:
                from karokar.kernel.db import db

                db.session.rollback()
                db.session.remove()
                db.engine.dispose()

    def sqlite_template(self) -> Path:
        """A migrated SQLite file that nobody writes to."""
        path = keeper.run_directory() / f"{TEMPLATE}.sqlite3"
        with keeper.once("sqlite-template") as done:
            if not done.exists():
                draft = path.with_suffix(".draft")
                migrate(self._settings(f"sqlite:///{draft}"))
                with contextlib.closing(sqlite3.connect(draft)) as connection:
                    # A copy of the file must be the whole database: nothing may be left in a write-ahead log.
                    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                draft.rename(path)
                done.touch()
        return path

    @contextlib.contextmanager
    def postgresql_copy(self) -> Iterator[str]:
        """Yield the address of a fresh, migrated PostgreSQL database that is dropped afterwards."""
        name = f"own_{self._worker}_{next(self._numbers)}"
        self._replace_postgresql(name)
        try:
            yield _url(name)
        finally:
            drop(name)

    def _settings(self, database_url: str) -> Config:
        return load_config(
            {
                "KAROKAR_DATA": str(self._data),
                "DATABASE_URL": database_url,
                "SECRET_KEY": "a-key-for-tests-alone-0123456789",
                "KAROKAR_TESTING": "true",
                "KAROKAR_ENVIRONMENT": "test",
                "KAROKAR_BASE_URL": "http://localhost",
                "KAROKAR_SECURITY_LOG": os.devnull,
                "EVENT_BUS_DISPATCHER": "none",
                "EVENT_BUS_RETRY_BASE_MS": "1",
            }
        )

    def _app(self, config: Config) -> Flask:
        if config not in self._apps:
            from karokar.app import create_app

            app = self._apps[config] = create_app(config)
            app.test_client_class = SeparateClient
        return self._apps[config]

    def _replace_sqlite(self, config: Config) -> None:
        path = Path(config.database_url.removeprefix("sqlite:///"))
        for leftover in ("-wal", "-shm", "-journal"):
            path.with_name(path.name + leftover).unlink(missing_ok=True)
        shutil.copy(self.sqlite_template(), path)

    def _replace_postgresql(self, name: str) -> None:
        keeper.server("postgresql")
        with keeper.once("postgresql-template") as done:
            if not done.exists():
                migrate(self._settings(create_empty(TEMPLATE)))
                done.touch()
        with _administration() as cursor:
            cursor.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
            cursor.execute(f'CREATE DATABASE "{name}" TEMPLATE "{TEMPLATE}"')


@contextlib.contextmanager
def _administration() -> Iterator[Any]:
    import psycopg

    with psycopg.connect(keeper.server("postgresql"), autocommit=True) as connection:
        yield connection.cursor()


def _url(database: str) -> str:
    keeper.server("postgresql")
    return postgresql.url(keeper.run_directory() / "postgresql", database).replace(
        "postgresql:", "postgresql+psycopg:", 1
    )


def _engine(app: Flask) -> Any:
    return app.extensions["sqlalchemy"].engine
