"""A delivery that was begun beyond the progress of its shard becomes an ordinary retry, due as soon as that is reached."""

from alembic import op

revision = "0039_lost_batches_are_retries"
down_revision = "0038_reasons_to_wait"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Give it a time: the version before took up again what had none."""
    op.execute("update troubles set due_at = since where state = 'retrying' and due_at is null")


def downgrade() -> None:
    """Do nothing: the version before takes up what is due, too."""
