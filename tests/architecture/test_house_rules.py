"""The house rules hold, and each of them fails where it is broken."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import Column, ForeignKey, Integer, MetaData, Table, Uuid

from karokar.config import PROJECT
from karokar.contexts import CONTEXTS
from karokar.kernel.db import Base
from karokar.kernel.permissions import PERMISSIONS, public
from karokar.web.guard import access_of
from tests.architecture import house_rules

Rule = Callable[[Path], list[str]]

# Rule → file → what is planted there → how it is reported. One rule may be broken in several ways.
PLANTED: list[tuple[Rule, str, str, str]] = [
    (house_rules.every_package_is_in_the_one_list, "karokar/insurance/__init__.py", '"""New."""', "karokar/insurance"),
    (house_rules.every_package_is_in_the_one_list, "karokar/insurance/models.py", "", "no __init__.py"),
    (house_rules.files_have_role_names, "karokar/booking/utils.py", "", "says nothing"),
    (house_rules.files_have_role_names, "karokar/kernel/helpers.py", "", "says nothing"),
    (house_rules.files_have_role_names, "karokar/booking/calendar.py", "", "named by its role"),
    (
        house_rules.packages_hold_a_docstring_and_no_code,
        "karokar/booking/__init__.py",
        '"""Doc."""\nimport os',
        "holds code",
    ),
    (house_rules.packages_hold_a_docstring_and_no_code, "karokar/fleet/__init__.py", "", "no docstring"),
    (house_rules.files_stay_readable, "karokar/booking/actions.py", "x = 1\n" * 451, "451 lines"),
    (
        house_rules.the_clock_is_the_only_source_of_time,
        "karokar/booking/actions.py",
        "import datetime\nat = datetime.datetime.now(None)",
        "datetime.datetime.now",
    ),
    (
        house_rules.the_clock_is_the_only_source_of_time,
        "karokar/booking/rules.py",
        "from datetime import date\nat = date.today()",
        "date.today",
    ),
    (
        house_rules.the_clock_is_the_only_source_of_time,
        "karokar/web/live.py",
        "import time\nat = time.time()",
        "time.time",
    ),
    (
        house_rules.only_the_kernel_and_the_engine_end_transactions,
        "karokar/booking/actions.py",
        "db.session.commit()",
        "db.session.commit",
    ),
    (
        house_rules.only_the_kernel_and_the_engine_end_transactions,
        "karokar/fleet/views.py",
        "db.session().begin_nested()",
        "begin_nested",
    ),
    (
        house_rules.views_leave_the_database_to_actions_and_queries,
        "karokar/booking/views.py",
        "db.session.add(1)",
        "db.session",
    ),
    (
        house_rules.queries_ask_their_own_tables,
        "karokar/booking/queries.py",
        "from karokar.booking import actions",
        "karokar.booking",
    ),
    (
        house_rules.queries_ask_their_own_tables,
        "karokar/booking/queries.py",
        "from karokar.fleet import queries",
        "karokar.fleet",
    ),
    (
        house_rules.queries_ask_their_own_tables,
        "karokar/booking/queries.py",
        "import karokar.web.forms",
        "karokar.web.forms",
    ),
    (
        house_rules.only_the_producer_makes_its_events,
        "karokar/fleet/actions.py",
        "from karokar.events.booking import BookingApproved as Fact\nFact()",
        "booking's to say",
    ),
    (
        house_rules.foreign_ids_name_their_owner,
        "karokar/booking/models.py",
        "class B:\n    vehicle_id: Mapped[UUID] = mapped_column()",
        "vehicle_id",
    ),
    (
        house_rules.templates_keep_the_content_security_policy,
        "templates/booking/show.html",
        '<p style="color: red">',
        "inline style",
    ),
    (
        house_rules.templates_keep_the_content_security_policy,
        "templates/booking/show.html",
        "<script>alert(1)</script>",
        "inline script",
    ),
    (
        house_rules.templates_keep_the_content_security_policy,
        "templates/booking/show.html",
        '<a onclick="x()">',
        "inline event handler",
    ),
    (house_rules.vendored_files_are_the_ones_in_the_manifest, "static/vendor/left.js", "1", "not in the manifest"),
    (
        house_rules.vendored_files_are_the_ones_in_the_manifest,
        "static/vendor/known.js",
        "changed",
        "not what the manifest says",
    ),
]


@pytest.mark.parametrize("rule", house_rules.RULES, ids=lambda rule: rule.__name__)
def test_the_house_keeps_its_rules(rule: Rule):
    assert rule(PROJECT) == []


def test_every_rule_is_proved_by_a_violation():
    assert {rule for rule, *_ in PLANTED} == set(house_rules.RULES)


@pytest.mark.parametrize(("rule", "name", "code", "named"), PLANTED)
def test_a_broken_rule_is_reported(rule: Rule, name: str, code: str, named: str, tmp_path: Path):
    for context in (*CONTEXTS, *house_rules.NOT_CONTEXTS):
        (tmp_path / "karokar" / context).mkdir(parents=True)
        (tmp_path / "karokar" / context / "__init__.py").write_text('"""A context."""\n')
    (tmp_path / "static/vendor").mkdir(parents=True)
    (tmp_path / "static/vendor/manifest").write_text(f"# SHA-256, file\n{'0' * 64}  known.js  package\n")
    if "known" in name or "left" in name:
        (tmp_path / "static/vendor/known.js").write_text("known")
    else:
        shutil.rmtree(tmp_path / "static")
    assert rule(tmp_path) in ([], ["static/vendor/known.js is not what the manifest says"])
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(code)
    assert any(named in line for line in rule(tmp_path)), rule(tmp_path)


# Rules about what the application is when it is put together ----------------------------------------------------------


def owner_of(table: Table, owners: dict[str, str]) -> str:
    return owners[table.name]


def keys_that_leave(metadata: MetaData, owners: dict[str, str]) -> list[str]:
    return [
        f"{table.name}.{key.parent.name} → {key.column.table.name}"
        for table in metadata.tables.values()
        for key in table.foreign_keys
        if owners.get(table.name) != owners.get(key.column.table.name)
    ]


def table_owners() -> dict[str, str]:
    owners = {}
    for mapper in Base.registry.mappers:
        package = mapper.class_.__module__.split(".")[1]
        owners.update({table.name: package for table in mapper.tables if isinstance(table, Table)})
    return owners


def test_no_foreign_key_leaves_a_context(app: Flask):
    assert keys_that_leave(Base.metadata, table_owners()) == []


def test_a_foreign_key_that_leaves_is_found():
    metadata = MetaData()
    Table("vehicles", metadata, Column("id", Uuid, primary_key=True))
    Table(
        "bookings", metadata, Column("id", Integer, primary_key=True), Column("vehicle_id", ForeignKey("vehicles.id"))
    )
    assert keys_that_leave(metadata, {"vehicles": "fleet", "bookings": "booking"}) == ["bookings.vehicle_id → vehicles"]


def test_every_route_declares_who_may_open_it(app: Flask):
    public(app.view_functions["static"])
    assert app.view_functions
    for endpoint in app.view_functions:
        access_of(app, endpoint)


def test_a_route_that_declares_nothing_is_found():
    bare = Flask("bare")
    bare.add_url_rule("/", "open", lambda: "")
    with pytest.raises(LookupError):
        access_of(bare, "open")


def test_every_permission_is_named_resource_and_action(app: Flask):
    assert all(code.count(".") == 1 and code == code.lower() for code in PERMISSIONS)
