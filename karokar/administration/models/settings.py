"""What the platform's people decided about how the marketplace works."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from karokar.events.administration import SettingChanged
from karokar.kernel import clock
from karokar.kernel.db import Base
from karokar.kernel.errors import StaleVersion


class Setting(Base):
    """One setting of the platform, where it is not left at its default. `version` is raised by every change."""

    __tablename__ = "settings"

    key: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]
    version: Mapped[int]
    changed_at: Mapped[datetime]

    def expect(self, version: int | None) -> None:
        """Raise StaleVersion unless this is still the version that the form was opened with (None: not asked)."""
        if version is not None and version != self.version:
            raise StaleVersion("setting", expected=version, actual=self.version)

    def change(self, value: str) -> SettingChanged:
        """Take another value."""
        before, self.value = self.value, value
        self.version += 1
        self.changed_at = clock.now()
        return SettingChanged(key=self.key, before=before, after=value)
