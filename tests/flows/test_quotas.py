"""Limits at the doors: pages and programs, people at once, and nobody else affected."""

import dataclasses
import io
import threading

import pytest
from sqlalchemy import func, select

from karokar.files.intake import MEGABYTE
from karokar.identity import actions as identity_actions
from karokar.identity.models import ApiToken, Membership, ResetRequest
from karokar.kernel.db import db, transaction
from karokar.kernel.errors import DomainError, LimitReached
from karokar.kernel.ids import new_id
from karokar.outbox.models import EventRow
from karokar.runs import actions as runs
from karokar.runs.kinds import KINDS, Item, row_kind
from karokar.runs.models import ImportFile, Run
from karokar.web.models import FormSubmission
from tests.factories import people
from tests.factories.browsing import forms_of, send, text_of

HEAD = "make,model,year,license_plate,category,seats,city\n"


@pytest.fixture
def limit(any_app, monkeypatch):
    """Set limits for the test: limit(**{"runs-person": 2})."""

    def change(**limits: int) -> None:
        changed = dataclasses.replace(any_app.config["KAROKAR"], limits=limits)
        monkeypatch.setitem(any_app.config, "KAROKAR", changed)

    return change


@pytest.fixture
def rows_kind():
    row_kind("test.rows", "Do rows", permission="vehicle.read", list_items=lambda _p: [Item("One")], do=lambda *_: None)
    yield
    del KINDS["test.rows"]


@pytest.fixture
def vendor(any_app):
    return people.make_vendor()


def browser(app, somebody):
    client = app.test_client()
    people.sign_in(client, somebody)
    return client


def at_once(app, somebody, work, times):
    """Do it so often at the same moment, each with a connection of its own; return the codes of those refused."""
    with people.acting(somebody) as actor:
        pass
    barrier, met = threading.Barrier(times), []

    def run(number):
        from karokar.kernel.actor import acting_as

        with app.app_context(), acting_as(actor):
            barrier.wait(30)
            try:
                work(number)
            except DomainError as refusal:
                met.append(refusal.code)
            finally:
                db.session.remove()

    db.session.rollback()
    threads = [threading.Thread(target=run, args=(number,)) for number in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return met


def count(class_, *conditions) -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(class_).where(*conditions)) or 0


# --- runs, imports, exports -------------------------------------------------------------------------------------------


def start(somebody):
    with people.acting(somebody):
        return runs.start_run("test.rows", {})


def test_a_person_has_so_many_open_runs_and_an_ended_one_makes_room(vendor, limit, rows_kind):
    limit(**{"runs-person": 2})
    first = start(vendor.admin)
    start(vendor.admin)
    with pytest.raises(LimitReached, match="You have 2 runs that have not ended, and 2 is the limit") as refused:
        start(vendor.admin)
    assert refused.value.status == 409
    start(people.add_admin(vendor))
    start(people.make_vendor().admin)
    with transaction():
        db.session.get_one(Run, first).status = "DONE"
    start(vendor.admin)


def test_a_paused_run_counts_and_trying_failed_rows_again_opens_a_run(vendor, limit, rows_kind):
    limit(**{"runs-person": 1})
    first = start(vendor.admin)
    with people.acting(vendor.admin):
        runs.pause_run(first)
    with pytest.raises(LimitReached):
        start(vendor.admin)


def test_an_organization_has_so_many_open_runs_whoever_started_them(vendor, limit, rows_kind):
    limit(**{"runs-organization": 2})
    start(vendor.admin)
    start(people.add_admin(vendor))
    with pytest.raises(LimitReached, match="Your organization has 2 runs"):
        start(people.add_admin(vendor))
    start(people.make_vendor().admin)


def test_runs_started_at_once_are_no_more_than_the_limit(any_app, vendor, limit, rows_kind):
    limit(**{"runs-person": 2})
    met = at_once(any_app, vendor.admin, lambda _n: runs.start_run("test.rows", {}), 6)
    assert met == ["LIMIT_REACHED"] * 4
    assert count(Run) == 2


def test_a_file_to_import_that_is_one_too_many_is_refused_on_the_page_and_kept_ones_stay(any_app, vendor, limit):
    limit(**{"import-files-person": 1})
    client = browser(any_app, vendor.admin)
    assert send_file(client, "KA 01 AA 0001").status_code == 303
    refused = send_file(client, "KA 01 AA 0002")
    assert refused.status_code == 422
    assert "You have 1 files that are waiting to be imported, and 1 is the limit" in text_of(refused)
    assert count(ImportFile) == 1
    assert send_file(browser(any_app, people.add_admin(vendor)), "KA 01 AA 0003").status_code == 303


def send_file(client, plate):
    text = f"{HEAD}Tata,Nexon,2024,{plate},SUV,5,Pune\n"
    hidden = forms_of(client.get("/fleet/import").text)[""]
    return client.post("/fleet/import", data={**hidden, "file": (io.BytesIO(text.encode()), "fleet.csv")})


def test_an_import_that_has_to_wait_keeps_its_file(any_app, vendor, limit, rows_kind):
    limit(**{"runs-person": 1})
    client = browser(any_app, vendor.admin)
    run_id = start(vendor.admin)
    checked = send_file(client, "KA 01 AA 0001").location
    refused = send(client, checked)
    assert refused.status_code == 409
    assert "Limit reached" in text_of(refused)
    with transaction():
        db.session.get_one(Run, run_id).status = "DONE"
    assert send(client, checked).status_code == 303


def test_exports_of_a_minute_are_limited_for_each_person_on_pages_and_for_programs(any_app, vendor, limit):
    limit(**{"exports-person": 2})
    client = browser(any_app, vendor.admin)
    assert [client.get("/fleet/export").status_code for _ in range(3)] == [200, 200, 429]
    refused = client.get("/fleet/export")
    assert "You started 2 exports within a minute, and 2 is the limit. You can export again in" in text_of(refused)
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    document = client.get("/fleet/export", headers={"Accept": "application/json"})
    assert document.mimetype == "application/problem+json"
    assert document.get_json(force=True)["limit"] == "exports-person"
    assert int(document.headers["Retry-After"]) >= 1
    assert browser(any_app, people.add_admin(vendor)).get("/fleet/export").status_code == 200


def test_searches_of_a_minute_are_limited_for_each_person(any_app, vendor, limit):
    limit(**{"searches-person": 2})
    client = browser(any_app, vendor.admin)
    assert [client.get("/search?q=tata").status_code for _ in range(3)] == [200, 200, 429]
    assert client.get("/search?q=tata").headers["Retry-After"]
    assert browser(any_app, people.add_admin(vendor)).get("/search?q=tata").status_code == 200


# --- invitations ------------------------------------------------------------------------------------------------------


def role_id(company):
    from karokar.identity.models import Role

    db.session.rollback()
    return db.session.scalar(
        select(Membership.role_id)
        .join(Role, Role.id == Membership.role_id)
        .where(Membership.id == company.admin.membership_id)
    )


def invite(company, email, role=None):
    return identity_actions.invite_member(
        first_name="Asha", last_name="Khan", email=email, role_id=role or role_id(company)
    )


def test_an_organization_invites_so_many_a_day_and_what_was_typed_stays(any_app, vendor, limit):
    limit(**{"invitations-organization": 1})
    client = browser(any_app, vendor.admin)
    person = {"first_name": "Asha", "last_name": "Khan", "role_id": str(role_id(vendor))}
    assert send(client, "/identity/members/new", email="one@example.com", **person).status_code == 303
    refused = send(client, "/identity/members/new", email="two@example.com", **person)
    assert refused.status_code == 422
    assert "Your organization sent 1 invitations in the last 24 hours, and 1 is the limit" in text_of(refused)
    assert 'value="two@example.com"' in refused.text
    other = people.make_vendor()
    with people.acting(other.admin):
        invite(other, "two@example.com")


def test_an_address_is_not_bombed_by_many_organizations_and_no_refusal_tells_whether_it_has_an_account(
    any_app, vendor, limit
):
    known = people.make_corporate().admin.email
    said = []
    for email in ("nobody@example.com", known):
        limit(**{"invitations-address": 2})
        for _ in range(2):
            other = people.make_vendor()
            with people.acting(other.admin):
                invite(other, email)
        role = role_id(vendor)
        with people.acting(vendor.admin), pytest.raises(LimitReached) as refused:
            invite(vendor, email, role)
        assert set(refused.value.fields) == {"email"}
        said.append(refused.value.sentence)
    assert said[0] == said[1]
    with people.acting(vendor.admin):
        invite(vendor, "somebody.else@example.com")


def test_sending_an_invitation_again_counts_for_its_address(vendor, limit):
    limit(**{"invitations-organization-address": 2})
    with people.acting(vendor.admin):
        made = invite(vendor, "one@example.com")
        identity_actions.resend_invitation(made.id)
        with pytest.raises(
            LimitReached, match="2 invitations to this address in the last 24 hours, and 2 is the limit"
        ):
            identity_actions.resend_invitation(made.id)


def test_invitations_at_once_are_no_more_than_the_limit(any_app, vendor, limit):
    limit(**{"invitations-organization": 2})
    role = role_id(vendor)
    met = at_once(any_app, vendor.admin, lambda n: invite(vendor, f"person{n}@example.com", role), 5)
    assert met == ["LIMIT_REACHED"] * 3
    assert count(Membership, Membership.status == "INVITED") == 2


def test_open_invitations_are_limited_and_a_withdrawn_one_makes_room(vendor, limit):
    limit(**{"open-invitations-organization": 1})
    with people.acting(vendor.admin):
        made = invite(vendor, "one@example.com")
        with pytest.raises(LimitReached, match="1 invitations that nobody has accepted"):
            invite(vendor, "two@example.com")
        identity_actions.withdraw_invitation(made.id)
        invite(vendor, "two@example.com")


def test_an_account_gets_so_many_reset_mails_a_day_and_the_answer_is_the_same(any_app, vendor, limit):
    limit(**{"resets-address": 2})
    for _ in range(4):
        identity_actions.request_password_reset(vendor.admin.email)
    identity_actions.answer_reset_requests()
    assert count(ResetRequest) == 0
    assert count(EventRow, EventRow.event_type == "PasswordResetRequested") == 2


# --- tokens -----------------------------------------------------------------------------------------------------------


def test_an_organization_has_so_many_tokens_and_a_revoked_one_makes_room(any_app, vendor, limit):
    limit(**{"tokens-organization": 1})
    second = people.add_admin(vendor)

    def make(somebody):
        with people.acting(somebody):
            return identity_actions.create_token(name="Nightly", permissions=["vehicle.read"], days=30)

    first = make(vendor.admin)
    with pytest.raises(LimitReached, match="Your organization has 1 tokens that work"):
        make(second)
    make(people.make_vendor().admin)
    with people.acting(vendor.admin):
        identity_actions.revoke_token(first.id)
    make(second)
    assert count(ApiToken) == 3


# --- uploads and forms ------------------------------------------------------------------------------------------------


def test_files_of_an_hour_are_limited_for_each_person_before_they_are_read(any_app, vendor, limit):
    limit(**{"upload-files-person": 1})
    client = browser(any_app, vendor.admin)
    assert send_file(client, "KA 01 AA 0001").status_code == 303
    refused = send_file(client, "KA 01 AA 0002")
    assert "You uploaded 1 files in the last hour, and 1 is the limit. You can upload this one in" in text_of(refused)
    assert send_file(browser(any_app, people.add_admin(vendor)), "KA 01 AA 0003").status_code == 303


def test_what_an_organization_uploads_in_a_month_is_limited_by_its_size(any_app, vendor, limit):
    from karokar.web.requests.uploads import count_upload

    limit(**{"upload-megabytes-organization": 2})
    with people.acting(vendor.admin):
        count_upload(io.BytesIO(b"x" * MEGABYTE))
        with pytest.raises(LimitReached, match="uploaded 1 MB in the last 30 days, and 2 MB is the limit"):
            count_upload(io.BytesIO(b"x" * (MEGABYTE + 1)))
    with people.acting(people.make_vendor().admin):
        count_upload(io.BytesIO(b"x" * MEGABYTE))


def test_of_one_persons_forms_the_newest_are_remembered_and_others_stay(any_app, vendor, limit):
    limit(**{"forms-person": 2})
    other = browser(any_app, people.add_admin(vendor))
    client = browser(any_app, vendor.admin)
    for page in (other, client, client, client, client):
        send(page, "/identity/members/new", first_name="A", last_name="B", email=f"{new_id()}@example.com",
             role_id=str(role_id(vendor)))  # fmt: skip
    assert count(FormSubmission, FormSubmission.user_id == vendor.admin.user_id) == 2
    assert count(FormSubmission, FormSubmission.user_id != vendor.admin.user_id) == 1
