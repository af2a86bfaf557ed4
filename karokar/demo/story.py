"""The worked example of a new installation: two vendors, two companies, their people, twelve vehicles, and bookings in
every state, all made through the real actions, at the moments at which people would have done it.
"""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select

from karokar.assignment import actions as assignment
from karokar.assignment.models import Assignment
from karokar.booking import actions as booking
from karokar.config import Config
from karokar.demo.documents import example_document
from karokar.files.intake import accept
from karokar.fleet import actions as fleet
from karokar.identity import actions as identity
from karokar.identity import queries as identity_queries
from karokar.identity.models import Membership, Role, User
from karokar.identity.queries.access import permissions_of
from karokar.identity.rules.examples import making_examples
from karokar.kernel import clock
from karokar.kernel.actor import Actor, acting_as
from karokar.kernel.db import db
from karokar.organization import actions as organization
from karokar.organization import queries as organization_queries
from karokar.outbox.delivery import subscriptions
from karokar.outbox.delivery.drain import drain, drain_all
from karokar.verification import actions as verification

ZONE = "Asia/Kolkata"
FROM, UNTIL = 9, 18
VEHICLE_DOCUMENTS = ("VEHICLE_REGISTRATION", "VEHICLE_INSURANCE", "VEHICLE_FITNESS")


@dataclass
class Story:
    """Who did what, and when. Steps are written down with their moment first, and then done in order of time."""

    config: Config
    now: datetime = field(default_factory=lambda: clock.now().replace(minute=0, second=0, microsecond=0))
    ids: dict[str, UUID] = field(default_factory=dict)
    steps: list[tuple[datetime, int, Callable[[], object]]] = field(default_factory=list)

    def tell(self) -> None:
        """Do all of it, each step with its reactions before the next."""
        self._people()
        self._vehicles()
        self._bookings()
        self._own_vehicles()
        subscriptions.sync()
        with making_examples():
            self._do_steps()
        drain_all()

    def _do_steps(self) -> None:
        for moment, _number, step in sorted(self.steps, key=lambda planned: planned[:2]):
            with clock.standing_at(moment):
                step()
                drain()

    def _moment(self, days: float, hour: int) -> datetime:
        """Return when something begins or ends, so many days from now: from tomorrow on in office hours.

        What is earlier depends on the moment at which it is seen: what is late, what is out, what goes out soon.
        """
        moment = self.now + timedelta(days=days)
        if days < 1:
            return moment
        return moment.astimezone(ZoneInfo(ZONE)).replace(hour=hour, minute=0)

    def at(self, days: float, step: Callable[[], object]) -> None:
        """Plan a step, so many days from now."""
        self.steps.append((self.now + timedelta(days=days), len(self.steps), step))

    def by(self, days: float, who: str, step: Callable[[], object]) -> None:
        """Plan a step of a person, known by the part of their address before the @ (or the address itself)."""

        def act() -> None:
            with self._acting(who):
                step()

        self.at(days, act)

    @contextmanager
    def _acting(self, who: str) -> Iterator[None]:
        email = who if "@" in who else f"{who}@karokar.example"
        statement = (
            select(Membership, Role, User)
            .join(Role, Role.id == Membership.role_id)
            .join(User, User.id == Membership.user_id)
            .where(User.email == email)
            .order_by(Membership.id)
        )
        membership, role, user = db.session.execute(statement).first() or (None, None, None)
        if membership is None or role is None or user is None:
            raise LookupError(f"The example has nobody at {email}.")
        facts = organization_queries.get_organization(membership.organization_id)
        actor = Actor(
            user_id=user.id,
            organization_id=facts.id,
            organization_type=facts.type,
            organization_status=facts.status,
            organization_name=facts.name,
            name=user.name,
            role=role.key,
            time_zone=facts.time_zone,
            permissions=permissions_of(role),
        )
        with acting_as(actor):
            yield

    # --- people -------------------------------------------------------------------------------------------------------

    def _people(self) -> None:
        self.at(-75, self._platform)
        self._organization("deccan", "Deccan Car Rentals", "VENDOR", -70, "vendor", "Vikram", "Rao")
        self._organization("coastline", "Coastline Fleet", "VENDOR", -66, "vendor2", "Leela", "Fernandes")
        self._organization("meridian", "Meridian Textiles", "CORPORATE", -64, "corporate", "Asha", "Khan")
        self._organization("banyan", "Banyan Software", "CORPORATE", -60, "corporate2", "Daniel", "Mathew")
        for who, first, last, company, admin in (
            ("employee", "Ravi", "Iyer", "meridian", "corporate"),
            ("meera", "Meera", "Nair", "meridian", "corporate"),
            ("sanjay", "Sanjay", "Gupta", "meridian", "corporate"),
            ("priya", "Priya", "Menon", "banyan", "corporate2"),
            ("arjun", "Arjun", "Das", "banyan", "corporate2"),
        ):
            self._employee(who, first, last, company, admin)
        self.by(-50, "vendor", lambda: self._buffer("deccan", 60))
        # Still waiting for the platform, so that the review queue has something in it.
        self.at(
            -3,
            lambda: self._apply("harbour", "Harbour Logistics", "VENDOR", "nisha@harbour.example", "Nisha", "Pillai"),
        )
        self.at(-2.9, lambda: self._join("harbour"))
        self.by(
            -2.8, "nisha@harbour.example", lambda: self._hand_in("Organization", "harbour", "ORGANIZATION_REGISTRATION")
        )

    def _platform(self) -> None:
        identity.create_platform_admin(
            email="platform@karokar.example",
            first_name="Nandini",
            last_name="Shah",
            password=self.config.demo_password,
            is_example=True,
        )

    def _organization(self, key: str, name: str, kind: str, day: float, who: str, first: str, last: str) -> None:  # noqa: PLR0917
        self.at(day, lambda: self._apply(key, name, kind, f"{who}@karokar.example", first, last))
        self.at(day + 0.1, lambda: self._join(key))
        self.by(day + 0.2, who, lambda: self._hand_in("Organization", key, "ORGANIZATION_REGISTRATION"))
        self._approved_at(day + 1, key, "ORGANIZATION_REGISTRATION", days=900)
        self.by(
            day + 1.1, "platform", lambda: organization.approve_organization(self.ids[key], notes="Register checked.")
        )
        if kind == "CORPORATE":
            self.by(day + 1.2, who, lambda: self._hand_in("User", f"{key}-admin", "REPRESENTATIVE_IDENTITY"))
            self._approved_at(day + 2, f"{key}-admin", "REPRESENTATIVE_IDENTITY", days=700)

    def _apply(self, key: str, name: str, kind: str, email: str, first: str, last: str) -> None:  # noqa: PLR0917
        applied = organization.apply(
            name=name,
            type=kind,
            time_zone=ZONE,
            first_name=first,
            last_name=last,
            email=email,
            phone=f"+91 80 5555 {1000 + len(self.ids):04d}",
            details={"tax_number": f"29ABCDE{1000 + len(self.ids)}F1Z5", "region": "Karnataka"},
        )
        self.ids[key] = applied.id

    def _join(self, key: str) -> None:
        """Accept the invitation that the application brought its first administrator."""
        membership = db.session.scalars(select(Membership).where(Membership.organization_id == self.ids[key])).one()
        self.ids[f"{key}-admin"] = membership.user_id
        self._accept(membership)

    def _accept(self, membership: Membership) -> None:
        token = identity_queries.sign_in_link("invitation", membership.id).rsplit("=", maxsplit=1)[-1]
        with acting_as(Actor(name="Somebody with an invitation")):
            identity.accept_invitation(token, password=self.config.demo_password, is_example=True)

    def _employee(self, who: str, first: str, last: str, company: str, admin: str) -> None:
        def invite() -> None:
            facts = organization_queries.get_organization(self.ids[company])
            roles = identity_queries.list_roles_to_give(facts.id, facts.type)
            role_id = next(role.id for role in roles if role.code == "EMPLOYEE")
            invited = identity.invite_member(
                first_name=first,
                last_name=last,
                email=f"{who}@karokar.example",
                role_id=role_id,
                phone=f"+91 98450 {10000 + len(self.ids)}",
            )
            self.ids[who] = invited.user_id
            self.ids[f"{who}-membership"] = invited.id

        def accept() -> None:
            membership = db.session.get(Membership, self.ids[f"{who}-membership"])
            if membership is not None:
                self._accept(membership)

        self.by(-55, admin, invite)
        self.at(-54.5, accept)
        self.by(-54, who, lambda: self._hand_in("User", who, "DRIVING_LICENSE"))
        if who != "arjun":  # His licence still waits for review.
            self._approved_at(-53, who, "DRIVING_LICENSE", days=20 if who == "sanjay" else 1500)

    def _buffer(self, key: str, minutes: int) -> None:
        organization.update_organization(self.ids[key], buffer_minutes=minutes)

    # --- documents ----------------------------------------------------------------------------------------------------

    def _hand_in(self, entity_type: str, key: str, kind: str) -> None:
        name = kind.replace("_", " ").capitalize()
        content = example_document(name, f"No. {key.upper()}-{len(self.ids)}")
        file = accept(f"{kind.lower()}.pdf", io.BytesIO(content))
        made = verification.request_verification(
            entity_type=entity_type,
            entity_id=self.ids[key],
            kind=kind,
            uploads=[file],
        )
        self.ids[f"{key}/{kind}"] = made.id

    def _approved_at(self, day: float, key: str, kind: str, *, days: int) -> None:
        """Let the platform approve a verification, valid until so many days from now."""
        self.by(
            day,
            "platform",
            lambda: verification.approve_verification(
                self.ids[f"{key}/{kind}"], expires_at=self.now + timedelta(days=days)
            ),
        )

    # --- vehicles -----------------------------------------------------------------------------------------------------

    def _vehicles(self) -> None:
        for key, who, make, model, year, plate, category, seats, city, odometer in (
            ("swift", "vendor", "Maruti Suzuki", "Swift", 2023, "KA 01 MJ 4471", "COMPACT", 5, "Bengaluru", 31_240),
            ("city", "vendor", "Honda", "City", 2024, "KA 03 NB 2210", "SALOON", 5, "Bengaluru", 18_905),
            ("innova", "vendor", "Toyota", "Innova Crysta", 2022, "KA 05 MT 8890", "MINIBUS", 7, "Bengaluru", 64_310),
            ("nexon", "vendor", "Tata", "Nexon EV", 2024, "KA 51 EV 0192", "SUV", 5, "Mysuru", 12_480),
            ("creta", "vendor", "Hyundai", "Creta", 2023, "KA 02 HC 7754", "SUV", 5, "Bengaluru", 27_600),
            ("dzire", "vendor2", "Maruti Suzuki", "Dzire", 2022, "KL 07 CR 3318", "SALOON", 5, "Kochi", 48_770),
            ("ertiga", "vendor2", "Maruti Suzuki", "Ertiga", 2023, "KL 07 DF 9042", "MINIBUS", 7, "Kochi", 33_150),
            ("venue", "vendor2", "Hyundai", "Venue", 2024, "KA 04 HV 6127", "SUV", 5, "Bengaluru", 9_320),
            ("traveller", "vendor2", "Force", "Traveller", 2021, "KA 01 FT 5530", "VAN", 12, "Bengaluru", 88_020),
            ("octavia", "corporate", "Škoda", "Octavia", 2023, "KA 03 SK 1188", "SALOON", 5, "Bengaluru", 22_410),
            (
                "bolero",
                "corporate",
                "Mahindra",
                "Bolero Camper",
                2022,
                "KA 51 MB 4402",
                "PICKUP",
                5,
                "Tumakuru",
                57_930,
            ),
            ("i20", "corporate2", "Hyundai", "i20", 2024, "KA 05 HI 3009", "COMPACT", 5, "Bengaluru", 7_640),
        ):
            self._vehicle(key, who, make, model, year, plate, category, seats, city, odometer)
        self.by(-20, "vendor", lambda: self._maintain("creta", 2, 4, "SERVICE", "30,000 km service and new tyres"))
        self.by(-6, "vendor2", lambda: self._suspend("dzire"))

    def _vehicle(  # noqa: PLR0917
        self, key: str, who: str, make: str, model: str, year: int, plate: str, category: str, seats: int, city: str,
        odometer: int,
    ) -> None:  # fmt: skip
        def register() -> None:
            self.ids[key] = fleet.register_vehicle(
                make=make,
                model=model,
                year=year,
                license_plate=plate,
                category=category,
                seats=seats,
                city=city,
                address="12 Residency Road" if city == "Bengaluru" else "4 Station Road",
                time_zone=ZONE,
                odometer=odometer,
            )

        self.by(-48, who, register)
        for kind in VEHICLE_DOCUMENTS:
            if key == "traveller" and kind == "VEHICLE_FITNESS":
                continue  # Stays PENDING: this is what a missing document looks like.
            self.by(-47, who, lambda kind=kind: self._hand_in("Vehicle", key, kind))  # type: ignore[misc]
            self._approved_at(-46, key, kind, days=6 if (key, kind) == ("ertiga", "VEHICLE_INSURANCE") else 330)
        if key != "traveller":
            self.by(-45, who, lambda: fleet.activate_vehicle(self.ids[key]))

    def _maintain(self, key: str, start: float, end: float, kind: str, description: str) -> None:
        fleet.schedule_maintenance(
            self.ids[key],
            kind=kind,
            start=self._moment(start, FROM),
            end=self._moment(end, UNTIL),
            description=description,
        )

    def _suspend(self, key: str) -> None:
        fleet.suspend_vehicle(self.ids[key], reason="DAMAGE", note="Windscreen is cracked; a new one is ordered.")

    # --- bookings -----------------------------------------------------------------------------------------------------

    def _bookings(self) -> None:
        self._booking("completed", "swift", "corporate", -21, -18, "Visit to the mill in Tumakuru")
        self._given("completed", "employee", "vendor", -20.99, 31_240)
        self._returned("completed", "vendor", -18.1, 31_806)

        self._booking("returned-dirty", "innova", "corporate2", -16, -14, "Team offsite")
        self._given("returned-dirty", "priya", "vendor", -15.99, 64_310)
        self._returned(
            "returned-dirty", "vendor", -13.9, 64_905, is_damaged=True, notes="Scratch on the left rear door."
        )

        self._booking("terminated", "nexon", "corporate", -12, -6, "Field work around Mysuru")
        self._given("terminated", "meera", "vendor", -11.99, 12_480)
        self.by(
            -9.5,
            "corporate",
            lambda: booking.terminate_booking(
                self.ids["terminated"], "BREAKDOWN", "The charging port no longer locks; collected by a tow truck."
            ),
        )
        self._returned(
            "terminated", "vendor", -8.8, 12_730, is_damaged=True, notes="Towed in; the charging port is stuck."
        )

        self._booking("cancelled", "city", "corporate", -4, -2, "Meeting with the auditors")
        self.by(-6.5, "corporate", lambda: booking.assign_booking(self.ids["cancelled"], self.ids["meera"]))
        self._accepted("cancelled", "meera", -6.2)
        self.by(-6, "corporate", lambda: booking.cancel_booking(self.ids["cancelled"], "PLANS_CHANGED", "By video."))

        self._request("rejected", "innova", "corporate", 5, 8, "Trade fair in Chennai", asked=-4)
        self.by(
            -3.5,
            "vendor",
            lambda: booking.reject_booking(
                self.ids["rejected"],
                "ALREADY_PROMISED",
                "The Innova is out that week. The Nexon is free and of the same comfort.",
                offered_vehicle_id=self.ids["nexon"],
            ),
        )

        self._booking("active", "city", "corporate", -1, 3, "Suppliers in Hosur")
        self._given("active", "sanjay", "vendor", -0.98, 18_905)
        self.by(-0.5, "corporate", lambda: booking.comment_booking(self.ids["active"], "Where is the spare key kept?"))
        self.by(-0.4, "vendor", lambda: booking.comment_booking(self.ids["active"], "In the glove box, left side."))

        self._booking("late", "venue", "corporate2", -3, -0.2, "Client visit in Mandya", vendor="vendor2")
        self._given("late", "priya", "vendor2", -2.98, 9_320)
        self.at(-0.1, booking.notice_late_returns)

        self._booking("assigned", "swift", "corporate", 1, 4, "Visit to the dye works")
        self.by(-1.5, "corporate", lambda: booking.assign_booking(self.ids["assigned"], self.ids["employee"]))

        self._booking("accepted", "innova", "corporate", 0.07, 2, "Board members to the airport and back")
        self.by(-1.2, "corporate", lambda: booking.assign_booking(self.ids["accepted"], self.ids["meera"]))
        self._accepted("accepted", "meera", -1.1)

        self._booking("approved", "nexon", "corporate2", 6, 9, "Training in Mysuru")
        self._request("requested", "creta", "corporate", 7, 10, "Plant inspection in Hassan", asked=-0.9)
        self._request("competing", "creta", "corporate2", 9, 12, "Product launch", asked=-0.6)
        self._request("requested-2", "ertiga", "corporate", 3, 5, "Visitors from the parent company", asked=-0.3)
        self.by(-0.2, "corporate", lambda: self._draft("draft", "nexon", 14, 16, "Stock-taking in Mysuru"))
        # Planned after the approval: this opens a conflict that both sides see.
        self.by(-0.15, "vendor", lambda: self._maintain("nexon", 8, 9, "REPAIR", "Charging port to be replaced"))

    def _draft(self, key: str, vehicle: str, start: float, end: float, purpose: str) -> None:
        self.ids[key] = booking.create_booking(
            self.ids[vehicle], self._moment(start, FROM), self._moment(end, UNTIL), purpose
        )

    def _request(  # noqa: PLR0917
        self, key: str, vehicle: str, who: str, start: float, end: float, purpose: str, *, asked: float
    ) -> None:
        self.by(asked, who, lambda: self._draft(key, vehicle, start, end, purpose))
        self.by(asked + 0.01, who, lambda: booking.submit_booking(self.ids[key]))

    def _booking(  # noqa: PLR0917
        self, key: str, vehicle: str, who: str, start: float, end: float, purpose: str, vendor: str = "vendor"
    ) -> None:
        """A request that the vendor approved, a few days before it starts."""
        asked = min(start, 0) - 3
        self._request(key, vehicle, who, start, end, purpose, asked=asked)
        self.by(asked + 0.5, vendor, lambda: booking.approve_booking(self.ids[key]))

    def _given(self, key: str, employee: str, vendor: str, day: float, odometer: int) -> None:
        """The booking's employee was chosen, accepted, and got the keys."""
        admin = "corporate2" if employee in {"priya", "arjun"} else "corporate"
        self.by(day - 1.5, admin, lambda: booking.assign_booking(self.ids[key], self.ids[employee]))
        self._accepted(key, employee, day - 1.2)
        self.by(
            day,
            vendor,
            lambda: booking.activate_booking(
                self.ids[key], odometer, 100, notes="Handed over clean, with a full tank."
            ),
        )

    def _accepted(self, key: str, employee: str, day: float) -> None:
        def accept() -> None:
            statement = select(Assignment.id).where(
                Assignment.booking_id == self.ids[key], Assignment.status == "PENDING"
            )
            assignment.accept_assignment(db.session.scalars(statement).one())

        self.by(day, employee, accept)

    def _returned(
        self, key: str, vendor: str, day: float, odometer: int, *, is_damaged: bool = False, notes: str = ""
    ) -> None:
        self.by(
            day,
            vendor,
            lambda: booking.complete_booking(self.ids[key], odometer, 85, is_damaged=is_damaged, notes=notes),
        )

    # --- a company's own vehicles -------------------------------------------------------------------------------------

    def _own_vehicles(self) -> None:
        def assign(key: str, vehicle: str, employee: str, start: float, end: float | None) -> None:
            self.ids[key] = assignment.create_assignment(
                self.ids[vehicle],
                self.ids[employee],
                self._moment(start, FROM),
                None if end is None else self._moment(end, UNTIL),
            )

        self.by(-31, "corporate", lambda: assign("octavia-sanjay", "octavia", "sanjay", -30, -25))
        self.by(-30.5, "sanjay", lambda: assignment.accept_assignment(self.ids["octavia-sanjay"]))
        self.by(-30, "sanjay", lambda: assignment.start_assignment(self.ids["octavia-sanjay"], 22_410, 90))
        self.by(-25, "sanjay", lambda: assignment.complete_assignment(self.ids["octavia-sanjay"], 23_077, 40))
        self.by(-9, "corporate2", lambda: assign("i20-arjun", "i20", "arjun", -8, None))
        self.by(-8.5, "arjun", lambda: assignment.accept_assignment(self.ids["i20-arjun"]))
        rota = "For the support rota."
        self.by(-8, "arjun", lambda: assignment.start_assignment(self.ids["i20-arjun"], 7_640, 100, notes=rota))
        self.by(-1, "corporate", lambda: assign("bolero-employee", "bolero", "employee", 12, 15))
