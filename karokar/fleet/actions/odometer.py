"""The odometer log: every reading is kept, an odd one is marked, a wrong one is voided with a reason."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from karokar.events.bus import publish
from karokar.fleet import rules
from karokar.fleet.models import OdometerReading, Vehicle
from karokar.fleet.permissions import VEHICLE_UPDATE
from karokar.fleet.rules import Reading, ReadingMark, ReadingSource
from karokar.kernel import clock
from karokar.kernel.actor import current_actor
from karokar.kernel.db import action, db
from karokar.kernel.errors import NotFound, RuleBroken
from karokar.kernel.ids import new_id
from karokar.kernel.permissions import load


@action
def record_odometer(
    vehicle_id: UUID,
    *,
    kilometres: int,
    read_at: datetime | None = None,
    source: str = ReadingSource.MANUAL.value,
    source_id: UUID | None = None,
    note: str = "",
    reading_id: UUID | None = None,
) -> UUID:
    """Take a reading (by default: of now) into the log and return its id; a known `reading_id` changes nothing.

    A reading that contradicts the others is kept and marked, and the vehicle's odometer stays where it was. Raises
    RuleBroken for one in the future or beyond any odometer, NotFound.
    """
    vehicle = load(Vehicle, vehicle_id, VEHICLE_UPDATE, lock=True)
    now = clock.now()
    read_at = read_at or now
    rules.check_kilometres(kilometres)
    if read_at > now:
        sentence = "A reading cannot lie in the future."
        raise RuleBroken("READING_IN_THE_FUTURE", sentence, fields={"read_at": sentence})
    if reading_id is not None and db.session.get(OdometerReading, reading_id) is not None:
        return reading_id
    trusted = _trusted(vehicle_id)
    mark = rules.judge_reading(kilometres, read_at, trusted)
    reading = OdometerReading(
        id=reading_id or new_id(),
        vehicle_id=vehicle_id,
        kilometres=kilometres,
        read_at=read_at,
        source=ReadingSource(source).value,
        source_id=source_id,
        mark=mark.value,
        note=note.strip(),
        recorded_at=now,
        recorded_by=current_actor().user_id,
    )
    db.session.add(reading)
    counted = trusted if mark else [*trusted, Reading(kilometres, read_at)]
    publish(vehicle.record(reading, odometer=_odometer(counted, vehicle.odometer)))
    return reading.id


@action
def void_odometer(vehicle_id: UUID, reading_id: UUID, *, reason: str) -> UUID:
    """Declare a reading wrong and return its id: it stays in the log and no longer counts.

    The odometer goes back to what the trusted readings say, and readings that only the wrong one made look odd lose
    their mark. Raises StateConflict READING_VOIDED, RuleBroken without a reason, NotFound.
    """
    vehicle = load(Vehicle, vehicle_id, VEHICLE_UPDATE, lock=True)
    reading = db.session.scalars(
        select(OdometerReading).where(OdometerReading.id == reading_id, OdometerReading.vehicle_id == vehicle_id)
    ).one_or_none()
    if reading is None:
        raise NotFound("odometer reading")
    event = vehicle.void(reading, by=current_actor().user_id, reason=reason, at=clock.now(), odometer=vehicle.odometer)
    db.session.flush()
    vehicle.odometer = _odometer(_judge_anew(vehicle_id), vehicle.odometer)
    publish(event)
    return reading.id


@action
def correct_odometer(
    vehicle_id: UUID,
    *,
    kilometres: int,
    read_at: datetime,
    source: str,
    source_id: UUID,
    reason: str,
    reading_id: UUID,
) -> None:
    """Void what was read at a handover or return, and take the correct reading into the log; a known `reading_id`
    changes nothing.

    Nor does a source of which the log never had a reading: the vehicle was retired before. Raises as `record_odometer`.
    """
    load(Vehicle, vehicle_id, VEHICLE_UPDATE, lock=True)
    same_source = select(OdometerReading).where(
        OdometerReading.vehicle_id == vehicle_id,
        OdometerReading.source == source,
        OdometerReading.source_id == source_id,
    )
    known = db.session.scalars(same_source.order_by(OdometerReading.id)).all()
    if not known or any(row.id == reading_id for row in known):
        return
    for row in known:
        if row.voided_at is None:
            void_odometer(vehicle_id, row.id, reason=reason)
    record_odometer(
        vehicle_id, kilometres=kilometres, read_at=read_at, source=source, source_id=source_id, reading_id=reading_id
    )


def _trusted(vehicle_id: UUID) -> list[Reading]:
    rows = db.session.execute(
        select(OdometerReading.kilometres, OdometerReading.read_at).where(
            OdometerReading.vehicle_id == vehicle_id, OdometerReading.voided_at.is_(None), OdometerReading.mark == ""
        )
    )
    return [Reading(kilometres, read_at) for kilometres, read_at in rows]


def _judge_anew(vehicle_id: UUID) -> list[Reading]:
    """Judge the marked readings again, in the order in which they were recorded, and return the trusted ones."""
    trusted = _trusted(vehicle_id)
    marked = db.session.scalars(
        select(OdometerReading)
        .where(
            OdometerReading.vehicle_id == vehicle_id,
            OdometerReading.voided_at.is_(None),
            OdometerReading.mark != ReadingMark.NONE.value,
        )
        .order_by(OdometerReading.recorded_at, OdometerReading.id)
    ).all()
    readings = [Reading(row.kilometres, row.read_at) for row in marked]
    for row, reading, mark in zip(marked, readings, rules.judge_anew(trusted, readings), strict=True):
        row.mark = mark.value
        if not mark:
            trusted.append(reading)
    return trusted


def _odometer(trusted: Sequence[Reading], otherwise: int) -> int:
    """Return what the newest trusted reading says; without one, what was known before."""
    newest = max(trusted, key=lambda reading: (reading.read_at, reading.kilometres), default=None)
    return otherwise if newest is None else newest.kilometres
