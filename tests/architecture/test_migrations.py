"""One line of revisions, both directions, both databases, equal to the models."""

import dataclasses
import re
import shutil
from datetime import UTC, date, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask_migrate import downgrade, upgrade
from sqlalchemy import (
    CheckConstraint,
    Column,
    Connection,
    ForeignKeyConstraint,
    Table,
    UniqueConstraint,
    Uuid,
    func,
    inspect,
    select,
    table,
    text,
)
from sqlalchemy.exc import IntegrityError

from karokar.app import create_app
from karokar.audit import queries
from karokar.audit.actions import compare_with_log, seal_chain
from karokar.config import PROJECT
from karokar.kernel.db import Base, UtcDateTime, db
from karokar.kernel.ids import new_id
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


def test_constraints_are_named_as_the_models_name_them(empty_app):
    upgrade(directory=DIRECTORY)
    inspector = inspect(db.engine)
    migrated = {
        (table, constraint["name"])
        for table in tables()
        for constraint in [
            *inspector.get_check_constraints(table),
            *inspector.get_unique_constraints(table),
            *inspector.get_foreign_keys(table),
        ]
    }
    declared = {
        (table.name, db.engine.dialect.identifier_preparer.format_constraint(constraint))
        for table in Base.metadata.tables.values()
        if table.name in tables()
        for constraint in table.constraints
        if isinstance(constraint, CheckConstraint | UniqueConstraint | ForeignKeyConstraint)
    }
    assert migrated == declared


def rows_by_table() -> dict[str, int]:
    with db.engine.connect() as connection:
        return {
            name: connection.execute(select(func.count()).select_from(table(name))).scalar_one() for name in tables()
        }


def load_example_data(app) -> None:
    upgrade(directory=DIRECTORY)
    loaded = app.test_cli_runner().invoke(args=["demo", "load"])
    assert loaded.exit_code == 0, loaded.output
    db.session.remove()
    assert sum(rows_by_table().values()) > 500


def fill_every_table(app) -> None:
    """Put rows into each table: the example data, and one made up for each table that it leaves empty."""
    load_example_data(app)
    make_up_rows()
    assert [name for name, count in rows_by_table().items() if not count] == []


ONE_OF = re.compile(r"^\(?(\w+) IN \((?:'(\w+)'|(\d+))", re.IGNORECASE)
"""A check that a column holds one of some words, as the models write it."""


def make_up_rows() -> None:
    """Put a row into each empty table: what must be there holds something, what may be empty is empty."""
    with db.engine.begin() as connection:
        counts = {name: connection.scalar(select(func.count()).select_from(table(name))) for name in tables()}
        for made in Base.metadata.sorted_tables:
            if counts.get(made.name) == 0:
                connection.execute(made.insert().values(made_up_row(connection, made)))


def made_up_row(connection: Connection, made: Table) -> dict[str, Any]:
    words = {
        found[1]: found[2] or int(found[3])
        for one in made.constraints
        if isinstance(one, CheckConstraint) and (found := ONE_OF.match(str(one.sqltext)))
    }
    row: dict[str, Any] = {}
    for column in made.columns:
        is_given = column.nullable or column.server_default is not None or column.identity is not None
        if is_given and not column.primary_key:
            continue
        key = next(iter(column.foreign_keys), None)
        if key is not None:
            row[column.name] = connection.execute(select(key.column).limit(1)).scalar_one()
        elif column.name in words:
            row[column.name] = words[column.name]
        elif column.identity is None:
            row[column.name] = made_up_value(column)
    return row


def made_up_value(column: Column[Any]) -> Any:
    if isinstance(column.type, Uuid):
        return new_id()
    if isinstance(column.type, UtcDateTime):
        return datetime(2026, 1, 1, tzinfo=UTC)
    kinds = {
        str: "x",
        int: 1,
        float: 1.0,
        bool: False,
        bytes: b"x",
        date: date(2026, 1, 1),
        object: {},
        dict: {},
        list: [],
    }
    return kinds[column.type.python_type]


def apply_to_rows(directory: str, *, newer: str, older: str) -> None:
    """Apply one revision to the rows of a database that is at the revision before it."""
    before = rows_by_table()
    upgrade(directory=directory, revision=newer)
    after = rows_by_table()
    assert {name: after[name] for name in before} == before, f"{newer} loses rows"
    downgrade(directory=directory, revision=older)


@pytest.mark.slow
def test_every_revision_can_be_applied_to_a_database_full_of_rows(empty_app):
    fill_every_table(empty_app)
    for newer, older in pairwise(script.revision for script in ScriptDirectory(DIRECTORY).walk_revisions()):
        downgrade(directory=DIRECTORY, revision=older)
        apply_to_rows(DIRECTORY, newer=newer, older=older)


PLANTED = """
import sqlalchemy as sa
from alembic import op
revision = "9999_planted"
down_revision = "{head}"
def upgrade():
    with op.batch_alter_table("{table}", recreate="auto" if op.get_bind().dialect.name == "postgresql" else "always") as batch:
        batch.add_column(sa.Column("planted", sa.Integer(), nullable=False))
def downgrade():
    op.drop_column("{table}", "planted")
"""


@pytest.mark.slow
def test_a_column_that_must_be_filled_and_has_no_default_is_caught(empty_app, tmp_path: Path):
    fill_every_table(empty_app)
    head = ScriptDirectory(DIRECTORY).get_current_head()
    for name in ("vehicles", "saved_views"):  # with many rows of example data, and with a made-up one alone
        planted = tmp_path / name
        shutil.copytree(DIRECTORY, planted)
        (planted / "versions/9999_planted.py").write_text(PLANTED.format(head=head, table=name))
        with pytest.raises(IntegrityError, match="planted"):
            apply_to_rows(str(planted), newer="9999_planted", older=str(head))


def everything_in(*columns: str) -> str:
    """All that these columns hold, as one text."""
    with db.engine.connect() as connection:
        found = []
        for column in columns:
            table_name, name = column.split(".")
            found += connection.execute(text(f'select cast("{name}" as text) from {table_name}')).scalars()
        return "\n".join(map(str, found))


@pytest.mark.slow
def test_what_people_typed_leaves_stored_events_and_records_and_comes_back(empty_app):
    load_example_data(empty_app)
    for_ever = ("events.payload", "events.metadata", "audit_records.payload", "audit_records.changes",
                "audit_records.summary")  # fmt: skip
    typed = ("Windscreen is cracked", "Register checked.")
    assert not [sentence for sentence in typed if sentence in everything_in(*for_ever)]
    assert queries.verify() is None
    assert compare_with_log() is None
    db.session.remove()

    downgrade(directory=DIRECTORY, revision="0032_files")
    before = everything_in(*for_ever)
    assert [sentence for sentence in typed if sentence in before] == list(typed)
    assert '"noteId"' not in before

    upgrade(directory=DIRECTORY)
    after = everything_in(*for_ever)
    assert not [sentence for sentence in typed if sentence in after]
    assert not [sentence for sentence in typed if sentence in everything_in("notifications.data")]
    kept = everything_in("fleet_notes.text", "organization_notes.text")
    assert [sentence for sentence in typed if sentence in kept] == list(typed)
    seal_chain()
    assert queries.verify() is None
    assert compare_with_log() is None
    db.session.remove()
