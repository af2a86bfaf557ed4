"""How payloads of earlier versions become those of the next one.

An event whose payload changes gets a new version of its class, and here a function from the version before:

    @upcasts("BookingApproved", version=1)
    def _hold_to_the_end(payload: dict[str, Any]) -> dict[str, Any]:
        return {**payload, "heldUntil": payload["end"]}

Versions are chained, each to the next, so that a function written once is never touched again. It sees the payload as
it was stored (camelCase, JSON values), may change it or return another, asks nobody and never fails.
"""

from collections.abc import Callable
from typing import Any

Upcaster = Callable[[dict[str, Any]], dict[str, Any]]

UPCASTERS: dict[tuple[str, int], Upcaster] = {}
"""Upcasters by stored name and the version that they start from."""


def upcasts(event_type: str, *, version: int) -> Callable[[Upcaster], Upcaster]:
    """Declare a function that turns a payload of this version into one of the next.

    Raises ValueError where one is declared already.
    """

    def declare(function: Upcaster) -> Upcaster:
        if (event_type, version) in UPCASTERS:
            message = f"{event_type} version {version} is lifted to the next by two functions."
            raise ValueError(message)
        UPCASTERS[event_type, version] = function
        return function

    return declare


# What people typed ----------------------------------------------------------------------------------------------------

_TYPED_IN_VERSION_1 = {
    "AssignmentRejected": "reason",
    "AvailabilityConflictResolved": "note",
    "BookingCancelled": "note",
    "BookingRejected": "note",
    "BookingTerminated": "note",
    "DeliveryDismissed": "reason",
    "HandlerPaused": "reason",
    "MemberRemoved": "reason",
    "MemberSuspended": "reason",
    "OdometerVoided": "reason",
    "OrganizationApproved": "notes",
    "OrganizationReinstated": "notes",
    "OrganizationRejected": "notes",
    "OrganizationSuspended": "notes",
    "VehicleMaintenanceCancelled": "reason",
    "VehicleRetired": "reason",
    "VehicleSuspended": "note",
    "VerificationRejected": "note",
    "VerificationRevoked": "note",
}
"""The field of each event that held a typed text where it now refers to a note (docs/decisions/0060)."""


def _without_text(field: str) -> Upcaster:
    # Migration 0033 moved the texts of what was stored into notes. One that comes from elsewhere has nobody to keep it.
    return lambda payload: {**{key: value for key, value in payload.items() if key != field}, "noteId": None}


for _name, _field in _TYPED_IN_VERSION_1.items():
    upcasts(_name, version=1)(_without_text(_field))


@upcasts("TwoFactorDisabled", version=1)
def _without_identity_check(payload: dict[str, Any]) -> dict[str, Any]:
    return {**payload, "identityCheck": ""}
