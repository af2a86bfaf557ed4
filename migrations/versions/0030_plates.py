"""The country of each plate; and a plate is one organization's only once its registration certificate is approved."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from karokar.kernel.local.countries import country_of

revision = "0030_plates"
down_revision = "0029_tries"
branch_labels = None
depends_on = None

IN_SERVICE = sa.text("status <> 'RETIRED'")


def upgrade() -> None:
    """Take the country from the place's time zone, else the organization's; let several organizations register a plate."""
    op.add_column("vehicles", sa.Column("plate_country", sa.String(2), nullable=False, server_default=""))
    connection = op.get_bind()
    for zone in connection.execute(sa.text("SELECT DISTINCT time_zone FROM vehicles")).scalars().all():
        connection.execute(
            sa.text("UPDATE vehicles SET plate_country = :country WHERE time_zone = :zone"),
            {"country": country_of(zone), "zone": zone},
        )
    owners = "SELECT id FROM organizations WHERE time_zone = :zone"
    for zone in connection.execute(sa.text("SELECT DISTINCT time_zone FROM organizations")).scalars().all():
        connection.execute(
            sa.text(
                "UPDATE vehicles SET plate_country = :country "
                f"WHERE plate_country = '' AND organization_id IN ({owners})"
            ),
            {"country": country_of(zone), "zone": zone},
        )
    op.drop_index("uq_vehicles_plate_key", "vehicles")
    _unique("uq_vehicles_plate", ["organization_id", "plate_key", "plate_country"])
    op.create_index("ix_vehicles_plate_key", "vehicles", ["plate_key"])


def _unique(name: str, columns: list[str]) -> None:
    conditions: dict[str, Any] = {"postgresql_where": IN_SERVICE, "sqlite_where": IN_SERVICE}
    op.create_index(name, "vehicles", columns, unique=True, **conditions)


def downgrade() -> None:
    """Make a plate unique again among all vehicles in service: it fails while two of them share one."""
    op.drop_index("ix_vehicles_plate_key", "vehicles")
    op.drop_index("uq_vehicles_plate", "vehicles")
    _unique("uq_vehicles_plate_key", ["plate_key"])
    op.drop_column("vehicles", "plate_country")
