"""People, the organizations they act for, and how they prove who they are."""

from karokar.identity.models.people import Membership, Role, User, can_be_given
from karokar.identity.models.sign_in import ApiToken, RecoveryCode, ResetRequest, TryCount, UserSession

__all__ = [
    "ApiToken",
    "Membership",
    "RecoveryCode",
    "ResetRequest",
    "Role",
    "TryCount",
    "User",
    "UserSession",
    "can_be_given",
]
