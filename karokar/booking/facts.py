"""What other contexts may ask about bookings: who has which vehicle when, and what counts on one."""

from karokar.booking.queries import (
    LONGEST,
    VACANCIES,
    BookingFacts,
    bookings,
    count_with,
    due_back,
    earliest_start,
    holding_in_period,
    list_awaited,
    list_cancellable,
    live_in_period,
    references,
    requests_in_period,
    vehicles_requested_by,
)

__all__ = [
    "LONGEST",
    "VACANCIES",
    "BookingFacts",
    "bookings",
    "count_with",
    "due_back",
    "earliest_start",
    "holding_in_period",
    "list_awaited",
    "list_cancellable",
    "live_in_period",
    "references",
    "requests_in_period",
    "vehicles_requested_by",
]
