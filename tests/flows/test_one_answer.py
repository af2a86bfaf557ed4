"""Is it free? A random walk through calendars in two zones: search, request, decision, offer and actions agree."""

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from flask import Flask

from karokar.availability import free
from karokar.availability.views.market import Wish, search_market
from karokar.booking import actions
from karokar.booking.rules import new_reference
from karokar.fleet import actions as fleet
from karokar.kernel import clock
from karokar.kernel.errors import DomainError
from karokar.organization import queries as organizations
from karokar.web.shell.times import iso
from tests.factories import booking as make
from tests.factories.booking import World, hours
from tests.factories.browsing import text_of

STEPS = 30
BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")


class Walk:
    """What a walker does to three vehicles of a vendor, and how each place answers whether one is free."""

    def __init__(self, world: World, app: Flask, seed: int, now: datetime) -> None:
        self.world, self.chance, self.now = world, random.Random(seed), now
        self.vehicles = [world.vehicle, make.vehicle(world.vendor), make.vehicle(world.vendor)]
        self.company, self.vendor = app.test_client(), app.test_client()
        self.log: list[str] = []

    def period(self) -> tuple[datetime, datetime]:
        """A period near now: it may touch others exactly, or by a quarter of an hour."""
        start = self.now.replace(minute=0, second=0) + timedelta(minutes=15 * self.chance.randint(-3, 4 * 60))
        return start, start + timedelta(minutes=15 * self.chance.choice([1, 4, 6, 23, 24, 25, 96, 100]))

    # --- what happens ---------------------------------------------------------------------------------------------

    def step(self) -> None:
        """Do one thing, if it is possible, and let every handler hear of it."""
        does: list[Callable[[UUID], object]] = [
            self.book, self.book, self.book, self.hand_over, self.take_back, self.plan_maintenance, self.suspend,
            self.activate, self.shorten_documents, self.renew_documents, self.wait, self.end_early,
        ]  # fmt: skip
        one, vehicle = self.chance.choice(does), self.chance.choice(self.vehicles)
        self.log.append(f"{self.now} {one.__name__} {self.vehicles.index(vehicle)}")
        try:
            one(vehicle)
        except DomainError as error:
            self.log.append(f"  refused: {error.code}")
        self.world.deliver(self.now)

    def book(self, vehicle: UUID) -> None:
        start, end = self.period()
        with self.world.acting(self.world.company_admin, self.now):
            made = actions.request_booking(vehicle, start, end)
        with self.world.acting(self.world.vendor_admin, self.now):
            actions.approve_booking(made)
        with self.world.acting(self.world.company_admin, self.now):
            actions.assign_booking(made, self.chance.choice([self.world.employee, self.world.colleague]).user_id)
        self.world.deliver(self.now)
        assigned = make.assignment_of(made)
        who = {one.user_id: one for one in (self.world.employee, self.world.colleague)}[assigned.employee_id]
        with self.world.acting(who, self.now):
            make.assignments.accept_assignment(assigned.id)

    def _bookings(self, vehicle: UUID, status: str) -> list[UUID]:
        table = make.Base.metadata.tables["bookings"]
        statement = make.select(table.c.id).where(table.c.vehicle_id == vehicle, table.c.status == status)
        return list(make.db.session.scalars(statement.order_by(table.c.start)))

    def hand_over(self, vehicle: UUID) -> None:
        for booking in self._bookings(vehicle, "ASSIGNED")[:1]:
            start = make.booking(booking).start
            self.now = max(self.now, start)
            with self.world.acting(self.world.vendor_admin, self.now):
                actions.activate_booking(booking, 10_000, 100)

    def take_back(self, vehicle: UUID) -> None:
        for booking in [*self._bookings(vehicle, "ACTIVE"), *self._bookings(vehicle, "TERMINATED")][:1]:
            with self.world.acting(self.world.vendor_admin, self.now):
                actions.complete_booking(booking, 10_100, 50)

    def end_early(self, vehicle: UUID) -> None:
        for booking in self._bookings(vehicle, "ACTIVE")[:1]:
            reason = self.chance.choice(["NOT_RETURNED", "BREAKDOWN", "ACCIDENT", "NO_LONGER_NEEDED"])
            with self.world.acting(self.world.vendor_admin, self.now):
                actions.terminate_booking(booking, reason, "See the call.")

    def plan_maintenance(self, vehicle: UUID) -> None:
        start, end = self.period()
        with self.world.acting(self.world.vendor_admin, self.now):
            window = fleet.schedule_maintenance(vehicle, kind="SERVICE", start=start, end=end)
            if start <= self.now and self.chance.random() < 0.7:
                fleet.start_maintenance(window)

    def suspend(self, vehicle: UUID) -> None:
        with self.world.acting(self.world.vendor_admin, self.now):
            fleet.suspend_vehicle(vehicle, reason="DAMAGE")

    def activate(self, vehicle: UUID) -> None:
        with self.world.acting(self.world.vendor_admin, self.now):
            fleet.activate_vehicle(vehicle)

    def shorten_documents(self, vehicle: UUID) -> None:
        self._documents(vehicle, self.now + hours(self.chance.randint(1, 60)))

    def renew_documents(self, vehicle: UUID) -> None:
        self._documents(vehicle, self.now + timedelta(days=400))

    def _documents(self, vehicle: UUID, until: datetime) -> None:
        table = make.Base.metadata.tables["verifications"]
        with make.transaction() as session:
            session.execute(table.delete().where(table.c.entity_id == vehicle))
        for kind in ("VEHICLE_REGISTRATION", "VEHICLE_INSURANCE", "VEHICLE_FITNESS"):
            make.verified("Vehicle", vehicle, self.world.vendor, kind, expires_at=until)

    def wait(self, _vehicle: UUID) -> None:
        self.now += timedelta(minutes=15 * self.chance.randint(1, 40))
        with clock.standing_at(self.now):
            actions.cancel_no_shows()
            actions.notice_late_returns()

    # --- who is asked ---------------------------------------------------------------------------------------------

    def answers(self) -> dict[str, bool]:
        """Ask everybody about one vehicle and one period that lies ahead."""
        vehicle, (start, end) = self.chance.choice(self.vehicles), self.period()
        start = max(start, self.now.replace(minute=0, second=0))
        end = max(end, start + hours(2))
        self.log.append(f"  asked for {self.vehicles.index(vehicle)} from {start} to {end}")
        with clock.standing_at(self.now):
            make.sign_in(self.company, self.world.company_admin)
            make.sign_in(self.vendor, self.world.vendor_admin)
            return {
                "search": self._search(vehicle, start, end),
                "query": free.is_free(vehicle, start, end) and self._is_on_the_road(vehicle),
                "request page": self._request_page(vehicle, start, end),
                "submit": self._submit(vehicle, start, end),
                "decision page": self._decision_page(vehicle, start, end),
                "approve": self._approve(vehicle, start, end),
                "offers": self._offers(vehicle, start, end),
                "offer": self._offer(vehicle, start, end),
            }

    def _is_on_the_road(self, vehicle: UUID) -> bool:
        table = make.Base.metadata.tables["vehicles"]
        return make.db.session.scalar(make.select(table.c.status).where(table.c.id == vehicle)) == "ACTIVE"

    def _search(self, vehicle: UUID, start: datetime, end: datetime) -> bool:
        with self.world.acting(self.world.company_admin, self.now):
            market = search_market(
                Wish(start=start, end=end), self.world.company_admin, organizations.list_active("VENDOR"), limit=100
            )
        return vehicle in [one.id for one in market.free]

    def _request_page(self, vehicle: UUID, start: datetime, end: datetime) -> bool:
        url = f"/booking/new?vehicle_id={vehicle}&start={iso(start)}&end={iso(end)}"
        answer = self.company.get(url)
        # What is off the road is not on the market.
        return answer.status_code == 200 and "The vehicle is free: " in text_of(answer)

    def _submit(self, vehicle: UUID, start: datetime, end: datetime) -> bool:
        with self.world.acting(self.world.company_admin, self.now):
            try:
                made = actions.request_booking(vehicle, start, end)
            except DomainError:
                return False
            actions.cancel_booking(made, "PLANS_CHANGED", "Asked only.")
        return True

    def _request(self, vehicle: UUID, start: datetime, end: datetime) -> UUID:
        """A request that was sent before the calendar changed."""
        return make.put(
            "bookings", reference=new_reference(), vehicle_id=vehicle, place="Berlin", place_time_zone="Europe/Berlin",
            vendor_organization_id=self.world.vendor, corporate_organization_id=self.world.company,
            requested_by=self.world.company_admin.user_id, round=0, start=start, end=end, status="REQUESTED",
            purpose="", note="", submitted_at=self.now,
        )  # fmt: skip

    def _forget(self, booking: UUID) -> None:
        table = make.Base.metadata.tables["bookings"]
        with make.transaction() as session:
            session.execute(table.delete().where(table.c.id == booking))

    def _decision_page(self, vehicle: UUID, start: datetime, end: datetime) -> bool:
        made = self._request(vehicle, start, end)
        page = text_of(self.vendor.get(f"/booking/{made}/decide"))
        self._forget(made)
        assert ("This can't be approved" in page) != ("No other request wants the vehicle" in page), page
        return "This can't be approved" not in page

    def _approve(self, vehicle: UUID, start: datetime, end: datetime) -> bool:
        made = self._request(vehicle, start, end)
        with self.world.acting(self.world.vendor_admin, self.now):
            try:
                actions.approve_booking(made)
            except DomainError:
                self._forget(made)
                return False
            actions.cancel_booking(made, "OTHER", "Asked only.")
        self.world.deliver(self.now)
        return True

    def _another(self, vehicle: UUID) -> UUID:
        return next(one for one in self.vehicles if one != vehicle)

    def _offers(self, vehicle: UUID, start: datetime, end: datetime) -> bool:
        made = self._request(self._another(vehicle), start, end)
        page = self.vendor.get(f"/booking/{made}/decide").text
        self._forget(made)
        return f'<option value="{vehicle}"' in page

    def _offer(self, vehicle: UUID, start: datetime, end: datetime) -> bool:
        made = self._request(self._another(vehicle), start, end)
        with self.world.acting(self.world.vendor_admin, self.now):
            try:
                actions.reject_booking(made, "OTHER", "Asked only.", offered_vehicle_id=vehicle)
            except DomainError as error:
                self._forget(made)
                if error.code != "OFFER_NOT_POSSIBLE":
                    raise
                return False
        return True


@pytest.mark.parametrize(
    ("seed", "zone", "day"),
    [
        pytest.param(1, BERLIN, "2027-03-27T18:00", id="Berlin, clocks go forward"),
        pytest.param(2, BERLIN, "2027-10-30T18:00", id="Berlin, clocks go back"),
        pytest.param(3, NEW_YORK, "2027-03-13T18:00", id="New York, clocks go forward"),
        pytest.param(4, NEW_YORK, "2027-11-06T18:00", id="New York, clocks go back"),
    ],
)
def test_everybody_gives_one_answer_to_whether_a_vehicle_is_free(
    any_app: Flask, seed: int, zone: ZoneInfo, day: str
) -> None:
    world = make.make_world(buffer_minutes=60, time_zone=zone.key)
    walk = Walk(world, any_app, seed, datetime.fromisoformat(day).replace(tzinfo=zone).astimezone(make.UTC))
    heard = {True: 0, False: 0}
    for _ in range(STEPS):
        walk.step()
        answers = walk.answers()
        assert len(set(answers.values())) == 1, "\n".join([*walk.log, str(answers)])
        heard[answers["search"]] += 1
    assert min(heard.values()) >= 3, f"the walk hardly left one answer: {heard}"
