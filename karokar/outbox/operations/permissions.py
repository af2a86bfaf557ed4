"""What may be done about the delivery of events."""

from karokar.kernel.actor import Scope
from karokar.kernel.permissions import define

EVENT_OPERATE = define(
    "event.operate", "Retry, dismiss, pause, replay and rebuild the delivery of events", platform=Scope.ALL
)
