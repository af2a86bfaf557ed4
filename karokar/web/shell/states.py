"""How a status looks to people: a tone, an icon and a word.

A status is never shown by colour alone.  Every kind of thing that has a status is listed here once, so that a booking
looks the same on a list, on its page, in a report and in an export.
"""

from typing import NamedTuple


class State(NamedTuple):
    """One status as people see it."""

    tone: str
    icon: str
    word: str


UNKNOWN_ICON = "circle-dashed"

STATES: dict[str, dict[str, State]] = {
    "organization": {
        "PENDING": State("wait", "hourglass", "Waiting for review"),
        "ACTIVE": State("good", "circle-check", "Active"),
        "SUSPENDED": State("bad", "player-pause", "Suspended"),
        "REJECTED": State("bad", "circle-x", "Rejected"),
    },
    "decision": {
        "PENDING": State("wait", "hourglass", "Waiting"),
        "APPROVED": State("good", "circle-check", "Approved"),
        "REJECTED": State("bad", "circle-x", "Rejected"),
        "REVOKED": State("bad", "ban", "Revoked"),
    },
    "membership": {
        "INVITED": State("wait", "mail", "Invited"),
        "ACTIVE": State("good", "circle-check", "Active"),
        "SUSPENDED": State("bad", "player-pause", "Suspended"),
        "REMOVED": State("neutral", "user-minus", "Removed"),
    },
    "verification": {
        "PENDING": State("wait", "hourglass", "Waiting for review"),
        "APPROVED": State("good", "shield-check", "Approved"),
        "REJECTED": State("bad", "circle-x", "Rejected"),
        "EXPIRED": State("bad", "clock-exclamation", "Expired"),
        "REVOKED": State("bad", "ban", "Revoked"),
        "MISSING": State("neutral", "circle-dashed", "Missing"),
    },
    "vehicle": {
        "PENDING": State("wait", "hourglass", "Not active yet"),
        "ACTIVE": State("good", "circle-check", "Active"),
        "SUSPENDED": State("bad", "player-pause", "Suspended"),
        "RETIRED": State("neutral", "archive", "Retired"),
    },
    "maintenance": {
        "SCHEDULED": State("info", "calendar-time", "Scheduled"),
        "IN_PROGRESS": State("live", "tool", "In progress"),
        "COMPLETED": State("good", "circle-check", "Completed"),
        "CANCELLED": State("neutral", "ban", "Cancelled"),
    },
    "block": {
        "RESERVED": State("info", "bookmark", "Reserved"),
        "ALLOCATED": State("live", "steering-wheel", "In use"),
        "MAINTENANCE": State("neutral", "tool", "Maintenance"),
        "SUSPENDED": State("bad", "player-pause", "Suspended"),
    },
    "conflict": {
        "OPEN": State("bad", "alert-triangle", "Open"),
        "RESOLVED": State("good", "circle-check", "Resolved"),
    },
    "booking": {
        "DRAFT": State("neutral", "pencil", "Draft"),
        "REQUESTED": State("wait", "hourglass", "Requested"),
        "APPROVED": State("info", "circle-check", "Approved"),
        "ASSIGNED": State("info", "user-check", "Assigned"),
        "DECLINED": State("bad", "user-x", "Declined: needs a driver"),
        "LEFT": State("bad", "user-x", "Driver left: needs a driver"),
        "ACTIVE": State("live", "steering-wheel", "In use"),
        "COMPLETED": State("good", "flag-check", "Completed"),
        "REJECTED": State("bad", "circle-x", "Rejected"),
        "CANCELLED": State("neutral", "ban", "Cancelled"),
        "TERMINATED": State("bad", "hand-stop", "Terminated"),
    },
    "assignment": {
        "PENDING": State("wait", "hourglass", "Waiting for answer"),
        "ACCEPTED": State("info", "user-check", "Accepted"),
        "REJECTED": State("bad", "user-x", "Declined"),
        "ACTIVE": State("live", "steering-wheel", "In use"),
        "COMPLETED": State("good", "flag-check", "Completed"),
        "CLOSED": State("neutral", "archive", "Closed"),
    },
    "notification": {
        "PENDING": State("wait", "hourglass", "Waiting"),
        "SENT": State("good", "check", "Sent"),
        "FAILED": State("bad", "mail-off", "Failed"),
        "UNKNOWN": State("wait", "help", "Outcome unknown"),
        "READ": State("neutral", "mail-opened", "Read"),
        "KEPT": State("info", "inbox", "Kept"),
    },
    "mail": {
        "QUEUED": State("wait", "hourglass", "Waiting"),
        "SENDING": State("live", "send", "Being sent"),
        "HANDING_OVER": State("live", "send", "Being handed over"),
        "SENT": State("good", "check", "Sent"),
        "KEPT": State("info", "inbox", "Kept"),
        "REFUSED": State("bad", "mail-off", "Refused"),
        "FAILED": State("bad", "mail-off", "Given up"),
        "UNKNOWN": State("wait", "help", "Outcome unknown"),
        "OBSOLETE": State("neutral", "archive", "Nothing left to say"),
        "LET_GO": State("neutral", "archive", "Left unsent"),
    },
    "delivery": {
        "handled": State("good", "check", "Handled"),
        "coming": State("neutral", "clock", "Not yet reached"),
        "pending": State("neutral", "clock", "Not yet reached"),
        "retrying": State("wait", "refresh", "Retrying"),
        "waiting": State("wait", "clock-pause", "Waiting"),
        "dead": State("bad", "skull", "Dead"),
        "dismissed": State("neutral", "archive", "Dismissed"),
        "done": State("good", "check", "Done"),
        "paused": State("wait", "player-pause", "Paused"),
    },
    "handler": {
        "RUNNING": State("good", "circle-check", "Up to date"),
        "BEHIND": State("wait", "clock", "Behind"),
        "FAILING": State("bad", "alert-triangle", "Failing"),
        "PAUSED": State("wait", "player-pause", "Paused"),
        "UNKNOWN": State("bad", "help", "No code for it"),
    },
    "run": {
        "QUEUED": State("wait", "hourglass", "Queued"),
        "RUNNING": State("live", "loader-2", "Running"),
        "PAUSED": State("wait", "player-pause", "Paused"),
        "CANCELLED": State("neutral", "ban", "Cancelled"),
        "DONE": State("good", "circle-check", "Done"),
        "DONE_WITH_ERRORS": State("wait", "alert-triangle", "Done with errors"),
        "FAILED": State("bad", "circle-x", "Failed"),
    },
    "row": {
        "PENDING": State("neutral", "circle-dashed", "To do"),
        "OK": State("good", "check", "Done"),
        "FAILED": State("bad", "circle-x", "Refused"),
        "SKIPPED": State("neutral", "minus", "Skipped"),
    },
    "health": {
        "ok": State("good", "circle-check", "Working"),
        "degraded": State("wait", "alert-triangle", "Degraded"),
        "down": State("bad", "circle-x", "Not working"),
        "off": State("neutral", "circle-minus", "Not configured"),
    },
}


def state_of(kind: str, status: object) -> State:
    """How ``status`` of a ``kind`` is shown; a status that this list does not know yet is shown by its own name."""
    code = str(getattr(status, "value", status))
    known = STATES.get(kind, {}).get(code)
    return known or State("neutral", UNKNOWN_ICON, code.replace("_", " ").capitalize())


def state_choices(kind: str) -> list[tuple[str, str]]:
    """The statuses of a ``kind`` as (code, word), in the order of their life, for filters and selects."""
    return [(code, state.word) for code, state in STATES[kind].items()]
