"""Which vehicles are busy in a period, by an index of periods: the search asks for all vehicles at once."""

from alembic import op

revision = "0017_calendar_periods"
down_revision = "0016_calendar_then"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Index the periods, where there are ranges."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            'CREATE INDEX ix_availability_blocks_period ON availability_blocks USING gist (tstzrange(start, "end"))'
        )


def downgrade() -> None:
    """Drop the index."""
    if op.get_bind().dialect.name == "postgresql":
        op.drop_index("ix_availability_blocks_period", "availability_blocks")
