"""People and organizations, made through the real actions; and acting as one of them.

    vendor = people.make_vendor()                     # ACTIVE, registration verified, one administrator
    company = people.make_corporate(employees=2)      # the same, with an identified representative
    with people.acting(vendor.admin): actions.…       # as a request of theirs would
    people.sign_in(client, vendor.admin)              # a browser that is signed in, without the sign-in page

Everybody's password is `PASSWORD`.
"""

import io
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from flask.testing import FlaskClient
from sqlalchemy import select

from karokar.files.intake import AcceptedFile, accept
from karokar.identity import actions as identity_actions
from karokar.identity import queries as identity
from karokar.identity.models import Membership, Role, User
from karokar.identity.queries.access import password_mark, permissions_of
from karokar.kernel import clock
from karokar.kernel.actor import SYSTEM, Actor, acting_as
from karokar.kernel.db import db
from karokar.organization import actions as organization_actions
from karokar.organization import queries as organization
from karokar.organization.rules import PLATFORM_ID
from karokar.verification import actions as verification_actions

PASSWORD = "correct horse battery staple"
PDF = b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
PNG = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89"
    b"\x00\x00\x00\rIDATx\x9cc\xf8\xcf\xc0\xf0\x1f\x00\x05\x00\x01\xff\x89\x99=\x1d\x00\x00\x00\x00IEND\xaeB`\x82"
)

_numbers = itertools.count(1)
_FIRST = ("Asha", "Ravi", "Meera", "Jonas", "Lucía", "Tomás", "Ingrid", "Kwame", "Yuki", "Omar")
_LAST = ("Khan", "Iyer", "Weber", "Okafor", "Silva", "Novak", "Berg", "Tanaka", "Rossi", "Haddad")


@dataclass(frozen=True)
class Somebody:
    """A person in an organization."""

    user_id: UUID
    organization_id: UUID
    membership_id: UUID
    role: str
    email: str
    name: str
    password: str = PASSWORD


@dataclass
class Company:
    """An organization with its people."""

    id: UUID
    name: str
    type: str
    admin: Somebody
    employees: list[Somebody] = field(default_factory=list)


def pdf(note: str = "") -> AcceptedFile:
    """A small document that was accepted; with a note its content differs from others."""
    return accept("document.pdf", io.BytesIO(PDF.replace(b"Catalog", b"Catalog" + note.encode())))


def actor_of(somebody: Somebody) -> Actor:
    """The actor that a request of this person would have: rights as the database has them now."""
    statement = select(Membership, Role, User).join(Role, Role.id == Membership.role_id)
    statement = statement.join(User, User.id == Membership.user_id).where(Membership.id == somebody.membership_id)
    membership, role, user = db.session.execute(statement).one()
    facts = organization.get_organization(membership.organization_id)
    return Actor(
        user_id=user.id,
        organization_id=facts.id,
        organization_type=facts.type,
        organization_status=facts.status,
        organization_name=facts.name,
        name=user.name,
        role=role.key,
        time_zone=facts.time_zone,
        permissions=permissions_of(role) if membership.status == "ACTIVE" else {},
    )


@contextmanager
def acting(somebody: Somebody) -> Iterator[Actor]:
    """Do what follows as this person."""
    actor = actor_of(somebody)
    with acting_as(actor):
        yield actor


@contextmanager
def as_system() -> Iterator[None]:
    """Do what follows as the system: what clock and handlers do."""
    with acting_as(SYSTEM):
        yield


def sign_in(client: FlaskClient, somebody: Somebody) -> None:
    """Sign a browser in as this person, acting for their organization, without the sign-in page."""
    user = db.session.get(User, somebody.user_id, populate_existing=True)
    assert user is not None
    with acting_as(Actor(name="Nobody yet")):
        token = identity_actions.open_session(
            somebody.user_id, mark=password_mark(user), device="A test", address="127.0.0.1", has_enrolled=True
        )
    assert token is not None
    session_id = identity.acting_by_session(token).session_id  # type: ignore[union-attr]
    with acting(somebody):
        identity_actions.switch_organization(session_id, somebody.organization_id)  # type: ignore[arg-type]
    with client.session_transaction() as session:
        session.clear()
        session["_user_id"] = token
        session["_fresh"] = True


def sign_out(client: FlaskClient) -> None:
    """Let the browser forget its session."""
    with client.session_transaction() as session:
        session.clear()


def platform_admin(email: str = "") -> Somebody:
    """An administrator of the platform, with a second factor already confirmed."""
    number = next(_numbers)
    email = email or f"platform{number}@karokar.example"
    with as_system():
        membership_id = identity_actions.create_platform_admin(
            email=email, first_name="Pat", last_name=f"Form {number}", password=PASSWORD
        )
    somebody = _somebody(membership_id)
    enrol(somebody)
    return somebody


def enrol(somebody: Somebody) -> str:
    """Turn a person's second factor on; returns the secret of their app."""
    import pyotp

    with acting_as(Actor(user_id=somebody.user_id, organization_id=somebody.organization_id, name=somebody.name)):
        identity_actions.begin_enrolment(somebody.user_id)
        key = identity.find_enrolment(somebody.user_id)
        assert key is not None
        # The code of the step before counts, too: so the current one can still be used for signing in. The clock stands
        # still for it, or a slow machine would be two steps on when the code is judged.
        now = clock.now()
        with clock.standing_at(now):
            code = pyotp.TOTP(key.secret).at(now - timedelta(seconds=30))
            identity_actions.confirm_enrolment(somebody.user_id, code)
    return key.secret


def make_organization(
    type: str,  # noqa: A002
    *,
    name: str = "",
    status: str = "ACTIVE",
    employees: int = 0,
    time_zone: str = "Asia/Kolkata",
    reviewer: Somebody | None = None,
) -> Company:
    """An organization whose first administrator has joined; verified and approved where it is to be ACTIVE.

    `status` may be PENDING (applied, nothing handed in), ACTIVE, REJECTED or SUSPENDED.
    """
    number = next(_numbers)
    name = name or f"{type.capitalize()} {number}"
    applied = organization_actions.apply(
        name=name,
        type=type,
        time_zone=time_zone,
        first_name=_FIRST[number % 10],
        last_name=_LAST[number // 10 % 10],
        email=f"admin{number}@{type.lower()}{number}.example",
        phone="+91 80 5555 0100",
        details={"tax_number": f"TAX-{number:06d}"},
    )
    with as_system():
        membership = identity_actions.invite_first_admin(applied.id)
    assert membership is not None
    admin = join(membership.id)
    company = Company(applied.id, name, type, admin)
    if status != "PENDING":
        _decide(company, status, reviewer or _some_reviewer())
    for _ in range(employees):
        add_employee(company)
    return company


def make_vendor(**given: object) -> Company:
    """A vendor; see `make_organization`."""
    return make_organization("VENDOR", **given)  # type: ignore[arg-type]


def make_corporate(*, is_represented: bool = True, **given: object) -> Company:
    """A corporate organization whose administrator's identity is verified, so that it may submit bookings."""
    company = make_organization("CORPORATE", **given)  # type: ignore[arg-type]
    if is_represented and given.get("status", "ACTIVE") == "ACTIVE":
        verify("User", company.admin.user_id, "REPRESENTATIVE_IDENTITY", by=company.admin)
    return company


def add_member(company: Company, role: str, *, email: str = "", has_joined: bool = True) -> Somebody:
    """A member with a system role's code or a composed role's name."""
    number = next(_numbers)
    roles = identity.list_roles_to_give(company.id, company.type)
    role_id = next(found.id for found in roles if role in {found.code, found.name})
    with acting(company.admin):
        membership = identity_actions.invite_member(
            first_name=_FIRST[number % 10],
            last_name=_LAST[number // 10 % 10],
            email=email or f"member{number}@{company.type.lower()}.example",
            role_id=role_id,
        )
    return join(membership.id) if has_joined else _somebody(membership.id)


def add_employee(company: Company) -> Somebody:
    """An employee of a corporate organization."""
    employee = add_member(company, "EMPLOYEE")
    company.employees.append(employee)
    return employee


def add_admin(company: Company) -> Somebody:
    """Another administrator."""
    return add_member(company, f"{company.type}_ADMIN")


def verify(
    entity_type: str,
    entity_id: UUID,
    kind: str,
    *,
    by: Somebody,
    days: int | None = 365,
    reviewer: Somebody | None = None,
) -> UUID:
    """An approved verification, handed in by `by` and valid for so many days (None: without an end)."""
    with acting(by):
        verification = verification_actions.request_verification(
            entity_type=entity_type, entity_id=entity_id, kind=kind, uploads=[pdf(f"{entity_id}{kind}")]
        )
    with acting(reviewer or _some_reviewer()):
        verification_actions.approve_verification(
            verification.id, expires_at=clock.now() + timedelta(days=days) if days is not None else None
        )
    return verification.id


def _decide(company: Company, status: str, reviewer: Somebody) -> None:
    if status == "REJECTED":
        with acting(reviewer):
            organization_actions.reject_organization(company.id, reason="DATA_WRONG")
        return
    verify("Organization", company.id, "ORGANIZATION_REGISTRATION", by=company.admin, days=None, reviewer=reviewer)
    with acting(reviewer):
        organization_actions.approve_organization(company.id)
        if status == "SUSPENDED":
            organization_actions.suspend_organization(company.id, reason="CONDUCT")


def _some_reviewer() -> Somebody:
    members = identity.list_members(PLATFORM_ID, permission="verification.review")
    return _somebody(members[0].membership_id) if members else platform_admin()


def join(membership_id: UUID) -> Somebody:
    """Accept an invitation, as whoever it was sent to."""
    membership = db.session.get(Membership, membership_id)
    assert membership is not None
    token = identity.sign_in_link("invitation", membership_id).rsplit("=", maxsplit=1)[-1]
    has_account = membership.user.password_hash is not None
    actor = Actor(user_id=membership.user_id, name=membership.user.name) if has_account else Actor(name="Nobody yet")
    with acting_as(actor):
        identity_actions.accept_invitation(token, password=None if has_account else PASSWORD)
    return _somebody(membership_id)


def _somebody(membership_id: UUID) -> Somebody:
    membership = db.session.get(Membership, membership_id, populate_existing=True)
    assert membership is not None
    return Somebody(
        user_id=membership.user_id,
        organization_id=membership.organization_id,
        membership_id=membership.id,
        role=membership.role.key,
        email=membership.user.email,
        name=membership.user.name,
    )
