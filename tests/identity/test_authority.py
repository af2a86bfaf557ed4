"""Nobody decides about somebody who may do more: every identity action, by call, by page and by API token."""

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from uuid import UUID

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select

from karokar.identity import actions
from karokar.identity import queries as identity
from karokar.identity.models import Membership, Role
from karokar.kernel.actor import acting_as
from karokar.kernel.db import db
from karokar.kernel.errors import DomainError
from karokar.kernel.fairness.limits import TOKENS_OF_PERSON
from karokar.organization.rules import PLATFORM_ID
from karokar.outbox.models import EventRow
from tests.factories import people
from tests.factories.people import Company, Somebody

SECRET = base64.urlsafe_b64encode(b"s" * 24).decode()
TOKEN = base64.urlsafe_b64encode(b"\0" * 24 + b"s" * 24).decode()
MANAGES = ["employee.manage", "role.manage", "organization.read"]


@dataclass
class Targets:
    """What a weaker person must not touch: members and an invitation with more rights, and a role that allows more."""

    company: Company
    active: Somebody
    suspended: Somebody
    invited: Somebody
    role_id: UUID
    admin_role_id: UUID
    token_id: UUID


@dataclass(frozen=True)
class Way:
    """How one action is reached: as a call, and as a page that posts to a path."""

    call: Callable[[Targets], object]
    path: Callable[[Targets], str] | None
    form: Callable[[Targets], dict[str, str]] = lambda _: {}
    is_of_own_organization: bool = False


def _invitation(targets: Targets) -> dict[str, str]:
    return {
        "first_name": "New",
        "last_name": "Person",
        "email": "new.person@else.example",
        "role_id": str(targets.admin_role_id),
    }


def _member(name: str, path: str, whom: str, **form: str) -> Way:
    def call(targets: Targets) -> object:
        return getattr(actions, name)(getattr(targets, whom).membership_id)

    return Way(call, lambda targets: f"/identity/members/{getattr(targets, whom).membership_id}/{path}", lambda _: form)


OTHERS = {
    "invite_member": Way(
        lambda targets: actions.invite_member(
            **{**_invitation(targets), "role_id": targets.admin_role_id}, organization_id=targets.company.id
        ),
        lambda _: "/identity/members/new",
        _invitation,
    ),
    "check_role": Way(lambda targets: actions.check_role(targets.admin_role_id, targets.company.id), None),
    "resend_invitation": _member("resend_invitation", "resend", "invited"),
    "withdraw_invitation": _member("withdraw_invitation", "withdraw", "invited"),
    "take_invitation_link": _member("take_invitation_link", "link", "invited"),
    "suspend_member": _member("suspend_member", "suspend", "active"),
    "reinstate_member": _member("reinstate_member", "reinstate", "suspended"),
    "remove_member": _member("remove_member", "remove", "active"),
    "change_role": Way(
        lambda targets: actions.change_role(targets.active.membership_id, role_id=targets.role_id),
        lambda targets: f"/identity/members/{targets.active.membership_id}/role",
        lambda targets: {"role_id": str(targets.role_id)},
    ),
    "create_role": Way(
        lambda _: actions.create_role(name="More", permissions=["audit.read"]),
        lambda _: "/identity/roles/new",
        lambda _: {"name": "More", "may.audit.read": "own"},
    ),
    "update_role": Way(
        lambda targets: actions.update_role(targets.role_id, name="Less", permissions=["organization.read"]),
        lambda targets: f"/identity/roles/{targets.role_id}",
        lambda _: {"name": "Less", "may.organization.read": "own"},
        is_of_own_organization=True,
    ),
    "delete_role": Way(
        lambda targets: actions.delete_role(targets.role_id),
        lambda targets: f"/identity/roles/{targets.role_id}/delete",
        is_of_own_organization=True,
    ),
    "revoke_token_of_member": Way(
        lambda targets: actions.revoke_token_of_member(targets.token_id),
        lambda targets: f"/identity/tokens/{targets.token_id}/revoke",
    ),
    "end_sessions_of": Way(
        lambda targets: actions.end_sessions_of(targets.active.user_id),
        lambda targets: f"/identity/people/{targets.active.user_id}/end-sessions",
    ),
    "reset_second_factor_of": Way(
        lambda targets: actions.reset_second_factor_of(targets.active.user_id, identity_check="VIDEO"),
        lambda targets: f"/identity/people/{targets.active.user_id}/reset-second-factor",
        lambda _: {"identity_check": "VIDEO"},
    ),
}
"""Every action that decides about a role, or about somebody other than the acting person."""

OWN = {
    "begin_enrolment", "change_password", "confirm_enrolment", "create_token", "disable_second_factor",
    "end_other_sessions", "end_session", "prove", "renew_recovery_codes", "revoke_token", "sign_out",
    "switch_organization", "touch_session", "touch_token", "update_profile",
}  # fmt: skip
"""Actions on one's own account."""
DOOR = {
    "accept_invitation", "begin_try", "end_try", "open_session", "refuse_sign_in", "renew_hash",
    "request_password_reset", "reset_password",
}  # fmt: skip
"""Actions of somebody who shows who they are."""
SYSTEM = {
    "NewToken", "answer_reset_requests", "create_platform_admin", "forget_old_sessions", "forget_old_tries",
    "invite_first_admin", "protect_recovery_codes", "renew_seals",
}  # fmt: skip
"""What only the command line, the clock and handlers do."""


def test_every_action_of_identity_is_known_here():
    assert set(actions.__all__) == set(OTHERS) | OWN | DOOR | SYSTEM


def platform_company() -> Company:
    admin = people.platform_admin()
    return Company(PLATFORM_ID, "KaroKar", "PLATFORM", admin)


def clerk_of(company: Company, *more: str) -> Somebody:
    """A member who manages people and roles and may do nothing else."""
    with people.acting(company.admin):
        actions.create_role(name="Front desk", permissions=[*MANAGES, *more])
    clerk = people.add_member(company, "Front desk")
    people.enrol(clerk)
    return clerk


def targets_in(company: Company) -> Targets:
    admin = f"{company.type}_ADMIN"
    active, suspended = people.add_member(company, admin), people.add_member(company, admin)
    people.enrol(active)
    with people.acting(company.admin):
        actions.suspend_member(suspended.membership_id)
        role = actions.create_role(name="Auditors", permissions=["audit.read"])
    mark = identity.check_password(active.email, active.password).mark
    with acting_as(people.Actor(name="Nobody yet")):
        actions.open_session(active.user_id, mark=mark, device="A test", address="127.0.0.1", has_enrolled=True)
    return Targets(
        company,
        active,
        suspended,
        people.add_member(company, admin, has_joined=False),
        role.id,
        db.session.scalars(select(Role.id).where(Role.code == admin)).one(),
        a_token_of(active).id,
    )


def weaker(case: str) -> tuple[Somebody, Targets]:
    """Somebody with fewer rights, and what they must not touch."""
    if case == "a clerk of a company":
        company = people.make_corporate()
        return clerk_of(company), targets_in(company)
    platform = platform_company()
    desk = clerk_of(platform)
    if case == "a help desk of the platform":
        return desk, targets_in(platform)
    return desk, targets_in(people.make_vendor())


CASES = ("a clerk of a company", "a help desk of the platform", "a help desk in another tenant")


def count_events() -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(EventRow)) or 0


def stands(targets: Targets) -> list[object]:
    db.session.rollback()
    members = [
        (row.status, row.role_id, row.link_copied_at)
        for row in db.session.scalars(
            select(Membership)
            .where(Membership.organization_id == targets.company.id)
            .order_by(Membership.id)
            .execution_options(populate_existing=True)
        )
    ]
    return [*members, len(identity.list_sessions(targets.active.user_id)), count_events()]


def ways(case: str) -> Iterator[tuple[str, Way]]:
    for name, way in OTHERS.items():
        if not (way.is_of_own_organization and case == "a help desk in another tenant"):
            yield name, way


@pytest.mark.parametrize("case", CASES)
def test_no_action_touches_somebody_who_may_do_more(app, case):
    clerk, targets = weaker(case)
    wrong = []
    for name, way in ways(case):
        before = stands(targets)
        try:
            with people.acting(clerk):
                way.call(targets)
            wrong.append(f"{name} was done")
        except DomainError as refused:
            if refused.status not in {403, 422}:
                wrong.append(f"{name}: {refused}")
        if stands(targets) != before:
            wrong.append(f"{name} changed something")
    assert not wrong


def sent(client: FlaskClient, path: str, form: dict[str, str], **headers: str) -> int:
    return client.post(path, data={**form, "csrf_token": TOKEN}, headers=headers).status_code


@pytest.mark.parametrize("case", CASES)
def test_no_page_touches_somebody_who_may_do_more(app, client, case):
    clerk, targets = weaker(case)
    people.sign_in(client, clerk)
    with client.session_transaction() as session:
        session["csrf"] = SECRET
    wrong = []
    for name, way in ways(case):
        if way.path is None:
            continue
        before = stands(targets)
        status = sent(client, way.path(targets), way.form(targets))
        if status not in {403, 404, 422} or stands(targets) != before:
            wrong.append(f"{name} → {status}")
    assert not wrong


@pytest.mark.parametrize("case", CASES)
def test_a_token_decides_with_its_own_rights_and_not_with_its_owner_s(app, client, case):
    if case == "a clerk of a company":
        targets = targets_in(people.make_corporate())
        owner = targets.company.admin
    else:
        platform = platform_company()
        owner = platform.admin
        targets = targets_in(platform if case == "a help desk of the platform" else people.make_vendor())
    with people.acting(owner):
        token = actions.create_token(name="HR", permissions=MANAGES, days=30)
    wrong = []
    for name, way in ways(case):
        if way.path is None:
            continue
        before = stands(targets)
        status = sent(client, way.path(targets), way.form(targets), Authorization=f"Bearer {token.secret}")
        if status not in {403, 404, 422} or stands(targets) != before:
            wrong.append(f"{name} → {status}")
    assert not wrong


def test_a_token_with_all_rights_takes_no_links_and_invites_nobody(app, client):
    company = people.make_corporate()
    invited = people.add_member(company, "EMPLOYEE", has_joined=False)
    with people.acting(company.admin) as actor:
        token = actions.create_token(name="Everything", permissions=actor.permissions, days=30)
    bearer = {"Authorization": f"Bearer {token.secret}"}
    answer = client.post(f"/identity/members/{invited.membership_id}/link", headers=bearer)
    assert (answer.status_code, answer.json["code"]) == (403, "NOT_FOR_TOKENS")
    role = next(role.id for role in identity.list_roles_to_give(company.id, "CORPORATE") if role.code == "EMPLOYEE")
    form = {"first_name": "A", "last_name": "B", "email": "a@b.example", "role_id": str(role)}
    assert client.post("/identity/members/new", data=form, headers=bearer).status_code == 403
    # What a token may do within its rights still works.
    assert client.post(f"/identity/members/{invited.membership_id}/withdraw", headers=bearer).status_code == 303


def test_a_token_sees_no_link_in_a_kept_mail_even_with_the_example_data(app, client, monkeypatch):
    import dataclasses

    from karokar.outbox.delivery.drain import drain_all

    company = people.make_corporate()
    people.add_member(company, "EMPLOYEE", has_joined=False)
    drain_all()
    with people.acting(company.admin):
        token = actions.create_token(name="Mails", permissions=["mail.read"], days=30)
    demo = dataclasses.replace(app.config["KAROKAR"], demo=True)
    monkeypatch.setitem(app.config, "KAROKAR", demo)
    bearer = {"Authorization": f"Bearer {token.secret}", "Accept": "text/html"}
    listed = client.get("/notification/mail", headers=bearer).text
    paths = {part.split('"')[0] for part in listed.split('href="') if part.startswith("/notification/mail/")}
    shown = "".join(client.get(path, headers=bearer).text for path in paths)
    assert paths
    assert "/invitation?token=" not in shown


def test_a_help_desk_manages_those_in_other_tenants_who_may_do_no_more(app):
    desk = clerk_of(platform_company())
    company = people.make_corporate(employees=1)
    with people.acting(desk):
        actions.suspend_member(company.employees[0].membership_id)
    assert identity.find_membership(company.employees[0].user_id, company.id).status == "SUSPENDED"  # type: ignore[union-attr]


def test_an_administrator_of_the_platform_decides_in_every_tenant(app):
    platform = platform_company()
    targets = targets_in(people.make_vendor())
    with people.acting(platform.admin):
        actions.resend_invitation(targets.invited.membership_id)
        actions.reinstate_member(targets.suspended.membership_id)
        assert actions.end_sessions_of(targets.active.user_id) == 1
        actions.reset_second_factor_of(targets.active.user_id, identity_check="VIDEO")


def test_a_run_that_a_token_started_does_what_the_token_may_and_ends_with_it(app):
    from karokar.identity.resolver import actor_of_member

    company = people.make_corporate()
    with people.acting(company.admin):
        token = actions.create_token(name="Cancels", permissions=["booking.cancel"], days=30)
    who = (company.admin.user_id, company.id)
    assert "employee.manage" in actor_of_member(*who).permissions  # type: ignore[union-attr]
    assert set(actor_of_member(*who, token.id).permissions) == {"booking.cancel"}  # type: ignore[union-attr]
    with people.acting(company.admin):
        actions.revoke_token(token.id)
    assert actor_of_member(*who, token.id) is None


def test_buttons_are_shown_to_whom_the_action_would_not_refuse(app, client):
    company = people.make_corporate(employees=1)
    clerk = clerk_of(company, "verification.request", "verification.read", "vehicle.read", "booking.read", "mail.read",
                     "assignment.start", "assignment.complete", "assignment.read", "assignment.accept",
                     "assignment.reject", "notification.read")  # fmt: skip
    people.sign_in(client, clerk)
    assert "/suspend" in client.get(f"/identity/members/{company.employees[0].membership_id}").text
    page = client.get(f"/identity/members/{company.admin.membership_id}").text
    assert "/suspend" not in page
    assert "only an administrator" in page
    offered = client.get("/identity/members/new").text
    assert ">Employee<" in offered
    assert ">Corporate administrator<" not in offered


# --- API tokens of others ---------------------------------------------------------------------------------------------


def a_token_of(somebody: Somebody, *permissions: str) -> actions.NewToken:
    with people.acting(somebody):
        return actions.create_token(name="Nightly export", permissions=permissions or ["mail.read"], days=30)


def works(client: FlaskClient, token: actions.NewToken) -> bool:
    return client.get("/notification/mail", headers={"Authorization": f"Bearer {token.secret}"}).status_code == 200


def test_an_administrator_sees_and_revokes_the_tokens_that_members_made(app, client):
    company = people.make_corporate()
    token = a_token_of(people.add_admin(company))
    assert works(client, token)
    people.sign_in(client, company.admin)
    page = client.get("/identity/tokens").text
    assert "Nightly export" in page
    assert "127.0.0.1" in page
    with client.session_transaction() as session:
        session["csrf"] = SECRET
    assert sent(client, f"/identity/tokens/{token.id}/revoke", {}) == 303
    people.sign_out(client)
    assert not works(client, token)


def test_tokens_of_another_tenant_do_not_exist_and_the_platform_sees_all(app, client):
    company, other = people.make_corporate(), people.make_vendor()
    token = a_token_of(company.admin)
    people.sign_in(client, other.admin)
    assert "Nightly export" not in client.get("/identity/tokens").text
    with people.acting(other.admin), pytest.raises(DomainError) as refused:
        actions.revoke_token_of_member(token.id)
    assert refused.value.code == "NOT_FOUND"
    people.sign_in(client, people.platform_admin())
    assert company.name in client.get("/identity/tokens").text


def test_a_person_has_so_many_tokens_that_work_and_no_more(app):

    company = people.make_corporate()
    made = [a_token_of(company.admin) for _ in range(TOKENS_OF_PERSON.most)]
    with pytest.raises(DomainError) as refused:
        a_token_of(company.admin)
    assert refused.value.code == "TOO_MANY_TOKENS"
    with people.acting(company.admin):
        actions.revoke_token(made[0].id)
    a_token_of(company.admin)


@pytest.mark.parametrize("keeps", [False, True])
@pytest.mark.parametrize("act", ["change", "reset", "end sessions", "the platform ends sessions"])
def test_tokens_end_with_the_password_and_the_sessions_unless_they_are_kept(app, client, act, keeps):
    company = people.make_corporate()
    token = a_token_of(company.admin)
    if act == "change":
        with people.acting(company.admin):
            actions.change_password(
                current=people.PASSWORD, new="seven green kettles", kept_session_id=None, keeps_tokens=keeps
            )
    elif act == "reset":
        actions.request_password_reset(company.admin.email)
        actions.answer_reset_requests()
        link = identity.sign_in_link("password_reset", company.admin.user_id).rsplit("=", maxsplit=1)[-1]
        actions.reset_password(link, new="seven green kettles", keeps_tokens=keeps)
    elif act == "end sessions":
        with people.acting(company.admin):
            actions.end_other_sessions(None, keeps_tokens=keeps)
    else:
        with people.acting(people.platform_admin()):
            actions.end_sessions_of(company.admin.user_id, keeps_tokens=keeps)
    assert works(client, token) is keeps


def test_pages_ask_about_tokens_only_where_there_are_some(app, client):
    company = people.make_corporate()
    people.sign_in(client, company.admin)
    assert "keeps_tokens" not in client.get("/account/password").text
    a_token_of(company.admin)
    assert "keeps_tokens" in client.get("/account/password").text
    assert "keeps_tokens" in client.get("/account/sessions").text
