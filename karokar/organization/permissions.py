"""What organization lets people do."""

from karokar.kernel.actor import Scope
from karokar.kernel.permissions import define

ORGANIZATION_READ = define(
    "organization.read",
    "See organizations",
    platform=Scope.ALL,
    vendor=Scope.OWN,
    corporate=Scope.OWN,
    employee=Scope.OWN,
)
ORGANIZATION_APPLY_AGAIN = define(
    "organization.apply_again",
    "Ask for another review after a rejection",
    vendor=Scope.OWN,
    corporate=Scope.OWN,
    while_pending=True,
)
ORGANIZATION_UPDATE = define(
    "organization.update",
    "Change the organization's data and settings",
    vendor=Scope.OWN,
    corporate=Scope.OWN,
    # What an application lacks must be possible to add while it waits.
    while_pending=True,
)
ORGANIZATION_APPROVE = define(
    "organization.approve",
    "Approve, reject, suspend and reinstate organizations",
    platform=Scope.ALL,
)
