"""What verification offers to shared pages."""

from karokar.kernel.ports import Console, Documents, Entry
from karokar.verification import queries

CONSOLE = Console(
    navigation=(
        Entry(
            label="Documents",
            icon="shield-check",
            endpoint="verification.index",
            group="Organization",
            place=10,
            permission="verification.read",
            key="d",
        ),
    ),
    pages={"verification": "verification.show"},
    openable=queries.openable,
    producers={"verification": "Documents"},
    waiting=queries.list_waiting_for,
    figures=queries.list_figures_for,
)

DOCUMENTS = Documents(is_covered=queries.is_covered, coverage=queries.coverage)
