"""Encrypt the seeds of authenticator apps with the secret key."""

import sqlalchemy as sa
from alembic import op
from flask import current_app

from karokar.kernel.database.sealed import seal, unseal

revision = "0028_sealed_seeds"
down_revision = "0027_example_accounts"
branch_labels = None
depends_on = None

COLUMNS = ("totp_secret", "pending_totp_secret")


def change(how) -> None:
    connection, keys = op.get_bind(), current_app.config["KAROKAR"].secret_keys
    for name in COLUMNS:
        rows = connection.execute(sa.text(f"SELECT id, {name} FROM users WHERE {name} IS NOT NULL")).all()
        for id_, value in rows:
            statement = sa.text(f"UPDATE users SET {name} = :value WHERE id = :id")
            connection.execute(statement, {"value": how(value, keys), "id": id_})


def upgrade() -> None:
    """Encrypt them."""
    change(seal)


def downgrade() -> None:
    """Store them as they are again."""
    change(unseal)
