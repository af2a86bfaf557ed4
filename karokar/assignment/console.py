"""What assignment offers to shared pages."""

from karokar.assignment import queries
from karokar.kernel.ports import Console, Entry

CONSOLE = Console(
    navigation=(
        Entry(
            label="Assignments",
            icon="steering-wheel",
            endpoint="assignment.index",
            group="Work",
            place=40,
            permission="assignment.read",
            key="a",
        ),
    ),
    pages={"assignment": "assignment.show"},
    openable=queries.openable,
    producers={"assignment": "Assignments"},
    waiting=queries.list_waiting_for,
    figures=queries.list_figures_for,
    uses_of_vehicle=lambda vehicle_id: {"assignment": queries.count_direct(vehicle_id)},
)
