"""Deciding about how somebody else signs in."""

from uuid import UUID

from karokar.identity.actions.own_account import lock_user
from karokar.identity.models import User
from karokar.identity.permissions import EMPLOYEE_MANAGE
from karokar.identity.queries.authority import outranked
from karokar.kernel.actor import Scope, current_actor
from karokar.kernel.errors import PermissionDenied, RuleBroken
from karokar.kernel.permissions import check
from karokar.kernel.proof import demand_proof


def lock_outranked(user_id: UUID, doing: str) -> User:
    """Return another person's account, locked, for who may decide how that person signs in.

    Raises PermissionDenied (`doing` says what for) unless the acting person manages people everywhere, ProofNeeded,
    NotForTokens, NotFound, and RuleBroken for somebody who may do more than the acting person in any organization.
    """
    if check(EMPLOYEE_MANAGE) is not Scope.ALL:
        raise PermissionDenied(EMPLOYEE_MANAGE, doing)
    demand_proof()
    user = lock_user(user_id)
    if user.id == current_actor().user_id:
        raise RuleBroken("OWN_ACCOUNT", "This is your own account. Use the pages of your profile for it.")
    if user.id not in outranked([user.id]):
        raise RuleBroken(
            "PERSON_ABOVE_OWN", "This person may do more than you may yourself. Ask an administrator to do it."
        )
    return user
