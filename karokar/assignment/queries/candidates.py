"""Who may get a vehicle, who not, and why."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from sqlalchemy import or_, select

from karokar.assignment import rules
from karokar.assignment.models import Assignment, AssignmentSetting
from karokar.assignment.queries.facts import LIVE, AssignmentFacts, facts
from karokar.kernel.db import db
from karokar.kernel.text.normalization import search_key


def is_licence_required() -> bool:
    """Whether the platform refuses drivers without an approved licence (else it is a warning)."""
    kept = db.session.get(AssignmentSetting, rules.LICENCE_SETTING)
    return kept is not None and kept.value.strip().lower() in {"true", "yes", "on", "1"}


class MemberLike(Protocol):
    """A member of an organization, as identity describes one."""

    @property
    def user_id(self) -> UUID: ...  # noqa: D102
    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def role(self) -> str: ...  # noqa: D102
    @property
    def status(self) -> str: ...  # noqa: D102


class CoverageLike(Protocol):
    """A verification's cover, as verification describes it."""

    @property
    def status(self) -> str: ...  # noqa: D102
    @property
    def expires_at(self) -> datetime | None: ...  # noqa: D102


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A member who might get a vehicle: `refusal` says why not (empty: they may), `warning` what is odd.

    `busy` are their other assignments in the period, `licence_until` when the approved driving licence ends.
    """

    user_id: UUID
    name: str
    role: str
    refusal: str
    warning: str
    busy: tuple[AssignmentFacts, ...]
    licence_until: datetime | None = None

    @property
    def is_eligible(self) -> bool:
        """Whether nothing stands against it."""
        return not self.refusal


def list_candidates(
    members: Iterable[MemberLike],
    coverages: Mapping[UUID, Mapping[str, CoverageLike]],
    start: datetime,
    end: datetime | None,
    *,
    except_booking_id: UUID | None = None,
    except_assignment_id: UUID | None = None,
) -> list[Candidate]:
    """Judge each member for a vehicle in `[start, end)`: eligible ones first, then by name.

    `coverages` are verification's of the users. What belongs to the booking (or assignment) in question itself does not
    count as an overlap.
    """
    people = list(members)
    requires_licence = is_licence_required()
    busy = _busy([person.user_id for person in people], start, end, except_booking_id, except_assignment_id)
    found = []
    for person in people:
        licence = coverages.get(person.user_id, {}).get("DRIVING_LICENSE")
        holds = licence is not None and licence.status == "APPROVED"
        until = licence.expires_at if licence is not None and holds else None
        judgement = rules.judge(
            is_active=person.status == "ACTIVE",
            is_busy=bool(busy.get(person.user_id)),
            licence_covers=holds and (until is None or until >= (end or start)),
            requires_licence=requires_licence,
        )
        found.append(
            Candidate(
                user_id=person.user_id,
                name=person.name,
                role=person.role,
                refusal=judgement.refusal,
                warning=judgement.warning,
                busy=tuple(busy.get(person.user_id, ())),
                licence_until=until,
            )
        )
    return sorted(found, key=lambda one: (not one.is_eligible, bool(one.warning), search_key(one.name)))


def _busy(
    user_ids: Sequence[UUID],
    start: datetime,
    end: datetime | None,
    except_booking_id: UUID | None,
    except_assignment_id: UUID | None,
) -> dict[UUID, list[AssignmentFacts]]:
    statement = select(Assignment).where(
        Assignment.employee_id.in_(user_ids),
        Assignment.status.in_(LIVE),
        or_(Assignment.end.is_(None), Assignment.end > start),
    )
    if end is not None:
        statement = statement.where(Assignment.start < end)
    if except_booking_id is not None:
        statement = statement.where(or_(Assignment.booking_id.is_(None), Assignment.booking_id != except_booking_id))
    if except_assignment_id is not None:
        statement = statement.where(Assignment.id != except_assignment_id)
    found: dict[UUID, list[AssignmentFacts]] = {}
    for row in db.session.scalars(statement.order_by(Assignment.start)):
        found.setdefault(row.employee_id, []).append(facts(row))
    return found
