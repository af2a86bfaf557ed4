"""Vehicles on the road that fit a wish."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import Select, and_, or_, select

from karokar.fleet.models import Vehicle
from karokar.fleet.queries.facts import VehicleFacts, vehicle_facts
from karokar.fleet.queries.lists import is_offered, narrowed
from karokar.fleet.rules import Ownership, VehicleStatus
from karokar.kernel.database.many import fetch_ids
from karokar.kernel.db import db


def list_candidates(
    *, vendor_ids: Collection[UUID], own_organization_id: UUID | None = None, limit: int
) -> list[VehicleFacts]:
    """Return vehicles on the road: those of these vendors, and the own organization's first."""
    statement = _on_the_road(vendor_ids, own_organization_id)
    return [vehicle_facts(row) for row in db.session.scalars(statement.limit(limit))]


def candidate_ids(
    *,
    vendor_ids: Collection[UUID],
    own_organization_id: UUID | None = None,
    city: str = "",
    category: str = "",
    seats: int | None = None,
    text: str = "",
    first: str = "",
) -> list[str]:
    """Return the ids, as `UUID.hex`, of all vehicles on the road that fit, in the order in which people are shown them.

    That is the own organization's, those of the category `first`, then by category, make, model and plate.
    """
    statement = _on_the_road(vendor_ids, own_organization_id, first).where(*narrowed(text, category, city, seats))
    return fetch_ids(Vehicle.id, statement)


def _on_the_road(vendor_ids: Collection[UUID], own_organization_id: UUID | None, first: str = "") -> Select[Vehicle]:
    is_theirs = and_(is_offered(), Vehicle.organization_id.in_(list(vendor_ids)))
    by_name = (Vehicle.category, Vehicle.search_key)
    order = (Vehicle.category != first, *by_name) if first else by_name
    if own_organization_id is None:
        return select(Vehicle).where(is_theirs).order_by(*order)
    is_own = and_(
        Vehicle.organization_id == own_organization_id,
        Vehicle.ownership_type == Ownership.CORPORATE_OWNED.value,
        Vehicle.status == VehicleStatus.ACTIVE.value,
    )
    return (
        select(Vehicle).where(or_(is_theirs, is_own)).order_by(Vehicle.organization_id != own_organization_id, *order)
    )
