"""What can be done with vehicles, their maintenance and their odometers."""

from karokar.fleet.actions.maintenance import (
    cancel_maintenance,
    change_maintenance,
    complete_maintenance,
    schedule_maintenance,
    start_maintenance,
)
from karokar.fleet.actions.odometer import correct_odometer, record_odometer, void_odometer
from karokar.fleet.actions.vehicles import (
    activate_vehicle,
    check_registration,
    edit_vehicle,
    gates_of,
    lift_document_suspension,
    list_gates,
    register_vehicle,
    retire_vehicle,
    suspend_for_documents,
    suspend_vehicle,
)

__all__ = [
    "activate_vehicle",
    "cancel_maintenance",
    "change_maintenance",
    "check_registration",
    "complete_maintenance",
    "correct_odometer",
    "edit_vehicle",
    "gates_of",
    "lift_document_suspension",
    "list_gates",
    "record_odometer",
    "register_vehicle",
    "retire_vehicle",
    "schedule_maintenance",
    "start_maintenance",
    "suspend_for_documents",
    "suspend_vehicle",
    "void_odometer",
]
