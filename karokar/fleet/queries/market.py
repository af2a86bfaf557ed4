"""Vehicles on the road that fit a wish."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, bindparam, func, not_, or_, select
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Uuid

from karokar.fleet.models import Vehicle
from karokar.fleet.queries.facts import VehicleFacts, vehicle_facts
from karokar.fleet.queries.lists import is_offered, narrowed
from karokar.fleet.rules import (
    Ownership,
    VehicleStatus,
)
from karokar.kernel.db import db


def search_candidates(
    *,
    vendor_ids: Collection[UUID],
    own_organization_id: UUID | None = None,
    city: str = "",
    category: str = "",
    seats: int | None = None,
    text: str = "",
    without: Collection[UUID] = (),
    among: Collection[UUID] | None = None,
    limit: int = 25,
    offset: int = 0,
) -> list[VehicleFacts]:
    """Return vehicles on the road that fit: those of these vendors, and the own organization's first.

    `without` leaves vehicles out (those that are busy), `among` keeps to some (None: to all).
    """
    statement, values = _candidates(vendor_ids, own_organization_id, without, among)
    statement = statement.where(*narrowed(text, category, city, seats))
    own_first = Vehicle.organization_id != own_organization_id if own_organization_id else Vehicle.ownership_type
    statement = statement.order_by(own_first, Vehicle.category, Vehicle.make, Vehicle.model, Vehicle.plate_key)
    rows = db.session.execute(statement.limit(limit).offset(offset), values).scalars()
    return [vehicle_facts(row) for row in rows]


def count_candidates(
    *,
    vendor_ids: Collection[UUID],
    own_organization_id: UUID | None = None,
    city: str = "",
    category: str = "",
    seats: int | None = None,
    text: str = "",
    without: Collection[UUID] = (),
    among: Collection[UUID] | None = None,
) -> int:
    """Return how many vehicles `search_candidates` would return without a limit."""
    statement, values = _candidates(vendor_ids, own_organization_id, without, among)
    statement = statement.where(*narrowed(text, category, city, seats))
    counted = statement.with_only_columns(func.count(Vehicle.id)).order_by(None)
    return db.session.execute(counted, values).scalar_one()


def _candidates(
    vendor_ids: Collection[UUID],
    own_organization_id: UUID | None,
    without: Collection[UUID],
    among: Collection[UUID] | None,
) -> tuple[Select[Vehicle], dict[str, object]]:
    """Thousands of ids travel as one value (an array, on SQLite a JSON text): a placeholder each would be slow."""
    market = and_(is_offered(), Vehicle.organization_id.in_(list(vendor_ids)))
    own = and_(
        Vehicle.organization_id == own_organization_id,
        Vehicle.ownership_type == Ownership.CORPORATE_OWNED.value,
        Vehicle.status == VehicleStatus.ACTIVE.value,
    )
    statement = select(Vehicle).where(or_(market, own) if own_organization_id else market)
    values: dict[str, object] = {}
    if without:
        statement = statement.where(not_(_is_among("without")))
        values["without"] = _many(without)
    if among is not None:
        statement = statement.where(_is_among("among"))
        values["among"] = _many(among)
    return statement, values


def _is_among(name: str) -> ColumnElement[bool]:
    if db.session.get_bind().dialect.name == "postgresql":
        return Vehicle.id == func.any(bindparam(name, type_=ARRAY(Uuid())))
    return Vehicle.id.in_(sql(f"SELECT value FROM json_each(:{name})"))


def _many(ids: Collection[UUID]) -> object:
    if db.session.get_bind().dialect.name == "postgresql":
        return list(ids)
    return "[" + ",".join(f'"{item.hex}"' for item in ids) + "]"
