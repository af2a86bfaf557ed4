"""Whether the parts that events need are at work: database, bell, clock, canary, the last proof."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import select, text

from karokar.kernel import clock
from karokar.kernel.db import db
from karokar.kernel.settings import settings
from karokar.kernel.text.normalization import count_of
from karokar.outbox import wakeup
from karokar.outbox.delivery import canary
from karokar.outbox.models import Lease, Verification

Status = Literal["ok", "degraded", "down", "off"]


@dataclass(frozen=True, kw_only=True)
class Part:
    """One part and how it is, with what to do where something is wrong."""

    name: str
    status: Status
    sentence: str
    detail: str = ""


def parts() -> list[Part]:
    """Return every part that events need. Raises nothing that a page could not show."""
    return [database(), queue(), clock_keeper(), path(), proof()]


def database() -> Part:
    """Which database, and how large it is."""
    if db.session.get_bind().dialect.name == "sqlite":
        version = db.session.scalar(text("select sqlite_version()"))
        size = int(
            db.session.scalar(text("select page_count * page_size from pragma_page_count(), pragma_page_size()"))
        )
        return Part(name="Database", status="ok", sentence=f"SQLite {version}, embedded.", detail=in_bytes(size))
    version = str(db.session.scalar(text("show server_version"))).split(" ")[0]
    size = int(db.session.scalar(text("select pg_database_size(current_database())")))
    return Part(name="Database", status="ok", sentence=f"PostgreSQL {version}.", detail=in_bytes(size))


def queue() -> Part:
    """Whether Redis carries the bells that wake workers."""
    name = "Queue"
    if settings().event_bus_dispatcher != "worker":
        return Part(name=name, status="off", sentence="Not needed: events are delivered without workers.")
    if settings().redis_url is None:
        return Part(name=name, status="off", sentence="No Redis is set; the relay delivers events itself.")
    wake_ups = wakeup.count_wake_ups()
    if wake_ups is None:
        return Part(
            name=name,
            status="degraded",
            sentence="Redis does not answer. The relay delivers events itself, a little later. Start Redis again.",
        )
    if wake_ups > 5:
        return Part(
            name=name, status="degraded", sentence=f"{wake_ups} wake-ups wait for a worker. Check that one is running."
        )
    return Part(name=name, status="ok", sentence="Redis answers.", detail=f"{wake_ups} wake-ups waiting")


def clock_keeper() -> Part:
    """Whether some relay keeps the clock."""
    until: datetime | None = db.session.scalar(select(Lease.until).where(Lease.name == "clock"))
    if until is None:
        return Part(
            name="Scheduler", status="down", sentence="No relay has run on this database yet. Start one: bin/up does."
        )
    if until < clock.now():
        return Part(
            name="Scheduler",
            status="down",
            sentence="No relay keeps the clock: reminders, expiries and retries stand still. Start the relay again.",
            detail=f"since {until:%Y-%m-%d %H:%M:%S} UTC",
        )
    return Part(name="Scheduler", status="ok", sentence="A relay keeps the clock.")


def path() -> Part:
    """Whether the canary comes back."""
    found = canary.poll()
    if found.asked_at is None:
        return Part(name="Path of events", status="off", sentence="No canary was sent yet: a relay sends one a minute.")
    if not found.is_well:
        return Part(
            name="Path of events",
            status="down",
            sentence="The newest canary got no answer: look whether relay and workers are running.",
        )
    seconds = found.seconds or 0.0
    return Part(
        name="Path of events",
        status="ok" if seconds < 5 else "degraded",
        sentence="An event goes the whole path." if seconds < 5 else "Events go the whole path, but slowly.",
        detail=f"{seconds * 1000:,.0f} ms" if seconds < 10 else f"{seconds:,.0f} s",
    )


def proof() -> Part:
    """What the last check of the promises found."""
    last = db.session.scalars(select(Verification).order_by(Verification.id.desc()).limit(1)).one_or_none()
    if last is None:
        return Part(name="Proof", status="off", sentence="Nothing was checked yet: the clock does so every minute.")
    detail = f"up to position {last.until_position:,}, {last.at:%Y-%m-%d %H:%M} UTC"
    if last.problems:
        return Part(
            name="Proof",
            status="down",
            sentence=f"{count_of(last.problems, 'delivery is', 'deliveries are')} not as promised. "
            "Run `flask events verify` to see which.",
            detail=detail,
        )
    return Part(name="Proof", status="ok", sentence="Nothing lost, doubled, reordered or stuck.", detail=detail)


def in_bytes(size: int) -> str:
    """Return a size as people read it."""
    amount = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:,.0f} {unit}" if unit in {"B", "kB"} else f"{amount:,.1f} {unit}"
        amount /= 1000
    return f"{amount:,.1f} TB"
