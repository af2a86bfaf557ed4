"""The platform's settings as they are now."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from karokar.administration.models.settings import Setting
from karokar.administration.rules import SETTINGS, as_text
from karokar.kernel.db import db


@dataclass(frozen=True, kw_only=True)
class SettingFacts:
    """A setting and its value; `changed_at` is None while it is at its default."""

    key: str
    label: str
    description: str
    is_on: bool
    version: int
    changed_at: datetime | None


def list_settings() -> list[SettingFacts]:
    """Return every setting of the platform."""
    kept = {row.key: row for row in db.session.scalars(select(Setting))}
    found = []
    for rule in SETTINGS:
        row = kept.get(rule.key)
        found.append(
            SettingFacts(
                key=rule.key,
                label=rule.label,
                description=rule.description,
                is_on=(row.value if row else as_text(is_on=rule.default)) == "true",
                version=row.version if row else 0,
                changed_at=row.changed_at if row else None,
            )
        )
    return found
