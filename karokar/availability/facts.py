"""What other contexts may ask about whether a vehicle is free, what takes its time, and where that overlaps."""

from karokar.availability.free import is_free, taken_among, why_taken
from karokar.availability.queries import ConflictFacts, blocks, found_together, open_conflicts

__all__ = ["ConflictFacts", "blocks", "found_together", "is_free", "open_conflicts", "taken_among", "why_taken"]
