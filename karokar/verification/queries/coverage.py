"""Is it covered, until when, and by what: what gates and calendars ask."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Exists, and_, exists, func, or_, select
from sqlalchemy.orm import aliased

from karokar.kernel import clock
from karokar.kernel.database.many import fetch_ids, is_one_of
from karokar.kernel.db import db
from karokar.kernel.errors import NotFound
from karokar.verification import rules
from karokar.verification.models import Verification
from karokar.verification.rules import VerificationStatus

MISSING = "MISSING"

_RANK = {
    VerificationStatus.APPROVED: 0,
    VerificationStatus.PENDING: 1,
    VerificationStatus.REVOKED: 2,
    VerificationStatus.EXPIRED: 2,
    VerificationStatus.REJECTED: 2,
}


@dataclass(frozen=True)
class Coverage:
    """How one kind of verification stands for one entity: APPROVED (until `expires_at`), PENDING, REJECTED, EXPIRED,
    REVOKED, or MISSING. `verification_id` is the record that decides it.
    """

    kind: str
    status: str
    expires_at: datetime | None
    verification_id: UUID | None = None


@dataclass(frozen=True)
class Expiring:
    """An approval that ends soon."""

    verification_id: UUID
    organization_id: UUID
    entity_type: str
    entity_id: UUID
    kind: str
    expires_at: datetime


def label_of(kind: str) -> str:
    """Return what people call a kind of verification."""
    return rules.label_of(kind)


def is_covered(
    entity_type: str,
    entity_id: UUID,
    kind: str,
    at: datetime | None = None,
    until: datetime | None = None,
    *,
    is_held: bool = False,
) -> bool:
    """Whether an approved verification of this kind counts at a moment (by default now), and still does at `until`.

    `is_held`: nobody revokes it until the transaction that asks has ended.
    """
    statement = select(Verification.id).where(*of_entities(entity_type, [entity_id])).limit(1)
    statement = statement.where(Verification.kind == kind, Verification.is_valid(at or clock.now()))
    if until is not None:
        statement = statement.where(or_(Verification.expires_at.is_(None), Verification.expires_at >= until))
    if is_held:
        statement = statement.with_for_update(read=True)
    return db.session.scalar(statement) is not None


def covered_ids(entity_type: str, ids: Iterable[UUID], kind: str) -> set[UUID]:
    """Return those of some entities for which an approved verification of this kind counts now."""
    statement = select(Verification.entity_id).where(*of_entities(entity_type, list(ids)))
    return set(db.session.scalars(statement.where(Verification.kind == kind, Verification.is_valid(clock.now()))))


def coverage(entity_type: str, entity_id: UUID) -> dict[str, Coverage]:
    """Return how each kind that such an entity can have stands for it."""
    return coverages(entity_type, [entity_id])[entity_id]


def coverages(entity_type: str, ids: Iterable[UUID]) -> dict[UUID, dict[str, Coverage]]:
    """Return `coverage` of many entities, in one statement."""
    wanted = list(dict.fromkeys(ids))
    kinds = rules.kinds_of(entity_type)
    found = {entity_id: {kind: Coverage(kind, MISSING, None) for kind in kinds} for entity_id in wanted}
    if not wanted:
        return found
    now = clock.now()
    rows = db.session.execute(
        select(
            Verification.id,
            Verification.entity_id,
            Verification.kind,
            Verification.status,
            Verification.expires_at,
            Verification.requested_at,
        ).where(*of_entities(entity_type, wanted))
    ).all()
    far = datetime.max.replace(tzinfo=now.tzinfo)

    def weight(row: tuple[UUID, UUID, str, str, datetime | None, datetime]) -> tuple[int, float]:
        # The approval that lasts longest, else what waits, else the newest try.
        rank = _RANK[VerificationStatus(row[3])]
        return rank, -((row[4] or far) if rank == 0 else row[5]).timestamp()

    for row in sorted(rows, key=lambda row: weight(tuple(row)), reverse=True):  # type: ignore[arg-type]
        verification_id, entity_id, kind, status, expires_at, _requested = row
        has_ended = status == VerificationStatus.APPROVED and expires_at is not None and expires_at <= now
        # The clock's next tick writes it down; it has expired already.
        shown = VerificationStatus.EXPIRED if has_ended else status
        found[entity_id][kind] = Coverage(kind, shown, expires_at, verification_id)
    return found


def expiring_between(
    start: datetime, end: datetime, *, organization_id: UUID | None = None, entity_type: str | None = None
) -> list[Expiring]:
    """Return the approvals that end in `[start, end)`, the first to end first."""
    statement = select(Verification).where(
        Verification.status == VerificationStatus.APPROVED,
        Verification.expires_at >= start,
        Verification.expires_at < end,
    )
    if organization_id is not None:
        statement = statement.where(Verification.organization_id == organization_id)
    if entity_type is not None:
        statement = statement.where(Verification.entity_type == entity_type)
    return [
        Expiring(row.id, row.organization_id, row.entity_type, row.entity_id, row.kind, row.expires_at)
        for row in db.session.scalars(statement.order_by(Verification.expires_at, Verification.id))
        if row.expires_at is not None
    ]


def lapsing_ids(
    entity_type: str, kinds: Iterable[str], start: datetime, end: datetime, *, among: Collection[str]
) -> set[str]:
    """Return those of some entities whose last approval of one of the kinds ends in `[start, end)`.

    Their ids are `UUID.hex`, there and back.
    """
    statement = (
        select(Verification.entity_id)
        .where(
            Verification.entity_type == entity_type,
            is_one_of(Verification.entity_id, among),
            Verification.kind.in_(list(kinds)),
            Verification.status == VerificationStatus.APPROVED,
        )
        .group_by(Verification.entity_id, Verification.kind)
        .having(
            func.count(Verification.expires_at) == func.count(),
            func.max(Verification.expires_at) >= start,
            func.max(Verification.expires_at) < end,
        )
    )
    return set(fetch_ids(Verification.entity_id, statement))


def is_covered_by_another(verification_id: UUID, entity_type: str, entity_id: UUID, kind: str, at: datetime) -> bool:
    """Whether an approved, unexpired verification of the kind other than this one counts."""
    statement = select(func.count()).select_from(Verification).where(*of_entities(entity_type, [entity_id]))
    statement = statement.where(
        Verification.kind == kind, Verification.is_valid(at), Verification.id != verification_id
    )
    return db.session.scalar(statement) != 0


def find_waiting_try(entity_type: str, entity_id: UUID, kind: str) -> UUID | None:
    """Return the try of this kind that waits for review; None where none does."""
    waits = Verification.status == VerificationStatus.PENDING
    statement = select(Verification.id).where(*of_entities(entity_type, [entity_id]), Verification.kind == kind, waits)
    return db.session.scalar(statement.limit(1))


def has_successor(verification_id: UUID) -> bool:
    """Whether another of the same kind and entity lasts longer, or waits for review. Raises NotFound."""
    succeeded = db.session.scalar(select(succeeds()).where(Verification.id == verification_id))
    if succeeded is None:
        raise NotFound(Verification.label)
    return bool(succeeded)


def succeeds() -> Exists:
    """Return the condition that another of the same kind and entity lasts longer, or waits for review."""
    other = aliased(Verification)
    lasts = and_(
        other.status == VerificationStatus.APPROVED,
        or_(other.expires_at.is_(None), other.expires_at > Verification.expires_at),
    )
    return exists().where(
        other.entity_type == Verification.entity_type,
        other.entity_id == Verification.entity_id,
        other.kind == Verification.kind,
        other.id != Verification.id,
        or_(other.status == VerificationStatus.PENDING, lasts),
    )


def of_entities(entity_type: str, ids: list[UUID]) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Return the conditions of verifications of these entities."""
    return Verification.entity_type == entity_type, Verification.entity_id.in_(ids)
