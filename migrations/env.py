"""How migrations run: all in one transaction, on either database, one process at a time.

A migration that fails, or is killed, leaves the database as it was. Two processes that migrate at once wait for each
other; the second finds nothing left to do.
"""

import re
import warnings
from typing import Any

from alembic import context
from alembic.script import ScriptDirectory
from flask import current_app
from sqlalchemy import Connection, Engine, MetaData

MIGRATION_LOCK = 7000
# Waiting longer for a table would hold up everybody who comes after us in its queue.
LOCK_TIMEOUT = "5s"
STATEMENT_TIMEOUT = "5min"


# SQLite can't tell which expression an index is on; tests/architecture compares both databases with the models.
warnings.filterwarnings("ignore", message="autogenerate skipping metadata-specified expression-based index")


def metadata() -> MetaData:
    from karokar.kernel.db import Base

    return Base.metadata


def include_object(item: Any, _name: str | None, _kind: str, _reflected: bool, _other: Any) -> bool:  # noqa: FBT001 -- alembic's signature
    """A table may be a view on one of the databases: `info={"dialects": ("postgresql",)}` names those that have it."""
    dialects = getattr(item, "info", {}).get("dialects")
    return dialects is None or context.get_context().dialect.name in dialects


def render_item(kind: str, item: Any, _autogen: Any) -> str | bool:
    """Write migrations without the project's own types: they change, a migration does not."""
    if kind == "type" and type(item).__name__ == "UtcDateTime":
        return "sa.DateTime(timezone=True)"
    return False


def name_revision(migration: Any, _revision: Any, directives: list[Any]) -> None:
    """Give a new revision the next number and its message as its id, as in `0042_cleaned_vehicles`."""
    if not directives or migration.opts is None:
        return
    head = ScriptDirectory.from_config(migration.config).get_current_head() or "0000"
    words = re.sub(r"[^a-z0-9]+", "_", (directives[0].message or "").lower()).strip("_")
    if not words:
        raise SystemExit("Say what the revision is about: flask db migrate -m 'cleaned vehicles'")
    directives[0].rev_id = f"{int(head[:4]) + 1:04}_{words[:40]}"


def configure(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata(),
        compare_type=True,
        compare_server_default=False,
        render_as_batch=connection.dialect.name == "sqlite",
        include_object=include_object,
        render_item=render_item,
        process_revision_directives=name_revision,
        transactional_ddl=True,
        transaction_per_migration=False,
    )


def run_on_postgresql(connection: Connection) -> None:
    configure(connection)
    with context.begin_transaction():
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = '{STATEMENT_TIMEOUT}'")
        context.run_migrations()


def run_on_sqlite(connection: Connection) -> None:
    file = connection.connection.dbapi_connection
    assert file is not None  # noqa: S101 -- a connection that was just opened has one
    # Rebuilding a table drops it; its children must not go with it. The check at the end makes up for it.
    file.execute("PRAGMA foreign_keys=OFF")
    try:
        connection = connection.execution_options(karokar_write=True)
        configure(connection)
        with context.begin_transaction():
            context.run_migrations()
            broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
            if broken:
                raise RuntimeError(f"The migration leaves rows without what they refer to: {broken[:5]}")
    finally:
        file.execute("PRAGMA foreign_keys=ON")


def run() -> None:
    engine: Engine = current_app.extensions["migrate"].db.engine
    with engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            run_on_sqlite(connection)
        else:
            run_on_postgresql(connection)


if context.is_offline_mode():
    raise SystemExit("Migrations look at the database that they change: run them with a connection.")
run()
