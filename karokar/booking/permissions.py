"""What may be done with bookings, and by whom: the rows of the permission matrix."""

from karokar.kernel.actor import Scope
from karokar.kernel.permissions import define

BOOKING_READ = define(
    "booking.read",
    "See bookings",
    platform=Scope.ALL,
    vendor=Scope.PARTY,
    corporate=Scope.PARTY,
    employee=Scope.SELF,
)
BOOKING_CREATE = define("booking.create", "Draft bookings", corporate=Scope.OWN)
BOOKING_EDIT = define("booking.edit", "Edit drafts", corporate=Scope.OWN)
BOOKING_DISCARD = define("booking.discard", "Discard drafts", corporate=Scope.OWN)
BOOKING_SUBMIT = define("booking.submit", "Send booking requests to vendors", corporate=Scope.OWN)
BOOKING_APPROVE = define("booking.approve", "Approve booking requests", vendor=Scope.OWN)
BOOKING_REJECT = define("booking.reject", "Reject booking requests", vendor=Scope.OWN)
BOOKING_ASSIGN = define("booking.assign", "Choose the employee who gets a booked vehicle", corporate=Scope.OWN)
BOOKING_ACTIVATE = define("booking.activate", "Hand vehicles over", vendor=Scope.OWN, corporate=Scope.OWN)
BOOKING_COMPLETE = define(
    "booking.complete", "Take vehicles back", vendor=Scope.OWN, corporate=Scope.OWN, while_suspended=True
)
BOOKING_CANCEL = define("booking.cancel", "Cancel bookings", vendor=Scope.OWN, corporate=Scope.OWN)
BOOKING_TERMINATE = define(
    "booking.terminate",
    "End running bookings early",
    platform=Scope.ALL,
    vendor=Scope.OWN,
    corporate=Scope.OWN,
    while_suspended=True,
)
