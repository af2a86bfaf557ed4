"""What verification lets people do."""

from karokar.kernel.actor import Scope
from karokar.kernel.permissions import define

VERIFICATION_REQUEST = define(
    "verification.request",
    "Hand in documents for verification",
    vendor=Scope.OWN,
    corporate=Scope.OWN,
    employee=Scope.SELF,
    # Documents are how a pending or suspended organization gets on.
    while_pending=True,
    while_suspended=True,
)
VERIFICATION_READ = define(
    "verification.read",
    "See verifications and their documents",
    platform=Scope.ALL,
    vendor=Scope.OWN,
    corporate=Scope.OWN,
    employee=Scope.SELF,
)
VERIFICATION_REVIEW = define(
    "verification.review",
    "Approve, reject and revoke verifications",
    platform=Scope.ALL,
)
