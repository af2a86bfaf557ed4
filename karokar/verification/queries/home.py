"""What waits for somebody: documents to review, to hand in, or to renew."""

from datetime import timedelta

from sqlalchemy import select

from karokar.kernel import clock
from karokar.kernel.actor import Actor, Scope
from karokar.kernel.db import db
from karokar.kernel.pages.paging import count_each, count_words
from karokar.kernel.pages.waiting import Figure, WaitingItem
from karokar.kernel.permissions import permitted, scope_of
from karokar.verification import rules
from karokar.verification.models import Verification
from karokar.verification.permissions import VERIFICATION_REQUEST, VERIFICATION_REVIEW
from karokar.verification.queries.coverage import MISSING, coverage, coverages, succeeds
from karokar.verification.queries.reviews import list_waiting
from karokar.verification.rules import VerificationStatus

_MOST = 50


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
                verb="Review",
                detail="Handed in for review",
                subject_id=page.organization_id,
                about=tuple(
                    dict.fromkeys([(page.entity_type, page.entity_id), ("Organization", page.organization_id)])
                ),
            )
            for page in list_waiting(limit=_MOST)
        ]
    if scope_of(VERIFICATION_REQUEST, actor) is None:
        return []
    return [*_missing_for(actor), *_refused_for(actor), *_expiring_for(actor)]


def list_figures_for(actor: Actor) -> list[Figure]:
    """Return how many documents wait for review, for reviewers."""
    if scope_of(VERIFICATION_REVIEW, actor) is None:
        return []
    pending = VerificationStatus.PENDING.value
    number = count_each(select(Verification), Verification.status, [pending]).get(pending, 0)
    oldest = list_waiting(limit=1)
    return [
        Figure(
            label="Documents to review",
            value=count_words(number),
            endpoint="administration.review",
            values={},
            tone="wait" if number else "",
            since=oldest[0].requested_at if oldest else None,
        )
    ]


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
            verb="Hand in",
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
                    about=((row.entity_type, row.entity_id),),
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
        ~succeeds(),
    )
    return [
        WaitingItem(
            kind="Document",
            title=f"{rules.label_of(row.kind)} runs out",
            since=row.requested_at,
            # Its last day is still one of those on which it counts.
            due=row.expires_at - timedelta(seconds=1) if row.expires_at else None,
            endpoint="verification.show",
            values={"verification_id": str(row.id)},
            detail="Hand in the next one in time",
            subject_id=row.entity_id,
            about=((row.entity_type, row.entity_id),),
        )
        for row in db.session.scalars(statement.order_by(Verification.expires_at))
    ]
