"""What may be done at the desk: reading and operating events, reports, settings."""

from karokar.kernel.actor import Scope
from karokar.kernel.permissions import define

EVENT_READ = define(
    "event.read", "Read the events of your organization", platform=Scope.ALL, vendor=Scope.OWN, corporate=Scope.OWN
)
EVENT_OPERATE = define(
    "event.operate", "Retry, dismiss, pause, replay and rebuild the delivery of events", platform=Scope.ALL
)
REPORT_READ = define("report.read", "Read reports", platform=Scope.ALL, vendor=Scope.OWN, corporate=Scope.OWN)
SETTING_MANAGE = define("setting.manage", "Change settings", platform=Scope.ALL, vendor=Scope.OWN, corporate=Scope.OWN)
