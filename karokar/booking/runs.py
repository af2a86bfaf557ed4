"""Work on many bookings: approve, reject and cancel what a list's filters match, row by row."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any
from uuid import UUID

from karokar.booking import actions, queries
from karokar.booking.models import Booking
from karokar.booking.permissions import BOOKING_APPROVE, BOOKING_CANCEL, BOOKING_REJECT
from karokar.booking.queries import BookingFilter
from karokar.booking.views.filters import FILTERS
from karokar.fleet import facts as fleet
from karokar.fleet.facts import VehicleFacts
from karokar.kernel.actor import current_actor
from karokar.organization import facts as organization
from karokar.organization.facts import OrganizationFacts
from karokar.runs.kinds import Item, row_kind
from karokar.web.lists.filters import Filters
from karokar.web.shell.times import local_time

_AT_ONCE = 500
"""For how many bookings names are looked up together."""
CANCELLABLE = ("REQUESTED", "APPROVED", "ASSIGNED")


def _matching(parameters: Mapping[str, Any], statuses: tuple[str, ...]) -> Iterator[Item]:
    filters = Filters.of_request(FILTERS, args=parameters["filters"])
    # A value that isn't understood filters nothing: the run would be about everything.
    filters.refuse_problems()
    text = filters.values["text"]
    plates = [vehicle.id for vehicle in fleet.find_by_plate(text)] if text else []
    wanted = BookingFilter(**filters.values, vehicle_ids=plates, sort="start")
    chosen = set(parameters["chosen"])
    fitting = (
        booking
        for booking in queries.iterate_bookings(wanted)
        if booking.status in statuses and (not chosen or str(booking.id) in chosen)
    )
    own = current_actor().organization_id
    vehicles: dict[UUID, str] = {}
    companies: dict[UUID, str] = {}
    while together := list(islice(fitting, _AT_ONCE)):
        others = {one.id: _other_side(one, own) for one in together}
        vehicles |= _labels(fleet.vehicles({one.vehicle_id for one in together} - vehicles.keys()))
        companies |= _names(organization.organizations(set(others.values()) - companies.keys()))
        for one in together:
            vehicle, company = vehicles.get(one.vehicle_id, ""), companies.get(others[one.id], "")
            period = f"{local_time(one.start)} to {local_time(one.end)}"
            yield Item(
                f"{one.reference} · {vehicle} · {company} · {period}", {"id": str(one.id), "version": one.version}
            )


def _other_side(booking: Booking, own: UUID | None) -> UUID:
    is_vendor = booking.vendor_organization_id == own
    return booking.corporate_organization_id if is_vendor else booking.vendor_organization_id


def _labels(found: Mapping[UUID, VehicleFacts]) -> dict[UUID, str]:
    return {vehicle_id: vehicle.label for vehicle_id, vehicle in found.items()}


def _names(found: Mapping[UUID, OrganizationFacts]) -> dict[UUID, str]:
    return {organization_id: one.name for organization_id, one in found.items()}


def _list_requests(parameters: Mapping[str, Any]) -> Iterator[Item]:
    return _matching(parameters, ("REQUESTED",))


def _list_cancellable(parameters: Mapping[str, Any]) -> Iterator[Item]:
    return _matching(parameters, CANCELLABLE)


def _approve(item: Item, _parameters: Mapping[str, Any]) -> None:
    # What overlaps with one that was approved before it is refused by the database, and says so in its row.
    actions.approve_booking(UUID(item.data["id"]), version=item.data["version"])


def _reject(item: Item, parameters: Mapping[str, Any]) -> None:
    actions.reject_booking(
        UUID(item.data["id"]), parameters["reason"], parameters["note"], version=item.data["version"]
    )


def _cancel(item: Item, parameters: Mapping[str, Any]) -> None:
    actions.cancel_booking(
        UUID(item.data["id"]), parameters["reason"], parameters["note"], version=item.data["version"]
    )


APPROVE = row_kind(
    "booking.approve",
    "Approve requests",
    permission=BOOKING_APPROVE,
    list_items=_list_requests,
    do=_approve,
    explains="Of requests that want one vehicle at the same time, the one that starts first is approved; the others "
    "are refused here, stay open, and are to be decided one by one.",
)
REJECT = row_kind("booking.reject", "Reject requests", permission=BOOKING_REJECT, list_items=_list_requests, do=_reject)
CANCEL = row_kind(
    "booking.cancel", "Cancel bookings", permission=BOOKING_CANCEL, list_items=_list_cancellable, do=_cancel
)
