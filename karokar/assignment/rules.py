"""What may happen to an assignment, and who may get a vehicle, decided without looking anything up."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from karokar.kernel.clock import to_the_minute
from karokar.kernel.errors import RuleBroken
from karokar.kernel.state_machine import StateMachine, Transition
from karokar.kernel.text.codes import in_words, name_codes

REMINDERS = (24, 2)
"""How many hours before the start an unanswered assignment is reminded of."""


class Status(StrEnum):
    """The six states of an assignment."""

    PENDING = "PENDING"
    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"
    ACTIVE = "ACTIVE"
    COMPLETED = "COMPLETED"
    CLOSED = "CLOSED"


LICENCE_SETTING = "require_driving_licence"
"""The platform's setting that turns a missing driving licence from a warning into a refusal."""

LIVE = frozenset({Status.PENDING, Status.ACCEPTED, Status.ACTIVE})
"""The states in which an assignment takes up its vehicle and its employee."""


_TRANSITIONS: tuple[Transition[Status], ...] = (
    Transition(None, Status.PENDING, "create", "AssignmentCreated"),
    Transition(Status.PENDING, Status.ACCEPTED, "accept", "AssignmentAccepted"),
    Transition(Status.PENDING, Status.REJECTED, "reject", "AssignmentRejected"),
    Transition(Status.ACCEPTED, Status.ACTIVE, "start", "AssignmentActivated"),
    Transition(Status.ACTIVE, Status.COMPLETED, "complete", "AssignmentCompleted"),
    Transition(Status.PENDING, Status.CLOSED, "close", "AssignmentClosed"),
    Transition(Status.ACCEPTED, Status.CLOSED, "close", "AssignmentClosed"),
    Transition(Status.ACTIVE, Status.CLOSED, "close", "AssignmentClosed"),
    Transition(Status.PENDING, Status.CLOSED, "expire", "AssignmentClosed", is_by_clock=True),
    Transition(Status.ACCEPTED, Status.CLOSED, "expire", "AssignmentClosed", is_by_clock=True),
    Transition(Status.PENDING, Status.PENDING, "remind", "AssignmentReminded", is_by_clock=True),
    Transition(Status.ACTIVE, Status.ACTIVE, "flag", "AssignmentFlagged"),
)

WORDS: dict[Status, str] = {
    Status.PENDING: "waiting for the employee's answer",
    Status.ACCEPTED: "accepted",
    Status.REJECTED: "declined",
    Status.ACTIVE: "under way",
    Status.COMPLETED: "completed",
    Status.CLOSED: "closed",
}
"""How a sentence calls an assignment in this state ("This assignment is …")."""

DONE: dict[str, str] = {
    "accept": "accepted",
    "reject": "declined",
    "start": "handed over",
    "complete": "taken back",
    "close": "closed",
}

CLOSE_REASONS: dict[str, str] = {
    "NO_LONGER_NEEDED": "The vehicle is no longer needed",
    "OTHER_EMPLOYEE": "Another employee gets the vehicle",
    "VEHICLE_NOT_USABLE": "The vehicle can't be used",
    "EMPLOYEE_LEFT": "The employee left",
    "OTHER": "Another reason",
}
SYSTEM_REASONS: dict[str, str] = {
    "REPLACED": "The company chose again",
    "BOOKING_CANCELLED": "The booking was cancelled",
    "BOOKING_TERMINATED": "The booking was ended early",
    "MEMBER_SUSPENDED": "The employee was suspended",
    "MEMBER_REMOVED": "The employee left the company",
    "EXPIRED": "Its time passed before the vehicle was handed over",
}


name_codes("Assignment", "reason", CLOSE_REASONS, SYSTEM_REASONS)
name_codes("Assignment", "flag", SYSTEM_REASONS)

ENDED_WITH_BOOKING = ("REPLACED", "BOOKING_CANCELLED", "BOOKING_TERMINATED")
"""Closed so, an assignment leaves nothing to be done: the booking is over, or somebody else was chosen."""


def reason_label(code: str | None) -> str:
    """Return a reason's words; the code itself where it is not from one of our lists."""
    return in_words("Assignment", "reason", code or "") or code or ""


MACHINE = StateMachine(
    Status,
    _TRANSITIONS,
    code="INVALID_ASSIGNMENT_TRANSITION",
    refusal=lambda status, verb: (
        f"This assignment is {WORDS[status]}, so it can't be {DONE.get(verb, 'changed')} now. "
        "Open it again to see what can be done."
    ),
)
"""Every change of an assignment's status; what is not here is refused."""


def check_period(start: datetime, end: datetime | None) -> None:
    """Raise PERIOD_INVALID unless the start comes before the end; an open end is fine."""
    if end is not None and start >= end:
        sentence = "The end has to come after the start. Leave it empty for an assignment without an end."
        raise RuleBroken("PERIOD_INVALID", sentence, fields={"end": sentence})


def check_times(start: datetime, end: datetime | None, now: datetime) -> None:
    """Raise START_PASSED for a start of more than an hour ago, END_PASSED for an end that does not lie ahead. Times are
    compared as people type them: to the minute.
    """
    if to_the_minute(start) < to_the_minute(now) - timedelta(hours=1):
        sentence = "The start is more than an hour ago. Choose a later one."
        raise RuleBroken("START_PASSED", sentence, fields={"start": sentence})
    if end is not None and end <= now:
        sentence = "The end has passed. Choose an end that lies ahead, or leave it empty."
        raise RuleBroken("END_PASSED", sentence, fields={"end": sentence})


def due_reminder(start: datetime, now: datetime, last_sent: int | None) -> int | None:
    """Return the reminder (in hours before the start) that is due and not yet sent; None for none, or too late."""
    if now >= start:
        return None
    due = [hours for hours in REMINDERS if now >= start - timedelta(hours=hours)]
    newest = min(due, default=None)
    return newest if newest is not None and (last_sent is None or newest < last_sent) else None


@dataclass(frozen=True)
class Judgement:
    """Whether a person may get a vehicle: `refusal` says why not (empty: they may), `warning` what is odd."""

    refusal: str = ""
    warning: str = ""

    @property
    def is_eligible(self) -> bool:
        """Whether nothing stands against it."""
        return not self.refusal


def judge(*, is_active: bool, is_busy: bool, licence_covers: bool, requires_licence: bool) -> Judgement:
    """Say whether a member may get a vehicle for a period.

    `is_busy`: another live assignment of theirs overlaps it; `licence_covers`: an approved driving licence is valid for
    all of it.
    """
    if not is_active:
        return Judgement(refusal="This person is not an active member of the company.")
    if is_busy:
        return Judgement(refusal="This person has another assignment in this period.")
    if licence_covers:
        return Judgement()
    sentence = "No approved driving licence covers this period."
    return Judgement(refusal=sentence) if requires_licence else Judgement(warning=sentence)
