"""Give three check constraints the names that the models give them: their table's name had been put in front twice."""

import sqlalchemy as sa
from alembic import op

revision = "0021_constraint_names"
down_revision = "0020_put_off"
branch_labels = None
depends_on = None

DOUBLED = {
    "notifications": ("channel_is_known", "status_is_known"),
    "troubles": ("state_is_known",),
}


def rename(table: str, old: str, new: str) -> None:
    """Rename one constraint without touching a row."""
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text(f"ALTER TABLE {table} RENAME CONSTRAINT {old} TO {new}"))
        return
    # SQLite cannot rename a constraint. Its documentation allows the stored statement to be edited where a change does
    # not affect what is on the disk; the raised schema version makes every other connection read it again.
    version = connection.execute(sa.text("PRAGMA schema_version")).scalar_one()
    connection.execute(sa.text("PRAGMA writable_schema = ON"))
    connection.execute(
        sa.text("UPDATE sqlite_master SET sql = replace(sql, :old, :new) WHERE type = 'table' AND name = :table"),
        {"old": f"CONSTRAINT {old} ", "new": f"CONSTRAINT {new} ", "table": table},
    )
    connection.execute(sa.text(f"PRAGMA schema_version = {version + 1}"))
    connection.execute(sa.text("PRAGMA writable_schema = RESET"))


def upgrade() -> None:
    """Name them once."""
    for table, rules in DOUBLED.items():
        for rule in rules:
            rename(table, f"ck_{table}_ck_{table}_{rule}", f"ck_{table}_{rule}")


def downgrade() -> None:
    """Name them as before."""
    for table, rules in DOUBLED.items():
        for rule in rules:
            rename(table, f"ck_{table}_{rule}", f"ck_{table}_ck_{table}_{rule}")
