"""Refusals that a person can understand. Everything else is a defect and fails loudly."""

from collections.abc import Mapping
from typing import Any, ClassVar


class DomainError(Exception):
    """A refused action: a stable code, a sentence that says what to do next, and the HTTP status that fits it.

    `fields` maps a form field to the sentence that belongs to it, where the refusal is about one.
    """

    status: ClassVar[int] = 422

    def __init__(self, code: str, sentence: str, *, fields: Mapping[str, str] | None = None, **facts: Any) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence
        self.fields = dict(fields or {})
        self.facts = facts

    def __str__(self) -> str:
        return f"{self.code}: {self.sentence}"


class RuleBroken(DomainError):
    """What was asked breaks a rule of the domain (422)."""

    status = 422


class StateConflict(DomainError):
    """The thing is not in a state in which this can be done (409)."""

    status = 409


class StaleVersion(StateConflict):
    """Somebody else changed the thing since the form was opened (409); carries what the conflict page compares."""

    def __init__(self, label: str, *, expected: int | None = None, actual: int | None = None, **facts: Any) -> None:
        super().__init__(
            "STALE_VERSION",
            f"Somebody changed this {label} while you were working on it. Compare both versions and save again.",
            expected=expected,
            actual=actual,
            **facts,
        )


class NotFound(DomainError):
    """It does not exist, or not for this viewer: the two cannot be told apart (404)."""

    status = 404

    def __init__(self, label: str = "page", **facts: Any) -> None:
        super().__init__("NOT_FOUND", f"There is no such {label}, or it is not yours to see.", **facts)


class PermissionDenied(DomainError):
    """The actor does not hold the permission that this needs (403)."""

    status = 403

    def __init__(self, permission: str, description: str = "", **facts: Any) -> None:
        doing = description[:1].lower() + description[1:] if description else permission
        super().__init__("PERMISSION_MISSING", f"Your role here does not allow you to {doing}.", **facts)
        self.permission = permission


class NotForTokens(DomainError):
    """An API token cannot do this, whatever it may do otherwise: a person has to sign in (403)."""

    status = 403

    def __init__(self) -> None:
        super().__init__("NOT_FOR_TOKENS", "API tokens cannot do this. Sign in to the console and do it there.")


class ProofNeeded(DomainError):
    """The person must confirm who they are before this is done (403)."""

    status = 403

    def __init__(self) -> None:
        super().__init__("PROOF_NEEDED", "Confirm that it is you first, with your password or a code.")


class TooManyTries(DomainError):
    """Somebody guessed too often and has to wait for so many seconds (429)."""

    status = 429

    def __init__(self, seconds: int) -> None:
        super().__init__("TOO_MANY_TRIES", f"Too many tries. Wait {wait_in_words(seconds)}, then try again.")
        self.seconds = seconds


class LimitReached(StateConflict):
    """A person, organization or address has as much as it may have at once (409); `fairness.quotas`."""


class LimitReachedForNow(LimitReached):
    """As much was done within a period as may be; it becomes possible again after so many seconds (429)."""

    status = 429

    def __init__(
        self, code: str, sentence: str, *, seconds: int, fields: Mapping[str, str] | None = None, **facts: Any
    ) -> None:
        super().__init__(code, sentence, fields=fields, **facts)
        self.seconds = seconds


def wait_in_words(seconds: int) -> str:
    """Return how long to wait, rounded up: "40 seconds", "15 minutes", "2 hours", "3 days"."""
    sizes = ((24 * 3600, "day"), (3600, "hour"), (60, "minute"))
    size, unit = next(((size, unit) for size, unit in sizes if seconds >= 2 * size), (1, "second"))
    count = -(-seconds // size)
    return f"{count} {unit}{'' if count == 1 else 's'}"


_STANDS = {"PENDING": "waits for review", "REJECTED": "was not admitted", "SUSPENDED": "is suspended"}


class OrganizationNotActive(StateConflict):
    """The acting organization's status does not allow this (409)."""

    def __init__(self, status: str) -> None:
        super().__init__(
            "ORGANIZATION_NOT_ACTIVE",
            f"Your organization {_STANDS.get(status, 'is not active')}. Until it is active you can read, export, "
            "upload documents and end what already runs; anything else has to wait.",
            organization_status=status,
        )


class NotWritable(DomainError):
    """The database takes nothing now: its disk is full, or may only be read; nothing was changed (503)."""

    status = 503

    def __init__(self) -> None:
        super().__init__(
            "NOT_WRITABLE",
            "Nothing can be saved right now: the disk of the database is full, or can only be read. Nothing was "
            "changed. Tell whoever runs this console, and try again later.",
        )


class NotReady(DomainError):
    """The database has not been prepared for this version (503)."""

    status = 503

    def __init__(self) -> None:
        super().__init__(
            "NOT_READY",
            "The console is not ready: its database is missing or of another version. Nothing was changed. "
            "Whoever runs it finds out more at /readyz.",
        )


class Busy(DomainError):
    """The database is occupied; nothing was changed and trying again is safe (503)."""

    status = 503

    def __init__(self) -> None:
        super().__init__("BUSY", "The console is very busy. Nothing was changed; please try again in a moment.")
