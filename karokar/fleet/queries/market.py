"""Vehicles on the road that fit a wish."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, func, not_, or_, select
from sqlalchemy import text as sql

from karokar.fleet.models import Vehicle
from karokar.fleet.queries.facts import VehicleFacts, vehicle_facts
from karokar.fleet.queries.lists import is_offered, narrowed
from karokar.fleet.rules import Ownership, VehicleStatus
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
    found, _count = find_candidates(
        vendor_ids=vendor_ids,
        own_organization_id=own_organization_id,
        city=city,
        category=category,
        seats=seats,
        text=text,
        without=without,
        among=among,
        limit=limit,
        offset=offset,
    )
    return found


def find_candidates(
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
) -> tuple[list[VehicleFacts], int]:
    """Return what `search_candidates` returns, and how many there are without the limit (0 beyond the last page)."""
    market = and_(is_offered(), Vehicle.organization_id.in_(list(vendor_ids)))
    own = and_(
        Vehicle.organization_id == own_organization_id,
        Vehicle.ownership_type == Ownership.CORPORATE_OWNED.value,
        Vehicle.status == VehicleStatus.ACTIVE.value,
    )
    statement = select(Vehicle, func.count().over()).where(or_(market, own) if own_organization_id else market)
    statement = statement.where(*narrowed(text, category, city, seats))
    values: dict[str, object] = {}
    if without:
        statement = statement.where(not_(_is_among("without")))
        values["without"] = _many(without)
    if among is not None:
        statement = statement.where(_is_among("among"))
        values["among"] = _many(among)
    if own_organization_id is not None:
        statement = statement.order_by(Vehicle.organization_id != own_organization_id)
    statement = _in_order(statement).limit(limit).offset(offset)
    rows = db.session.execute(statement, values).all()
    return [vehicle_facts(row[0]) for row in rows], rows[0][1] if rows else 0


def _in_order(statement: Select[Vehicle, int]) -> Select[Vehicle, int]:
    return statement.order_by(Vehicle.category, Vehicle.make, Vehicle.model, Vehicle.plate_key)


def _is_among(name: str) -> ColumnElement[bool]:
    """Thousands of ids travel as one text and are hashed once: a placeholder each would be slow on either side."""
    if db.session.get_bind().dialect.name == "postgresql":
        return Vehicle.id.in_(sql(f"SELECT unnest(CAST(:{name} AS uuid[]))"))
    return Vehicle.id.in_(sql(f"SELECT value FROM json_each(:{name})"))


def _many(ids: Collection[UUID]) -> str:
    if db.session.get_bind().dialect.name == "postgresql":
        return "{" + ",".join([item.hex for item in ids]) + "}"
    return '["' + '","'.join([item.hex for item in ids]) + '"]'
