"""Events in the log without the actions that tell them: for tests of what reads the log."""

import itertools
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text

from karokar.events.base import SUBJECT_TYPES, Event
from karokar.events.booking import BookingApproved, BookingDrafted, BookingRequested
from karokar.events.contracts.codec import encode
from karokar.kernel.actor import SYSTEM, Actor, Cause, Scope
from karokar.kernel.clock import now, standing_at
from karokar.kernel.db import db, transaction
from karokar.kernel.ids import new_id
from karokar.outbox import recorder
from karokar.outbox.store import NewEvent, add_event

VENDOR, OTHER_VENDOR, COMPANY, PLATFORM = (new_id() for _ in range(4))
READS_OWN = {"event.read": Scope.OWN}

platform_admin = Actor(
    user_id=new_id(),
    organization_id=PLATFORM,
    organization_type="PLATFORM",
    permissions={"event.read": Scope.ALL, "event.operate": Scope.ALL},
)
vendor_admin = Actor(user_id=new_id(), organization_id=VENDOR, organization_type="VENDOR", permissions=READS_OWN)
other_vendor = Actor(user_id=new_id(), organization_id=OTHER_VENDOR, organization_type="VENDOR", permissions=READS_OWN)
company_admin = Actor(user_id=new_id(), organization_id=COMPANY, organization_type="CORPORATE", permissions=READS_OWN)

_numbers = itertools.count(1)


def booking_facts(**given: Any) -> dict[str, Any]:
    """The fields that every event of a booking has; those given win."""
    return {
        "booking_id": new_id(),
        "reference": f"B-{next(_numbers):05d}",
        "vehicle_id": new_id(),
        "vendor_organization_id": VENDOR,
        "corporate_organization_id": COMPANY,
        "requested_by": company_admin.user_id,
        "start": now(),
        "end": now(),
        **given,
    }


def drafted(**given: Any) -> BookingDrafted:
    """Seen by the company alone."""
    return BookingDrafted(**booking_facts(**given))


def requested(**given: Any) -> BookingRequested:
    """Seen by both sides; who asked is the company's own."""
    return BookingRequested(**booking_facts(**given))


def approved(**given: Any) -> BookingApproved:
    """Seen by both sides."""
    return BookingApproved(held_until=now(), **booking_facts(**given))


def record(
    event: Event,
    *,
    actor: Actor = SYSTEM,
    cause: UUID | None = None,
    correlation: UUID | None = None,
    at: datetime | None = None,
    changes: dict[str, Any] | None = None,
) -> UUID:
    """Put an event into the log and give it a position; return its id."""
    event_id = new_id()
    set_off_by = Cause(correlation_id=correlation or new_id(), causation_id=cause, source="test")
    with standing_at(at or now()), transaction() as session:
        aggregate_type = event.aggregate_type if event.aggregate_id else "System"
        aggregate_id = event.aggregate_id or event_id
        stream = event.stream or f"{aggregate_type}:{aggregate_id}"
        metadata = recorder.metadata_of(event, actor, set_off_by, changes or {})
        subjects = recorder._subjects(event, metadata)
        add_event(
            session.connection(),
            NewEvent(
                event_id=event_id,
                event_type=event.event_type,
                version=event.schema_version,
                aggregate_type=aggregate_type,
                aggregate_id=aggregate_id,
                aggregate_seq=next(_numbers),
                stream=stream,
                shard=recorder.shard_of(stream),
                correlation_id=set_off_by.correlation_id,
                occurred_at=now(),
                payload=encode(event).decode(),
                metadata=msgspec.json.encode(metadata).decode(),
                subjects=[(SUBJECT_TYPES[kind], subject_id) for kind, subject_id in sorted(subjects)],
            ),
        )
    give_positions()
    return event_id


def record_all(events: Iterable[Event], **given: Any) -> list[UUID]:
    """Put several events into the log, in this order."""
    return [record(event, **given) for event in events]


def give_positions() -> None:
    """Let the sequencer run, where the database needs one."""
    if db.engine.dialect.name == "postgresql":
        with transaction() as session:
            session.execute(text("select sequence_events()"))
