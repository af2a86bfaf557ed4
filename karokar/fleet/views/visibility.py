"""Whether the acting person may open a vehicle's page: a link that would lead to nothing is not shown."""

from uuid import UUID

from flask import g

from karokar.fleet import queries
from karokar.fleet.permissions import VEHICLE_READ
from karokar.fleet.queries import VehicleFacts
from karokar.fleet.views.blueprint import bp
from karokar.kernel.actor import Scope, current_actor
from karokar.kernel.permissions import scope_of


@bp.app_template_global()
def sees_vehicle(vehicle: VehicleFacts | None) -> bool:
    """Tell whether the acting person may open this vehicle's page."""
    scope = scope_of(VEHICLE_READ)
    if vehicle is None or scope is None:
        return False
    if scope is Scope.SELF:
        return vehicle.id in _held()
    is_own = vehicle.organization_id == current_actor().organization_id
    return scope is Scope.ALL or is_own or (scope is Scope.MARKET and vehicle.is_offered)


def _held() -> set[UUID]:
    if "held_vehicles" not in g:
        g.held_vehicles = queries.list_held(current_actor().user_id)
    held: set[UUID] = g.held_vehicles
    return held
