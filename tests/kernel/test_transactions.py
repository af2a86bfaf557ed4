"""What an action promises, shown on an aggregate that exists in these tests only."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import MetaData, select, text
from sqlalchemy.orm import Mapped, mapped_column, registry

from karokar.kernel import clock
from karokar.kernel.actor import SYSTEM, Actor, Scope, acting_as, current_actor
from karokar.kernel.db import Aggregate, Base, action, after_commit, db, take_changes
from karokar.kernel.errors import NotFound, OrganizationNotActive, PermissionDenied, RuleBroken, StaleVersion
from karokar.kernel.ids import new_id
from karokar.kernel.permissions import PERMISSIONS, Permission, load, may

SCRATCH = MetaData()


class ScratchBase(Aggregate):
    """Keeps this file's table out of the application's metadata, so that migrations are compared without it."""

    __abstract__ = True
    registry = registry(metadata=SCRATCH, type_annotation_map=Base.registry.type_annotation_map)
    metadata = SCRATCH


class Crate(ScratchBase):
    __tablename__ = "test_crates"
    aggregate_type = "TestCrate"
    label = "crate"
    organization_id: Mapped[UUID]
    name: Mapped[str] = mapped_column(unique=True)
    weight: Mapped[int | None]
    packed_at: Mapped[datetime | None]
    secret: Mapped[str | None] = mapped_column(info={"personal": True})
    seen_at: Mapped[datetime | None] = mapped_column(info={"untracked": True})


OWN = new_id()
ELSEWHERE = new_id()


@pytest.fixture(autouse=True)
def crates(any_app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        PERMISSIONS, "crate.pack", Permission(code="crate.pack", description="Pack crates", vendor=Scope.OWN)
    )
    SCRATCH.create_all(db.engine)


def keeper(**changes: Any) -> Actor:
    values = {"organization_id": OWN, "organization_type": "VENDOR", "permissions": {"crate.pack": Scope.OWN}}
    return Actor(**{**values, **changes})


@action
def store(name: str = "first", organization_id: UUID = OWN) -> UUID:
    crate = Crate(name=name, organization_id=organization_id, weight=3)
    db.session.add(crate)
    take_changes(db.session(), crate)
    return crate.id


@action
def pack(crate_id: UUID, *, version: int | None = None, **values: Any) -> dict[str, Any]:
    crate = load(Crate, crate_id, "crate.pack", version=version)
    for name, value in values.items():
        setattr(crate, name, value)
    return take_changes(db.session(), crate)


def weight_of(crate_id: UUID) -> int | None:
    db.session.rollback()
    return db.session.scalars(select(Crate.weight).where(Crate.id == crate_id)).one()


def test_an_event_is_told_what_changed_from_what_to_what():
    crate_id = store()
    moment = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    assert pack(crate_id, weight=9, packed_at=moment) == {
        "weight": [3, 9],
        "packed_at": [None, "2026-03-29T01:30:00Z"],
    }


def test_what_is_personal_is_told_as_changed_without_its_values():
    assert pack(store(), secret="a name") == {"secret": {"personal": True}}


def test_a_value_set_to_what_it_was_has_not_changed():
    assert pack(store(), weight=3) == {}


def test_a_change_is_known_even_if_a_query_in_between_wrote_it_early():
    crate_id = store()

    @action
    def pack_and_look() -> dict[str, Any]:
        crate = load(Crate, crate_id, "crate.pack")
        crate.weight = 4
        db.session.scalars(select(Crate)).all()
        crate.weight = 5
        return take_changes(db.session(), crate)

    assert pack_and_look() == {"weight": [3, 5]}


def test_a_change_without_an_event_is_refused_and_leaves_nothing():
    crate_id = store()

    @action
    def pack_silently() -> None:
        load(Crate, crate_id, "crate.pack").weight = 100

    with pytest.raises(RuntimeError, match=r"Changed without an event: Crate \(weight\)"):
        pack_silently()
    assert weight_of(crate_id) == 3


def test_what_is_not_tracked_may_change_without_an_event():
    crate_id = store()

    @action
    def look_at() -> None:
        load(Crate, crate_id, "crate.pack").seen_at = clock.now()

    look_at()
    db.session.rollback()
    assert db.session.get_one(Crate, crate_id).seen_at is not None


def test_an_error_in_an_action_leaves_nothing_behind():
    crate_id = store()

    @action
    def pack_and_fail() -> None:
        pack(crate_id, weight=50)
        message = "The lid does not fit."
        raise ValueError(message)

    with pytest.raises(ValueError, match="lid"):
        pack_and_fail()
    assert weight_of(crate_id) == 3


def test_a_form_opened_before_somebody_elses_change_is_refused():
    crate_id = store()
    version = db.session.get_one(Crate, crate_id).version
    pack(crate_id, weight=4)
    with pytest.raises(StaleVersion):
        pack(crate_id, version=version, weight=5)
    assert weight_of(crate_id) == 4


def test_a_row_changed_by_another_connection_in_the_middle_is_never_overwritten():
    crate_id = store()

    @action
    def pack_late() -> None:
        crate = load(Crate, crate_id, "crate.pack")
        db.session.execute(text("UPDATE test_crates SET version = version + 1"))
        crate.weight = 5
        take_changes(db.session(), crate)

    with pytest.raises(StaleVersion):
        pack_late()
    assert weight_of(crate_id) == 3


def test_a_broken_constraint_becomes_the_refusal_that_the_action_names():
    store("twice")
    refusal = RuleBroken("NAME_TAKEN", "There is a crate of that name.")

    @action(refusals={"test_crates": refusal})
    def store_again() -> None:
        db.session.add(crate := Crate(name="twice", organization_id=OWN))
        take_changes(db.session(), crate)

    with pytest.raises(RuleBroken, match="NAME_TAKEN"):
        store_again()


def test_what_follows_a_commit_happens_once_and_not_after_an_error():
    rung: list[str] = []

    @action
    def store_and_ring(name: str, *, fails: bool) -> None:
        store(name)
        after_commit("bell", lambda: rung.append(name))
        after_commit("bell", lambda: rung.append(name))
        if fails:
            raise ValueError(name)

    store_and_ring("one", fails=False)
    with pytest.raises(ValueError, match="two"):
        store_and_ring("two", fails=True)
    store("three")
    assert rung == ["one"]


def test_another_tenants_row_does_not_exist():
    with acting_as(SYSTEM):
        crate_id = store(organization_id=ELSEWHERE)
    with acting_as(keeper()), pytest.raises(NotFound):
        pack(crate_id, weight=1)
    assert weight_of(crate_id) == 3


def test_who_does_not_hold_the_permission_is_told_so():
    crate_id = store()
    with acting_as(keeper(permissions={})), pytest.raises(PermissionDenied, match="pack crates"):
        pack(crate_id, weight=1)


def test_a_suspended_organization_can_only_do_what_is_left_to_it():
    crate_id = store()
    suspended = keeper(organization_status="SUSPENDED")
    assert not may("crate.pack", suspended)
    with acting_as(suspended), pytest.raises(OrganizationNotActive):
        pack(crate_id, weight=1)


def test_nobody_in_particular_is_the_system_only_outside_of_requests():
    assert current_actor() is SYSTEM


def test_a_time_without_a_zone_is_never_stored():
    crate_id = store()
    with pytest.raises(Exception, match="without a zone"):
        pack(crate_id, packed_at=datetime(2026, 1, 1))  # noqa: DTZ001 - the mistake itself


def test_a_time_comes_back_as_it_went_in():
    crate_id = store()
    moment = datetime(2026, 10, 25, 0, 59, 59, 123456, tzinfo=UTC)
    pack(crate_id, packed_at=moment)
    db.session.rollback()
    assert db.session.get_one(Crate, crate_id).packed_at == moment
