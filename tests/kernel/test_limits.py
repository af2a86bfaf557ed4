"""Limits: one list, written down for operators, counted right by several at once, and changed by a setting."""

import dataclasses
import threading
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from karokar.config import PROJECT
from karokar.kernel import clock
from karokar.kernel.db import db, transaction
from karokar.kernel.errors import LimitReached, LimitReachedForNow
from karokar.kernel.fairness import quotas
from karokar.kernel.fairness.limits import LIMITS, Counted, Limit, table
from karokar.kernel.ids import new_id
from karokar.kernel.setting_values import ConfigError, parse_limits

OPENED = Limit(name="test-day", what="doors", per="person", most=3, counted=Counted.USES, period=timedelta(days=1),
    sentence="You opened {used} of {most} doors. The next one opens in {wait}.")  # fmt: skip
WEIGHT = dataclasses.replace(OPENED, name="test-weight", unit=1000, most=2)
AT_ONCE = dataclasses.replace(OPENED, name="test-once", period=None, counted=Counted.ROWS)


def take(owner, limit=OPENED, **values):
    with transaction():
        quotas.ask(limit, owner, **values)


def take_and_fail(owner):
    with transaction():
        quotas.ask(OPENED, owner)
        raise ZeroDivisionError


def uses() -> int:
    return db.session.scalar(select(func.count()).select_from(quotas.QuotaUse)) or 0


def test_the_document_for_operators_holds_exactly_these_limits():
    assert table() in (PROJECT / "docs" / "operations.md").read_text(encoding="utf-8")


def test_whatever_is_refused_has_a_sentence_with_the_limit_and_what_is_used():
    by_address = [limit for limit in LIMITS.values() if limit.per == "network address"]
    for limit in LIMITS.values():
        if limit.beyond == "refused" and limit not in by_address and limit.name != "invitations-address":
            assert "{used}" in limit.sentence, limit.name
            assert "{most}" in limit.sentence, limit.name
        if limit.beyond == "refused" and limit.period and limit not in by_address:
            assert "{wait}" in limit.sentence, limit.name


def test_so_many_uses_are_given_and_the_next_one_when_the_first_is_a_day_old(any_app):
    owner, now = new_id(), clock.now()
    for hours in (0, 1, 2):
        with clock.standing_at(now + timedelta(hours=hours)):
            take(owner)
    with clock.standing_at(now + timedelta(hours=3)), pytest.raises(LimitReachedForNow) as refused:
        take(owner)
    assert refused.value.sentence == "You opened 3 of 3 doors. The next one opens in 21 hours."
    assert refused.value.seconds == 21 * 3600
    with clock.standing_at(now + timedelta(hours=24)):
        take(owner)
        with pytest.raises(LimitReachedForNow):
            take(owner)


def test_one_owners_limit_is_nobody_elses(any_app):
    owner = new_id()
    for _ in range(3):
        take(owner)
    take(new_id())
    take(owner, dataclasses.replace(OPENED, name="test-other"))
    take(None)


def test_amounts_add_up_and_are_shown_in_their_unit(any_app):
    owner = new_id()
    take(owner, WEIGHT, amount=1500)
    with pytest.raises(LimitReached, match="2 of 2"):
        take(owner, WEIGHT, amount=501)
    take(owner, WEIGHT, amount=500)


def test_what_was_refused_or_undone_is_not_counted(any_app):
    owner = new_id()
    for _ in range(5):
        with pytest.raises(ZeroDivisionError):
            take_and_fail(owner)
    for _ in range(3):
        take(owner)
    for _ in range(5):
        with pytest.raises(LimitReached):
            take(owner)
    assert uses() == 3


def test_many_at_once_get_no_more_than_the_limit(any_app):
    owner, barrier, refused = new_id(), threading.Barrier(8), []

    def one():
        with any_app.app_context():
            barrier.wait(30)
            try:
                take(owner)
            except LimitReached:
                refused.append(1)
            finally:
                db.session.remove()

    db.session.rollback()
    threads = [threading.Thread(target=one) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(refused) == 5
    assert uses() == 3


def test_a_clock_that_went_ahead_refuses_nobody_after_it_was_put_right(any_app):
    owner = new_id()
    with clock.standing_at(clock.now() + timedelta(days=300)):
        for _ in range(3):
            take(owner)
    take(owner)


def test_uses_that_no_limit_counts_any_more_are_forgotten(any_app):
    owner = new_id()
    counted = dataclasses.replace(OPENED, name="invitations-address")
    with clock.standing_at(clock.now() - timedelta(days=1)):
        take(owner, counted)
    take(owner, counted)
    quotas.forget_old_uses()
    assert uses() == 1


def test_what_there_is_at_once_is_counted_by_itself(any_app):
    take(new_id(), AT_ONCE, used=lambda: 2)
    with pytest.raises(LimitReached) as refused:
        take(new_id(), AT_ONCE, used=lambda: 3)
    assert (refused.value.status, refused.value.facts["used"], refused.value.facts["most"]) == (409, 3, 3)


def test_an_operator_changes_limits_by_name(any_app, monkeypatch):
    limits = parse_limits("KAROKAR_LIMITS", "runs-person=20, exports-person = 1")
    assert limits == {"runs-person": 20, "exports-person": 1}
    changed = dataclasses.replace(any_app.config["KAROKAR"], limits={"test-day": 1})
    monkeypatch.setitem(any_app.config, "KAROKAR", changed)
    owner = new_id()
    take(owner)
    with pytest.raises(LimitReached, match="1 of 1"):
        take(owner)


@pytest.mark.parametrize(
    ("value", "said"),
    [("runs-persons=3", "runs-person"), ("runs-person", "limits such as"), ("runs-person=none", "whole number"),
     ("runs-person=0", "whole number")],
)  # fmt: skip
def test_a_limit_that_does_not_exist_or_is_no_number_stops_the_start(value, said):
    with pytest.raises(ConfigError, match=said):
        parse_limits("KAROKAR_LIMITS", value)
