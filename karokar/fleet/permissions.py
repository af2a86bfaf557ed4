"""What may be done with vehicles and their maintenance, and by whom."""

from karokar.kernel.actor import Scope
from karokar.kernel.permissions import define

VEHICLE_READ = define(
    "vehicle.read",
    "See vehicles",
    platform=Scope.ALL,
    vendor=Scope.OWN,
    corporate=Scope.MARKET,
    employee=Scope.SELF,
)
VEHICLE_CREATE = define("vehicle.create", "Register vehicles", vendor=Scope.OWN, corporate=Scope.OWN)
VEHICLE_UPDATE = define("vehicle.update", "Change vehicles' data", vendor=Scope.OWN, corporate=Scope.OWN)
VEHICLE_RETIRE = define("vehicle.retire", "Retire vehicles", vendor=Scope.OWN, corporate=Scope.OWN)
VEHICLE_SUSPEND = define(
    "vehicle.suspend",
    "Take vehicles off the road",
    platform=Scope.ALL,
    vendor=Scope.OWN,
    corporate=Scope.OWN,
)
VEHICLE_ACTIVATE = define(
    "vehicle.activate",
    "Put vehicles on the road",
    platform=Scope.ALL,
    vendor=Scope.OWN,
    corporate=Scope.OWN,
)
MAINTENANCE_SCHEDULE = define(
    "maintenance.schedule", "Plan, move and cancel maintenance", vendor=Scope.OWN, corporate=Scope.OWN
)
MAINTENANCE_START = define("maintenance.start", "Start maintenance", vendor=Scope.OWN, corporate=Scope.OWN)
MAINTENANCE_COMPLETE = define("maintenance.complete", "Complete maintenance", vendor=Scope.OWN, corporate=Scope.OWN)
