"""What verification does about other contexts' facts."""

from karokar.events.base import Envelope
from karokar.events.fleet import VehicleUpdated
from karokar.events.handlers import handles
from karokar.fleet.facts import plate_key
from karokar.verification import actions


@handles(
    VehicleUpdated,
    effect="action",
    description="Ends the approval of a registration certificate when its vehicle gets another licence plate.",
)
def end_registration_of_another_plate(envelope: Envelope[VehicleUpdated]) -> None:
    """A certificate counts for the plate that it names. Another spelling of the plate changes nothing."""
    changes = envelope.metadata.get("changes") or {}
    plates, countries = changes.get("license_plate"), changes.get("plate_country")
    is_another = plates is not None and plate_key(plates[0]) != plate_key(plates[1])
    is_elsewhere = countries is not None and all(countries)
    if is_another or is_elsewhere:
        actions.revoke_for_another_plate(envelope.event.vehicle_id, changed_at=envelope.occurred_at)
