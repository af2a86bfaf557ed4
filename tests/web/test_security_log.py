"""The security log: whoever was refused, from where, and what was done with rights, tokens and files, without secrets."""

import dataclasses
import json
import logging
import stat

import pytest

from karokar.identity import actions
from karokar.web.responses import security_log
from tests.factories import people
from tests.factories.browsing import send


@pytest.fixture
def lines(app):
    """Every line of the security log so far, as a reader of it gets them."""
    kept: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            kept.append(record.getMessage())

    keep, logger = Keep(), logging.getLogger(security_log.NAME)
    logger.addHandler(keep)
    yield lambda event: [line for line in map(json.loads, kept) if line["event"] == event]
    logger.removeHandler(keep)


def test_a_refused_sign_in_is_noted_with_its_source_and_without_what_was_typed(client, lines):
    admin = people.make_corporate().admin
    send(client, "/login", "/login", email=admin.email, password="not the right one at all")
    (line,) = lines("sign_in_refused")
    assert line["user_id"] == str(admin.user_id)
    assert line["outcome"] == "refused"
    assert line["reason"] == "password"
    assert line["source"] == "127.0.0.1"
    assert line["route"] == "identity.sign_in"
    assert line["logger"] == "karokar.security"
    assert line["correlation_id"]
    assert line["timestamp"].endswith("Z")
    assert admin.email not in json.dumps(line)
    assert "not the right one" not in json.dumps(line)


def test_a_missing_permission_is_noted_with_who_lacked_it(client, lines):
    employee = people.make_corporate(employees=1).employees[0]
    people.sign_in(client, employee)
    assert client.get("/identity/members").status_code == 403
    (line,) = lines("request_refused")
    assert line["actor_id"] == str(employee.user_id)
    assert line["status"] == 403
    assert "." in line["reason"]


@pytest.mark.parametrize(("headers", "reason"), [({}, "form_token"), ({"Sec-Fetch-Site": "cross-site"}, "other_site")])
def test_a_form_that_nobody_here_sent_is_noted(client, lines, headers, reason):
    assert client.post("/login", data={"email": "a@b.example"}, headers=headers).status_code == 403
    assert [line["reason"] for line in lines("request_refused")] == [reason]


def test_a_token_that_opens_nothing_is_noted_without_the_token(client, lines):
    answer = client.get("/v1/events", headers={"Authorization": "Bearer kk_stolen-and-wrong"})
    assert answer.status_code == 401
    (line,) = lines("request_refused")
    assert "stolen" not in json.dumps(line)


def test_tokens_are_noted_when_made_used_and_revoked(client, lines):
    admin = people.make_corporate().admin
    with people.acting(admin):
        token = actions.create_token(name="Somebody's program", permissions=["organization.read"], days=30)
    client.get("/v1/events", headers={"Authorization": f"Bearer {token.secret}"})
    client.get("/organization/", headers={"Authorization": f"Bearer {token.secret}"})
    text = json.dumps([lines("ApiTokenCreated"), lines("request_refused"), lines("token_used")])
    assert lines("ApiTokenCreated")[0]["token_id"]
    assert token.secret not in text
    assert "Somebody's program" not in text


def test_a_raised_role_is_noted_with_both_roles(lines):
    company = people.make_corporate(employees=1)
    from karokar.identity import queries

    facts = queries.list_roles_to_give(company.id, company.type)
    wanted = next(role.id for role in facts if role.code and role.code != "EMPLOYEE")
    with people.acting(company.admin):
        actions.change_role(company.employees[0].membership_id, role_id=wanted)
    (line,) = lines("MemberRoleChanged")
    assert line["former_role"] == "EMPLOYEE"
    assert line["role"] != "EMPLOYEE"
    assert line["actor_id"] == str(company.admin.user_id)


def test_a_file_that_left_is_noted(client, lines):
    people.sign_in(client, people.make_corporate().admin)
    assert client.get("/identity/members/export?format=csv").status_code == 200
    assert [line["route"] for line in lines("file_fetched")] == ["identity.export_members"]


def test_what_was_rolled_back_is_not_noted(app, lines):
    from karokar.kernel.db import transaction

    company = people.make_corporate(employees=1)
    before = len(lines("MemberSuspended"))

    def change_my_mind() -> None:
        with people.acting(company.admin), transaction():
            actions.suspend_member(company.employees[0].membership_id)
            raise RuntimeError("not after all")

    with pytest.raises(RuntimeError, match="not after all"):
        change_my_mind()
    assert len(lines("MemberSuspended")) == before


def test_a_link_in_an_address_is_not_noted(client, lines):
    client.get("/invitation?token=secret-token-of-a-link")
    client.post("/invitation?token=secret-token-of-a-link", data={})
    assert "secret-token" not in json.dumps(lines("request_refused"))


def test_it_goes_to_a_file_of_this_user_alone_where_one_is_named(databases, config, tmp_path):
    place = tmp_path / "security.jsonl"
    with databases.fresh_app("sqlite", dataclasses.replace(config, security_log=place)) as app:
        app.test_client().get("/v1/events", headers={"Authorization": "Bearer wrong"})
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert [json.loads(line)["event"] for line in place.read_text().splitlines()] == ["request_refused"]
