"""Why a delivery waits is a column of its own, no longer the first words of a sentence."""

import sqlalchemy as sa
from alembic import op

revision = "0038_reasons_to_wait"
down_revision = "0037_awaited_vehicles"
branch_labels = None
depends_on = None

SENTENCES = {
    "paused": "The handler is paused.%",
    "unknown handler": "This code does not know the handler %",
    "unknown contract": "This code does not know %",
    "behind": "%",
}
WORDS = {
    "paused": "The handler is paused.",
    "unknown handler": "This code does not know the handler for it.",
    "unknown contract": "This code does not know its version.",
    "behind": "Waits for an earlier event of the same key.",
}


def upgrade() -> None:
    """Add the column, and read it off the sentences of what waits now."""
    op.add_column("troubles", sa.Column("reason", sa.Text(), nullable=True))
    for reason, like in SENTENCES.items():
        op.execute(
            sa.text(
                "update troubles set reason = :reason, error = null "
                "where state = 'waiting' and reason is null and coalesce(error, '') like :like"
            ).bindparams(reason=reason, like=like)
        )


def downgrade() -> None:
    """Put the sentences back."""
    for reason, words in WORDS.items():
        op.execute(
            sa.text("update troubles set error = :words where state = 'waiting' and reason = :reason").bindparams(
                words=words, reason=reason
            )
        )
    op.drop_column("troubles", "reason")
