"""Facts about the audit log itself."""

from typing import ClassVar
from uuid import UUID

from karokar.events.base import Code, Event, OrganizationId, fact


@fact("AuditExported", "exported data")
class AuditExported(Event, frozen=True, kw_only=True):
    """Sent when somebody downloaded or viewed an export: which list, what format, how many rows, which filter."""

    aggregate_type: ClassVar[str] = "System"
    aggregate_field: ClassVar[str | None] = None
    organization_id: OrganizationId | None = None
    subject: Code
    format: Code
    rows: int
    selection: dict[Code, Code]
    run_id: UUID | None = None


@fact("AuditChainBroken", "found the audit log tampered with", audience=())
class AuditChainBroken(Event, frozen=True, kw_only=True):
    """Sent when the clock's verification of the audit log finds a new fault: at which position, and what is wrong."""

    aggregate_type: ClassVar[str] = "System"
    aggregate_field: ClassVar[str | None] = None
    position: int
    problem: Code
