"""What is done with verifications."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import and_, or_, select, update

from karokar.events.bus import publish
from karokar.files.cleaning import AT_ONCE, cleaned
from karokar.files.intake import AcceptedFile, of_content
from karokar.files.lost import note_state
from karokar.files.storage import FileLost, storage
from karokar.fleet import facts as fleet
from karokar.identity import facts as identity
from karokar.kernel import clock
from karokar.kernel.actor import Scope, current_actor
from karokar.kernel.db import action, db
from karokar.kernel.errors import NotFound, RuleBroken
from karokar.kernel.permissions import check, load
from karokar.kernel.schedule import LOOKED_AT_MOST, every, work_through
from karokar.organization import facts as organization
from karokar.verification import queries, rules
from karokar.verification.models import Verification, VerificationDocument, VerificationOpening
from karokar.verification.permissions import VERIFICATION_REQUEST, VERIFICATION_REVIEW
from karokar.verification.rules import VerificationStatus

REGISTRATION = "VEHICLE_REGISTRATION"


@action
def request_verification(
    *, entity_type: str, entity_id: UUID, kind: str, uploads: Sequence[AcceptedFile]
) -> Verification:
    """Hand in documents that prove something about an entity of the acting organization; they wait for review.

    An employee does so about themselves only. Raises NotFound for an entity that is not the organization's, RuleBroken
    for a kind that such an entity does not have, no file or too many, and for a kind that waits for review already.
    """
    owner = check_entity(entity_type, entity_id)
    if kind not in rules.kinds_of(entity_type):
        sentence = "Choose what these documents prove."
        raise RuleBroken("KIND_DOES_NOT_FIT", sentence, fields={"kind": sentence})
    _check_count(len(uploads))
    waiting = queries.find_waiting_try(entity_type, entity_id, kind)
    if waiting is not None:
        sentence = f"{rules.label_of(kind)} waits for review already. Wait for the answer, or hand in another kind."
        raise RuleBroken("WAITS_ALREADY", sentence, fields={"kind": sentence})
    verification, event = Verification.request(
        entity_type=entity_type,
        entity_id=entity_id,
        organization_id=owner,
        kind=kind,
        method="MANUAL",
        requested_by=current_actor().user_id,
    )
    db.session.add(verification)
    db.session.flush()
    for upload in uploads:
        # Kept before the row is: a row never points at nothing, and a file without a row harms nobody.
        storage().keep(upload.path, upload.sha256)
        db.session.add(
            VerificationDocument(
                verification_id=verification.id,
                sha256=upload.sha256,
                received_sha256=upload.received_sha256,
                filename=upload.filename,
                media_type=upload.media_type,
                size=upload.size,
                uploaded_at=clock.now(),
            )
        )
    publish(event)
    return verification


def check_entity(entity_type: str, entity_id: UUID) -> UUID:
    """Return for which organization the acting person may hand in documents about an entity: the acting one.

    Raises PermissionDenied, and NotFound for an entity that is not the organization's (an employee: not themselves).
    """
    scope = check(VERIFICATION_REQUEST)
    actor = current_actor()
    owner = actor.organization_id
    if owner is None:
        raise NotFound("organization")
    if scope is Scope.SELF and (entity_type != "User" or entity_id != actor.user_id):
        raise NotFound("person")
    if entity_type == "Organization":
        is_own = entity_id == owner
    elif entity_type == "Vehicle":
        is_own = fleet.get_vehicle(entity_id).organization_id == owner
    elif entity_type == "User":
        member = identity.find_membership(entity_id, owner)
        is_own = member is not None and member.status != "REMOVED"
    else:
        is_own = False
    if not is_own:
        raise NotFound(
            {"Organization": "organization", "Vehicle": "vehicle", "User": "person"}.get(entity_type, "page")
        )
    return owner


def _check_count(count: int) -> None:
    sentence = ""
    if not count:
        sentence = "Choose at least one file."
    elif count > rules.MOST_DOCUMENTS:
        sentence = f"Hand in at most {rules.MOST_DOCUMENTS} files at once."
    if sentence:
        raise RuleBroken("DOCUMENTS_COUNT", sentence, fields={"documents": sentence})


@action
def approve_verification(
    verification_id: UUID,
    *,
    expires_at: datetime | None = None,
    valid_from: datetime | None = None,
    note: str | None = None,
    version: int | None = None,
    plate: str | None = None,
) -> Verification:
    """Accept the documents, until `expires_at`. `plate` is the licence plate that the reviewer saw.

    Raises StateConflict where it does not wait for review, and RuleBroken for an end that is missing or has passed,
    where the reviewer handed it in, where the vehicle has got another plate meanwhile, or where the registration of
    another vehicle with this plate is approved.
    """
    verification = load(Verification, verification_id, VERIFICATION_REVIEW, version=version, lock=True)
    if verification.kind == REGISTRATION:
        _check_plate(verification.entity_id, plate)
    event = verification.approve(
        current_actor().user_id, valid_from=valid_from, expires_at=expires_at, note=note or None
    )
    publish(event)
    return verification


def _check_plate(vehicle_id: UUID, seen: str | None) -> None:
    vehicle, others = fleet.hold_plate(vehicle_id)
    if seen is not None and seen != vehicle.license_plate:
        raise RuleBroken(
            "PLATE_CHANGED",
            f"The licence plate was changed to {vehicle.license_plate} meanwhile. Compare it with the document again.",
        )
    registered = queries.covered_ids("Vehicle", [other.id for other in others], REGISTRATION)
    rival = next((other for other in others if other.id in registered), None)
    if rival is not None:
        owner = organization.get_organization(rival.organization_id).name
        raise RuleBroken(
            "PLATE_REGISTERED_ALREADY",
            f"{owner} has an approved registration of this plate. Revoke that one first if this document is right.",
            vehicle_id=str(rival.id),
        )


@action
def revoke_for_another_plate(vehicle_id: UUID, *, changed_at: datetime) -> int:
    """End the approvals of a vehicle's registration that were given before its plate changed, and return how many."""
    statement = select(Verification).where(
        Verification.entity_type == "Vehicle",
        Verification.entity_id == vehicle_id,
        Verification.kind == REGISTRATION,
        Verification.status == VerificationStatus.APPROVED,
        Verification.reviewed_at <= changed_at,
    )
    found = db.session.scalars(statement.with_for_update().execution_options(populate_existing=True)).all()
    for verification in found:
        publish(verification.revoke(None, rules.PLATE_CHANGED, None, still_covered=False))
    return len(found)


@action
def reject_verification(
    verification_id: UUID, *, reason: str, note: str | None = None, version: int | None = None
) -> Verification:
    """Do not accept the documents, with a coded reason. Raises StateConflict where it does not wait for review."""
    verification = load(Verification, verification_id, VERIFICATION_REVIEW, version=version, lock=True)
    _check_reason(reason, rules.REJECTION_REASONS, note)
    publish(verification.reject(current_actor().user_id, reason, note or None))
    return verification


@action
def revoke_verification(
    verification_id: UUID, *, reason: str, note: str | None = None, version: int | None = None
) -> Verification:
    """Take an approval back, with a coded reason. Raises StateConflict where it is not approved."""
    verification = load(Verification, verification_id, VERIFICATION_REVIEW, version=version, lock=True)
    _check_reason(reason, rules.REVOCATION_REASONS, note)
    publish(
        verification.revoke(
            current_actor().user_id, reason, note or None, still_covered=_is_still_covered(verification)
        )
    )
    return verification


def _check_reason(reason: str, known: dict[str, str], note: str | None) -> None:
    if reason not in known:
        sentence = "Choose a reason from the list."
        raise RuleBroken("UNKNOWN_REASON", sentence, fields={"reason": sentence})
    if reason == "OTHER" and not (note or "").strip():
        sentence = "Say in a note what the reason is."
        raise RuleBroken("NOTE_MISSING", sentence, fields={"note": sentence})


def _is_still_covered(verification: Verification) -> bool:
    return queries.is_covered_by_another(
        verification.id, verification.entity_type, verification.entity_id, verification.kind, clock.now()
    )


@action
def note_opening(verification_id: UUID) -> None:
    """Remember that the acting reviewer has this verification open. Raises NotFound for an unknown one."""
    check(VERIFICATION_REVIEW)
    user_id = current_actor().user_id
    if user_id is None:
        return
    mine = and_(VerificationOpening.verification_id == Verification.id, VerificationOpening.user_id == user_id)
    statement = select(Verification.id, VerificationOpening).outerjoin(VerificationOpening, mine)
    row = db.session.execute(statement.where(Verification.id == verification_id)).one_or_none()
    if row is None:
        raise NotFound(Verification.label)
    opening: VerificationOpening | None = row[1]
    if opening is None:
        db.session.add(VerificationOpening(verification_id=verification_id, user_id=user_id, opened_at=clock.now()))
    else:
        opening.opened_at = clock.now()


# --- the clock --------------------------------------------------------------------------------------------------------


@every(60)
def expire_verifications() -> int:
    """Let approvals expire whose end has passed, and return how many. Each is a transaction of its own."""
    ended = (Verification.status == VerificationStatus.APPROVED) & (Verification.expires_at <= clock.now())
    return work_through(select(Verification.id).where(ended).order_by(Verification.expires_at), _expire)


@action
def _expire(verification_id: UUID) -> bool:
    verification = _lock(verification_id)
    is_due = (
        verification is not None
        and verification.status == VerificationStatus.APPROVED
        and verification.expires_at is not None
        and verification.expires_at <= clock.now()
    )
    if verification is None or not is_due:
        return False
    publish(verification.expire(still_covered=_is_still_covered(verification)))
    return True


@every(3600)
def remind_of_expiry() -> int:
    """Send the reminders that are due for approvals which end soon and have no successor; return how many."""
    now = clock.now()
    is_due = or_(
        *(
            and_(
                Verification.expires_at <= now + timedelta(days=days),
                or_(Verification.reminded_days.is_(None), Verification.reminded_days > days),
            )
            for days in rules.REMINDER_DAYS
        )
    )
    lasts = and_(Verification.status == VerificationStatus.APPROVED, Verification.expires_at > now)
    return work_through(
        select(Verification.id).where(lasts, is_due).order_by(Verification.expires_at), _remind, at_most=LOOKED_AT_MOST
    )


@action
def _remind(verification_id: UUID) -> bool:
    verification = _lock(verification_id)
    if verification is None or verification.expires_at is None:
        return False
    if verification.status != VerificationStatus.APPROVED:
        return False
    days_left = (verification.expires_at - clock.now()).total_seconds() / 86400
    due = rules.due_reminder(days_left, verification.reminded_days)
    if due is None or not organization.get_organization(verification.organization_id).reminders:
        return False
    if queries.has_successor(verification.id):
        return False
    publish(verification.remind(due))
    return True


def _lock(verification_id: UUID) -> Verification | None:
    statement = select(Verification).where(Verification.id == verification_id).with_for_update()
    return db.session.scalars(statement.execution_options(populate_existing=True)).one_or_none()


@every(60, lane="runs")
def clean_stored_documents() -> int:
    """Clean pictures that were handed in before pictures were cleaned, some at a time. Returns how many files."""
    found = select(VerificationDocument.id).where(_IS_UNCLEANED).order_by(VerificationDocument.id)
    return work_through(found, clean_document, at_most=AT_ONCE)


_IS_UNCLEANED = and_(VerificationDocument.received_sha256.is_(None), VerificationDocument.media_type.like("image/%"))


def clean_document(document_id: UUID) -> bool:
    """Clean the file of a document that was handed in before pictures were cleaned, for all documents that have it.

    What was handed in is known by its hash ever after; the file itself goes. Returns whether there was something to do.
    """
    statement = select(VerificationDocument.sha256, VerificationDocument.media_type, VerificationDocument.filename)
    row = db.session.execute(statement.where(VerificationDocument.id == document_id, _IS_UNCLEANED)).one_or_none()
    if row is None:
        return False
    try:
        content = b"".join(storage().read(row.sha256))
    except FileLost as lost:
        note_state(row.sha256, lost.state)
        return False
    content, media_type = cleaned(content, row.media_type)
    file = of_content(content, row.filename, media_type, row.sha256)
    try:
        storage().keep(file.path, file.sha256)
    finally:
        file.discard()
    _replace_file(row.sha256, file)
    if file.sha256 != row.sha256:
        storage().forget(row.sha256)
    return True


@action
def _replace_file(sha256: str, file: AcceptedFile) -> None:
    db.session.execute(
        update(VerificationDocument)
        .where(VerificationDocument.sha256 == sha256)
        .values(sha256=file.sha256, received_sha256=sha256, media_type=file.media_type, size=file.size)
    )


@every(3600, lane="runs")
def check_stored_documents() -> int:
    """Compare a part of the stored files with their hashes, another one every hour, so that each is looked at within
    eleven days. Returns how many are missing or damaged.
    """
    part = f"{int(clock.now().timestamp() // 3600) % 256:02x}"
    statement = select(VerificationDocument.sha256).where(VerificationDocument.sha256.startswith(part)).distinct()
    lost = 0
    for sha256 in db.session.scalars(statement).all():
        state = storage().state(sha256)
        note_state(sha256, state)
        lost += state != "whole"
    return lost
