"""What fleet offers to shared pages."""

from collections.abc import Collection, Mapping
from uuid import UUID

from karokar.fleet import queries
from karokar.kernel.actor import WIDER
from karokar.kernel.ports import Console, Entry


def _names(ids: Collection[UUID]) -> Mapping[UUID, str]:
    return {id_: facts.label for id_, facts in queries.vehicles(ids).items()}


CONSOLE = Console(
    navigation=(
        Entry(
            label="Vehicles",
            icon="car",
            endpoint="fleet.index",
            group="Work",
            place=60,
            permission="vehicle.read",
            key="v",
        ),
        Entry(
            label="Maintenance",
            icon="tool",
            endpoint="fleet.maintenance",
            group="Work",
            place=70,
            permission="maintenance.schedule",
            key="w",
        ),
        Entry(
            label="Vehicle documents",
            icon="file-check",
            endpoint="fleet.documents",
            group="Work",
            place=80,
            permission="vehicle.update",
            key="p",
        ),
        Entry(
            label="Who had it?",
            icon="history",
            endpoint="fleet.who_had",
            group="Work",
            place=90,
            permission="vehicle.read",
            scopes=WIDER,
        ),
    ),
    pages={"vehicle": "fleet.show", "maintenancewindow": "fleet.window"},
    openable=queries.openable,
    names={"Vehicle": _names},
    producers={"fleet": "Vehicles and maintenance"},
    waiting=queries.list_waiting_for,
    search=queries.search,
)
