"""What other contexts may ask about what is proved by documents, and what waits for review."""

from karokar.verification.queries import (
    Coverage,
    count_waiting,
    coverage,
    coverages,
    is_covered,
    label_of,
    lapsing_ids,
    list_tries,
    list_waiting,
    openings,
)

__all__ = [
    "Coverage",
    "count_waiting",
    "coverage",
    "coverages",
    "is_covered",
    "label_of",
    "lapsing_ids",
    "list_tries",
    "list_waiting",
    "openings",
]
