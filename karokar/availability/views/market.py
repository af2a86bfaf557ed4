"""What is free on the market for a wish, and why the rest is not: asked of fleet, availability and verification."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from karokar.availability import free
from karokar.availability.free import Reason
from karokar.fleet import facts as fleet
from karokar.fleet.facts import VehicleFacts
from karokar.kernel.actor import Actor
from karokar.organization.facts import OrganizationFacts

TAKEN_SHOWN = 10


@dataclass(frozen=True, kw_only=True)
class Wish:
    """When, where and what somebody needs."""

    start: datetime
    end: datetime
    city: str = ""
    category: str = ""
    seats: int | None = None
    vendor_id: UUID | None = None
    text: str = ""


@dataclass(frozen=True)
class Taken:
    """A vehicle that fits and is not free, and why."""

    vehicle: VehicleFacts
    reasons: list[Reason]


@dataclass(frozen=True)
class Market:
    """One page of what is free, how much there is, and some of what is not. `owners` are names."""

    free: list[VehicleFacts]
    count: int
    taken: list[Taken]
    taken_count: int
    owners: Mapping[UUID, str]


def search_market(
    wish: Wish, actor: Actor, active: Iterable[OrganizationFacts], *, limit: int = 25, offset: int = 0
) -> Market:
    """Return what is really free for the whole period, the company's own vehicles first, and why the rest is not.

    `active` are the vendors that take part.

    A vendor searches its own fleet, the platform the whole market.
    """
    vendors = {one.id: one for one in active if _is_asked(one.id, actor, wish.vendor_id)}
    own = actor.organization_id if actor.organization_type == "CORPORATE" and wish.vendor_id is None else None
    fitting = fleet.candidate_ids(
        vendor_ids=list(vendors),
        own_organization_id=own,
        city=wish.city,
        category=wish.category,
        seats=wish.seats,
        text=wish.text,
    )
    turnaround = {one.id: timedelta(minutes=one.buffer_minutes) for one in vendors.values()}
    out = free.taken_among(fitting, wish.start, wish.end, turnaround)
    found = [id_ for id_ in fitting if id_ not in out]
    taken = [id_ for id_ in fitting if id_ in out]
    free_shown, taken_shown = found[offset : offset + limit], taken[:TAKEN_SHOWN]
    vehicles = {id_.hex: facts for id_, facts in fleet.vehicles(map(UUID, free_shown + taken_shown)).items()}
    explained = [vehicles[id_] for id_ in taken_shown]
    reasons = free.explain_taken([one.id for one in explained], wish.start, wish.end, turnaround)
    owners = {one.id: one.name for one in vendors.values()}
    if own is not None:
        owners[own] = actor.organization_name
    return Market(
        free=[vehicles[id_] for id_ in free_shown],
        count=len(found),
        taken=[Taken(vehicle, reasons[vehicle.id]) for vehicle in explained],
        taken_count=len(taken),
        owners=owners,
    )


def _is_asked(id_: UUID, actor: Actor, vendor_id: UUID | None) -> bool:
    """Whether the vehicles of this vendor are looked at: a vendor looks at its own, others at one's or everybody's."""
    is_reachable = actor.organization_type != "VENDOR" or id_ == actor.organization_id
    return is_reachable and vendor_id in {None, id_}
