"""The rules about events hold, and each breach of them is named, with the way out."""

import dataclasses
from importlib import import_module
from pathlib import Path

import pytest
from flask import Flask

from karokar.config import PROJECT
from karokar.events.base import LATEST
from tests.architecture import event_rules
from tests.architecture.conftest import Rule, planted, unnoticed
from tests.architecture.source import House

CALLED = event_rules.every_event_is_published_by_somebody

EVENT = '''
@fact("VehiclePainted", "painted the vehicle", stream="vehicle_id")
class VehiclePainted(_OfVehicle, frozen=True, kw_only=True):
    """Sent when a vehicle was painted."""
'''
PAINTED = "\nfrom karokar.events.fleet import VehiclePainted\ndef paint_it(at):\n    return VehiclePainted(at=at)\n"
IMPORTS = """
from karokar.administration.models import DailyFact, ReportedUse, ReportedVehicle
from karokar.audit.models import AuditRecord
from karokar.events.booking import BookingActivated
from karokar.events.fleet import VehicleUpdated
from karokar.fleet.models import VehicleDriver
from karokar.kernel.db import db
from {handles} import handles
"""
ON_UPDATE = IMPORTS + '@handles(VehicleUpdated, description="x")\ndef planted(envelope):\n    '
DECLARES = 'from {handles} import handles\n@handles("Booking*", description="x")\ndef planted(envelope): ...'

BREACHES: dict[Rule, list[tuple[str, str, str]]] = {
    event_rules.only_actions_and_handlers_publish: [
        *(
            (f"karokar/booking/{role}", "from {publish} import publish\npublish(fact)", f"publish() in {role}.")
            for role in ("views", "models", "queries", "forms", "rules", "circumstances", "permissions", "api", "cli")
        ),
        ("karokar/web", "from {publish} import publish as tell\ntell(fact)", "publish() in"),
        ("karokar/runs", "import {publish} as bus\nbus.publish(fact)", "publish() in"),
        ("karokar/demo", "import {publish} as bus\nbus.publish(fact)", "publish() in"),
        ("karokar/fleet/views", "import {publish}\n{publish}.publish(fact)", "publish() in"),
        ("karokar/pages/vehicles", "import {publish}\n{publish}.publish(fact)", "publish() in"),
        ("karokar/fleet/views", "import {publish} as bus\ngetattr(bus, 'publish')(fact)", "publish() in"),
        ("karokar/fleet/views", "from karokar.fleet.actions.maintenance import publish\npublish(1)", "publish() in"),
        ("karokar/fleet/views", "from karokar.fleet.actions import maintenance\nsay = maintenance.publish\nsay(1)", "publish() in"),
        ("karokar/fleet/views", "def f():\n    from {publish} import publish\n    publish(1)", "publish() in"),
        ("karokar/fleet/actions", "from {publish} import published\npublished.send(int, event=1)", "past publish()"),
        ("karokar/fleet/views", "import {publish} as bus\nbus.published.send(int, event=1)", "past publish()"),
        ("karokar/fleet/handlers", "from {publish} import published\npublished.connect(print)", "listens to the signal itself"),
        ("karokar/fleet/actions", "import blinker\nmoved = blinker.Signal()", "a signal of its own"),
        ("karokar/fleet/views", "from blinker import Namespace", "a signal of its own"),
    ],
    event_rules.reactions_are_declared_in_handlers: [
        *((f"karokar/{role}", DECLARES, "outside of a context's handlers.py")
          for role in ("fleet/actions", "fleet/views", "fleet/models", "web", "outbox", "runs", "demo")),
        ("karokar/fleet/actions", 'import {handles} as to\nto.handles("Booking*", description="x")(print)', "outside of a context's"),
        ("karokar/fleet/actions", 'from karokar.fleet.handlers import handles as on\non("Booking*", description="x")(print)', "outside of a context's"),
        ("karokar/fleet/actions", 'import {handles} as to\ngetattr(to, "handles")("Booking*", description="x")(print)', "outside of a context's"),
        ("karokar/fleet/actions", 'from {handles} import Handler\nHandler(name="fleet.x")', "made by hand"),
        ("karokar/fleet/actions", 'from {handles} import HANDLERS\nHANDLERS["fleet.x"] = 1', "by hand"),
        ("karokar/fleet/actions", "import {handles} as to\nto.HANDLERS.update(x=1)", "by hand"),
    ],
    event_rules.nobody_reacts_to_its_own_events: [
        ("karokar/fleet/handlers", ON_UPDATE + "...", "planted reacts to VehicleUpdated, which fleet itself publishes"),
        ("karokar/fleet/handlers", IMPORTS + 'from karokar.events import fleet as facts\n@handles(facts.VehicleRetired, description="x")\ndef planted(envelope): ...', "VehicleRetired"),
        ("karokar/fleet/handlers", IMPORTS + 'from karokar.events.fleet import VehicleRetired as Gone\n@handles(Gone, description="x")\ndef planted(envelope): ...', "VehicleRetired"),
        ("karokar/fleet/handlers", IMPORTS + '@handles("Vehicle*", description="x")\ndef planted(envelope): ...', "VehicleRetired"),
        ("karokar/fleet/handlers", IMPORTS + '@handles(*["VehicleRetired"], description="x")\ndef planted(envelope): ...', "VehicleRetired"),
        ("karokar/fleet/handlers", IMPORTS + '@handles(producer="fleet", description="x")\ndef planted(envelope): ...', "every event of fleet"),
    ],
    event_rules.only_the_producer_makes_its_events: [
        ("karokar/fleet/actions", "from karokar.events.booking import BookingApproved as Fact\nFact()", "BookingApproved is booking's to say"),
        ("karokar/fleet/actions", "from karokar.events import booking\nbooking.BookingApproved()", "booking's to say"),
        ("karokar/fleet/actions", "import karokar.events.booking as facts\nfacts.BookingApproved()", "booking's to say"),
        ("karokar/fleet/actions", "import karokar.events.booking as facts\nMade = facts.BookingApproved\nMade()", "booking's to say"),
        ("karokar/fleet/actions", "import karokar.events.booking as facts\ngetattr(facts, 'BookingApproved')()", "booking's to say"),
        ("karokar/fleet/actions", "from karokar.booking.models.booking import BookingApproved\nBookingApproved()", "booking's to say"),
        ("karokar/fleet/actions", "from {fact} import LATEST\nLATEST['BookingApproved']()", "looked up by name"),
        ("karokar/web", "from karokar.events.delivery import ReplayStarted\nReplayStarted()", "outbox's to say"),
    ],
    event_rules.every_event_is_published_by_somebody: [
        ("karokar/events/fleet.py", EVENT, "VehiclePainted is never made"),
    ],
    event_rules.a_projection_is_the_only_writer_of_its_tables: [
        ("karokar/administration/handlers", ON_UPDATE + "db.session.add(DailyFact(id=1))", "planted touches DailyFact, the table of the projection count_day"),
        ("karokar/administration/handlers", ON_UPDATE + "row = db.session.get(ReportedUse, 1)\n    row.back_at = None", "planted touches ReportedUse"),
        ("karokar/administration/handlers", IMPORTS + 'Other = ReportedVehicle\ndef _change():\n    db.session.get(Other, 1).label = "x"\n@handles(VehicleUpdated, description="x")\ndef planted(envelope):\n    _change()', "planted touches ReportedVehicle"),
        ("karokar/administration/handlers", IMPORTS + 'from karokar.administration import models\n@handles(VehicleUpdated, effect="action", description="x")\ndef planted(envelope):\n    db.session.execute(models.DailyFact.__table__.delete())', "planted touches DailyFact"),
        ("karokar/fleet/handlers", IMPORTS + '@handles(BookingActivated, description="x")\ndef planted(envelope):\n    db.session.add(VehicleDriver())', "the table of the projection know_driver"),
        ("karokar/fleet/actions", "from karokar.fleet.models import VehicleDriver\ndef planted():\n    return VehicleDriver()", "planted touches VehicleDriver"),
        ("karokar/availability/actions", "from sqlalchemy import delete\nfrom karokar.availability.models import AvailabilityBlock\ndef planted():\n    return delete(AvailabilityBlock)", "planted touches AvailabilityBlock"),
        ("karokar/audit/handlers.py", '@handles("Booking*", description="x")\ndef planted(envelope):\n    insert_missing(AuditRecord, [])', "writes AuditRecord, which another projection writes as well"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("rule", event_rules.RULES, ids=lambda rule: rule.__name__)
def test_the_house_keeps_its_rules_about_events(rule: Rule):
    assert rule(PROJECT) == []


@pytest.mark.parametrize("rule", event_rules.RULES, ids=lambda rule: rule.__name__)
def test_every_breach_of_a_rule_about_events_is_named(rule: Rule, copy_of_the_project: Path):
    assert BREACHES[rule]
    assert unnoticed(copy_of_the_project, rule, BREACHES[rule]) == []
    assert rule(copy_of_the_project) == []


def test_an_event_that_only_an_uncalled_action_makes_is_found(copy_of_the_project: Path):
    root = copy_of_the_project
    with planted(root, "karokar/events/fleet.py", EVENT), planted(root, "karokar/fleet/models.py", PAINTED):
        assert "is made in fleet.paint_it, which no page" in "".join(CALLED(root))
        with planted(root, "karokar/fleet/actions/odometer.py", "def repaint():\n    publish(paint_it(1))"):
            assert "is made in fleet.paint_it, which no page" in "".join(CALLED(root))
            with planted(
                root, "karokar/demo/story.py", "from karokar.fleet.actions import odometer\nodometer.repaint()"
            ):
                assert "is made in fleet.paint_it, which no page" in "".join(CALLED(root))
            with planted(
                root,
                "karokar/fleet/views/visibility.py",
                "from karokar.fleet import actions\ndef paint():\n    actions.repaint()",
            ):
                assert CALLED(root) == []
            with planted(root, "karokar/fleet/actions/maintenance.py", "@every(60)\ndef paint_on():\n    repaint()"):
                assert CALLED(root) == []


def test_an_event_that_is_only_reacted_to_is_not_made(copy_of_the_project: Path):
    root = copy_of_the_project
    reaction = 'from karokar.events.fleet import VehiclePainted\n@handles(VehiclePainted, description="x")\ndef planted(envelope): ...'
    asks = "from karokar.events.fleet import VehiclePainted\ndef is_paint(x: VehiclePainted) -> bool:\n    return isinstance(x, VehiclePainted)"
    with (
        planted(root, "karokar/events/fleet.py", EVENT),
        planted(root, "karokar/booking/handlers.py", reaction),
        planted(root, "karokar/fleet/actions/odometer.py", asks),
    ):
        assert "VehiclePainted is never made" in "".join(CALLED(root))


def test_a_promise_that_is_kept_comes_off_the_list(copy_of_the_project: Path):
    made = "from karokar.events.administration import BackupCompleted\ndef tell_backup():\n    return BackupCompleted()"
    with planted(copy_of_the_project, "karokar/administration/actions.py", made):
        assert "Take it off PROMISED" in "".join(CALLED(copy_of_the_project))


# What is put together when the application runs -----------------------------------------------------------------------


def own_events(handlers) -> list[str]:
    """What handlers, by name, are given that their own context publishes: selectors may be computed."""
    packages = event_rules.PRODUCER_PACKAGES
    return [
        f"{handler.name} reacts to {name}, which its own context publishes"
        for handler in handlers
        if event_rules.ALL_EVENTS not in handler.selectors
        for name in sorted(handler.event_types())
        if packages.get(LATEST[name].producer, LATEST[name].producer) == handler.name.partition(".")[0]
    ]


def declared():
    return import_module(House(PROJECT).defining("handles", "HANDLERS")).HANDLERS


def test_no_handler_is_given_its_own_contexts_events(app: Flask):
    ours = {name: one for name, one in declared().items() if one.function.__module__.startswith("karokar.")}
    assert ours
    assert own_events(ours.values()) == []


def test_a_handler_whose_computed_selectors_mean_its_own_events_is_found(app: Flask):
    one = declared()["booking.note_vacancy"]
    planted_one = dataclasses.replace(one, selectors=tuple(f"{word}Approved" for word in ("Booking",)))
    assert own_events([planted_one]) == [
        "booking.note_vacancy reacts to BookingApproved, which its own context publishes"
    ]
