"""The pages of identity: the door, one's own account, members, roles."""

from karokar.identity.views import account, door, imports, invitations, members, roles, tokens
from karokar.identity.views.blueprint import bp

URL_PREFIX = ""
AREAS = (door, invitations, account, tokens, members, imports, roles)

__all__ = ["AREAS", "URL_PREFIX", "bp"]
