"""Inviting people, and what becomes of members."""

from uuid import UUID

from sqlalchemy import func, select

from karokar.events.bus import publish
from karokar.identity import rules
from karokar.identity.actions.accounts import LINK_ENDED, check_password_for, set_password
from karokar.identity.actions.own_account import as_oneself, lock_user
from karokar.identity.actions.tries import account_of
from karokar.identity.models import Membership, Role, User, can_be_given
from karokar.identity.permissions import EMPLOYEE_MANAGE
from karokar.identity.queries.authority import may_give
from karokar.identity.queries.links import find_invitation, sign_in_link
from karokar.identity.rules import MembershipStatus, tokens
from karokar.kernel import clock
from karokar.kernel.actor import Scope, current_actor
from karokar.kernel.db import action, db
from karokar.kernel.errors import NotFound, RuleBroken, StateConflict
from karokar.kernel.fairness import quotas
from karokar.kernel.fairness.limits import (
    INVITATIONS_OF_ORGANIZATION,
    INVITATIONS_OF_ORGANIZATION_TO_ADDRESS,
    INVITATIONS_TO_ADDRESS,
    OPEN_INVITATIONS_OF_ORGANIZATION,
)
from karokar.kernel.permissions import check, load
from karokar.kernel.proof import demand_proof, refuse_tokens
from karokar.kernel.text.email_addresses import email_problem, normal_email
from karokar.organization import facts as organization

DUPLICATE = {
    "uq_users_email": StateConflict("ALREADY_INVITED", "Somebody invited this person at the same moment. Look again."),
    "users.email": StateConflict("ALREADY_INVITED", "Somebody invited this person at the same moment. Look again."),
    "memberships": StateConflict("ALREADY_INVITED", "Somebody invited this person at the same moment. Look again."),
}


@action(refusals=DUPLICATE)
def invite_member(
    *,
    first_name: str,
    last_name: str,
    email: str,
    role_id: UUID,
    phone: str | None = None,
    organization_id: UUID | None = None,
) -> Membership:
    """Invite a person by e-mail to the acting organization (the platform: to any), with a role that it may give.

    Somebody who has an account keeps it, with its name. Raises RuleBroken for a role that cannot be given here, an
    address that cannot be mailed to, or a person who is a member or invited already, LimitReached for too many
    invitations, and NotForTokens where a program asks.
    """
    scope = check(EMPLOYEE_MANAGE)
    refuse_tokens()
    target = organization_id if organization_id and scope is Scope.ALL else current_actor().organization_id
    if target is None or (organization_id not in {None, target}):
        raise NotFound("organization")
    role = _role_to_give(role_id, target)
    return _invite(
        target, role, first_name=first_name, last_name=last_name, email=email, phone=phone, by=current_actor().user_id
    )


@action(refusals=DUPLICATE)
def invite_first_admin(organization_id: UUID) -> Membership | None:
    """Invite the person who applied for an organization as its administrator; None where it has members already."""
    facts = organization.get_organization(organization_id)
    applicant = organization.get_applicant(organization_id)
    has_members = select(Membership.id).where(Membership.organization_id == organization_id).limit(1)
    if applicant is None or db.session.scalar(has_members) is not None:
        return None
    role = db.session.scalars(select(Role).where(Role.code == rules.ADMIN_ROLES[facts.type])).one()
    return _invite(
        organization_id,
        role,
        first_name=applicant.first_name,
        last_name=applicant.last_name,
        email=applicant.email,
        phone=applicant.phone,
        by=None,
        time_zone=facts.time_zone,
    )


def _invite(
    organization_id: UUID,
    role: Role,
    *,
    first_name: str,
    last_name: str,
    email: str,
    phone: str | None,
    by: UUID | None,
    time_zone: str | None = None,
) -> Membership:
    problem = email_problem(email)
    if problem:
        raise RuleBroken("EMAIL_NOT_ACCEPTED", problem, fields={"email": problem})
    if by is not None:
        # Before anybody is looked up: who has an account cannot be told from who is refused.
        _count_invitation(organization_id, email)
        is_open = (Membership.organization_id == organization_id, Membership.status == MembershipStatus.INVITED)
        counted = select(func.count()).select_from(Membership).where(*is_open)
        quotas.ask(OPEN_INVITATIONS_OF_ORGANIZATION, organization_id, used=lambda: db.session.scalar(counted) or 0)
    user = db.session.scalars(select(User).where(User.email == normal_email(email))).one_or_none()
    if user is None:
        user, registered = User.register(
            first_name=first_name,
            last_name=last_name,
            email=normal_email(email),
            phone=phone,
            time_zone=time_zone or organization.get_organization(organization_id).time_zone,
        )
        db.session.add(user)
        publish(registered)
    conditions = (Membership.user_id == user.id, Membership.organization_id == organization_id)
    membership = db.session.scalars(select(Membership).where(*conditions).with_for_update()).one_or_none()
    if membership is None:
        membership = Membership(user_id=user.id, organization_id=organization_id)
    elif membership.status != MembershipStatus.REMOVED:
        is_invited = membership.status == MembershipStatus.INVITED
        sentence = "This person is invited already." if is_invited else "This person is a member already."
        raise RuleBroken("ALREADY_A_MEMBER", sentence, fields={"email": sentence})
    event = membership.invite(role, invited_by=by, nonce=tokens.new_nonce())
    db.session.add(membership)
    publish(event)
    return membership


def _count_invitation(organization_id: UUID, email: str) -> None:
    """Count a mail that invites. Raises LimitReached where the organization, or the address, has had too many."""
    address = account_of(email)
    quotas.ask(INVITATIONS_OF_ORGANIZATION, organization_id)
    quotas.ask(INVITATIONS_OF_ORGANIZATION_TO_ADDRESS, f"{organization_id}:{address}", field="email")
    quotas.ask(INVITATIONS_TO_ADDRESS, address, field="email")


def check_role(role_id: UUID, organization_id: UUID) -> None:
    """Raise what `invite_member` would raise for this role, without inviting anybody."""
    check(EMPLOYEE_MANAGE)
    refuse_tokens()
    _role_to_give(role_id, organization_id)


def _role_to_give(role_id: UUID, organization_id: UUID) -> Role:
    facts = organization.get_organization(organization_id)
    role = db.session.scalars(
        select(Role).where(Role.id == role_id, can_be_given(organization_id, facts.type))
    ).one_or_none()
    if role is None:
        sentence = "This role cannot be given in this organization. Choose one from the list."
        raise RuleBroken("ROLE_NOT_GIVEN_HERE", sentence, fields={"role_id": sentence})
    if not may_give(role, organization_id):
        sentence = "This role allows more than you may yourself. Ask an administrator to give it."
        raise RuleBroken("ROLE_ABOVE_OWN", sentence, fields={"role_id": sentence})
    return role


def _load_invitation(membership_id: UUID, version: int | None = None) -> Membership:
    membership = load(Membership, membership_id, EMPLOYEE_MANAGE, version=version, lock=True)
    _refuse_above_own(membership)
    return membership


def _refuse_above_own(membership: Membership) -> None:
    if not may_give(membership.role, membership.organization_id):
        raise RuleBroken(
            "MEMBER_ABOVE_OWN", "This member may do more here than you may. Ask an administrator to do it."
        )


@action
def resend_invitation(membership_id: UUID, *, version: int | None = None) -> Membership:
    """Send an open invitation anew; the former link ends.

    Raises RuleBroken where its role is above the acting person's rights, StateConflict where it is not open, and
    LimitReached for too many invitations.
    """
    membership = _load_invitation(membership_id, version)
    _count_invitation(membership.organization_id, membership.user.email)
    publish(membership.resend(tokens.new_nonce()))
    return membership


@action
def withdraw_invitation(membership_id: UUID, *, version: int | None = None) -> Membership:
    """Take an invitation back.

    Raises RuleBroken where its role is above the acting person's rights, StateConflict where it is not open.
    """
    membership = _load_invitation(membership_id, version)
    publish(membership.withdraw())
    return membership


@action
def take_invitation_link(membership_id: UUID) -> str:
    """Return the invitation's link to whoever manages members, once per invitation sent.

    Raises RuleBroken where its role is above the acting person's rights, ProofNeeded, NotForTokens, and StateConflict
    where it is not open or was taken before.
    """
    check(EMPLOYEE_MANAGE)
    demand_proof()
    membership = _load_invitation(membership_id)
    if not membership.is_open:
        raise StateConflict("INVITATION_NOT_OPEN", "This invitation is no longer open. Send it again first.")
    if membership.link_copied_at is not None:
        raise StateConflict(
            "LINK_TAKEN", "The link was shown once already. Send the invitation again to make a new one."
        )
    membership.link_copied_at = clock.now()
    return sign_in_link("invitation", membership.id)


@action
def accept_invitation(token: str, *, password: str | None = None, is_example: bool = False) -> UUID:
    """Join by the link of a mail, and return whose account it is.

    Somebody without an account chooses their password; somebody with one must be signed in. Raises StateConflict for a
    link that is forged, too old, used or withdrawn, or for another person's, and RuleBroken for a password not
    accepted.
    """
    found = find_invitation(token)
    if found is None:
        raise LINK_ENDED
    user = lock_user(found.user_id)
    statement = select(Membership).where(Membership.id == found.membership_id).with_for_update()
    membership = db.session.scalars(statement.execution_options(populate_existing=True)).one()
    # Two clicks at once: whoever comes second finds the link used.
    if find_invitation(token) is None:
        raise LINK_ENDED
    if current_actor().user_id != user.id and not is_example:
        # Asked for every address alike, before anything depends on who has an account: else a password that is refused
        # anyway would tell which.
        words = (user.email.rpartition(".")[0], organization.get_organization(membership.organization_id).name)
        check_password_for(words, password or "", field="password")
    if user.password_hash is not None and current_actor().user_id != user.id:
        raise StateConflict("SIGN_IN_FIRST", f"Sign in as {user.email} first, then open the link again.")
    # A link that the inviter took may have come by any way, so that it proves nothing about the mailbox.
    came_by_mail = membership.link_copied_at is None
    joined = membership.accept()
    with as_oneself(user):
        if user.email_verified_at is None and came_by_mail:
            publish(user.verify_email())
        if user.password_hash is None:
            set_password(user, password or "", by_link=True, field="password", is_example=is_example)
        publish(joined)
    return user.id


@action
def change_role(membership_id: UUID, *, role_id: UUID, version: int | None = None) -> Membership:
    """Give a member another role.

    Raises RuleBroken for a role not given here or above the acting person's rights, ProofNeeded, NotForTokens, and
    StateConflict for the last administrator.
    """
    check(EMPLOYEE_MANAGE)
    demand_proof()
    membership = _load_member(membership_id, version)
    role = _role_to_give(role_id, membership.organization_id)
    if not role.is_admin:
        _keep_an_admin(membership)
    publish(membership.change_role(role))
    return membership


@action
def suspend_member(membership_id: UUID, *, reason: str = "", version: int | None = None) -> Membership:
    """Take a member's rights away for now. Raises StateConflict for the last administrator."""
    membership = _load_member(membership_id, version)
    _keep_an_admin(membership)
    publish(membership.suspend(reason))
    return membership


@action
def reinstate_member(membership_id: UUID, *, version: int | None = None) -> Membership:
    """Give a suspended member their rights back."""
    membership = _load_member(membership_id, version)
    publish(membership.reinstate())
    return membership


@action
def remove_member(membership_id: UUID, *, reason: str = "", version: int | None = None) -> Membership:
    """Let a member go. Raises StateConflict for the last administrator."""
    membership = _load_member(membership_id, version)
    _keep_an_admin(membership)
    publish(membership.remove(reason))
    return membership


def _load_member(membership_id: UUID, version: int | None) -> Membership:
    """Return the membership with every administrator of its organization locked, so that two who remove each other at
    once do not both succeed.
    """
    membership = load(Membership, membership_id, EMPLOYEE_MANAGE)
    admins = (
        select(Membership)
        .join(Role, Role.id == Membership.role_id)
        .where(
            Membership.organization_id == membership.organization_id,
            Role.code.in_(rules.ADMIN_ROLES.values()) | (Membership.id == membership_id),
        )
        .order_by(Membership.id)
        .with_for_update(of=Membership)
        .execution_options(populate_existing=True)
    )
    locked = {row.id: row for row in db.session.scalars(admins)}
    membership = locked[membership_id]
    membership.expect(version)
    _refuse_above_own(membership)
    return membership


def _keep_an_admin(membership: Membership) -> None:
    if not membership.role.is_admin or membership.status != MembershipStatus.ACTIVE:
        return
    others = (
        select(Membership.id)
        .join(Role, Role.id == Membership.role_id)
        .where(
            Membership.organization_id == membership.organization_id,
            Membership.status == MembershipStatus.ACTIVE,
            Membership.id != membership.id,
            Role.code.in_(rules.ADMIN_ROLES.values()),
        )
        .limit(1)
    )
    if db.session.scalar(others) is None:
        raise StateConflict(
            "LAST_ADMIN",
            "This is the organization's last active administrator. Make somebody else an administrator first.",
        )
