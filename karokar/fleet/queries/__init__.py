"""What may be asked about vehicles, their maintenance and their odometers."""

from karokar.fleet.queries.facts import ReadingFacts, VehicleFacts, WindowFacts
from karokar.fleet.queries.home import list_waiting_for, search
from karokar.fleet.queries.lists import (
    SORTS,
    count_listed,
    get_seen,
    get_window,
    list_cities,
    list_in_workshop,
    list_readings,
    list_vehicles,
    list_windows,
)
from karokar.fleet.queries.market import candidate_ids, list_candidates
from karokar.fleet.queries.records import (
    count_by_owner,
    count_vehicles,
    find_by_plate,
    find_likely_readings,
    get_vehicle,
    hold_plate,
    hold_vehicle,
    list_hired,
    list_suspended_for_documents,
    lock_calendar,
    same_plate,
    taken_plates,
    vehicles,
    windows,
)
from karokar.fleet.rules import CATEGORIES, REQUIRED_DOCUMENTS, plate_key

__all__ = [
    "CATEGORIES",
    "REQUIRED_DOCUMENTS",
    "SORTS",
    "ReadingFacts",
    "VehicleFacts",
    "WindowFacts",
    "candidate_ids",
    "count_by_owner",
    "count_listed",
    "count_vehicles",
    "find_by_plate",
    "find_likely_readings",
    "get_seen",
    "get_vehicle",
    "get_window",
    "hold_plate",
    "hold_vehicle",
    "list_candidates",
    "list_cities",
    "list_hired",
    "list_in_workshop",
    "list_readings",
    "list_suspended_for_documents",
    "list_vehicles",
    "list_waiting_for",
    "list_windows",
    "lock_calendar",
    "plate_key",
    "same_plate",
    "search",
    "taken_plates",
    "vehicles",
    "windows",
]
