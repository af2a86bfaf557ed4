"""Verifications as people see them: lists, one with its documents, what waits, who looks at it."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlalchemy.orm import selectinload

from karokar.kernel import clock
from karokar.kernel.db import db
from karokar.kernel.errors import NotFound
from karokar.kernel.pages.paging import Page, paginate
from karokar.kernel.permissions import permitted, scope_of
from karokar.verification import rules
from karokar.verification.models import Verification, VerificationDocument, VerificationOpening
from karokar.verification.permissions import VERIFICATION_READ, VERIFICATION_REVIEW
from karokar.verification.rules import VerificationStatus

PRESENCE_MINUTES = 5
_MOST_TRIES = 500


@dataclass(frozen=True)
class DocumentRow:
    """A file that was handed in."""

    id: UUID
    filename: str
    media_type: str
    size: int
    sha256: str
    received_sha256: str | None
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


@dataclass(frozen=True)
class WaitingReview:
    """A verification that waits for a reviewer, as the queue shows it."""

    id: UUID
    organization_id: UUID
    kind_label: str
    requested_at: datetime
    entity_type: str
    entity_id: UUID


@dataclass(frozen=True)
class Try:
    """A verification in a list of what was handed in, and what became of it."""

    id: UUID
    kind_label: str
    status: str
    requested_at: datetime
    reason: str | None
    note: str | None


def get_page(verification_id: UUID) -> VerificationPage:
    """Return a verification that the actor may see. Raises NotFound."""
    statement = _permitted().where(Verification.id == verification_id)
    row = db.session.scalars(statement.execution_options(populate_existing=True)).one_or_none()
    if row is None:
        raise NotFound(Verification.label)
    return _page(row)


def openable() -> dict[str, Select[UUID]]:
    """Return the ids of the things whose page the acting person may open, by kind."""
    return {"verification": select(Verification.id).where(permitted(Verification, VERIFICATION_READ))}


SORTS = {"requested": Verification.requested_at, "expires": Verification.expires_at}
"""What the list of verifications can be sorted by."""


def paged(
    *,
    status: str | None = None,
    kind: str | None = None,
    entity_type: str | None = None,
    organization_id: UUID | None = None,
    sort: str = "-requested",
    cursor: str | None = None,
) -> Page[VerificationPage]:
    """Return one page of the verifications that the actor may see."""
    statement = _permitted().options(selectinload(Verification.documents))
    if organization_id:
        statement = statement.where(Verification.organization_id == organization_id)
    if status:
        statement = statement.where(Verification.status == status)
    if kind:
        statement = statement.where(Verification.kind == kind)
    if entity_type:
        statement = statement.where(Verification.entity_type == entity_type)
    return paginate(statement, sorts=SORTS, tie=Verification.id, sort=sort, cursor=cursor).map(_page)


def count_waiting(organization_ids: Collection[UUID]) -> dict[UUID, int]:
    """Return how many verifications of each organization wait for review (those without any are left out)."""
    statement = (
        select(Verification.organization_id, func.count())
        .where(
            permitted(Verification, VERIFICATION_READ),
            Verification.organization_id.in_(organization_ids),
            Verification.status == VerificationStatus.PENDING,
        )
        .group_by(Verification.organization_id)
    )
    return dict(db.session.execute(statement).all())


def list_tries(entity_type: str, entity_id: UUID) -> list[Try]:
    """Return what was handed in for an entity, as far as the actor may see it, newest first."""
    return _tries(Verification.entity_type == entity_type, Verification.entity_id == entity_id)


def list_earlier(page: VerificationPage) -> list[Try]:
    """Return earlier tries for the same entity and kind that the actor may see, newest first."""
    return _tries(
        Verification.entity_type == page.entity_type,
        Verification.entity_id == page.entity_id,
        Verification.kind == page.kind,
        Verification.id < page.id,
    )


def _tries(*conditions: ColumnElement[bool]) -> list[Try]:
    table = Verification
    columns = (table.id, table.kind, table.status, table.requested_at, table.reason, table.note)
    statement = select(*columns).where(permitted(Verification, VERIFICATION_READ), *conditions)
    rows = db.session.execute(statement.order_by(Verification.id.desc()).limit(_MOST_TRIES))
    return [Try(id_, rules.label_of(kind), status, at, reason, note) for id_, kind, status, at, reason, note in rows]


def list_duplicates(page: VerificationPage) -> list[VerificationPage]:
    """Return verifications of other organizations that hold one of the same files: for reviewers."""
    if scope_of(VERIFICATION_REVIEW) is None:
        return []
    hashes = [document.received_sha256 or document.sha256 for document in page.documents]
    statement = (
        _permitted()
        .join(VerificationDocument, VerificationDocument.verification_id == Verification.id)
        .where(
            or_(VerificationDocument.sha256.in_(hashes), VerificationDocument.received_sha256.in_(hashes)),
            Verification.organization_id != page.organization_id,
        )
        .options(selectinload(Verification.documents))
    )
    return [_page(row) for row in db.session.scalars(statement.distinct().order_by(Verification.id))]


def list_waiting(limit: int | None = None) -> list[WaitingReview]:
    """Return what waits for review, the longest wait first, `limit` at most: for reviewers."""
    if scope_of(VERIFICATION_REVIEW) is None:
        return []
    columns = (
        Verification.id,
        Verification.organization_id,
        Verification.kind,
        Verification.requested_at,
        Verification.entity_type,
        Verification.entity_id,
    )
    return [
        WaitingReview(
            row.id, row.organization_id, rules.label_of(row.kind), row.requested_at, row.entity_type, row.entity_id
        )
        for row in db.session.execute(_waiting(*columns).limit(limit))
    ]


def find_next_waiting(after: UUID) -> UUID | None:
    """Return the verification that waits longest besides this one; None where none does."""
    if scope_of(VERIFICATION_REVIEW) is None:
        return None
    found: UUID | None = db.session.scalar(_waiting(Verification.id).where(Verification.id != after).limit(1))
    return found


def _waiting(*columns: Any) -> Select[Any]:
    statement = select(*columns).where(Verification.status == VerificationStatus.PENDING)
    return statement.order_by(Verification.requested_at, Verification.id)


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
    return DocumentRow(row.id, row.filename, row.media_type, row.size, row.sha256, row.received_sha256, row.uploaded_at)
