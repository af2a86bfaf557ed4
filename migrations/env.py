"""How a revision reaches the database: `flask db upgrade` runs this.

Each revision is a transaction of its own. On PostgreSQL it gives up soon when it has to wait for a lock, rather than
stand in everybody's way. On SQLite tables are rebuilt where ALTER TABLE cannot do it (batch mode).
"""

from alembic import context
from flask import current_app
from sqlalchemy import Connection

from karokar.app import Base
from karokar.kernel.db import db


def run(connection: Connection) -> None:
    """Run the revisions that were asked for on this connection."""
    is_sqlite = connection.dialect.name == "sqlite"
    if not is_sqlite:
        connection.exec_driver_sql("SET lock_timeout = '5s'")
        connection.exec_driver_sql("SET statement_timeout = '10min'")
        connection.commit()
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        compare_type=True,
        compare_server_default=False,
        render_as_batch=is_sqlite,
        transaction_per_migration=True,
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    context.configure(
        url=current_app.config["SQLALCHEMY_DATABASE_URI"], target_metadata=Base.metadata, literal_binds=True
    )
    with context.begin_transaction():
        context.run_migrations()
else:
    with db.engine.connect().execution_options(karokar_write=True) as database:
        run(database)
