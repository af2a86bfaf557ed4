"""Numbers for reports, from the desk's own projection of events."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Select, and_, case, false, func, or_, select, true

from karokar.administration.models import DailyFact, ReportedUse, ReportedVehicle
from karokar.administration.permissions import REPORT_READ
from karokar.kernel import clock
from karokar.kernel.actor import Actor, Scope, current_actor
from karokar.kernel.db import db
from karokar.kernel.local.days import end_of_day, zone_of
from karokar.kernel.permissions import scope_of

LONGEST = 366
UTC = ZoneInfo("UTC")
EARLIEST, LATEST = date(1970, 1, 8), date(2199, 12, 24)
"""The days that anybody's calendar reaches, with a week to spare."""


@dataclass(frozen=True)
class Period:
    """Whole days from `first` to `last`, both included, in a zone: the acting organization's."""

    first: date
    last: date
    zone: ZoneInfo = UTC

    @property
    def days(self) -> int:
        """How many days it has."""
        return (self.last - self.first).days + 1

    @property
    def begins_at(self) -> datetime:
        """The moment at which it begins."""
        return end_of_day(self.first - timedelta(days=1), self.zone)

    @property
    def ends_at(self) -> datetime:
        """The moment at which it is over."""
        return end_of_day(self.last, self.zone)

    @property
    def weeks(self) -> list[tuple[date, datetime]]:
        """The Mondays of its weeks, each with the moment at which its week is over."""
        monday = self.first - timedelta(days=self.first.weekday())
        count = (self.last - monday).days // 7 + 1
        mondays = [monday + timedelta(days=7 * number) for number in range(count)]
        return [(one, end_of_day(one + timedelta(days=6), self.zone)) for one in mondays]

    @classmethod
    def of(cls, first: date | None, last: date | None) -> "Period":
        """Return the period asked for: by default the last 30 days, never the wrong way round, at most a year."""
        zone = zone_of(current_actor().time_zone or "UTC")
        last = min(max(last or clock.now().astimezone(zone).date(), EARLIEST), LATEST)
        first = min(max(first or last - timedelta(days=29), EARLIEST), LATEST)
        first, last = min(first, last), max(first, last)
        return cls(max(first, last - timedelta(days=LONGEST - 1)), last, zone)


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


def _uses_within(actor: Actor) -> ColumnElement[bool]:
    scope = scope_of(REPORT_READ, actor)
    if scope is None:
        return false()
    if scope is Scope.ALL:
        return true()
    own = actor.organization_id
    return or_(ReportedUse.vendor_organization_id == own, ReportedUse.corporate_organization_id == own)


def _in(period: Period) -> ColumnElement[bool]:
    """What happened in the period; the days in UTC, a day more on each side, lead there by the index."""
    a_day = timedelta(days=1)
    return and_(
        DailyFact.day.between(period.first - a_day, period.last + a_day),
        DailyFact.at >= period.begins_at,
        DailyFact.at < period.ends_at,
    )


def _select(measure: str, period: Period, *columns: Any) -> Select[Any]:
    return select(*columns).where(_within(current_actor()), DailyFact.measure == measure, _in(period))


def _hours_used(period: Period) -> dict[UUID, float]:
    """Return in how many hours of the period each vehicle was out; one that is still out, until now."""
    until = min(period.ends_at, clock.now())
    if until <= period.begins_at:
        return {}
    began = case((ReportedUse.out_at < period.begins_at, period.begins_at), else_=ReportedUse.out_at)
    ended = case((or_(ReportedUse.back_at.is_(None), ReportedUse.back_at > until), until), else_=ReportedUse.back_at)
    statement = (
        select(ReportedUse.vehicle_id, func.sum(_hours_between(began, ended)))
        .where(
            _uses_within(current_actor()),
            ReportedUse.out_at < until,
            or_(ReportedUse.back_at.is_(None), ReportedUse.back_at > period.begins_at),
        )
        .group_by(ReportedUse.vehicle_id)
    )
    return {vehicle_id: float(hours) for vehicle_id, hours in db.session.execute(statement)}


def _hours_between(start: ColumnElement[datetime], end: ColumnElement[datetime]) -> ColumnElement[Any]:
    if db.session.get_bind().dialect.name == "postgresql":
        return func.extract("epoch", end - start) / 3600
    return (func.julianday(end) - func.julianday(start)) * 24


def utilisation_by_vehicle(period: Period, limit: int = 100) -> list[Utilisation]:
    """Return the vehicles with the hours they were out, the busiest first.

    A corporate sees the vehicles that it used; then "there" are the hours of the whole period.
    """
    used = _hours_used(period)
    actor = current_actor()
    is_all = scope_of(REPORT_READ, actor) is Scope.ALL
    owned = true() if is_all else ReportedVehicle.organization_id == actor.organization_id
    in_fleet = (ReportedVehicle.since < period.ends_at) & or_(
        ReportedVehicle.until.is_(None), ReportedVehicle.until > period.begins_at
    )
    wanted = or_(owned & in_fleet, ReportedVehicle.id.in_(list(used)))
    vehicles = db.session.scalars(select(ReportedVehicle).where(wanted)).all()
    rows = [
        Utilisation(v.label, v.category, v.id, round(used.get(v.id, 0.0), 1), _hours_there(v, period)) for v in vehicles
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
    weeks = period.weeks
    number = case(
        *((DailyFact.at < ends_at, index) for index, (_monday, ends_at) in enumerate(weeks)), else_=len(weeks)
    )
    columns = (number.label("week"), func.count(), func.sum(DailyFact.seconds), func.max(DailyFact.seconds))
    found = {
        week: numbers for week, *numbers in db.session.execute(_select(measure, period, *columns).group_by("week"))
    }
    return [
        _bucket(f"{monday.day} {monday.strftime('%b')}", *_counted(found.get(index)))
        for index, (monday, _ends_at) in enumerate(weeks)
    ]


def _counted(numbers: Sequence[Any] | None) -> tuple[int, int, int]:
    count, seconds, longest = numbers or (0, 0, 0)
    return count, int(seconds or 0), longest or 0


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
        .where(_within(current_actor()), _in(period))
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
        used_h=round(sum(_hours_used(period).values()), 1),
    )
