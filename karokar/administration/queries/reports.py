"""Numbers for reports, from the desk's own projection of events."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, false, func, or_, select, true

from karokar.administration.models import DailyFact, ReportedVehicle
from karokar.administration.permissions import REPORT_READ
from karokar.kernel import clock
from karokar.kernel.actor import Actor, Scope, current_actor
from karokar.kernel.db import db
from karokar.kernel.permissions import scope_of

LONGEST = 366


@dataclass(frozen=True)
class Period:
    """Whole days from `first` to `last`, both included (UTC)."""

    first: date
    last: date

    @property
    def days(self) -> int:
        """How many days it has."""
        return (self.last - self.first).days + 1

    @property
    def begins_at(self) -> datetime:
        """The moment at which it begins."""
        return datetime(self.first.year, self.first.month, self.first.day, tzinfo=UTC)

    @property
    def ends_at(self) -> datetime:
        """The moment at which it is over."""
        return self.begins_at + timedelta(days=self.days)

    @classmethod
    def of(cls, first: date | None, last: date | None) -> "Period":
        """Return the period asked for: by default the last 30 days, never the wrong way round, at most a year."""
        today = clock.now().date()
        last = last or today
        first = first or last - timedelta(days=29)
        first, last = min(first, last), max(first, last)
        return cls(max(first, last - timedelta(days=LONGEST - 1)), last)


@dataclass(frozen=True)
class Utilisation:
    """How much one vehicle (or category) was out: hours used of the hours it was there to be used."""

    label: str
    category: str
    vehicle_id: UUID | None
    used_h: float
    there_h: float

    @property
    def percent(self) -> float:
        """Used hours in percent of hours there."""
        return round(100 * self.used_h / self.there_h, 1) if self.there_h else 0.0


@dataclass(frozen=True)
class Bucket:
    """One bar: a day, week or reason, how many, and how long altogether."""

    label: str
    count: int
    hours: float
    average_h: float
    longest_h: float


def _within(actor: Actor) -> ColumnElement[bool]:
    """Each booking once: the platform reads the vendors' side of all, an organization its own side."""
    scope = scope_of(REPORT_READ, actor)
    if scope is None:
        return false()
    if scope is Scope.ALL:
        return DailyFact.side == "VENDOR"
    return DailyFact.organization_id == actor.organization_id


def _select(measure: str, period: Period, *columns: Any) -> Select[Any]:
    return select(*columns).where(
        _within(current_actor()), DailyFact.measure == measure, DailyFact.day.between(period.first, period.last)
    )


def utilisation_by_vehicle(period: Period, limit: int = 100) -> list[Utilisation]:
    """Return the vehicles with the hours they were out, the busiest first.

    A corporate sees the vehicles that it used; then "there" are the hours of the whole period.
    """
    used: dict[UUID, int] = dict(
        db.session.execute(
            _select("USED", period, DailyFact.vehicle_id, func.sum(DailyFact.seconds)).group_by(DailyFact.vehicle_id)
        ).all()
    )
    actor = current_actor()
    is_all = scope_of(REPORT_READ, actor) is Scope.ALL
    owned = true() if is_all else ReportedVehicle.organization_id == actor.organization_id
    in_fleet = (ReportedVehicle.since < period.ends_at) & or_(
        ReportedVehicle.until.is_(None), ReportedVehicle.until > period.begins_at
    )
    wanted = or_(owned & in_fleet, ReportedVehicle.id.in_(list(used)))
    vehicles = db.session.scalars(select(ReportedVehicle).where(wanted)).all()
    rows = [
        Utilisation(v.label, v.category, v.id, round((used.get(v.id) or 0) / 3600, 1), _hours_there(v, period))
        for v in vehicles
    ]
    return sorted(rows, key=lambda row: (-row.percent, row.label))[:limit]


def _hours_there(vehicle: ReportedVehicle, period: Period) -> float:
    begins = max(vehicle.since, period.begins_at)
    ends = min(vehicle.until or period.ends_at, period.ends_at, clock.now())
    return round(max(0.0, (ends - begins).total_seconds() / 3600), 1)


def by_category(rows: Sequence[Utilisation], name: Callable[[str], str]) -> list[Utilisation]:
    """Return the utilisation of each category as a whole; `name` gives a category's name by its code."""
    found: dict[str, list[Utilisation]] = {}
    for row in rows:
        found.setdefault(row.category, []).append(row)
    return [
        Utilisation(
            name(category),
            category,
            None,
            round(sum(row.used_h for row in group), 1),
            round(sum(row.there_h for row in group), 1),
        )
        for category, group in sorted(found.items())
    ]


def decision_times(period: Period) -> list[Bucket]:
    """Return, per week, how many requests were decided and how long that took."""
    return _by_week("DECIDED", period)


def unmet_by_week(period: Period) -> list[Bucket]:
    """Return, per week, the requests that got no vehicle, and the hours of use that were asked for in vain."""
    return _by_week("UNMET", period)


def _by_week(measure: str, period: Period) -> list[Bucket]:
    columns = (DailyFact.day, func.count(), func.sum(DailyFact.seconds), func.max(DailyFact.seconds))
    found: dict[date, tuple[int, int, int]] = {}
    monday = period.first - timedelta(days=period.first.weekday())
    while monday <= period.last:
        found[monday] = (0, 0, 0)
        monday += timedelta(days=7)
    for day, count, seconds, longest in db.session.execute(_select(measure, period, *columns).group_by(DailyFact.day)):
        week = day - timedelta(days=day.weekday())
        old = found[week]
        found[week] = (old[0] + count, old[1] + int(seconds or 0), max(old[2], longest or 0))
    return [_bucket(f"{week.day} {week.strftime('%b')}", *numbers) for week, numbers in sorted(found.items())]


def rejections_by_reason(period: Period) -> list[Bucket]:
    """Return how often requests were rejected, by reason, the most frequent first."""
    return _by_reason("REJECTED", period)


def unmet_by_reason(period: Period) -> list[Bucket]:
    """Return the hours of use that were asked for in vain, by reason."""
    return _by_reason("UNMET", period)


def _by_reason(measure: str, period: Period) -> list[Bucket]:
    columns = (DailyFact.reason, func.count(), func.sum(DailyFact.seconds), func.max(DailyFact.seconds))
    statement = _select(measure, period, *columns).group_by(DailyFact.reason).order_by(func.count().desc())
    return [
        _bucket((reason or "No reason").replace("_", " ").capitalize(), count, int(seconds or 0), longest or 0)
        for reason, count, seconds, longest in db.session.execute(statement)
    ]


def _bucket(label: str, count: int, seconds: int, longest: int) -> Bucket:
    average = seconds / count / 3600 if count else 0.0
    return Bucket(label, count, round(seconds / 3600, 1), round(average, 1), round(longest / 3600, 1))


@dataclass(frozen=True)
class Totals:
    """The numbers on top of the page."""

    requested: int
    decided: int
    rejected: int
    unmet_h: float
    used_h: float


def totals(period: Period) -> Totals:
    """Return the period's totals."""
    statement = (
        select(DailyFact.measure, func.count(), func.sum(DailyFact.seconds))
        .where(_within(current_actor()), DailyFact.day.between(period.first, period.last))
        .group_by(DailyFact.measure)
    )
    found = {measure: (count, int(seconds or 0)) for measure, count, seconds in db.session.execute(statement)}
    count = {measure: numbers[0] for measure, numbers in found.items()}
    hours = {measure: round(numbers[1] / 3600, 1) for measure, numbers in found.items()}
    return Totals(
        requested=count.get("REQUESTED", 0),
        decided=count.get("DECIDED", 0),
        rejected=count.get("REJECTED", 0),
        unmet_h=hours.get("UNMET", 0.0),
        used_h=hours.get("USED", 0.0),
    )
