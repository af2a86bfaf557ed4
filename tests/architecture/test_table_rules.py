"""Whose table it is holds, and each way around it is named, with the way out."""

from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import ForeignKey
from sqlalchemy.orm import DeclarativeBase, Mapped, Mapper, mapped_column, relationship

from karokar.config import PROJECT
from karokar.contexts import CONTEXTS
from karokar.kernel.db import Base
from tests.architecture import table_rules
from tests.architecture.conftest import Rule, unnoticed

RAW = "SQL as text may name any table"
ROLES = ("handlers", "actions", "queries", "models", "views", "rules", "api", "cli")

BREACHES: dict[Rule, list[tuple[str, str, str]]] = {
    table_rules.nobody_names_a_table_as_text: [
        *(
            (f"karokar/fleet/{role}", "from sqlalchemy import text\ndef planted(session):\n    session.execute(text('delete from bookings'))", RAW)
            for role in ROLES
        ),
        ("karokar/fleet/handlers", "from sqlalchemy import text as sql\nsql('update bookings set status = 1')", RAW),
        ("karokar/fleet/handlers", "import sqlalchemy as sa\nsa.text('delete from bookings')", RAW),
        ("karokar/fleet/handlers", "import sqlalchemy.sql\nsqlalchemy.sql.text('delete from bookings')", RAW),
        ("karokar/fleet/handlers", "import sqlalchemy as sa\ngetattr(sa, 'text')('delete from bookings')", RAW),
        ("karokar/fleet/handlers", "from karokar.fleet.models import text\ndef planted(what):\n    text(what)", RAW),
        ("karokar/fleet/handlers", "from sqlalchemy import text\nTABLE = 'bookings'\ntext(f'delete from {TABLE}')", RAW),
        ("karokar/fleet/handlers", "from sqlalchemy import text\nraw = text\nraw('delete from bookings')", RAW),
        ("karokar/fleet/handlers", "from sqlalchemy import text\nlist(map(text, ['delete from bookings']))", RAW),
        ("karokar/fleet/handlers", "from sqlalchemy import table\ntable('bookings').delete()", "table() names a table as text"),
        ("karokar/fleet/handlers", "from sqlalchemy.sql.expression import table as t\nt('bookings').delete()", "table() names a table as text"),
        ("karokar/fleet/actions", "import sqlalchemy as sa\nsa.Table('bookings', sa.MetaData())", "Table() names a table as text"),
        ("karokar/fleet/queries", "from sqlalchemy import literal_column\nliteral_column('(select 1 from bookings)')", "literal_column() names a table"),
        ("karokar/fleet/handlers", "from sqlalchemy import MetaData\nMetaData()", "MetaData() names a table"),
        ("karokar/fleet/handlers", "def planted(db):\n    db.session.connection().exec_driver_sql('delete from bookings')", "exec_driver_sql runs SQL that no rule sees"),
        ("karokar/fleet/handlers", "def planted(db):\n    getattr(db.session.connection(), 'exec_driver_sql')('delete from bookings')", "exec_driver_sql runs SQL that no rule sees"),
        ("karokar/fleet/handlers", "def planted(db):\n    db.engine.raw_connection()", "raw_connection runs SQL"),
        ("karokar/fleet/handlers", "def planted(c):\n    c.connection.cursor().execute('delete from bookings')", "cursor runs SQL"),
        ("karokar/fleet/handlers", "def planted(c):\n    run = c.connection.driver_connection.execute", "driver_connection runs SQL"),
        ("karokar/fleet/handlers", "import psycopg", "psycopg goes past SQLAlchemy"),
        ("karokar/fleet/actions", "from sqlite3 import connect", "sqlite3 goes past SQLAlchemy"),
        ("karokar/web", "from sqlalchemy import text\ntext('delete from bookings')", RAW),
        ("karokar/runs", "from sqlalchemy import text\ntext('delete from bookings')", RAW),
        ("karokar/files", "from sqlalchemy import text\ntext('delete from bookings')", RAW),
    ],
    table_rules.no_statement_as_text_is_about_a_contexts_table: [
        ("karokar/outbox", "CLEAR = 'delete from bookings where id = :id'", "SQL about bookings, a table of booking"),
        ("karokar/outbox", "CLEAR = 'select 1 from events e join \"vehicles\" v on true'", "SQL about vehicles, a table of fleet"),
        ("karokar/kernel", "CLEAR = 'UPDATE users SET x = 1'", "SQL about users, a table of identity"),
        ("karokar/supervisor", "def planted(x):\n    return f'insert into organizations values ({x})'", "SQL about organizations"),
        ("karokar/fleet/handlers", "CLEAR = ('delete ' 'from bookings')", "SQL about bookings"),
    ],
    table_rules.aggregates_of_others_are_out_of_reach: [
        *(
            (f"karokar/fleet/{role}", "from {AGGREGATES} import AGGREGATES\ndef planted(db, id):\n    db.session.get(AGGREGATES['Booking'], id).status = 'GONE'", "AGGREGATES reaches every context's aggregates")
            for role in ROLES
        ),
        ("karokar/fleet/handlers", "from {AGGREGATES} import AGGREGATES as known\nknown.get('Booking')", "AGGREGATES reaches"),
        ("karokar/fleet/handlers", "import {AGGREGATES} as base\nbase.AGGREGATES['Booking']", "AGGREGATES reaches"),
        ("karokar/fleet/handlers", "import {AGGREGATES} as base\ngetattr(base, 'AGGREGATES')['Booking']", "AGGREGATES reaches"),
        ("karokar/fleet/handlers", "from karokar.outbox.monitoring import verify\nverify.AGGREGATES['Booking']", "AGGREGATES reaches"),
        ("karokar/fleet/views", "from {AGGREGATES} import Base\nBase.metadata.tables['bookings']", "metadata of the base reaches every context's tables"),
        ("karokar/fleet/handlers", "from {AGGREGATES} import Base as B\nlist(B.registry.mappers)", "registry of the base reaches"),
        ("karokar/fleet/handlers", "from {AGGREGATES} import Aggregate\nAggregate.__subclasses__()", "__subclasses__"),
        ("karokar/fleet/handlers", "from karokar.fleet.models import Vehicle\nVehicle.metadata.tables['bookings']", "finds tables by name"),
        ("karokar/fleet/handlers", "from karokar.fleet.models import Vehicle\nVehicle.registry._class_registry['Booking']", "_class_registry finds classes by name"),
        ("karokar/web", "from {AGGREGATES} import AGGREGATES\nAGGREGATES['Booking']", "AGGREGATES reaches"),
        ("karokar/runs", "from {AGGREGATES} import AGGREGATES\nAGGREGATES['Booking']", "AGGREGATES reaches"),
    ],
    table_rules.relationships_stay_at_home: [
        ("karokar/fleet/models", "from sqlalchemy.orm import relationship\nclass V:\n    bookings = relationship('Booking', primaryjoin='V.id == foreign(Booking.vehicle_id)')", "a relationship with Booking, a class of booking"),
        ("karokar/fleet/models", "from sqlalchemy.orm import Mapped, relationship as to\nclass V:\n    bookings: Mapped[list['Booking']] = to(viewonly=True)", "a relationship with Booking"),
        ("karokar/fleet/models", "import sqlalchemy.orm as orm\nclass V:\n    bookings = orm.relationship('karokar.booking.models.Booking')", "a relationship with Booking"),
    ],
    table_rules.only_the_application_loads_modules_by_name: [
        ("karokar/fleet/handlers", "from importlib import import_module\nimport_module('karokar.booking.models')", "imports past the contracts"),
        ("karokar/fleet/handlers", "import importlib as i\ni.import_module('karokar.booking.models')", "imports past the contracts"),
        ("karokar/fleet/handlers", "__import__('karokar.booking.models')", "imports past the contracts"),
        ("karokar/fleet/handlers", "import sys\nsys.modules['karokar.booking.models']", "imports past the contracts"),
        ("karokar/fleet/handlers", "from werkzeug.utils import import_string\nimport_string('karokar.booking.models')", "imports past the contracts"),
        ("karokar/outbox", "import importlib\nimportlib.import_module('karokar.booking.models')", "imports past the contracts"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("rule", table_rules.RULES, ids=lambda rule: rule.__name__)
def test_tables_belong_to_their_contexts(rule: Rule):
    assert rule(PROJECT) == []


@pytest.mark.parametrize("rule", table_rules.RULES, ids=lambda rule: rule.__name__)
def test_every_way_around_whose_table_it_is_is_named(rule: Rule, copy_of_the_project: Path):
    assert BREACHES[rule]
    assert unnoticed(copy_of_the_project, rule, BREACHES[rule]) == []
    assert rule(copy_of_the_project) == []


def test_a_statement_without_a_table_may_be_text(copy_of_the_project: Path):
    plain = [("karokar/web", "from sqlalchemy import text\ntext('select 1')", RAW)]
    assert unnoticed(copy_of_the_project, table_rules.nobody_names_a_table_as_text, plain) != []


# What is put together when the application runs -----------------------------------------------------------------------


def relationships_that_leave(mappers: list[Mapper[Any]]) -> list[str]:
    """Relationships, however they are declared, that lead from one context's class to another's."""
    return [
        f"{mapper.class_.__name__}.{one.key} → {one.mapper.class_.__name__}"
        for mapper in mappers
        for one in mapper.relationships
        if mapper.class_.__module__.split(".")[1:2] != one.mapper.class_.__module__.split(".")[1:2]
    ]


def test_no_relationship_leaves_a_context(app: Flask):
    mappers = list(Base.registry.mappers)
    assert {mapper.class_.__module__.split(".")[1] for mapper in mappers} >= set(CONTEXTS)
    assert any(mapper.relationships for mapper in mappers)
    assert relationships_that_leave(mappers) == []


def test_a_relationship_that_leaves_is_found():
    class Own(DeclarativeBase):
        pass

    class Vehicle(Own):
        __tablename__ = "vehicles"
        __module__ = "karokar.fleet.models"
        id: Mapped[int] = mapped_column(primary_key=True)

    class Booking(Own):
        __tablename__ = "bookings"
        __module__ = "karokar.booking.models"
        id: Mapped[int] = mapped_column(primary_key=True)
        vehicle_id: Mapped[int] = mapped_column(ForeignKey("vehicles.id"))
        vehicle = relationship(Vehicle)

    assert relationships_that_leave(list(Own.registry.mappers)) == ["Booking.vehicle → Vehicle"]
