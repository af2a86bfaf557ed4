"""Write the domains of accounts' addresses as mail servers know them (IDNA), the form in which they are compared."""

import sqlalchemy as sa
from alembic import op
from email_validator import EmailNotValidError, validate_email

revision = "0035_email_domains"
down_revision = "0034_evidence"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Rewrite the few addresses with other letters in their domain, unless an account has the other form already."""
    connection = op.get_bind()
    is_foreign = "email ~ '[^ -~]'" if connection.dialect.name == "postgresql" else "email glob '*[^ -~]*'"
    for user_id, email in connection.execute(sa.text(f"select id, email from users where {is_foreign}")).all():
        try:
            found = validate_email(email, check_deliverability=False, allow_smtputf8=True)
        except EmailNotValidError:
            continue
        connection.execute(
            sa.text(
                "update users set email = :new where id = :id and not exists (select 1 from users where email = :new)"
            ),
            {"new": f"{found.local_part}@{found.ascii_domain}".lower(), "id": user_id},
        )


def downgrade() -> None:
    """Leave the addresses as they are: the other form is the same address."""
