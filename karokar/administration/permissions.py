"""What may be done at the desk: reading and operating events, reports, settings."""

from karokar.kernel.actor import Scope
from karokar.kernel.permissions import define
from karokar.outbox.operations.permissions import EVENT_OPERATE

__all__ = ["EVENT_OPERATE", "EVENT_READ", "REPORT_READ", "SETTING_MANAGE"]

EVENT_READ = define(
    "event.read", "Read the events of your organization", platform=Scope.ALL, vendor=Scope.OWN, corporate=Scope.OWN
)
REPORT_READ = define("report.read", "Read reports", platform=Scope.ALL, vendor=Scope.OWN, corporate=Scope.OWN)
SETTING_MANAGE = define("setting.manage", "Change settings", platform=Scope.ALL, vendor=Scope.OWN, corporate=Scope.OWN)
