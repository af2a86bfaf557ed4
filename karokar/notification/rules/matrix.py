"""Who is told of what on which channels, and when a mail is tried again: the matrix, and the kinds people choose by."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from uuid import UUID, uuid5

NAMESPACE = UUID("0f4a3c1e-5b7d-5e2a-9a61-2d8f7c3b9e10")
"""Ids of messages derive from it, so that the same event told twice makes the same rows."""

IN_APP = "IN_APP"
EMAIL = "EMAIL"
BOTH = (IN_APP, EMAIL)
ALERT = (IN_APP,)
MAIL = (EMAIL,)

MOST_ATTEMPTS = 8
"""After so many tries that a mail server put off, a mail is given up and shown."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of message as people choose by. `fixed` names the channels that cannot be turned off, `offered` those
    that exist.
    """

    code: str
    label: str
    description: str
    offered: tuple[str, ...] = BOTH
    fixed: tuple[str, ...] = ()


KINDS: Mapping[str, Kind] = {
    kind.code: kind
    for kind in (
        Kind(
            code="BOOKING_REQUESTS",
            label="Booking requests to answer",
            description="A company asks for one of our vehicles.",
            fixed=ALERT,
        ),
        Kind(
            code="BOOKING_DECISIONS",
            label="Answers to booking requests",
            description="A request was approved or rejected.",
        ),
        Kind(
            code="BOOKING_PROGRESS",
            label="Bookings under way",
            description="An employee is assigned, a vehicle handed over or taken back, a message is left.",
        ),
        Kind(
            code="BOOKING_TROUBLE",
            label="Bookings that go wrong",
            description="A booking is cancelled, ended early, late or not collected.",
        ),
        Kind(
            code="ASSIGNMENTS",
            label="Vehicles for me",
            description="I am to get a vehicle, should answer, or no longer get it.",
        ),
        Kind(
            code="ASSIGNMENT_ANSWERS",
            label="Employees' answers",
            description="An employee accepted or declined, did not answer, or left while having a vehicle.",
        ),
        Kind(
            code="REVIEWS",
            label="Applications and documents to review",
            description="A company applied, or handed in documents.",
            fixed=ALERT,
        ),
        Kind(
            code="VERIFICATIONS",
            label="Our documents",
            description="Documents were approved, rejected or revoked, or run out.",
        ),
        Kind(
            code="ORGANIZATION",
            label="Our organization",
            description="Our organization was approved, rejected, suspended or reinstated.",
        ),
        Kind(
            code="VEHICLES",
            label="Vehicles and their calendar",
            description="A vehicle is off the road or goes to maintenance, or its calendar has a conflict.",
        ),
        Kind(
            code="DELIVERIES",
            label="Deliveries given up",
            description="A handler failed for the last time: an event waits for you.",
        ),
        Kind(
            code="ACCOUNT",
            label="My account",
            description="Invitations, links to set a password, and the welcome.",
            offered=MAIL,
            fixed=MAIL,
        ),
        Kind(
            code="SECURITY",
            label="Security of my account",
            description="My password, second factor, API tokens or rights changed; a sign-in from a new browser.",
            offered=MAIL,
            fixed=MAIL,
        ),
    )
}


class To(StrEnum):
    """Whom a row of the matrix means, in the words of the domain."""

    PERSON = "the person"
    VENDOR = "the vendor's people who approve"
    COMPANY = "the company's people who assign"
    REQUESTER = "the requester"
    EMPLOYEE = "the employee"
    OTHER_SIDE = "the other party"
    BOTH_SIDES = "both sides"
    REVIEWERS = "the platform's reviewers"
    OPERATORS = "the platform's operators"
    ADMINS = "the organization's admins"
    OWNER = "the vehicle's owner"
    AFFECTED = "companies with affected bookings"
    HOLDERS = "the members with the role"
    DRIVERS = "the employees whom the vehicle is assigned to"


@dataclass(frozen=True)
class Row:
    """One row of the matrix: the kind of message, and who gets it on which channels.

    `only_if` names a field of the payload that has to be true.
    """

    kind: str
    to: tuple[tuple[To, tuple[str, ...]], ...]
    only_if: str = ""


def _row(kind: str, *to: To, channels: tuple[str, ...] = BOTH) -> Row:
    return Row(kind, tuple((one, channels) for one in to))


MATRIX: Mapping[str, Row] = {
    "MemberInvited": _row("ACCOUNT", To.PERSON, channels=MAIL),
    "PasswordResetRequested": _row("ACCOUNT", To.PERSON, channels=MAIL),
    "MemberJoined": _row("ACCOUNT", To.PERSON, channels=MAIL),
    "PasswordChanged": _row("SECURITY", To.PERSON, channels=MAIL),
    "TwoFactorEnabled": _row("SECURITY", To.PERSON, channels=MAIL),
    "TwoFactorDisabled": _row("SECURITY", To.PERSON, channels=MAIL),
    "RecoveryCodesRenewed": Row("SECURITY", ((To.PERSON, MAIL),), only_if="used_one"),
    "ApiTokenCreated": _row("SECURITY", To.PERSON, channels=MAIL),
    "NewBrowserSignedIn": _row("SECURITY", To.PERSON, channels=MAIL),
    "MemberRoleChanged": _row("SECURITY", To.PERSON, channels=MAIL),
    "RoleChanged": _row("SECURITY", To.HOLDERS, channels=MAIL),
    "BookingRequested": _row("BOOKING_REQUESTS", To.VENDOR),
    "BookingApproved": Row("BOOKING_DECISIONS", ((To.REQUESTER, BOTH), (To.COMPANY, BOTH), (To.VENDOR, ALERT))),
    "BookingRejected": _row("BOOKING_DECISIONS", To.REQUESTER, To.COMPANY),
    "BookingAssigned": _row("BOOKING_PROGRESS", To.OTHER_SIDE),
    "BookingActivated": _row("BOOKING_PROGRESS", To.OTHER_SIDE),
    "BookingCompleted": _row("BOOKING_PROGRESS", To.OTHER_SIDE),
    "BookingCommented": _row("BOOKING_PROGRESS", To.OTHER_SIDE),
    "BookingCancelled": _row("BOOKING_TROUBLE", To.OTHER_SIDE, To.EMPLOYEE),
    "BookingTerminated": _row("BOOKING_TROUBLE", To.OTHER_SIDE, To.EMPLOYEE),
    "BookingOverdue": _row("BOOKING_TROUBLE", To.BOTH_SIDES, To.EMPLOYEE),
    "BookingDelayed": _row("BOOKING_TROUBLE", To.BOTH_SIDES, To.EMPLOYEE),
    "BookingVehicleReturned": _row("BOOKING_PROGRESS", To.OTHER_SIDE),
    "BookingReminded": _row("BOOKING_TROUBLE", To.BOTH_SIDES),
    "AssignmentCreated": _row("ASSIGNMENTS", To.EMPLOYEE),
    "AssignmentClosed": _row("ASSIGNMENTS", To.EMPLOYEE),
    "AssignmentReminded": _row("ASSIGNMENTS", To.EMPLOYEE, To.COMPANY),
    "AssignmentAccepted": _row("ASSIGNMENT_ANSWERS", To.COMPANY),
    "AssignmentRejected": _row("ASSIGNMENT_ANSWERS", To.COMPANY),
    "AssignmentFlagged": _row("ASSIGNMENT_ANSWERS", To.COMPANY),
    "VerificationRequested": _row("REVIEWS", To.REVIEWERS),
    "OrganizationCreated": _row("REVIEWS", To.REVIEWERS),
    "VerificationApproved": _row("VERIFICATIONS", To.ADMINS),
    "VerificationRejected": _row("VERIFICATIONS", To.ADMINS),
    "VerificationExpired": _row("VERIFICATIONS", To.ADMINS),
    "VerificationRevoked": _row("VERIFICATIONS", To.ADMINS),
    "VerificationExpiring": _row("VERIFICATIONS", To.ADMINS),
    "OrganizationApproved": _row("ORGANIZATION", To.ADMINS),
    "OrganizationRejected": _row("ORGANIZATION", To.ADMINS),
    "OrganizationSuspended": _row("ORGANIZATION", To.ADMINS),
    "OrganizationReinstated": _row("ORGANIZATION", To.ADMINS),
    "VehicleSuspended": _row("VEHICLES", To.OWNER, To.AFFECTED, To.DRIVERS),
    "VehicleMaintenanceScheduled": _row("VEHICLES", To.OWNER, To.AFFECTED),
    "AvailabilityConflictDetected": _row("VEHICLES", To.OWNER, To.AFFECTED),
    "AvailabilityConflictResolved": _row("VEHICLES", To.OWNER, To.AFFECTED),
    "DeliveryDeadLettered": _row("DELIVERIES", To.OPERATORS),
    "AuditChainBroken": _row("DELIVERIES", To.OPERATORS),
}
"""Every event that somebody is told of. What is not here is read on timelines only."""

HOLDING: Mapping[To, str] = {
    To.VENDOR: "booking.approve",
    To.COMPANY: "booking.assign",
    To.REVIEWERS: "verification.review",
    To.OPERATORS: "event.operate",
    To.ADMINS: "organization.update",
    To.OWNER: "vehicle.suspend",
    To.AFFECTED: "booking.assign",
}
"""Who of an organization is meant: its active members who hold this permission."""


_MEANS: Mapping[To, tuple[str, ...]] = {
    **{to: (permission,) for to, permission in HOLDING.items()},
    To.REQUESTER: ("booking.submit",),
    To.EMPLOYEE: ("assignment.accept",),
    To.DRIVERS: ("assignment.accept",),
    To.OTHER_SIDE: ("booking.approve", "booking.assign"),
    To.BOTH_SIDES: ("booking.approve", "booking.assign"),
}


def kinds_for(permissions: Container[str]) -> Sequence[Kind]:
    """Return the kinds of message that somebody with these permissions may get."""
    found = {
        row.kind
        for row in MATRIX.values()
        for to, _channels in row.to
        if to in {To.PERSON, To.HOLDERS} or any(permission in permissions for permission in _MEANS[to])
    }
    return [kind for kind in KINDS.values() if kind.code in found]


def wanted_channels(kind: str, channels: tuple[str, ...], choices: Mapping[str, bool]) -> tuple[str, ...]:
    """Return the channels on which somebody gets a message, by their choices (channel → on) about its kind."""
    fixed = KINDS[kind].fixed
    return tuple(channel for channel in channels if channel in fixed or choices.get(channel, True))


def can_choose(kind: str, channel: str) -> bool:
    """Whether a person may turn this kind of message off, and on again, on this channel."""
    known = KINDS.get(kind)
    return known is not None and channel in known.offered and channel not in known.fixed


def notification_id(event_id: UUID, recipient_id: UUID, channel: str) -> UUID:
    """Return the id of the message about an event to a person on a channel."""
    return uuid5(NAMESPACE, f"{event_id}:{recipient_id}:{channel}")


def mail_id(notification: UUID, resend: int) -> UUID:
    """Return the id of the mail of a message; `resend` counts the times that it was asked for anew."""
    return uuid5(NAMESPACE, f"{notification}:{resend}")


def message_id(mail: UUID, domain: str) -> str:
    """Return a mail's Message-ID: always the same, so that a repeated one is recognised."""
    return f"<{mail}@{domain}>"


def pause_before_retry(attempts: int) -> timedelta:
    """Return how long to wait after so many tries that failed: a minute, doubling up to four hours."""
    return min(timedelta(minutes=2 ** (attempts - 1)), timedelta(hours=4))
