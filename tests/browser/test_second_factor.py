"""The pages between a right password and being in, which nobody can link to."""

import contextlib
import sqlite3
from dataclasses import replace

import pyotp
from sqlalchemy import select

from karokar.app import create_app
from karokar.identity.models import User
from karokar.kernel.db import db
from tests.browser import site
from tests.browser.conftest import Watched, settings
from tests.servers.databases import Databases


def enter(tab) -> None:
    """Type address and password of the platform's administrator, who needs a second factor."""
    tab.fill("[name=email]", site.ROLES["platform"])
    tab.fill("[name=password]", site.PASSWORD)
    tab.click("main button:not([type=button])")
    tab.wait_for_load_state()


def look_at(watched: Watched) -> list[str]:
    """What is wrong with the page, in light and dark, on a desk and on a phone."""
    found = []
    for width in (1366, 360):
        watched.tab.set_viewport_size({"width": width, "height": 900})
        for theme in ("light", "dark"):
            watched.tab.evaluate("theme => document.documentElement.dataset.bsTheme = theme", theme)
            found += [f"{watched.tab.url} ({theme}, {width}): {violation}" for violation in watched.violations()]
    return found + watched.wrongs


def test_the_second_factor_is_asked_for_and_set_up(filled, databases: Databases, tmp_path, chromium):
    path = site.copy_of(filled, tmp_path / "factor.sqlite3")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        # Example accounts open nothing while the demo is off: this one is somebody's own.
        connection.execute("update users set is_example = 0 where email = ?", [site.ROLES["platform"]])
        connection.commit()
    app = create_app(replace(settings(databases), database_url=f"sqlite:///{path}", demo=False))
    with site.served(app) as address:
        context = chromium.new_context(reduced_motion="reduce")
        watched = Watched(context.new_page(), address)
        watched.tab.on("console", lambda m: watched.wrongs.append(m.text) if m.type in {"error", "warning"} else None)
        watched.open("/login")
        enter(watched.tab)
        assert watched.tab.url.endswith("/login/enrol")
        assert look_at(watched) == []

        with app.app_context():
            statement = select(User.pending_totp_secret).where(User.email == site.ROLES["platform"])
            secret = db.session.scalars(statement).one()
        watched.tab.fill("[name=code]", pyotp.TOTP(secret).now())
        watched.tab.click("main form button:not([type=button])")
        watched.tab.wait_for_load_state()
        assert look_at(watched) == []

        context.clear_cookies()
        watched.open("/login")
        enter(watched.tab)
        assert watched.tab.url.endswith("/login/code")
        assert look_at(watched) == []
        context.close()
