"""The first person of a new installation."""

from uuid import UUID

from sqlalchemy import select

from karokar.events.bus import publish
from karokar.identity import rules
from karokar.identity.actions.accounts import check_new_password
from karokar.identity.models import Membership, Role, User
from karokar.identity.rules import passwords, tokens
from karokar.kernel import clock
from karokar.kernel.db import action, db
from karokar.kernel.errors import RuleBroken
from karokar.kernel.settings import settings
from karokar.kernel.text.email_addresses import email_problem, normal_email
from karokar.organization import facts as organization


@action
def create_platform_admin(
    *, email: str, first_name: str, last_name: str, password: str | None = None, is_example: bool = False
) -> UUID:
    """Make an administrator of the platform, and return the membership's id.

    With a password they are active at once; without one they are invited, and set it from the invitation's link. Raises
    RuleBroken for an address that has an account or cannot be mailed to, or a password that is not accepted.
    """
    unsendable = email_problem(email)
    if unsendable:
        raise RuleBroken("EMAIL_NOT_ACCEPTED", unsendable)
    normal = normal_email(email)
    platform = organization.list_platform_ids()[0]
    user = db.session.scalars(select(User).where(User.email == normal).with_for_update()).one_or_none()
    if user is not None and user.password_hash is not None:
        raise RuleBroken("EMAIL_TAKEN", f"{normal} has an account already.")
    if user is not None and _is_invited(user, platform):
        raise RuleBroken("EMAIL_TAKEN", f"{normal} is invited to the platform already.")
    facts = organization.get_organization(platform)
    role = db.session.scalars(select(Role).where(Role.code == rules.ADMIN_ROLES[facts.type])).one()
    if user is None:
        user, registered = User.register(
            first_name=first_name, last_name=last_name, email=normal, time_zone=facts.time_zone
        )
        db.session.add(user)
        publish(registered)
    else:
        # Somebody invited this address somewhere: that is no account, and its name is only what they typed.
        changed = user.update(
            first_name=first_name, last_name=last_name, phone=user.phone, locale=user.locale,
            time_zone=facts.time_zone, theme=user.theme,
        )  # fmt: skip
        publish(changed)
    membership = Membership(user_id=user.id, organization_id=platform)
    invited = membership.invite(role, invited_by=None, nonce=tokens.new_nonce())
    db.session.add(membership)
    publish(invited)
    if password is not None:
        if not is_example:
            check_new_password(user, password, field="password")
        user.email_verified_at = clock.now()
        publish(user.set_password(passwords.hash_password(password, cheap=settings().testing), by_link=False))
        publish(membership.accept())
    return membership.id


def _is_invited(user: User, organization_id: UUID) -> bool:
    conditions = (Membership.user_id == user.id, Membership.organization_id == organization_id)
    return db.session.scalar(select(Membership.id).where(*conditions)) is not None
