"""What may happen to a booking, decided without looking anything up.

`MACHINE` is the state machine: what is not in it is refused with INVALID_BOOKING_TRANSITION.
"""

import secrets
from datetime import datetime, timedelta
from enum import StrEnum

from karokar.kernel.clock import to_the_minute
from karokar.kernel.errors import RuleBroken, StateConflict
from karokar.kernel.state_machine import StateMachine, Transition
from karokar.kernel.text.codes import in_words, name_codes
from karokar.kernel.text.normalization import search_key

GRACE = timedelta(hours=1)
"""How long after its start a booking may still be requested and approved, and how long before it may be handed over."""

CONTACT_AFTER_END = timedelta(days=30)
"""How long after a booking's end the vendor still sees who drove."""


class Status(StrEnum):
    """The nine states of a booking."""

    DRAFT = "DRAFT"
    REQUESTED = "REQUESTED"
    APPROVED = "APPROVED"
    REJECTED = "REJECTED"
    ASSIGNED = "ASSIGNED"
    ACTIVE = "ACTIVE"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"
    TERMINATED = "TERMINATED"


LIVE = frozenset({Status.APPROVED, Status.ASSIGNED, Status.ACTIVE})
"""The states in which a booking holds its vehicle."""


class Vacancy(StrEnum):
    """Why an ASSIGNED booking has nobody to drive: the employee declined, or may not act for the company any more."""

    DECLINED = "DECLINED"
    LEFT = "LEFT"


def state_of(status: str, vacancy: str | None) -> str:
    """Return the state that people are shown: the status, or the vacancy of a booking that needs another driver.

    The one place that decides it, for pages, lists, filters, figures, search and exports.
    """
    return vacancy if vacancy and status == Status.ASSIGNED else status


CANCELLABLE = frozenset({Status.REQUESTED, Status.APPROVED, Status.ASSIGNED})
VENDOR_CANCELS = frozenset({Status.APPROVED, Status.ASSIGNED})
"""A vendor turns a request down; calling off is for what it has approved."""


_TRANSITIONS: tuple[Transition[Status], ...] = (
    Transition(None, Status.DRAFT, "create", "BookingDrafted"),
    Transition(Status.DRAFT, Status.DRAFT, "edit", "BookingEdited"),
    Transition(Status.DRAFT, None, "discard", "BookingDiscarded"),
    Transition(Status.DRAFT, Status.REQUESTED, "submit", "BookingRequested"),
    Transition(Status.REQUESTED, Status.APPROVED, "approve", "BookingApproved"),
    Transition(Status.REQUESTED, Status.REJECTED, "reject", "BookingRejected"),
    Transition(Status.REQUESTED, Status.CANCELLED, "cancel", "BookingCancelled"),
    Transition(Status.APPROVED, Status.CANCELLED, "cancel", "BookingCancelled"),
    Transition(Status.ASSIGNED, Status.CANCELLED, "cancel", "BookingCancelled"),
    Transition(Status.APPROVED, Status.ASSIGNED, "assign", "BookingAssigned"),
    Transition(Status.ASSIGNED, Status.ASSIGNED, "assign", "BookingAssigned"),
    Transition(Status.ASSIGNED, Status.ACTIVE, "activate", "BookingActivated"),
    Transition(Status.ACTIVE, Status.COMPLETED, "complete", "BookingCompleted"),
    Transition(Status.ACTIVE, Status.TERMINATED, "terminate", "BookingTerminated"),
    Transition(Status.REQUESTED, Status.CANCELLED, "expire", "BookingCancelled", is_by_clock=True),
    Transition(Status.APPROVED, Status.CANCELLED, "give_up", "BookingCancelled", is_by_clock=True),
    Transition(Status.ASSIGNED, Status.CANCELLED, "give_up", "BookingCancelled", is_by_clock=True),
    Transition(Status.APPROVED, Status.APPROVED, "remind", "BookingReminded", is_by_clock=True),
    Transition(Status.ASSIGNED, Status.ASSIGNED, "remind", "BookingReminded", is_by_clock=True),
    Transition(Status.ACTIVE, Status.ACTIVE, "run_late", "BookingOverdue", is_by_clock=True),
    Transition(Status.APPROVED, Status.APPROVED, "delay", "BookingDelayed", is_by_clock=True),
    Transition(Status.ASSIGNED, Status.ASSIGNED, "delay", "BookingDelayed", is_by_clock=True),
    Transition(Status.TERMINATED, Status.TERMINATED, "bring_back", "BookingVehicleReturned"),
)

WORDS: dict[Status, str] = {
    Status.DRAFT: "a draft",
    Status.REQUESTED: "waiting for the vendor's answer",
    Status.APPROVED: "approved",
    Status.REJECTED: "rejected",
    Status.ASSIGNED: "assigned to an employee",
    Status.ACTIVE: "under way",
    Status.COMPLETED: "completed",
    Status.CANCELLED: "cancelled",
    Status.TERMINATED: "ended early",
}
"""How a sentence calls a booking in this state ("This booking is …")."""

VACANCY_WORDS: dict[str, str] = {
    Vacancy.DECLINED: "declined by the employee and needs another driver",
    Vacancy.LEFT: "without a driver, because the employee left",
}


def words_for(state: str) -> str:
    """Return how a sentence calls a booking in a state that `state_of` gives ("This booking is …")."""
    return VACANCY_WORDS.get(state) or WORDS[Status(state)]


DONE: dict[str, str] = {
    "edit": "edited",
    "discard": "discarded",
    "submit": "sent to the vendor",
    "approve": "approved",
    "reject": "rejected",
    "cancel": "cancelled",
    "assign": "assigned",
    "activate": "handed over",
    "complete": "taken back",
    "terminate": "ended early",
    "bring_back": "taken back",
}
"""How a sentence says that the action was done ("It can't be …")."""


MACHINE = StateMachine(
    Status,
    _TRANSITIONS,
    code="INVALID_BOOKING_TRANSITION",
    refusal=lambda status, verb: (
        f"This booking is {WORDS[status]}, so it can't be {DONE.get(verb, 'changed')} now. "
        "Open it again to see what can be done."
    ),
)
"""Every change of a booking's status; what is not here is refused."""


# --- reasons ----------------------------------------------------------------------------------------------------------

REJECT_REASONS: dict[str, str] = {
    "ALREADY_PROMISED": "The vehicle is promised to somebody else",
    "NEEDED_IN_WORKSHOP": "The vehicle has to go to the workshop",
    "TOO_SHORT_NOTICE": "The request came too late to prepare the vehicle",
    "PERIOD_DOES_NOT_FIT": "The period does not fit our plans",
    "OTHER": "Another reason (see the note)",
}
CANCEL_REASONS: dict[str, str] = {
    "PLANS_CHANGED": "Plans changed",
    "VEHICLE_NOT_USABLE": "The vehicle can't be used",
    "BETTER_VEHICLE": "Another vehicle is taken instead",
    "EMPLOYEE_NOT_AVAILABLE": "The employee is not available",
    "MAINTENANCE": "The vehicle has to go to the workshop",
    "OTHER": "Another reason (see the note)",
}
TERMINATE_REASONS: dict[str, str] = {
    "BREAKDOWN": "The vehicle broke down",
    "ACCIDENT": "There was an accident",
    "NO_LONGER_NEEDED": "The vehicle is no longer needed",
    "NOT_RETURNED": "The vehicle was not returned",
    "MISUSE": "The vehicle was misused",
    "OTHER": "Another reason (see the note)",
}
NOT_BACK = frozenset({"NOT_RETURNED", "BREAKDOWN", "ACCIDENT"})
"""Ended for these, a booking has not brought its vehicle back: it stays taken until somebody notes its return."""
BACK_WHEN_ACTIVATED = frozenset({"BREAKDOWN", "ACCIDENT"})
"""Of these also until somebody puts the vehicle back on the road."""
SYSTEM_REASONS: dict[str, str] = {
    "VEHICLE_NOT_BACK": "The vehicle did not come back in time from an earlier booking",
    "VEHICLE_OFF_THE_ROAD": "The vehicle was off the road, so it could not be handed over",
    "UNANSWERED": "Nobody answered the request before its start",
    "NO_SHOW": "Nobody collected the vehicle before the booking's end",
    "ORGANIZATION_SUSPENDED": "One of the two organizations was suspended",
}


name_codes("Booking", "reason", REJECT_REASONS, CANCEL_REASONS, TERMINATE_REASONS, SYSTEM_REASONS)


def reason_label(code: str | None) -> str:
    """Return a reason's words; the code itself where it is not from one of our lists."""
    return in_words("Booking", "reason", code or "") or code or ""


def check_reason(code: str, note: str, reasons: dict[str, str]) -> str:
    """Return the trimmed note. Raises REASON_NEEDED unless the reason is on the list and the note says something."""
    if code not in reasons:
        raise RuleBroken(
            "REASON_NEEDED", "Choose a reason from the list.", fields={"reason": "Choose a reason from the list."}
        )
    note = note.strip()
    if not note:
        sentence = "Add a note: the other side reads it."
        raise RuleBroken("REASON_NEEDED", sentence, fields={"note": sentence})
    return note


# --- periods ----------------------------------------------------------------------------------------------------------


LONGEST = timedelta(days=366)
"""How long a booking may last."""


def check_period(start: datetime, end: datetime) -> None:
    """Raise PERIOD_INVALID unless the start comes before the end, PERIOD_TOO_LONG for more than LONGEST."""
    if start >= end:
        sentence = "The end has to come after the start."
        raise RuleBroken("PERIOD_INVALID", sentence, fields={"end": sentence})
    if end - start > LONGEST:
        sentence = f"A booking lasts {LONGEST.days} days at most. Choose an earlier end."
        raise RuleBroken("PERIOD_TOO_LONG", sentence, fields={"end": sentence})


def check_times(start: datetime, end: datetime, now: datetime) -> None:
    """Raise what `check_period` raises, START_PASSED for a start of more than an hour ago, END_PASSED for an end that
    does not lie ahead. Times are compared as people type them: to the minute.
    """
    check_period(start, end)
    if to_the_minute(start) < to_the_minute(now) - GRACE:
        sentence = "The start is more than an hour ago. Choose a later one."
        raise RuleBroken("START_PASSED", sentence, fields={"start": sentence})
    if end <= now:
        sentence = "The end has passed. Choose an end that lies ahead."
        raise RuleBroken("END_PASSED", sentence, fields={"end": sentence})


def unanswered_at(start: datetime, submitted_at: datetime) -> datetime:
    """Return when a request that nobody answered is over: at its start, or, if it came later, an hour after it."""
    return start if submitted_at < start else start + GRACE


def check_handover_time(start: datetime, end: datetime, now: datetime) -> None:
    """Raise TOO_EARLY or TOO_LATE unless now is between an hour before the start and the end."""
    if now < start - GRACE:
        raise StateConflict(
            "TOO_EARLY", "The handover is possible from one hour before the start. Come back then.", start=start
        )
    if now >= end:
        raise StateConflict(
            "TOO_LATE", "The booking's time is over, so it can't be handed over any more. Book again.", end=end
        )


SOON = timedelta(days=1)
"""How long before its start both sides of a booking hear that its vehicle is still out."""


def why_not_collected(*, was_out: bool, is_on_the_road: bool) -> str:
    """Return the reason for which a booking ends that nobody collected: nobody's fault but whoever kept the vehicle.

    `was_out`: an hour after the start the vehicle was still out with an earlier booking.
    """
    if was_out:
        return "VEHICLE_NOT_BACK"
    return "NO_SHOW" if is_on_the_road else "VEHICLE_OFF_THE_ROAD"


def overlaps(start: datetime, end: datetime | None, other_start: datetime, other_end: datetime | None) -> bool:
    """Whether two half-open periods have a moment in common; an open end lasts for ever."""
    return (other_end is None or start < other_end) and (end is None or other_start < end)


# --- references -------------------------------------------------------------------------------------------------------

ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXY"
"""29 signs (a prime) that are hard to take for each other, read aloud or on a screen."""

_WEIGHTS = (2, 3, 4, 5, 6)


def check_sign(body: str) -> str:
    """Return the check sign of five signs: it changes with every single wrong sign and every swapped pair."""
    return ALPHABET[sum(w * ALPHABET.index(sign) for w, sign in zip(_WEIGHTS, body, strict=True)) % len(ALPHABET)]


def new_reference() -> str:
    """Return a random reference such as B-4K7-29F; the last sign checks the others."""
    body = "".join(secrets.choice(ALPHABET) for _ in _WEIGHTS)
    return f"B-{body[:3]}-{body[3:]}{check_sign(body)}"


def reference_signs(text: str) -> str:
    """Return the letters and digits of what a person typed as a reference, or as a part of one."""
    return "".join(sign for sign in search_key(text).upper() if sign.isalnum())


def read_reference(text: str) -> str | None:
    """Return the reference that a person typed, in its usual form; None where it is none or the check sign is wrong."""
    signs = reference_signs(text)
    if len(signs) == 7 and signs.startswith("B"):
        signs = signs[1:]
    if len(signs) != 6 or any(sign not in ALPHABET for sign in signs) or check_sign(signs[:5]) != signs[5]:
        return None
    return f"B-{signs[:3]}-{signs[3:]}"


# --- people across tenants --------------------------------------------------------------------------------------------


def shows_contacts(status: Status) -> bool:
    """Whether both sides see each other's contact person and phone: from APPROVED on."""
    return status in LIVE | {Status.COMPLETED, Status.TERMINATED}


def shows_driver(accepted: bool, end: datetime, now: datetime) -> bool:  # noqa: FBT001 - one fact among three
    """Whether the vendor sees who drives: once the employee has accepted, until 30 days after the end."""
    return accepted and now < end + CONTACT_AFTER_END
