"""Facts about the platform's desk."""

from typing import ClassVar

from karokar.events.base import Code, Event, OrganizationId, fact


@fact("SettingChanged", "changed a setting", details=("key", "before", "after"))
class SettingChanged(Event, frozen=True, kw_only=True):
    """Sent when a setting of the platform, or of an organization, changed."""

    aggregate_type: ClassVar[str] = "System"
    aggregate_field: ClassVar[str | None] = None
    organization_id: OrganizationId | None = None
    key: Code
    before: Code
    after: Code


@fact("BackupCompleted", "completed a backup", audience=(), tone="good")
class BackupCompleted(Event, frozen=True, kw_only=True):
    """Sent when a backup was written and read back."""

    aggregate_type: ClassVar[str] = "System"
    aggregate_field: ClassVar[str | None] = None
    size_bytes: int
    sha256: Code
