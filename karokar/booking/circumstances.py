"""What a request for a vehicle is judged by, looked up in one place for pages and actions."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from karokar.availability import facts as availability
from karokar.booking.queries.facts import bookings
from karokar.booking.rules import obstacles
from karokar.fleet.facts import VehicleFacts
from karokar.identity import facts as identity
from karokar.kernel import clock
from karokar.organization import facts as organization
from karokar.organization.facts import OrganizationFacts
from karokar.verification import facts as verification


def judge_request(
    vehicle: VehicleFacts,
    company_id: UUID,
    start: datetime,
    end: datetime,
    *,
    parties: Mapping[UUID, OrganizationFacts] | None = None,
    is_exact: bool = True,
) -> list[obstacles.Problem]:
    """Return what keeps a company from sending a request for a vehicle and a period; empty for nothing.

    `parties` are both organizations, where the caller knows them; `is_exact` as in `availability.taken_among`.
    """
    parties = parties or organization.organizations([vehicle.organization_id, company_id])
    taken = _why_taken(vehicle, start, end, parties, known_to=company_id, is_exact=is_exact)
    facts = _circumstances(vehicle, start, end, parties, taken)
    return obstacles.request_problems(replace(facts, is_represented=_is_represented(company_id)))


def judge_approval(
    vehicle: VehicleFacts,
    company_id: UUID,
    start: datetime,
    end: datetime,
    *,
    parties: Mapping[UUID, OrganizationFacts] | None = None,
    is_free: bool = False,
) -> list[obstacles.Problem]:
    """Return what keeps the vendor from approving a company's request; empty for nothing.

    `parties` are both organizations, `is_free` is what `availability.taken_among` said, where the caller knows them.
    """
    parties = parties or organization.organizations([vehicle.organization_id, company_id])
    taken = [] if is_free else _why_taken(vehicle, start, end, parties, known_to=None)
    return obstacles.approval_problems(_circumstances(vehicle, start, end, parties, taken))


def _why_taken(
    vehicle: VehicleFacts,
    start: datetime,
    end: datetime,
    parties: Mapping[UUID, OrganizationFacts],
    *,
    known_to: UUID | None,
    is_exact: bool = True,
) -> list[obstacles.Taken]:
    """Return why a vehicle is not free, with the bookings' references: those of a company, or (None) all."""
    if start >= end:
        return []
    turnaround = {vehicle.organization_id: timedelta(minutes=parties[vehicle.organization_id].buffer_minutes)}
    reasons = availability.why_taken([vehicle], start, end, turnaround, is_exact=is_exact)[vehicle.id]
    found = bookings(booking_id for reason in reasons for booking_id in reason.booking_ids)
    return [
        obstacles.Taken(
            reason.kind,
            [
                found[id_].reference
                for id_ in reason.booking_ids
                if id_ in found and known_to in {None, found[id_].corporate_organization_id}
            ],
            reason.document,
        )
        for reason in reasons
    ]


def _circumstances(
    vehicle: VehicleFacts,
    start: datetime,
    end: datetime,
    parties: Mapping[UUID, OrganizationFacts],
    taken: Sequence[obstacles.Taken],
) -> obstacles.Circumstances:
    covered = verification.coverages("Organization", parties)
    return obstacles.Circumstances(
        start=start,
        end=end,
        now=clock.now(),
        vehicle=vehicle.label,
        is_on_the_road=vehicle.is_offered,
        taken=taken,
        inactive={one.name: one.status for one in parties.values() if one.status != "ACTIVE"},
        unregistered=[
            one.name for id_, one in parties.items() if covered[id_]["ORGANIZATION_REGISTRATION"].status != "APPROVED"
        ],
    )


def _is_represented(organization_id: UUID) -> bool:
    """A company may ask for vehicles only while somebody who answers for it has shown who they are."""
    admins = [member.user_id for member in identity.list_members(organization_id) if member.role == "CORPORATE_ADMIN"]
    covered = verification.coverages("User", admins)
    return any(kinds["REPRESENTATIVE_IDENTITY"].status == "APPROVED" for kinds in covered.values())
