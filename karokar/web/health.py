"""Can this process serve? Asked by load balancers, by the start command and by the health page."""

from dataclasses import dataclass

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from karokar.config import PROJECT
from karokar.kernel.db import db
from karokar.kernel.ports import ports
from karokar.kernel.settings import settings
from karokar.outbox import wakeup


@dataclass(frozen=True)
class Check:
    """One thing that serving needs."""

    name: str
    is_ok: bool
    sentence: str


def readiness() -> list[Check]:
    """Return what serving needs and how each of it stands. Raises nothing."""
    checks = [_database()]
    if checks[0].is_ok:
        checks.append(_migrations())
    if all(check.is_ok for check in checks):
        checks += _examples()
    if settings().event_bus_dispatcher == "worker" and settings().redis_url:
        checks.append(_redis())
    return checks


def _database() -> Check:
    try:
        db.session.execute(text("select 1"))
    except SQLAlchemyError as error:
        db.session.rollback()
        return Check("database", False, f"The database does not answer: {type(error).__name__}.")
    return Check("database", True, "ok")


def _migrations() -> Check:
    wanted = set(ScriptDirectory(str(PROJECT / "migrations")).get_heads())
    found = set(MigrationContext.configure(db.session.connection()).get_current_heads())
    if found == wanted:
        return Check("migrations", True, "ok")
    return Check("migrations", False, "The database is of another version: run `flask db upgrade`.")


def _examples() -> list[Check]:
    """Say that there are accounts whose password everybody knows; nothing about an installation without them."""
    if settings().demo:
        return [Check("demo", True, "The demo is on: everybody knows the password of its accounts.")]
    if ports().sign_in.has_example_accounts():
        return [Check("demo", True, "There are example accounts. They cannot sign in while the demo is off.")]
    return []


def _redis() -> Check:
    try:
        is_there = wakeup.ping()
    except Exception as error:  # noqa: BLE001 - whatever stands between us and Redis
        return Check(
            "redis", False, f"Redis does not answer: {type(error).__name__}. Events still flow through the relay."
        )
    return Check("redis", is_there, "ok" if is_there else "Redis does not answer. Events still flow through the relay.")
