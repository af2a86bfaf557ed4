"""One's own account: profile, password, sessions, second factor, API tokens; and the command line."""

import re
from datetime import timedelta
from pathlib import Path

import pyotp
import pytest
from flask import Flask
from sqlalchemy import func, select, text

from karokar.identity import actions
from karokar.identity import queries as identity
from karokar.identity.models import ApiToken, RecoveryCode, User
from karokar.identity.rules import passwords
from karokar.kernel import clock
from karokar.kernel.actor import Actor, acting_as
from karokar.kernel.db import db
from karokar.kernel.errors import NotFound, RuleBroken, StaleVersion, StateConflict
from karokar.outbox.models import EventRow
from karokar.web.requests.limits import limiter
from tests.factories import people
from tests.identity.test_sign_in import is_in, post, sign_in

NOBODY = Actor(name="Nobody yet")


@pytest.fixture(autouse=True)
def _nobody_tried_before(app):
    limiter.reset()


def stored(name: str) -> list[EventRow]:
    db.session.rollback()
    return list(db.session.scalars(select(EventRow).where(EventRow.event_type == name)))


# --- passwords --------------------------------------------------------------------------------------------------------


def test_passwords_are_kept_as_argon2id(app):
    kept = passwords.hash_password("seven green kettles")
    assert kept.startswith("$argon2id$")
    assert passwords.verify(kept, "seven green kettles")
    assert not passwords.verify(kept, "seven green kettle")
    assert not passwords.verify(None, "nobody's password")


@pytest.mark.parametrize(
    ("password", "says"),
    [
        ("short", "at least 12"),
        ("x" * 201, "at most 200"),
        ("passwordpassword", "tried first"),
        ("ababababababab", "tried first"),
        ("aaaaaaaabbbb", "tried first"),
        ("1234567891011", "tried first"),
        ("abcdefghijklmno", "tried first"),
        ("1QAZ2wsx3edc", "tried first"),
        ("UNBELIEVABLE1", None),
        ("Unbelievable", "tried first"),
        ("needforspeed", "tried first"),
        ("a long rest, asha, and more of it", "“asha”"),
        ("seven green Kh4n kettles", "“khan”"),
        ("three c0ffees at MERIDIAN each day", "“meridian”"),
        ("my textiles of seven colours", "“textiles”"),
        ("kettles of k4r0k4r", "“karokar”"),
        ("seven green kettles", None),
        ("сорок семь зелёных чайников", None),
        (" ".join(["kettles of many colours, green and blue"] * 2) + " and more", None),
    ],
)
def test_which_passwords_are_accepted(password, says):
    words = ("Asha", "Khan", "asha.khan@meridian", "Meridian Textiles")
    problem = passwords.problem_of(password, words=words)
    assert (says is None and problem is None) or (says is not None and says in (problem or ""))


def test_the_file_of_breached_passwords_is_the_one_that_its_manifest_names():
    import hashlib

    folder = Path(passwords.__file__).parent.parent / "data"
    held = (folder / "breached.bin").read_bytes()
    assert hashlib.sha256(held).hexdigest() in (folder / "README.md").read_text(encoding="utf-8")
    digests = [held[start : start + 5] for start in range(0, len(held), 5)]
    assert digests == sorted(set(digests))
    assert len(digests) > 50_000


@pytest.mark.parametrize("door", ["change", "reset", "invitation", "command line"])
def test_no_way_to_a_password_takes_one_that_names_the_organization(client, door):
    company = people.make_corporate(name="Meridian Textiles")
    word = "forty green kettles of meridian"
    if door == "change":
        people.sign_in(client, company.admin)
        answer = post(client, "/account/password", current=people.PASSWORD, new=word, again=word).text
    elif door == "reset":
        with people.as_system():
            actions.request_password_reset(company.admin.email)
            actions.answer_reset_requests()
        path = identity.sign_in_link("password_reset", company.admin.user_id).removeprefix("http://localhost")
        answer = post(client, path, new=word, again=word).text
    elif door == "invitation":
        invited = people.add_member(company, "EMPLOYEE", has_joined=False)
        path = identity.sign_in_link("invitation", invited.membership_id).removeprefix("http://localhost")
        answer = post(client, path, password=word, again=word).text
    else:
        with pytest.raises(RuleBroken) as refused:
            actions.create_platform_admin(
                email="pat@meridian.example", first_name="Pat", last_name="Form", password=word
            )
        answer = refused.value.sentence
    assert "“meridian”" in answer


def test_a_forgotten_password_is_set_anew_by_a_link_that_works_once(client):
    vendor = people.make_vendor()
    people.sign_in(client, vendor.admin)
    other = client.application.test_client()
    assert post(other, "/password/reset", email=vendor.admin.email.upper()).status_code == 303
    actions.answer_reset_requests()
    assert len(stored("PasswordResetRequested")) == 1
    path = identity.sign_in_link("password_reset", vendor.admin.user_id).removeprefix("http://localhost")
    assert post(other, path, new="another long sentence", again="another long sentence").status_code == 303
    assert not is_in(client)
    db.session.rollback()
    assert identity.check_password(vendor.admin.email, "another long sentence").is_right
    assert other.get(path).status_code == 410
    with acting_as(NOBODY), pytest.raises(StateConflict):
        actions.reset_password(path.rsplit("=", maxsplit=1)[-1], new="and a third sentence")


def test_a_reset_link_ends_after_two_hours_and_no_other_request_ends_it(app):
    vendor = people.make_vendor()

    def requested() -> str:
        with acting_as(NOBODY):
            actions.request_password_reset(vendor.admin.email)
        actions.answer_reset_requests()
        return identity.sign_in_link("password_reset", vendor.admin.user_id).rsplit("=", maxsplit=1)[-1]

    first = requested()
    assert identity.find_reset(first) is not None
    second = requested()
    assert identity.find_reset(first) is not None
    with clock.standing_at(clock.now() + timedelta(hours=3)):
        assert identity.find_reset(second) is None
    assert identity.find_reset(second) is not None


def test_the_answer_to_a_reset_does_not_tell_who_has_an_account(client):
    vendor = people.make_vendor()
    invited = people.add_member(vendor, "VENDOR_ADMIN", has_joined=False)
    answers = [
        post(client, "/password/reset", email=email)
        for email in (vendor.admin.email, "nobody@example.com", invited.email)
    ]
    assert {(answer.status_code, answer.headers["Location"]) for answer in answers} == {(303, "/password/reset/sent")}
    db.session.rollback()
    actions.answer_reset_requests()
    assert len(stored("PasswordResetRequested")) == 1


def test_a_wrong_current_password_changes_nothing(client):
    vendor = people.make_vendor()
    people.sign_in(client, vendor.admin)
    answer = post(client, "/account/password", current="wrong", new="another long one", again="another long one")
    assert answer.status_code == 422
    assert "not your current password" in answer.text
    assert identity.check_password(vendor.admin.email, people.PASSWORD).is_right


def test_no_event_holds_a_password_a_secret_or_a_name(client):
    vendor = people.make_vendor()
    people.enrol(vendor.admin)
    people.sign_in(client, vendor.admin)
    post(client, "/account/password", current=people.PASSWORD, new="another long one", again="another long one")
    db.session.rollback()
    held = " ".join(str(row) for row in db.session.execute(text("SELECT payload, metadata FROM events")))
    user = db.session.get(User, vendor.admin.user_id)
    for secret in (user.email, user.first_name + " ", user.password_hash, user.totp_secret, user.phone):
        assert secret not in held


# --- profile and sessions ---------------------------------------------------------------------------------------------


def test_a_profile_is_changed_and_its_values_stay_out_of_the_event(client):
    vendor = people.make_vendor()
    people.sign_in(client, vendor.admin)
    version = str(identity.get_account(vendor.admin.user_id).version)
    db.session.rollback()
    fields = {"first_name": "Zainab", "last_name": "Qureshi", "phone": "", "time_zone": "Europe/Berlin"}
    answer = post(client, "/account/profile", **fields, theme="dark", version=version, form_base="{}")
    assert answer.status_code == 303
    assert "kk_theme=dark" in answer.headers["Set-Cookie"]
    assert "Zainab" not in str([row.payload for row in stored("UserUpdated")])
    late = post(client, "/account/profile", **fields, theme="light", version=version, form_base="{}")
    assert late.status_code == 409


def test_a_stale_profile_is_refused(app):
    vendor = people.make_vendor()
    with people.acting(vendor.admin), pytest.raises(StaleVersion):
        actions.update_profile(first_name="A", last_name="B", version=99)


def test_sessions_are_listed_with_their_device_and_ended_one_by_one(app: Flask, client):
    vendor = people.make_vendor()
    sign_in(client, vendor.admin.email)
    other = app.test_client()
    other.environ_base["HTTP_USER_AGENT"] = "Mozilla/5.0 (Windows NT 10.0) Gecko/20100101 Firefox/140.0"
    sign_in(other, vendor.admin.email)
    page = client.get("/account/sessions").text
    assert "Firefox on Windows" in page
    db.session.rollback()
    theirs = next(row for row in identity.list_sessions(vendor.admin.user_id) if "Firefox" in row.device)
    assert post(client, f"/account/sessions/{theirs.id}/end", form_at="/account/sessions").status_code == 303
    assert is_in(client)
    assert not is_in(other)


def test_nobody_ends_another_person_s_session(app, client):
    vendor, stranger = people.make_vendor(), people.make_vendor()
    people.sign_in(client, vendor.admin)
    theirs = identity.list_sessions(vendor.admin.user_id)[0].id
    with people.acting(stranger.admin), pytest.raises(NotFound):
        actions.end_session(theirs)
    assert is_in(client)


def test_the_platform_ends_sessions_and_removes_a_lost_second_factor(client):
    vendor = people.make_vendor()
    people.enrol(vendor.admin)
    people.sign_in(client, vendor.admin)
    platform = client.application.test_client()
    people.sign_in(platform, people.platform_admin())
    assert vendor.admin.email in platform.get(f"/administration/people?q={vendor.admin.email}").text
    address = f"/identity/people/{vendor.admin.user_id}/reset-second-factor"
    unasked = post(platform, address)
    assert unasked.status_code == 422
    assert "Choose how you made sure who is asking." in unasked.text
    assert identity.get_account(vendor.admin.user_id).has_second_factor
    assert post(platform, address, identity_check="CALLED_BACK").status_code == 303
    assert not is_in(client)
    db.session.rollback()
    assert not identity.get_account(vendor.admin.user_id).has_second_factor
    assert stored("TwoFactorDisabled")[-1].payload["identityCheck"] == "CALLED_BACK"
    told = platform.get(f"/timeline/User/{vendor.admin.user_id}").text
    assert "by calling back a number that was known before" in told, "The timeline says how it was made sure who asked."


@pytest.mark.parametrize("check", ["", "I_KNOW_THE_VOICE"])
def test_no_second_factor_is_removed_without_saying_how_the_person_was_identified(app, check):
    vendor = people.make_vendor()
    people.enrol(vendor.admin)
    with people.acting(people.platform_admin()), pytest.raises(RuleBroken) as refused:
        actions.reset_second_factor_of(vendor.admin.user_id, identity_check=check)
    assert refused.value.code == "IDENTITY_CHECK_NEEDED"
    assert identity.get_account(vendor.admin.user_id).has_second_factor


# --- what a stranger set up -----------------------------------------------------------------------------------------


def test_the_owner_of_an_address_ends_what_a_stranger_set_up_with_the_invitations_link(client):
    company = people.make_corporate()
    invited = people.add_member(company, "CORPORATE_ADMIN", has_joined=False)
    with people.acting(company.admin):
        link = actions.take_invitation_link(invited.membership_id)
    with acting_as(NOBODY):
        actions.accept_invitation(link.rsplit("=", maxsplit=1)[-1], password="seven green kettles")
    people.enrol(invited)
    with people.acting(invited):
        actions.create_token(name="nightly", days=30, permissions=["booking.read"])
    with people.as_system():
        actions.request_password_reset(invited.email)
        actions.answer_reset_requests()
    path = identity.sign_in_link("password_reset", invited.user_id).removeprefix("http://localhost")
    word = "eight blue kettles here"
    assert post(client, path, new=word, again=word, keep_tokens="y").status_code == 303
    db.session.rollback()
    assert not identity.get_account(invited.user_id).has_second_factor
    assert db.session.scalars(select(RecoveryCode).where(RecoveryCode.user_id == invited.user_id)).all() == []
    assert [token for token in identity.list_tokens(invited.user_id) if token.is_live] == []


# --- the second factor ------------------------------------------------------------------------------------------------


def test_a_second_factor_is_set_up_with_a_qr_code_and_turned_off_with_the_password(client):
    vendor = people.make_vendor()
    people.sign_in(client, vendor.admin)
    at = "/account/second-factor"
    post(client, f"{at}/begin", form_at=at)
    page = client.get(at).text
    assert 'src="data:image/svg+xml' in page
    secret = re.search(r"<code[^>]*>([A-Z2-7]{16,})</code>", page)
    assert secret
    assert post(client, f"{at}/confirm", form_at=at, code="000000").status_code == 422
    shown = post(client, f"{at}/confirm", form_at=at, code=pyotp.TOTP(secret[1]).at(clock.now()))
    assert shown.status_code == 200
    assert "no-store" in shown.headers["Cache-Control"]
    assert identity.get_account(vendor.admin.user_id).has_second_factor
    assert post(client, f"{at}/off", form_at=at, password="wrong").status_code == 422
    assert post(client, f"{at}/off", form_at=at, password=people.PASSWORD).status_code == 303
    db.session.rollback()
    assert not identity.get_account(vendor.admin.user_id).has_second_factor


def test_whose_role_requires_a_second_factor_cannot_turn_it_off(app):
    admin = people.platform_admin()
    with people.acting(admin), pytest.raises(RuleBroken) as refused:
        actions.disable_second_factor(password=people.PASSWORD)
    assert refused.value.code == "SECOND_FACTOR_REQUIRED"


# --- API tokens -------------------------------------------------------------------------------------------------------


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}", "Accept": "application/json"}


def test_a_token_is_shown_once_stored_hashed_and_works_until_it_is_revoked(client):
    vendor = people.make_vendor()
    people.sign_in(client, vendor.admin)
    shown = post(client, "/account/tokens", name="Export", days="30", permissions="event.read")
    secret = re.search(r"kk_[\w-]{40,}", shown.text)
    assert secret
    assert secret[0] not in client.get("/account/tokens").text
    db.session.rollback()
    token = db.session.scalars(select(ApiToken)).one()
    assert secret[0] not in token.token_hash
    program = client.application.test_client()
    assert program.get("/v1/events", headers=bearer(secret[0])).status_code == 200
    assert program.get("/identity/members", headers=bearer(secret[0])).status_code == 403
    assert post(client, f"/account/tokens/{token.id}/revoke", form_at="/account/tokens").status_code == 303
    assert program.get("/v1/events", headers=bearer(secret[0])).status_code == 401


def test_a_token_never_may_more_than_its_person_may_now(app, client):
    company = people.make_corporate()
    second = people.add_admin(company)
    with people.acting(second):
        secret = actions.create_token(name="Export", permissions=["event.read", "vehicle.read"], days=30).secret
    assert client.get("/v1/events", headers=bearer(secret)).status_code == 200
    employee = next(role.id for role in identity.list_roles_to_give(company.id, "CORPORATE") if role.code == "EMPLOYEE")
    with people.acting(company.admin):
        actions.change_role(second.membership_id, role_id=employee)
    assert client.get("/v1/events", headers=bearer(secret)).status_code == 403
    with people.acting(company.admin):
        actions.suspend_member(second.membership_id)
    assert client.get("/v1/events", headers=bearer(secret)).status_code == 401


def test_a_token_ends_by_itself(app, client):
    vendor = people.make_vendor()
    with people.acting(vendor.admin):
        secret = actions.create_token(name="Export", permissions=["event.read"], days=30).secret
    with clock.standing_at(clock.now() + timedelta(days=31)):
        assert client.get("/v1/events", headers=bearer(secret)).status_code == 401


def test_a_token_cannot_be_given_rights_that_its_maker_lacks(app):
    company = people.make_corporate(employees=1)
    with people.acting(company.employees[0]), pytest.raises(RuleBroken):
        actions.create_token(name="Too much", permissions=["employee.manage"], days=30)


@pytest.mark.parametrize(
    "path",
    ["/account/tokens", "/account/profile", "/account/password", "/account/second-factor/begin",
     "/account/sessions/end-others", "/switch", "/notification/preferences", "/views"],
)  # fmt: skip
def test_a_token_opens_nothing_of_the_person_s_account(app, client, path):
    vendor = people.make_vendor()
    with people.acting(vendor.admin):
        secret = actions.create_token(name="Export", permissions=["event.read"], days=30).secret
    sent = {"name": "Longer", "days": "365", "permissions": "event.read", "endpoint": "booking.index", "query": ""}
    answer = client.post(path, data=sent, headers=bearer(secret))
    assert (answer.status_code, answer.json["code"]) == (403, "NOT_FOR_TOKENS")
    assert db.session.scalar(select(func.count()).select_from(ApiToken)) == 1


def test_a_token_is_nobody_where_everybody_may_go(app, client):
    vendor = people.make_vendor()
    with people.acting(vendor.admin):
        secret = actions.create_token(name="Export", permissions=["event.read"], days=30).secret
    assert vendor.admin.name not in client.get("/", headers=bearer(secret), follow_redirects=True).text


@pytest.mark.parametrize("header", ["Bearer ", "Bearer kk_wrong", "bearer x y z", "Basic abc"])
def test_a_wrong_token_is_nobody(client, header):
    answer = client.get("/v1/events", headers={"Authorization": header})
    assert answer.status_code == 401


# --- the command line -------------------------------------------------------------------------------------------------


def test_an_empty_installation_gets_its_first_administrator_from_the_command_line(app):
    runner = app.test_cli_runner()
    made = runner.invoke(
        args=["identity", "create-platform-admin", "--email", "Pat@KaroKar.example", "--first-name", "Pat",
              "--last-name", "Form"],
        input="seven green kettles\nseven green kettles\n",
    )  # fmt: skip
    assert made.exit_code == 0, made.output
    check = identity.check_password("pat@karokar.example", "seven green kettles")
    assert check.is_right
    assert check.must_enrol
    again = runner.invoke(
        args=["identity", "create-platform-admin", "--email", "pat@karokar.example", "--first-name", "P",
              "--last-name", "F", "--link"]
    )  # fmt: skip
    assert again.exit_code == 1
    assert "has an account already" in again.output


def test_an_address_that_no_mail_server_accepts_is_refused_on_the_command_line(app):
    made = app.test_cli_runner().invoke(
        args=["identity", "create-platform-admin", "--email", "jörg@karokar.example", "--first-name", "Jörg",
              "--last-name", "Form", "--link"]
    )  # fmt: skip
    assert made.exit_code == 1
    assert "Mail servers do not accept “ö”" in made.output


def test_a_weak_password_is_refused_on_the_command_line_and_nobody_is_made(app):
    made = app.test_cli_runner().invoke(
        args=["identity", "create-platform-admin", "--email", "pat@karokar.example", "--first-name", "Pat",
              "--last-name", "Form"],
        input="short\nshort\n",
    )  # fmt: skip
    assert made.exit_code == 1
    assert "at least 12" in made.output
    assert identity.find_person_by_email("pat@karokar.example") is None


def test_a_token_is_made_on_the_command_line(app, client):
    vendor, other = people.make_vendor(), people.make_corporate()
    runner = app.test_cli_runner()
    made = runner.invoke(args=["identity", "create-token", vendor.admin.email, "--permission", "event.read"])
    assert made.exit_code == 0, made.output
    assert client.get("/v1/events", headers=bearer(made.output.strip())).status_code == 200
    people.add_member(other, "CORPORATE_ADMIN", email=vendor.admin.email)
    unclear = runner.invoke(args=["identity", "create-token", vendor.admin.email])
    assert unclear.exit_code == 1
    assert other.name in unclear.output
    assert runner.invoke(args=["identity", "create-token", "nobody@example.com"]).exit_code == 1


def test_an_authenticator_app_that_was_only_begun_ends_with_the_password(app):
    person = people.make_vendor().admin
    with people.acting(person):
        actions.begin_enrolment(person.user_id)
        seen = identity.find_enrolment(person.user_id)
        actions.change_password(current=people.PASSWORD, new="correct fog battery lamp", kept_session_id=None)
        assert identity.find_enrolment(person.user_id) is None
        actions.begin_enrolment(person.user_id)
        begun = identity.find_enrolment(person.user_id)
    assert seen is not None
    assert begun is not None
    assert seen.secret != begun.secret
