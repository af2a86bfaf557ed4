"""What is found on a vehicle when it goes out or comes back: the checklist, the readings and the photos.

A booking's handover and that of a company's own vehicle are recorded by the same code. Each context keeps the records
in tables of its own, made of the columns here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypedDict, TypeVar
from uuid import UUID

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from karokar.kernel.actor import current_actor
from karokar.kernel.clock import to_the_minute
from karokar.kernel.db import db
from karokar.kernel.errors import RuleBroken
from karokar.kernel.vehicles.odometer import MAX_KILOMETRES

CHECKS: dict[str, str] = {
    "KEYS": "Keys, also the spare one",
    "PAPERS": "Registration and insurance papers",
    "LIGHTS": "Lights and indicators work",
    "TYRES": "Tyres look sound",
    "BODY": "Body and windows looked at together",
    "INSIDE": "Inside is clean",
    "SAFETY": "Warning triangle, vest and first-aid kit",
}
"""What is looked at when a vehicle goes out or comes back."""

PHOTO_POSITIONS: dict[str, str] = {
    "front": "Front",
    "back": "Back",
    "left": "Left side",
    "right": "Right side",
    "detail": "Detail",
}
"""Where on the vehicle a picture is taken; of details there may be several."""
MOST_PHOTOS = 12
MEGABYTE = 1024 * 1024


@dataclass(frozen=True)
class PhotoUpload:
    """A picture that was accepted: where on the vehicle it was taken, and what is kept of it, with its SHA-256."""

    position: str
    media_type: str
    content: bytes
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Found:
    """What was found on the vehicle, as an action is given it: odometer in kilometres, fuel or charge in percent."""

    odometer: int
    fuel_percent: int
    checks: Sequence[str] = ()
    is_damaged: bool = False
    notes: str = ""
    photos: Sequence[PhotoUpload] = ()


class HandoverColumns:
    """The columns of a table of handovers: what was found when the vehicle went OUT or came IN."""

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(3))
    organization_id: Mapped[UUID] = mapped_column(comment="organization.organizations; whose person did it")
    done_by: Mapped[UUID | None] = mapped_column(comment="identity.users")
    done_at: Mapped[datetime]
    odometer: Mapped[int]
    fuel_percent: Mapped[int]
    checks: Mapped[list[str]]
    is_damaged: Mapped[bool] = mapped_column(default=False)
    notes: Mapped[str] = mapped_column(String(2000), default="")
    corrected_from: Mapped[int | None] = mapped_column(comment="The odometer before it was last corrected")
    corrected_at: Mapped[datetime | None]
    corrected_by: Mapped[UUID | None] = mapped_column(comment="identity.users")
    corrected_for: Mapped[UUID | None] = mapped_column(comment="organization.organizations; whose person corrected it")


class PhotoColumns:
    """The columns of a table of pictures taken at handovers. Without a hash: stored before pictures were cleaned."""

    id: Mapped[UUID] = mapped_column(primary_key=True)
    position: Mapped[str] = mapped_column(String(20))
    media_type: Mapped[str] = mapped_column(String(20))
    content: Mapped[bytes] = mapped_column(deferred=True)
    sha256: Mapped[str | None] = mapped_column(String(64), index=True)


@dataclass(frozen=True, kw_only=True)
class HandoverFacts:
    """What was found when the vehicle went OUT or came IN; fuel in percent, odometer in kilometres.

    `corrected_from` is the odometer before it was last corrected, None where it never was.
    """

    id: UUID
    kind: str
    organization_id: UUID
    done_by: UUID | None
    done_at: datetime
    odometer: int
    fuel_percent: int
    checks: tuple[str, ...]
    is_damaged: bool
    notes: str
    corrected_from: int | None
    corrected_at: datetime | None
    corrected_by: UUID | None
    corrected_for: UUID | None


def handover_facts(row: Any) -> HandoverFacts:
    """Return a row of a table of handovers as others know it."""
    return HandoverFacts(
        id=row.id,
        kind=row.kind,
        organization_id=row.organization_id,
        done_by=row.done_by,
        done_at=row.done_at,
        odometer=row.odometer,
        fuel_percent=row.fuel_percent,
        checks=tuple(row.checks),
        is_damaged=row.is_damaged,
        notes=row.notes,
        corrected_from=row.corrected_from,
        corrected_at=row.corrected_at,
        corrected_by=row.corrected_by,
        corrected_for=row.corrected_for,
    )


H = TypeVar("H", bound=HandoverColumns)


def keep_handover(handover: H, photo_class: type[Any], photos: Sequence[PhotoUpload], **belongs_to: UUID) -> H:
    """Keep a handover with its pictures; `belongs_to` says what a picture belongs to besides. Raises PHOTO_INVALID."""
    db.session.add(handover)
    db.session.flush()
    check_photos(len(photos))
    for photo in photos:
        values = {
            "position": photo.position,
            "media_type": photo.media_type,
            "content": photo.content,
            "sha256": photo.sha256,
        }
        db.session.add(photo_class(handover_id=handover.id, **belongs_to, **values))
    return handover


def handover_values(kind: str, found: Found, otherwise: UUID, at: datetime) -> dict[str, Any]:
    """Return the columns of a handover by the acting person; `otherwise` is the organization where nobody acts."""
    actor = current_actor()
    return {
        "kind": kind,
        "organization_id": actor.organization_id or otherwise,
        "done_by": actor.user_id,
        "done_at": at,
        "odometer": found.odometer,
        "fuel_percent": found.fuel_percent,
        "checks": [check for check in found.checks if check in CHECKS],
        "is_damaged": found.is_damaged,
        "notes": (found.notes or "").strip(),
    }


def check_reading(odometer: int, fuel_percent: int) -> None:
    """Raise READING_INVALID for an odometer or a fuel gauge that can't show this."""
    if not 0 <= odometer <= MAX_KILOMETRES:
        sentence = f"Enter the odometer in whole kilometres, {MAX_KILOMETRES:,} at most."
        raise RuleBroken("READING_INVALID", sentence, fields={"odometer": sentence})
    if not 0 <= fuel_percent <= 100:
        sentence = "Enter the fuel or charge as a percentage from 0 to 100."
        raise RuleBroken("READING_INVALID", sentence, fields={"fuel_percent": sentence})


class Correction(TypedDict):
    """What an event says of a corrected reading."""

    handover_id: UUID
    handover_kind: str
    read_at: datetime
    former_odometer: int
    odometer: int


def correct_reading(handover: HandoverColumns, odometer: int, otherwise: UUID, at: datetime) -> Correction:
    """Replace a handover's odometer reading and return what is told of it; `otherwise` as in `handover_values`.

    Raises READING_INVALID, also for the reading that is recorded already.
    """
    check_reading(odometer, handover.fuel_percent)
    former = handover.odometer
    if odometer == former:
        sentence = f"The reading is recorded as {former:,} km already. Enter the correct one."
        raise RuleBroken("READING_INVALID", sentence, fields={"odometer": sentence})
    actor = current_actor()
    handover.odometer, handover.corrected_from, handover.corrected_at = odometer, former, at
    handover.corrected_by, handover.corrected_for = actor.user_id, actor.organization_id or otherwise
    return {
        "handover_id": handover.id,
        "handover_kind": handover.kind,
        "read_at": handover.done_at,
        "former_odometer": former,
        "odometer": odometer,
    }


def time_of_return(returned_at: datetime, since: datetime | None, now: datetime) -> datetime:
    """Return when the vehicle came back, `since` at the earliest: what people type holds no seconds.

    Raises RETURN_TIME_INVALID unless that minute lies between the one in which it went out and now.
    """
    if returned_at > now or (since is not None and to_the_minute(returned_at) < to_the_minute(since)):
        sentence = "The return has to lie between the handover and now."
        raise RuleBroken("RETURN_TIME_INVALID", sentence, fields={"returned_at": sentence})
    return returned_at if since is None else max(returned_at, since)


def check_damage(found: Found) -> None:
    """Raise DAMAGE_NOT_DESCRIBED for damage without a word about it."""
    if found.is_damaged and not (found.notes or "").strip():
        sentence = "Describe the damage, so that both sides know the same."
        raise RuleBroken("DAMAGE_NOT_DESCRIBED", sentence, fields={"notes": sentence})


def photos_together_mb(each_mb: int) -> int:
    """Return how many megabytes the photos of one handover may have together, where one may have `each_mb`."""
    return 6 * each_mb


def check_photos(count: int) -> None:
    """Raise PHOTO_INVALID for more photos than a handover keeps."""
    if count > MOST_PHOTOS:
        sentence = f"These are {count} photos; {MOST_PHOTOS} are kept with a handover. Leave some out."
        raise RuleBroken("PHOTO_INVALID", sentence, fields={"photos": sentence})
