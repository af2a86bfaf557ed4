"""The pages of identity: the door, one's own account, members, roles."""

from karokar.identity.views import account, confirm, door, imports, invitations, members, roles, tokens
from karokar.identity.views.blueprint import bp

URL_PREFIX = ""
AREAS = (door, invitations, account, confirm, tokens, members, imports, roles)

__all__ = ["AREAS", "URL_PREFIX", "bp"]
