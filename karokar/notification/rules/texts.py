"""The words of each message. The title is a sentence, the body says what to do next; `{names}` stand for facts.

A fact that the message does not hold (because its recipient may not see it) reads as what people would say instead:
"the vehicle", "a company".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from karokar.events.base import LATEST
from karokar.kernel.local.days import day_in_words, last_day, zone_of
from karokar.kernel.local.zones import zone_word
from karokar.kernel.text.codes import in_words
from karokar.kernel.text.normalization import isolated
from karokar.kernel.text.references import REFERENCE, REMOVED
from karokar.notification.rules.obstacles import warning


@dataclass(frozen=True)
class Text:
    """What is said about one event: title, body, and what the button to the page says."""

    title: str
    body: str = ""
    button: str = "Open it in KaroKar"
    link: str = ""
    """The purpose of the signed link that the mail carries instead of one into the console; empty: none."""
    path: str = ""
    """The page of the console to which the mail leads, where it is the same for everybody."""


_SESSIONS = "/account/sessions"
_NOT_YOU_RESET = (
    "If it was you, you need do nothing. If it was not you, set a new password at once with “Forgot your password?” on "
    "the sign-in page, and tell an administrator of your organization."
)
_NOT_YOU = (
    "If it was not you, change your password at once, look at your sessions and API tokens, and tell an administrator "
    "of your organization."
)

TEXTS: Mapping[str, Text] = {
    "MemberInvited": Text(
        # Whoever applies with their company gets it as well as whoever a company asks to join.
        "Join {organization} on KaroKar",
        "You can act for {organization} on KaroKar, where companies book vehicles for their people. Follow the link to "
        "accept and choose a password. If you did not expect this, do nothing: nothing happens.",
        "Accept the invitation",
        "invitation",
    ),
    "PasswordResetRequested": Text(
        "A new password for KaroKar",
        "Somebody, hopefully you, asked for a new password. Follow the link to choose one. If it was not you, do "
        "nothing: your password stays as it is.",
        "Choose a new password",
        "password_reset",
    ),
    "MemberJoined": Text(
        "Welcome to {organization} on KaroKar",
        "You can now act for {organization}. Your home page lists what waits for you.",
        "Go to your home page",
    ),
    "PasswordChanged": Text(
        "Your KaroKar password was set or changed",
        _NOT_YOU_RESET,
        "Open your sessions",
        path=_SESSIONS,
    ),
    "TwoFactorEnabled": Text(
        "Your second factor was turned on",
        f"From now on, signing in asks for a code of the authenticator app that was set up. {_NOT_YOU}",
        "Open your second factor",
        path="/account/second-factor",
    ),
    "TwoFactorDisabled": Text(
        "Your second factor was turned off",
        f"Your password alone opens your account now, or you are asked to set up a new second factor. {_NOT_YOU}",
        "Open your second factor",
        path="/account/second-factor",
    ),
    "RecoveryCodesRenewed": Text(
        "A recovery code was used for your account",
        f"Recovery codes that are left: {{remaining}}. {_NOT_YOU}",
        "Open your second factor",
        path="/account/second-factor",
    ),
    "ApiTokenCreated": Text(
        "An API token was created for your account",
        f"With it, a program can act as you for {{organization}}. {_NOT_YOU}",
        "Open your API tokens",
        path="/account/tokens",
    ),
    "NewBrowserSignedIn": Text(
        "New sign-in to your KaroKar account",
        "Somebody signed in with a browser in which you had not signed in before. Your sessions show which, and from "
        f"where. {_NOT_YOU}",
        "Open your sessions",
        path=_SESSIONS,
    ),
    "MemberRoleChanged": Text(
        "Your role at {organization} changed",
        "Your role is now: {role}. It was: {formerRole}. If you did not expect this, ask an administrator of "
        "{organization}.",
        "Open KaroKar",
        path="/",
    ),
    "RoleChanged": Text(
        "What you may do at {organization} changed",
        "An administrator changed your role, {name}. If you did not expect this, ask an administrator of "
        "{organization}.",
        "Open KaroKar",
        path="/",
    ),
    "BookingRequested": Text(
        "{company} asks for {vehicle}",
        "Booking {reference}, from {start} to {end}. Please approve or reject it before it begins; a request that "
        "nobody answers ends by itself.",
        "Decide about it",
    ),
    "BookingApproved": Text(
        "{vendor} approved booking {reference}",
        "{vehicle} is reserved for {company} from {start} to {end}. Next, {company} assigns the employee who drives.",
        "Open the booking",
    ),
    "BookingRejected": Text(
        "{vendor} rejected booking {reference}",
        "{vehicle}, from {start} to {end}. Reason: {reason}. You can request another vehicle for the same time.",
        "Open the booking",
    ),
    "BookingAssigned": Text(
        "{company} assigned an employee to booking {reference}",
        "{vehicle}, from {start} to {end}. Next, the employee accepts or declines.",
        "Open the booking",
    ),
    "BookingActivated": Text(
        "{vehicle} was handed over",
        "Booking {reference} runs until {end}.",
        "Open the booking",
    ),
    "BookingCompleted": Text(
        "{vehicle} was returned",
        "Booking {reference} is completed; the return was noted at {actualEnd}.",
        "Open the booking",
    ),
    "BookingCommented": Text(
        "{side} left a message on booking {reference}",
        "Read and answer it on the booking's page.",
        "Read the message",
    ),
    "BookingCancelled": Text(
        "Booking {reference} was cancelled",
        "{vehicle}, from {start} to {end}. Reason: {reason}.",
        "Open the booking",
    ),
    "BookingTerminated": Text(
        "Booking {reference} was ended early",
        "{vehicle}: the booking ended at {actualEnd} instead of {end}. Reason: {reason}.",
        "Open the booking",
    ),
    "BookingOverdue": Text(
        "{vehicle} is late",
        "Booking {reference} ended at {end}, and the vehicle is not back. Please call each other; the phone numbers "
        "stand on the booking's page.",
        "Open the booking",
    ),
    "BookingDelayed": Text(
        "{vehicle} is still out",
        "Booking {reference} begins at {start}. The vehicle was due back from an earlier booking at {dueBack} and has "
        "not been returned. Call each other before anybody travels to collect it.",
        "Open the booking",
    ),
    "BookingVehicleReturned": Text(
        "{vehicle} is back",
        "Booking {reference} had ended without the vehicle. It has been back since {returnedAt}.",
        "Open the booking",
    ),
    "BookingReminded": Text(
        "{vehicle} was not collected",
        "Booking {reference} began at {start}, and nobody has collected the vehicle. It is cancelled when its time is "
        "over.",
        "Open the booking",
    ),
    "AssignmentCreated": Text(
        "{vehicle} is meant for you",
        "From {start} to {end}. Please accept or decline, so that your company can plan.",
        "Accept or decline",
    ),
    "AssignmentClosed": Text(
        "{vehicle} is no longer assigned to you",
        "Your assignment from {start} ended. Reason: {reason}.",
        "Open the assignment",
    ),
    "AssignmentReminded": Text(
        "An answer is missing: {vehicle}, {start}",
        "The assignment begins in less than {hoursBefore} hours and is not answered yet.",
        "Open the assignment",
    ),
    "AssignmentAccepted": Text(
        "{employee} accepted {vehicle}",
        "From {start} to {end}.",
        "Open the assignment",
    ),
    "AssignmentRejected": Text(
        "{employee} declined {vehicle}",
        "From {start} to {end}. Please assign somebody else. Reason: {reason}.",
        "Assign somebody else",
    ),
    "AssignmentFlagged": Text(
        "Somebody must fetch {vehicle}",
        "{employee} has the vehicle and is no longer an active member. Reason: {reason}.",
        "Open the assignment",
    ),
    "VerificationRequested": Text(
        "{organization} handed in documents: {kind}",
        "They wait for review.",
        "Review them",
    ),
    "OrganizationCreated": Text(
        "{name} applies for KaroKar",
        "The application waits for review.",
        "Review it",
    ),
    "VerificationApproved": Text(
        "Approved: {kind}",
        "The documents were accepted. Valid until: {expiresAt}.",
        "Open the verification",
    ),
    "VerificationRejected": Text(
        "Not accepted: {kind}",
        "The documents were not accepted. Reason: {reason}. Please hand in new ones.",
        "Hand in new documents",
    ),
    "VerificationExpired": Text(
        "Expired: {kind}",
        "The approval was valid until {expiresAt}. Please hand in new documents.",
        "Hand in new documents",
    ),
    "VerificationRevoked": Text(
        "Revoked: {kind}",
        "The platform took its approval back. Reason: {reason}. Please hand in new documents.",
        "Hand in new documents",
    ),
    "VerificationExpiring": Text(
        "Runs out soon: {kind}",
        "The approval is valid until {expiresAt}; days left: {daysLeft}. Please hand in new documents in time.",
        "Hand in new documents",
    ),
    "OrganizationApproved": Text(
        "{name} is admitted to KaroKar",
        "Your organization is active. Your home page lists what is still missing before the first request: for a "
        "company the identity of an administrator, for a vendor a vehicle with its documents.",
        "Go to your organization",
    ),
    "OrganizationRejected": Text(
        "The application of {name} was rejected",
        "Reason: {reason}. Correct what was asked for, then apply again.",
        "Go to your organization",
    ),
    "OrganizationSuspended": Text(
        "{name} is suspended",
        "Reason: {reason}. Bookings that have not begun are cancelled; what runs goes on to its end. You can read, "
        "export and answer reviews.",
        "Go to your organization",
    ),
    "OrganizationReinstated": Text(
        "{name} is active again",
        "The suspension was lifted. Your home page lists what is missing, if anything is.",
        "Go to your organization",
    ),
    "VehicleSuspended": Text(
        "{vehicle} is off the road",
        "Until it is activated again, nobody finds it in a search and it can't be handed over.{affected}",
        "See what is affected",
    ),
    "VehicleMaintenanceScheduled": Text(
        "{vehicle} goes to maintenance",
        "From {start} to {end}.{affected}",
        "See what is affected",
    ),
    "AvailabilityConflictDetected": Text(
        "Conflict in the calendar of {vehicle}",
        "Two entries overlap from {start} to {end}. Cancel one, or take another vehicle for it.{affected}",
        "Look at the conflict",
    ),
    "AvailabilityConflictResolved": Text(
        "Conflict solved: {vehicle}",
        "The overlap from {start} to {end} needs nothing more.{affected}",
        "Look at the conflict",
    ),
    "AuditChainBroken": Text(
        "The audit log does not verify",
        "Position {position}: {problem} Keep the database and the checkpoints as they are, run flask audit verify, and "
        "find out who had access.",
        "Open the event",
    ),
    "DeliveryDeadLettered": Text(
        "A delivery was given up",
        "{handler} failed {attempts} times with {deliveredType}. The event is kept; retry or dismiss it.",
        "Open the event",
    ),
}

CONFLICT_TEXTS: Mapping[str, Text] = {
    "MaintenanceWindow": Text(
        "Maintenance of {vehicle} overlaps what is booked",
        "From {start} to {end}. The owner can move the maintenance; otherwise cancel what is booked, or take another "
        "vehicle for it.{affected}",
        "Look at the conflict",
    ),
    "Vehicle": Text(
        "{vehicle} is off the road and promised",
        "It can't be handed over until it is put back on the road. Take another vehicle, or cancel what is "
        "booked.{affected}",
        "Look at the conflict",
    ),
    "Booking": Text(
        "{vehicle} is promised twice",
        "From {start} to {end}, or it has not come back for the next booking. Call each other, cancel one booking, or "
        "take another vehicle for it.{affected}",
        "Look at the conflict",
    ),
}
"""What is said about a conflict, by what overlaps with what was promised."""

INSTEAD: Mapping[str, str] = {
    "vendor": "the vendor",
    "company": "the company",
    "organization": "an organization",
    "side": "the other side",
    "vehicle": "the vehicle",
    "employee": "An employee",
    "reference": "",
    "reason": "none given",
    "end": "an open end",
    "expiresAt": "no date",
    "name": "Your organization",
}
"""What is said where a fact is missing or not for the reader."""

_NAMED: Mapping[str, tuple[str, str]] = {
    "vendor": ("Organization", "vendorOrganizationId"),
    "company": ("Organization", "corporateOrganizationId"),
    "organization": ("Organization", "organizationId"),
    "side": ("Organization", "byOrganizationId"),
    "vehicle": ("Vehicle", "vehicleId"),
    "employee": ("User", "employeeId"),
}
"""Facts that are an entity's name, and the field that holds its id."""

_MOMENTS = frozenset({"start", "end", "actualEnd", "dueBack", "returnedAt"})
_LAST_DAYS = frozenset({"expiresAt"})
_CODES = frozenset({"reason", "kind", "role", "formerRole"})


@dataclass(frozen=True)
class Words:
    """A message in words."""

    title: str
    body: str
    button: str
    link: str
    path: str = ""
    warning: str = ""
    """What stands in the way of what the message is about, with the way out; empty: nothing did."""


def entities_named(data: Mapping[str, Any]) -> set[tuple[str, UUID]]:
    """Return the entities whose names the words of a message need, as (kind, id)."""
    return {(kind, UUID(str(data[key]))) for kind, key in _NAMED.values() if data.get(key)}


def words(template: str, data: Mapping[str, Any], names: Mapping[UUID, str], zone: str) -> Words:
    """Return a message in words: `names` are the entities' names, times are shown in `zone`.

    A template without a text of its own reads as its name in words.
    """
    text = _of_its_kind(template, data) or TEXTS.get(template) or Text(_sentence(template))
    facts = _Facts(LATEST[template].aggregate_type if template in LATEST else "", data, names, zone)
    said = (text.title.format_map(facts), warning(data).format_map(facts))
    title, warned = (one[:1].upper() + one[1:] for one in said)
    return Words(title, text.body.format_map(facts), text.button, text.link, text.path, warned)


def _of_its_kind(template: str, data: Mapping[str, Any]) -> Text | None:
    """Return what is said about a conflict of the kind that the message is about; None for another message."""
    if template != "AvailabilityConflictDetected":
        return None
    sources = {data.get("firstSourceType"), data.get("secondSourceType")}
    return next((text for kind, text in CONFLICT_TEXTS.items() if kind in sources), None)


def moment(at: str, zone: str) -> str:
    """Return a stored time as people read it: "Fri 20 Nov 2026, 14:30 CET"."""
    try:
        there = datetime.fromisoformat(at).astimezone(ZoneInfo(zone))
    except ZoneInfoNotFoundError:
        there = datetime.fromisoformat(at)
    return f"{there:%a} {there.day} {there:%b %Y, %H:%M} {zone_word(there)}"


def code_in_words(code: str) -> str:
    """Return a code as people read it: "NO_SHOW" → "no show"; anything else as it is."""
    return code.replace("_", " ").lower() if code.isupper() else code


class _Facts(dict[str, str]):
    """The facts of a message by the names that texts use."""

    def __init__(self, of: str, data: Mapping[str, Any], names: Mapping[UUID, str], zone: str) -> None:
        super().__init__()
        self._of = of
        self._data, self._names, self._zone = data, names, zone

    def __missing__(self, name: str) -> str:
        if name in _NAMED:
            found = self._data.get(_NAMED[name][1])
            known = self._names.get(UUID(str(found))) if found else None
            return isolated(known) if known else INSTEAD[name]
        value = self._data.get(name)
        note = isolated(self._note()) if name == "reason" else ""
        if name == "affected":
            return f" Affected bookings: {', '.join(map(str, value))}." if value else ""
        if value is None or value == "":
            return note or INSTEAD.get(name, "")
        if name in _MOMENTS:
            return moment(str(value), self._zone)
        if name in _LAST_DAYS:
            return day_in_words(last_day(datetime.fromisoformat(str(value)), zone_of(self._zone)))
        if name not in _CODES:
            return isolated(str(value))
        said = (in_words(self._of, name, str(value)) or code_in_words(str(value))).rstrip(".")
        if note and value == "OTHER":
            return note
        return f"{said} ({note})" if note else said

    def _note(self) -> str:
        note_id = self._data.get(REFERENCE)
        return self._names.get(UUID(str(note_id)), REMOVED).rstrip(".") if note_id else ""


def _sentence(template: str) -> str:
    spaced = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in template)
    return spaced.strip().capitalize()
