"""Decisions about verifications: what proves what, for how long, and which files are documents."""

from enum import StrEnum

from karokar.kernel.state_machine import StateMachine, Transition
from karokar.kernel.text.codes import name_codes


class VerificationStatus(StrEnum):
    """Where a verification stands. A new try is a new record."""

    PENDING = "PENDING"
    APPROVED = "APPROVED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    REVOKED = "REVOKED"


_IMPOSSIBLE = {
    "approve": "Only a verification that waits for review can be approved.",
    "reject": "Only a verification that waits for review can be rejected.",
    "expire": "Only an approved verification expires.",
    "revoke": "Only an approved verification can be revoked.",
}

MACHINE = StateMachine(
    VerificationStatus,
    (
        Transition(VerificationStatus.PENDING, VerificationStatus.APPROVED, "approve", "VerificationApproved"),
        Transition(VerificationStatus.PENDING, VerificationStatus.REJECTED, "reject", "VerificationRejected"),
        Transition(VerificationStatus.APPROVED, VerificationStatus.EXPIRED, "expire", "VerificationExpired", True),
        Transition(VerificationStatus.APPROVED, VerificationStatus.REVOKED, "revoke", "VerificationRevoked"),
    ),
    code="INVALID_VERIFICATION_TRANSITION",
    refusal=lambda status, verb: f"{_IMPOSSIBLE[verb]} This one is {status.lower()} now.",
)
"""Every change of a verification's status; what is not here is refused."""

KINDS: dict[str, tuple[str, str, bool]] = {
    "ORGANIZATION_REGISTRATION": ("Organization", "Company registration", False),
    "TAX": ("Organization", "Tax registration", False),
    "REPRESENTATIVE_IDENTITY": ("User", "Identity of a representative", True),
    "VEHICLE_REGISTRATION": ("Vehicle", "Vehicle registration", False),
    "VEHICLE_INSURANCE": ("Vehicle", "Vehicle insurance", True),
    "VEHICLE_FITNESS": ("Vehicle", "Fitness certificate", True),
    "DRIVING_LICENSE": ("User", "Driving licence", True),
}
"""Each kind: what it is about, what people call it, and whether an approval always has an end."""

REMINDER_DAYS = (30, 7, 1)
"""So many days before an approval ends, a reminder goes out."""

REJECTION_REASONS = {
    "UNREADABLE": "The document cannot be read",
    "WRONG_DOCUMENT": "This is another kind of document",
    "DATA_DIFFERS": "The document does not match the data here",
    "EXPIRED": "The document has expired",
    "INCOMPLETE": "Pages are missing",
    "OTHER": "Something else (see the note)",
}

REVOCATION_REASONS = {
    "FORGED": "The document turned out to be wrong",
    "WITHDRAWN": "The issuer withdrew it",
    "MISTAKE": "It was approved by mistake",
    "OTHER": "Something else (see the note)",
}

PLATE_CHANGED = "PLATE_CHANGED"
"""Why an approval is revoked without a reviewer."""

REVOKED_AUTOMATICALLY = {PLATE_CHANGED: "The vehicle has another licence plate now"}

name_codes("Verification", "kind", {kind: label for kind, (_of, label, _ends) in KINDS.items()})
name_codes("Verification", "reason", REJECTION_REASONS, REVOCATION_REASONS, REVOKED_AUTOMATICALLY)


def kinds_of(entity_type: str) -> list[str]:
    """Return the kinds of verification that an entity of this type can have."""
    return [kind for kind, (of, _label, _ends) in KINDS.items() if of == entity_type]


REPRESENTATIVE_ROLE = "CORPORATE_ADMIN"
"""Whose identity counts before a company may send requests: nobody else's is ever asked for."""


def kinds_needed(entity_type: str, role: str | None = None) -> list[str]:
    """Return the kinds to offer for an entity; for a person, by their system role in the organization."""
    return [kind for kind in kinds_of(entity_type) if kind != "REPRESENTATIVE_IDENTITY" or role == REPRESENTATIVE_ROLE]


def label_of(kind: str) -> str:
    """Return what people call a kind of verification."""
    return KINDS[kind][1]


def must_end(kind: str) -> bool:
    """Whether an approval of this kind needs an expiry date."""
    return KINDS[kind][2]


def due_reminder(days_left: float, reminded: int | None) -> int | None:
    """Return which reminder is due (30, 7 or 1) when so many days are left and the last one sent was `reminded`."""
    due = [days for days in REMINDER_DAYS if days_left <= days]
    if not due or days_left <= 0:
        return None
    nearest = min(due)
    return nearest if reminded is None or nearest < reminded else None


MOST_DOCUMENTS = 5
