"""How bookings react to what happens elsewhere."""

from sqlalchemy import update

from karokar.assignment import facts as assignment
from karokar.booking import actions
from karokar.booking.models import Booking, SuspensionWork
from karokar.booking.rules import Status, Vacancy
from karokar.events.assignment import AssignmentClosed, AssignmentRejected
from karokar.events.base import Envelope
from karokar.events.fleet import VehicleActivated
from karokar.events.handlers import handles
from karokar.events.organization import OrganizationReinstated, OrganizationSuspended
from karokar.kernel.db import db


@handles(
    OrganizationSuspended,
    effect="projection",
    description="Notes that the organization's bookings that have not begun are to be called off; the clock does it.",
)
def plan_cancellations(envelope: Envelope[OrganizationSuspended]) -> None:
    """Leave the work to the clock: a vendor may have thousands of bookings."""
    if db.session.get(SuspensionWork, envelope.event_id) is None:
        db.session.add(
            SuspensionWork(
                event_id=envelope.event_id,
                organization_id=envelope.event.organization_id,
                asked_at=envelope.occurred_at,
            )
        )


@handles(
    OrganizationReinstated,
    effect="projection",
    description="Stops calling off bookings of an organization that is active again.",
)
def stop_cancellations(envelope: Envelope[OrganizationReinstated]) -> None:
    """End the work that an earlier suspension left."""
    for work in db.session.query(SuspensionWork).filter(
        SuspensionWork.organization_id == envelope.event.organization_id,
        SuspensionWork.ended_at.is_(None),
        SuspensionWork.asked_at <= envelope.occurred_at,
    ):
        work.ended_at = envelope.occurred_at


@handles(
    VehicleActivated,
    effect="action",
    key="stream",
    description="Awaits a broken down vehicle no longer, once somebody has put it back on the road.",
)
def stop_awaiting(envelope: Envelope[VehicleActivated]) -> None:
    """A suspension that somebody lifted says that the vehicle is there; one that documents lifted says nothing."""
    lifted, _now = envelope.metadata.get("changes", {}).get("suspended_by") or (None, None)
    if lifted in {"OWNER", "PLATFORM"}:
        actions.release_after_repair(envelope.event.vehicle_id)


@handles(
    AssignmentRejected,
    AssignmentClosed,
    effect="projection",
    key="stream",
    from_start=True,
    description="Notes that an assigned booking needs another driver, because the employee declined or left.",
)
def note_vacancy(envelope: Envelope[AssignmentRejected | AssignmentClosed]) -> None:
    """Mark the booking as vacant, unless it is over or somebody else was chosen in the meantime."""
    event = envelope.event
    if event.booking_id is None:
        return
    vacancy = Vacancy.DECLINED if isinstance(event, AssignmentRejected) else Vacancy.LEFT
    db.session.execute(
        update(Booking)
        .where(
            Booking.id == event.booking_id,
            Booking.status == Status.ASSIGNED.value,
            Booking.vacancy.is_(None),
            Booking.round == assignment.get_round(event.assignment_id),
        )
        .values(vacancy=vacancy.value, updated_at=envelope.occurred_at)
    )
