"""Keys that text is found and sorted by, made in Python: the databases fold ASCII letters only."""

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from alembic import op

from karokar.fleet.rules import city_key
from karokar.kernel.database.columns import LONGEST_KEY, SearchKey
from karokar.kernel.text.normalization import search_key

revision = "0024_search_keys"
down_revision = "0023_proof"
branch_labels = None
depends_on = None

AT_ONCE = 1000
SOURCES = {
    "users": ("last_name", "first_name", "email"),
    "organizations": ("name",),
    "vehicles": ("make", "model", "license_plate", "plate_key"),
}


def upgrade() -> None:
    """Add the keys, fill them, and make their indexes.

    The functions are those of today's code, not copies: a key is right only if it is what a search makes of its words.
    """
    for table, sources in SOURCES.items():
        op.add_column(table, sa.Column("search_key", SearchKey, nullable=False, server_default=""))
        _fill(table, "search_key", sources, lambda texts: search_key(" ".join(texts))[:LONGEST_KEY])
        op.create_index(f"ix_{table}_search_key", table, ["search_key", "id"])
        if op.get_bind().dialect.name == "postgresql":
            op.create_index(
                f"ix_{table}_search_key_within",
                table,
                ["search_key"],
                postgresql_using="gin",
                postgresql_ops={"search_key": "gin_trgm_ops"},
            )
    _fill("vehicles", "city_key", ("city",), lambda texts: city_key(texts[0]))


def _fill(table: str, key: str, sources: tuple[str, ...], make: Callable[[list[str]], str]) -> None:
    """Set a key in every row, some rows at a time."""
    connection = op.get_bind()
    names = dict.fromkeys((key, *sources))
    rows = sa.table(table, sa.column("id", sa.Uuid()), *(sa.column(name, sa.Text()) for name in names))
    statement = sa.select(rows.c.id, *(rows.c[name] for name in sources)).order_by(rows.c.id).limit(AT_ONCE)
    change = sa.update(rows).where(rows.c.id == sa.bindparam("of")).values({key: sa.bindparam("made")})
    last: Any = None
    while found := connection.execute(statement if last is None else statement.where(rows.c.id > last)).all():
        connection.execute(change, [{"of": row.id, "made": make([text or "" for text in row[1:]])} for row in found])
        last = found[-1].id


def downgrade() -> None:
    """Drop the keys, and make those of cities as they were."""
    _fill("vehicles", "city_key", ("city",), lambda texts: " ".join(texts[0].casefold().split()))
    for table in SOURCES:
        if op.get_bind().dialect.name == "postgresql":
            op.drop_index(f"ix_{table}_search_key_within", table)
        op.drop_index(f"ix_{table}_search_key", table)
        op.drop_column(table, "search_key")
