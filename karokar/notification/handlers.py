"""Others' facts become messages: one row per event, recipient and channel, in the delivery's own transaction.

Who is told is decided once: an event that is delivered again finds itself told. Each message holds what its recipient
may see of the event, and nothing else.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid5

import msgspec
from sqlalchemy import select

from karokar.assignment import facts as assignments
from karokar.availability import facts as availability
from karokar.availability.facts import ConflictFacts
from karokar.booking import facts as bookings
from karokar.booking.facts import BookingFacts
from karokar.events.availability import AvailabilityConflictDetected, AvailabilityConflictResolved
from karokar.events.base import Envelope, Event
from karokar.events.contracts.visibility import told_to_affected, visible
from karokar.events.handlers import handles
from karokar.fleet import facts as fleet
from karokar.identity import facts as identity
from karokar.kernel.actor import Actor, Scope
from karokar.kernel.database.rows import insert_if_new, insert_missing
from karokar.kernel.db import db
from karokar.notification.models import Channel, MailState, Notification, Preference, Status, ToldEvent
from karokar.notification.models import Mail as MailRow
from karokar.notification.rules.matrix import (
    EMAIL,
    HOLDING,
    IN_APP,
    MATRIX,
    To,
    mail_id,
    notification_id,
    wanted_channels,
)
from karokar.notification.rules.obstacles import FIELD, PROMISING, Obstacle, reader_of
from karokar.organization import facts as organizations
from karokar.outbox.models import EventRow

_FOR_GOOD = timedelta(days=3650)
_NAMING_BOOKINGS = frozenset({"VehicleSuspended", "VehicleMaintenanceScheduled"})
"""Whose messages name the bookings that they touch."""
_VENDOR, _COMPANY, _OWN = "vendor_organization_id", "corporate_organization_id", "organization_id"


def _told(prefix: str) -> list[str]:
    return [name for name in MATRIX if name.startswith(prefix)]


@handles(*_told("Booking"), description="Tells the parties of a booking what happened to it.")
def tell_of_bookings(envelope: Envelope[Event]) -> None:
    """Write the messages about a booking."""
    _tell(envelope)


@handles(*_told("Assignment"), description="Tells employees of vehicles for them, and their company of the answers.")
def tell_of_assignments(envelope: Envelope[Event]) -> None:
    """Write the messages about an assignment."""
    _tell(envelope)


@handles(*_told("Verification"), description="Tells reviewers of documents that wait, and their owners of decisions.")
def tell_of_verifications(envelope: Envelope[Event]) -> None:
    """Write the messages about a verification."""
    _tell(envelope)


@handles(*_told("Organization"), description="Tells reviewers of applications, and organizations of decisions.")
def tell_of_organizations(envelope: Envelope[Event]) -> None:
    """Write the messages about an organization."""
    _tell(envelope)


@handles(
    *_told("Vehicle"),
    *_told("Availability"),
    description="Tells a vehicle's owner, and companies with bookings of it, of trouble with it.",
)
def tell_of_vehicles(envelope: Envelope[Event]) -> None:
    """Write the messages about a vehicle or its calendar."""
    _tell(envelope)


@handles(
    *_told("Member"),
    *_told("Password"),
    description="Mails invitations, links for a new password, the welcome, a changed password or role.",
)
def tell_people(envelope: Envelope[Event]) -> None:
    """Write the mails to a person about their account."""
    _tell(envelope)


@handles(
    *_told("TwoFactor"),
    *_told("RecoveryCodes"),
    *_told("ApiToken"),
    *_told("NewBrowser"),
    *_told("Role"),
    description="Mails people what changed in how they sign in and what they may do.",
)
def tell_of_security(envelope: Envelope[Event]) -> None:
    """Write the mails that warn a person about their account; nobody can turn them off."""
    _tell(envelope)


@handles(
    *_told("Delivery"),
    *_told("Audit"),
    description="Tells the platform's operators of deliveries that were given up, and of faults in the audit log.",
)
def tell_operators(envelope: Envelope[Event]) -> None:
    """Write the messages about a dead delivery."""
    _tell(envelope)


@dataclass
class _Recipient:
    """Somebody to be told, as a member of an organization (None: as a person), on channels, as what they may see."""

    user_id: UUID
    organization_id: UUID | None
    reads_organization: bool
    is_platform: bool = False
    is_affected: bool = False
    channels: set[str] = field(default_factory=set)

    def viewer(self) -> Actor:
        """The recipient as somebody who looks at the event."""
        permissions = {"event.read": Scope.ALL if self.is_platform else Scope.OWN} if self.reads_organization else {}
        return Actor(
            user_id=self.user_id,
            organization_id=self.organization_id,
            organization_type="PLATFORM" if self.is_platform else None,
            permissions=permissions,
        )


def _tell(envelope: Envelope[Event]) -> None:
    told_as = _told_as(envelope)
    if told_as is None or not insert_if_new(ToldEvent, {"event_id": told_as}):
        return
    row = MATRIX[envelope.event.event_type]
    if row.only_if and not getattr(envelope.event, row.only_if):
        return
    payload: dict[str, Any] = msgspec.to_builtins(envelope.event)
    recipients: dict[UUID, _Recipient] = {}
    for to, channels in row.to:
        for found in _find(to, envelope):
            known = recipients.setdefault(found.user_id, found)
            known.channels.update(channels)
            known.reads_organization |= found.reads_organization
    choices = _choices(row.kind, recipients)
    affected, obstacles = _affected_bookings(envelope), _obstacles(envelope.event)
    notifications, mails = [], []
    for recipient in recipients.values():
        data = _data_for(recipient, envelope, payload)
        if data is None:
            continue
        mine = [one for one in affected if _concerns(one, recipient)]
        if mine:
            data = {**data, "affected": [one.reference for one in mine]}
        if obstacles and (mine or recipient.is_affected or envelope.event.event_type in PROMISING):
            is_driver = not recipient.reads_organization
            reader = reader_of(envelope.event, recipient.organization_id, is_driver=is_driver)
            data = {**data, FIELD: {"reader": reader.value, "found": obstacles}}
        for channel in wanted_channels(row.kind, tuple(sorted(recipient.channels)), choices.get(recipient.user_id, {})):
            made = _notification(envelope, row.kind, recipient, channel, data)
            made["subject_type"], made["subject_id"] = _leads_to(envelope, recipient, mine)
            notifications.append(made)
            if channel == EMAIL:
                mails.append(_mail(made, envelope.event))
    insert_missing(Notification, notifications)
    insert_missing(MailRow, mails)


def _data_for(recipient: _Recipient, envelope: Envelope[Event], payload: Mapping[str, Any]) -> Mapping[str, Any] | None:
    seen = visible(envelope, recipient.viewer(), payload)
    if seen is not None:
        return seen.payload
    return told_to_affected(envelope.event, payload) if recipient.is_affected else None


def _notification(
    envelope: Envelope[Event], kind: str, recipient: _Recipient, channel: str, data: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "id": notification_id(envelope.event_id, recipient.user_id, channel),
        "source_event_id": envelope.event_id,
        "recipient_id": recipient.user_id,
        "organization_id": recipient.organization_id,
        "channel": channel,
        "kind": kind,
        "template": envelope.event.event_type,
        "data": dict(data),
        "status": Status.SENT if channel == IN_APP else Status.PENDING,
        "occurred_at": envelope.occurred_at,
    }


def _mail(notification: Mapping[str, Any], event: Event) -> dict[str, Any]:
    # An invitation is the person's message, but its organization must see whether the address was refused.
    organization_id = notification["organization_id"] or getattr(event, _OWN, None)
    return {
        "id": mail_id(notification["id"], 0),
        "notification_id": notification["id"],
        "resend": 0,
        "recipient_id": notification["recipient_id"],
        "organization_id": organization_id,
        "state": MailState.QUEUED,
        "attempts": 0,
        "queued_at": notification["occurred_at"],
        "due_at": notification["occurred_at"],
    }


def _leads_to(
    envelope: Envelope[Event], recipient: _Recipient, affected: Sequence[BookingFacts]
) -> tuple[str | None, UUID | None]:
    """Return the page to which a message leads: the thing that the event is about, or, for a company that may no longer
    see the vehicle that it booked, the first booking that is affected.
    """
    is_owner = recipient.organization_id == getattr(envelope.event, _OWN, None)
    if envelope.event.event_type in _NAMING_BOOKINGS and affected and recipient.reads_organization and not is_owner:
        return "Booking", affected[0].id
    if envelope.event.producer == "identity":
        return None, None
    if envelope.aggregate_type == "System":
        return "Event", getattr(envelope.event, "event_id", envelope.event_id)
    if envelope.aggregate_type == "MaintenanceWindow":
        vehicle_id: UUID = getattr(envelope.event, "vehicle_id")  # noqa: B009 - every event of a window names it
        return "Vehicle", vehicle_id
    return envelope.aggregate_type, envelope.aggregate_id


def _choices(kind: str, user_ids: Iterable[UUID]) -> dict[UUID, dict[str, bool]]:
    statement = select(Preference).where(Preference.kind == kind, Preference.user_id.in_(list(user_ids)))
    found: dict[UUID, dict[str, bool]] = {}
    for choice in db.session.scalars(statement):
        found.setdefault(choice.user_id, {})[Channel(choice.channel)] = choice.is_on
    return found


# Whom a row of the matrix means ---------------------------------------------------------------------------------------


def _find(to: To, envelope: Envelope[Event]) -> list[_Recipient]:
    if to in {To.PERSON, To.REQUESTER, To.EMPLOYEE}:
        return _person(to, envelope.event)
    if to in {To.REVIEWERS, To.OPERATORS}:
        ids = organizations.list_platform_ids()
        return [one for platform in ids for one in _members(platform, HOLDING[to], is_platform=True)]
    if to is To.HOLDERS:
        return _holders(envelope.event)
    if to is To.DRIVERS:
        return _drivers(envelope)
    if to is To.AFFECTED:
        companies = _affected_companies(envelope)
        return [one for company in companies for one in _members(company, HOLDING[to], is_affected=True)]
    if to in {To.OTHER_SIDE, To.BOTH_SIDES}:
        return [one for side in _sides(to, envelope) for one in _find(side, envelope)]
    name = {To.VENDOR: _VENDOR, To.COMPANY: _COMPANY}.get(to, _OWN)
    organization_id = getattr(envelope.event, name, None)
    return _members(organization_id, HOLDING[to]) if organization_id else []


def _person(to: To, event: Event) -> list[_Recipient]:
    name = {To.PERSON: "user_id", To.REQUESTER: "requested_by", To.EMPLOYEE: "employee_id"}[to]
    user_id = getattr(event, name, None)
    if user_id is None:
        return []
    if to is To.PERSON:
        # An invited person acts for no organization yet: the message is theirs, whichever they act for later.
        return [_Recipient(user_id, None, reads_organization=False)]
    company = getattr(event, _COMPANY, None)
    member = identity.find_membership(user_id, company) if company else None
    if member is None or member.status != "ACTIVE":
        return []
    return [_Recipient(user_id, company, reads_organization=False)]


def _holders(event: Event) -> list[_Recipient]:
    organization_id, role_id = getattr(event, _OWN), getattr(event, "role_id")  # noqa: B009 - every role's event names both
    return [
        _Recipient(user_id, organization_id, reads_organization=True)
        for user_id in identity.list_holders(role_id, organization_id)
    ]


def _drivers(envelope: Envelope[Event]) -> list[_Recipient]:
    """Return the employees who have the vehicle, or are to get it."""
    vehicle_id = getattr(envelope.event, "vehicle_id")  # noqa: B009 - every event of a vehicle names it
    live = assignments.live_in_period([vehicle_id], envelope.occurred_at, envelope.occurred_at + _FOR_GOOD)
    found = {}
    for one in live:
        member = identity.find_membership(one.employee_id, one.corporate_organization_id)
        if member is not None and member.status == "ACTIVE":
            found[one.employee_id] = _Recipient(
                one.employee_id, one.corporate_organization_id, reads_organization=False, is_affected=True
            )
    return list(found.values())


def _sides(to: To, envelope: Envelope[Event]) -> list[To]:
    acted_for = envelope.organization_id
    if to is To.OTHER_SIDE and acted_for == getattr(envelope.event, _VENDOR, None):
        return [To.COMPANY]
    if to is To.OTHER_SIDE and acted_for == getattr(envelope.event, _COMPANY, None):
        return [To.VENDOR]
    # The clock and the platform are on nobody's side: both are told.
    return [To.VENDOR, To.COMPANY]


def _members(
    organization_id: UUID, permission: str, *, is_platform: bool = False, is_affected: bool = False
) -> list[_Recipient]:
    return [
        _Recipient(
            member.user_id,
            organization_id,
            reads_organization=True,
            is_platform=is_platform,
            is_affected=is_affected,
        )
        for member in identity.list_members(organization_id, permission=permission)
    ]


def _affected_companies(envelope: Envelope[Event]) -> list[UUID]:
    """Return the companies whose bookings of the vehicle the event touches."""
    named = {
        company
        for conflict in _conflicts(envelope.event)
        for company in (conflict.corporate_organization_id, conflict.other_corporate_organization_id)
        if company is not None
    }
    return sorted(named or {booking.corporate_organization_id for booking in _affected_bookings(envelope)})


def _affected_bookings(envelope: Envelope[Event]) -> list[BookingFacts]:
    """Return the bookings that an event about a vehicle or its calendar touches, by start."""
    event = envelope.event
    conflicts = _conflicts(event)
    if conflicts:
        ids = {id_ for conflict in conflicts for kind, id_ in conflict.sources if kind == "Booking"}
        return sorted(bookings.bookings(ids).values(), key=lambda one: one.start)
    if event.event_type not in _NAMING_BOOKINGS:
        return []
    start = getattr(event, "start", None) or envelope.occurred_at
    end = getattr(event, "end", None) or start + _FOR_GOOD
    return bookings.live_in_period([getattr(event, "vehicle_id")], start, end)  # noqa: B009 - each of them names it


def _obstacles(event: Event) -> list[str]:
    """Return what keeps the vehicle of an event from being handed over as things stand now."""
    if event.event_type == "VehicleSuspended":
        return [Obstacle.OFF_THE_ROAD.value]
    if event.event_type not in PROMISING:
        return []
    vehicle_id, booking_id = getattr(event, "vehicle_id"), getattr(event, "booking_id")  # noqa: B009 - each names both
    vehicle = fleet.vehicles([vehicle_id]).get(vehicle_id)
    found = [] if vehicle is not None and vehicle.status == "ACTIVE" else [Obstacle.OFF_THE_ROAD.value]
    # That a vehicle is late is what BookingDelayed is about.
    if booking_id and event.event_type != "BookingDelayed" and bookings.due_back(booking_id) is not None:
        found.append(Obstacle.STILL_OUT.value)
    return found


def _conflicts(event: Event) -> list[ConflictFacts]:
    """Return the conflicts that came, or went, with the one that the event tells of."""
    if not isinstance(event, AvailabilityConflictDetected | AvailabilityConflictResolved):
        return []
    return availability.found_together(event.conflict_id, ended=isinstance(event, AvailabilityConflictResolved))


def _concerns(booking: BookingFacts, recipient: _Recipient) -> bool:
    """Whether a recipient knows a booking: one side of it, or, for an employee, the vehicle's driver."""
    if not recipient.reads_organization:
        return booking.employee_id == recipient.user_id
    parties = {booking.vendor_organization_id, booking.corporate_organization_id}
    return recipient.is_platform or recipient.organization_id in parties


def _told_as(envelope: Envelope[Event]) -> UUID | None:
    """Return under which id it is kept that people were told of an event; None for one that they are not told of.

    One cause makes one message: conflicts that come about together are told of by the first of them, and those of a
    suspension or of planned maintenance by the message about that, which names the bookings.
    """
    if not isinstance(envelope.event, AvailabilityConflictDetected | AvailabilityConflictResolved):
        return envelope.event_id
    cause = envelope.metadata.get("causationId")
    if cause is None:
        return envelope.event_id
    cause_type = db.session.scalar(select(EventRow.event_type).where(EventRow.event_id == UUID(cause)))
    if cause_type in _NAMING_BOOKINGS:
        return None
    return uuid5(UUID(cause), envelope.event.event_type)
