"""The import contracts hold, and each of them fails where it is broken: a rule that never failed is not a rule."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from karokar.config import PROJECT
from karokar.contexts import CONTEXTS

LAYERS = "Who stands on whom: each layer knows only those below it"
ASK = "Others may ask {} through its facts; nothing else of it is theirs to know"
ENGINE = (
    "Inside the engine: reading, monitoring and operations stand on delivery, "
    "delivery on the store, the store on the tables"
)
PURE = "Rules are pure decisions: no framework, no database, no queue"
NO_WEB = "What decides and stores knows no web: actions, models, queries, rules, handlers, events"
NO_QUEUE = "Only outbox and worker know Redis and RQ"

# Contract → what is planted (file → line) → how the report names it.
PLANTED = {
    LAYERS: [
        (
            "karokar/kernel/planted.py",
            "from karokar.events import base",
            "karokar.kernel.planted -> karokar.events.base",
        ),
        (
            "karokar/events/planted.py",
            "from karokar.outbox import recorder",
            "karokar.events.planted -> karokar.outbox",
        ),
        ("karokar/web/planted.py", "from karokar.booking import facts", "karokar.web.planted -> karokar.booking"),
        ("karokar/strays/__init__.py", '"""Named by nobody."""', "strays"),
    ],
    ENGINE: [
        (
            "karokar/outbox/delivery/planted.py",
            "from karokar.outbox.operations import actions",
            "karokar.outbox.delivery.planted -> karokar.outbox.operations.actions",
        ),
        (
            "karokar/outbox/delivery/planted.py",
            "from karokar.outbox.processes import relay",
            "karokar.outbox.delivery.planted -> karokar.outbox.processes.relay",
        ),
        (
            "karokar/outbox/reading/planted.py",
            "from karokar.outbox.monitoring import overview",
            "karokar.outbox.reading.planted -> karokar.outbox.monitoring.overview",
        ),
        (
            "karokar/outbox/monitoring/planted.py",
            "from karokar.outbox.operations import actions",
            "karokar.outbox.monitoring.planted -> karokar.outbox.operations.actions",
        ),
        (
            "karokar/outbox/store/planted.py",
            "from karokar.outbox.delivery import deferred",
            "karokar.outbox.store.planted -> karokar.outbox.delivery.deferred",
        ),
        ("karokar/outbox/vagrants/__init__.py", '"""Named by nobody."""', "vagrants"),
    ],
    PURE: [
        ("karokar/booking/rules.py", "import sqlalchemy", "karokar.booking.rules -> sqlalchemy"),
        ("karokar/fleet/rules.py", "import flask", "karokar.fleet.rules -> flask"),
        ("karokar/assignment/rules.py", "from karokar.kernel import db", "karokar.kernel.db -> flask_sqlalchemy"),
    ],
    NO_WEB: [
        ("karokar/booking/actions.py", "import flask", "karokar.booking.actions -> flask"),
        ("karokar/fleet/models.py", "import wtforms", "karokar.fleet.models -> wtforms"),
        ("karokar/audit/handlers.py", "import flask", "karokar.audit.handlers -> flask"),
        ("karokar/identity/queries.py", "import flask_login", "karokar.identity.queries -> flask_login"),
        ("karokar/events/planted.py", "import flask", "karokar.events.planted -> flask"),
        ("karokar/booking/actions.py", "import werkzeug", "karokar.booking.actions -> werkzeug"),
        ("karokar/fleet/queries.py", "import karokar.web", "karokar.fleet.queries -> karokar.web"),
    ],
    NO_QUEUE: [
        ("karokar/booking/actions.py", "import redis", "karokar.booking.actions -> redis"),
        ("karokar/web/planted.py", "import rq", "karokar.web.planted -> rq"),
    ],
}
for context, other in zip(CONTEXTS, (*CONTEXTS[1:], CONTEXTS[0]), strict=True):
    PLANTED[ASK.format(context)] = [
        (
            f"karokar/{other}/planted.py",
            f"import karokar.{context}.{file}",
            f"karokar.{other}.planted -> karokar.{context}.{file}",
        )
        for file in ("models", "actions", "handlers", "rules", "queries")
    ]


def contracts() -> list[str]:
    configured = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    return [contract["name"] for contract in configured["tool"]["importlinter"]["contracts"]]


def check(root: Path) -> str:
    """Run the linter on a tree; its report, with line breaks taken out."""
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
        cwd=root,
        env={"PYTHONPATH": str(root), "PATH": "/usr/bin:/bin", "COLUMNS": "500"},
        capture_output=True,
        text=True,
        check=False,
    )
    return " ".join((done.stdout + done.stderr).split())


def copy_of_the_project(to: Path) -> Path:
    ignore = shutil.ignore_patterns("__pycache__", "vendor")
    shutil.copytree(PROJECT / "karokar", to / "karokar", ignore=ignore)
    shutil.copy(PROJECT / "pyproject.toml", to)
    return to


@pytest.fixture(scope="module")
def report_on_planted(tmp_path_factory: pytest.TempPathFactory) -> str:
    root = copy_of_the_project(tmp_path_factory.mktemp("planted"))
    for context in CONTEXTS:
        for file in ("models", "actions", "handlers", "rules", "queries"):
            path = root / "karokar" / context / f"{file}.py"
            if not path.exists() and not path.with_suffix("").exists():
                path.write_text('"""Here so that it can be imported."""\n')
    for violations in PLANTED.values():
        for name, line, _ in violations:
            path = root / name
            # A role that became a package is broken in one of its files.
            path = path.with_suffix("") / "__init__.py" if path.with_suffix("").is_dir() else path
            path.parent.mkdir(exist_ok=True)
            with path.open("a", encoding="utf-8") as file:
                file.write(f"\n{line}\n")
    return check(root)


def test_the_contracts_hold(tmp_path: Path):
    report = check(copy_of_the_project(tmp_path))
    assert "0 broken" in report, report


def test_every_contract_is_proved_by_a_violation():
    assert sorted(contracts()) == sorted(PLANTED)


@pytest.mark.parametrize("contract", PLANTED)
def test_a_broken_contract_is_reported(contract: str, report_on_planted: str):
    assert f"{contract} BROKEN" in report_on_planted, report_on_planted[-5000:]
    for _, _, named in PLANTED[contract]:
        assert named in report_on_planted, f"{named} is missing in {report_on_planted}"
