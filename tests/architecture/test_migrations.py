"""One line of revisions, both directions, both databases, equal to the models."""

import dataclasses
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask_migrate import downgrade, upgrade
from sqlalchemy import inspect

from karokar.app import create_app
from karokar.config import PROJECT
from karokar.kernel.db import Base, db
from tests.servers import databases as servers

DIRECTORY = str(PROJECT / "migrations")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def empty_app(request, databases, tmp_path: Path, worker_name):
    name = f"migrations_{worker_name}"
    is_sqlite = request.param == "sqlite"
    url = f"sqlite:///{tmp_path / 'empty.sqlite3'}" if is_sqlite else servers.create_empty(name)
    app = create_app(dataclasses.replace(databases.config("sqlite"), database_url=url))
    with app.app_context():
        yield app
        db.session.remove()
        db.engine.dispose()
    if not is_sqlite:
        servers.drop(name)


def tables() -> set[str]:
    return set(inspect(db.engine).get_table_names()) - {"alembic_version"}


def test_there_is_one_line_of_revisions():
    scripts = ScriptDirectory(DIRECTORY)
    assert len(scripts.get_heads()) == 1
    assert len(scripts.get_bases()) == 1


def test_migrations_go_up_and_down_and_up_again(empty_app):
    upgrade(directory=DIRECTORY)
    once = tables()
    downgrade(directory=DIRECTORY, revision="base")
    assert tables() == set()
    upgrade(directory=DIRECTORY)
    assert tables() == once


# An index of periods is PostgreSQL's alone; on SQLite it is only said that it cannot be compared there.
@pytest.mark.filterwarnings("ignore:autogenerate skipping metadata-specified expression-based index:UserWarning")
def test_models_and_migrations_say_the_same(empty_app):
    upgrade(directory=DIRECTORY)
    with db.engine.connect() as connection:
        dialect = connection.dialect.name

        def include(item, _name, _kind, _reflected, _other) -> bool:
            dialects = getattr(item, "info", {}).get("dialects")
            return dialects is None or dialect in dialects

        context = MigrationContext.configure(connection, opts={"compare_type": True, "include_object": include})
        assert compare_metadata(context, Base.metadata) == []
