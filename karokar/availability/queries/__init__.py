"""What may be asked about vehicles' calendars: who is free, what takes their time, and where it overlaps."""

from karokar.availability.queries.calendar import (
    KIND_NAMES,
    BlockFacts,
    block_facts,
    blocks,
    find_blocks_of,
    vehicles_of_company,
)
from karokar.availability.queries.conflicts import (
    SORTS,
    SOURCE_NAMES,
    ConflictFacts,
    count_conflicts,
    found_together,
    get_conflict,
    list_conflicts,
    list_figures_for,
    list_waiting_for,
    open_conflicts,
    openable,
)

__all__ = [
    "KIND_NAMES",
    "SORTS",
    "SOURCE_NAMES",
    "BlockFacts",
    "ConflictFacts",
    "block_facts",
    "blocks",
    "count_conflicts",
    "find_blocks_of",
    "found_together",
    "get_conflict",
    "list_conflicts",
    "list_figures_for",
    "list_waiting_for",
    "open_conflicts",
    "openable",
    "vehicles_of_company",
]
