"""What people and the clock do with bookings. One function is one transaction.

Locks are taken in one order everywhere: organizations, the vehicle's calendar, the vehicle, the booking.
"""

from karokar.booking.actions.clock_jobs import (
    cancel_after_suspensions,
    cancel_no_shows,
    cancel_unanswered,
    notice_delays,
    notice_late_returns,
    remind_of_handovers,
)
from karokar.booking.actions.decisions import approve_booking, reject_booking
from karokar.booking.actions.drafts import (
    create_booking,
    discard_booking,
    edit_booking,
    request_booking,
    submit_booking,
)
from karokar.booking.actions.endings import (
    cancel_booking,
    comment_booking,
    complete_booking,
    release_after_repair,
    terminate_booking,
)
from karokar.booking.actions.handover import activate_booking, assign_booking, correct_odometer

__all__ = [
    "activate_booking",
    "approve_booking",
    "assign_booking",
    "cancel_after_suspensions",
    "cancel_booking",
    "cancel_no_shows",
    "cancel_unanswered",
    "comment_booking",
    "complete_booking",
    "correct_odometer",
    "create_booking",
    "discard_booking",
    "edit_booking",
    "notice_delays",
    "notice_late_returns",
    "reject_booking",
    "release_after_repair",
    "remind_of_handovers",
    "request_booking",
    "submit_booking",
    "terminate_booking",
]
