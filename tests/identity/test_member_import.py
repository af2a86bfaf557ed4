"""Members from a CSV file."""

import io
import re
from pathlib import Path

import pytest
from sqlalchemy import select

from karokar.identity import actions
from karokar.identity import queries as identity
from karokar.identity.models import Role
from karokar.kernel.db import db
from karokar.kernel.errors import RuleBroken
from karokar.outbox.delivery.drain import drain_all
from karokar.runs import worker
from tests.factories import people
from tests.identity.test_sign_in import post


def _upload(client, text: str):
    page = client.get("/identity/members/import").text
    token = page.split('name="csrf_token" value="')[1].split('"')[0]
    data = {"csrf_token": token, "file": (io.BytesIO(text.encode()), "people.csv")}
    return client.post("/identity/members/import", data=data, content_type="multipart/form-data", follow_redirects=True)


def _confirm(client, checked):
    fields = {
        name: checked.text.split(f'name="{name}" value="')[-1].split('"')[0] for name in ("csrf_token", "expected")
    }
    return client.post(checked.request.path, data=fields)


def test_a_file_is_checked_first_and_a_run_then_invites_everybody(client):
    company = people.make_corporate()
    people.sign_in(client, company.admin)
    checked = _upload(client, "first_name,last_name,email\nAsha,Khan,asha@x.example\nRavi,Iyer,ravi@x.example\n")
    assert "2 of 2 rows can be imported" in checked.text
    assert identity.invitations_from(company.id) == 0
    answer = _confirm(client, checked)
    assert answer.status_code == 303
    worker.work()
    assert "Line 2: Asha Khan, asha@x.example" in client.get(answer.location).text
    assert identity.invitations_from(company.id) == 2


def test_every_wrong_cell_is_named_and_only_the_good_rows_are_invited(client):
    company = people.make_corporate(employees=1)
    people.sign_in(client, company.admin)
    checked = _upload(
        client,
        "first_name;last_name;email;role\n"
        "Asha;Khan;asha@x.example;Employee\n"
        "Ravi;Iyer;not an address;Employee\n"
        f"Mia;Berg;{company.employees[0].email.upper()};Employee\n"
        "Ida;Berg;ida@x.example;Captain\n"
        "Ash;Khan;ASHA@x.example;Employee\n",
    )
    assert "1 of 5 rows can be imported" in checked.text
    for reason in ("no e-mail address", "a member already", "no role “Captain”", "Line 2 has the same address"):
        assert reason in checked.text
    assert "C (email)" in checked.text
    assert "D (role)" in checked.text
    _confirm(client, checked)
    worker.work()
    db.session.rollback()
    assert identity.invitations_from(company.id) == 1


def test_a_role_that_allows_more_than_one_s_own_is_refused_in_the_file_as_in_the_form(client):
    company = people.make_corporate()
    with people.acting(company.admin):
        clerk = actions.create_role(name="Clerk", permissions=["employee.manage"])
    member = people.add_member(company, "EMPLOYEE")
    with people.acting(company.admin):
        actions.change_role(member.membership_id, role_id=clerk.id)
    people.sign_in(client, member)
    checked = _upload(client, "first_name,last_name,email,role\nAsha,Khan,asha@x.example,CORPORATE_ADMIN\n")
    assert "0 of 1 row can be imported" in checked.text
    assert "more than you may yourself" in checked.text


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "Choose a CSV file"),
        ("\x00\x01\x02", "This file is neither CSV nor a workbook"),
        ("name,mail\nA,b@c.example\n", "This heading is not known"),
    ],
)
def test_a_file_that_is_none_gets_a_sentence(client, text, sentence):
    company = people.make_corporate()
    people.sign_in(client, company.admin)
    assert sentence in _upload(client, text).text


def test_the_applicant_is_invited_by_the_event(app):
    from karokar.organization import actions as organization

    made = organization.apply(
        name="Harbour Cars",
        type="VENDOR",
        time_zone="Europe/Berlin",
        first_name="Vera",
        last_name="Lind",
        email="Vera@Harbour.example",
    )
    drain_all()
    member = identity.list_members(made.id, status="INVITED")
    assert [(row.email, row.role) for row in member] == [("vera@harbour.example", "VENDOR_ADMIN")]
    drain_all()
    assert len(identity.list_members(made.id, status=None)) == 1


def test_whoever_invites_has_to_say_which_role(client):
    company = people.make_corporate()
    people.sign_in(client, company.admin)
    page = client.get("/identity/members/new").text
    offered = re.findall(r'<option(?: selected)? value="([^"]*)"', page)
    assert offered[0] == "", "an administrator must not be made by leaving the first choice"
    answer = post(
        client, "/identity/members/new", first_name="A", last_name="B", email="a@b.example", role_id="", phone=""
    )
    assert answer.status_code == 422
    assert "Choose a role." in answer.text


def test_addresses_that_no_mail_server_accepts_are_named_in_each_row_of_the_file(client):
    company = people.make_corporate()
    people.sign_in(client, company.admin)
    text = (Path(__file__).parent / "files" / "members-that-no-server-takes.csv").read_text(encoding="utf-8")
    checked = _upload(client, text)
    assert "0 of 40 rows can be imported" in checked.text
    assert checked.text.count("Mail servers do not accept “ü” before the @") == 40
    assert identity.invitations_from(company.id) == 0


def test_an_address_with_other_letters_in_its_domain_is_one_address_however_it_is_written(client):
    company = people.make_corporate()
    people.sign_in(client, company.admin)
    rows = "Mia,Berg,mia@münchen.example\nMia,Berg,MIA@xn--mnchen-3ya.example\n"
    checked = _upload(client, f"first_name,last_name,email\n{rows}")
    assert "1 of 2 rows can be imported" in checked.text
    assert "Line 2 has the same address" in checked.text


def test_an_address_that_no_mail_server_accepts_is_refused_in_the_form_and_by_the_action(client):
    company = people.make_corporate()
    people.sign_in(client, company.admin)
    page = post(client, "/identity/members/new", first_name="Jörg", last_name="Müller", email="jörg@rental.example")
    assert page.status_code == 422
    assert "Mail servers do not accept “ö” before the @" in page.text
    role_id = db.session.scalars(select(Role.id).where(Role.code == "EMPLOYEE")).one()
    with people.acting(company.admin), pytest.raises(RuleBroken) as refusal:
        actions.invite_member(first_name="Jörg", last_name="M", email="jörg@rental.example", role_id=role_id)
    assert "email" in refusal.value.fields
