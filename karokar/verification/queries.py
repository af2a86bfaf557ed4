"""What verification answers: is this covered, until when, and what waits for review."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlalchemy.orm import aliased, selectinload

from karokar.kernel import clock
from karokar.kernel.actor import Actor, Scope
from karokar.kernel.db import db
from karokar.kernel.errors import NotFound
from karokar.kernel.permissions import permitted, scope_of
from karokar.kernel.waiting import WaitingItem
from karokar.verification import rules
from karokar.verification.models import Verification, VerificationDocument, VerificationOpening
from karokar.verification.permissions import VERIFICATION_READ, VERIFICATION_REQUEST, VERIFICATION_REVIEW
from karokar.verification.rules import VerificationStatus

PRESENCE_MINUTES = 5
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


@dataclass(frozen=True)
class DocumentRow:
    """A file that was handed in."""

    id: UUID
    filename: str
    media_type: str
    size: int
    sha256: str
    uploaded_at: datetime


@dataclass(frozen=True)
class VerificationPage:
    """A verification, as its own page and the reviewer's show it."""

    id: UUID
    version: int
    entity_type: str
    entity_id: UUID
    organization_id: UUID
    kind: str
    kind_label: str
    status: str
    requested_by: UUID | None
    requested_at: datetime
    reviewed_by: UUID | None
    reviewed_at: datetime | None
    valid_from: datetime | None
    expires_at: datetime | None
    reason: str | None
    note: str | None
    documents: tuple[DocumentRow, ...]


def label_of(kind: str) -> str:
    """Return what people call a kind of verification."""
    return rules.label_of(kind)


def is_covered(
    entity_type: str, entity_id: UUID, kind: str, at: datetime | None = None, until: datetime | None = None
) -> bool:
    """Whether an approved verification of this kind counts at a moment (by default now), and still does at `until`."""
    statement = select(func.count()).select_from(Verification).where(*_of(entity_type, [entity_id]))
    statement = statement.where(Verification.kind == kind, Verification.is_valid(at or clock.now()))
    if until is not None:
        statement = statement.where(or_(Verification.expires_at.is_(None), Verification.expires_at >= until))
    return db.session.scalar(statement) != 0


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
        ).where(*_of(entity_type, wanted))
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


def lapsing_ids(entity_type: str, kinds: Iterable[str], start: datetime, end: datetime) -> set[UUID]:
    """Return the entities of which an approval of one of the kinds ends in `[start, end)`, and none outlasts it."""
    later = aliased(Verification)
    outlasted = select(later.id).where(
        later.entity_type == entity_type,
        later.entity_id == Verification.entity_id,
        later.kind == Verification.kind,
        later.status == VerificationStatus.APPROVED,
        or_(later.expires_at.is_(None), later.expires_at >= end),
    )
    statement = select(Verification.entity_id).where(
        Verification.entity_type == entity_type,
        Verification.kind.in_(list(kinds)),
        Verification.status == VerificationStatus.APPROVED,
        Verification.expires_at >= start,
        Verification.expires_at < end,
        ~outlasted.exists(),
    )
    return set(db.session.scalars(statement))


def is_covered_by_another(verification_id: UUID, entity_type: str, entity_id: UUID, kind: str, at: datetime) -> bool:
    """Whether an approved, unexpired verification of the kind other than this one counts."""
    statement = select(func.count()).select_from(Verification).where(*_of(entity_type, [entity_id]))
    statement = statement.where(
        Verification.kind == kind, Verification.is_valid(at), Verification.id != verification_id
    )
    return db.session.scalar(statement) != 0


def get_page(verification_id: UUID) -> VerificationPage:
    """Return a verification that the actor may see. Raises NotFound."""
    statement = _permitted().where(Verification.id == verification_id)
    row = db.session.scalars(statement.execution_options(populate_existing=True)).one_or_none()
    if row is None:
        raise NotFound(Verification.label)
    return _page(row)


def list_pages(
    *, status: str = "", kind: str = "", entity_type: str = "", entity_id: UUID | None = None, limit: int = 500
) -> list[VerificationPage]:
    """Return the verifications that the actor may see, newest first."""
    statement = _permitted().order_by(Verification.id.desc()).limit(limit)
    if status:
        statement = statement.where(Verification.status == status)
    if kind:
        statement = statement.where(Verification.kind == kind)
    if entity_type:
        statement = statement.where(Verification.entity_type == entity_type)
    if entity_id is not None:
        statement = statement.where(Verification.entity_id == entity_id)
    return [_page(row) for row in db.session.scalars(statement.options(selectinload(Verification.documents)))]


def list_earlier(page: VerificationPage) -> list[VerificationPage]:
    """Return earlier tries for the same entity and kind that the actor may see, newest first."""
    rows = list_pages(kind=page.kind, entity_type=page.entity_type, entity_id=page.entity_id)
    return [row for row in rows if row.id < page.id]


def list_duplicates(page: VerificationPage) -> list[VerificationPage]:
    """Return verifications of other organizations that hold one of the same files: for reviewers."""
    if scope_of(VERIFICATION_REVIEW) is None:
        return []
    hashes = [document.sha256 for document in page.documents]
    statement = (
        _permitted()
        .join(VerificationDocument, VerificationDocument.verification_id == Verification.id)
        .where(VerificationDocument.sha256.in_(hashes), Verification.organization_id != page.organization_id)
    )
    return [_page(row) for row in db.session.scalars(statement.distinct().order_by(Verification.id))]


def list_waiting() -> list[VerificationPage]:
    """Return what waits for review, the longest wait first: for reviewers."""
    if scope_of(VERIFICATION_REVIEW) is None:
        return []
    statement = select(Verification).where(Verification.status == VerificationStatus.PENDING)
    return [_page(row) for row in db.session.scalars(statement.order_by(Verification.requested_at, Verification.id))]


def find_next_waiting(after: UUID) -> UUID | None:
    """Return the verification that waits longest besides this one; None where none does."""
    return next((page.id for page in list_waiting() if page.id != after), None)


def list_openings(verification_id: UUID, *, except_by: UUID | None = None) -> list[tuple[UUID, datetime]]:
    """Return who had the verification's review open in the last minutes, newest first."""
    rows = openings([verification_id]).get(verification_id, [])
    return [(user_id, at) for user_id, at in rows if user_id != except_by]


def openings(ids: Iterable[UUID]) -> dict[UUID, list[tuple[UUID, datetime]]]:
    """Return who had which review open in the last minutes."""
    since = clock.now() - timedelta(minutes=PRESENCE_MINUTES)
    statement = select(VerificationOpening).where(
        VerificationOpening.verification_id.in_(list(ids)), VerificationOpening.opened_at > since
    )
    found: dict[UUID, list[tuple[UUID, datetime]]] = {}
    for row in db.session.scalars(statement.order_by(VerificationOpening.opened_at.desc())):
        found.setdefault(row.verification_id, []).append((row.user_id, row.opened_at))
    return found


def get_document(document_id: UUID) -> DocumentRow:
    """Return a document of a verification that the actor may see. Raises NotFound."""
    statement = (
        select(VerificationDocument)
        .join(Verification, Verification.id == VerificationDocument.verification_id)
        .where(VerificationDocument.id == document_id, permitted(Verification, VERIFICATION_READ))
    )
    row = db.session.scalars(statement).one_or_none()
    if row is None:
        raise NotFound("document")
    return _document(row)


def list_waiting_for(actor: Actor) -> list[WaitingItem]:
    """Return reviews for reviewers, and for others what was not accepted, ran out, or soon runs out."""
    if scope_of(VERIFICATION_REVIEW, actor) is not None:
        return [
            WaitingItem(
                kind="Document review",
                title=page.kind_label,
                since=page.requested_at,
                endpoint="verification.show",
                values={"verification_id": str(page.id)},
                detail="Handed in for review",
                subject_id=page.organization_id,
            )
            for page in list_waiting()
        ]
    if scope_of(VERIFICATION_REQUEST, actor) is None:
        return []
    return [*_missing_for(actor), *_refused_for(actor), *_expiring_for(actor)]


def _missing_for(actor: Actor) -> list[WaitingItem]:
    """Return the first document that a newcomer has to hand in: of the organization, or an employee's licence."""
    is_oneself = scope_of(VERIFICATION_REQUEST, actor) is Scope.SELF
    entity_type, kind = ("User", "DRIVING_LICENSE") if is_oneself else ("Organization", "ORGANIZATION_REGISTRATION")
    entity_id = actor.user_id if is_oneself else actor.organization_id
    if entity_id is None or actor.is_platform or coverage(entity_type, entity_id)[kind].status != MISSING:
        return []
    return [
        WaitingItem(
            kind="Document",
            title=f"{rules.label_of(kind)} is missing",
            since=clock.now(),
            endpoint="verification.new",
            values={"entity_type": entity_type, "entity_id": str(entity_id), "kind": kind},
            detail="Hand it in, so that you can take part",
            subject_id=entity_id,
        )
    ]


def _refused_for(actor: Actor) -> list[WaitingItem]:
    ended = (VerificationStatus.REJECTED, VerificationStatus.EXPIRED, VerificationStatus.REVOKED)
    statement = select(Verification).where(
        permitted(Verification, VERIFICATION_REQUEST, actor),
        Verification.status.in_(ended),
        Verification.updated_at > clock.now() - timedelta(days=60),
    )
    rows = list(db.session.scalars(statement))
    items = []
    for entity_type in {row.entity_type for row in rows}:
        current = coverages(entity_type, [row.entity_id for row in rows if row.entity_type == entity_type])
        for row in rows:
            # Only what was not made good since.
            if row.entity_type != entity_type or current[row.entity_id][row.kind].verification_id != row.id:
                continue
            items.append(
                WaitingItem(
                    kind="Document",
                    title=f"{rules.label_of(row.kind)} {row.status.lower()}",
                    since=row.updated_at,
                    endpoint="verification.show",
                    values={"verification_id": str(row.id)},
                    detail="Hand in a new document",
                    subject_id=row.entity_id,
                )
            )
    return items


def _expiring_for(actor: Actor) -> list[WaitingItem]:
    now = clock.now()
    statement = select(Verification).where(
        permitted(Verification, VERIFICATION_REQUEST, actor),
        Verification.status == VerificationStatus.APPROVED,
        Verification.expires_at > now,
        Verification.expires_at < now + timedelta(days=rules.REMINDER_DAYS[0]),
    )
    return [
        WaitingItem(
            kind="Document",
            title=f"{rules.label_of(row.kind)} runs out",
            since=row.requested_at,
            due=row.expires_at,
            endpoint="verification.show",
            values={"verification_id": str(row.id)},
            detail="Hand in the next one in time",
            subject_id=row.entity_id,
        )
        for row in db.session.scalars(statement.order_by(Verification.expires_at))
        if not has_successor(row.id)
    ]


def find_waiting_try(entity_type: str, entity_id: UUID, kind: str) -> UUID | None:
    """Return the try of this kind that waits for review; None where none does."""
    waits = Verification.status == VerificationStatus.PENDING
    statement = select(Verification.id).where(*_of(entity_type, [entity_id]), Verification.kind == kind, waits)
    return db.session.scalar(statement.limit(1))


def has_successor(verification_id: UUID) -> bool:
    """Whether another of the same kind and entity lasts longer, or waits for review. Raises NotFound."""
    row = db.session.get(Verification, verification_id)
    if row is None:
        raise NotFound(Verification.label)
    statement = select(func.count()).select_from(Verification).where(*_of(row.entity_type, [row.entity_id]))
    newer = or_(Verification.expires_at.is_(None), Verification.expires_at > row.expires_at)
    waits = Verification.status == VerificationStatus.PENDING
    lasts = (Verification.status == VerificationStatus.APPROVED) & newer
    statement = statement.where(Verification.kind == row.kind, Verification.id != row.id, or_(waits, lasts))
    return db.session.scalar(statement) != 0


def _of(entity_type: str, ids: list[UUID]) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return Verification.entity_type == entity_type, Verification.entity_id.in_(ids)


def _permitted() -> Select[Verification]:
    return select(Verification).where(permitted(Verification, VERIFICATION_READ))


def _page(row: Verification) -> VerificationPage:
    return VerificationPage(
        id=row.id,
        version=row.version,
        entity_type=row.entity_type,
        entity_id=row.entity_id,
        organization_id=row.organization_id,
        kind=row.kind,
        kind_label=rules.label_of(row.kind),
        status=row.status,
        requested_by=row.requested_by,
        requested_at=row.requested_at,
        reviewed_by=row.reviewed_by,
        reviewed_at=row.reviewed_at,
        valid_from=row.valid_from,
        expires_at=row.expires_at,
        reason=row.reason,
        note=row.note,
        documents=tuple(_document(item) for item in row.documents),
    )


def _document(row: VerificationDocument) -> DocumentRow:
    return DocumentRow(row.id, row.filename, row.media_type, row.size, row.sha256, row.uploaded_at)
