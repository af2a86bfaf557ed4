"""Every event of the catalog, shown to everybody: who sees it, and what of it. The table is written out, so that a new
event needs a line here, and a changed audience a changed line.
"""

from importlib import import_module
from uuid import UUID

import pytest

from karokar.app import PRODUCERS
from karokar.events.base import LATEST, Event
from karokar.events.booking import BookingApproved, BookingAssigned, BookingDrafted, BookingRequested
from karokar.events.contracts.visibility import organizations_seeing, told_to_affected, visible
from karokar.events.fleet import VehicleCreated, VehicleSuspended
from karokar.events.identity import MemberSuspended, UserLoggedIn
from karokar.events.notification import MailSentAgain
from karokar.events.organization import OrganizationApproved
from karokar.kernel.actor import SYSTEM, Actor, Scope
from karokar.kernel.ids import new_id
from tests.factories.envelopes import make_envelope, make_event, payload_of

for _producer in PRODUCERS:
    import_module(f"karokar.events.{_producer}")

PLATFORM, VENDOR, COMPANY, OTHER_VENDOR, OTHER_COMPANY = (new_id() for _ in range(5))
REVIEWER, OWNER, BOOKER, DRIVER = (new_id() for _ in range(4))


def _admin(organization: UUID, type_: str, user: UUID | None = None, scope: Scope = Scope.OWN) -> Actor:
    return Actor(
        user_id=user or new_id(),
        organization_id=organization,
        organization_type=type_,
        organization_status="ACTIVE",
        permissions={"event.read": scope},
    )


def _employee(organization: UUID, user: UUID | None = None) -> Actor:
    return Actor(user_id=user or new_id(), organization_id=organization, organization_type="CORPORATE")


VIEWERS: dict[str, Actor] = {
    "platform": _admin(PLATFORM, "PLATFORM", REVIEWER, Scope.ALL),
    "vendor": _admin(VENDOR, "VENDOR", OWNER),
    "company": _admin(COMPANY, "CORPORATE", BOOKER),
    "driver": _employee(COMPANY, DRIVER),
    "colleague": _employee(COMPANY),
    "other vendor": _admin(OTHER_VENDOR, "VENDOR"),
    "other company": _admin(OTHER_COMPANY, "CORPORATE"),
    "stranger": _employee(OTHER_COMPANY),
    "driver elsewhere": _employee(OTHER_COMPANY, DRIVER),
    "driver as vendor": _admin(OTHER_VENDOR, "VENDOR", DRIVER),
    "nobody": Actor(),
    "platform without the right": Actor(user_id=new_id(), organization_id=PLATFORM, organization_type="PLATFORM"),
}

PERSON = ("driver", "driver elsewhere", "driver as vendor")

SEEN_BY: dict[tuple[str, ...], str] = {
    # Drafts are the company's own affair, for good.
    ("company",): """
        BookingDrafted BookingEdited BookingDiscarded RoleCreated RoleChanged RoleDeleted
        VehicleCreated VehicleUpdated VehicleActivated VehicleSuspended VehicleRetired OdometerRecorded OdometerVoided
        VehicleMaintenanceScheduled VehicleMaintenanceChanged VehicleMaintenanceStarted VehicleMaintenanceCompleted
        VehicleMaintenanceCancelled OrganizationCreated OrganizationReapplied OrganizationUpdated OrganizationApproved
        OrganizationRejected OrganizationSuspended OrganizationReinstated VerificationRequested VerificationApproved
        VerificationRejected VerificationRevoked VerificationExpired VerificationExpiring SettingChanged AuditExported
        """,
    ("vendor", "company"): """
        BookingRequested BookingApproved BookingRejected BookingCommented
        AvailabilityConflictDetected AvailabilityConflictResolved
        """,
    ("vendor", "company", "driver"): """
        BookingAssigned BookingActivated BookingCompleted BookingCancelled BookingTerminated BookingOverdue
        BookingReminded BookingDelayed BookingVehicleAwaited BookingVehicleReturned
        BookingOdometerCorrected
        """,
    ("company", "driver"): """
        AssignmentCreated AssignmentAccepted AssignmentRejected AssignmentActivated AssignmentCompleted
        AssignmentClosed AssignmentReminded AssignmentFlagged AssignmentOdometerCorrected
        """,
    # Facts about a person: the person's own, whichever organization they act for, and the organization acted for.
    ("company", *PERSON): """
        EmailVerified UserUpdated UserLoggedIn UserLoginFailed PasswordResetRequested PasswordChanged
        NewBrowserSignedIn
        SessionsEnded TwoFactorEnabled TwoFactorDisabled RecoveryCodesRenewed ApiTokenCreated ApiTokenRevoked
        MemberInvited InvitationWithdrawn MemberJoined MemberRoleChanged MemberSuspended MemberReinstated MemberRemoved
        NotificationPreferencesChanged MailSentAgain MailSettled
        """,
    (): """
        UserRegistered BackupCompleted DeliveryDeadLettered DeliveryRetried DeliveryDismissed HandlerPaused HandlerResumed
        ReplayStarted ReplayCompleted AuditChainBroken
        """,
}
VIEWERS_OF = {name: viewers for viewers, names in SEEN_BY.items() for name in names.split()}

HIDDEN_FROM_VENDOR = {"purpose", "requestedBy", "employeeId"}


def _concerning_all(class_: type[Event]) -> Event:
    """The event as one of the vendor, the company and the driver."""
    people = {"user_id": DRIVER, "employee_id": DRIVER, "recipient_id": DRIVER, "requested_by": BOOKER}
    return make_event(
        class_,
        vendor_organization_id=VENDOR,
        corporate_organization_id=COMPANY,
        organization_id=VENDOR if class_.producer == "availability" else COMPANY,
        by_organization_id=COMPANY,
        entity_type="Organization",
        entity_id=COMPANY,
        reviewer_id=new_id(),
        **people,
    )


@pytest.mark.parametrize("name", sorted(LATEST))
def test_an_event_is_seen_by_those_whom_it_concerns_and_by_nobody_else(name):
    event = _concerning_all(LATEST[name])
    envelope = make_envelope(event, actor_id=BOOKER, organization_id=COMPANY)
    seeing = {who for who, viewer in VIEWERS.items() if visible(envelope, viewer, payload_of(event))}
    assert name in VIEWERS_OF, f"Say here who sees {name}."
    assert seeing == {"platform", *VIEWERS_OF[name]}


def test_the_table_names_no_event_that_does_not_exist():
    assert VIEWERS_OF.keys() == LATEST.keys()


@pytest.mark.parametrize("name", [name for name in LATEST if name.startswith("Booking")])
def test_the_vendor_never_learns_who_books_who_drives_and_what_for(name):
    event = _concerning_all(LATEST[name])
    changes = {key: [None, "x"] for key in ("status", "purpose", "requested_by", "employee_id", "cost_centre", "start")}
    envelope = make_envelope(event, actor_id=BOOKER, organization_id=COMPANY, changes=changes)
    seen = visible(envelope, VIEWERS["vendor"], payload_of(event))
    if seen is None:
        return
    secrets = {str(BOOKER), str(DRIVER)}
    assert not HIDDEN_FROM_VENDOR & seen.payload.keys()
    assert set(seen.changes) == {"status", "start"}
    assert seen.actor_id is None
    assert seen.organization_id == COMPANY
    assert not secrets & {str(value) for value in seen.payload.values()}
    assert not any(secret in repr(seen.envelope) for secret in secrets)
    assert "traceparent" not in seen.envelope.metadata


def test_the_company_sees_its_own_side_whole():
    event = _concerning_all(BookingAssigned)
    changes = {"status": ["APPROVED", "ASSIGNED"], "purpose": [None, "Trade fair"], "cost_centre": [None, "7"]}
    envelope = make_envelope(event, actor_id=BOOKER, organization_id=COMPANY, changes=changes)
    seen = visible(envelope, VIEWERS["company"], payload_of(event))
    assert seen is not None
    assert seen.payload == payload_of(event)
    assert seen.changes == changes
    assert seen.actor_id == BOOKER
    assert seen.hidden == frozenset()


def test_the_company_sees_what_the_vendor_did_but_not_which_of_its_people():
    event = _concerning_all(BookingApproved)
    changes = {
        "status": ["REQUESTED", "APPROVED"],
        "held_until": [None, "x"],
        "internal_remark": [None, "good customer"],
    }
    envelope = make_envelope(event, actor_id=OWNER, organization_id=VENDOR, changes=changes)
    seen = visible(envelope, VIEWERS["company"], payload_of(event))
    assert seen is not None
    assert seen.actor_id is None
    assert seen.organization_id == VENDOR
    assert set(seen.changes) == {"status", "held_until"}


def test_a_reviewer_is_known_to_the_platform_and_to_the_reviewer_only():
    event = make_event(OrganizationApproved, organization_id=COMPANY, reviewer_id=REVIEWER)
    envelope = make_envelope(event, actor_id=REVIEWER, organization_id=PLATFORM, changes={"reviewed_by": [None, "x"]})
    seen = visible(envelope, VIEWERS["company"], payload_of(event))
    assert seen is not None
    assert "reviewerId" not in seen.payload
    assert seen.changes == {}
    assert seen.actor_id is None
    everything = visible(envelope, VIEWERS["platform"], payload_of(event))
    assert everything is not None
    assert everything.payload["reviewerId"] == str(REVIEWER)


def test_what_the_platform_changes_about_a_vehicle_is_shown_to_its_owner():
    event = make_event(VehicleSuspended, organization_id=VENDOR)
    changes = {"status": ["ACTIVE", "SUSPENDED"], "suspended_by": [None, "PLATFORM"]}
    envelope = make_envelope(event, actor_id=REVIEWER, organization_id=PLATFORM, changes=changes)
    seen = visible(envelope, VIEWERS["vendor"], payload_of(event))
    assert seen is not None
    assert seen.changes == changes
    assert seen.actor_id is None


def test_a_stored_key_that_no_field_declares_reaches_the_platform_only():
    event = make_event(VehicleCreated, organization_id=VENDOR)
    payload = {**payload_of(event), "formerField": "from an older version"}
    envelope = make_envelope(event)
    seen = visible(envelope, VIEWERS["vendor"], payload)
    assert seen is not None
    assert "formerField" not in seen.payload
    everything = visible(envelope, SYSTEM, payload)
    assert everything is not None
    assert "formerField" in everything.payload


def test_a_company_with_a_booking_is_told_that_the_vehicle_is_off_the_road_and_no_more():
    event = make_event(VehicleSuspended, organization_id=VENDOR)
    assert told_to_affected(event, payload_of(event)) == {"vehicleId": str(event.vehicle_id)}
    assert told_to_affected(make_event(BookingRequested), {}) is None


def test_a_sign_in_belongs_to_the_person_and_to_the_organization_that_they_act_for():
    envelope = make_envelope(make_event(UserLoggedIn, user_id=DRIVER), actor_id=DRIVER, organization_id=COMPANY)
    assert organizations_seeing(envelope) == {COMPANY}
    without_organization = make_envelope(make_event(UserLoggedIn, user_id=DRIVER), actor_id=DRIVER)
    assert organizations_seeing(without_organization) == frozenset()
    assert visible(without_organization, VIEWERS["company"], {}) is None


def test_a_draft_is_for_the_company_although_it_names_the_vendor():
    envelope = make_envelope(_concerning_all(BookingDrafted), organization_id=COMPANY)
    assert organizations_seeing(envelope) == {COMPANY}


@pytest.mark.parametrize("class_", [MemberSuspended, MailSentAgain])
def test_somebody_without_an_organization_sees_nothing_that_has_none(class_):
    envelope = make_envelope(make_event(class_, organization_id=None))
    assert visible(envelope, VIEWERS["nobody"], payload_of(envelope.event)) is None
