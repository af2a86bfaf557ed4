"""What booking offers to shared pages."""

from collections.abc import Collection, Mapping
from uuid import UUID

from karokar.booking import queries
from karokar.kernel.actor import WIDER
from karokar.kernel.pages.waiting import Holds
from karokar.kernel.ports import Console, Entry


def _names(ids: Collection[UUID]) -> Mapping[UUID, str]:
    return {id_: facts.reference for id_, facts in queries.bookings(ids).items()}


CONSOLE = Console(
    navigation=(
        Entry(
            label="Today",
            icon="calendar-check",
            endpoint="booking.today",
            group="Work",
            place=20,
            permission="booking.read",
            key="y",
            scopes=WIDER,
        ),
        Entry(
            label="Bookings",
            icon="calendar-event",
            endpoint="booking.index",
            group="Work",
            place=30,
            permission="booking.read",
            key="b",
        ),
    ),
    pages={"booking": "booking.show"},
    openable=queries.openable,
    names={"Booking": _names},
    producers={"booking": "Bookings"},
    waiting=queries.list_waiting_for,
    holds={Holds.BOOKING_IS_VACANT: queries.which_are_vacant},
    figures=queries.list_figures_for,
    uses_of_vehicle=lambda vehicle_id: {"booking": queries.count_live(vehicle_id)},
    search=queries.search,
)
