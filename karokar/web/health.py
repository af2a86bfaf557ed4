"""Can this process serve? Asked by load balancers, by the start command and by the health page."""

from dataclasses import dataclass

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import current_app
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from karokar.kernel.db import db
from karokar.kernel.settings import settings
from karokar.web.asking import ask


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
    ping = current_app.extensions.get("karokar.redis_ping")
    if ping is not None and settings().event_bus_dispatcher == "worker" and settings().redis_url:
        checks.append(_redis(ping))
    return checks


def _database() -> Check:
    try:
        db.session.execute(text("select 1"))
    except SQLAlchemyError as error:
        db.session.rollback()
        return Check("database", False, f"The database does not answer: {type(error).__name__}.")
    return Check("database", True, "ok")


def _migrations() -> Check:
    directory = current_app.extensions["migrate"].directory
    wanted = set(ScriptDirectory(directory).get_heads())
    found = set(MigrationContext.configure(db.session.connection()).get_current_heads())
    if found == wanted:
        return Check("migrations", True, "ok")
    return Check("migrations", False, "The database is of another version: run `flask db upgrade`.")


def _examples() -> list[Check]:
    """Say that there are accounts whose password everybody knows; nothing about an installation without them."""
    if settings().demo:
        return [Check("demo", True, "The demo is on: everybody knows the password of its accounts.")]
    if ask("identity", "has_example_accounts", default=False):
        return [Check("demo", True, "There are example accounts. They cannot sign in while the demo is off.")]
    return []


def _redis(ping: object) -> Check:
    try:
        is_there = bool(ping()) if callable(ping) else False
    except Exception as error:  # noqa: BLE001 - whatever stands between us and Redis
        return Check(
            "redis", False, f"Redis does not answer: {type(error).__name__}. Events still flow through the relay."
        )
    return Check("redis", is_there, "ok" if is_there else "Redis does not answer. Events still flow through the relay.")
