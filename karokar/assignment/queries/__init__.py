"""What may be asked about assignments: by other contexts, and by the pages of the acting person."""

from karokar.assignment.queries.candidates import Candidate, is_licence_required, list_candidates
from karokar.assignment.queries.facts import (
    AssignmentFacts,
    OwnToday,
    answers_of,
    count_direct,
    find_accepted,
    get_round,
    live_in_period,
    of_booking,
    overlapping,
    own_today,
    who_had,
)
from karokar.assignment.queries.pages import (
    SORTS,
    AssignmentFilter,
    count_listed,
    find_handovers,
    get_photo,
    get_seen,
    list_assignments,
    list_photos,
    openable,
)
from karokar.assignment.queries.waiting import list_figures_for, list_waiting_for

__all__ = [
    "SORTS",
    "AssignmentFacts",
    "AssignmentFilter",
    "Candidate",
    "OwnToday",
    "answers_of",
    "count_direct",
    "count_listed",
    "find_accepted",
    "find_handovers",
    "get_photo",
    "get_round",
    "get_seen",
    "is_licence_required",
    "list_assignments",
    "list_candidates",
    "list_figures_for",
    "list_photos",
    "list_waiting_for",
    "live_in_period",
    "of_booking",
    "openable",
    "overlapping",
    "own_today",
    "who_had",
]
