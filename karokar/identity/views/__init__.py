"""The pages of identity: signing in, one's own account, members, roles."""

from karokar.identity.views import account, confirm, imports, invitations, members, roles, sign_in, tokens
from karokar.identity.views.blueprint import bp

URL_PREFIX = ""
AREAS = (sign_in, invitations, account, confirm, tokens, members, imports, roles)

__all__ = ["AREAS", "URL_PREFIX", "bp"]
