"""What stands in the way of a request and of its approval: one list for the page, the button and the action."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from karokar.booking.rules import check_times
from karokar.kernel.errors import DomainError, RuleBroken, StateConflict


@dataclass(frozen=True)
class Taken:
    """Why a vehicle is not free for a period: RESERVED, ALLOCATED, MAINTENANCE, SUSPENDED, BUFFER, LATE or DOCUMENT.

    `references` are the bookings that hold it, as far as the reader may know them.
    """

    kind: str
    references: Sequence[str] = ()
    document: str = ""


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """What a request is judged by. `inactive` maps the names of organizations that take no part to their status;
    `unregistered` names those whose registration is not verified; `is_represented`: somebody of the company has shown
    who they are; `taken` is empty for a vehicle that is free.
    """

    start: datetime
    end: datetime
    now: datetime
    vehicle: str
    is_on_the_road: bool
    taken: Sequence[Taken]
    inactive: Mapping[str, str] = field(default_factory=dict)
    unregistered: Sequence[str] = ()
    is_represented: bool = True


@dataclass(frozen=True)
class Problem:
    """What keeps something from being done: a stable code and a sentence that says what to do."""

    code: str
    sentence: str
    error: DomainError


def request_problems(facts: Circumstances) -> list[Problem]:
    """Return what keeps a company from sending a request, in the order in which it is refused; empty for nothing."""
    return list(_problems(facts, _to_company))


def approval_problems(facts: Circumstances) -> list[Problem]:
    """Return what keeps a vendor from approving a request, in the order in which it is refused; empty for nothing."""
    return list(_problems(facts, _to_vendor))


def refuse(problems: Sequence[Problem]) -> None:
    """Raise the first of the problems, if there is one."""
    if problems:
        raise problems[0].error


def _problems(facts: Circumstances, say: Callable[[Circumstances, Taken], str]) -> Iterator[Problem]:
    try:
        check_times(facts.start, facts.end, facts.now)
    except RuleBroken as error:
        yield Problem(error.code, error.sentence, error)
    for name, status in facts.inactive.items():
        sentence = f"{name} is {status.lower()}, so this has to wait until it is active."
        yield _conflict("ORGANIZATION_NOT_ACTIVE", sentence)
    for name in facts.unregistered:
        yield _conflict(
            "REGISTRATION_EXPIRED",
            f"The registration of {name} is not verified at the moment, so nothing new can be booked. "
            "Bookings are possible again as soon as a current registration document is approved.",
        )
    if not facts.is_represented:
        yield _conflict(
            "REPRESENTATIVE_NOT_VERIFIED",
            "Before you can send requests, the identity of one of your company's administrators has to be verified. "
            "Hand in the document: home leads you to it. Send the request once it is approved.",
        )
    if not facts.is_on_the_road:
        yield _conflict(
            "VEHICLE_NOT_ACTIVE", f"{facts.vehicle} is not on the road at the moment. Choose another vehicle."
        )
    for taken in facts.taken:
        if taken.kind != "SUSPENDED" or facts.is_on_the_road:
            yield _conflict(_CODES.get(taken.kind, "VEHICLE_NOT_AVAILABLE"), say(facts, taken), taken.references)


_CODES = {"MAINTENANCE": "VEHICLE_IN_MAINTENANCE", "DOCUMENT": "DOCUMENT_EXPIRES", "SUSPENDED": "VEHICLE_NOT_ACTIVE"}


def _conflict(code: str, sentence: str, references: Sequence[str] = ()) -> Problem:
    facts: dict[str, Any] = {"reference": references[0]} if references else {}
    return Problem(code, sentence, StateConflict(code, sentence, **facts))


def _to_company(facts: Circumstances, taken: Taken) -> str:
    another = "Choose another period or another vehicle."
    if taken.references:
        return (
            f"Your own booking {taken.references[0]} keeps the vehicle in this period, with the vendor's time for "
            f"turnaround. {another}"
        )
    return {
        "MAINTENANCE": f"{facts.vehicle} is in maintenance within this period. {another}",
        "SUSPENDED": f"{facts.vehicle} is not on the road at the moment. Choose another vehicle.",
        "DOCUMENT": f"The {taken.document} of {facts.vehicle} expires before the end of this period. {another}",
        "LATE": f"{facts.vehicle} is not back yet, although its time is over. {another}",
        "BUFFER": f"{facts.vehicle} is needed again before the vendor's time for turnaround after this period is over. "
        f"{another}",
    }.get(taken.kind, "Somebody else holds the vehicle in this period. Choose another vehicle or another period.")


def _to_vendor(facts: Circumstances, taken: Taken) -> str:
    answer = "Reject this request or offer another vehicle."
    who = " and ".join(taken.references) or "Something else"
    return {
        "MAINTENANCE": f"{facts.vehicle} is in maintenance within this period. Move the maintenance, reject this "
        "request or offer another vehicle.",
        "SUSPENDED": f"{facts.vehicle} is not on the road at the moment. {answer}",
        "DOCUMENT": f"The {taken.document} of {facts.vehicle} expires before the booking ends. Have a current one "
        "approved, reject this request or offer another vehicle.",
        "LATE": f"{facts.vehicle} is not back yet, although its time is over. Take it back first, reject this request "
        "or offer another vehicle.",
        "BUFFER": f"{who} begins before your time for turnaround after this booking is over. {answer}",
    }.get(taken.kind, f"{who} holds the vehicle in this period. {answer}")
