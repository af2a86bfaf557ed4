"""What only somebody with the database's own password can do: take the guards away, change, put them back."""

from sqlalchemy import text

from karokar.kernel.db import db


def tamper(*statements: str) -> None:
    """Run statements that the database refuses to everybody else."""
    db.session.rollback()
    with db.engine.connect() as connection, connection.begin():
        guards = []
        if db.engine.dialect.name == "postgresql":
            connection.execute(text("set local session_replication_role = replica"))
        else:
            guards = list(
                connection.execute(
                    text("select name, sql from sqlite_master where type = 'trigger' and sql like '%is append-only%'")
                )
            )
        for name, _sql in guards:
            connection.execute(text(f"drop trigger {name}"))
        for statement in statements:
            connection.exec_driver_sql(statement)
        for _name, sql in guards:
            connection.exec_driver_sql(sql)
    db.session.expire_all()
