"""How bookings react to what happens elsewhere."""

from karokar.booking.models import SuspensionWork
from karokar.events.base import Envelope
from karokar.events.organization import OrganizationReinstated, OrganizationSuspended
from karokar.kernel.db import db
from karokar.outbox.registry import handles


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
