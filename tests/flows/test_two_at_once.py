"""Two people at one aggregate, for every class there is: the first one's change holds, the second gets the conflict page.

Both opened the same version, and both send their form at the same moment: each waits after its version was looked at
until the other one's was, too. Where the database lets only one of them come that far (SQLite's single writer, a row
that the action locks), the other one comes later, and finds the version changed.
"""

import contextlib
import contextvars
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from karokar.availability import queries as availability
from karokar.fleet import actions as fleet
from karokar.identity import actions as identity
from karokar.kernel import clock
from karokar.kernel.actor import Actor
from karokar.kernel.db import AGGREGATES, Aggregate, db
from karokar.kernel.ids import new_id
from karokar.outbox.models import EventRow
from karokar.verification import actions as verification
from tests.factories import booking as make
from tests.factories import people
from tests.factories.booking import NOON, World
from tests.factories.browsing import forms_of, text_of


@dataclass(frozen=True)
class Deed:
    """What one of the two does: fills in the form at `url` on a page; then the aggregate's `column` is `leaves`."""

    who: Actor
    page: str
    column: str
    leaves: Any
    url: str = ""
    typed: dict[str, Any] = field(default_factory=dict)


Case = tuple[UUID, Deed, Deed]


def of_user(world: World) -> Case:
    def at(name: str) -> Deed:
        typed = {"first_name": name, "last_name": "Test", "phone": "", "time_zone": "Europe/Berlin", "theme": "auto"}
        return Deed(world.vendor_admin, "/account/profile", "first_name", name, typed=typed)

    return world.vendor_admin.user_id, at("Verena"), at("Veronika")


def of_role(world: World) -> Case:
    with world.acting(world.vendor_admin):
        role = identity.create_role(name="Counter staff", permissions=["vehicle.read"])

    def by(who: Actor, name: str) -> Deed:
        return Deed(
            who,
            f"/identity/roles/{role.id}",
            "name",
            name,
            typed={"name": name, "description": "", "may.vehicle.read": "own"},
        )

    return role.id, by(world.vendor_admin, "Front desk"), by(colleague(world), "Back office")


def of_membership(world: World) -> Case:
    membership_id = make.member(make.person(), world.vendor, "VENDOR_ADMIN")
    page = f"/identity/members/{membership_id}"
    return (
        membership_id,
        Deed(world.vendor_admin, page, "status", "SUSPENDED", url=f"{page}/suspend"),
        Deed(colleague(world), page, "status", "REMOVED", url=f"{page}/remove"),
    )


def of_organization(world: World) -> Case:
    def by(who: Actor, name: str) -> Deed:
        typed = {"name": name, "time_zone": "Europe/Berlin", "buffer_minutes": "30"}
        return Deed(who, "/organization/edit", "name", name, typed=typed)

    return world.vendor, by(world.vendor_admin, "Harbour Rentals"), by(colleague(world), "Harbour Vehicles")


def of_verification(world: World) -> Case:
    with world.acting(world.vendor_admin):
        made = verification.request_verification(
            entity_type="User",
            entity_id=world.vendor_admin.user_id,
            kind="DRIVING_LICENSE",
            uploads=[people.pdf("licence")],
        )
    page = f"/verification/{made.id}"
    rejecting = {"reason": "UNREADABLE", "note": ""}
    first, second = world.platform_admin, colleague(world, "platform")
    for reviewer in (first, second):
        enrol(reviewer)
    return (
        made.id,
        Deed(first, page, "status", "APPROVED", url=f"{page}/approve", typed={"expires_on": "2030-01-01"}),
        Deed(second, page, "status", "REJECTED", url=f"{page}/reject", typed=rejecting),
    )


def of_booking(world: World) -> Case:
    made = world.requested()
    page = f"/booking/{made.id}/decide"
    rejecting = {"reason": "ALREADY_PROMISED", "note": "Sorry"}
    return (
        made.id,
        Deed(world.vendor_admin, page, "status", "APPROVED", url=f"/booking/{made.id}/approve"),
        Deed(colleague(world), page, "status", "REJECTED", url=f"/booking/{made.id}/reject", typed=rejecting),
    )


def of_assignment(world: World) -> Case:
    made = world.direct()
    page = f"/assignment/{made.id}"
    return (
        made.id,
        Deed(world.employee, page, "status", "ACCEPTED", url=f"{page}/accept"),
        Deed(world.company_admin, f"{page}/close", "status", "CLOSED", typed={"reason": "NO_LONGER_NEEDED"}),
    )


def of_vehicle(world: World) -> Case:
    page = f"/fleet/{world.vehicle}"
    return (
        world.vehicle,
        Deed(world.vendor_admin, f"{page}/suspend", "status", "SUSPENDED", typed={"reason": "DAMAGE", "note": ""}),
        Deed(colleague(world), f"{page}/retire", "status", "RETIRED", typed={"reason": ""}),
    )


def of_window(world: World) -> Case:
    with world.acting(world.vendor_admin):
        made = fleet.schedule_maintenance(world.vehicle, kind="SERVICE", start=world.start, end=world.end)
    page = f"/fleet/maintenance/{made}"
    return (
        made,
        Deed(world.vendor_admin, page, "status", "IN_PROGRESS", url=f"{page}/start"),
        Deed(colleague(world), page, "status", "CANCELLED", url=f"{page}/cancel", typed={"reason": ""}),
    )


def of_conflict(world: World) -> Case:
    held = world.approved()
    with world.acting(world.vendor_admin):
        fleet.schedule_maintenance(world.vehicle, kind="REPAIR", start=held.start, end=held.end)
    world.deliver()
    with world.acting(world.vendor_admin):
        found = availability.list_conflicts().rows[0]
    page = f"/availability/conflicts/{found.id}"

    def by(who: Actor, note: str) -> Deed:
        return Deed(who, page, "note", note, url=f"{page}/resolve", typed={"note": note})

    return found.id, by(world.vendor_admin, "We are quick"), by(world.company_admin, "We come later")


CASES: dict[str, Callable[[World], Case]] = {
    "User": of_user,
    "Role": of_role,
    "Membership": of_membership,
    "Organization": of_organization,
    "Verification": of_verification,
    "Booking": of_booking,
    "Assignment": of_assignment,
    "Vehicle": of_vehicle,
    "MaintenanceWindow": of_window,
    "AvailabilityConflict": of_conflict,
}


OURS = sorted(name for name, class_ in AGGREGATES.items() if class_.__module__.startswith("karokar."))
"""Not those that other tests make for themselves."""


def colleague(world: World, side: str = "vendor") -> Actor:
    """Another administrator."""
    of, role = {"vendor": (world.vendor, "VENDOR_ADMIN"), "platform": (world.platform, "PLATFORM_ADMIN")}[side]
    user_id = make.person()
    make.member(user_id, of, role)
    return make.actor(user_id, of, role)


def enrol(who: Actor) -> None:
    """Give the platform's people the second factor without which they cannot sign in."""
    people.enrol(people.Somebody(who.user_id, who.organization_id, new_id(), who.role, "", who.name))


def test_every_aggregate_class_has_its_two_people(app):
    assert sorted(CASES) == OURS


@pytest.mark.parametrize("aggregate_type", OURS)
def test_of_two_people_at_one_aggregate_the_second_gets_the_conflict_page(any_app, aggregate_type, monkeypatch):
    class_ = AGGREGATES[aggregate_type]
    with clock.standing_at(NOON):
        entity_id, *deeds = CASES[aggregate_type](make.make_world())
        browsers = [signed_in(any_app, deed) for deed in deeds]
        senders = [opened(browser, deed) for browser, deed in zip(browsers, deeds, strict=True)]
        before = told(entity_id)
        with meeting_after_the_look_at_the_version(class_, entity_id, monkeypatch):
            answers = at_once(senders)
    assert sorted(answer.status_code for answer in answers) == [303, 409], [text_of(one)[:300] for one in answers]
    winner, loser = (deeds if answers[0].status_code == 303 else deeds[::-1])  # fmt: skip
    late = next(answer for answer in answers if answer.status_code == 409)
    assert f"Somebody changed this {class_.label}" in text_of(late)
    # Nothing that was typed is lost: the page holds it, with the version on which it can be saved after all.
    kept = forms_of(late.get_data(as_text=True))
    assert kept[loser.url or loser.page]["version"] == str(standing(class_, entity_id).version)
    for typed in loser.typed.values():
        assert typed in late.get_data(as_text=True)
    assert getattr(standing(class_, entity_id), winner.column) == winner.leaves
    new = told(entity_id)[len(before) :]
    assert new, "The first one's change was told."
    assert len({row.correlation_id for row in new}) == 1
    assert {row.meta["actorId"] for row in new} == {str(winner.who.user_id)}


def signed_in(app: Flask, deed: Deed) -> FlaskClient:
    client = app.test_client()
    make.sign_in(client, deed.who)
    return client


def opened(client: FlaskClient, deed: Deed) -> Callable[[], TestResponse]:
    """Open the page and return what sends its form."""
    page = client.get(deed.page)
    assert page.status_code == 200, text_of(page)
    hidden = forms_of(page.get_data(as_text=True))[deed.url]
    assert hidden["version"], f"The form on {deed.page} carries no version."
    return lambda: client.post(deed.url or deed.page, data={**hidden, **deed.typed})


@contextlib.contextmanager
def meeting_after_the_look_at_the_version(
    class_: type[Aggregate], entity_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    barrier, expect = threading.Barrier(2), Aggregate.expect

    def wait(self: Aggregate, version: int | None) -> None:
        expect(self, version)
        if isinstance(self, class_) and self.id == entity_id:
            # Broken where the other one waits for this one's transaction: then it goes first.
            with contextlib.suppress(threading.BrokenBarrierError):
                barrier.wait(timeout=0.2)

    with monkeypatch.context() as patched:
        patched.setattr(Aggregate, "expect", wait)
        yield


def at_once(calls: list[Callable[[], TestResponse]]) -> list[TestResponse]:
    answers: dict[int, TestResponse] = {}

    def run(number: int, call: Callable[[], TestResponse]) -> None:
        answers[number] = call()

    threads = [
        threading.Thread(target=contextvars.copy_context().run, args=(run, number, call))
        for number, call in enumerate(calls)
    ]
    db.session.rollback()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [answers[number] for number in sorted(answers)]


def standing(class_: type[Aggregate], entity_id: UUID) -> Any:
    db.session.rollback()
    return db.session.get_one(class_, entity_id, populate_existing=True)


def told(entity_id: UUID) -> list[EventRow]:
    db.session.rollback()
    statement = select(EventRow).where(EventRow.aggregate_id == entity_id).order_by(EventRow.aggregate_seq)
    return list(db.session.scalars(statement))
