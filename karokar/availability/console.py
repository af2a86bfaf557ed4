"""What availability offers to shared pages."""

from karokar.availability import queries
from karokar.kernel.actor import WIDER
from karokar.kernel.ports import Console, Entry

CONSOLE = Console(
    navigation=(
        Entry(
            label="Find a vehicle",
            icon="search",
            endpoint="availability.index",
            group="Work",
            place=10,
            permission="booking.create",
            key="f",
        ),
        Entry(
            label="Fleet timeline",
            icon="timeline",
            endpoint="availability.timeline",
            group="Work",
            place=50,
            permission="vehicle.read",
            key="t",
            scopes=WIDER,
        ),
        Entry(
            label="Conflicts",
            icon="alert-triangle",
            endpoint="availability.conflicts",
            group="Work",
            place=100,
            permission="conflict.read",
            key="c",
        ),
    ),
    pages={"availabilityconflict": "availability.conflict"},
    openable=queries.openable,
    producers={"availability": "Calendar"},
    waiting=queries.list_waiting_for,
    figures=queries.list_figures_for,
)
