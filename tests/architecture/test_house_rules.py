"""The house rules hold, and each of them fails where it is broken."""

import ast
import contextlib
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import Column, ForeignKey, Integer, MetaData, Table, Uuid

from karokar.config import PROJECT
from karokar.contexts import CONTEXTS
from karokar.kernel.db import Base
from karokar.kernel.permissions import PERMISSIONS, public
from karokar.web.requests.guard import access_of
from tests.architecture import house_rules
from tests.architecture.conftest import Rule, planted, unnoticed
from tests.architecture.source import House, at

MANIFEST = (PROJECT / "static/vendor/manifest").read_text(encoding="utf-8").splitlines()
VENDORED = next(f"static/vendor/{line.split()[1]}" for line in MANIFEST if ".js " in line)

BREACHES: dict[Rule, list[tuple[str, str, str]]] = {
    house_rules.every_package_is_in_the_one_list: [
        ("karokar/insurance/__init__.py", '"""New."""', "karokar/insurance is neither"),
        ("karokar/claims/models.py", "", "karokar/claims has no __init__.py"),
        ("karokar/losses/models/total.py", "", "karokar/losses has no __init__.py"),
    ],
    house_rules.files_have_role_names: [
        ("karokar/booking/utils.py", "", "says nothing"),
        ("karokar/kernel/helpers.py", "", "says nothing"),
        ("karokar/booking/calendar.py", "", "named by its role"),
        ("karokar/booking/calendar/days.py", "", "named by its role"),
    ],
    house_rules.files_in_packages_have_known_names: [
        ("karokar/booking/views/whereabouts.py", "", "whereabouts is not in SECOND_LEVEL"),
    ],
    house_rules.names_are_the_terms_of_the_field: [
        ("karokar/outbox/delivery", "def react():\n    pass", "react is called invoke now"),
        ("karokar/outbox/store", "class Trouble:\n    pass", "Trouble is called DeferredDelivery now"),
        ("karokar/outbox/delivery/careful.py", "", "is called isolated now"),
    ],
    house_rules.packages_hold_a_docstring_and_no_code: [
        ("karokar/booking/__init__.py", "import os", "holds code"),
        ("karokar/fleet/__init__.py", "", "no docstring"),
    ],
    house_rules.files_stay_readable: [("karokar/booking/actions", "x = 1\n" * 451, "make it a package")],
    house_rules.packages_stay_small: [("karokar/events", "", "karokar/events: 15 files, cut it into packages")],
    house_rules.the_clock_is_the_only_source_of_time: [
        ("karokar/booking/actions", "import datetime\nat = datetime.datetime.now(None)", "datetime.datetime.now tells the time"),
        ("karokar/booking/rules", "from datetime import date\nat = date.today()", "date.today tells the time"),
        ("karokar/booking/rules", "from datetime import datetime as d\nread = d.now\nat = read()", "datetime.now tells the time"),
        ("karokar/booking/models", "from datetime import datetime\nat = mapped_column(default=datetime.utcnow)", "utcnow tells the time"),
        ("karokar/booking/models", "from datetime import datetime\nat = getattr(datetime, 'now')()", "datetime.now tells the time"),
        ("karokar/booking/models", "from sqlalchemy import func\nat = mapped_column(server_default=func.now())", "func.now tells the time"),
        ("karokar/booking/queries", "import sqlalchemy as sa\nat = sa.func.current_timestamp()", "current_timestamp tells the time"),
        ("karokar/web", "import time\nat = time.time()", "time.time tells the time"),
        ("karokar/web", "from time import time\nat = time()", "time.time tells the time"),
        ("karokar/web", "from time import time_ns as t\nat = t()", "time.time_ns tells the time"),
        ("karokar/web", "import time as clock\nat = clock.gmtime()", "time.gmtime tells the time"),
    ],
    house_rules.only_the_kernel_and_the_engine_end_transactions: [
        ("karokar/booking/actions", "db.session.commit()", "commit() ends a transaction"),
        ("karokar/fleet/views", "db.session().begin_nested()", "begin_nested() ends a transaction"),
        ("karokar/fleet/actions", "s = db.session()\ns.commit()", "commit() ends a transaction"),
        ("karokar/fleet/handlers", "with db.engine.begin() as c: ...", "begin() ends a transaction"),
        ("karokar/fleet/handlers", "getattr(db.session, 'commit')()", "commit() ends a transaction"),
        ("karokar/web", "connection.begin(nested=True)", "begin() ends a transaction"),
    ],
    house_rules.views_leave_the_database_to_actions_and_queries: [
        ("karokar/booking/views", "from {AGGREGATES} import db\ndb.session.add(1)", "Move it into an action or a query"),
        ("karokar/booking/views", "from {AGGREGATES} import db as store\nstore.session.add(1)", "Move it into an action or a query"),
        ("karokar/booking/views", "from {AGGREGATES} import transaction\nwith transaction(): ...", "Move it into an action or a query"),
        ("karokar/booking/views", "from karokar.booking.queries.pages import select", "Move it into an action or a query"),
        ("karokar/booking/cli", "from sqlalchemy import select", "Move it into an action or a query"),
        ("karokar/pages/vehicles", "from sqlalchemy import select", "Move it into an action or a query"),
        ("karokar/booking/api", "import sqlalchemy.orm as orm\norm.object_session(1)", "Move it into an action or a query"),
    ],
    house_rules.queries_ask_their_own_tables: [
        ("karokar/booking/queries", "from karokar.booking import actions", "karokar.booking"),
        ("karokar/booking/queries", "from karokar.fleet import queries", "karokar.fleet"),
        ("karokar/booking/queries", "import karokar.web.forms.base", "karokar.web.forms.base"),
        ("karokar/booking/queries", "def f():\n    from karokar.booking.handlers import note_vacancy", "karokar.booking.handlers"),
    ],
    house_rules.foreign_ids_name_their_owner: [
        ("karokar/booking/models", "class B:\n    vehicle_id: Mapped[UUID] = mapped_column()", "vehicle_id"),
        ("karokar/booking/models", "class B:\n    vehicle_id: Mapped[UUID | None] = mapped_column()  # noqa: E501", "vehicle_id"),
        ("karokar/booking/models", "class B:\n    vehicle_id: Mapped[VehicleId]", "vehicle_id"),
    ],
    house_rules.templates_keep_the_content_security_policy: [
        ("templates/booking/a.html", '<p style="color: red">', "inline style"),
        ("templates/booking/b.html", "<p\nstyle = 'color: red'>", "inline style"),
        ("templates/booking/c.html", "<script>alert(1)</script>", "inline script"),
        ("templates/booking/d.html", "<script\n  defer>alert(1)</script>", "inline script"),
        ("templates/booking/e.html", '<a onclick="x()">', "inline event handler"),
        ("templates/booking/f.html", '<a\nonclick="x()">', "inline event handler"),
        ("templates/booking/g.html", '<a hx-on:click="x()">', "inline event handler"),
        ("templates/booking/h.html", '<a href="javascript:x()">', "a script as an address"),
    ],
    house_rules.a_status_changes_by_its_machine: [
        ("karokar/booking/models", "def end(self):\n    self.status = Status.CANCELLED.value", "a status by name"),
        ("karokar/fleet/models.py", "def f(self):\n    self.status, self.at = VehicleStatus.ACTIVE, 1", "a status by name"),
        ("karokar/booking/actions", "def f(booking):\n    booking.status = 'CANCELLED'", "a status by name"),
    ],
    house_rules.contexts_ask_each_other_where_they_must: [
        ("karokar/fleet/views", "from karokar.booking import facts as bookings", "booking and fleet ask each other"),
        ("karokar/organization/actions.py", "from karokar.verification.facts import is_covered", "ask each other"),
    ],
    house_rules.shared_code_knows_no_context: [
        ("karokar/web/shell", "WHERE = 'booking.show'", "booking.show is a context's page"),
        ("karokar/outbox/monitoring", "WHERE = {'url': 'administration.event'}", "is a context's page"),
        ("karokar/web/timeline", "GOOD = {'BookingApproved'}", "BookingApproved is an event"),
    ],
    house_rules.extensions_are_looked_up_in_the_kernel: [
        ("karokar/web/shell", "from flask import current_app\nREDIS = current_app.extensions['karokar.redis']", "by a name"),
        ("karokar/runs/views", "def f(app):\n    return app.extensions.get('karokar.queries')", "by a name"),
    ],
    house_rules.vendored_files_are_the_ones_in_the_manifest: [
        ("static/vendor/left.js", "1", "not in the manifest"),
        ("static/vendor/manifest", f"{'0' * 64}  gone.js  package", "static/vendor/gone.js is in the manifest only"),
        (VENDORED, "x", "is not what the manifest says"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("rule", house_rules.RULES, ids=lambda rule: rule.__name__)
def test_the_house_keeps_its_rules(rule: Rule):
    assert rule(PROJECT) == []


@pytest.mark.parametrize("rule", house_rules.RULES, ids=lambda rule: rule.__name__)
def test_every_breach_of_a_rule_is_reported(rule: Rule, copy_of_the_project: Path):
    assert BREACHES[rule]
    assert unnoticed(copy_of_the_project, rule, BREACHES[rule]) == []
    assert rule(copy_of_the_project) == []


@pytest.mark.parametrize("rule", house_rules.RULES, ids=lambda rule: rule.__name__)
def test_a_rule_that_finds_nothing_to_read_does_not_hold(rule: Rule, tmp_path: Path):
    (tmp_path / "karokar").mkdir()
    with contextlib.suppress(LookupError):
        assert rule(tmp_path) != []


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
    assert any(table.foreign_keys for table in Base.metadata.tables.values())
    assert set(table_owners().values()) >= set(CONTEXTS)
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
    assert PERMISSIONS
    assert all(code.count(".") == 1 and code == code.lower() for code in PERMISSIONS)


def named_pages(root: Path) -> dict[str, str]:
    """Every page that a task, figure, hit, link or entry names: endpoint → where."""
    return {
        keyword.value.value: at(module, node)
        for module in House(root)
        for node in module.nodes
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg == "endpoint" and isinstance(keyword.value, ast.Constant) and "." in str(keyword.value.value)
    }


def test_every_page_that_tasks_figures_and_hits_lead_to_exists(app: Flask):
    named = named_pages(PROJECT)
    assert len(named) > 30
    assert {endpoint: where for endpoint, where in named.items() if endpoint not in app.view_functions} == {}


def test_a_task_that_leads_nowhere_is_found(copy_of_the_project: Path):
    with planted(copy_of_the_project, "karokar/booking/queries/planted.py", "WaitingItem(endpoint='booking.gone')"):
        assert named_pages(copy_of_the_project)["booking.gone"].startswith("karokar/booking/queries/planted.py")
