"""Guessing: strangers do not keep the owner out, pauses grow, and the time to wait is the true one."""

import re
import threading
from datetime import timedelta

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from karokar.identity import actions
from karokar.identity import queries as identity
from karokar.identity.models import ResetRequest
from karokar.identity.rules import tries
from karokar.kernel import clock
from karokar.kernel.actor import Actor, acting_as
from karokar.kernel.db import db
from karokar.kernel.errors import TooManyTries, wait_in_words
from karokar.outbox.models import EventRow
from karokar.web.requests.limits import limiter
from tests.factories import people
from tests.identity.test_sign_in import is_in, post, sign_in

WRONG = "not this one at all"
ELSEWHERE = {"REMOTE_ADDR": "203.0.113.7"}


@pytest.fixture(autouse=True)
def _nobody_tried_before(app):
    limiter.reset()


def a_browser(app: Flask, address: str = "127.0.0.1"):
    client = app.test_client()
    client.environ_base["REMOTE_ADDR"] = address
    return client


def guess(app: Flask, email: str, times: int, address: str) -> list[int]:
    stranger = a_browser(app, address)
    return [sign_in(stranger, email, WRONG).status_code for _ in range(times)]


def test_a_stranger_who_guesses_does_not_lock_the_owner_out(app):
    vendor = people.make_vendor()
    assert guess(app, vendor.admin.email, 7, "203.0.113.7") == [422] * 5 + [429] * 2
    owner = a_browser(app)
    assert sign_in(owner, vendor.admin.email).status_code == 303
    assert is_in(owner)


def test_who_guesses_at_many_accounts_does_not_lock_out_a_browser_that_its_owner_uses(app):
    vendor = people.make_vendor()
    owner = a_browser(app)
    sign_in(owner, vendor.admin.email)
    post(owner, "/logout", form_at="/account/profile")
    for number in range(20):
        guess(app, f"somebody{number}@else.example", 4, "127.0.0.1")
    guess(app, vendor.admin.email, 6, "127.0.0.1")
    newcomer = a_browser(app)
    assert sign_in(newcomer, vendor.admin.email).status_code == 429
    assert sign_in(owner, vendor.admin.email).status_code == 303


def test_a_known_browser_has_a_limit_of_its_own(app):
    vendor = people.make_vendor()
    owner = a_browser(app)
    sign_in(owner, vendor.admin.email)
    post(owner, "/logout", form_at="/account/profile")
    assert [sign_in(owner, vendor.admin.email, WRONG).status_code for _ in range(6)] == [422] * 5 + [429]


def test_the_cookie_of_a_browser_cannot_be_made_up(app):
    vendor = people.make_vendor()
    guess(app, vendor.admin.email, 6, "127.0.0.1")
    forger = a_browser(app)
    forger.set_cookie("kk_browser", "WyJ4IixbImEiXV0.forged")
    assert sign_in(forger, vendor.admin.email).status_code == 429


def test_pauses_grow_and_the_answer_says_the_true_time(app):
    vendor = people.make_vendor()
    stranger = a_browser(app)
    now = clock.now()
    waits = []
    for _ in range(4):
        with clock.standing_at(now):
            while (answer := sign_in(stranger, vendor.admin.email, WRONG)).status_code == 422:
                pass
        assert answer.status_code == 429
        seconds = int(answer.headers["Retry-After"])
        assert f"Wait {wait_in_words(seconds)}" in answer.text
        waits.append(seconds)
        with clock.standing_at(now + timedelta(seconds=seconds - 1)):
            assert sign_in(stranger, vendor.admin.email, WRONG).status_code == 429
        now += timedelta(seconds=seconds)
    assert waits == [15, 30, 60, 120]
    with clock.standing_at(now):
        assert sign_in(stranger, vendor.admin.email).status_code == 303


def test_a_right_password_forgets_the_wrong_ones_before(app):
    vendor = people.make_vendor()
    client = a_browser(app)
    for _ in range(3):
        for _ in range(4):
            assert sign_in(client, vendor.admin.email, WRONG).status_code == 422
        assert sign_in(client, vendor.admin.email).status_code == 303
        post(client, "/logout", form_at="/account/profile")


def test_a_new_password_by_mail_lets_its_owner_in_at_once(app):
    vendor = people.make_vendor()
    guess(app, vendor.admin.email, 6, "127.0.0.1")
    owner = a_browser(app)
    assert post(owner, "/password/reset", email=vendor.admin.email).status_code == 303
    actions.answer_reset_requests()
    path = identity.sign_in_link("password_reset", vendor.admin.user_id).removeprefix("http://localhost")
    assert post(owner, path, new="seven green kettles", again="seven green kettles").status_code == 303
    assert sign_in(owner, vendor.admin.email, "seven green kettles").status_code == 303


def test_an_unknown_address_is_counted_like_a_known_one(app):
    assert guess(app, "nobody@else.example", 6, "203.0.113.7") == [422] * 5 + [429]


def test_codes_are_counted_by_source_as_well(app):
    vendor = people.make_vendor()
    people.enrol(vendor.admin)
    thief = a_browser(app, "203.0.113.7")
    sign_in(thief, vendor.admin.email)
    assert [post(thief, "/login/code", code="000000").status_code for _ in range(6)] == [422] * 5 + [429]
    with people.acting(vendor.admin):
        codes = actions.renew_recovery_codes(password=people.PASSWORD)
    owner = a_browser(app)
    sign_in(owner, vendor.admin.email)
    assert post(owner, "/login/code", code=codes[0]).status_code == 303


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/account/password", {"current": WRONG, "new": "seven green kettles", "again": "seven green kettles"}),
        ("/account/second-factor/off", {"password": WRONG}),
        ("/account/second-factor/codes", {"password": WRONG}),
        ("/account/confirm", {"proof": WRONG}),
    ],
)
def test_whoever_finds_an_open_browser_does_not_guess_its_owner_s_password(client, path, form):
    vendor = people.make_vendor()
    people.enrol(vendor.admin)
    people.sign_in(client, vendor.admin)
    answers = [post(client, path, form_at="/account/second-factor", **form) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [422] * 5 + [429]
    assert answers[-1].headers["Retry-After"]


def test_many_guesses_at_once_are_counted_before_they_are_checked(any_app: Flask):
    start, passed = threading.Barrier(8), []
    db.session.rollback()

    def begin():
        with any_app.app_context(), acting_as(Actor(name="Nobody")):
            start.wait()
            try:
                actions.begin_try("password", "asha@else.example", address="203.0.113.7")
                passed.append(True)
            except TooManyTries:
                passed.append(False)
            db.session.remove()

    threads = [threading.Thread(target=begin) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(passed) == [False] * 3 + [True] * 5


@given(st.integers(1, 200))
def test_the_pause_never_shrinks_with_more_guesses_and_has_an_end(count):
    pause = tries.pause_after(count, tries.ONE)
    assert pause <= tries.pause_after(count + 1, tries.ONE) <= tries.ONE.longest


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("203.0.113.7", "203.0.113.7", True),
        ("203.0.113.7", "203.0.113.8", False),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:203.0.113.7", "203.0.113.7", True),
        ("unknown", "unknown", True),
    ],
)
def test_what_counts_as_one_source(one, other, is_same):
    assert (tries.source_of(one) == tries.source_of(other)) is is_same


# --- every limit tells the true time ----------------------------------------------------------------------------------


def test_each_limit_of_the_product_says_how_long_to_wait(app):
    client = a_browser(app)
    for _ in range(5):
        assert post(client, "/password/reset", email="asha@else.example").status_code == 303
    answer = post(client, "/password/reset", email="asha@else.example")
    assert answer.status_code == 429
    seconds = int(answer.headers["Retry-After"])
    assert 0 < seconds <= 3600
    assert re.search(r"Wait \d+ (second|minute|hour)s?", answer.text)
    program = client.post(
        "/password/reset", data={"email": "asha@else.example"}, headers={"Accept": "application/json"}
    )
    assert program.status_code in {403, 429}


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(1, "1 second"), (119, "119 seconds"), (120, "2 minutes"), (899, "15 minutes"), (7200, "2 hours")],
)
def test_a_wait_is_said_in_words_and_never_too_short(seconds, words):
    assert wait_in_words(seconds) == words


# --- asking for a new password ----------------------------------------------------------------------------------------


def test_asking_for_a_new_password_does_the_same_work_for_every_address(client):
    from sqlalchemy import event

    vendor = people.make_vendor()
    done = {}
    for email in (vendor.admin.email, "nobody@else.example"):
        statements: list[str] = []

        def note(_connection, _cursor, statement, *_more, into=statements):
            into.append(statement)

        event.listen(db.engine, "before_cursor_execute", note)
        answer = post(client, "/password/reset", email=email)
        event.remove(db.engine, "before_cursor_execute", note)
        done[email] = (answer.status_code, answer.headers["Location"], statements)
    assert len({str(found) for found in done.values()}) == 1
    assert actions.answer_reset_requests() == 2
    assert db.session.scalars(select(ResetRequest)).all() == []
    asked = db.session.scalars(select(EventRow).where(EventRow.event_type == "PasswordResetRequested")).all()
    assert [row.aggregate_id for row in asked] == [vendor.admin.user_id]


def test_who_keeps_asking_does_not_end_the_link_that_its_owner_got(app):
    vendor = people.make_vendor()
    actions.request_password_reset(vendor.admin.email)
    actions.answer_reset_requests()
    link = identity.sign_in_link("password_reset", vendor.admin.user_id).rsplit("=", maxsplit=1)[-1]
    actions.request_password_reset(vendor.admin.email)
    actions.answer_reset_requests()
    assert identity.find_reset(link) is not None
    later = identity.sign_in_link("password_reset", vendor.admin.user_id).rsplit("=", maxsplit=1)[-1]
    actions.reset_password(later, new="seven green kettles")
    assert identity.find_reset(link) is None
