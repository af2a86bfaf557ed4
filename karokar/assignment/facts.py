"""What other contexts may ask about which employee has which vehicle."""

from karokar.assignment.queries import (
    AssignmentFacts,
    Candidate,
    OwnToday,
    answers_of,
    find_accepted,
    get_round,
    list_candidates,
    live_in_period,
    of_booking,
    own_today,
    who_had,
)

__all__ = [
    "AssignmentFacts",
    "Candidate",
    "OwnToday",
    "answers_of",
    "find_accepted",
    "get_round",
    "list_candidates",
    "live_in_period",
    "of_booking",
    "own_today",
    "who_had",
]
