"""What is free on the market for a wish, and why the rest is not: asked of fleet, availability and verification."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from karokar.availability import queries
from karokar.availability.queries import BlockFacts
from karokar.fleet import queries as fleet
from karokar.fleet.queries import REQUIRED_DOCUMENTS, VehicleFacts
from karokar.kernel import clock
from karokar.kernel.actor import Actor
from karokar.organization.queries import OrganizationFacts
from karokar.verification import queries as verifications

TAKEN_SHOWN = 10
LATE_COUNTS_FOR = timedelta(days=1)
"""A vehicle that is not back in time is not offered for what begins this soon."""


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
class Reason:
    """Why a vehicle is not free: the kind of block, DOCUMENT, BUFFER, or LATE (due back at `until`).

    `until` is None where nobody knows.
    """

    kind: str
    until: datetime | None
    document: str = ""


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

    Free means: no block in the period, nor in the owner's buffer after it; back in time, where it begins soon;
    documents that last to its end; an owner that is active.
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
    now = clock.now()
    late = queries.late_vehicles(now) if wish.start < now + LATE_COUNTS_FOR else {}
    lapsing = verifications.lapsing_ids("Vehicle", REQUIRED_DOCUMENTS, now, wish.end, among=fitting)
    out = queries.busy_vehicle_ids(wish.start, wish.end) | lapsing | _in_buffer(wish.end, vendors)
    out.update(vehicle_id.hex for vehicle_id in late)
    free = [id_ for id_ in fitting if id_ not in out]
    taken = [id_ for id_ in fitting if id_ in out]
    free_shown, taken_shown = free[offset : offset + limit], taken[:TAKEN_SHOWN]
    vehicles = {id_.hex: facts for id_, facts in fleet.vehicles(map(UUID, free_shown + taken_shown)).items()}
    ids = [UUID(id_) for id_ in taken_shown]
    blocks = queries.blocks(ids, wish.start, wish.end)
    lapsed = _lapsing([id_ for id_ in ids if id_.hex in lapsing], wish.end)
    owners = {one.id: one.name for one in vendors.values()}
    if own is not None:
        owners[own] = actor.organization_name
    return Market(
        free=[vehicles[id_] for id_ in free_shown],
        count=len(free),
        taken=[Taken(vehicles[id_.hex], _reasons(blocks[id_], late.get(id_), lapsed.get(id_))) for id_ in ids],
        taken_count=len(taken),
        owners=owners,
    )


def _is_asked(id_: UUID, actor: Actor, vendor_id: UUID | None) -> bool:
    """Whether the vehicles of this vendor are looked at: a vendor looks at its own, others at one's or everybody's."""
    is_reachable = actor.organization_type != "VENDOR" or id_ == actor.organization_id
    return is_reachable and vendor_id in {None, id_}


def _in_buffer(end: datetime, vendors: Mapping[UUID, OrganizationFacts]) -> set[str]:
    """Return the vehicles (`UUID.hex`) whose next block begins within the owner's buffer after the end."""
    longest = max((vendor.buffer_minutes for vendor in vendors.values()), default=0)
    if not longest:
        return set()
    return {
        vehicle_id.hex
        for vehicle_id, owner_id, start in queries.begin_between(end, end + timedelta(minutes=longest))
        if owner_id in vendors and start < end + timedelta(minutes=vendors[owner_id].buffer_minutes)
    }


def _lapsing(vehicle_ids: list[UUID], end: datetime) -> dict[UUID, Reason]:
    """Return which document of each of these vehicles ends before the period does."""
    lapsed = {}
    for vehicle_id, covered in verifications.coverages("Vehicle", vehicle_ids).items():
        for kind, name in REQUIRED_DOCUMENTS.items():
            expires_at = covered[kind].expires_at
            if covered[kind].status == "APPROVED" and expires_at is not None and expires_at < end:
                lapsed[vehicle_id] = Reason("DOCUMENT", expires_at, name)
    return lapsed


def _reasons(blocks: list[BlockFacts], late: BlockFacts | None, lapsed: Reason | None) -> list[Reason]:
    """Return one reason per kind, with the latest end of its blocks."""
    found: dict[str, Reason] = {}
    for block in blocks:
        known = found.get(block.kind)
        if known is not None and (known.until is None or (block.end is not None and block.end <= known.until)):
            continue
        found[block.kind] = Reason(block.kind, block.end)
    reasons = list(found.values())
    if late is not None:
        reasons.append(Reason("LATE", late.end))
    if lapsed is not None:
        reasons.append(lapsed)
    return reasons or [Reason("BUFFER", None)]
