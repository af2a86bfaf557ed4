"""docs/security.md says of every table how long it is kept, and the times that it names are kept."""

import re
from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import select

from karokar.config import PROJECT
from karokar.identity import actions
from karokar.identity.actions.tries import forget_old_tries
from karokar.identity.models import TryCount, UserSession
from karokar.kernel import clock
from karokar.kernel.db import Base, db
from karokar.outbox.delivery import canary
from karokar.outbox.processes import upkeep
from karokar.runs import worker
from karokar.web.forms import form_files
from karokar.web.requests.limits import limiter
from karokar.web.shell import snooze
from tests.factories import people
from tests.identity.test_sign_in import sign_in

TEXT = (PROJECT / "docs" / "security.md").read_text(encoding="utf-8")
SECTION = TEXT.partition("### How long it is kept")[2].partition("\n## ")[0]
ROWS = [
    (re.findall(r"`(\w+)`", tables), kept)
    for tables, _content, kept in re.findall(r"(?m)^\| (`[^|]+) \| ([^|]+) \| ([^|]+) \|$", SECTION)
]
KEPT = {table: kept for tables, kept in ROWS for table in tables}


def test_every_table_has_one_line(app):
    named = Counter(table for tables, _kept in ROWS for table in tables)
    assert [table for table, count in named.items() if count > 1] == []
    assert set(named) == set(Base.metadata.tables)


@pytest.mark.parametrize(
    ("table", "kept"),
    [
        ("runs", worker.KEPT), ("import_files", worker.KEPT_UNUSED), ("held_files", form_files.KEPT_FOR),
        ("canaries", canary.KEPT), ("progress", upkeep.KEPT), ("put_aside", snooze.KEPT_FOR),
    ],
)  # fmt: skip
def test_the_times_are_those_of_the_code(table, kept):
    hours = kept // timedelta(hours=1)
    amount, unit = (hours // 24, "day") if hours >= 24 else (hours, "hour")
    assert f"{amount} {unit}{'' if amount == 1 else 's'}" in KEPT[table]


def test_sessions_are_forgotten_thirty_days_after_their_last_use(app, client):
    limiter.reset()
    vendor = people.make_vendor()
    sign_in(client, vendor.admin.email)
    assert KEPT["user_sessions"].startswith("30 days after the last use")
    for days, left in ((29, 1), (31, 0)):
        with clock.standing_at(clock.now() + timedelta(days=days)):
            actions.forget_old_sessions()
        db.session.rollback()
        assert len(db.session.scalars(select(UserSession.id)).all()) == left


def test_tries_are_forgotten_two_days_after_the_last(app, client):
    limiter.reset()
    vendor = people.make_vendor()
    sign_in(client, vendor.admin.email, "a wrong password")
    assert KEPT["try_counts"].startswith("2 days after the last try")
    counted = len(db.session.scalars(select(TryCount.key)).all())
    assert counted > 0
    for hours, left in ((47, counted), (49, 0)):
        with clock.standing_at(clock.now() + timedelta(hours=hours)):
            forget_old_tries()
        db.session.rollback()
        assert len(db.session.scalars(select(TryCount.key)).all()) == left
